"""From web pages to articles: the text and its title, date, author and publisher, through trafilatura."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stance.encodings import by_mark, detect, spoken
from stance.errors import InputError
from stance.types import HALF_PAIR, Article

if TYPE_CHECKING:
    from lxml.html import HtmlElement
    from trafilatura.settings import Document

# Beyond these a page is a dump or an attack, not an article; the parsers' time and stack are for neither.
MAX_BYTES = 20_000_000
_MAX_TAGS = 200_000
_MAX_ATTRIBUTES = 2_000
# Above this jusText, one of trafilatura's second opinions, would take minutes: the square of a page's paragraphs.
_MANY_TAGS = 10_000
_LONG_TAG = re.compile(r"<[A-Za-z][^<>]{4000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
# The parser silently leaves out what is nested deeper.
_MAX_DEPTH = 255
_HEAD = 4096
_DECLARED = re.compile(
    rb"""(?:<meta\b[^>]{0,400}?\bcharset|<\?xml\b[^>]{0,100}?\bencoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE
)
# Encodings of programs, not of pages; some take a time that grows with the square of the page.
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}
_MOST_LOST = 0.02
# What pages say against what they mean: https://encoding.spec.whatwg.org/#names-and-labels
_MEANT = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "gb2312": "gb18030"}
# The publisher's date in the page's own markup; dates in its words belong to the story as often as to the page. The
# latest date is fixed so that a page gives the same date whenever it is read.
_DATES = {"original_date": True, "extensive_search": False, "max_date": "2100-01-01"}


@dataclass(frozen=True, slots=True)
class Page:
    """A web page whose article is not taken out yet.

    Attributes:
        html: The page; bytes where its encoding is still to be found.
        id: The article's id.
        metadata: What the input says of it; this wins over what the page says.
    """

    html: bytes | str
    id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def extract(page: Page, where: str, warn: Callable[[str], None]) -> Article | InputError:
    """Take the article out of a page: no comments, no tables, no navigation.

    The metadata gains `title`, `author`, `url`, `publisher` and `date` (year-month-day) where the page has them and
    the input did not say them. Never raises, keeps no state and always gives the same result.

    Args:
        page: The page.
        where: The place of the page, for messages.
        warn: Called with a message where an encoding was guessed.
    """
    try:
        return _extract(page, where, warn)
    except (RecursionError, MemoryError):
        return InputError(f"{where}: a page that is too deeply nested to be read, expected a news page")
    except Exception as error:
        # The parsers under trafilatura fail in many ways on broken pages: no reason for a job to stop.
        return InputError(f"{where}: a page that cannot be read ({type(error).__name__}: {error}), expected HTML")


def _extract(page: Page, where: str, warn: Callable[[str], None]) -> Article | InputError:
    if len(page.html) > MAX_BYTES:
        size, most = (f"{size / 1e6:.0f} MB" for size in (len(page.html), MAX_BYTES))
        return InputError(f"{where}: a page of {size}, expected a news page of at most {most}")
    html = page.html if isinstance(page.html, str) else _decode(page.html, where, warn)
    if isinstance(html, InputError):
        return html
    if problem := _bomb(html):
        return InputError(f"{where}: {problem}, expected a news page")
    from trafilatura import bare_extraction
    from trafilatura.utils import load_html

    tree = load_html(HALF_PAIR.sub("\ufffd", html))
    if tree is not None and _is_deep(tree):
        return InputError(f"{where}: elements nested deeper than {_MAX_DEPTH}, expected a news page")
    found: Any = None
    if tree is not None:
        found = bare_extraction(
            tree,
            fast=html.count("<") > _MANY_TAGS,
            include_comments=False,
            include_tables=False,
            with_metadata=True,
            date_extraction_params=_DATES,
        )
    text = HALF_PAIR.sub("\ufffd", (found and found.text) or "")
    if not text.strip():
        return InputError(f"{where}: no article found in this page, expected HTML with paragraphs of text")
    return Article(page.id, text, {**_metadata(found), **page.metadata}, extracted=True)


def _bomb(html: str) -> str | None:
    """Say what in a page would keep the parsers busy for minutes: they need the square of a tag's attributes."""
    if html.count("<") > _MAX_TAGS:
        return f"more than {_MAX_TAGS:,} tags"
    names = (_QUOTED.sub(" ", tag[0]).split() for tag in _LONG_TAG.finditer(html))
    return (
        f"a tag with more than {_MAX_ATTRIBUTES:,} attributes" if any(len(n) > _MAX_ATTRIBUTES for n in names) else None
    )


def _decode(data: bytes, where: str, warn: Callable[[str], None]) -> str | InputError:
    mark, declared = by_mark(data), _declared(data)
    if mark is None and not (declared == "iso2022_jp" and b"\x1b" in data):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    said = mark or declared or "utf-8"
    try:
        return data.decode(said)
    except UnicodeDecodeError as error:
        # One character cut in half is common and does not make a UTF-8 page a Windows one.
        text = data.decode(said, "replace")
        lost = text.count("\ufffd")
        place = f"{where}: not {spoken(said)} (byte {error.start}); read as"
        if lost <= _MOST_LOST * sum(not c.isascii() for c in text):
            warn(f"{place} {spoken(said)} without {lost} characters")
            return text
        found = detect(data)
        if found is None:
            return InputError(f"{where}: found bytes that are no text (byte {error.start}), expected a web page")
        warn(f"{place} {spoken(found)}, check accents and quotation marks")
        return data.decode(found, "replace")


def _declared(data: bytes) -> str | None:
    """Name the encoding that the page says it has, as Python calls it; None where it says none that we know."""
    said = _DECLARED.search(data, 0, _HEAD)
    if said is None:
        return None
    name = said[1].decode("ascii", "replace").lower()
    try:
        found = codecs.lookup(_MEANT.get(name, name)).name
    except LookupError:
        return None
    return found if found not in _NO_CHARSETS else None


def _is_deep(tree: "HtmlElement") -> bool:
    from lxml.etree import iterwalk

    depth = 0
    for event, _ in iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > _MAX_DEPTH:
            return True
    return False


def _metadata(found: "Document") -> dict[str, str]:
    said = {
        "title": found.title,
        "url": found.url,
        "date": found.date,
        "publisher": found.sitename,
        "author": found.author,
    }
    return {key: HALF_PAIR.sub("\ufffd", value) for key, value in said.items() if value}
