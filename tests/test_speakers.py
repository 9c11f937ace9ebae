"""Attribution: who is speaking, by the fullest name that the article gives."""

import re
from collections.abc import Callable

import pytest

from stance.candidates import candidates, fullest
from stance.names import mentions, name_words
from stance.pipeline import Pipeline
from stance.speakers import AUTHOR
from stance.types import Claim, Span
from training.annotations import AnnotatedArticle

# An article, words of a quote in it, and who says them.
CASES = {
    "name beside the quote": (
        "“The lake is dying, and we all know why,” said Petra Lindqvist, a biologist in Umeå.",
        {"The lake is dying": "Petra Lindqvist"},
    ),
    "pronoun in the next paragraph": (
        "Petra Lindqvist has studied the lake for thirty years.\n\n"
        "“The fish are gone and the reeds are going,” she said on Monday.",
        {"The fish are gone": "Petra Lindqvist"},
    ),
    "two people, two pronouns": (
        "Petra Lindqvist and Omar Haddad have shared a laboratory since 2003.\n\n"
        "“The fish are gone,” Lindqvist said. She blamed the mill for the smell.\n\n"
        "Haddad disagreed. “The fish went before the mill came,” he said.",
        {"The fish are gone": "Petra Lindqvist", "The fish went before": "Omar Haddad"},
    ),
    "surname": (
        "Petra Lindqvist, a biologist, spoke to the council on Friday. It listened for an hour.\n\n"
        "“You have five years left,” Lindqvist said.",
        {"You have five years": "Petra Lindqvist"},
    ),
    "surname with a title": (
        "The council heard Petra Lindqvist, a biologist, on Friday.\n\n“You have five years left,” Ms Lindqvist said.",
        {"You have five years": "Petra Lindqvist"},
    ),
    "first name": (
        "Petra Lindqvist keeps bees on the roof of the town hall.\n\n“They sting only on Sundays,” said Petra.",
        {"They sting only": "Petra Lindqvist"},
    ),
    "acronym in brackets": (
        "The Nordic Lake Alliance (NLA) has sued the mill.\n\nThe NLA said the mill had poisoned the water for years.",
        {"the mill had poisoned": "Nordic Lake Alliance"},
    ),
    "role word": (
        "The environment minister, Karin Holt, visited the mill on Friday.\n\n"
        "“No permit will be renewed this year,” the minister said.",
        {"No permit will": "Karin Holt"},
    ),
    "title dropped": (
        "President Jorge Almada said the border would open again in March.",
        {"the border would open": "Jorge Almada"},
    ),
    "a body under its own name": (
        "The Chilean Energy Ministry said the price of gas would not change this winter.",
        {"the price of gas": "Chilean Energy Ministry"},
    ),
    "a capital that stands for its government": (
        "Beijing said on Tuesday it had no plans to build a harbour on the island.",
        {"it had no plans": "Beijing"},
    ),
    "noun phrase of an unnamed source": (
        "A senior aide said the talks had failed after two hours.",
        {"the talks had failed": "senior aide"},
    ),
    "several unnamed sources": (
        "Two witnesses said the lorry had passed a red light.",
        {"the lorry had passed": "Two witnesses"},
    ),
    "no source": (
        "The banker is accused of stealing 40 million euros from pensioners. He is due in court in May.",
        {"stealing 40 million": None},
    ),
    "broken by he said": (
        "Omar Haddad ran the mill for ten years.\n\n“We were careful,” he said, “and nobody ever complained to us.”",
        {"We were careful": "Omar Haddad"},
    ),
    "goes on after a paragraph break": (
        "“We were careful at the mill,” Omar Haddad said. “We tested every load of water that we let go.\n\n"
        "“Nobody ever complained to us about a single fish.”\n\nThe mill closed in May.",
        {"We were careful": "Omar Haddad", "Nobody ever complained": "Omar Haddad"},
    ),
    "a new paragraph of the same speaker without a source": (
        "Omar Haddad, who ran the mill, said he had nothing to hide.\n\n"
        "“We were careful, and we tested every load of water.”\n\nThe mill closed in May.",
        {"We were careful": "Omar Haddad"},
    ),
    "a relative pronoun": (
        "The plan was backed by Omar Haddad, who said the mill had paid nothing.",
        {"the mill had paid": "Omar Haddad"},
    ),
    "they are not one person": (
        "Omar Haddad met two unions on Friday.\n\n“We got nothing from this,” they said afterwards.",
        {"We got nothing": None},
    ),
    "some of them": (
        "Twelve miners met the council. “We were never asked,” one of them said.",
        {"We were never asked": None},
    ),
    "the widow is no man": (
        "Omar Haddad and Petra Lindqvist met at the mill. “He was never paid,” the widow said.",
        {"He was never paid": "Petra Lindqvist"},
    ),
    "a wife is not her husband": (
        "Omar Haddad lost his job on Friday. His wife said he had been warned.",
        {"he had been warned": "wife"},
    ),
    "a lawyer is not his client": (
        "Omar Haddad owns the mill. He was away on Friday. “The smell is gone,” his lawyer said.",
        {"The smell is gone": "lawyer"},
    ),
    "a role in the headline": (
        "Pay was cut in May, captain says\n\nThe team's captain, Petra Lindqvist, met the coach, Otto Berg, on Friday.",
        {"Pay was cut in May": "Petra Lindqvist"},
    ),
    "he is no spokeswoman": (
        "A channel spokeswoman said the series would go on. Otto Berg wrote it.\n\n“I sleep well,” he said.",
        {"I sleep well": "Otto Berg"},
    ),
    "the board is no country": (
        "Two ships of Suriname collided in May.\n\n“No fault was found in either engine,” the board said.",
        {"No fault was found": "board"},
    ),
    "he is not whom he speaks of": (
        "Otto Berg, the mayor, was asked about Omar Haddad.\n\n“Haddad is a liar,” he said. “Nils Falk is another.”\n\n"
        "He told reporters that Falk had been paid.",
        {"Haddad is a liar": "Otto Berg", "Falk had been paid": "Otto Berg"},
    ),
    "he is who was named last": (
        "Nils Falk accused Otto Berg of hiding the report.\n\n"
        "Berg was at the council on Friday. It was a long evening. “Falk has read nothing,” he said.",
        {"Falk has read nothing": "Otto Berg"},
    ),
    "the bank is a Bank": (
        "The Nordic Savings Bank shut ten branches in May. Omar Haddad, a miller, lost his account.\n\n"
        "The bank said it had written to all customers.",
        {"it had written": "Nordic Savings Bank"},
    ),
    "the agency is an Agency": (
        "The National Water Agency shut the mill. Omar Haddad, who owns it, was away.\n\n"
        "The agency said the water was not safe.",
        {"the water was not safe": "National Water Agency"},
    ),
    "who is named only later": (
        "Lawmaker urges closing of mill\n\nOtto Berg, a member of the river committee, said on Monday that the mill "
        "should be closed.\n\n“It poisons us,” Mr Berg said.",
        {"closing of mill": "Otto Berg", "It poisons us": "Otto Berg"},
    ),
    "a former harbour master who is named only later": (
        "Former harbour master says pier was rotten\n\nThe pier at Ystad was rotten for years, a former harbour master "
        "has said.\n\nOtto Berg told the inquiry on Monday that the council knew.\n\n"
        "“I wrote to them twice,” Mr Berg said.",
        {"pier was rotten": "Otto Berg", "The pier at Ystad was rotten": "Otto Berg"},
    ),
    "she is the spokeswoman of a body": (
        "Dana Brandt, speaking in the street afterwards, described the board's report as “a whitewash”.\n\n"
        "A spokeswoman for the board denied this. None of the three investigators had ever worked for a police force, "
        "she said.",
        {"None of the three": "spokeswoman for the board"},
    ),
    "he is a spokesman of whom nobody knows the name": (
        "“There are two keys for the whole floor,” said Petra Lindqvist, a teaching assistant.\n\n"
        "Otto Berg runs the school. A spokesman for the trust said the policy was common. He accused a handful of "
        "adults of posting an address.",
        {"a handful of adults": "spokesman for the trust"},
    ),
    "he is no town, and capitals make nobody an acronym": (
        "OTTO BERG (Ystad) said the dam was thin. PETRA LINDQVIST (Umeå) asked who had built it.\n\n"
        "Mr. BERG said the builders had been paid twice. He said that nobody had checked.",
        {"nobody had checked": "OTTO BERG"},
    ),
    "the voting authority is an Authority": (
        "The National Voting Authority opened nine offices in May.\n\nOmar Haddad, a miller, waited for an hour and "
        "then went home.\n\n“We have too few clerks,” the voting authority said.",
        {"We have too few clerks": "National Voting Authority"},
    ),
    "the Swede is who came from Sweden": (
        "Otto Berg came from Sweden in May to keep goal for the club.\n\n"
        "He saved two penalties on Saturday. “I saved what I could,” the Swede said afterwards.",
        {"I saved what": "Otto Berg"},
    ),
    "the Austrian": (
        "Anton Berg has chaired the rowing federation since May.\n\n"
        "Berg said the boats were too heavy. “We shall build new ones,” the Austrian said.",
        {"We shall build": "Anton Berg"},
    ),
    "a number with a comma": (
        "A survey of 2,000 travellers found that trains were late.",
        {"trains were late": "survey of 2,000 travellers"},
    ),
    "many": ("The council met for an hour. Many said the lake was lost.", {"the lake was lost": "many"}),
    "two of one surname": (
        "Anna Berg and Otto Berg own the mill.\n\nBerg said the smell was gone.",
        {"the smell was gone": "Berg"},
    ),
    "the shadow chancellor is not the chancellor": (
        "Gordon Pell, the chancellor, met Oliver Stone.\n\n“The plan is a fraud,” the shadow chancellor said.",
        {"The plan is a fraud": "Oliver Stone"},
    ),
    "the article's own first person": (
        "I believe the mill should have been closed ten years ago.",
        {"should have been closed": AUTHOR},
    ),
}


