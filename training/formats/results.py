"""What a run found as articles to be corrected: a job's folder, or a file of claims with the articles beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stance.errors import InputError
from stance.records import NAMED
from stance.results import Wanted, read_results
from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote

_MOST_CHARS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Predicted:
    """An article with what a model found in it.

    Attributes:
        annotated: The quotes as if annotated.
        model: Who says so.
        scores: How sure it is of each quote's stance.
    """

    annotated: AnnotatedArticle
    model: str
    scores: tuple[float, ...]


def read(source: Path, texts: Mapping[str, str], *, limit: int) -> Iterator[Predicted | InputError]:
    """Read what a run found.

    Args:
        source: A job's folder, or a `.jsonl` file of claims.
        texts: By article id, for a file of claims, which does not hold them.
        limit: Articles at most.

    Raises:
        ConfigError: Neither of these.
        InputError: A part or line that cannot be read.
    """
    for one in read_results(source, Wanted(), limit=limit, chars=_MOST_CHARS).articles:
        text = one.text if one.text is not None else texts.get(one.id)
        if text is None:
            yield InputError(f"{source}: no text of article {one.id!r}, expected it in a file given with --texts")
            continue
        named = {key: one.named[key] for key in NAMED if one.named[key] is not None}
        try:
            yield predicted(Article(one.id, text, named), one.claims)
        except ValueError as error:
            yield InputError(f"{source}: article {one.id!r}: {error}, expected the text that the claims were found in")


def predicted(article: Article, claims: Sequence[Mapping[str, Any]]) -> Predicted:
    """Give records of one article as annotated quotes.

    Raises:
        ValueError: A span outside the text.
    """
    quotes = tuple(_quote(claim, len(article.text)) for claim in claims)
    scores = tuple(float(claim["probabilities"][claim["stance"]]) for claim in claims)
    model = str(claims[0]["model"]) if claims else "none"
    return Predicted(AnnotatedArticle(article, quotes), model, scores)


def _quote(claim: Mapping[str, Any], length: int) -> GoldQuote:
    content, cue, source = (
        tuple(sorted(Span(*span) for span in spans))
        for spans in (
            claim["content_spans"],
            *([claim[key]] if claim[key] else [] for key in ("cue_span", "source_span")),
        )
    )
    for start, end in (*content, *cue, *source):
        if not 0 <= start < end <= length:
            raise ValueError(f"span [{start}, {end}] outside its {length} characters")
    return GoldQuote(
        content,
        cue,
        source,
        Stance(claim["stance"]),
        Stance(claim["second"]) if claim["second"] else None,
        claim["speaker"],
        claim["target"],
    )
