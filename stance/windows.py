"""An article as overlapping windows of tokens that know their offsets.

Every token's vector is taken from the window in which it stands furthest from an edge, so that all later
stages see one matrix of token vectors for the whole article, and no quote is ever decoded twice.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from stance.marks import quoted_spans
from stance.names import Mention
from stance.standins import Edit, spliced, stand_ins
from stance.types import HALF_PAIR, Span

# (capitals) x (white space before) x (inside quotation marks)
SHAPES = 3 * 4 * 2
# Text is cut at white space before it is tokenised: the tokens are the same, the memory bounded.
_PIECE_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text.

    Attributes:
        ids: Vocabulary ids, `(tokens,)` int64.
        starts: First code point of each token, `(tokens,)`, never decreasing.
        ends: End (exclusive) of each token, `(tokens,)`.
        shapes: What the uncased vocabulary forgets, `(tokens,)` in [0, SHAPES): capitals, line breaks,
            quotation marks.
        quoted: The outermost quotations of the whole text, from `stance.marks.quoted_spans`.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    shapes: np.ndarray
    quoted: Sequence[Span]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, first_token: int, last_token: int) -> "Tokens":
        """Give a range of the tokens; their offsets still point into the whole text."""
        part = slice(first_token, last_token)
        return Tokens(self.ids[part], self.starts[part], self.ends[part], self.shapes[part], self.quoted)

    def touching(self, span: Span) -> tuple[int, int] | None:
        """Give the range of tokens that share a code point with a span, or None where there are none."""
        first = int(np.searchsorted(self.ends, span.start, side="right"))
        last = int(np.searchsorted(self.starts, span.end, side="left"))
        return (first, last) if first < last else None

    def first_touching(self, spans: Sequence[Span]) -> list[int | None]:
        """Give the first token that shares a code point with each span, or None where there is none."""
        first = np.searchsorted(self.ends, [span.start for span in spans], side="right")
        last = np.searchsorted(self.starts, [span.end for span in spans], side="left")
        return [f if f < e else None for f, e in zip(first.tolist(), last.tolist(), strict=True)]

    def span(self, first_token: int, last_token: int) -> Span:
        """Give the code points of the tokens [first_token, last_token)."""
        return Span(int(self.starts[first_token]), int(self.ends[last_token - 1]))


@dataclass(frozen=True, slots=True)
class Window:
    """A range of an article's tokens that the encoder reads at once.

    Attributes:
        first_token, last_token: The range, end exclusive.
        keep_first_token, keep_last_token: The part whose vectors are taken from this window; the kept
            parts of an article's windows follow each other without gap or overlap.
    """

    first_token: int
    last_token: int
    keep_first_token: int
    keep_last_token: int


def tokenize(text: str, tokenizer: Tokenizer, named: Sequence[Mention] | None = None) -> Tokens:
    """Tokenise a text without special tokens; offsets are code points into the text as given.

    Args:
        text: Any text.
        tokenizer: The model's.
        named: The names in it, from `stance.names.mentions`, where the tokens are to be those of their stand-ins
            (`stance.standins`); None: those of the text as it is.
    """
    edits = [] if named is None else stand_ins(text, named)
    read = spliced(text, edits)
    ids, starts, ends = _encoded(read, tokenizer)
    capitals = [_case(read[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    if edits:
        starts, ends = _moved_back(starts, ends, edits, text)
    quoted = quoted_spans(text)
    return Tokens(ids, starts, ends, _shapes(text, starts, ends, quoted, capitals), quoted)


def _encoded(text: str, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give ids, starts and ends of the tokens of a text."""
    ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    pieces = _pieces(text)
    whole = HALF_PAIR.sub("\ufffd", text)  # half a surrogate pair is no text; the tokenizer would raise
    words = [whole[s:e] for s, e in pieces]
    encoded = tokenizer.encode_batch(words, add_special_tokens=False)
    for (offset, _), piece, encoding in zip(pieces, words, encoded, strict=True):
        ids += encoding.ids
        for start, end in encoding.offsets:
            while start < end and piece[start].isspace():  # some tokenizers count the space before a word to it
                start += 1
            starts.append(start + offset)
            ends.append(end + offset)
    return np.asarray(ids, dtype=np.int64), np.asarray(starts, dtype=np.int64), np.asarray(ends, dtype=np.int64)


