"""Quotes that somebody has already cut: annotated articles, and bare quotes out of a spreadsheet."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stance.errors import InputError
from stance.types import HALF_PAIR, Article, Span

CutQuote = tuple[tuple[Span, ...], Span | None, Span | None]
_STANCE_FIELDS = ("stance", "second", "probabilities", "model")
Verdict = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CutLine:
    """One line of `stance classify`: what to judge, and how the verdicts go back into the line.

    Attributes:
        article: The annotated article, or the text made of a bare quote.
        quotes: For each quote the spans of its content, its cue and its source.
        merge: Takes one verdict a quote (None where it holds no word) and gives the line back with them.
    """

    article: Article
    quotes: tuple[CutQuote, ...]
    merge: Callable[[list[Verdict]], dict[str, Any]]


def cut_line(row: dict[str, Any], where: str) -> CutLine:
    """Understand a line: an annotated article (`id`, `text`, `quotes`) or a bare quote (`text`, …).

    Raises:
        InputError: A missing or mistaken field; the message begins with `where`.
    """
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: no string 'text' with something in it, expected a quote or an annotated article")
    if any(HALF_PAIR.search(value) for value in row.values() if isinstance(value, str)):
        raise InputError(f"{where}: half a surrogate pair in it, expected Unicode text")
    return _annotated(row, text, where) if "quotes" in row else _bare(row, text, where)


def spans(value: Any, text: str, where: str) -> Iterator[Span]:
    """Check the spans of a quote in the data format: [[start, end], …], one [start, end], or null.

    Raises:
        InputError: Offsets that are no integers or lie outside the text; the message begins with `where`.
    """
    pairs = [value] if isinstance(value, list) and value and isinstance(value[0], int) else value or []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        numbers = isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
        if not numbers or not 0 <= pair[0] < pair[1] <= len(text):
            raise InputError(
                f"{where}: span {pair!r}, expected [start, end] within the {len(text)} characters of 'text'"
            )
        yield Span(*pair)


def _annotated(row: dict[str, Any], text: str, where: str) -> CutLine:
    if not isinstance(row["quotes"], list) or not isinstance(row.get("id"), str):
        raise InputError(f"{where}: expected a string 'id' and a list 'quotes' in an annotated article")
    quotes = tuple(_spans_of(q, text, f"{where}, quote {i}") for i, q in enumerate(row["quotes"], 1))

    def merge(verdicts: list[Verdict]) -> dict[str, Any]:
        return row | {"quotes": [_with_stance(q, v) for q, v in zip(row["quotes"], verdicts, strict=True)]}

    return CutLine(Article(row["id"], text), quotes, merge)


def _bare(row: dict[str, Any], text: str, where: str) -> CutLine:
    parts = {}
    for key in ("speaker", "cue", "context"):
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{where}: {key!r} is a {type(value).__name__}, expected a string or null")
        parts[key] = (value or "").strip()
    context, quote = parts["context"], text.strip()
    at = context.find(quote)
    if at >= 0:  # the context holds the quote: judge it where it stands
        content = Span(at, at + len(quote))
        cue, source = (_nearest(parts[key], context, content) for key in ("cue", "speaker"))
        article = Article(where, context)
    else:
        lead = f"{context}\n\n" if context else ""
        source = Span(len(lead), len(lead) + len(parts["speaker"])) if parts["speaker"] else None
        lead += f"{parts['speaker']} " if parts["speaker"] else ""
        cue = Span(len(lead), len(lead) + len(parts["cue"])) if parts["cue"] else None
        lead += f"{parts['cue']} " if parts["cue"] else ": " if source else ""
        content = Span(len(lead), len(lead) + len(quote))
        article = Article(where, f"{lead}{quote}")
    return CutLine(article, (((content,), cue, source),), lambda verdicts: _with_stance(row, verdicts[0]))


def _with_stance(quote: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Set the stance fields; an annotator's own stance moves to `annotated`."""
    judged = () if quote.get("model") else _STANCE_FIELDS[:2]  # a verdict of an earlier run is no annotation
    annotated = {key: quote[key] for key in judged if quote.get(key) is not None}
    kept = {key: value for key, value in quote.items() if key not in _STANCE_FIELDS}
    fields = dict(verdict) if verdict else dict.fromkeys(_STANCE_FIELDS)
    return kept | ({"annotated": annotated} if annotated else {}) | fields


def _spans_of(quote: Any, text: str, where: str) -> CutQuote:
    if not isinstance(quote, dict):
        raise InputError(f"{where}: found a {type(quote).__name__}, expected an object with 'content'")
    content, cue, source = (
        tuple(spans(quote.get(role), text, f"{where}, {role}")) for role in ("content", "cue", "source")
    )
    if not content:
        raise InputError(f"{where}: no 'content' span, expected at least one [start, end]")
    return content, next(iter(cue), None), next(iter(source), None)


def _nearest(words: str, context: str, content: Span) -> Span | None:
    found = [Span(*m.span()) for m in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", context)] if words else []
    outside = [span for span in found if span.end <= content.start or content.end <= span.start]
    return min(outside, key=lambda s: max(content.start - s.end, s.start - content.end), default=None)
