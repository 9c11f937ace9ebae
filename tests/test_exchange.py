"""Exchanged names: everybody who was named gets another name, everywhere the same, and the rest stays."""

import csv
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance import name_lists
from stance.name_lists import lists
from stance.standins import substitutions
from stance.types import Article
from training.annotations import AnnotatedArticle, parse_marked
from training.exchange import KINDS, exchanged, plan

SEEDS = range(12)
REGIONS = {
    "north-america",
    "latin-america",
    "western-europe",
    "eastern-europe",
    "middle-east",
    "north-africa",
    "sub-saharan-africa",
    "central-asia",
    "south-asia",
    "east-asia",
    "southeast-asia",
    "oceania",
}


# {given} and {family} of a woman, {other} given name of a man
PEOPLE = {
    "full name": "They asked {given} {family} twice.",
    "surname alone": "They asked {given} {family}. Then {family} left.",
    "given name alone": "They asked {given} {family}. Then {given} left.",
    "possessives": "They saw {given} {family}. It was {family}'s boat, {given}’s house and {given} {family}'s money.",
    "all capitals": "{GIVEN} {FAMILY}, above, runs the harbour board. They asked {given} {family} twice.",
    "in quotation marks": "“We asked {given} {family},” the clerk wrote. “{family} knows.”",
    "a shared surname": "They asked {given} {family} and {other} {family}. The {family} brothers paid, said {other}.",
    "a middle initial": "They asked {given} R. {family} about the {family}-owned ferry.",
    "after a title": "They asked Mayor {given} {family} and then Ms {family}.",
}


@pytest.mark.parametrize("template", PEOPLE.values(), ids=PEOPLE)
@pytest.mark.parametrize("seed", SEEDS)
def test_people_get_another_name_wherever_they_are_named(template: str, seed: int) -> None:
    text = _people(template, "Nora", "Feldkamp", "Peter")
    words = plan(text, _chance(seed), ["people"])
    given_name, family, other = words["Nora"], words["Feldkamp"], words.get("Peter", "")
    assert _swapped(text, words) == _people(template, given_name, family, other)
    assert given_name in lists().given["f"]
    assert family in lists().family
    assert other in lists().given["m"] or "{other}" not in template


SHOUTED = {
    "a verb in a headline": "{GIVEN} {FAMILY} QUITS\n\nThe harbour board said {given} {family} had left.",
    "a verb in a headline in title case": "{given} {family} Quits\n\nThe harbour board said {given} {family} had left.",
    "capitals second": "They asked {given} {family} twice. {GIVEN} {FAMILY}, above, runs the harbour board.",
}


@pytest.mark.parametrize("template", SHOUTED.values(), ids=SHOUTED)
def test_people_in_headlines_and_capitals_get_the_same_name(template: str) -> None:
    text = _people(template, "Nora", "Feldkamp", "")
    for seed in SEEDS:
        words = plan(text, _chance(seed), ["people"])
        assert _swapped(text, words) == _people(template, words["Nora"], words["Feldkamp"], "")


@pytest.mark.parametrize("seed", SEEDS)
def test_genders_bring_given_names_of_the_other_gender(seed: int) -> None:
    text = "Nora Feldkamp said she had paid. Peter Obel said he had not."
    words = plan(text, _chance(seed), ["genders"])
    nora, feldkamp, peter, obel = (words[name] for name in ("Nora", "Feldkamp", "Peter", "Obel"))
    assert nora in lists().given["m"]
    assert peter in lists().given["f"]
    after = f"{nora} {feldkamp} said he had paid. {peter} {obel} said she had not."
    assert _swapped(text, words) == after


UNTOUCHED = {
    "longer words": ("They asked Nora Feldkamp. The Feldkampers of Norano left.", "The Feldkampers of Norano left."),
    "lower case": ("They asked Nora Feldkamp about the nora valley.", "the nora valley"),
}


