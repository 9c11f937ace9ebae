"""From rows and bytes to articles: which column or key holds what, decoding, and checks.

What cannot be used comes out as an `InputError` in its place, so that the rest of the job goes on.
"""

import base64
import gzip
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.encodings import detect, spoken
from stance.errors import InputError
from stance.pages import Page
from stance.types import HALF_PAIR, Article

if TYPE_CHECKING:
    from stance.config import Columns

Warn = Callable[[str], None]
# What stands in a row: its number (None: the whole file), an article or what is wrong, bytes of the file done with.
Found = tuple[int | None, Article | Page | InputError, int]
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_DEEPEST = 50
_STANDARD = ("title", "url", "date", "publisher", "author")
# The names under which newspapers' systems, scrapers and data sets keep these; the likeliest first. Compared without
# case and punctuation, so that "Article ID" is article_id.
_COMMON = {
    "id": "id article_id doc_id document_id story_id item_id guid uuid identifier articleno article_no docno",
    "text": "text body content article_text full_text maintext main_text article_body body_text plain_text article",
    "html": "html raw_html page_html html_content content_html body_html page_source source_html webpage",
    "title": "title headline article_title heading",
    "url": "url link uri article_url source_url web_url permalink canonical_url href",
    "date": "date published publish_date pub_date published_at publication_date date_published date_publish "
    "publish_time published_date pubdate datetime timestamp",
    "publisher": "publisher publication outlet source newspaper site site_name sitename source_name media_name "
    "source_domain domain",
    "author": "author authors byline writer journalist",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """Which column or key of one file holds what.

    Attributes:
        columns: Of the fields that `Columns` names those that the file has.
        page_first: The web page wins over the text where a row has both.
        stem: Begins the ids of articles in a file that has no ids (`stem:line`); None where it has them.
    """

    columns: Mapping[str, str]
    page_first: bool
    stem: str | None


def find_fields(columns: "Columns", names: Sequence[str], stem: str, where: str, warn: Warn) -> Fields:
    """Find out which of a file's columns or keys holds what, and say aloud what was guessed.

    Args:
        columns: What the user says; these names stand even where the file has no such column.
        names: The names that the file has, in their order.
        stem: Begins the ids where the file has none.
        where: The file, for messages.
        warn: Called with a message for the guesses and for missing ids.
    """
    said = {field: name for field, name in columns if name is not None}
    free = [name for name in names if name not in said.values()]
    plain = {_plain(name): name for name in reversed(free)}
    guesses: dict[str, str] = {}
    for field, common in _COMMON.items():
        name = next((plain[key] for key in map(_plain, common.split()) if key in plain), None)
        if field not in said and name is not None and name not in guesses.values():
            guesses[field] = name
    told = [f"{name!r} as {field}" for field, name in guesses.items() if name.lower() != field]
    if told:
        warn(f"{where}: reads {', '.join(told)}; if that is wrong, say which in the config, under columns")
    lost = [f"{name!r} for {field}" for field, name in said.items() if field != "id" and name not in names]
    if lost:
        warn(f"{where}: no {', '.join(lost)}; the config names it, under columns")
    found = said | guesses
    if "id" not in found and ("text" in found or "html" in found):
        warn(f"{where}: no ids in it; its articles are called {stem + ':1'!r} and so on, by their line")
    return Fields(found, "html" in said and "text" not in said, None if "id" in found else stem)


def lacking(fields: Fields, names: Sequence[str], where: str) -> InputError | None:
    """Say what a table as a whole lacks to hold articles, or None."""
    found = f"found {cut(', '.join(map(repr, names)) or 'nothing', 300)}"
    if not any(fields.columns.get(field) in names for field in ("text", "html")):
        said = [repr(fields.columns[field]) for field in ("text", "html") if field in fields.columns]
        expected = " or ".join(said) or "a header with one named text or html, or its name in the config, under columns"
        return InputError(f"{where}: no column for the text ({found}), expected {expected}")
    if fields.stem is None and fields.columns["id"] not in names:
        return InputError(f"{where}: no column for the id ({found}), expected {fields.columns['id']!r}")
    return None


def article(row: Mapping[str, Any], fields: Fields, where: str, line: int) -> Article | Page | InputError:
    """Make an article, or a page to take one out of, of a row.

    Args:
        row: Values by the names of their columns or keys; what is no text, page or id becomes metadata.
        fields: Which of them is what.
        where: The row's place, for messages.
        line: Its number, for articles without ids.
    """
    made = {field: row.get(name) for field, name in fields.columns.items()}
    order = ("html", "text") if fields.page_first else ("text", "html")
    kind = next((field for field in order if _something(made.get(field))), None)
    if kind is None:
        kind = next((field for field in order if fields.columns.get(field) in row), None)
    if kind is None or (fields.stem is None and fields.columns["id"] not in row):
        return _lacks("id" if kind else order[0], row, fields, where)
    name = f"{fields.stem}:{line}" if fields.stem is not None else _as_id(made["id"])
    if isinstance(name, bytes) or (kind == "text" and isinstance(made["text"], bytes)):
        return InputError(f"{where}: bytes that are no text in it, expected UTF-8")
    for field, value in (("id", name), (kind, made[kind])):
        key = fields.columns.get(field, field)
        if not _something(value):
            return InputError(f"{where}: {key!r} is {_short(value)}, expected a string with something in it")
        if isinstance(value, str) and HALF_PAIR.search(value):
            return InputError(f"{where}: {key!r} holds half a surrogate pair, expected Unicode text")
    try:
        metadata = _metadata(row, fields)
    except RecursionError:
        return InputError(f"{where}: metadata nested deeper than {_DEEPEST}, expected a flat row")
    words: Any = made[kind]
    return Page(words, str(name), metadata) if kind == "html" else Article(str(name), words, metadata)


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a JSON Lines file (`.jsonl`, `.jsonl.gz`) with their line numbers, from 1.

    Raises:
        InputError: At the first line that is not a JSON object, or where the file cannot be read.
    """
    for number, row in json_rows(path):
        if isinstance(row, InputError):
            raise row
        yield number, row


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | InputError]]:
    """Read a JSON Lines file line by line; a bad line comes out as the error that describes it."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        with opener(path, "rb") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield number, parse(line.removeprefix(b"\xef\xbb\xbf"), f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        yield number + 1, InputError(f"{path}: cannot be read after line {number}: {reason(error)}")


def parse(line: bytes, where: str) -> dict[str, Any] | InputError:
    """Parse a line of JSON Lines."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return InputError(f"{where}: not JSON ({error}), expected an object with 'id' and 'text'")
    if not isinstance(row, dict):
        return InputError(f"{where}: found a JSON {type(row).__name__}, expected an object with 'id' and 'text'")
    return row


def unique(names: Sequence[str]) -> list[str]:
    """Give columns without a name, and those whose name has been used, one of their own."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        found[name if name and name not in found else f"{name or 'column'} {number}"] = None
    return list(found) if len(found) == len(names) else [f"column {number}" for number in range(1, len(names) + 1)]


def without_empty(row: dict[str, Any], fields: "Fields") -> dict[str, Any]:
    """Leave out of a table's row the cells that say nothing; those that an article needs stay, to be complained of."""
    needed = {fields.columns.get(field) for field in ("id", "text", "html")}
    return {
        name: value
        for name, value in row.items()
        if name in needed or not (value is None or value == "" or (isinstance(value, float) and math.isnan(value)))
    }


def decode(data: bytes, where: str, warn: Warn) -> str | InputError:
    """Decode UTF-8, UTF-16 with its mark, or with a warning what else it looks like; line endings stay as they are."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            text = data.decode(found := detect(data) or "utf-8")
        except UnicodeDecodeError:
            return InputError(f"{where}: found bytes that are no text (byte {error.start}), expected UTF-8")
        if found != "utf-16" and not _CONTROL.search(text):
            warn(f"{where}: not UTF-8 (byte {error.start}); read as {spoken(found)}, check accents and quotation marks")
    return readable(text, where)


def readable(text: str, where: str) -> str | InputError:
    """Check that decoded bytes are a text and not empty."""
    if match := _CONTROL.search(text):
        return InputError(
            f"{where}: found control character {match[0]!r} at {match.start()}: not a text file; expected UTF-8 text"
        )
    if not text.strip():
        return InputError(f"{where}: empty, expected an article's text")
    return text


def reason(error: Exception) -> str:
    """Say why a file cannot be read, in the system's words where it has some."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _something(value: Any) -> bool:
    return isinstance(value, (str, bytes)) and bool(value.strip())


def _as_id(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        # Whole numbers beside an empty cell are made floats by spreadsheets and pandas.
        return str(int(value) if value.is_integer() else value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _lacks(field: str, row: Mapping[str, Any], fields: Fields, where: str) -> InputError:
    key = fields.columns.get(field, field)
    found = ", ".join(map(repr, row)) or "nothing"
    expected = " and ".join(repr(fields.columns.get(name, name)) for name in ("id", "text"))
    return InputError(f"{where}: no {key!r} in it (found {cut(found, 300)}), expected {expected}")


def _metadata(row: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """Give what travels with the article: first the fields of known meaning, by our names, then the others."""
    used = set(fields.columns.values())
    metadata = {field: row[name] for field, name in fields.columns.items() if field in _STANDARD and name in row}
    for name, value in row.items():
        # Annotated articles can be read like any others; their gold quotes are no metadata.
        if name in used or name == "quotes":
            continue
        key = name
        while key in metadata:
            key = f"input_{key}"
        metadata[key] = value
    return {key: _as_json(value) for key, value in metadata.items()}


def _as_json(value: Any, depth: int = 0) -> Any:
    """Make a value what JSON can hold: dates, decimals and bytes become strings, numbers that are none become null."""
    if depth > _DEEPEST:
        raise RecursionError
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case date() | datetime() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(key): _as_json(one, depth + 1) for key, one in value.items()}
        case list() | tuple():
            return [_as_json(one, depth + 1) for one in value]
    return str(value)


def _short(value: object) -> str:
    return cut(repr(value), 40)


def cut(found: str, longest: int) -> str:
    """Shorten what a message quotes."""
    return found if len(found) <= longest else found[: longest - 3] + "..."
