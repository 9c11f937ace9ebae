import re
from typing import Any

import pytest

from stance.cut import CutLine, cut_line, spans
from stance.errors import InputError
from stance.types import Span

VERDICT = {"stance": "denial", "second": None, "probabilities": {"denial": 1.0}, "model": "toy"}


def seen(line: CutLine) -> list[tuple[list[str], str | None, str | None]]:
    """Give the words of each quote: content, cue, source."""
    text = line.article.text
    return [
        ([text[s:e] for s, e in content], cue and text[slice(*cue)], source and text[slice(*source)])
        for content, cue, source in line.quotes
    ]


def test_an_annotated_article() -> None:
    text = "“No,” she said, “never.” He agreed."
    row = {
        "id": "a",
        "text": text,
        "quotes": [
            {"content": [[0, 5], [16, 24]], "cue": [[10, 14]], "source": [6, 9], "speaker": "Ann"},
            {"content": [[25, 27]], "cue": None},
        ],
    }
    line = cut_line(row, "gold.jsonl:4")
    assert (line.article.id, line.article.text) == ("a", text)
    assert seen(line) == [(["“No,”", "“never.”"], "said", "she"), (["He"], None, None)]


def test_verdicts_go_back_into_an_annotated_article() -> None:
    row = {"id": "a", "text": "No. Yes.", "date": "2021", "quotes": [{"content": [[0, 3]]}, {"content": [[3, 4]]}]}
    merged = cut_line(row, "here").merge([VERDICT, None])
    nothing = {"stance": None, "second": None, "probabilities": None, "model": None}
    assert merged == {
        "id": "a",
        "text": "No. Yes.",
        "date": "2021",
        "quotes": [{"content": [[0, 3]], **VERDICT}, {"content": [[3, 4]], **nothing}],
    }
    assert row["quotes"] == [{"content": [[0, 3]]}, {"content": [[3, 4]]}], "the row itself stays as it was"


BARE: dict[str, tuple[dict[str, Any], str, tuple[list[str], str | None, str | None]]] = {
    "alone": ({"text": " No. "}, "No.", (["No."], None, None)),
    "speaker": ({"text": "No.", "speaker": "Ann Lee"}, "Ann Lee : No.", (["No."], None, "Ann Lee")),
    "cue": ({"text": "No.", "cue": "denied"}, "denied No.", (["No."], "denied", None)),
    "speaker and cue": (
        {"text": "No.", "speaker": "Ann", "cue": "said"},
        "Ann said No.",
        (["No."], "said", "Ann"),
    ),
    "nulls": ({"text": "No.", "speaker": None, "cue": None, "context": None}, "No.", (["No."], None, None)),
    "blanks": ({"text": "No.", "speaker": "  ", "cue": "", "context": "\n"}, "No.", (["No."], None, None)),
    "context without the quote": (
        {"text": "No.", "speaker": "Ann", "cue": "said", "context": "They asked Ann. "},
        "They asked Ann.\n\nAnn said No.",
        (["No."], "said", "Ann"),
    ),
    "context with the quote": (
        {"text": "“No,”", "speaker": "Ann", "cue": "said", "context": "Ann ran. “No,” said Ann. Bo said more."},
        "Ann ran. “No,” said Ann. Bo said more.",
        (["“No,”"], "said", "Ann"),
    ),
    "context with the quote but not the speaker": (
        {"text": "“No,”", "speaker": "Ann Lee", "cue": "swore", "context": "“No,” said Ann."},
        "“No,” said Ann.",
        (["“No,”"], None, None),
    ),
    "speaker only within the quote": (
        {"text": "Ann ran.", "speaker": "Ann", "context": "They said: Ann ran."},
        "They said: Ann ran.",
        (["Ann ran."], None, None),
    ),
}


@pytest.mark.parametrize(("row", "text", "expected"), BARE.values(), ids=BARE)
def test_bare_quotes(row: dict[str, Any], text: str, expected: tuple[list[str], str | None, str | None]) -> None:
    line = cut_line(row, "sheet:2")
    assert line.article.text == text
    assert seen(line) == [expected]


