"""One file of claims: whole or not at all, in each format, and safe to open in a spreadsheet."""

import csv
import gzip
import json
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from stance.errors import ConfigError
from stance.parquet import CLAIMS_WITH_TEXT, claim_rows
from stance.records import claim_row
from stance.types import Article, AttributedQuote, Claim, Kind, Quote, Span, Stance
from stance.writers import CSV_COLUMNS, open_writer

Row = dict[str, Any]

TEXT = "“Zoë 😀 never lied,” she said,\r\n“and never will.”\n"
FORMATS = [".jsonl", ".jsonl.gz", ".csv", ".parquet"]


def row(speaker: str | None = "Zoë", *, extracted: bool = False, **metadata: Any) -> Row:
    quote = Quote((Span(0, 20), Span(31, 48)), Span(25, 29), None, Kind.DIRECT)
    attributed = AttributedQuote(quote, speaker, 0.87654 if speaker else None)
    claim = Claim(attributed, Stance.DENIAL, None, dict(zip(Stance, [0.125, 0.625, 0.25, 0.0], strict=True)))
    return claim_row(Article("a", TEXT, metadata, extracted), claim, "toy")


ROWS = [
    row(title="A title; with, ‘marks’", date="2024-05-03", tags=["x", {"y": None}]),
    row("“the city’s mayor,” – O'Neil", extracted=True),
    row(None, title="half \ud83d", author=["Ann Lee", "Bo Diaz"]),
]


def write(path: Path, rows: Iterable[Row]) -> Path:
    with open_writer(path) as add:
        for each in rows:
            add(each)
    return path


@pytest.mark.parametrize("name", ["claims.jsonl", "claims.JSONL", "claims.jsonl.gz", "a.b.jsonl"])
def test_lines(name: str, tmp_path: Path) -> None:
    data = write(tmp_path / name, ROWS).read_bytes()
    lines = (gzip.decompress(data) if name.endswith("gz") else data).decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == ROWS
    assert "Zoë" in lines[0]
    assert [list(json.loads(line)) for line in lines] == [list(each) for each in ROWS]


def test_parquet(tmp_path: Path) -> None:
    rows = [row(title="x", n=i, extracted=i % 2 == 0) for i in range(2500)]
    table = pq.read_table(write(tmp_path / "claims.parquet", rows))
    assert table.schema.equals(CLAIMS_WITH_TEXT)
    assert list(claim_rows(table)) == rows


def test_parquet_of_long_texts_has_small_row_groups(tmp_path: Path) -> None:
    rows = [row() | {"text": str(i) * 1_600_000} for i in range(7)]
    found = pq.ParquetFile(write(tmp_path / "claims.parquet", rows))
    assert found.num_row_groups == 3
    assert found.read(["text"])["text"].to_pylist() == [each["text"] for each in rows]


def test_cells(tmp_path: Path) -> None:
    data = write(tmp_path / "claims.csv", ROWS).read_bytes()
    assert data.startswith(b"\xef\xbb\xbfschema,article_id,")  # without the mark, spreadsheets take it for Windows-1252
    first, second, third = csv.DictReader(data.decode("utf-8-sig").splitlines(keepends=True))
    assert list(first) == list(CSV_COLUMNS)
    assert first == {
        "schema": "2",
        "article_id": "a",
        "claim_id": ROWS[0]["claim_id"],
        "content": ROWS[0]["content"],
        "content_spans": "[[0, 20], [31, 48]]",
        "cue": TEXT[25:29],
        "cue_span": "[25, 29]",
        "source": "",
        "source_span": "",
        "speaker": "Zoë",
        "speaker_probability": "0.8765",
        "kind": "direct",
        "stance": "denial",
        "second": "",
        "probability_accusation": "0.125",
        "probability_denial": "0.625",
        "probability_justification": "0.25",
        "probability_other": "0.0",
        "model": "toy",
        "target": "",
        "target_probability": "",
        "title": "A title; with, ‘marks’",
        "url": "",
        "date": "2024-05-03",
        "publisher": "",
        "author": "",
        "metadata": '{"tags": ["x", {"y": null}]}',
        "text": "",
    }
    assert (second["speaker"], second["text"], second["metadata"]) == (ROWS[1]["speaker"], TEXT, "")
    assert (third["speaker"], third["title"], third["author"]) == ("", "half \\ud83d", "Ann Lee, Bo Diaz")


def test_pandas_reads_the_cells(tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path / "claims.csv", ROWS))
    assert frame["probability_denial"].tolist() == [0.625] * 3
    assert frame["content"].tolist() == [each["content"] for each in ROWS]
    assert frame["text"][1] == TEXT


