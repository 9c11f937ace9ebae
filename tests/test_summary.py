"""The figures of a job: counted by hand on a small one, and equal to what the README's one-liners give."""

import json
import re
from collections import Counter
from dataclasses import astuple
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from stance.cli import app
from stance.errors import ConfigError, InputError
from stance.parquet import ARTICLES, CLAIMS, articles_table, claims_table, write_part
from stance.summary import AccusationRow, SpeakerRow, Totals, WeekRow, summarize, tables
from stance.types import Stance

Row = dict[str, Any]

NAMED = {
    Stance.ACCUSATION: "accusations",
    Stance.DENIAL: "denials",
    Stance.JUSTIFICATION: "justifications",
    Stance.OTHER: "others",
}


def claim(article: int, speaker: str | None, stance: str, target: str | None = None) -> Row:
    return {
        "schema": 2,
        "article_id": f"a{article}",
        "claim_id": "0",
        "content": "words",
        "content_spans": [[0, 5]],
        **dict.fromkeys(["cue", "cue_span", "source", "source_span", "second"]),
        "speaker": speaker,
        "speaker_probability": None,
        "kind": "direct",
        "stance": stance,
        "probabilities": dict.fromkeys(map(str, Stance), 0.25),
        "model": "toy",
        "target": target,
        "target_probability": None,
    }


def article(number: int, day: date | None, publisher: str | None, claims: list[Row], duplicate_of: str | None) -> Row:
    return {
        "article_id": f"a{number}",
        "title": "A title",
        **dict.fromkeys(["url", "date", "author", "metadata", "text"]),
        "day": day,
        "publisher": publisher,
        "file": "in.jsonl",
        "line": number + 1,
        "extracted": False,
        "sha256": "00",
        "duplicate_of": duplicate_of,
        "chars": 5,
        "claims": len(claims),
        **{name: sum(row["stance"] == stance for row in claims) for stance, name in NAMED.items()},
    }


Story = tuple[date | None, str | None, list[tuple[str | None, str, str | None]]]


def make_job(folder: Path, stories: list[Story], *, in_part: int = 2, failures: str = "") -> Path:
    for kind in ("claims", "articles"):
        (folder / kind).mkdir(parents=True)
    for part, start in enumerate(range(0, len(stories), in_part)):
        claims, articles = [], []
        for number, (day, publisher, said) in enumerate(stories[start : start + in_part], start):
            mine = [claim(number, *words) for words in said]
            claims += mine
            articles.append(article(number, day, publisher, mine, None))
        write_part(folder / "claims" / f"part-{part:05}.parquet", [claims_table(claims)], CLAIMS)
        write_part(folder / "articles" / f"part-{part:05}.parquet", [articles_table(articles)], ARTICLES)
    (folder / "errors.jsonl").write_text(failures, encoding="utf-8")
    return folder


STORIES: list[Story] = [
    (
        date(2024, 5, 3),
        "The Lantern",
        [
            ("Ann Lee", "accusation", "the council"),
            ("Ann Lee", "accusation", "the council"),
            ("Bo Diaz", "denial", None),
            (None, "accusation", "Bo Diaz"),
        ],
    ),
    (date(2024, 5, 5), "The Lantern", [("Ann Lee", "justification", None), ("Ann Lee", "denial", None)]),
    # ISO weeks: the last days of 2024 belong to the first week of 2025.
    (date(2024, 12, 30), "Radio Nord", [("Bo Diaz", "denial", "Ann Lee"), ("Bo Diaz", "other", None)]),
    (date(2025, 1, 1), None, [("Ça Ira", "accusation", None)]),
    (None, "Radio Nord", [("Bo Diaz", "accusation", "Ann Lee"), ("Bo Diaz", "other", None)]),
    (date(2024, 6, 1), "The Lantern", [("Ça Ira", "other", None)]),
]
FAILURES = '{"id": "x", "stage": "run"}\n{"id": null, "stage": "read"}\n{"id": "y", "stage": "read"}\n{"id": "z", "sta'


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return make_job(tmp_path / "job", STORIES, failures=FAILURES)


