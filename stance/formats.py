"""From a file to its entries: text, HTML, JSON Lines, CSV and Parquet, each also gzipped.

Files are read as streams: memory grows with the largest article, not with the file. What cannot be read comes out as
an `InputError` in its place.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from stance.articles import Found, Warn, article, decode, find_fields, parse, reason
from stance.csv_rows import read_csv
from stance.encodings import by_mark
from stance.errors import InputError
from stance.inputs import STDIN, UNREADABLE, InputFile, ListingError, kind_of, list_files
from stance.pages import MAX_BYTES, Page
from stance.parquet_rows import read_parquet
from stance.types import Article

if TYPE_CHECKING:
    from stance.articles import Fields
    from stance.config import Columns

_LARGEST_TEXT = 256 << 20
_LARGEST_LINE = 64 << 20
_PIECE = 1 << 16
# So much of JSON Lines is looked at to see which keys there are; and so much at most to find any.
_HEAD_LINES, _HEAD_BYTES = 100, 1 << 20
_MOST_LINES, _MOST_BYTES = 10_000, 64 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in one place of the input.

    Attributes:
        file: The input's name.
        line: Its line (JSON Lines) or the number of its row (CSV without the header, Parquet), from 1; None where the
            file is one article, and where it cannot be read as a whole.
        found: An article, a page to take one out of, or what is wrong.
        offset: So many bytes of the file as it lies there are done with, for a progress bar.
    """

    file: str
    line: int | None
    found: Article | Page | InputError
    offset: int


def entries(
    inputs: Iterable[str], columns: "Columns", warn: Warn, *, spool: Path, skip: Path | None = None
) -> Iterator[Entry]:
    """Read all that the inputs hold, in order; see `stance.inputs.list_files` and `read_entries`."""
    for file in list_files(inputs, spool=spool, skip=skip):
        if isinstance(file, ListingError):
            yield Entry(file.file, None, file, 0)
        else:
            yield from read_entries(file, columns, warn)


def read_entries(file: InputFile, columns: "Columns", warn: Warn, *, after: int = 0) -> Iterator[Entry]:
    """Read a file: how, its suffix says, or for standard input its first bytes.

    Args:
        file: The file.
        columns: Which columns or keys hold what; the rest is guessed from the file's head, whatever `after` is.
        warn: Called with a message where something is read but worth knowing.
        after: Lines and rows up to this one are left out and not checked again.

    Yields:
        At least one entry, unless all lie before `after`; in its place an error for each line or row that cannot be
        read, and one without a line where the file as a whole cannot be.
    """
    try:
        for line, found, offset in _read(file, columns, warn, after):
            yield Entry(file.name, line, found, offset)
    except UNREADABLE as error:
        yield Entry(file.name, None, InputError(f"{file.name}: cannot be read: {reason(error)}"), file.size)


def _read(file: InputFile, columns: "Columns", warn: Warn, after: int) -> Iterator[Found]:
    match kind_of(file.path) if file.name != STDIN else _sniff(file):
        case ".jsonl" | ".ndjson":
            yield from _read_lines(file, columns, warn, after)
        case ".csv" | ".tsv":
            yield from read_csv(file, columns, warn, after)
        case ".parquet":
            yield from read_parquet(file, columns, warn, after)
        case ".html" | ".htm" | ".xhtml":
            yield None, _whole(file, MAX_BYTES, lambda data: Page(data, file.stem)), file.size
        case _:

            def text(data: bytes) -> Article | InputError:
                found = decode(data, file.name, warn)
                return found if isinstance(found, InputError) else Article(file.stem, found)

            yield None, _whole(file, _LARGEST_TEXT, text), file.size


def _whole(
    file: InputFile, largest: int, made: Callable[[bytes], Article | Page | InputError]
) -> Article | Page | InputError:
    with file.opened() as (stream, _):
        data = stream.read(largest + 1)
    if len(data) > largest:
        size = "more once unpacked" if file.is_gzipped else f"{file.size / 1e6:.0f} MB"
        return InputError(f"{file.name}: found {size}, expected one article of at most {largest / 1e6:.0f} MB")
    return made(data) if data.strip() else InputError(f"{file.name}: empty, expected an article's text")


