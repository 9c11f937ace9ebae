"""Claims into one file: JSON Lines, CSV or Parquet; the file appears whole, at the end."""

import csv
import gzip
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from stance.errors import ConfigError
from stance.files import whole_file
from stance.records import NAMED, json_line, split_metadata
from stance.types import Stance

Write = Callable[[dict[str, Any]], None]

CSV_COLUMNS = (
    *("schema", "article_id", "claim_id", "content", "content_spans", "cue", "cue_span", "source", "source_span"),
    *("speaker", "speaker_probability", "kind", "stance", "second", *(f"probability_{stance}" for stance in Stance)),
    *("model", "target", "target_probability", *NAMED, "metadata", "text"),
)
# What a spreadsheet takes for a formula, also where it trims blanks or strips quotation marks first.
FORMULA = re.compile(r"""[\s"'“”„‘’‚«»‹›]*[=+\-@＝＋－＠]|["'“”„‘’‚«»‹› ]*[\t\r\n]""")
_BATCH_ROWS, _BATCH_CHARS = 1_000, 16_000_000


@contextmanager
def open_writer(out: Path) -> Iterator[Write]:
    """Give a function that writes claims' rows to a file; its suffix says the format.

    After an error, an interruption too, a file that was there is as it was.

    Args:
        out: A `.jsonl`, `.jsonl.gz`, `.csv` or `.parquet` file. CSV is for spreadsheets: UTF-8 with a byte order
            mark, a column each for probabilities, title, url, date, publisher and author, all else that is nested
            as JSON, and an apostrophe before words that a spreadsheet would take for a formula.

    Raises:
        ConfigError: Another suffix, or a file that cannot be written.
    """
    suffix = "".join(out.suffixes[-2:]).lower() if out.suffix.lower() == ".gz" else out.suffix.lower()
    opener = _OPENERS.get(suffix)
    if opener is None:
        expected = " or ".join([", ".join([*_OPENERS][:-1]), [*_OPENERS][-1]])
        raise ConfigError(f"{out}: found {suffix or 'no suffix'}, expected {expected}")
    if out.is_dir():
        raise ConfigError(f"{out}: found a folder, expected the name of a file")

    def refused(error: OSError) -> ConfigError:
        return ConfigError(f"{out}: cannot be written: {os.strerror(error.errno) if error.errno else error}")

    def write(row: dict[str, Any]) -> None:
        try:
            add(row)
        except OSError as error:
            raise refused(error) from error

    first: BaseException | None = None
    try:
        with whole_file(out) as temporary, opener(temporary) as add:
            try:
                yield write
            except BaseException as error:
                first = error
                raise
    except OSError as error:
        if first is not None:  # that closing failed too is no news
            raise first from None
        raise refused(error) from error


@contextmanager
def _lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        yield lambda row: print(json_line(row), file=stream)


@contextmanager
def _zipped_lines(path: Path) -> Iterator[Write]:
    # Neither name nor time in it: the same rows give the same file.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
        io.TextIOWrapper(zipped, encoding="utf-8", newline="\n") as stream,
    ):
        yield lambda row: print(json_line(row), file=stream)


@contextmanager
def _cells(path: Path) -> Iterator[Write]:
    # Half a surrogate pair, in a title say, is written out as its escape.
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as stream:
        table = csv.DictWriter(stream, CSV_COLUMNS)
        table.writeheader()
        yield lambda row: table.writerow({key: _cell(value) for key, value in _flat(row).items()})


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    from stance.parquet import CLAIMS_WITH_TEXT, PartWriter, claims_table

    waiting: list[dict[str, Any]] = []
    chars = 0
    with PartWriter(path, CLAIMS_WITH_TEXT) as part:

        def flush() -> None:
            nonlocal chars
            part.write(claims_table(waiting, CLAIMS_WITH_TEXT))
            waiting.clear()
            chars = 0

        def write(row: dict[str, Any]) -> None:
            nonlocal chars
            waiting.append(row)
            chars += len(row.get("text", ""))
            if len(waiting) >= _BATCH_ROWS or chars >= _BATCH_CHARS:
                flush()

        yield write
        flush()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    nested = ("probabilities", "metadata")
    named, others = split_metadata(row.get("metadata", {}))
    probabilities = {f"probability_{stance}": value for stance, value in row["probabilities"].items()}
    rest = {key: value for key, value in row.items() if key not in nested}
    return rest | probabilities | named | {"metadata": others or None}


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


_OPENERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".jsonl": _lines,
    ".jsonl.gz": _zipped_lines,
    ".csv": _cells,
    ".parquet": _parquet,
}
