"""From files to articles: text, JSON Lines, folders, standard input; which parts are boilerplate.

What cannot be read comes out as an `InputError` in its place, so that the rest of the job goes on.
"""

import gzip
import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from stance.errors import InputError
from stance.types import HALF_PAIR, Article

_Warn = Callable[[str], None]
_TEXT, _LINES = {".txt"}, {".jsonl", ".jsonl.gz"}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def read_articles(inputs: Iterable[str], warn: _Warn, *, skip: Path | None = None) -> Iterator[Article | InputError]:
    """Read the articles of text files, JSON Lines files, folders (recursively) and `-` for standard input.

    Args:
        inputs: Paths, or `-`.
        warn: Called with a message where an article was read but something about it is worth knowing.
        skip: A file that a folder may hold but that is no input: the job's own output.

    Yields:
        Articles in the order of the inputs (folders sorted by path), and in its place an error for what
        could not be read: its message says file, line, what was found and what was expected.
    """
    seen: dict[str, str] = {}
    for name in inputs:
        for where, found in _read_input(name, warn, skip):
            if isinstance(found, Article):
                found = _unique(found, where, seen, warn)
            yield found


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
                    yield number, _parse(line.removeprefix(b"\xef\xbb\xbf"), f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        yield number + 1, InputError(f"{path}: cannot be read after line {number}: {_reason(error)}")


def decode(data: bytes, where: str, warn: _Warn) -> str | InputError:
    """Decode UTF-8, or Windows-1252 with a warning where that works; line endings stay as they are."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            return InputError(f"{where}: found bytes that are no text (byte {error.start}), expected UTF-8")
        if not _CONTROL.search(text):
            warn(f"{where}: not UTF-8 (byte {error.start}); read as Windows-1252, check accents and quotation marks")
    if match := _CONTROL.search(text):
        return InputError(
            f"{where}: found control character {match[0]!r} at {match.start()}: not a text file; expected UTF-8 text"
        )
    if not text.strip():
        return InputError(f"{where}: empty, expected an article's text")
    return text


def _unique(article: Article, where: str, seen: dict[str, str], warn: _Warn) -> Article | InputError:
    first = seen.get(article.id)
    if first is None:
        seen[article.id] = where
        return article
    if not where.lower().endswith(".txt"):
        return InputError(f"{where}: id {article.id!r} was used before, at {first}; expected each id once")
    if first == where:
        return InputError(f"{where}: the same file was read before, at {first}; expected each file once")
    # Files of the same name in several folders are common; their path tells them apart.
    renamed = Article(Path(where).with_suffix("").as_posix(), article.text, article.metadata)
    if renamed.id in seen:
        return InputError(f"{where}: the same file was read before, at {seen[renamed.id]}; expected each file once")
    warn(f"{where}: id {article.id!r} was used before, at {first}; this article's id is {renamed.id!r}")
    seen[renamed.id] = where
    return renamed


def _read_input(name: str, warn: _Warn, skip: Path | None) -> Iterator[tuple[str, Article | InputError]]:
    if name == "-":
        yield from _read_stdin(warn)
        return
    path = Path(name)
    if not path.exists():
        yield name, InputError(f"{name}: no such file or folder")
        return
    if not path.is_dir():
        yield from _read_file(path, warn)
        return
    files = sorted(p for p in path.rglob("*") if p.is_file() and _suffix(p) in _TEXT | _LINES)
    if skip is not None:
        files = [file for file in files if file.resolve() != skip.resolve()]
    if not files:
        yield name, InputError(f"{name}: no articles in this folder, expected .txt, .jsonl or .jsonl.gz files")
    for file in files:
        yield from _read_file(file, warn)


def _read_file(path: Path, warn: _Warn) -> Iterator[tuple[str, Article | InputError]]:
    if _suffix(path) in _LINES:
        number = 0
        for number, row in json_rows(path):
            yield f"{path}:{number}", row if isinstance(row, InputError) else _from_row(row, f"{path}:{number}")
        if not number:
            yield str(path), InputError(f"{path}: empty, expected one article a line")
        return
    if _suffix(path) not in _TEXT:
        yield str(path), InputError(f"{path}: found {path.suffix or 'no suffix'}, expected .txt, .jsonl or .jsonl.gz")
        return
    try:
        text = decode(path.read_bytes(), str(path), warn)
    except OSError as error:
        text = InputError(f"{path}: cannot be read: {_reason(error)}")
    yield str(path), text if isinstance(text, InputError) else Article(path.stem, text)


def _read_stdin(warn: _Warn) -> Iterator[tuple[str, Article | InputError]]:
    """Read one article's text, or JSON Lines where the first line is a JSON object."""
    data = sys.stdin.buffer.read()
    first = data.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    if not first.startswith(b"{") or isinstance(_parse(first, "-"), InputError):
        text = decode(data, "standard input", warn)
        yield "standard input", text if isinstance(text, InputError) else Article("stdin", text)
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            where = f"standard input:{number}"
            row = _parse(line.removeprefix(b"\xef\xbb\xbf"), where)
            yield where, row if isinstance(row, InputError) else _from_row(row, where)


def _from_row(row: dict[str, Any], where: str) -> Article | InputError:
    for key in ("id", "text"):
        if key not in row:
            return InputError(
                f"{where}: no {key!r} in it (found {', '.join(map(repr, row)) or 'nothing'}), expected 'id' and 'text'"
            )
    name, text = row["id"], row["text"]
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    for key, value in (("id", name), ("text", text)):
        if not isinstance(value, str) or not value.strip():
            return InputError(f"{where}: {key!r} is {_short(value)}, expected a string with something in it")
        if HALF_PAIR.search(value):
            return InputError(f"{where}: {key!r} holds half a surrogate pair, expected Unicode text")
    # Annotated articles can be read like any others; their gold quotes are no metadata.
    return Article(name, text, {key: value for key, value in row.items() if key not in {"id", "text", "quotes"}})


def _parse(line: bytes, where: str) -> dict[str, Any] | InputError:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return InputError(f"{where}: not JSON ({error}), expected an object with 'id' and 'text'")
    if not isinstance(row, dict):
        return InputError(f"{where}: found a JSON {type(row).__name__}, expected an object with 'id' and 'text'")
    return row


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _short(value: object) -> str:
    found = repr(value)
    return found if len(found) <= 40 else found[:37] + "..."
