"""A job's folder into one file: CSV, JSON Lines, or a DuckDB database; part by part, in constant memory."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stance.articles import json_rows
from stance.errors import ConfigError, InputError
from stance.files import whole_file
from stance.writers import open_writer

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Progress = Callable[[int], None]

FORMATS = {"csv": (".csv",), "jsonl": (".jsonl", ".jsonl.gz"), "duckdb": (".duckdb", ".db")}
_BATCH_ROWS = 1_000
# What DuckDB may take and do: it reads and writes local files, nothing else.
DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


def export(folder: Path, kind: str, out: Path, progress: Progress) -> int:
    """Write a job's claims to one file, in the order of the job.

    Args:
        folder: The job's folder. Of an unfinished job what is done is written.
        kind: `csv` or `jsonl`: the claims as `stance run -o FILE` writes them; `duckdb`: a database with the tables
            `claims`, `articles` and `errors`.
        out: The file; appears whole, at the end, in place of one that was there.
        progress: Called with the number of claims written since the last call.

    Returns:
        The number of claims.

    Raises:
        ConfigError: An unknown format or another format's suffix, no job's folder, a file that cannot be written.
        InputError: A part that cannot be read.
    """
    if kind not in FORMATS:
        raise ConfigError(f"format is {kind!r}, expected csv, jsonl or duckdb")
    if not out.name.lower().endswith(FORMATS[kind]):
        expected = " or ".join(FORMATS[kind])
        raise ConfigError(f"{out}: found {out.suffix or 'no suffix'}, expected {expected} for the format {kind}")
    check_job(folder)
    return (_database if kind == "duckdb" else _rows)(folder, out, progress)


def check_job(folder: Path) -> None:
    """Check that a folder holds a job.

    Raises:
        ConfigError: It does not.
    """
    if not (folder / "claims").is_dir() or not (folder / "articles").is_dir():
        found = "no claims/ and articles/ in it" if folder.is_dir() else "no such folder"
        raise ConfigError(f"{folder}: {found}, expected a job's folder, as 'stance run INPUT -o FOLDER/' makes it")


def failures(folder: Path) -> Iterator[dict[str, Any]]:
    """Read a job's `errors.jsonl`; what is no line of it, while the job is writing, is passed over."""
    path = folder / "errors.jsonl"
    if path.is_file():
        for _, row in json_rows(path):
            if not isinstance(row, InputError):
                yield row


def state(folder: Path) -> str | None:
    """Read how a job stands from its `job.json`, or None where that cannot be told."""
    try:
        return str(json.loads((folder / "job.json").read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rows(folder: Path, out: Path, progress: Progress) -> int:
    from stance.parquet import claim_rows

    count, name, text = 0, None, None
    texts = _texts(folder)
    with open_writer(out) as write:
        for batch in _batches(folder, "claims"):
            for row in claim_rows(batch):
                if row["article_id"] != name:
                    name, text = _find(row["article_id"], texts, folder)
                write(row if text is None else row | {"text": text})
            count += batch.num_rows
            progress(batch.num_rows)
    return count


def _texts(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Give each article's id, and its text where that was taken out of a web page."""
    for batch in _batches(folder, "articles", ["article_id", "text", "extracted"]):
        for row in batch.to_pylist():
            yield row["article_id"], row["text"] if row["extracted"] else None


def _find(name: str, texts: Iterator[tuple[str, str | None]], folder: Path) -> tuple[str, str | None]:
    """Go on to the article of that name: articles are in the order of their claims."""
    for found in texts:
        if found[0] == name:
            return found
    raise InputError(f"{folder}: claims of an article {name!r}, expected it in articles/, in the order of the claims")


def _database(folder: Path, out: Path, progress: Progress) -> int:
    import duckdb

    from stance.parquet import ARTICLES, CLAIMS, FAILURES

    try:
        with whole_file(out) as temporary:
            log = temporary.with_name(f"{temporary.name}.wal")
            log.unlink(missing_ok=True)  # of a try that was killed
            try:
                with duckdb.connect(temporary, config=DUCKDB) as database:
                    count = _fill(database, "claims", CLAIMS, _batches(folder, "claims"), progress)
                    _fill(database, "articles", ARTICLES, _batches(folder, "articles"))
                    _fill(database, "errors", FAILURES, _errors(folder))
            finally:
                log.unlink(missing_ok=True)
    except (OSError, duckdb.Error) as error:
        raise ConfigError(f"{out}: cannot be written: {error}") from error
    return count


def _fill(
    database: "duckdb.DuckDBPyConnection",
    name: Literal["claims", "articles", "errors"],
    schema: "pa.Schema",
    batches: Iterable["pa.RecordBatch"],
    progress: Progress = lambda _: None,
) -> int:
    import pyarrow as pa

    count = 0
    database.register("batch", schema.empty_table())
    database.execute(f"CREATE TABLE {name} AS FROM batch")
    for batch in batches:
        database.register("batch", pa.Table.from_batches([batch]))
        database.execute(f"INSERT INTO {name} FROM batch")
        count += batch.num_rows
        progress(batch.num_rows)
    database.unregister("batch")
    return count


def _batches(folder: Path, kind: str, columns: list[str] | None = None) -> Iterator["pa.RecordBatch"]:
    from stance.parquet import SCHEMAS, parts, read_batches

    for path in parts(folder, kind):
        yield from read_batches(path, SCHEMAS[kind], columns)


def _errors(folder: Path) -> Iterator["pa.RecordBatch"]:
    from stance.parquet import failures_table

    rows = failures(folder)
    while some := list(islice(rows, _BATCH_ROWS)):
        yield from failures_table(some).to_batches()
