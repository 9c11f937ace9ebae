r"""What an annotation tool cannot hold travels with the article in a field of its own, and comes back unchanged.

Browsers show a line break as one character whatever its kind, and the tools count it so: what they get has `\n` only,
and the text as it was goes along beside it.
"""

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stance.errors import InputError
from stance.types import Article, Span
from training.annotations import AnnotatedArticle, GoldQuote, annotated_from_row, to_row

# What a reader gives: an article, or what is wrong with one, in its place.
Found = AnnotatedArticle | InputError
Warn = Callable[[str], None]

_BREAK = re.compile("\r\n?")
# Label Studio's editor notes a line break within a region as these two characters.
_NOTED_BREAK = re.compile(r"\\[nr]")


@dataclass(frozen=True, slots=True)
class Shown:
    r"""An article's text as a tool shows it.

    Attributes:
        text: With `\n` for every line break.
        pairs: Offsets into `text` of the breaks that are two characters in the article.
        before: Characters of `text` that come before the article: a byte order mark, where the tool counts it.
    """

    text: str
    pairs: tuple[int, ...]
    before: int = 0

    def shown(self, offset: int) -> int:
        """Give the offset in the shown text of one in the article; between the two of a pair: after both."""
        after = [pair + number + 1 - self.before for number, pair in enumerate(self.pairs)]
        return offset + self.before - bisect_left(after, offset)

    def original(self, offset: int) -> int:
        """Give the offset in the article of one in the shown text."""
        return max(0, offset + bisect_left(self.pairs, offset) - self.before)

    def span(self, start: int, end: int, where: str) -> Span:
        """Give the span in the article of one in the shown text.

        Raises:
            InputError: It is empty or reaches beyond the text; `where` names it.
        """
        if not 0 <= start < end <= len(self.text):
            raise InputError(f"{where}, expected a span within the {len(self.text)} characters of the text")
        return Span(self.original(start), self.original(end))


def shown(text: str) -> Shown:
    """Show a text as the tools do."""
    pairs = []
    for number, found in enumerate(found for found in _BREAK.finditer(text) if len(found[0]) == 2):
        pairs.append(found.start() - number)
    return Shown(_BREAK.sub("\n", text), tuple(pairs))


def luggage(annotated: AnnotatedArticle, seen: Shown) -> dict[str, Any]:
    """Give what travels along: id, metadata, hash of the text, and the text where it is not shown as it is."""
    article = annotated.article
    made: dict[str, Any] = {"id": article.id, "sha256": digest(article.text), "metadata": dict(article.metadata)}
    return made | ({"text": article.text} if article.text != seen.text else {})


def arrived(found: Any, text: Any, where: str, name: str) -> tuple[Article, Shown]:
    """Give the article of what comes back from a tool.

    Args:
        found: What `luggage` gave; anything else says that the tool's own data made the article.
        text: As the tool shows it.
        where: Begins messages.
        name: The article's id where nothing says another.

    Raises:
        InputError: No text; a text that has changed since it was exported.
    """
    if not isinstance(text, str):
        raise InputError(f"{where}: no text, expected the article's text as a string")
    if not isinstance(found, Mapping) or not isinstance(found.get("id"), str):
        return Article(name, text), shown(text)
    original = found.get("text", text)
    metadata = found.get("metadata")
    if not isinstance(original, str) or not isinstance(metadata, Mapping | None):
        raise InputError(f"{where}: the article's own field is damaged, expected it as it was exported")
    seen = shown(original)
    # The tool may give the text back with its own line breaks or with those that it was given.
    same = shown(text).text == seen.text
    if not same or found.get("sha256", digest(original)) != digest(original):
        raise InputError(
            f"{where}: the text of {found['id']!r} has changed since it was exported, expected the same text: its "
            "offsets would point elsewhere"
        )
    return Article(found["id"], original, dict(metadata or {})), seen


def check_words(found: str, noted: Any, where: str) -> None:
    """Compare the words at a span's offsets with those that the tool noted beside it, but for white space.

    Args:
        found: The words at the offsets.
        noted: By the tool; nothing, or no string: there is nothing to compare.
        where: Begins the message.

    Raises:
        InputError: They differ.
    """
    if isinstance(noted, str) and noted.strip() and not same_words(found, noted):
        raise InputError(
            f"{where}: found the words {found[:60]!r}, expected {noted[:60]!r}, as noted beside the span: the text has "
            "changed since, or the offsets count other characters"
        )


def same_words(found: str, noted: str) -> bool:
    """Say whether two runs of words are the same but for white space, which tools collapse as they like."""
    found, noted = ("".join(_NOTED_BREAK.sub("", words).split()) for words in (found, noted))
    return found == noted


def digest(text: str) -> str:
    """Give the SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def kept(quotes: Sequence[GoldQuote], written: Any) -> dict[str, Any]:
    """Give quotes that a tool's form cannot tell exactly, valid for as long as nobody changes what was written."""
    return {"written": _fingerprint(written), "quotes": _rows(quotes)}


def tells(read: Callable[[], tuple[GoldQuote, ...]], quotes: tuple[GoldQuote, ...]) -> bool:
    """Say whether what was written for a tool tells the quotes exactly when it is read again."""
    try:
        return read() == quotes
    except InputError:
        return False


def silent(_: str) -> None:
    """Say nothing: for reading again what was written here."""


def unchanged(found: Any, written: Any, article: Article, where: str) -> tuple[GoldQuote, ...] | None:
    """Give the quotes that `kept` put aside, or None where there are none or somebody has changed what was written."""
    exact = found.get("exact") if isinstance(found, Mapping) else None
    if not isinstance(exact, Mapping) or exact.get("written") != _fingerprint(written):
        return None
    row = {"id": article.id, "text": article.text, "quotes": exact.get("quotes")}
    return annotated_from_row(row, f"{where}, kept quotes").quotes


def moved(spans: Sequence[Span], by: Callable[[int], int]) -> tuple[Span, ...]:
    """Move spans from one text into the other."""
    return tuple(Span(by(start), by(end)) for start, end in spans)


def _rows(quotes: Sequence[GoldQuote]) -> Any:
    return to_row(AnnotatedArticle(Article("", ""), tuple(quotes)))["quotes"]


def _fingerprint(written: Any) -> str:
    return digest(json.dumps(written, sort_keys=True))
