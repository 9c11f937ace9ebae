"""From CSV to articles, row by row: comma, semicolon, tab or bar, any encoding, rows gone wrong."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from stance.articles import (
    Found,
    Warn,
    article,
    find_fields,
    lacking,
    readable,
    reason,
    unique,
    without_empty,
)
from stance.encodings import by_mark, detect, spoken
from stance.errors import InputError
from stance.inputs import UNREADABLE, InputFile
from stance.pages import Page
from stance.types import HALF_PAIR, Article

if TYPE_CHECKING:
    from stance.articles import Fields
    from stance.config import Columns

_LARGEST_CELL = 32 << 20
_LARGEST_RECORD = 64 << 20
_MOST_CELLS = 2_000_000
_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_PIECE = 1 << 20
# First cells of so many shapes are free words, by which no row can be told; and lines before any row will do.
_MOST_SHAPES = 16
_MOST_LEFT_OUT = 1000
_SAID_DELIMITER = re.compile(r"sep=(.)[\r\n]+", re.IGNORECASE)
_CSV_PROBLEMS = {
    "unexpected end of data": "a quotation mark that is opened and never closed",
    "expected after": "words right after a closing quotation mark",
    "field larger": f"a cell of more than {_LARGEST_CELL >> 20} MiB",
}


class _Lines:
    """The lines of a CSV file, of which those of a row gone wrong can be read again."""

    def __init__(self, text: io.TextIOWrapper, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._size = self._cells = self._read = self._read_again = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = self._text.readline(_LARGEST_RECORD)
            self._read += len(line)
        if not line:
            raise StopIteration
        self._row.append(line)
        self._size += len(line)
        self._cells += line.count(self._delimiter)
        if self._size >= _LARGEST_RECORD or self._cells > _MOST_CELLS:
            while len(line) == _LARGEST_RECORD and not line.endswith(("\n", "\r")):
                line = self._text.readline(_LARGEST_RECORD)
            raise csv.Error(f"a row of more than {_LARGEST_RECORD >> 20} MiB or {_MOST_CELLS:,} cells")
        return line

    def begin(self) -> None:
        """Forget the row so far: another begins."""
        self._row, self._size, self._cells = [], 0, 0

    def are_like(self, row: list[str], shapes: set[str]) -> bool:
        """Tell whether the lines of a row look like one: its quotation marks doubled, its first cell like others'."""
        stray = any('"' in cell for cell in row) and not any('""' in line for line in self._row)
        return not stray and (not shapes or len(shapes) > _MOST_SHAPES or _shape(row[0]) in shapes)

    def go_back(self) -> None:
        """Go back to the second line of the row: a quotation mark in its first may have swallowed good rows.

        What is read again stays in proportion to what was read, so that no file can make this endless.
        """
        again = self._size - len(self._row[0]) if self._row else 0
        if self._read_again + again <= 4 * self._read + _PIECE:
            self._read_again += again
            self._again.extendleft(reversed(self._row[1:]))
        self.begin()


def read_csv(file: InputFile, columns: "Columns", warn: Warn, after: int) -> Iterator[Found]:
    """Read the rows of a CSV file with a header; see `stance.formats.read_entries`."""
    number = 0
    try:
        encoding = _encoding(file, warn)
        if isinstance(encoding, InputError):
            yield None, encoding, file.size
            return
        errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
        with (
            file.opened() as (stream, position),
            io.TextIOWrapper(stream, encoding, errors=errors, newline="") as text,
        ):
            delimiter, is_said = _delimiter(file, encoding)
            if is_said:
                text.readline()
            rows = _rows(_Lines(text, delimiter), delimiter)
            names = _header(next(rows, None), file.name)
            if isinstance(names, InputError):
                yield None, names, file.size
                return
            fields = find_fields(columns, names, file.stem, file.name, warn)
            problem = lacking(fields, names, file.name)
            if problem is not None:
                yield None, problem, file.size
                return
            for number, row in enumerate(rows, 1):
                if number > after:
                    yield number, _from_cells(row, names, fields, f"{file.name}:{number}", number), position()
        if number == 0:
            yield None, InputError(f"{file.name}: a header and nothing else, expected one article a row"), file.size
    except UNREADABLE as error:
        problem = InputError(f"{file.name}: cannot be read after row {number}: {reason(error)}")
        yield number + 1, problem, file.size