# The surname's own mention counts for one of the two, and where they are named as often for the wrong one as well.
FAILING = {"two of one surname": "two who are named as often are not told apart"}


@pytest.mark.parametrize(
    ("text", "words", "speaker"),
    [
        pytest.param(
            text,
            words,
            speaker,
            id=f"{name}: {words}",
            marks=[pytest.mark.xfail(reason=FAILING[name], strict=True)] if name in FAILING else [],
        )
        for name, (text, expected) in CASES.items()
        for words, speaker in expected.items()
    ],
)
def test_hard_cases_name_the_speaker(
    text: str, words: str, speaker: str | None, claims_of: Callable[[str], list[Claim]]
) -> None:
    found = {
        claim.attributed.speaker
        for claim in claims_of(text)
        if any(words in text[s:e] for s, e in claim.attributed.quote.content)
    }
    assert {_known_by(name) for name in found} == {_known_by(speaker)}, found


def test_every_speaker_is_made_of_words_of_the_article(pipeline: Pipeline, held: list[AnnotatedArticle]) -> None:
    named = 0
    for article, claims in pipeline.run(annotated.article for annotated in held[1::3]):
        known = set(re.findall(r"\w+", article.text.lower())) | {AUTHOR}
        for claim in claims:
            if claim.attributed.speaker is not None:
                named += 1
                assert claim.attributed.speaker.strip()
                assert set(re.findall(r"\w+", claim.attributed.speaker.lower())) <= known, (article.id, claim)
    assert named > 230  # of some 350 quotes