def _moved_back(
    starts: np.ndarray, ends: np.ndarray, edits: Sequence[Edit], text: str
) -> tuple[np.ndarray, np.ndarray]:
    """Give the offsets into a text of tokens of the edited text; in what was edited, word by word."""
    begins, stops = (np.array([edit[i] for edit in edits], np.int64) for i in (0, 1))
    grown = np.cumsum([len(edit.words) - (edit.end - edit.start) for edit in edits])
    # The first edit that ends after a token begins, and whether the token is in it.
    number = np.searchsorted(stops + grown, starts, side="right")
    by = np.concatenate([[0], grown])[number]
    last = np.minimum(number, len(edits) - 1)
    inside = (number < len(edits)) & (ends > begins[last] + by)
    starts, ends = starts - by, ends - by
    for first, members in itertools.groupby(np.flatnonzero(inside).tolist(), key=lambda i: int(number[i])):
        tokens = list(members)
        words = [match.span() for match in re.finditer(r"\S+", text[begins[first] : stops[first]])]
        for place, token in enumerate(tokens):
            begin, end = words[min(place, len(words) - 1)]
            starts[token] = begins[first] + begin
            ends[token] = stops[first] if place >= min(len(tokens), len(words)) - 1 else begins[first] + end
    return starts, ends


def cut(count: int, *, size: int, overlap: int) -> list[Window]:
    """Cut `count` tokens into the fewest windows of at most `size`, all of like length.

    Args:
        count: Number of tokens.
        size: Most tokens in a window, without the two special tokens.
        overlap: Tokens that neighbouring windows share at least; the seam runs through their middle.
    """
    if count <= size:
        return [Window(0, count, 0, count)] if count else []
    number = -(-(count - overlap) // (size - overlap))
    length = -(-(count + (number - 1) * overlap) // number)
    firsts = [min(i * (length - overlap), count - length) for i in range(number)]
    seams = [0, *((a + length + b) // 2 for a, b in itertools.pairwise(firsts)), count]
    return [Window(f, f + length, seams[i], seams[i + 1]) for i, f in enumerate(firsts)]


def _pieces(text: str) -> list[tuple[int, int]]:
    pieces = []
    start = 0
    while len(text) - start > _PIECE_CHARS:
        end = start + _PIECE_CHARS
        gap = next((m.end() for m in re.finditer(r"\s", text[end : end + 1000])), 0)
        pieces.append((start, end + gap))
        start = end + gap
    return [*pieces, (start, len(text))]


_Case = Literal[0, 1, 2]


def _shapes(
    text: str, starts: np.ndarray, ends: np.ndarray, quoted: Sequence[Span], capitals: Sequence[_Case]
) -> np.ndarray:
    case = np.array(capitals, np.int64)
    before = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(starts)]
    space = (starts > before).astype(np.int64)
    for i in [0, *np.flatnonzero(space[1:]) + 1] if len(starts) else []:
        gap = text[before[i] : starts[i]]
        lines = gap.count("\n") or gap.count("\r")
        if lines or not i:
            space[i] = 2 + (lines > 1)
    opened, closed = (np.array([span[edge] for span in quoted], np.int64) for edge in (0, 1))
    last = np.searchsorted(opened, starts, side="right") - 1
    inside = (last >= 0) & (starts < closed[last]) if len(quoted) else np.zeros(len(starts), bool)
    shapes: np.ndarray = (case * 4 + space) * 2 + inside
    return shapes


def _case(word: str) -> _Case:
    if not word[:1].isupper():
        return 0
    return 2 if len(word) > 1 and word.isupper() else 1