def test_the_nearest_of_several_is_taken() -> None:
    context = "Ann said so. Ann said “No.” Then Bo said it. Ann left."
    [(content, cue, source)] = cut_line(
        {"text": "No.", "speaker": "Ann", "cue": "said", "context": context}, "x"
    ).quotes
    assert content == (Span(23, 26),)
    assert (cue, source) == (Span(17, 21), Span(13, 16))


def test_speaker_and_cue_are_whole_words() -> None:
    line = cut_line({"text": "“No,”", "speaker": "he", "cue": "said", "context": "“No,” the unsaid he said."}, "x")
    [(_, cue, source)] = line.quotes
    text = line.article.text
    assert (cue, source) == (Span(text.index("said."), text.index(".")), Span(text.index("he s"), text.index(" said.")))


def test_verdicts_go_back_into_a_bare_quote() -> None:
    row = {"n": 7, "text": "No."}
    assert cut_line(row, "x").merge([VERDICT]) == {"n": 7, "text": "No.", **VERDICT}
    assert row == {"n": 7, "text": "No."}


def test_an_annotators_stance_is_kept_beside_the_verdict() -> None:
    row = {"text": "No.", "stance": "other", "second": None}
    assert cut_line(row, "x").merge([VERDICT]) == {"text": "No.", "annotated": {"stance": "other"}, **VERDICT}


def test_an_annotators_stance_survives_a_second_run() -> None:
    once = cut_line({"text": "No.", "stance": "other"}, "x").merge([VERDICT])
    twice = cut_line(once, "x").merge([VERDICT | {"stance": "justification"}])
    assert twice["annotated"] == {"stance": "other"}


ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"speaker": "Ann"}, ": no string 'text' with something in it"),
    "text is a number": ({"text": 3}, ": no string 'text'"),
    "blank text": ({"text": " \n"}, ": no string 'text'"),
    "speaker is a number": ({"text": "No.", "speaker": 3}, ": 'speaker' is a int, expected a string or null"),
    "context is a list": ({"text": "No.", "context": ["a"]}, ": 'context' is a list, expected a string or null"),
    "quotes without id": ({"text": "No.", "quotes": []}, ": expected a string 'id' and a list 'quotes'"),
    "quotes is null": ({"id": "a", "text": "No.", "quotes": None}, ": expected a string 'id' and a list 'quotes'"),
    "quote is a string": ({"id": "a", "text": "No.", "quotes": ["No"]}, ", quote 1: found a str, expected an object"),
    "no content": (
        {"id": "a", "text": "No.", "quotes": [{"content": [[0, 1]]}, {}]},
        ", quote 2: no 'content' span, expected at least one",
    ),
    "outside": (
        {"id": "a", "text": "No.", "quotes": [{"content": [[0, 4]]}]},
        ", quote 1, content: span [0, 4], expected [start, end] within the 3 characters of 'text'",
    ),
    "bad source": (
        {"id": "a", "text": "No.", "quotes": [{"content": [[0, 1]], "source": [[1]]}]},
        ", quote 1, source: span [1]",
    ),
}


@pytest.mark.parametrize(("row", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_name_place_and_field(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape('sheet.jsonl:2' + message)}"):
        cut_line(row, "sheet.jsonl:2")


def test_a_lone_surrogate() -> None:
    with pytest.raises(InputError, match=r"^x: "):
        cut_line({"text": "Half \ud83d of it."}, "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ([], []), ([0, 2], [(0, 2)]), ([[0, 2]], [(0, 2)]), ([[3, 4], [0, 2]], [(3, 4), (0, 2)])],
)
def test_spans(value: Any, expected: list[tuple[int, int]]) -> None:
    assert list(spans(value, "abcd", "x")) == expected


@pytest.mark.parametrize(
    "value", [[[0, 5]], [[-1, 2]], [[2, 2]], [["0", 1]], [[True, 2]], [0], 7, "ab", {"a": 1}, [[0, 1, 2]]]
)
def test_spans_that_are_none(value: Any) -> None:
    with pytest.raises(InputError, match=r"^x: span .*, expected \[start, end\] within the 4 characters"):
        list(spans(value, "abcd", "x"))