@pytest.mark.parametrize(
    "words",
    [
        "=1+1",
        "+49 30 1234",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\nx",
        "\tx",
        "\rx",
        " =1",
        "  \xa0@x",
        '"=1',
        "'=1",
        "“=HYPERLINK(…)”",
        "‘ “-1”",
        "«+1»",
        "＝1",
        "＠x",
        " \ttext",
    ],
)
def test_words_that_look_like_a_formula_get_an_apostrophe(words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "claims.csv", [row(words, title=words, publisher=words)])
    with path.open(encoding="utf-8-sig", newline="") as stream:
        [cells] = csv.DictReader(stream)
    assert [cells[key] for key in ("speaker", "title")] == [f"'{words}"] * 2


@pytest.mark.parametrize(
    "words", ["Zoë", "“Well", "a=b", "— he said", "–", "1-2", "#1", "'s Gravenhage", "“a”\n=1", "…"]
)
def test_other_words_stay(words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "claims.csv", [row(words)])
    with path.open(encoding="utf-8-sig", newline="") as stream:
        [cells] = csv.DictReader(stream)
    assert cells["speaker"] == words


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "claims.csv", [row() | {"speaker_probability": -0.5}])
    [cells] = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    assert cells["speaker_probability"] == "-0.5"


@given(st.text(max_size=30), st.dictionaries(st.sampled_from(["title", "url", "n"]), st.text(max_size=30)))
def test_no_cell_begins_a_formula(
    tmp_path_factory: pytest.TempPathFactory, speaker: str, metadata: dict[str, str]
) -> None:
    path = write(tmp_path_factory.mktemp("csv") / "claims.csv", [row(speaker, extracted=True, **metadata)])
    with path.open(encoding="utf-8-sig", newline="") as stream:
        [cells] = csv.DictReader(stream)
    assert len(cells) == len(CSV_COLUMNS)
    for cell in cells.values():
        assert cell.strip(" \"'\xa0")[:1] not in {*"=+-@\t\r"} or cell.startswith("'")
    plain = speaker.encode("utf-8", "backslashreplace").decode()
    assert cells["speaker"] in {plain, f"'{plain}"}


# Whole or not at all


class _Stopped(BaseException):
    """Like an interruption from the keyboard, no `Exception`."""


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("before", [None, b"as it was"])
@pytest.mark.parametrize("error", [_Stopped, ValueError, OSError])
def test_after_an_interruption_a_file_is_as_it_was(
    suffix: str, before: bytes | None, error: type[BaseException], tmp_path: Path
) -> None:
    out = tmp_path / f"claims{suffix}"
    if before is not None:
        out.write_bytes(before)

    def stopped() -> Iterator[Row]:
        yield from ROWS * 1000
        raise error

    with pytest.raises(error):
        write(out, stopped())
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({out.name: before} if before else {})


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_rows_give_the_same_file(suffix: str, tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{name}{suffix}", ROWS).read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_without_claims_is_written_all_the_same(suffix: str, tmp_path: Path) -> None:
    data = write(tmp_path / f"claims{suffix}", []).read_bytes()
    assert data == b"" if suffix == ".jsonl" else data


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what a full disk looks like from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("size", [0, 30_000])
def test_a_full_disk_is_named(suffix: str, size: int, tmp_path: Path) -> None:
    out = tmp_path / f"claims{suffix}"
    rows = [row(f"{i * 7919:x}", n=str(i**9)) for i in range(3000)]
    with disk_of(size), pytest.raises(ConfigError, match=r"cannot be written: .*File too large") as found:
        write(out, rows)
    assert str(found.value).startswith(f"{out}: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("claims", "no suffix"),
        ("claims.json", ".json"),
        ("claims.csv.gz", ".csv.gz"),
        (".jsonl", "no suffix"),
        ("claims.xlsx", ".xlsx"),
        ("claims.gz", ".gz"),
    ],
)
def test_another_suffix_is_refused(name: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error, open_writer(tmp_path / name):
        pass
    assert str(error.value) == (f"{tmp_path / name}: found {found}, expected .jsonl, .jsonl.gz, .csv or .parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_place_that_cannot_be_written_is_named_before_any_work(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        open_writer(tmp_path / "nowhere" / f"claims{suffix}").__enter__()
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ConfigError, match="found a folder, expected the name of a file"):
        open_writer(tmp_path / f"folder{suffix}").__enter__()
