"""Rows <-> Parquet: a job's parts, in a schema that pandas, DuckDB and datasets open as it is.

The bytes of a part depend on its rows alone, not on how they came: the same rows give the same file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from stance.errors import InputError
from stance.files import whole_file
from stance.memory import give_back_memory
from stance.records import json_line
from stance.types import HALF_PAIR, Stance

_SPAN = pa.struct([("start", pa.int64()), ("end", pa.int64())])
_SPANS = ("cue_span", "source_span")

CLAIMS = pa.schema(
    [
        ("schema", pa.int32()),
        ("article_id", pa.string()),
        ("claim_id", pa.string()),
        ("content", pa.string()),
        ("content_spans", pa.list_(_SPAN)),
        ("cue", pa.string()),
        ("cue_span", _SPAN),
        ("source", pa.string()),
        ("source_span", _SPAN),
        ("speaker", pa.string()),
        ("speaker_probability", pa.float64()),
        ("kind", pa.string()),
        ("stance", pa.string()),
        ("second", pa.string()),
        ("probabilities", pa.struct([(str(stance), pa.float64()) for stance in Stance])),
        ("model", pa.string()),
        ("target", pa.string()),
        ("target_probability", pa.float64()),
        ("metadata", pa.string()),  # JSON
    ]
)
ARTICLES = pa.schema(
    [
        ("article_id", pa.string()),
        ("title", pa.string()),
        ("url", pa.string()),
        ("date", pa.string()),
        ("day", pa.date32()),
        ("publisher", pa.string()),
        ("author", pa.string()),
        ("metadata", pa.string()),  # JSON
        ("file", pa.string()),
        ("line", pa.int64()),
        ("text", pa.string()),
        ("extracted", pa.bool_()),
        ("sha256", pa.string()),
        ("duplicate_of", pa.string()),
        ("chars", pa.int64()),
        ("claims", pa.int64()),
        ("accusations", pa.int64()),
        ("denials", pa.int64()),
        ("justifications", pa.int64()),
        ("others", pa.int64()),
    ]
)
FAILURES = pa.schema(
    [("id", pa.string()), ("file", pa.string()), ("line", pa.int64()), ("stage", pa.string()), ("reason", pa.string())]
)
SCHEMAS = {"claims": CLAIMS, "articles": ARTICLES}
# A file of claims without a job's articles beside it holds the texts that no input holds.
CLAIMS_WITH_TEXT = CLAIMS.append(pa.field("text", pa.string()))

# A row group ends at so many rows or bytes of strings, whichever comes first: bounds what a reader holds.
_GROUP_ROWS, _GROUP_BYTES = 4_000, 4 * 2**20
_READ_ROWS = 1_000


def claims_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema = CLAIMS) -> pa.Table:
    """Give claims' rows (`stance.records.claim_row`) as a table of `CLAIMS` or `CLAIMS_WITH_TEXT`."""
    return pa.Table.from_pylist([_claim(row, schema) for row in rows], schema=schema)


def articles_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Give articles' rows (`stance.records.article_row`) as a table of `ARTICLES`."""
    return pa.Table.from_pylist([_article(row) for row in rows], schema=ARTICLES)


def failures_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Give the lines of a job's `errors.jsonl` as a table of `FAILURES`."""
    made = [{key: _utf8(row.get(key)) for key in FAILURES.names} for row in rows]
    return pa.Table.from_pylist(made, schema=FAILURES)


def claim_rows(table: pa.Table | pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Give the rows of a table of claims as `stance.records.claim_row` gave them, `text` only where it is a column."""
    for row in table.to_pylist():
        row["content_spans"] = [[span["start"], span["end"]] for span in row["content_spans"]]
        for key in _SPANS:
            row[key] = row[key] and [row[key]["start"], row[key]["end"]]
        metadata, text = row.pop("metadata"), row.pop("text", None)
        if metadata is not None:
            row["metadata"] = json.loads(metadata)
        if text is not None:
            row["text"] = text
        yield row


def article_rows(table: pa.Table | pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Give the rows of a table of articles as `stance.records.article_row` gave them."""
    for row in table.to_pylist():
        row["metadata"] = row["metadata"] and json.loads(row["metadata"])
        yield row


def write_part(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables of one schema as a Parquet file that appears whole; after an error there is nothing.

    Raises:
        OSError: The folder is missing, is not writable or is full.
    """
    with whole_file(path) as temporary, PartWriter(temporary, schema) as writer:
        for table in tables:
            writer.write(table)
    pa.default_memory_pool().release_unused()
    give_back_memory()


def parts(folder: Path, kind: str) -> list[Path]:
    """Give the parts of a job's folder in their order; `kind` is one of `SCHEMAS`."""
    return sorted((folder / kind).glob("part-*.parquet"), key=lambda path: (len(path.name), path.name))


def read_batches(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a part in its order, a thousand rows at a time; of the columns all or those that are named.

    Raises:
        InputError: The file is damaged, or its columns are not those of the schema.
    """
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(schema):
                raise InputError(
                    f"{path}: found columns {', '.join(file.schema_arrow.names)}, expected {', '.join(schema.names)}"
                )
            for group in range(file.num_row_groups):  # one by one: a batch would else reach over their borders
                yield from file.iter_batches(_READ_ROWS, row_groups=[group], columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


class PartWriter:
    """Writes tables into one Parquet file, cut into row groups by their rows alone."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Open the file; use as a context manager, at whose end the file is complete."""
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", version="2.6")
        self._strings = [i for i, field in enumerate(schema) if pa.types.is_string(field.type)]
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Add a table's rows."""
        start = 0
        for end, size in enumerate(self._sizes(table), 1):
            self._rows += 1
            self._bytes += size
            if self._rows == _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
                self._waiting.append(table.slice(start, end - start))
                self._flush()
                start = end
        if start < len(table):
            self._waiting.append(table.slice(start))

    def _sizes(self, table: pa.Table) -> Iterable[int]:
        # Nulls are left to Python: a scalar of pyarrow's imports pandas, where there is one, and with it 35 MiB.
        columns = [pc.binary_length(table.column(i)).to_pylist() for i in self._strings]
        return [sum(filter(None, sizes)) for sizes in zip(*columns, strict=True)]

    def _flush(self) -> None:
        if self._waiting:
            # In one piece: the pages' borders would else depend on the pieces.
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=_GROUP_ROWS)
        self._waiting = []
        self._rows = self._bytes = 0


def _claim(row: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    made = {key: _utf8(row.get(key)) for key in schema.names}
    made["content_spans"] = [_span(span) for span in row["content_spans"]]
    for key in _SPANS:
        made[key] = row[key] and _span(row[key])
    made["metadata"] = _json(row.get("metadata"))
    return made


def _article(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _utf8(row[key]) for key in ARTICLES.names} | {"metadata": _json(row["metadata"])}


def _span(span: list[int]) -> dict[str, int]:
    return {"start": span[0], "end": span[1]}


def _json(metadata: Mapping[str, Any] | None) -> str | None:
    return json_line(dict(metadata)) if metadata else None


def _utf8(value: Any) -> Any:
    """Write half a surrogate pair out as an escape: no Parquet can hold it, and two such names stay two."""
    if isinstance(value, str) and HALF_PAIR.search(value):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