def printed(folder: Path, *, width: int = 100, top: int = 20) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        for table in tables(summarize(folder, top)):
            console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_figures_are_those_counted_by_hand(job: Path) -> None:
    found = summarize(job)
    assert found.totals == Totals(
        articles=6,
        duplicates=0,
        dated=5,
        first_day=date(2024, 5, 3),
        last_day=date(2025, 1, 1),
        publishers=2,
        claims=12,
        accusations=5,
        denials=3,
        justifications=1,
        others=3,
        attributed=11,
    )
    assert found.failed == {"read": 2, "run": 1}
    assert found.speakers.number == 3
    assert found.speakers.rows == (
        SpeakerRow("Bo Diaz", 5, 1, 2, 0, 5 / 12),
        SpeakerRow("Ann Lee", 4, 2, 1, 1, 4 / 12),
        SpeakerRow("Ça Ira", 2, 1, 0, 0, 2 / 12),
    )
    assert found.accusations.rows == (
        AccusationRow("Ann Lee", "the council", 2),
        AccusationRow("Bo Diaz", "Ann Lee", 2),  # one of them beside a denial
    )
    assert found.weeks.rows == (
        WeekRow("2024-W18", "The Lantern", 2 + 1, 2),
        WeekRow("2025-W01", "Radio Nord", 0, 1),
        WeekRow("2025-W01", None, 1, 0),
    )


def test_tables_are_cut_at_the_largest_rows(job: Path) -> None:
    found = summarize(job, top=1)
    assert [row.speaker for row in found.speakers.rows] == ["Bo Diaz"]
    assert [row.target for row in found.accusations.rows] == ["the council"]
    assert [row.week for row in found.weeks.rows] == ["2024-W18"]
    assert (found.speakers.number, found.accusations.number, found.weeks.number) == (3, 2, 3)
    said = printed(job, top=1)
    assert "1 of 3 speakers" in said
    assert "1 of 2 pairs" in said


def test_what_is_printed(job: Path) -> None:
    assert printed(job, width=80) == PRINTED


PRINTED = """\
articles    6
claims      12: accusations 5, denials 3, justifications 1, others 3
speakers    3, for 11 of the claims
publishers  2
dates       2024-05-03 to 2025-01-01; unknown for 1 of the articles
failed      3 (read 2, run 1); see errors.jsonl

Who said most

 speaker   claims   accusations   denials   justifications   share
 ─────────────────────────────────────────────────────────────────
 Bo Diaz        5             1         2                –   41.7%
 Ann Lee        4             2         1                1   33.3%
 Ça Ira         2             1         –                –   16.7%

3 speakers; share: of all claims

Who accuses whom

 speaker   target        accusations
 ───────────────────────────────────
 Ann Lee   the council             2
 Bo Diaz   Ann Lee                 2

2 pairs

Denials against accusations, by week and publisher

 week       publisher     accusations   denials   denials per accusation
 ───────────────────────────────────────────────────────────────────────
 2024-W18   The Lantern             3         2                     0.67
 2025-W01   Radio Nord              –         1                        –
            —                       1         –                     0.00

3 weeks and publishers"""


def test_an_unfinished_job_says_so(job: Path) -> None:
    assert "not finished" not in printed(job)
    for state, said in (("finished", False), ("interrupted", True)):
        (job / "job.json").write_text(json.dumps({"state": state}), encoding="utf-8")
        assert ("not finished (interrupted): these are its figures so far" in printed(job)) is said


def test_duplicates_are_counted_and_have_no_claims(tmp_path: Path) -> None:
    folder = make_job(tmp_path / "job", STORIES[:2])
    rows = [article(7, date(2024, 5, 3), "Radio Nord", [], "a0")]
    write_part(folder / "articles" / "part-00001.parquet", [articles_table(rows)], ARTICLES)
    found = summarize(folder)
    assert (found.totals.articles, found.totals.duplicates, found.totals.claims) == (3, 1, 6)
    assert [row.publisher for row in found.weeks.rows] == ["The Lantern"]
    assert "3, 1 of them with the text of an earlier one" in printed(folder)