@pytest.mark.parametrize(
    ("text", "short", "full"),
    [
        ("Petra Lindqvist came. Later Lindqvist left.", "Lindqvist", "Petra Lindqvist"),
        ("Petra Lindqvist came. Later Petra left.", "Petra", "Petra Lindqvist"),
        ("At noon Lindqvist left. It was Petra Lindqvist who came back.", "Lindqvist", "Petra Lindqvist"),
        ("The Nordic Lake Alliance (NLA) won. Now NLA lawyers rest.", "NLA", "Nordic Lake Alliance"),
        ("The Bureau of Mines met. Reporters called BM twice.", "BM", "Bureau of Mines"),
        ("The Lake Guild (Lagum) won. Now Lagum rests.", "Lagum", "Lake Guild"),
        ("The National Farmers’ Union (NFU) met. The NFU left.", "NFU", "National Farmers’ Union"),
        ("The Lake Teachers' Guild met. Later the LTG left.", "LTG", "Lake Teachers' Guild"),
    ],
)
def test_fullest_completes_short_names(text: str, short: str, full: str) -> None:
    assert fullest(mentions(text), text)[short] == full


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Petra Lindqvist came.", id="a full name"),
        pytest.param("The Harbour Bank shut. Then Bank Street flooded.", id="bodies are no people"),
        pytest.param("Omar Haddad met Petra Lindqvist.", id="strangers"),
        pytest.param("LONDON (Reuters) - It rained, Reuters said.", id="an agency in brackets"),
        pytest.param("Ann Lowe (Labour) left. Labour stayed.", id="a party in brackets"),
    ],
)
def test_fullest_leaves_other_names_alone(text: str) -> None:
    assert fullest(mentions(text), text) == {}


