from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_report import held, made_answers

from stance.types import Article, Span
from training.evaluate import draws
from training.metrics import stance_score
from training.mistakes import cases
from training.slices import (
    GROUPS,
    LABELS,
    accuracy,
    confusion,
    label_f1,
    macro_f1,
    resample,
    slices,
    topics,
    traits,
)

LABEL = st.sampled_from(LABELS)
TEXT = "“We will go,” she said. " + "It rained. " * 30 + "He denied that he knew."

# Content, speaker -> form, length, speaker, position
KINDS = {
    "direct": ([(0, 13)], "Ann Lee", ("direct", "1–7 words", "with a speaker", "first third")),
    "indirect": ([(len(TEXT) - 13, len(TEXT) - 1)], "?", ("indirect", "1–7 words", "without a speaker", "last third")),
    "long": ([(24, 340)], None, ("indirect", "over 30 words", "without a speaker", "first third")),
}


@pytest.mark.parametrize(("content", "speaker", "expected"), KINDS.values(), ids=KINDS)
def test_what_kind_of_quote_it_is(
    content: list[tuple[int, int]], speaker: str | None, expected: tuple[str, ...]
) -> None:
    article = Article("a", TEXT, {"publisher": "Echo"})
    found = traits(article, "floods", [Span(*span) for span in content], speaker)
    assert tuple(found[group] for group in ("form", "length", "speaker", "position")) == expected
    assert (found["publisher"], found["topic"]) == ("Echo", "floods")
    assert found.keys() == GROUPS.keys()


def test_what_is_not_known_is_no_kind() -> None:
    assert traits(Article("a", TEXT), None, [Span(0, 5)], None).keys() == {"form", "length", "speaker", "position"}


def test_every_quote_is_counted_once_in_each_group() -> None:
    found = made_answers(held(), 1)
    known = {
        id(case.quote): (case.traits, case.claim is not None)
        for case in cases("set", found, [None] * len(found))
        if case.quote
    }
    result = slices(found, known)
    judged = sum(len(one.verdicts) for one in found)
    sizes: Counter[str] = Counter()
    for one in result:
        sizes[one.group] += one.quotes
        assert one.macro_interval[0] <= one.macro_interval[1]
        assert 0 <= one.accuracy_interval[0] <= one.accuracy <= one.accuracy_interval[1] <= 1
        assert one.articles <= len(found)
    assert set(sizes) == set(GROUPS) - {"topic"}
    assert set(sizes.values()) == {judged}
    order = [(one.few, one.macro_f1) for one in result]
    assert {one.few for one in result} == {True, False}
    assert order == sorted(order)


def test_a_slice_is_scored_as_its_quotes_alone() -> None:
    found = made_answers(held(), 1)
    known = {id(case.quote): (case.traits, True) for case in cases("set", found, [None] * len(found)) if case.quote}
    for one in slices(found, known):
        pairs = [
            (gold, predicted)
            for answer in found
            for (quote, _), (gold, predicted, _) in zip(answer.verdicts, answer.judged(), strict=True)
            if known[id(quote)][0].get(one.group) == one.name
        ]
        expected = stance_score(pairs)
        assert one.macro_f1 == pytest.approx(expected.macro_f1)
        assert one.accuracy == pytest.approx(expected.accuracy)


@given(st.lists(st.tuples(LABEL, st.sampled_from([*LABELS, "none"])), min_size=1))
def test_counts_give_the_figures_of_the_pairs(pairs: list[tuple[str, str]]) -> None:
    expected = stance_score(pairs)
    counts = confusion([pairs]).sum(0)
    assert label_f1(counts) == pytest.approx([expected.labels[label][0] for label in LABELS])
    assert macro_f1(counts) == pytest.approx(expected.macro_f1)
    assert accuracy(counts) == pytest.approx(expected.accuracy)


def test_resampled_counts_are_those_of_the_drawn_articles() -> None:
    counts = np.arange(3 * 2).reshape(3, 2)
    for chosen, added in zip(draws(3), resample(counts), strict=True):
        assert added.tolist() == counts[chosen].sum(0).tolist()


def test_topics_are_those_of_the_metadata() -> None:
    some = [
        Article("a", "x", {"section": "Sport"}),
        Article("b", "x", {"topic": "Law", "section": "News"}),
        Article("c", "x"),
    ]
    assert topics(some) == ["Sport", "Law", None]


def test_topics_are_found_where_there_are_enough_articles() -> None:
    texts = ("The river flooded the valley.", "The judge sent the jury home.", "A striker scored from midfield.")
    found = topics([Article(str(i), texts[i % 3]) for i in range(36)])
    assert [len(set(found[i::3])) for i in range(3)] == [1, 1, 1]
    assert found[:3] == ["flooded, river, valley", "home, judge, jury", "midfield, scored, striker"]
    assert topics([Article(str(i), texts[i % 3]) for i in range(12)]) == [None] * 12
    assert topics([Article(str(i), "") for i in range(24)]) == [None] * 24
