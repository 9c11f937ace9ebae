"""Edits keep every span on its words, and disturbed articles still say what they said."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote, parse_marked
from training.edits import Edit, disturbed, edited

ROLES = ("content", "cue", "source")
PIER = "{c1:“The pier is sound,”} {s1:Nora Feldkamp} {u1:said}."

# marked text, [(the words replaced, what takes their place)], the same marked text afterwards
REPLACED = {
    "nothing": (PIER, [], PIER),
    "before all spans": (f"Late. {PIER}", [("Late", "After noon")], f"After noon. {PIER}"),
    "after all spans": (f"{PIER} Late.", [("Late", "After noon")], f"{PIER} After noon."),
    "inside a span, longer": (PIER, [("sound", "as sound as it was")], PIER.replace("sound", "as sound as it was")),
    "inside a span, shorter": (PIER, [("The pier", "It")], PIER.replace("The pier", "It")),
    "a whole span": (PIER, [("said", "told reporters")], PIER.replace("said", "told reporters")),
    "every span": (
        PIER,
        [("said", "wrote"), ("“", "«"), ("”", " »"), ("Nora ", "")],
        "{c1:«The pier is sound, »} {s1:Feldkamp} {u1:wrote}.",
    ),
    "across the end of a span": (
        PIER,
        [(" said.", ", in a letter.")],
        PIER.replace(" {u1:said}.", "{u1:, in a letter.}"),
    ),
    "across the start of a span": (f"So {PIER}", [("So “The", "‘The")], f"{PIER.replace('“', '‘')}"),
    "from the edge of one span to the next": (
        PIER,
        [(" Nora Feldkamp ", " she ")],
        "{c1:“The pier is sound,”}{s1: she }{u1:said}.",
    ),
    "the gap between two spans": (PIER.replace("} {s1", "} – {s1"), [(" – ", " ")], PIER),
    "a part of the content deleted": (
        "{c1:“We pay,”} {s1:Ida} {u1:said}, {c1:“always.”}",
        [("“always.”", "")],
        "{c1:“We pay,”} {s1:Ida} {u1:said}, ",
    ),
    "the cue and source deleted": (PIER, [(" Nora Feldkamp said", "")], "{c1:“The pier is sound,”}."),
    "one quote's content deleted": (
        f"{PIER} {{s2:Karl Obel}} {{u2:denied}} {{c2:the leak}}.",
        [("the leak", "")],
        f"{PIER} Karl Obel denied .",
    ),
    "one code point beyond the basic plane": (f"🚢 {PIER}", [("🚢", "A ship")], f"A ship {PIER}"),
}


@pytest.mark.parametrize(("before", "edits", "after"), REPLACED.values(), ids=REPLACED)
def test_spans_move_with_their_words(before: str, edits: list[tuple[str, str]], after: str) -> None:
    annotated, expected = parse_marked(before), parse_marked(after)
    changed = edited(annotated, [_replacing(annotated.article.text, *edit) for edit in edits])
    assert changed.article.text == expected.article.text
    assert [_said(changed, quote) for quote in changed.quotes] == [_said(expected, quote) for quote in expected.quotes]


def test_an_edit_leaves_the_judgement_of_a_quote_alone() -> None:
    annotated = parse_marked(f"{PIER}\n---\n1 | DA | Nora Feldkamp | Karl Obel")
    [quote] = edited(annotated, [Edit(0, 1, "")]).quotes
    assert (quote.stance, quote.second) == (Stance.DENIAL, Stance.ACCUSATION)
    assert (quote.speaker, quote.target) == ("Nora Feldkamp", "Karl Obel")


def test_an_article_without_its_only_quote_is_an_article_without_quotes() -> None:
    annotated = parse_marked(PIER)
    everything = Edit(0, len(annotated.article.text), "")
    assert edited(annotated, [everything]) == AnnotatedArticle(Article("marked", ""), ())


WRONG = {
    "overlapping by one": [Edit(0, 5, "a"), Edit(4, 8, "b")],
    "overlapping, the later first": [Edit(4, 8, "b"), Edit(0, 5, "a")],
    "one inside another": [Edit(0, 9, "a"), Edit(3, 5, "b")],
    "the same range twice": [Edit(2, 5, "a"), Edit(2, 5, "b")],
    "an insertion inside another": [Edit(0, 9, "a"), Edit(4, 4, "b")],
    "a negative start": [Edit(-1, 2, "")],
    "beyond the end": [Edit(8, 11, "")],
    "an insertion beyond the end": [Edit(11, 11, "a")],
    "an end before its start": [Edit(5, 4, "a")],
}


@pytest.mark.parametrize("edits", WRONG.values(), ids=WRONG)
def test_edits_that_overlap_or_lie_outside_raise(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps another or lies outside 10 characters"):
        edited(AnnotatedArticle(Article("ten", "0123456789"), ()), edits)


TOUCHING = {
    "neighbours": ([Edit(0, 5, "a"), Edit(5, 10, "b")], "ab"),
    "an insertion before a replacement": ([Edit(5, 8, "b"), Edit(5, 5, "a")], "01234ab89"),
    "an insertion after a replacement": ([Edit(2, 5, "a"), Edit(5, 5, "b")], "01ab56789"),
    "an insertion at either end": ([Edit(10, 10, "b"), Edit(0, 0, "a")], "a0123456789b"),
}


@pytest.mark.parametrize(("edits", "after"), TOUCHING.values(), ids=TOUCHING)
def test_edits_that_touch_do_not_overlap(edits: list[Edit], after: str) -> None:
    assert edited(AnnotatedArticle(Article("ten", "0123456789"), ()), edits).article.text == after


@st.composite
def edited_articles(draw: st.DrawFn) -> tuple[AnnotatedArticle, list[Edit]]:
    """An article of any characters with some quotes, and edits without overlap in any order."""
    text = draw(st.text(min_size=1, max_size=40))
    place = st.integers(0, len(text))
    spans = st.lists(place, min_size=2, max_size=2, unique=True).map(lambda ends: (Span(*sorted(ends)),))
    quotes = [_quote(*draw(st.tuples(spans, spans, spans))) for _ in range(draw(st.integers(1, 3)))]
    ends = sorted(draw(st.lists(place, max_size=8, unique=True)))
    words = st.text("ab“é🚢\r\n", max_size=4)
    pairs = zip(ends[::2], ends[1::2], strict=False)
    edits = [Edit(start, end if draw(st.booleans()) else start, draw(words)) for start, end in pairs]
    return AnnotatedArticle(Article("any", text), tuple(quotes)), draw(st.permutations(edits))


@given(edited_articles())
def test_a_span_inside_no_edit_keeps_its_text_and_its_place(case: tuple[AnnotatedArticle, list[Edit]]) -> None:
    annotated, edits = case
    text = annotated.article.text
    for role in ROLES:
        for span in (getattr(quote, role)[0] for quote in annotated.quotes):
            if any(edit.start <= span.end and span.start <= edit.end for edit in edits):
                continue
            changed = edited(AnnotatedArticle(annotated.article, (_quote((span,)),)), edits)
            [moved] = changed.quotes[0].content
            assert changed.article.text[slice(*moved)] == text[slice(*span)]
            assert changed.article.text[: moved.start] == _spliced(text, 0, span.start, edits)


@given(edited_articles())
def test_a_span_takes_in_the_whole_replacement_of_what_it_shares(case: tuple[AnnotatedArticle, list[Edit]]) -> None:
    annotated, edits = case
    text = annotated.article.text
    for quote in annotated.quotes:
        [span] = quote.content
        cut = [edit for edit in edits if edit.start < span.end and span.start < edit.end]
        if any(edit.start == edit.end for edit in edits):  # to which side an insertion belongs is nobody's promise
            continue
        start, end = min([span.start, *(e.start for e in cut)]), max([span.end, *(e.end for e in cut)])
        changed = edited(AnnotatedArticle(annotated.article, (_quote((span,)),)), edits)
        found = [changed.article.text[slice(*s)] for q in changed.quotes for s in q.content]
        assert found == [words for words in [_spliced(text, start, end, edits)] if words]


@given(edited_articles())
def test_edited_spans_are_never_empty_and_lie_in_the_text(case: tuple[AnnotatedArticle, list[Edit]]) -> None:
    changed = edited(*case)
    assert changed.article.text == _spliced(case[0].article.text, 0, len(case[0].article.text), case[1])
    for quote in changed.quotes:
        assert quote.content
        for start, end in (*quote.content, *quote.cue, *quote.source):
            assert 0 <= start < end <= len(changed.article.text)


@given(edited_articles(), st.randoms(use_true_random=False))
def test_the_order_of_the_edits_does_not_matter(
    case: tuple[AnnotatedArticle, list[Edit]], chance: random.Random
) -> None:
    annotated, edits = case
    assert edited(annotated, chance.sample(edits, len(edits))) == edited(annotated, edits)


LEDGER = "“We paid,” Nora Feldkamp said.\n\n“All of it,” she added.\r\nThe harbour board left."
# What `disturbed` makes of the ledger; each must come up, and beside them only lost closing marks.
WAYS = {
    "American marks": LEDGER,
    "straight marks": LEDGER.replace("“", '"').replace("”", '"'),
    "British marks": LEDGER.replace("“", "‘").replace("”", "’"),
    "French marks": LEDGER.replace("“", "«").replace("”", "»"),
    "German marks": LEDGER.replace("“", "„").replace("”", "“"),
    "no marks": LEDGER.replace("“", "").replace("”", ""),
    "one paragraph": "“We paid,” Nora Feldkamp said. “All of it,” she added. The harbour board left.",
    "lower case": LEDGER.lower(),
    "upper case": LEDGER.upper(),
}


@pytest.mark.parametrize("expected", WAYS.values(), ids=WAYS)
def test_every_way_of_disturbing_comes_up(expected: str) -> None:
    assert expected in _disturbances(LEDGER)


def test_disturbing_does_nothing_but_the_known_ways_and_losing_closing_marks() -> None:
    unclosed = {"“We paid, ", "“All of it, "}
    others = _disturbances(LEDGER) - set(WAYS.values())
    assert others
    for text in others:
        assert text.replace("”", "") == LEDGER.replace("”", "")
        assert any(lost in text for lost in unclosed)


# text, a mark or letter that must never come up
NEVER = {
    "ß has no capital of its own length": ("“Die Straße ist zu,” said Nora.", "STRASSE"),
    "an apostrophe is no quotation mark": ("“We don’t know,” said the pilots’ union.", "dont"),
    "a straight apostrophe is none either": ("“We don't know,” said the pilots' union.", "don”t"),
    "inside a straight pair": ('"We paid," she said, "in full."', '"We paid,“ she'),
}


@pytest.mark.parametrize(("text", "never"), NEVER.values(), ids=NEVER)
def test_some_things_never_come_up(text: str, never: str) -> None:
    outcomes = _disturbances(text)
    assert len(outcomes) > 5
    assert not [outcome for outcome in outcomes if never in outcome]


# Straight marks do not say whether they open or close; what stands around them does.
STRAIGHT = {
    "a sentence": ('"We paid," she said.', "«We paid,» she said."),
    "broken in two": ('"We paid," she said, "twice."', "«We paid,» she said, «twice.»"),
    "after a colon and at the end": ('He wrote: "No."', "He wrote: «No.»"),
    "in brackets": ('The deal ("a gift") fell.', "The deal («a gift») fell."),
    "before a full stop": ('It was "a gift".', "It was «a gift»."),
    "next paragraph": ('"Yes."\n"No."', "«Yes.»\n«No.»"),
    "after a question": ('"Why?" she asked.', "«Why?» she asked."),
}


@pytest.mark.parametrize(("text", "french"), STRAIGHT.values(), ids=STRAIGHT)
def test_straight_marks_open_and_close_where_a_reader_says_so(text: str, french: str) -> None:
    assert french in _disturbances(text)


@pytest.mark.parametrize("seed", range(24))
def test_disturbed_articles_keep_all_words_of_every_quote(held: list[AnnotatedArticle], seed: int) -> None:
    for annotated in held:
        changed = disturbed(annotated, _chance(seed))
        assert _words(changed.article.text) == _words(annotated.article.text)
        assert len(changed.quotes) == len(annotated.quotes)
        for before, after in zip(annotated.quotes, changed.quotes, strict=True):
            assert _role_words(changed, after) == _role_words(annotated, before), annotated.article.id
            assert (after.stance, after.second) == (before.stance, before.second)
            assert (after.speaker, after.target) == (before.speaker, before.target)


@given(
    st.lists(
        st.sampled_from('“We “ ” " « » „ paid, said. Ärger, ‘all’ \n \r\n \n\n Straße (no) Nora’s ?” !"'.split(" "))
    ),
    st.integers(0, 2**32),
)
def test_any_disturbed_text_keeps_its_words(parts: list[str], seed: int) -> None:
    text = " ".join(parts)
    spans = [Span(*m.span()) for m in re.finditer(r"\w+", text)]
    annotated = AnnotatedArticle(Article("any", text), tuple(_quote((span,)) for span in spans))
    changed = disturbed(annotated, _chance(seed))
    found = [word for quote in changed.quotes for word in _role_words(changed, quote)[0]]
    assert found == _words(text) == _words(changed.article.text)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_seed_disturbs_alike(held: list[AnnotatedArticle], seed: int) -> None:
    assert [disturbed(one, _chance(seed)) for one in held] == [disturbed(one, _chance(seed)) for one in held]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def _quote(content: tuple[Span, ...], cue: tuple[Span, ...] = (), source: tuple[Span, ...] = ()) -> GoldQuote:
    return GoldQuote(content, cue, source, None, None, None, None)


def _replacing(text: str, old: str, new: str) -> Edit:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
    return Edit(text.index(old), text.index(old) + len(old), new)


def _spliced(text: str, start: int, end: int, edits: list[Edit]) -> str:
    """The text from one place to another with the edits that lie inside, from the last to the first."""
    piece = text[start:end]
    for edit in sorted(edits, reverse=True):
        if start <= edit.start and edit.end <= end:
            piece = piece[: edit.start - start] + edit.words + piece[edit.end - start :]
    return piece


def _said(annotated: AnnotatedArticle, quote: GoldQuote) -> list[list[str]]:
    return [[annotated.article.text[slice(*span)] for span in getattr(quote, role)] for role in ROLES]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _role_words(annotated: AnnotatedArticle, quote: GoldQuote) -> list[list[str]]:
    """Words of content, cue and source, without marks, case and white space."""
    return [[word for part in parts for word in _words(part)] for parts in _said(annotated, quote)]


def _disturbances(text: str) -> set[str]:
    annotated = AnnotatedArticle(Article("any", text), ())
    return {disturbed(annotated, _chance(seed)).article.text for seed in range(300)}