@pytest.mark.parametrize("stories", [[], [(None, None, [])]])
def test_a_job_without_claims(stories: list[Story], tmp_path: Path) -> None:
    folder = make_job(tmp_path / "job", stories)
    (folder / "errors.jsonl").unlink()
    found = summarize(folder)
    assert (found.totals.articles, found.totals.claims, found.failed) == (len(stories), 0, {})
    assert not found.speakers.rows + found.accusations.rows + found.weeks.rows  # type: ignore[operator]
    said = printed(folder, width=150)
    for words in (
        "Who said most: no claim has a speaker",
        "Who accuses whom: no accusation has a speaker and a target",
        "by week and publisher: no article has a date that can be read, expected one such as 2024-05-03",
    ):
        assert words in said


def test_a_job_without_dates_says_so_and_shows_the_rest(tmp_path: Path) -> None:
    said = printed(make_job(tmp_path / "job", [(None, "The Lantern", STORIES[0][2])]))
    assert "no article has a date that can be read" in said
    assert "the council" in said


def test_dates_without_accusations_and_denials(tmp_path: Path) -> None:
    said = printed(make_job(tmp_path / "job", [STORIES[5]]))
    assert "by week and publisher: no article with a date has any of them" in said
    assert "2024-06-01 to 2024-06-01" in said


@pytest.mark.parametrize(
    "name",
    [
        "a*b",
        "a?c",
        "a[1]b",
        "[",
        "it's",
        'a "b"',
        "a{b,c}",
        "**",
        "a\\b",
        "a\\*b",
        "$HOME",
        "year=2024",
        "ü 😀 ;--",
        "%41",
        "~",
    ],
)
def test_any_name_of_a_folder_is_only_a_name(name: str, tmp_path: Path) -> None:
    other = make_job(tmp_path / "aXc", STORIES)
    found = summarize(make_job(tmp_path / name / "job", STORIES[:2]))
    assert found.totals.articles == 2
    assert summarize(other).totals.articles == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["aXc", name])


def test_names_cannot_write_markup_or_escapes(tmp_path: Path) -> None:
    names = ["[red]Ann\x1b[2J", "a\u202eb\n\nc", "x" * 300]
    stories: list[Story] = [(date(2024, 5, 3), name, [(name, "accusation", name)]) for name in names]
    said = printed(make_job(tmp_path / "job", stories), width=250)
    assert said.count("[red]Ann [2J") == 4
    assert said.count("a b c") == 4
    assert "x" * 79 + "…" in said
    assert "\x1b" not in said
    assert "x" * 81 not in said


