"""A job's folder into one file; the job is made up here, the command line is the real one."""

import csv
import gzip
import json
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from stance.cli import app
from stance.errors import ConfigError, InputError
from stance.export import export
from stance.parquet import ARTICLES, CLAIMS, articles_table, claims_table, write_part
from stance.records import article_row, claim_rows
from stance.types import Article, AttributedQuote, Claim, Kind, Quote, Span, Stance
from stance.writers import open_writer

Row = dict[str, Any]
Read = tuple[Article, list[Claim]]

TEXT = "“We never did it 😀,” said Ann Lee."
FAILURES = [
    {"id": "x", "file": "in.jsonl", "line": 9, "stage": "run", "reason": "in.jsonl:9: ValueError: no"},
    {"id": None, "file": "caf\udce9.html", "line": None, "stage": "read", "reason": "empty"},
]


def claim(speaker: str | None, stance: Stance) -> Claim:
    quote = Quote((Span(0, 20),), Span(21, 25), None, Kind.DIRECT)
    probabilities = dict.fromkeys(Stance, 0.1) | {stance: 0.7}
    return Claim(AttributedQuote(quote, speaker, speaker and 0.5), stance, None, probabilities)


def read(number: int, claims: int, *, extracted: bool = False, **metadata: Any) -> Read:
    article = Article(f"a{number}", f"{TEXT} {number}", metadata, extracted)
    return article, [claim("Ann Lee" if i else None, list(Stance)[i % 4]) for i in range(claims)]


JOB = [
    [read(0, 2, title="half \ud83d"), read(1, 3, extracted=True), read(2, 0, extracted=True)],
    [read(3, 0)],
    [read(4, 1, extracted=True, tags=["ü", {"n": None}], date="2024-05-03"), read(5, 2), read(6, 0)],
]


def make_job(folder: Path, parts: Iterable[list[Read]]) -> Path:
    for kind in ("claims", "articles"):
        (folder / kind).mkdir(parents=True)
    for number, part in enumerate(parts):
        claims, articles = [], []
        for article, found in part:
            claims += list(claim_rows(article, found, "toy"))
            stances = {stance: sum(one.stance == stance for one in found) for stance in Stance}
            digest = sha256(article.text.encode()).hexdigest()
            articles.append(
                article_row(article, file="in.jsonl", line=1, sha256=digest, duplicate_of=None, stances=stances)
            )
        write_part(folder / "claims" / f"part-{number:05}.parquet", [claims_table(claims)], CLAIMS)
        write_part(folder / "articles" / f"part-{number:05}.parquet", [articles_table(articles)], ARTICLES)
    (folder / "errors.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in FAILURES), encoding="utf-8")
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path / "job", JOB)


def written(path: Path) -> Path:
    """The file that `stance run -o FILE` writes of the same articles."""
    with open_writer(path) as write:
        for part in JOB:
            for article, found in part:
                for row in claim_rows(article, found, "toy"):
                    write(row)
    return path


@pytest.mark.parametrize(("kind", "suffix"), [("jsonl", ".jsonl"), ("jsonl", ".jsonl.gz"), ("csv", ".csv")])
def test_a_job_gives_the_bytes_of_a_run(kind: str, suffix: str, job: Path, tmp_path: Path) -> None:
    said: list[int] = []
    assert export(job, kind, tmp_path / f"job{suffix}", said.append) == 8
    assert sum(said) == 8
    assert (tmp_path / f"job{suffix}").read_bytes() == written(tmp_path / f"run{suffix}").read_bytes()


def test_texts_out_of_web_pages_go_with_their_claims(job: Path, tmp_path: Path) -> None:
    export(job, "jsonl", tmp_path / "job.jsonl.gz", lambda _: None)
    rows = [json.loads(line) for line in gzip.decompress((tmp_path / "job.jsonl.gz").read_bytes()).splitlines()]
    assert [(row["article_id"], row.get("text")) for row in rows] == [
        *[("a0", None)] * 2,
        *[("a1", f"{TEXT} 1")] * 3,
        ("a4", f"{TEXT} 4"),
        *[("a5", None)] * 2,
    ]