def test_of_two_namesakes_the_more_frequent_one_is_meant() -> None:
    text = "Anna Berg met Otto Berg. Anna Berg smiled; Otto did not. Berg left."
    assert fullest(mentions(text), text)["Berg"] == "Anna Berg"


def test_candidates_are_the_names_and_the_sources_that_are_no_pronouns() -> None:
    text = "A senior aide spoke. She said it. Petra Lindqvist agreed, and Lindqvist signed."
    sources = [_span(text, "A senior aide"), _span(text, "She")]
    found = candidates(text, sources)
    assert [(text[slice(*c.span)], c.name) for c in found] == [
        ("A senior aide", "senior aide"),
        ("Petra Lindqvist", "Petra Lindqvist"),
        ("Lindqvist", "Petra Lindqvist"),
    ]


@pytest.mark.parametrize(
    ("source", "name", "named"),
    [
        ("Charlie King, a prominent Arden Democrat", "Charlie King", True),
        ("Speaker Tom Ray (R-Ohio)", "Tom Ray", True),
        ("House Speaker Tom Ray (R-Ohio)", "Tom Ray", True),
        ("The local MSP, Fergus Tait", "Fergus Tait", True),
        ("the Arden Press news agency", "Arden Press", True),
        ("the Republican", "Republican", False),
        ("The Planning Minister", "Planning Minister", False),
        ("Tait's lawyer", "Tait's lawyer", False),
        ("the Arden Republican", "Arden Republican", False),
        ("the Labour MP", "Labour MP", False),
        ("the ranking Republican, Tom Ray of Arden", "Tom Ray", True),
        ("Former New Arden Gov. Tom Ray", "Tom Ray", True),
        ("the US Commerce Department", "US Commerce Department", True),
        ("US", "US", True),
        ("US Secretary of State Tom Ray", "Tom Ray", True),
        ("US Secretary of state Tom Ray", "Tom Ray", True),
        ("the Director of Public Works Ann Lee", "Ann Lee", True),
        ("the chairman of the Arden Federation", "chairman of the Arden Federation", False),
        ("a spokesman for Democratic candidate Ann Lee", "spokesman for Democratic candidate Ann Lee", False),
        ("Arden Society for Birds chairman Tom Ray", "Tom Ray", True),
        ("a close friend of former Arden boss Tom Ray", "close friend of former Arden boss Tom Ray", False),
        ("a new report by the Arden Trust", "Arden Trust", True),
        ("The former mayor and U.S. senator", "former mayor and U.S. senator", False),
        ("the Tait campaign and NLA", "Tait campaign and NLA", False),
        ("Tait and his aides", "Tait and his aides", True),
        ("Tait and officials in several Nordic states", "Tait and officials in several Nordic states", True),
        ("Tait and husband Bo", "Tait", True),
        ("Ann Lee and Tom Ray", "Ann Lee and Tom Ray", True),
        ("Ann Lee and House Speaker Tom Ray", "Ann Lee and Tom Ray", True),
        ("Lord Justice Rowe and Mr Justice Pell", "Rowe and Pell", True),
        ("at least four pilots", "four pilots", False),
        ("Alhaji Musa Tait", "Musa Tait", True),
        ("Director of Ports, Engr. Ada Lowe", "Ada Lowe", True),
        ("the Arden rowers, whose coach is Tom Ray", "Arden rowers", False),
        ("A neighbour who had met Tom Ray", "neighbour", False),
        ("A neighbour who is known as Tom Ray", "Tom Ray", True),
    ],
)
def test_a_candidate_is_named_by_its_head(source: str, name: str, named: bool) -> None:
    text = f"They asked {source} twice."
    found = {text[slice(*c.span)]: c for c in candidates(text, [_span(text, source)])}
    assert (found[source].name, found[source].named) == (name, named)


