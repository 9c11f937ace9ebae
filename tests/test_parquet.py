"""Parts of a job: rows come back as they were, files are whole, and the usual readers open them."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from stance.errors import InputError
from stance.files import whole_file
from stance.parquet import (
    ARTICLES,
    CLAIMS,
    CLAIMS_WITH_TEXT,
    article_rows,
    articles_table,
    claim_rows,
    claims_table,
    failures_table,
    parts,
    read_batches,
    write_part,
)
from stance.types import Stance

Row = dict[str, Any]

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_MAYBE = st.none() | _TEXTS
_SPANS = st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)).map(list)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_METADATA = st.dictionaries(st.text(max_size=5), _JSON, min_size=1, max_size=3)
_PROBABILITIES = st.fixed_dictionaries({str(stance): st.floats(0, 1) for stance in Stance})
_CLAIMS = st.fixed_dictionaries(
    {
        "schema": st.just(2),
        "article_id": _TEXTS,
        "claim_id": _TEXTS,
        "content": _TEXTS,
        "content_spans": st.lists(_SPANS, min_size=1, max_size=3),
        "cue": _MAYBE,
        "cue_span": st.none() | _SPANS,
        "source": _MAYBE,
        "source_span": st.none() | _SPANS,
        "speaker": _MAYBE,
        "speaker_probability": st.none() | st.floats(0, 1),
        "kind": st.sampled_from(["direct", "indirect", "mixed"]),
        "stance": st.sampled_from([str(stance) for stance in Stance]),
        "second": st.none() | st.sampled_from([str(stance) for stance in Stance]),
        "probabilities": _PROBABILITIES,
        "model": _TEXTS,
        "target": _MAYBE,
        "target_probability": st.none() | st.floats(0, 1),
    },
    optional={"metadata": _METADATA, "text": _TEXTS},
)
_ARTICLES = st.fixed_dictionaries(
    {
        "article_id": _TEXTS,
        "title": _MAYBE,
        "url": _MAYBE,
        "date": _MAYBE,
        "day": st.none() | st.dates(),
        "publisher": _MAYBE,
        "author": _MAYBE,
        "metadata": st.none() | _METADATA,
        "file": _TEXTS,
        "line": st.none() | st.integers(1, 2**40),
        "text": _MAYBE,
        "extracted": st.booleans(),
        "sha256": _TEXTS,
        "duplicate_of": _MAYBE,
        "chars": st.integers(0, 2**40),
        **dict.fromkeys(["claims", "accusations", "denials", "justifications", "others"], st.integers(0, 1000)),
    }
)


def claim(number: int, **changes: Any) -> Row:
    return {
        "schema": 2,
        "article_id": f"a{number // 3}",
        "claim_id": f"{number:016x}",
        "content": f"“It was the {number}th time”",
        "content_spans": [[0, 5], [9, 12 + number]],
        "cue": "said" if number % 2 else None,
        "cue_span": [5, 9] if number % 2 else None,
        "source": None,
        "source_span": None,
        "speaker": "Ann Lee",
        "speaker_probability": 0.5,
        "kind": "direct",
        "stance": "denial",
        "second": None,
        "probabilities": {"accusation": 0.1, "denial": 0.7, "justification": 0.1, "other": 0.1},
        "model": "toy",
        "target": None,
        "target_probability": None,
    } | changes


def article(number: int, **changes: Any) -> Row:
    return {
        "article_id": f"a{number}",
        "title": "A title",
        "url": None,
        "date": "3 May 2024",
        "day": date(2024, 5, 3),
        "publisher": "The Lantern",
        "author": None,
        "metadata": {"section": ["World"]},
        "file": "in.jsonl",
        "line": number + 1,
        "text": None,
        "extracted": False,
        "sha256": "00",
        "duplicate_of": None,
        "chars": 100,
        "claims": 3,
        "accusations": 0,
        "denials": 3,
        "justifications": 0,
        "others": 0,
    } | changes


@given(st.lists(_CLAIMS, max_size=4))
def test_claims_come_back_as_they_were(rows: list[Row]) -> None:
    found = list(claim_rows(claims_table(rows, CLAIMS_WITH_TEXT)))
    assert found == rows
    assert all(list(row) == [key for key in CLAIMS_WITH_TEXT.names if key in row] for row in found)
    without = [{key: value for key, value in row.items() if key != "text"} for row in rows]
    assert list(claim_rows(claims_table(rows))) == without


@given(st.lists(_ARTICLES, max_size=4))
def test_articles_come_back_as_they_were(rows: list[Row]) -> None:
    found = list(article_rows(articles_table(rows)))
    assert found == rows
    assert all(list(row) == ARTICLES.names for row in found)


def test_half_a_surrogate_pair_is_written_out() -> None:
    """Neither Parquet nor UTF-8 can hold one; JSON can, and two names of files that differ in it stay two."""
    odd = {"title": "\ud83d", "section": ["\udc00"]}
    [row] = claim_rows(claims_table([claim(0, article_id="\udce9", metadata=odd)]))
    assert (row["article_id"], row["metadata"]) == ("\\udce9", odd)
    rows = articles_table([article(0, file="\udce9.txt", title="a\ud83d", metadata=odd), article(1, file="\udce8.txt")])
    assert rows["file"].to_pylist() == ["\\udce9.txt", "\\udce8.txt"]
    assert next(article_rows(rows))["metadata"] == odd
    assert rows["title"][0].as_py() == "a\\ud83d"
    failure = {"id": "\udce9", "file": "x", "line": None, "stage": "read", "reason": "\ud83d"}
    assert failures_table([failure]).to_pylist() == [failure | {"id": "\\udce9", "reason": "\\ud83d"}]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 1200), max_size=6))
def test_a_part_depends_on_its_rows_alone(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    """However they came: so that a job that was interrupted writes the same bytes."""
    folder = tmp_path_factory.mktemp("parts")
    # More than 4 MiB of strings, for two row groups; no two alike, for pages in plain.
    rows = [claim(i, metadata={"page": f"{i:x}" * (4_000 if i % 2 else 1)}) for i in range(1200)]
    whole = claims_table(rows)
    edges = sorted({0, 1200, *cuts})
    pieces = [whole.slice(start, end - start) for start, end in pairwise(edges)]
    write_part(folder / "one.parquet", [whole], CLAIMS)
    write_part(folder / "cut.parquet", iter(pieces), CLAIMS)
    assert (folder / "one.parquet").read_bytes() == (folder / "cut.parquet").read_bytes()
    assert pq.ParquetFile(folder / "one.parquet").num_row_groups == 2


def test_row_groups_are_small_where_texts_are_long(tmp_path: Path) -> None:
    texts = ["x" * 5_000_000, "y" * 2_500_000, "z" * 2_500_000, "end"]
    table = articles_table([article(i, text=text, extracted=True) for i, text in enumerate(texts)])
    write_part(tmp_path / "part-00000.parquet", [table], ARTICLES)
    groups = pq.ParquetFile(tmp_path / "part-00000.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [1, 2, 1]
    read = read_batches(tmp_path / "part-00000.parquet", ARTICLES, ["text"])
    assert [row["text"] for batch in read for row in batch.to_pylist()] == texts


def test_an_empty_part_is_a_part(tmp_path: Path) -> None:
    write_part(tmp_path / "part-00000.parquet", [], CLAIMS)
    write_part(tmp_path / "part-00001.parquet", [claims_table([])], CLAIMS)
    for path in tmp_path.iterdir():
        assert list(read_batches(path, CLAIMS)) == []
        assert pd.read_parquet(path).columns.tolist() == CLAIMS.names


def test_parts_are_in_order(tmp_path: Path) -> None:
    assert parts(tmp_path, "claims") == []
    (tmp_path / "claims").mkdir()
    for name in ("part-100000", "part-00002", "part-99999", "part-00010"):
        write_part(tmp_path / "claims" / f"{name}.parquet", [], CLAIMS)
    (tmp_path / "claims" / ".part-00003.parquet.tmp").touch()
    (tmp_path / "claims" / "notes.txt").touch()
    found = [path.stem for path in parts(tmp_path, "claims")]
    assert found == ["part-00002", "part-00010", "part-99999", "part-100000"]


class _Stopped(BaseException):
    """Like an interruption from the keyboard, no `Exception`."""


@pytest.mark.parametrize("before", [None, b"as it was"])
def test_after_an_interruption_a_file_is_as_it_was(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "part-00000.parquet"
    if before is not None:
        path.write_bytes(before)

    def tables() -> Iterator[pa.Table]:
        yield claims_table([claim(i) for i in range(20_000)])
        assert len(list(tmp_path.iterdir())) == (1 if before is None else 2)
        raise _Stopped

    with pytest.raises(_Stopped):
        write_part(path, tables(), CLAIMS)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({path.name: before} if before else {})


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what a full disk looks like from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    rows = [claim(i, content=f"{i * 7919:x}" * 9) for i in range(20_000)]
    with disk_of(65_536), pytest.raises(OSError, match="File too large"):
        write_part(tmp_path / "part-00000.parquet", [claims_table(rows)], CLAIMS)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_no_hindrance(tmp_path: Path) -> None:
    left = tmp_path / ".part-00000.parquet.tmp"
    left.write_bytes(b"half a")
    write_part(tmp_path / "part-00000.parquet", [claims_table([claim(0)])], CLAIMS)
    assert not left.exists()
    assert list(claim_rows(pq.read_table(tmp_path / "part-00000.parquet"))) == [claim(0)]


def test_a_link_goes_on_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    with whole_file(tmp_path / "link") as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text(encoding="utf-8") == "new"


def test_what_is_no_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part-00000.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=r"part-00000\.parquet: cannot be read: "):
        list(read_batches(path, CLAIMS))
    pq.write_table(pa.table({"id": ["a"]}), path)
    with pytest.raises(InputError, match=r"part-00000\.parquet: found columns id, expected schema, article_id, "):
        list(read_batches(path, CLAIMS))
    path.unlink()
    with pytest.raises(InputError, match=r"part-00000\.parquet: cannot be read: "):
        list(read_batches(path, CLAIMS))


# What others make of it


@pytest.fixture
def two_parts(tmp_path: Path) -> tuple[Path, list[Row]]:
    """A folder of claims, the second part without metadata and without a cue: no reader may guess types from it."""
    rows = [claim(0, metadata={"title": "ü"}), claim(1, metadata={"n": 1}), claim(2), claim(4)]
    (tmp_path / "claims").mkdir()
    write_part(tmp_path / "claims" / "part-00000.parquet", [claims_table(rows[:2])], CLAIMS)
    write_part(tmp_path / "claims" / "part-00001.parquet", [claims_table(rows[2:])], CLAIMS)
    return tmp_path / "claims", rows


def test_pandas_opens_it(two_parts: tuple[Path, list[Row]]) -> None:
    folder, rows = two_parts
    frame = pd.read_parquet(folder)
    assert frame["content"].tolist() == [row["content"] for row in rows]
    assert [[[s["start"], s["end"]] for s in spans] for spans in frame["content_spans"]] == [
        row["content_spans"] for row in rows
    ]
    assert frame["probabilities"].tolist() == [row["probabilities"] for row in rows]
    assert frame["cue_span"][1] == {"start": 5, "end": 9}
    assert frame["cue_span"][0] is None
    assert json.loads(frame["metadata"][0]) == {"title": "ü"}


def test_duckdb_opens_it(two_parts: tuple[Path, list[Row]]) -> None:
    folder, rows = two_parts
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT content, probabilities.denial, len(content_spans), content_spans[2].end, cue_span.start, "
            "metadata->>'title' FROM read_parquet(?)",
            [f"{folder}/*.parquet"],
        ).fetchall()
    assert found == [
        (row["content"], 0.7, 2, row["content_spans"][1][1], (row["cue_span"] or [None])[0], title)
        for row, title in zip(rows, ["ü", None, None, None], strict=True)
    ]


def test_datasets_opens_it(two_parts: tuple[Path, list[Row]], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder, rows = two_parts
    loaded = datasets.load_dataset(
        "parquet", data_files=f"{folder}/*.parquet", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert list(claim_rows(loaded.with_format("arrow")[:])) == rows
    assert loaded[1]["cue_span"] == {"start": 5, "end": 9}
