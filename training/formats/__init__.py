"""Annotated articles in the forms that annotation tools read and write.

| form | files | what it keeps |
| --- | --- | --- |
| `jsonl` | `.jsonl`, `.jsonl.gz` | our own (`training.annotations`) |
| `label-studio` | `.json` | everything |
| `doccano` | `.jsonl` | spans, links, stances; speaker and target only while the content stays the same |
| `prodigy` | `.jsonl` | as doccano |
| `brat` | a folder of `.txt` and `.ann` | everything; also read: PolNeAR |
| `csv` | `.csv`, `.tsv` | quotes with their stances; with `spans` in it, everything |
"""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

from stance.articles import json_rows
from stance.errors import ConfigError, InputError
from stance.files import whole_file
from stance.records import json_line
from training.annotations import AnnotatedArticle, annotated_from_row, to_row
from training.formats.carried import Found, Warn

FORMATS = ("jsonl", "label-studio", "doccano", "prodigy", "brat", "csv")


def guess(path: Path) -> str:
    """Tell the form of a file or folder by its name and, where several share a name, by its first line.

    Raises:
        ConfigError: It cannot be told.
        InputError: The file cannot be read.
    """
    name = path.name.lower()
    if path.is_dir() or name.endswith((".ann", ".txt")):
        return "brat"
    if name.endswith((".csv", ".tsv")):
        return "csv"
    if name.endswith(".json"):
        return "label-studio"
    if not name.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        raise ConfigError(f"{path}: its name does not tell its form, expected --format {', '.join(FORMATS)}")
    first = next((row for _, row in json_rows(path)), {})
    if isinstance(first, InputError):
        return "jsonl"
    if "entities" in first or (isinstance(first.get("label"), list) and "quotes" not in first):
        return "doccano"
    if {"tokens", "spans", "_input_hash"} & first.keys() and "quotes" not in first:
        return "prodigy"
    return "jsonl"


def read(path: Path, form: str | None, warn: Warn) -> Iterator[Found]:
    """Read annotated articles, lazily and in order; what is wrong with one comes out in its place.

    Args:
        path: A file, or a folder of brat's.
        form: One of `FORMATS`; None: guessed.
        warn: Called with what is strange but can be used.

    Raises:
        ConfigError: An unknown form.
        InputError: A file that cannot be read at all.
    """
    match form or guess(path):
        case "jsonl":
            return _read_lines(path)
        case "label-studio":
            from training.formats import label_studio

            return label_studio.read(path, warn)
        case "doccano":
            from training.formats import doccano

            return doccano.read(path, warn)
        case "prodigy":
            from training.formats import prodigy

            return prodigy.read(path, warn)
        case "brat":
            from training.formats import brat

            return brat.read(path, warn)
        case "csv":
            from training.formats import bare_quotes

            return bare_quotes.read(path, warn)
        case other:
            raise ConfigError(f"format is {other!r}, expected one of {', '.join(FORMATS)}")


def write(articles: Sequence[AnnotatedArticle], form: str, path: Path, warn: Warn) -> list[InputError]:
    """Write annotated articles.

    Args:
        articles: In their order.
        form: One of `FORMATS`.
        path: The file, of brat the folder.
        warn: Called with what the tool will have trouble with.

    Returns:
        What the form cannot hold, left out.

    Raises:
        ConfigError: An unknown form.
        OSError: It cannot be written.
    """
    if form == "brat":
        from training.formats import brat

        return brat.write(articles, path)
    with whole_file(path) as temporary:
        match form:
            case "jsonl":
                lines = "".join(f"{json_line(to_row(one))}\n" for one in articles).encode("utf-8")
                # No time in it: the same articles give the same file.
                temporary.write_bytes(gzip.compress(lines, mtime=0) if path.suffix.lower() == ".gz" else lines)
            case "label-studio":
                from training.formats import label_studio

                label_studio.write([label_studio.task(one) for one in articles], temporary)
            case "doccano":
                from training.formats import doccano

                doccano.write(articles, temporary)
            case "prodigy":
                from training.formats import prodigy

                prodigy.write(articles, temporary)
            case "csv":
                from training.formats import bare_quotes

                return bare_quotes.write(articles, temporary, warn)
            case other:
                raise ConfigError(f"format is {other!r}, expected one of {', '.join(FORMATS)}")
    return []


def _read_lines(path: Path) -> Iterator[Found]:
    for number, row in json_rows(path):
        if isinstance(row, InputError):
            yield row
            continue
        try:
            yield annotated_from_row(row, f"{path}:{number}")
        except InputError as error:
            yield error