@pytest.mark.parametrize("source", ["who", "as", "whose leaders", "Mr", "at least"])
def test_a_piece_of_a_source_is_no_candidate(source: str) -> None:
    text = f"they asked {source} twice."
    assert candidates(text, [_span(text, source)]) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("Michelle Roe sang. Mr Roe left and Mr Roe wept, and Roe slept.", "Roe", id="his title"),
        pytest.param("Michelle Roe sang. Mrs Roe left and Roe slept.", "Michelle Roe", id="her title"),
        pytest.param("Michelle Roe sang and Roe slept.", "Michelle Roe", id="no title"),
        pytest.param("Michelle Roe and Peter Roe sang. Mr Roe left, and Roe slept.", "Peter Roe", id="two"),
    ],
)
def test_titles_tell_namesakes_apart(text: str, name: str) -> None:
    assert [c.name for c in candidates(text, []) if text[slice(*c.span)] == "Roe"][-1] == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("“It rained,” a spokeswoman, Kerry Oldham, said.", "Kerry Oldham"),
        ("“It rained,” said a spokeswoman, Ann Lee of Arden.", "Ann Lee"),
        ("“It rained,” a spokeswoman, Arden Council, said.", "spokeswoman"),
        ("“It rained,” a spokeswoman, Monday.", "spokeswoman"),
        ("According to a spokeswoman, Tom Ray was warned.", "spokeswoman"),
        ("According to a spokeswoman, Tom Ray, the mayor, was warned.", "spokeswoman"),
    ],
)
def test_a_source_cut_short_has_its_name_beside_it(text: str, name: str) -> None:
    span = _span(text, "a spokeswoman")
    assert {c.span: c.name for c in candidates(text, [span])}[span] == name


def test_a_source_that_is_a_name_is_one_candidate() -> None:
    text = "Petra Lindqvist agreed."
    [candidate] = candidates(text, [_span(text, "Petra Lindqvist")])
    assert candidate.span == Span(0, len("Petra Lindqvist"))


def test_candidates_of_a_text_without_names_are_none() -> None:
    assert candidates("it rained all day and nobody said a word.", []) == []


def _span(text: str, words: str) -> Span:
    return Span(text.index(words), text.index(words) + len(words))


def _known_by(name: str | None) -> tuple[str, ...] | None:
    return None if name is None else name_words(name)
