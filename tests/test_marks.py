import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.marks import QUOTATION_MARKS, quoted_spans
from stance.types import Span

# ⟦…⟧ stand around each expected span, marks included; they are no quotation marks themselves.
CASES = {
    "straight": '⟦"The mill is shut,"⟧ she said. ⟦"For good."⟧',
    "straight, two in a row": '⟦"Mill"⟧ ⟦"Weir"⟧',
    "straight, nothing between": '⟦"a"⟧⟦"b"⟧',
    "straight after a colon and a bracket": 'It read:⟦"Shut"⟧ (⟦"for good"⟧).',
    "inches do not open": 'A 5\'10" keeper and a 12" pipe.',
    "curly": "⟦“The mill is shut.”⟧ Then ⟦“goodbye”⟧.",
    "curly, glued to a word": "the so-called⟦“plan”⟧",
    "curly, empty": "⟦“”⟧ and no more",
    "guillemets": "⟦«Le moulin est fermé»⟧, dit-elle.",
    "low german": "⟦„Wir gehen heim“⟧, sagte er.",
    "low, closed by the right mark": "⟦„Wir gehen heim”⟧, sagte er.",
    "british": "⟦‘The mill is shut,’⟧ he said.",
    "british straight": "⟦'The mill is shut,'⟧ he said.",
    "british with apostrophes": "⟦‘We don’t know what it’s for,’⟧ he said.",
    "british straight with apostrophes": "⟦'We don't know what it's for,'⟧ he said.",
    "british, plural possessive": "⟦‘It was the lads’ fault,’⟧ he said.",
    "british straight, plural possessive": "⟦'It was the lads' fault,'⟧ he said.",
    "british, several": "She called it ⟦'rubbish'⟧ and ⟦'a farce'⟧.",
    "british beside a possessive": "The weavers' union said ⟦'no'⟧ to it.",
    "apostrophes alone": "The lads' fault, the lass's, the mill’s and the looms’ noise.",
    "apostrophe at a word's start": "Give 'em rope. 'Tis late, ‘tis late.",
    "single in double": "⟦“He called it ‘a farce’ and left,”⟧ she said.",
    "single in double, straight": "⟦\"He said 'no way' to me,\"⟧ she said.",
    "double in single": "⟦‘He called it “a farce” and left,’⟧ she said.",
    "unclosed ends with its paragraph": '⟦"It never ends here⟧\nThe next paragraph is plain.',
    "unclosed, then a new one": "⟦“The first goes on⟧\n\n⟦“and the second ends.”⟧ Enough.",
    "unclosed with CRLF": "⟦“The first goes on⟧\r\n\r\nPlain.",
    "unclosed single is an apostrophe": "‘Bout time, they thought.\nPlain.",
    "closing mark alone": "nothing” was open» here’",
    "mark before a space": 'one " two " three',
    "empty": "",
    "one mark": '"',
}


def unmarked(marked: str) -> tuple[str, list[Span]]:
    """Take ⟦ and ⟧ out of a text and give the spans that they enclosed."""
    text, spans, start = "", [], 0
    for c in marked:
        if c == "⟦":
            start = len(text)
        elif c == "⟧":
            spans.append(Span(start, len(text)))
        else:
            text += c
    return text, spans


@pytest.mark.parametrize("marked", CASES.values(), ids=CASES)
def test_quoted_spans(marked: str) -> None:
    text, expected = unmarked(marked)
    assert quoted_spans(text) == expected, [text[s:e] for s, e in quoted_spans(text)]


def test_a_decade_opens_nothing() -> None:
    assert quoted_spans("Since the '90s the lads' songs have changed.") == []


@given(st.text(alphabet="ab .,\r\n'\"“”‘’«»„‟", max_size=60))
def test_spans_are_ordered_start_at_a_mark_and_stay_in_their_paragraph(text: str) -> None:
    spans = quoted_spans(text)
    for before, after in itertools.pairwise(spans):
        assert before.end <= after.start
    for start, end in spans:
        assert 0 <= start < end <= len(text)
        assert text[start] in QUOTATION_MARKS
        assert not {"\r", "\n"} & set(text[start:end])
        at_paragraph_end = end == len(text) or text[end] in "\r\n"
        assert (text[end - 1] in QUOTATION_MARKS and end - start > 1) or at_paragraph_end


@given(st.text(alphabet="ab .,'\"“”‘’", max_size=40), st.text(alphabet="ab .,'\"“”‘’", max_size=40))
def test_paragraphs_do_not_influence_each_other(first: str, second: str) -> None:
    shift = len(first) + 1
    moved = [Span(start + shift, end + shift) for start, end in quoted_spans(second)]
    assert quoted_spans(f"{first}\n{second}") == quoted_spans(first) + moved


def test_many_unclosed_single_marks_are_read_quickly() -> None:
    assert quoted_spans("it is 'so " * 20_000) == []
