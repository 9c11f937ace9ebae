"""Changes to the text of an annotated article that keep its offsets right.

What the web does to articles (quotation marks exchanged or lost, case thrown away, paragraphs joined) is done
to training articles too, so that the network does not lean on any of it.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from stance.standins import Edit, spliced
from stance.types import Span
from training.annotations import AnnotatedArticle, GoldQuote

# How papers write (opening, closing) marks: American, straight, British, French, German.
_STYLES = (("“", "”"), ('"', '"'), ("‘", "’"), ("«", "»"), ("„", "“"))
_OPENING = re.compile(r"[“«„]|(?<![\w.,!?…])\"(?=\S)")
_CLOSING = re.compile(r"[”»]|(?<=\S)\"(?!\w)")
_BREAK = re.compile(r"(?<=[.!?”\"])[ \t]*(?:\r?\n[ \t]*)+(?=\S)")


def edited(annotated: AnnotatedArticle, edits: Iterable[Edit]) -> AnnotatedArticle:
    """Apply edits and move every span with its words.

    A span that ends inside a replaced range takes the whole replacement in. A span of which nothing is left is
    dropped, and with its last content the quote.

    Args:
        annotated: The article.
        edits: In any order, without overlap.

    Raises:
        ValueError: Two edits overlap, or one lies outside the text.
    """
    ordered = sorted(edits)
    article = replace(annotated.article, text=spliced(annotated.article.text, ordered))
    moved = (_moved(quote, ordered) for quote in annotated.quotes)
    return AnnotatedArticle(article, tuple(quote for quote in moved if quote.content))


def disturbed(annotated: AnnotatedArticle, chance: random.Random) -> AnnotatedArticle:
    """Write an article as another publisher or a careless scraper would have; one of the ways at random."""
    way = chance.choice((_restyled, _restyled, _restyled, _unclosed, _unmarked, _joined, _lowered, _raised))
    return way(annotated, chance)


def _restyled(annotated: AnnotatedArticle, chance: random.Random) -> AnnotatedArticle:
    """Exchange all quotation marks for those of another style."""
    opening, closing = chance.choice(_STYLES)
    text = annotated.article.text
    edits = {m.start(): Edit(*m.span(), closing) for m in _CLOSING.finditer(text)}
    edits |= {m.start(): Edit(*m.span(), opening) for m in _OPENING.finditer(text)}
    return edited(annotated, edits.values())


def _unclosed(annotated: AnnotatedArticle, chance: random.Random) -> AnnotatedArticle:
    """Lose a fifth of the closing marks."""
    found = _CLOSING.finditer(annotated.article.text)
    return edited(annotated, [Edit(*m.span(), "") for m in found if chance.random() < 0.2])


def _unmarked(annotated: AnnotatedArticle, _: random.Random) -> AnnotatedArticle:
    """Lose all quotation marks."""
    return edited(annotated, [Edit(*m.span(), "") for m in re.finditer(r"[“”«»„\"]", annotated.article.text)])


def _joined(annotated: AnnotatedArticle, _: random.Random) -> AnnotatedArticle:
    """Join all paragraphs to one."""
    return edited(annotated, [Edit(*m.span(), " ") for m in _BREAK.finditer(annotated.article.text)])


def _lowered(annotated: AnnotatedArticle, _: random.Random) -> AnnotatedArticle:
    return _recased(annotated, annotated.article.text.lower())


def _raised(annotated: AnnotatedArticle, _: random.Random) -> AnnotatedArticle:
    return _recased(annotated, annotated.article.text.upper())


def _recased(annotated: AnnotatedArticle, text: str) -> AnnotatedArticle:
    """Take the text in another case; unchanged where that has another length ("ß", "İ")."""
    if len(text) != len(annotated.article.text):
        return annotated
    return replace(annotated, article=replace(annotated.article, text=text))


def _moved(quote: GoldQuote, edits: Sequence[Edit]) -> GoldQuote:
    def move(spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple(span for s in spans if (span := _shifted(s, edits)).start < span.end)

    return replace(quote, content=move(quote.content), cue=move(quote.cue), source=move(quote.source))


def _shifted(span: Span, edits: Sequence[Edit]) -> Span:
    """Move a span; of an edit that it cuts it takes the whole replacement."""
    start, end = span
    before = grown = 0
    for edit in edits:
        change = len(edit.words) - (edit.end - edit.start)
        if edit.end <= span.start and edit.start < span.start:
            before += change
        elif edit.start >= span.end:
            break
        else:
            start = min(start, edit.start)
            end = max(end, edit.end)
            grown += change
    return Span(start + before, end + before + grown)