def _sniff(file: InputFile) -> str:
    """Tell what is on standard input, as the suffix that a file of this kind has."""
    with file.opened() as (stream, _):
        head = stream.read(1 << 16)
        if head.startswith(b"PAR1"):
            return ".parquet"
        stream.seek(0)
        begin = islice(_numbered(stream), _MOST_LINES)
        first = next((line for _, line in begin if line is None or line.strip()), b"") or b""
    begun = first.lstrip()
    if begun.startswith(b"{") and _object(begun) is not None:
        return ".jsonl"
    if begun[:5].lower() in (b"<html", b"<head", b"<body") or begun[:9].lower() == b"<!doctype":
        return ".html"
    return ".html" if begun.startswith(b"<?xml") and b"<html" in head.lower() else ".txt"


def _read_lines(file: InputFile, columns: "Columns", warn: Warn, after: int) -> Iterator[Found]:
    number, empty = 0, True
    try:
        fields = find_fields(columns, _keys(file), file.stem, file.name, warn)
        with file.opened() as (stream, position):
            for number, line in _numbered(stream):
                if line is not None and not line.strip():
                    continue
                empty = False
                if number > after:
                    yield number, _from_line(line, fields, f"{file.name}:{number}", number), position()
    except UNREADABLE as error:
        problem = f"cannot be read after line {number}: {reason(error)}"
        yield number + 1, InputError(f"{file.name}: {problem}"), file.size
        return
    if empty:
        yield None, InputError(f"{file.name}: empty, expected one article a line"), file.size


def _from_line(line: bytes | None, fields: "Fields", where: str, number: int) -> Article | Page | InputError:
    if line is None:
        return InputError(f"{where}: a line of more than {_LARGEST_LINE >> 20} MiB, expected one article")
    row = parse(line, where)
    return row if isinstance(row, InputError) else article(row, fields, where, number)


def _keys(file: InputFile) -> list[str]:
    """Collect the keys at the head of JSON Lines, in order: of its first lines, and on until there is an object."""
    keys: dict[str, None] = {}
    size = 0
    try:
        with file.opened() as (stream, _):
            for number, line in _numbered(stream):
                keys |= dict.fromkeys(_object(line) or ())
                size += len(line or b"")
                is_enough = number >= _HEAD_LINES or size >= _HEAD_BYTES
                if (keys and is_enough) or number >= _MOST_LINES or size >= _MOST_BYTES:
                    break
    except UNREADABLE:
        pass  # it is said where the lines are read
    return list(keys)


def _object(line: bytes | None) -> dict[str, object] | None:
    try:
        row = json.loads(line or b"")
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _numbered(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Number the lines of a stream from 1; None stands for a line too long to be held. UTF-16 becomes UTF-8."""
    is_wide = by_mark(stream.read(4)) == "utf-16"
    stream.seek(0)
    if not is_wide:
        # Not read(): where a gzip stream is cut off, that would lose what came before.
        yield from _split(cast(io.BufferedReader, stream).read1)
        return
    with io.TextIOWrapper(stream, "utf-16", errors="replace", newline="\n") as text:
        yield from _split(lambda size: text.read(size).encode())


def _split(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes | None]]:
    number, held, size = 0, list[bytes](), 0
    while piece := read(_PIECE):
        *lines, rest = piece.split(b"\n")
        for line in lines:
            number += 1
            whole: bytes | None = line
            if held:
                whole = b"".join([*held, line]) if size + len(line) <= _LARGEST_LINE else None
                held, size = [], 0
            yield number, whole and whole.removeprefix(b"\xef\xbb\xbf")
        if rest:
            size += len(rest)
            held = [*held, rest] if size <= _LARGEST_LINE else [b""]
    if held:
        yield number + 1, b"".join(held).removeprefix(b"\xef\xbb\xbf") if size <= _LARGEST_LINE else None
