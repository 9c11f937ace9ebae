"""The record: one claim, one row. This module is the schema's only home; the README describes it."""

import hashlib
from typing import Any

from stance.types import Article, Claim, Span, Stance

SCHEMA = 2
_DIGITS = 4


def claim_row(article: Article, claim: Claim, model: str) -> dict[str, Any]:
    """Give a claim as a row of plain values, in the order of the schema.

    Args:
        article: The article it comes from; its metadata travel along.
        claim: The claim.
        model: Name of the model that made it.

    Returns:
        Keys `schema`, `article_id`, `claim_id`, `content`, `content_spans`, `cue`, `cue_span`, `source`,
        `source_span`, `speaker`, `speaker_probability`, `kind`, `stance`, `second`, `probabilities`, `model`,
        `target`, `target_probability`, and `metadata` where the article has any. Offsets are code points into
        the article's text, end exclusive.
    """
    text = article.text
    quote = claim.attributed.quote
    spans = [list(span) for span in quote.content]
    row: dict[str, Any] = {
        "schema": SCHEMA,
        "article_id": article.id,
        "claim_id": _claim_id(text, quote.content),
        "content": " … ".join(text[start:end] for start, end in quote.content),
        "content_spans": spans,
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
    return row


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


def _claim_id(text: str, content: tuple[Span, ...]) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    digest.update(repr([tuple(span) for span in content]).encode())
    return digest.hexdigest()[:16]


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
