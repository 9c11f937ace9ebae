import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.records import SCHEMA, claim_row, stance_fields
from stance.types import Article, AttributedQuote, Claim, Kind, Quote, Span, Stance

TEXT = "“Zoë 😀 never lied,” she said,\r\n“and never will.”"
EVEN = dict.fromkeys(Stance, 0.25)


def claim(*content: Span, cue: Span | None = None, source: Span | None = None, second: Stance | None = None) -> Claim:
    quote = Quote(content, cue, source, Kind.DIRECT)
    target = ("council", 0.5) if second is Stance.ACCUSATION else (None, None)
    return Claim(AttributedQuote(quote, "Zoë", 0.87654), Stance.DENIAL, second, EVEN, *target)


def find(words: str) -> Span:
    at = TEXT.index(words)
    return Span(at, at + len(words))


@st.composite
def probabilities(draw: st.DrawFn) -> dict[Stance, float]:
    """Draw probabilities that sum to 1, some of them tiny or zero."""
    weights = draw(st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1.0)), min_size=4, max_size=4).filter(any))
    return {label: weight / sum(weights) for label, weight in zip(Stance, weights, strict=True)}


@given(probabilities())
def test_probabilities_have_four_digits_and_sum_to_one(given_: dict[Stance, float]) -> None:
    rounded = stance_fields(Stance.OTHER, None, given_, "m")["probabilities"]
    assert list(rounded) == [str(label) for label in Stance]
    assert sum(round(p * 10_000) for p in rounded.values()) == 10_000
    for label, p in given_.items():
        assert rounded[label] == round(rounded[label], 4)
        assert 0 <= rounded[label] <= 1
        assert abs(rounded[label] - p) <= 0.0002


def test_what_rounding_takes_goes_to_the_largest() -> None:
    given_ = dict(zip(Stance, [0.00004, 0.00004, 0.00004, 0.99988], strict=True))
    assert stance_fields(Stance.OTHER, None, given_, "m")["probabilities"] == {
        "accusation": 0.0,
        "denial": 0.0,
        "justification": 0.0,
        "other": 1.0,
    }


def test_a_row_in_full() -> None:
    first, last = find("“Zoë 😀 never lied,”"), find("“and never will.”")
    made = claim(first, last, cue=find("said"), source=find("she"), second=Stance.ACCUSATION)
    row = claim_row(Article("a", TEXT, {"date": "2021"}), made, "toy")
    assert list(row) == [
        "schema",
        "article_id",
        "claim_id",
        "content",
        "content_spans",
        "cue",
        "cue_span",
        "source",
        "source_span",
        "speaker",
        "speaker_probability",
        "kind",
        "stance",
        "second",
        "probabilities",
        "model",
        "target",
        "target_probability",
        "metadata",
    ]
    del row["claim_id"], row["probabilities"]
    assert row == {
        "schema": SCHEMA,
        "article_id": "a",
        "content": "“Zoë 😀 never lied,” … “and never will.”",
        "content_spans": [list(first), list(last)],
        "cue": "said",
        "cue_span": list(find("said")),
        "source": "she",
        "source_span": list(find("she")),
        "speaker": "Zoë",
        "speaker_probability": 0.8765,
        "kind": "direct",
        "stance": "denial",
        "second": "accusation",
        "model": "toy",
        "target": "council",
        "target_probability": 0.5,
        "metadata": {"date": "2021"},
    }


def test_what_is_not_there_is_null() -> None:
    row = claim_row(Article("a", TEXT), claim(find("Zoë")), "toy")
    empty = ("cue", "cue_span", "source", "source_span", "second", "target", "target_probability")
    assert [row[key] for key in empty] == [None] * 7
    assert "metadata" not in row


@given(st.text(min_size=1), st.data())
def test_offsets_give_the_content_and_rows_are_json(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    span = Span(start, data.draw(st.integers(start + 1, len(text))))
    row = claim_row(Article("a", text), claim(span, cue=span, source=span), "toy")
    assert [text[s:e] for s, e in row["content_spans"]] == [row["content"]]
    assert text[slice(*row["cue_span"])] == row["cue"]
    assert text[slice(*row["source_span"])] == row["source"]
    assert json.loads(json.dumps(row)) == row


def test_claim_id_is_stable() -> None:
    made = claim(find("Zoë"))
    identity = claim_row(Article("a", TEXT), made, "toy")["claim_id"]
    again = claim_row(Article("b", TEXT, {"x": 1}), claim(Span(1, 4), cue=find("said")), "other")["claim_id"]
    assert identity == again  # the words and their place, whatever was concluded from them
    assert len(identity) == 16
    assert int(identity, 16) >= 0


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (TEXT, (Span(1, 5),)),
        (TEXT, (Span(0, 4),)),
        (TEXT, (Span(1, 2), Span(2, 4))),
        (TEXT + " ", (Span(1, 4),)),
    ],
)
def test_claim_id_differs(text: str, content: tuple[Span, ...]) -> None:
    one = claim_row(Article("a", TEXT), claim(Span(1, 4)), "toy")["claim_id"]
    assert claim_row(Article("a", text), claim(*content), "toy")["claim_id"] != one


def test_claim_ids_of_half_a_surrogate_pair() -> None:
    assert len(claim_row(Article("a", "x\ud83d"), claim(Span(0, 1)), "toy")["claim_id"]) == 16