@pytest.mark.parametrize(("text", "kept"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_names_are_exchanged_as_whole_words_only(text: str, kept: str) -> None:
    after = _swapped(text, plan(text, _chance(3), ["people"]))
    assert kept in after
    assert "Nora Feldkamp" not in after


# {0} name, {1} adjective, {2} people, {3} capital
COUNTRIES = {
    "name": "They sailed to {0}. Ferries from {0} were late.",
    "possessive": "It was {0}'s fleet and {0}’s harbour.",
    "name and adjective": "Ships of {0} and other {1} ships.",
    "name and capital": "Ships of {0} sailed. The board met in {3}.",
    "adjective and capital": "Two {1} ships sailed. The board met in {3}.",
    "hyphens": "It was a pro-{1} paper, printed in {0}.",
}
AGREEING = {
    "people": "Ships of {0} and their {1} crews. Most {2} had paid, the board said in {3}.",
    "people alone": "Two {2} had paid.",
}


@pytest.mark.parametrize("template", COUNTRIES.values(), ids=COUNTRIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_country_keeps_to_its_adjective_and_capital(template: str, seed: int) -> None:
    after = _swapped_kind(template.format("Canada", "Canadian", "Canadians", "Ottawa"), seed, "countries")
    assert after in {template.format(*row) for row in lists().countries if row[0] != "Canada"}


@pytest.mark.parametrize("template", AGREEING.values(), ids=AGREEING)
def test_a_country_keeps_to_its_people(template: str) -> None:
    text = template.format("Canada", "Canadian", "Canadians", "Ottawa")
    expected = {template.format(*row) for row in lists().countries}
    assert {_swapped_kind(text, seed, "countries") for seed in range(60)} <= expected


@pytest.mark.parametrize("seed", SEEDS)
def test_several_countries_become_as_many_others(seed: int) -> None:
    named = ["Canada", "Chile", "Kenya", "Japan", "Poland"]
    words = plan(f"They wrote to {', '.join(named)}.", _chance(seed), ["countries"])
    new = [words[name] for name in named]
    assert len(set(new)) == len(named)
    assert not set(new) & set(named)
    assert set(new) <= {row[0] for row in lists().countries}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ways_to_write_the_united_states_become_one_country(seed: int) -> None:
    text = "Ships from America, U.S. courts, US law, American crews. They told us in Washington: trust US."
    words = plan(text, _chance(seed), ["countries"])
    row = next(row for row in lists().countries if row[0] == words["America"])
    name, adjective, _, capital = row
    expected = (
        f"Ships from {name}, {name} courts, {name} law, {adjective} crews. They told us in {capital}: trust {name}."
    )
    assert _swapped(text, words) == expected
    assert words["United States"] == name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_party_keeps_to_its_adjective(seed: int) -> None:
    template = "The {0} won. Two {1} voters read a letter from the {0}'s board."
    after = _swapped_kind(template.format("Republican Party", "Republican"), seed, "parties")
    assert after in {template.format(*row) for row in lists().parties if row[0] != "Republican Party"}


@pytest.mark.parametrize(
    "template", ["Two {2} left the {0}.", "The {0} won, a {3} paper wrote."], ids=["members", "short"]
)
def test_a_party_keeps_to_its_members_and_short_form(template: str) -> None:
    text = template.format("Republican Party", "Republican", "Republicans", "GOP")
    after = {_swapped_kind(text, seed, "parties").replace(" an ", " a ") for seed in range(120)}
    assert after <= {template.format(*row) for row in lists().parties}


@pytest.mark.parametrize("seed", SEEDS)
def test_titles_become_other_titles_before_names_only(seed: int) -> None:
    text = "They asked President Nora Feldkamp and Mayor Obel. The president and the mayor had paid the clerk."
    found = re.fullmatch(
        r"They asked (.+) Nora Feldkamp and (.+) Obel\. The president and the mayor had paid the clerk\.",
        _swapped_kind(text, seed, "titles"),
    )
    assert found is not None
    assert set(found.groups()) <= set(lists().titles)


# before, after; without names, so that there is nothing to draw
GENDERS = {
    "he and she": ("He said she had paid.", "She said he had paid."),
    "him": ("They asked him twice.", "They asked her twice."),
    "her as an object": ("They asked her.", "They asked him."),
    "her before a comma": ("They asked her, twice.", "They asked him, twice."),
    "her before a noun": ("They sold her boat.", "They sold his boat."),
    "his before a noun": ("They sold his boat.", "They sold her boat."),
    "his alone": ("The boat was his.", "The boat was hers."),
    "hers": ("The boat was hers.", "The boat was his."),
    "capitals": ("His boat sank. Her boat sank. He swam.", "Her boat sank. His boat sank. She swam."),
    "herself": ("She blamed herself, and he himself.", "He blamed himself, and she herself."),
    "words": ("The chairman met an angry actress.", "The chairwoman met an angry actor."),
    "plurals": ("Two policemen and three women left.", "Two policewomen and three men left."),
    "at the start": ("Women and a widow left.", "Men and a widower left."),
    "hyphenated": ("They asked my brother-in-law’s father.", "They asked my sister-in-law’s mother."),
    "Mr and Ms": ("They asked Mr. Smith-to-be and Ms. Nobody.", "They asked Ms. Smith-to-be and Mr. Nobody."),
    "parts of words": ("The heat in the theatre is there; management helps the sheep.",) * 2,
    "a becomes an": ("They saw a son, a nephew and a monk.", "They saw a daughter, a niece and a nun."),
    "an becomes a": ("They met an abbess at a hotel.", "They met an abbot at a hotel."),
    "an heir": ("They met an heir.", "They met an heiress."),
    "an uncle": ("They met an uncle.", "They met an aunt."),
    "a waiter, an actor": ("They met a waiter, then an actor.", "They met a waitress, then an actress."),
    "his before a quotation mark": ("They sank his “grand” boat.", "They sank her “grand” boat."),
    "her before a quotation mark": ("They sank her “grand” boat.", "They sank his “grand” boat."),
    "Mrs": ("They asked Mrs. Nobody.", "They asked Mr. Nobody."),
}


@pytest.mark.parametrize(("before", "after"), GENDERS.values(), ids=GENDERS)
def test_genders_are_exchanged_where_they_stand(before: str, after: str) -> None:
    assert _swapped(before, plan(before, _chance(0), ["genders"])) == after


REVERSIBLE = (
    "She left.|His boat sank.|They asked her.|It was hers.|He paid.|They sold his house.|Two men swam.|A nun wrote."
)


@given(st.lists(st.sampled_from(REVERSIBLE.split("|")), min_size=1))
def test_genders_exchanged_twice_are_the_first_ones(sentences: list[str]) -> None:
    text = " ".join(sentences)
    words = plan(text, _chance(0), ["genders"])
    once = _swapped(text, words)
    assert once != text
    assert _swapped(once, words) == text


# before, what is exchanged, after
ARTICLES = {
    "a becomes an": ("a Canadian ship", {"Canadian": "Albanian"}, "an Albanian ship"),
    "an becomes a": ("an Albanian ship", {"Albanian": "Canadian"}, "a Canadian ship"),
    "a stays": ("a Canadian ship", {"Canadian": "Chilean"}, "a Chilean ship"),
    "at the start": (
        "An Albanian ship. A Chilean one.",
        {"Albanian": "Kenyan", "Chilean": "Iraqi"},
        "A Kenyan ship. An Iraqi one.",
    ),
    "a Uruguayan": ("an Albanian ship", {"Albanian": "Uruguayan"}, "a Uruguayan ship"),
    "a Ukrainian": ("an Albanian ship", {"Albanian": "Ukrainian"}, "a Ukrainian ship"),
    "a Ugandan": ("an Albanian ship", {"Albanian": "Ugandan"}, "a Ugandan ship"),
    "an Uzbek": ("a Canadian ship", {"Canadian": "Uzbek"}, "an Uzbek ship"),
    "a U.S.": ("an Albanian ship", {"Albanian": "U.S."}, "a U.S. ship"),
    "a UK": ("an Albanian ship", {"Albanian": "UK"}, "a UK ship"),
    "a European": ("an Albanian ship", {"Albanian": "European"}, "a European ship"),
    "a Hungarian": ("an Albanian ship", {"Albanian": "Hungarian"}, "a Hungarian ship"),
    "a Honduran": ("an Albanian ship", {"Albanian": "Honduran"}, "a Honduran ship"),
    "an acronym said letter by letter": ("a Labour voter", {"Labour": "NDP"}, "an NDP voter"),
    "a word between": ("a grey Canadian ship", {"Canadian": "Albanian"}, "a grey Albanian ship"),
    "the end of a word": ("Tanka Canadian", {"Canadian": "Albanian"}, "Tanka Albanian"),
    "the goes": ("in the Netherlands", {"Netherlands": "Chile"}, "in Chile"),
    "the stays": ("in the Netherlands", {"Netherlands": "Philippines"}, "in the Philippines"),
    "the goes before U.S.": ("left the U.S. for good", {"U.S.": "Chile"}, "left Chile for good"),
    "the of another word": ("the Canadian ship", {"Canadian": "Chilean"}, "the Chilean ship"),
    "the end of another word": ("to bathe Netherlands", {"Netherlands": "Chile"}, "to bathe Chile"),
    "The goes at the start": ("The Netherlands won.", {"Netherlands": "Chile"}, "Chile won."),
}


@pytest.mark.parametrize(("before", "words", "after"), ARTICLES.values(), ids=ARTICLES)
def test_articles_before_a_name_agree(before: str, words: dict[str, str], after: str) -> None:
    assert _swapped(before, words) == after


SUBSTITUTED = {
    "the longest first": ("New Arden and Arden", {"Arden": "Bree", "New Arden": "Old Cole"}, "Old Cole and Bree"),
    "once, not in turn": ("Arden and Bree", {"Arden": "Bree", "Bree": "Arden"}, "Bree and Arden"),
    "dots are dots": ("U.S. and UXSX", {"U.S.": "Chile"}, "Chile and UXSX"),
    "not after a dot": ("www.Arden or Arden", {"Arden": "Bree"}, "www.Arden or Bree"),
    "not within a word": ("Ardennes McArden Arden", {"Arden": "Bree"}, "Ardennes McArden Bree"),
    "case counts": ("arden ARDEN Arden", {"Arden": "Bree"}, "arden ARDEN Bree"),
    "no words": ("Arden", {}, "Arden"),
}


@pytest.mark.parametrize(("before", "words", "after"), SUBSTITUTED.values(), ids=SUBSTITUTED)
def test_whole_words_are_substituted(before: str, words: dict[str, str], after: str) -> None:
    assert _swapped(before, words) == after


NAMELESS = {
    "nothing": "",
    "no names": "The ferry was late. “Nobody paid,” the clerk said, “not once.”",
    "a capital alone": "The board met in Ottawa, then in Paris.",
    "an acronym alone": "The GOP was late, as the NDP wrote.",
    "a surname that nobody bears": "They asked Feldkamp.",
    "a title without a name": "The president and the mayor were late.",
    "lower case": "they ate a swiss roll and a canada goose.",
    "names of towns and bodies": "The Harbour Board of Arden wrote to the Ferry Company.",
}


@pytest.mark.parametrize("text", NAMELESS.values(), ids=NAMELESS)
@pytest.mark.parametrize("kinds", [KINDS, *((kind,) for kind in KINDS)], ids=lambda kinds: "+".join(kinds))
def test_nothing_changes_where_nobody_is_named(text: str, kinds: tuple[str, ...]) -> None:
    annotated = AnnotatedArticle(Article("quiet", text), ())
    assert exchanged(annotated, plan(text, _chance(5), kinds)) == annotated


STORY = """
{c1:“Peter Obel sold the pier twice,”} {s1:Mayor Nora Feldkamp} {u1:said}. {c2:Canada's ferries}, {s2:she} {u2:added},
{c2:were run by an American}. {s3:Obel}, a Republican, {u3:denied} {c3:it}.
{c4:“It was his duty,”} {u4:wrote} {s4:Canada}.
---
1 | A | Nora Feldkamp | Peter Obel
2 | O | Nora Feldkamp | -
3 | D | Peter Obel | -
4 | JA | Canada | ?
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_speakers_and_targets_follow_the_text(seed: int) -> None:
    annotated = parse_marked(STORY)
    words = plan(annotated.article.text, _chance(seed))
    quotes = exchanged(annotated, words).quotes
    nora, peter = f"{words['Nora']} {words['Feldkamp']}", f"{words['Peter']} {words['Obel']}"
    assert [quote.speaker for quote in quotes] == [nora, nora, peter, words["Canada"]]
    assert [quote.target for quote in quotes] == [peter, None, None, "?"]
    assert [(q.stance, q.second) for q in quotes] == [(q.stance, q.second) for q in annotated.quotes]


@pytest.mark.parametrize("seed", SEEDS)
def test_spans_follow_the_text(seed: int) -> None:
    annotated = parse_marked(STORY)
    words = plan(annotated.article.text, _chance(seed))
    changed = exchanged(annotated, words)
    first, _, third, fourth = changed.quotes
    peter, nora, obel = f"{words['Peter']} {words['Obel']}", f"{words['Nora']} {words['Feldkamp']}", words["Obel"]
    assert _texts(changed, first.content) == [f"“{peter} sold the pier twice,”"]
    assert _texts(changed, first.source) == [f"{words['Mayor']} {nora}"]
    assert _texts(changed, third.source) == [obel]
    assert _texts(changed, third.content) == ["it"]
    assert _texts(changed, fourth.content) == ["“It was her duty,”"]
    assert _texts(changed, fourth.source) == [words["Canada"]]


@pytest.mark.parametrize("kinds", [KINDS, *((kind,) for kind in KINDS)], ids=lambda kinds: "+".join(kinds))
@pytest.mark.parametrize("seed", range(4))
def test_exchanged_articles_keep_their_quotes_and_who_is_named(
    held: list[AnnotatedArticle], kinds: tuple[str, ...], seed: int
) -> None:
    followed = 0
    for annotated in held:
        changed = exchanged(annotated, plan(annotated.article.text, _chance(seed), kinds))
        assert len(changed.quotes) == len(annotated.quotes)
        for before, after in zip(annotated.quotes, changed.quotes, strict=True):
            assert all(part.strip() for part in _texts(changed, (*after.content, *after.cue, *after.source)))
            assert [len(before.content), len(before.source)] == [len(after.content), len(after.source)]
            for old, new in ((before.speaker, after.speaker), (before.target, after.target)):
                if old is None or old == "?":
                    assert new == old
                elif _stands(old, annotated.article.text):
                    followed += old != new
                    assert new is not None
                    assert _stands(new, changed.article.text), f"{annotated.article.id}: {old!r} became {new!r}"
    assert followed or kinds == ("titles",)


@pytest.mark.parametrize("kinds", [KINDS, *((kind,) for kind in KINDS)], ids=lambda kinds: "+".join(kinds))
def test_the_same_seed_gives_the_same_text(held: list[AnnotatedArticle], kinds: tuple[str, ...]) -> None:
    for annotated in held:
        text = annotated.article.text
        assert plan(text, _chance(7), kinds) == plan(text, _chance(7), kinds)


def test_another_seed_gives_another_text() -> None:
    text = parse_marked(STORY).article.text
    assert len({_swapped(text, plan(text, _chance(seed))) for seed in range(20)}) > 15


def test_only_the_chosen_kinds_are_exchanged() -> None:
    text = "President Nora Feldkamp of Canada, a Republican, sold her boat."
    kept = {
        "people": "President {} of Canada, a Republican, sold her boat.",
        "countries": "President Nora Feldkamp of {}, a Republican, sold her boat.",
        "titles": "{} Nora Feldkamp of Canada, a Republican, sold her boat.",
        "genders": "President {} of Canada, a Republican, sold his boat.",
    }
    for kind, template in kept.items():
        after = _swapped_kind(text, 1, kind)
        start, end = template.split("{}")
        assert after.startswith(start), kind
        assert after.endswith(end), kind
        assert after != text, kind
    assert _swapped_kind(text, 1, "parties").startswith("President Nora Feldkamp of Canada, a")
    assert "Republican" not in _swapped_kind(text, 1, "parties")
    assert plan(text, _chance(1), []) == {}


COLUMNS: dict[str, tuple[str, ...]] = {
    "people": ("name", "kind", "gender", "region"),
    "countries": ("name", "adjective", "people", "capital", "region", "ambiguous"),
    "parties": ("party", "adjective", "members", "short", "country"),
    "genders": ("he", "she"),
    "titles": ("title", "gender"),
}
# What may be empty, and what no two rows may share.
OPTIONAL: dict[str, set[str]] = {"people": {"gender"}, "titles": {"gender"}}
KEYS: dict[str, list[tuple[str, ...]]] = {
    "people": [("name", "kind")],
    "countries": [("name",), ("capital",)],
    "parties": [("party",)],
}
KEYS |= {"genders": [("he",), ("she",)], "titles": [("title",)]}


@pytest.mark.parametrize("name", COLUMNS)
def test_lists_are_well_formed(name: str) -> None:
    rows = _rows(name)
    assert {tuple(row) for row in rows} == {COLUMNS[name]}
    for row in rows:
        assert all(value == " ".join(value.split()) for value in row.values()), row
        assert all(value or column in OPTIONAL.get(name, ()) for column, value in row.items()), row
    for key in KEYS[name]:
        values = [tuple(row[column] for column in key) for row in rows]
        assert len(set(values)) == len(values), key


def test_lists_hold_people_of_every_region() -> None:
    rows = _rows("people")
    assert {(row["kind"], row["gender"]) for row in rows} == {("given", "f"), ("given", "m"), ("family", "")}
    assert {row["region"] for row in rows} == REGIONS
    for region in REGIONS:
        of_region = [(row["kind"], row["gender"]) for row in rows if row["region"] == region]
        assert of_region.count(("family", "")) >= 40, region
        assert min(of_region.count(("given", "f")), of_region.count(("given", "m"))) >= 25, region


def test_lists_hold_countries_and_parties_of_every_region() -> None:
    countries, parties = _rows("countries"), _rows("parties")
    assert {row["ambiguous"] for row in countries} == {"0", "1"}
    certain = [row for row in countries if row["ambiguous"] == "0"]
    assert len(certain) == len(lists().countries) >= 40
    assert {row["region"] for row in certain} == REGIONS
    assert len({row["adjective"] for row in certain}) == len(certain)
    region = {row["name"]: row["region"] for row in countries} | {"Britain": "western-europe"}
    assert len(parties) >= 25
    assert {region[row["country"]] for row in parties} == REGIONS


def test_no_name_says_two_things() -> None:
    names = lists()
    women, men, families = set(names.given["f"]), set(names.given["m"]), set(names.family)
    assert not women & men
    assert not families & (women | men)
    assert not (families | women | men) & {form for row in names.countries for form in row}
    assert not set(names.genders) & set(names.genders.values())
    assert all(word == word.lower() for pair in names.genders.items() for word in pair)


def test_titles_drawn_say_nothing_of_gender() -> None:
    rows = _rows("titles")
    assert {row["gender"] for row in rows} == {"", "f", "m"}
    assert set(lists().titles) == {row["title"] for row in rows if not row["gender"]}
    words = {word for pair in lists().genders.items() for word in pair}
    assert not [title for title in lists().titles if words & set(title.lower().split())]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def _people(template: str, given_name: str, family: str, other: str) -> str:
    shouted = {"GIVEN": given_name.upper(), "FAMILY": family.upper()}
    return template.format(given=given_name, family=family, other=other, **shouted)


def _swapped(text: str, words: dict[str, str]) -> str:
    """The text after its substitutions, from the last to the first."""
    for edit in reversed(substitutions(text, words)):
        text = text[: edit.start] + edit.words + text[edit.end :]
    return text


def _swapped_kind(text: str, seed: int, kind: str) -> str:
    return _swapped(text, plan(text, _chance(seed), [kind]))


def _texts(annotated: AnnotatedArticle, spans: tuple[tuple[int, int], ...]) -> list[str]:
    return [annotated.article.text[start:end] for start, end in spans]


def _stands(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _rows(name: str) -> list[dict[str, str]]:
    path = Path(name_lists.__file__).parent / "lists" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
