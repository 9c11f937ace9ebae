"""The records: one claim, one row; one article, one row. The schema's only home; the README describes it."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from stance.types import HALF_PAIR, Article, Claim, Span, Stance

SCHEMA = 2
# What an article's metadata are called in its row; all else stays in `metadata`.
NAMED = ("title", "url", "date", "publisher", "author")
# How many of an article's claims have each main stance.
STANCE_COUNTS = {
    Stance.ACCUSATION: "accusations",
    Stance.DENIAL: "denials",
    Stance.JUSTIFICATION: "justifications",
    Stance.OTHER: "others",
}
_DIGITS = 4
_DATE_CHARS = 100
_FIRST_NEWSPAPER = 1605  # an earlier year is a placeholder such as 0001-01-01
_YEAR_FIRST = re.compile(r"\d{4}(?!\d)")
_DOTTED = re.compile(r"\d{1,2}\.\s?\d{1,2}\.\s?\d{4}(?!\d)")
_COMPACT = re.compile(r"\d{8}(\d{6})?")


def claim_row(article: Article, claim: Claim, model: str) -> dict[str, Any]:
    """Give one claim as a row; see `claim_rows`."""
    [row] = claim_rows(article, [claim], model)
    return row


def claim_rows(article: Article, claims: Iterable[Claim], model: str) -> Iterator[dict[str, Any]]:
    """Give an article's claims as rows of plain values, in the order of the schema.

    Args:
        article: The article that they come from; its metadata travel along.
        claims: The claims.
        model: Name of the model that made them.

    Yields:
        Keys `schema`, `article_id`, `claim_id`, `content`, `content_spans`, `cue`, `cue_span`, `source`,
        `source_span`, `speaker`, `speaker_probability`, `kind`, `stance`, `second`, `probabilities`, `model`,
        `target`, `target_probability`, `metadata` where the article has any, and `text` where it was taken out
        of a web page. Offsets are code points into the article's text, end exclusive.
    """
    text = article.text
    hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass"))  # once: a text may be long and have many claims
    for claim in claims:
        quote = claim.attributed.quote
        row: dict[str, Any] = {
            "schema": SCHEMA,
            "article_id": article.id,
            "claim_id": _claim_id(hashed.copy(), quote.content),
            "content": " … ".join(text[start:end] for start, end in quote.content),
            "content_spans": [list(span) for span in quote.content],
            "cue": _words(text, quote.cue),
            "cue_span": list(quote.cue) if quote.cue else None,
            "source": _words(text, quote.source),
            "source_span": list(quote.source) if quote.source else None,
            "speaker": claim.attributed.speaker,
            "speaker_probability": _probability(claim.attributed.probability),
            "kind": str(quote.kind),
        }
        row |= stance_fields(claim.stance, claim.second, dict(claim.probabilities), model)
        row |= {"target": claim.target, "target_probability": _probability(claim.target_probability)}
        if article.metadata:
            row["metadata"] = dict(article.metadata)
        if article.extracted:
            row["text"] = text
        yield row


def article_row(
    article: Article,
    *,
    file: str,
    line: int | None,
    sha256: str,
    duplicate_of: str | None,
    stances: Mapping[str, int],
) -> dict[str, Any]:
    """Give an article that was read as a row of plain values, in the order of the schema.

    Args:
        article: The article.
        file: The input it comes from, as named in the job.
        line: Its line or row there, from 1; None where the file is one article.
        sha256: Hash of its text in UTF-8, in hex.
        duplicate_of: Id of the article that has the same text and was read in its place.
        stances: How many of its claims have each main stance; none for a duplicate.

    Returns:
        Keys `article_id`, `title`, `url`, `date` (as given), `day` (a `datetime.date`, see `day_of`), `publisher`,
        `author`, `metadata` (the other fields, or None), `file`, `line`, `text`, `extracted` (it was taken out of a
        web page, so that no input holds it), `sha256`, `duplicate_of`, `chars` (of the text), `claims`, and by main
        stance `accusations`, `denials`, `justifications`, `others`.
    """
    named, others = split_metadata(article.metadata)
    return {
        "article_id": article.id,
        "title": named["title"],
        "url": named["url"],
        "date": named["date"],
        "day": day_of(named["date"]),
        "publisher": named["publisher"],
        "author": named["author"],
        "metadata": others or None,
        "file": file,
        "line": line,
        "text": article.text,
        "extracted": article.extracted,
        "sha256": sha256,
        "duplicate_of": duplicate_of,
        "chars": len(article.text),
        "claims": sum(stances.values()),
    } | {name: stances.get(stance, 0) for stance, name in STANCE_COUNTS.items()}


def split_metadata(metadata: Mapping[str, Any]) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Give the fields that have columns of their own (`NAMED`), as words, and the others as they are."""
    named = {key: _as_words(metadata.get(key)) for key in NAMED}
    return named, {key: value for key, value in metadata.items() if key not in NAMED}


