"""From Parquet to articles, row by row."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from stance.articles import Found, Warn, article, cut, decode, find_fields, lacking, reason, unique, without_empty
from stance.errors import InputError
from stance.inputs import UNREADABLE, InputFile
from stance.pages import Page
from stance.types import Article

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    from stance.articles import Fields
    from stance.config import Columns

_ROWS_AT_ONCE = 8
_PIECE = 1 << 20
# Parquet is packed already: what gzip makes so much smaller is no Parquet file, but fills the disk.
_MOST_PACKED, _LEAST_UNPACKED = 100, 64 << 20


def read_parquet(file: InputFile, columns: "Columns", warn: Warn, after: int) -> Iterator[Found]:
    """Read the rows of a Parquet file; see `stance.formats.read_entries`."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    number = 0
    broken = (*UNREADABLE, pa.ArrowException, ValueError, MemoryError, OverflowError)
    try:
        with _seekable(file) as source:
            if isinstance(source, InputError):
                yield None, source, file.size
                return
            table = ParquetFile(source, buffer_size=_PIECE, pre_buffer=False)
            names = unique(table.schema_arrow.names)
            fields = find_fields(columns, names, file.stem, file.name, warn)
            problem = lacking(fields, names, file.name) or _mistyped(table.schema_arrow, names, fields, file.name)
            if problem is None and not table.metadata.num_rows:
                problem = InputError(f"{file.name}: a table without rows, expected one article a row")
            if problem is not None:
                yield None, problem, file.size
                return
            groups, number = _groups(table, after)
            for batch in table.iter_batches(_ROWS_AT_ONCE, row_groups=groups):
                for index in range(batch.num_rows):
                    number += 1
                    if number > after:
                        where = f"{file.name}:{number}"
                        offset = file.size * number // max(table.metadata.num_rows, number)
                        yield number, _from_row(batch, index, names, fields, where, number, warn), offset
    except broken as error:
        found = f"cannot be read after row {number}" if number else "cannot be read as Parquet"
        problem = InputError(f"{file.name}: {found}: {cut(reason(error), 300)}")
        yield number + 1 if number else None, problem, file.size


def _groups(table: "ParquetFile", after: int) -> tuple[list[int], int]:
    """Give the row groups that hold rows after this one, and how many rows stand before these groups."""
    before, groups = 0, list(range(table.metadata.num_row_groups))
    while groups and before + table.metadata.row_group(groups[0]).num_rows <= after:
        before += table.metadata.row_group(groups.pop(0)).num_rows
    return groups, before


def _mistyped(schema: "pa.Schema", names: list[str], fields: "Fields", where: str) -> InputError | None:
    """Say that a column cannot hold what it is to hold, once and not at each of its rows."""
    from pyarrow import types

    words = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    allowed = {"text": words, "html": words, "id": (*words, types.is_integer, types.is_floating)}
    for field, kinds in allowed.items():
        name = fields.columns.get(field)
        if name not in names:
            continue
        kind = schema.field(names.index(name)).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if not types.is_null(kind) and not any(fits(kind) for fits in kinds):
            return InputError(f"{where}: column {name!r} holds {cut(str(kind), 100)}, expected strings")
    return None


def _from_row(
    batch: "pa.RecordBatch", index: int, names: list[str], fields: "Fields", where: str, number: int, warn: Warn
) -> Article | Page | InputError:
    row = {}
    for name, column in zip(names, batch.columns, strict=True):
        value = _value(column[index])
        if isinstance(value, bytes) and name == fields.columns.get("text"):
            value = decode(value, where, warn)
            if isinstance(value, InputError):
                return value
        row[name] = value
    return article(without_empty(row, fields), fields, where, number)


def _value(scalar: "pa.Scalar") -> Any:
    """Give a cell as a Python value; bytes that are UTF-8 are words of a writer that did not say so."""
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes()
    except (ValueError, OverflowError, ImportError):
        return str(scalar.type)  # a time too fine or too far off for Python
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


@contextmanager
def _seekable(file: InputFile) -> Iterator[IO[bytes] | InputError]:
    """Open a Parquet file, which is read from its end: gzipped ones are unpacked to a temporary file first."""
    if not file.is_gzipped:
        with file.path.open("rb") as source:
            yield source
        return
    most = max(_MOST_PACKED * file.size, _LEAST_UNPACKED)
    with file.opened() as (stream, _), tempfile.TemporaryFile() as unpacked:
        while piece := stream.read(_PIECE):
            if unpacked.tell() > most:
                yield InputError(f"{file.name}: more than {most >> 20} MiB once unpacked, expected a Parquet file")
                return
            unpacked.write(piece)
        unpacked.seek(0)
        yield unpacked