def test_a_database(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "job.duckdb"
    (tmp_path / ".job.duckdb.tmp.wal").write_bytes(b"of a try that was killed")
    assert export(job, "duckdb", out, lambda _: None) == 8
    assert export(job, "duckdb", out, lambda _: None) == 8  # again, over the first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "job.duckdb"]
    with duckdb.connect(out, read_only=True) as database:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return database.sql(query).fetchall()

        assert ask(
            "SELECT article_id, count(*), any_value(probabilities.accusation) FROM claims GROUP BY ALL ORDER BY 1"
        ) == [
            ("a0", 2, 0.7),
            ("a1", 3, 0.7),
            ("a4", 1, 0.7),
            ("a5", 2, 0.7),
        ]
        assert ask("SELECT article_id FROM articles") == [(f"a{i}",) for i in range(7)]
        assert ask("SELECT day, metadata->>'$.tags[0]' FROM articles WHERE day IS NOT NULL") == [
            (date(2024, 5, 3), "ü")
        ]
        assert ask("FROM errors") == [
            ("x", "in.jsonl", 9, "run", "in.jsonl:9: ValueError: no"),
            (None, "caf\\udce9.html", None, "read", "empty"),
        ]
        assert ask("SELECT c.speaker FROM claims c JOIN articles USING (article_id) WHERE day = '2024-05-03'") == [
            (None,)
        ]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "duckdb"])
@pytest.mark.parametrize("parts", [[], [[]], [[read(0, 0)]]])
def test_a_job_without_claims(kind: str, parts: list[list[Read]], tmp_path: Path) -> None:
    folder = make_job(tmp_path / "job", parts)
    out = tmp_path / f"out.{kind}"
    assert export(folder, kind, out, lambda _: None) == 0
    if kind == "duckdb":
        with duckdb.connect(out, read_only=True) as database:
            assert database.sql("SELECT count(*) FROM claims").fetchall() == [(0,)]
            assert database.sql("SELECT count(*) FROM articles").fetchall() == [(sum(map(len, parts)),)]
    elif kind == "csv":
        assert next(csv.reader(out.read_text(encoding="utf-8-sig").splitlines()))[:2] == ["schema", "article_id"]
    else:
        assert out.read_bytes() == b""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "duckdb"])
def test_a_damaged_part_is_named_and_the_old_file_stays(kind: str, job: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out.{kind}"
    out.write_bytes(b"as it was")
    part = job / "claims" / "part-00002.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"claims/part-00002\.parquet: cannot be read"):
        export(job, kind, out, lambda _: None)
    assert out.read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", out.name]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "duckdb"])
def test_an_interruption_leaves_the_old_file(kind: str, job: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out.{kind}"
    out.write_bytes(b"as it was")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(job, kind, out, stop)
    assert out.read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", out.name]


def test_claims_without_their_article_are_named(job: Path, tmp_path: Path) -> None:
    (job / "articles" / "part-00002.parquet").unlink()
    with pytest.raises(InputError, match=r"job: claims of an article 'a4', expected it in articles/"):
        export(job, "jsonl", tmp_path / "out.jsonl", lambda _: None)


def test_what_cannot_be_is_refused(job: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((job, "xlsx", tmp_path / "x.xlsx"), "format is 'xlsx', expected csv, jsonl or duckdb"),
        ((job, "csv", tmp_path / "x.tsv"), "x.tsv: found .tsv, expected .csv for the format csv"),
        ((job, "jsonl", tmp_path / "x"), "x: found no suffix, expected .jsonl or .jsonl.gz for the format jsonl"),
        ((job, "duckdb", tmp_path / "no" / "x.db"), "x.db: cannot be written: "),
        ((job, "csv", tmp_path / "no" / "x.csv"), "x.csv: cannot be written: No such file or directory"),
        ((tmp_path / "none", "csv", tmp_path / "x.csv"), "none: no such folder, expected a job's folder"),
        ((tmp_path, "csv", tmp_path / "x.csv"), "no claims/ and articles/ in it, expected a job's folder"),
    ):
        with pytest.raises(ConfigError) as error:
            export(*arguments, lambda _: None)
        assert words in str(error.value)


# The command


def test_the_command_writes_into_the_folder_or_elsewhere(job: Path, tmp_path: Path) -> None:
    for kind in ("csv", "jsonl", "duckdb"):
        result = CliRunner().invoke(app, ["export", str(job), "--format", kind])
        assert (result.exit_code, result.stdout) == (0, "")
        assert f"8 claims -> {job / f'claims.{kind}'}" in result.stderr
        assert (job / f"claims.{kind}").is_file()
    result = CliRunner().invoke(app, ["export", str(job), "--format", "jsonl", "-o", str(tmp_path / "x.jsonl.gz")])
    assert result.exit_code == 0
    assert gzip.decompress((tmp_path / "x.jsonl.gz").read_bytes()) == (job / "claims.jsonl").read_bytes()


def test_the_command_says_what_is_wrong(job: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path / "none"), "--format", "csv"])
    assert result.exit_code == 2
    assert f"error: {tmp_path / 'none'}: no such folder" in result.stderr
    assert CliRunner().invoke(app, ["export", str(job)]).exit_code == 2
    (job / "claims" / "part-00000.parquet").write_bytes(b"no")
    result = CliRunner().invoke(app, ["export", str(job), "--format", "csv"])
    assert result.exit_code == 1
    assert "part-00000.parquet: cannot be read" in result.stderr
