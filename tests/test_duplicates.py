import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.types import Article
from training.annotations import AnnotatedArticle
from training.duplicates import Leak, leaks, twins

STORY = (
    "The harbour board of Wexcombe voted on Tuesday to close the north quay for a year. Tess Marlow, who chairs the "
    "board, said that divers had found holes in the wall which nobody had reported. Fishermen called the plan a "
    "betrayal and promised to moor their boats there until somebody came to tow them away. The council will meet again "
    "in June."
)
OTHER = (
    "A brass band from Lower Tindle has won the county cup for the first time since the war. Its conductor, a retired "
    "postman, said that he had never heard the slow movement played so well. The trophy will stand in the post office."
)


def article(name: str, text: str) -> AnnotatedArticle:
    return AnnotatedArticle(Article(name, text), ())


def likeness(one: str, other: str) -> float:
    """As the definition says, without any sketch."""
    runs = []
    for text in (one, other):
        words = re.findall(r"\w+", text.casefold())
        runs.append({tuple(words[i : i + 3]) for i in range(len(words) - 2)})
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_the_same_story_again() -> None:
    changed = STORY.replace("Tuesday", "Wednesday").replace("June", "July")
    found = leaks([article("a", OTHER), article("b", changed)], [article("x", STORY)])
    assert found == [Leak("b", "x", round(likeness(changed, STORY), 4))]
    assert 0.8 < found[0].similarity < 1


@pytest.mark.parametrize(
    "text",
    [STORY.upper(), STORY.replace(" ", "\r\n"), STORY.replace(",", " —"), f"  {STORY}…", STORY.replace("f", "ｆ")],
)
def test_case_blanks_and_signs_make_no_difference(text: str) -> None:
    assert leaks([article("a", text)], [article("x", STORY)]) == [Leak("a", "x", 1.0)]


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (STORY[:150], True),  # a reprint's first paragraph
        ("Fishermen called the plan a betrayal and promised to moor", True),  # a bare quote
        ("The council will meet", False),  # too short to say anything
        (STORY[:150] + OTHER, False),
    ],
)
def test_a_text_that_stands_whole_in_the_other(part: str, found: bool) -> None:
    expected = [Leak("a", "x", 1.0)] if found else []
    assert leaks([article("a", part)], [article("x", STORY)]) == expected
    assert [(one.evaluation, one.training) for one in leaks([article("x", STORY)], [article("a", part)])] == [
        (one.training, one.evaluation) for one in expected
    ]


def test_the_threshold() -> None:
    half = STORY.replace("divers", "a report").replace("Fishermen", "Skippers").replace("moor", "keep")
    exact = likeness(half, STORY)
    assert 0.4 < exact < 0.8
    assert leaks([article("a", half)], [article("x", STORY)]) == []
    assert leaks([article("a", half)], [article("x", STORY)], threshold=0.4) == [Leak("a", "x", round(exact, 4))]


def test_different_texts_and_empty_ones() -> None:
    assert (
        leaks([article("a", OTHER), article("b", ""), article("c", "…")], [article("x", STORY), article("y", "")]) == []
    )


def test_twins_are_named_once() -> None:
    found = twins([article("a", STORY), article("b", OTHER), article("a", STORY + " More to come.")])
    assert found == [Leak("a", "a", 1.0)]


def test_the_most_similar_come_first() -> None:
    near = STORY.replace("June", "July")
    found = leaks([article("near", near), article("same", STORY)], [article("x", STORY)])
    assert [one.training for one in found] == ["same", "near"]


@given(st.text(), st.text())
def test_any_text(one: str, other: str) -> None:
    found = leaks([article("a", one)], [article("x", other), article("y", one)])
    assert all(0.8 <= leak.similarity <= 1 for leak in found)
    if re.search(r"\w", one):
        assert Leak("a", "y", 1.0) in found
    else:
        assert found == []


def test_the_corpus_does_not_leak(held: list[AnnotatedArticle]) -> None:
    assert len(leaks(held, held)) == len(held)
    assert twins(held) == []