def day_of(words: str | None) -> date | None:
    """Understand a date where it can be read in one way only: the day as it was where the article was published.

    ISO 8601, RFC 2822, months by their English names, `20240503`, `2024/5/3`, and with dots the day first. None
    where it cannot be understood, lacks day, month or year, or may mean two days, as 3/4/2024 does.
    """
    words = (words or "").strip()
    if not words or len(words) > _DATE_CHARS:
        return None
    found = _standard(words) or _free(words)
    return found if found and found.year >= _FIRST_NEWSPAPER else None


def stance_fields(
    stance: Stance, second: Stance | None, probabilities: dict[Stance, float], model: str
) -> dict[str, Any]:
    """Give the part of a record that a classifier adds to a quote."""
    return {
        "stance": str(stance),
        "second": None if second is None else str(second),
        "probabilities": _rounded(probabilities),
        "model": model,
    }


def json_line(row: dict[str, Any]) -> str:
    """Give a row as one line of JSON, without the line break."""
    line = json.dumps(row, ensure_ascii=False)
    # Half a surrogate pair in a title cannot be written as UTF-8; JSON can escape it.
    return json.dumps(row) if HALF_PAIR.search(line) else line


def _claim_id(hashed: "hashlib._Hash", content: tuple[Span, ...]) -> str:
    hashed.update(repr([tuple(span) for span in content]).encode())
    return hashed.hexdigest()[:16]


def _probability(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _words(text: str, span: Span | None) -> str | None:
    return None if span is None else text[span.start : span.end]


def _rounded(probabilities: dict[Stance, float]) -> dict[str, float]:
    """Round so that the sum stays 1: what rounding takes away goes to the largest."""
    scale = 10**_DIGITS
    units = {label: round(p * scale) for label, p in probabilities.items()}
    units[max(probabilities, key=lambda label: probabilities[label])] += scale - sum(units.values())
    return {str(label): unit / scale for label, unit in units.items()}


def _as_words(value: Any) -> str | None:
    """Give a field that ought to be a string as one: several authors with commas, a number in digits."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(part for part in value if part.strip()) or None
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _standard(words: str) -> date | None:
    if words.isdigit():  # eight or fourteen digits are a date, others may be a count of seconds
        words = words[:8] if _COMPACT.fullmatch(words) else ""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return parse(words).date()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _free(words: str) -> date | None:
    from dateutil import parser

    if not re.search(r"\D", words):
        return None
    orders = [False] if _YEAR_FIRST.match(words) else [True] if _DOTTED.match(words) else [False, True]
    found = set()
    for day_first in orders:
        for year_first in [False] if _YEAR_FIRST.search(words) else [False, True]:
            # What is missing is taken from the default: two of them, in all unlike, show it.
            for default in (datetime(2000, 1, 1), datetime(2003, 3, 15)):
                try:
                    parsed = parser.parse(
                        words, default=default, dayfirst=day_first, yearfirst=year_first, ignoretz=True
                    )
                except (ValueError, ArithmeticError, TypeError, IndexError, AttributeError, RecursionError):
                    return None
                found.add(parsed.date())
    return found.pop() if len(found) == 1 else None