def _rows(lines: _Lines, delimiter: str) -> Iterator[list[str] | str]:
    """Give the rows, the header first; for one gone wrong what is wrong with it.

    Quotation marks are taken strictly: read leniently, one that is never closed would make all that follows part of
    one article, and nobody would know. After a row gone wrong come lines of which nobody can tell whether they are its
    article's or rows: they are left out, and counted, until one looks like the rows before.
    """
    # Python's limit of 128 KiB a cell is one for the whole process; long articles need more.
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    shapes: set[str] = set()
    wrong, left_out = "", 0
    while True:
        lines.begin()
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            left_out = left_out + 1 if wrong else 0
            wrong = wrong or _problem(error)
            if not header:
                break
            lines.go_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if wrong and not (len(row) == len(header) and (left_out >= _MOST_LEFT_OUT or lines.are_like(row, shapes))):
            left_out += bool(row)
            lines.go_back()
            continue
        if wrong:
            yield wrong + (f", and left out the {left_out} lines after it" if left_out else "")
            wrong = ""
        if row:
            if not header:
                header = row
            elif len(shapes) <= _MOST_SHAPES:
                shapes.add(_shape(row[0]))
            yield row
    if wrong:
        yield wrong + (f", and left out the {left_out} lines after it" if left_out else "")


def _shape(cell: str) -> str:
    """Give what a row's first cell looks like: 'aa-12' and 'news-7' are both 'a-0', words have spaces."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", cell[:100]))


def _header(row: list[str] | str | None, where: str) -> list[str] | InputError:
    if row is None:
        return InputError(f"{where}: empty, expected a header and one article a row")
    if isinstance(row, str):
        return InputError(f"{where}: found {row} in the header, expected names of columns")
    return unique([name.strip() for name in row])


def _from_cells(
    row: list[str] | str, names: list[str], fields: "Fields", where: str, number: int
) -> Article | Page | InputError:
    if isinstance(row, str):
        return InputError(f"{where}: found {row}, expected CSV")
    if len(row) != len(names):
        return InputError(f"{where}: found {len(row)} cells, expected {len(names)} as in the header")
    if any(HALF_PAIR.search(cell) for cell in row):
        return InputError(f"{where}: found bytes that are not UTF-8, expected UTF-8 like the rest of the file")
    found = article(without_empty(dict(zip(names, row, strict=True)), fields), fields, where, number)
    checked = readable(found.text, where) if isinstance(found, Article) else found
    return checked if isinstance(checked, InputError) else found


def _problem(error: csv.Error) -> str:
    said = str(error)
    return next((words for begin, words in _CSV_PROBLEMS.items() if begin in said), said)


def _delimiter(file: InputFile, encoding: str) -> tuple[str, bool]:
    """Tell what stands between cells, and whether a line before the header says it, as Excel writes it.

    Else it is what makes most of the header, in doubt the comma.
    """
    head = ""
    with (
        suppress(*UNREADABLE),  # line by line, so that what stands before a broken end is seen
        file.opened() as (stream, _),
        io.TextIOWrapper(stream, encoding, errors="replace", newline="") as text,
    ):
        while len(head) < _HEAD and (line := text.readline(_HEAD)):
            head += line
    if said := _SAID_DELIMITER.match(head):
        return said[1], True

    def cells(delimiter: str) -> int:
        rows = csv.reader(io.StringIO(head.lstrip("\r\n"), newline=""), delimiter=delimiter)
        try:
            return len(next(rows, []))
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=cells), False


def _encoding(file: InputFile, warn: Warn) -> str | InputError:
    """Find the encoding of a whole file, so that it does not depend on where reading begins.

    Where most of the lines that are not ASCII are UTF-8, it is UTF-8 and the others are damaged.
    """
    good = bad = 0
    sample, begun = b"", True
    try:
        with file.opened() as (stream, _):
            mark = by_mark(stream.read(4))
            if mark is not None:
                return mark
            stream.seek(0)
            while line := stream.readline(_PIECE):
                whole, begun = begun, line.endswith(b"\n")
                if line.isascii() or not (whole and (begun or len(line) < _PIECE)):
                    continue
                if _is_utf8(line):
                    good += 1
                else:
                    bad += 1
                    sample += line[: _HEAD - len(sample)]
    except UNREADABLE:
        pass  # it is said where the rows are read
    if good >= bad:
        return "utf-8"
    found = detect(sample)
    if found is None:
        return InputError(f"{file.name}: found bytes that are no text, expected CSV in UTF-8")
    warn(f"{file.name}: not UTF-8; read as {spoken(found)}, check accents and quotation marks")
    return found


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