def test_what_is_no_job_or_damaged_is_named(job: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none: no such folder, expected a job's folder"):
        summarize(tmp_path / "none")
    with pytest.raises(ConfigError, match="no claims/ and articles/ in it, expected a job's folder"):
        summarize(tmp_path)
    (job / "claims" / "part-00001.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="job: cannot be read: "):
        summarize(job)


_PEOPLE = st.sampled_from(["Ann", "Bo", "Ça", "Dé", None])
_STORIES = st.lists(
    st.tuples(
        st.none() | st.integers(0, 40).map(lambda days: date(2024, 12, 10) + timedelta(days)),
        st.sampled_from(["The Lantern", "Radio Nord", None]),
        st.lists(st.tuples(_PEOPLE, st.sampled_from([str(s) for s in Stance]), _PEOPLE), max_size=5),
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_STORIES)
def test_figures_equal_a_count_in_python(tmp_path_factory: pytest.TempPathFactory, stories: list[Story]) -> None:
    found = summarize(make_job(tmp_path_factory.mktemp("job") / "job", stories), top=1000)
    said = [(*words, day, publisher) for day, publisher, claims in stories for words in claims]
    speakers = Counter(speaker for speaker, *_ in said if speaker)
    assert {row.speaker: row.claims for row in found.speakers.rows} == speakers
    assert {row.speaker: row.share for row in found.speakers.rows} == {k: n / len(said) for k, n in speakers.items()}
    assert [row.claims for row in found.speakers.rows] == sorted(speakers.values(), reverse=True)
    pairs = Counter((speaker, target) for speaker, _, target, *_ in said if speaker and target)
    assert {(row.speaker, row.target): row.accusations for row in found.accusations.rows} == pairs
    for stance in ("accusation", "denial"):
        weeks = Counter((f"{day:%G-W%V}", publisher) for _, s, _, day, publisher in said if day and s == stance)
        key = NAMED[Stance(stance)]
        rows = {(row.week, row.publisher): getattr(row, key) for row in found.weeks.rows}
        assert {place: number for place, number in rows.items() if number} == weeks
    assert [row.week for row in found.weeks.rows] == sorted(row.week for row in found.weeks.rows)


# The command


def test_the_command_prints_the_tables(job: Path) -> None:
    result = CliRunner().invoke(app, ["summary", str(job), "--top", "2"])
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in ("Who said most", "Bo Diaz", "the council", "2025-W01", "2 of 3 speakers", "failed", "read 2, run 1"):
        assert words in result.stdout


def test_the_command_says_what_is_wrong(job: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["summary", str(tmp_path / "none")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {tmp_path / 'none'}: no such folder" in result.stderr
    assert CliRunner().invoke(app, ["summary", str(job), "--top", "0"]).exit_code == 2
    (job / "articles" / "part-00001.parquet").write_bytes(b"no")
    assert CliRunner().invoke(app, ["summary", str(job)]).exit_code == 1


# The README's one-liners

ROOT = Path(__file__).parent.parent


def ask(package: str, question: str, folder: Path) -> Any:
    """Give the answer of the README's line under `# question`, in the block that imports the package."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Ask the results\n")[1].split("\n## ")[0]
    [block] = [code for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL) if f"import {package}" in code]
    setup, *answers = block.replace("OUT", str(folder)).split("\n# ")
    [answer] = [code for code in answers if code.startswith(question)]
    *before, last = answer.strip().splitlines()[1:]
    names: dict[str, Any] = {}
    exec("\n".join([setup, *before]), names)  # noqa: S102
    return eval(last, names)  # noqa: S307


def test_duckdb_gives_the_same_figures(job: Path) -> None:
    found = summarize(job)
    assert ask("duckdb", "who said most", job).fetchall() == [(row.speaker, row.claims) for row in found.speakers.rows]
    assert sorted(ask("duckdb", "who accuses whom", job).fetchall()) == [
        (row.speaker, row.target, row.accusations) for row in found.accusations.rows
    ]
    weeks = ask("duckdb", "denials against accusations", job).fetchall()
    assert [row for row in weeks if row[0] and any(row[2:])] == [astuple(row) for row in found.weeks.rows]


def test_pandas_gives_the_same_figures(job: Path) -> None:
    found = summarize(job)
    assert list(ask("pandas", "who said most", job).items()) == [
        (row.speaker, row.claims) for row in found.speakers.rows
    ]
    assert sorted((*pair, n) for pair, n in ask("pandas", "who accuses whom", job).items()) == [
        (row.speaker, row.target, row.accusations) for row in found.accusations.rows
    ]
    weeks = ask("pandas", "denials against accusations", job).reset_index()
    plain = [tuple(None if pd.isna(cell) else cell for cell in row) for row in weeks.itertuples(index=False)]
    assert [row for row in plain if row[0] and any(row[2:])] == [astuple(row) for row in found.weeks.rows]


def test_both_find_what_was_said_against_somebody(tmp_path: Path) -> None:
    folder = make_job(
        tmp_path / "job", [(None, None, [("Ann Lee", "accusation", "Nora Feld"), ("Bo", "denial", None)])]
    )
    found = ask("duckdb", "what was said against somebody", folder).fetchall()
    assert found == [("Ann Lee", "words", "A title", None)]
    frame = ask("pandas", "what was said against somebody", folder)
    assert [list(row)[:3] for row in frame.itertuples(index=False)] == [["Ann Lee", "words", "A title"]]
