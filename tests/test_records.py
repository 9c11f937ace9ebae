import hashlib
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.records import (
    SCHEMA,
    article_row,
    claim_row,
    claim_rows,
    day_of,
    json_line,
    split_metadata,
    stance_fields,
)
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


def test_claims_of_one_article_are_as_each_alone() -> None:
    article = Article("a", TEXT, {"title": "x"})
    claims = [claim(find("Zoë")), claim(find("she"), cue=find("said"), second=Stance.ACCUSATION)]
    assert list(claim_rows(article, claims, "toy")) == [claim_row(article, made, "toy") for made in claims]
    assert list(claim_rows(article, [], "toy")) == []


@pytest.mark.parametrize("metadata", [{}, {"title": "x"}])
def test_a_text_out_of_a_web_page_goes_with_its_claims(metadata: dict[str, str]) -> None:
    row = claim_row(Article("a", TEXT, metadata, extracted=True), claim(find("Zoë")), "toy")
    assert list(row)[-1] == "text"
    assert row.pop("text") == TEXT
    assert row == claim_row(Article("a", TEXT, metadata), claim(find("Zoë")), "toy")


def test_an_article_in_full() -> None:
    metadata = {
        "section": ["World", 3],
        "author": ["Ann Lee", "Bo Diaz"],
        "title": "A title",
        "date": "Fri, 03 May 2024 23:30:00 -0800",
        "publisher": "  ",
        "url": 7,
    }
    stances = {"accusation": 2, "other": 1}
    row = article_row(
        Article("a", TEXT, metadata), file="x.jsonl", line=4, sha256="00ff", duplicate_of=None, stances=stances
    )
    expected = {
        "article_id": "a",
        "title": "A title",
        "url": "7",
        "date": "Fri, 03 May 2024 23:30:00 -0800",
        "day": date(2024, 5, 3),
        "publisher": None,
        "author": "Ann Lee, Bo Diaz",
        "metadata": {"section": ["World", 3]},
        "file": "x.jsonl",
        "line": 4,
        "text": TEXT,
        "extracted": False,
        "sha256": "00ff",
        "duplicate_of": None,
        "chars": len(TEXT),
        "claims": 3,
        "accusations": 2,
        "denials": 0,
        "justifications": 0,
        "others": 1,
    }
    assert row == expected
    assert list(row) == list(expected)


def test_an_article_out_of_a_web_page_without_metadata() -> None:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    article = Article("a", TEXT, extracted=True)
    row = article_row(article, file="a.html", line=None, sha256=digest, duplicate_of="b", stances={})
    assert (row["text"], row["extracted"], row["duplicate_of"], row["line"]) == (TEXT, True, "b", None)
    assert (row["metadata"], row["day"], row["claims"]) == (None, None, 0)


def test_fields_with_columns_of_their_own_are_words() -> None:
    named, others = split_metadata({"title": {"main": "ü"}, "author": ["", "Bo"], "date": None, "url": [], "x": {}})
    assert named == {"title": '{"main": "ü"}', "url": None, "date": None, "publisher": None, "author": "Bo"}
    assert others == {"x": {}}


@pytest.mark.parametrize(
    "words",
    [
        "2024-05-03",
        " 2024-05-03 ",
        "2024-5-3",
        "2024/05/03",
        "20240503",
        "20240503101500",
        "2024-W18-5",
        "2024-05-03T23:59:59.123Z",
        "2024-05-03T00:00:00+14:00",  # the publisher's day, not the one in London
        "2024-05-03 10:15:00 CEST",
        "Fri, 03 May 2024 23:30:00 -0800",
        "Fri, 3 May 24 23:30:00 GMT",
        "Fri May 03 10:00:00 +0000 2024",
        "3 May 2024",
        "May 3rd, 2024",
        "Friday, May 3, 2024 10:15 AM EST",
        "03-May-2024",
        "03.05.2024",
        "3. 5. 2024",
    ],
)
def test_a_day_that_can_be_read_in_one_way(words: str) -> None:
    assert day_of(words) == date(2024, 5, 3)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("13/4/2024", date(2024, 4, 13)),
        ("4/13/2024", date(2024, 4, 13)),
        ("5/5/2024", date(2024, 5, 5)),
        ("1643-02-01", date(1643, 2, 1)),
    ],
)
def test_other_days(words: str, day: date) -> None:
    assert day_of(words) == day


@pytest.mark.parametrize(
    "words",
    [
        *(None, "", " ", "soon", "3/4/2024", "03-04-2024", "3/4/24", "13/4/24", "2024", "May 2024", "3 May", "Friday"),
        *("Friday May 2024", "10:30", "2024-13-45", "1714700000", "1714700000000", "0001-01-01", "1" * 5000, "9" * 90),
        *(
            "Published on 3 May 2024",
            "²",
            "1e999",
            "3 May 2024 and 4 May 2024",
            "2024-05-03T10:00 to 11:00 on 4.5.2024",
        ),
    ],
)
def test_a_day_that_cannot_be_read_in_one_way(words: str | None) -> None:
    assert day_of(words) is None


@given(st.one_of(st.text(max_size=60), st.text("0123456789/-.: TZ+MayJunMonFri,", max_size=40)))
def test_no_words_break_the_reading_of_days(words: str) -> None:
    day = day_of(words)
    assert day is None or day.year >= 1605


@given(st.dates(date(1605, 1, 1)), st.sampled_from(["%Y-%m-%d", "%d %B %Y", "%a, %d %b %Y 12:00:00 +0000"]))
def test_days_are_read_as_they_were_written(day: date, form: str) -> None:
    assert day_of(day.strftime(form)) == day


def test_lines_of_json_can_always_be_written() -> None:
    row = {"title": "ü 😀", "n": 1}
    assert json_line(row) == '{"title": "ü 😀", "n": 1}'
    half = row | {"title": "ü \ud83d"}
    line = json_line(half)
    assert line.encode("utf-8") == b'{"title": "\\u00fc \\ud83d", "n": 1}'
    assert json.loads(line) == half
