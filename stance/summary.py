"""What a job found, in a few tables: who said most, who accuses whom, denials against accusations over time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stance.errors import InputError
from stance.export import DUCKDB, check_job, failures, state
from stance.records import STANCE_COUNTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_Row = TypeVar("_Row")

_NAME_CHARS = 80

_TOTALS = """
FROM (
    SELECT count(*), count(duplicate_of), count(day), min(day), max(day), count(DISTINCT publisher) FROM articles
), (
    SELECT count(*), count(*) FILTER (stance = 'accusation'), count(*) FILTER (stance = 'denial'),
        count(*) FILTER (stance = 'justification'), count(*) FILTER (stance = 'other'), count(speaker)
    FROM claims
)
"""
_SPEAKERS = """
SELECT speaker, count(*) AS claims, count(*) FILTER (stance = 'accusation') AS accusations,
    count(*) FILTER (stance = 'denial'), count(*) FILTER (stance = 'justification'),
    count(*) / (SELECT count(*) FROM claims), count(*) OVER ()
FROM claims WHERE speaker IS NOT NULL GROUP BY speaker
ORDER BY claims DESC, accusations DESC, speaker LIMIT ?
"""
_ACCUSATIONS = """
SELECT speaker, target, count(*) AS accusations, count(*) OVER ()
FROM claims WHERE speaker IS NOT NULL AND target IS NOT NULL GROUP BY speaker, target
ORDER BY accusations DESC, speaker, target LIMIT ?
"""
_WEEKS = """
WITH weeks AS (
    SELECT strftime(day, '%G-W%V') AS week, publisher, sum(accusations)::BIGINT AS accusations,
        sum(denials)::BIGINT AS denials
    FROM articles WHERE day IS NOT NULL GROUP BY week, publisher HAVING sum(accusations + denials) > 0
), largest AS (
    SELECT *, count(*) OVER () AS number FROM weeks ORDER BY accusations + denials DESC, week, publisher LIMIT ?
)
FROM largest ORDER BY week, publisher
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a job holds.

    Attributes:
        articles: Read, duplicates among them.
        duplicates: Articles with the text of an earlier one; they have no claims of their own.
        dated: Articles whose date could be understood, from `first_day` to `last_day`.
        first_day, last_day: None without dates.
        publishers: That are named.
        claims: By main stance `accusations`, `denials`, `justifications`, `others`.
        attributed: Claims whose speaker is known.
    """

    articles: int
    duplicates: int
    dated: int
    first_day: date | None
    last_day: date | None
    publishers: int
    claims: int
    accusations: int
    denials: int
    justifications: int
    others: int
    attributed: int


@dataclass(frozen=True, slots=True)
class SpeakerRow:
    """How much a speaker said; `share` is of all claims, in [0, 1]."""

    speaker: str
    claims: int
    accusations: int
    denials: int
    justifications: int
    share: float


@dataclass(frozen=True, slots=True)
class AccusationRow:
    """How often a speaker accuses a target, be it beside another act."""

    speaker: str
    target: str
    accusations: int


@dataclass(frozen=True, slots=True)
class WeekRow:
    """Accusations and denials of an ISO week (`2024-W18`) at a publisher; None where no publisher is named."""

    week: str
    publisher: str | None
    accusations: int
    denials: int


@dataclass(frozen=True, slots=True)
class Ranking(Generic[_Row]):
    """The largest rows of a table that has `number` in all."""

    rows: tuple[_Row, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a job.

    Attributes:
        totals: What it holds.
        speakers: Who said most, by claims.
        accusations: Who accuses whom, by how often.
        weeks: Denials against accusations; the weeks and publishers with the most of both, in order of time.
        failed: Articles and files in quarantine, by stage.
        state: Of the job, from its `job.json`: `finished` or another word; None where nobody has noted it.
    """

    totals: Totals
    speakers: Ranking[SpeakerRow]
    accusations: Ranking[AccusationRow]
    weeks: Ranking[WeekRow]
    failed: dict[str, int]
    state: str | None


def summarize(folder: Path, top: int = 20) -> Summary:
    """Ask a job's folder, finished or not.

    Args:
        folder: The job's folder.
        top: Rows of each table at most.

    Raises:
        ConfigError: No job's folder.
        InputError: A part that cannot be read.
    """
    import duckdb

    check_job(folder)
    try:
        with _database(folder) as database:

            def ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
                return database.execute(query, values).fetchall()

            [totals] = ask(_TOTALS)
            speakers, accusations, weeks = ask(_SPEAKERS, top), ask(_ACCUSATIONS, top), ask(_WEEKS, top)
    except duckdb.Error as error:
        raise InputError(f"{folder}: cannot be read: {error}") from error
    return Summary(
        Totals(*totals),
        _ranking(SpeakerRow, speakers),
        _ranking(AccusationRow, accusations),
        _ranking(WeekRow, weeks),
        dict(Counter(str(row.get("stage")) for row in failures(folder)).most_common()),
        state(folder),
    )


def tables(summary: Summary) -> Iterator[RenderableType]:
    """Give what `stance summary` prints, one after the other."""
    yield _totals(summary)
    yield from (_speakers(summary.speakers), _accusations(summary.accusations))
    yield _weeks(summary.weeks, summary.totals)


def _ranking(kind: Callable[..., _Row], rows: Sequence[tuple[Any, ...]]) -> Ranking[_Row]:
    """Make rows of what a query gave; each ends with the number of rows that there would be without a limit."""
    return Ranking(tuple(kind(*row[:-1]) for row in rows), rows[0][-1] if rows else 0)


@contextmanager
def _database(folder: Path) -> "Iterator[DuckDBPyConnection]":
    """Give a database in memory with the views `claims` and `articles`; it reads local files and nothing else."""
    import duckdb

    from stance.parquet import SCHEMAS, parts

    with TemporaryDirectory() as scratch, duckdb.connect(config=DUCKDB | {"temp_directory": scratch}) as database:
        for kind, schema in SCHEMAS.items():
            if parts(folder, kind):
                # A plain name for the folder: DuckDB would take its own name for a pattern where it looks like one.
                link = Path(scratch, kind)
                link.symlink_to((folder / kind).resolve())
                found = database.read_parquet(f"{link}/part-*.parquet", hive_partitioning=False)
                found.create_view(kind)
            else:
                database.register(kind, schema.empty_table())
        yield database


def _totals(summary: Summary) -> Table:
    totals = summary.totals
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column()
    same = f", {totals.duplicates:,} of them with the text of an earlier one" if totals.duplicates else ""
    grid.add_row("articles", f"{totals.articles:,}{same}")
    stances = ", ".join(f"{key} {getattr(totals, key):,}" for key in STANCE_COUNTS.values())
    grid.add_row("claims", f"{totals.claims:,}" + (f": {stances}" if totals.claims else ""))
    grid.add_row("speakers", f"{summary.speakers.number:,}, for {totals.attributed:,} of the claims")
    grid.add_row("publishers", f"{totals.publishers:,}")
    undated = totals.articles - totals.dated
    without = f"; unknown for {undated:,} of the articles" if undated else ""
    grid.add_row("dates", f"{totals.first_day} to {totals.last_day}{without}" if totals.dated else "–")
    if summary.failed:
        stages = ", ".join(f"{stage} {number:,}" for stage, number in summary.failed.items())
        grid.add_row("failed", Text(f"{sum(summary.failed.values()):,} ({stages}); see errors.jsonl"))
    if summary.state not in {None, "finished"}:
        grid.add_row("job", Text(f"not finished ({summary.state}): these are its figures so far"))
    return grid


def _speakers(found: Ranking[SpeakerRow]) -> RenderableType:
    title = "Who said most"
    if not found.rows:
        return _nothing(title, "no claim has a speaker whose name is known.")
    table = _table(title, found, "speakers", "; share: of all claims")
    _columns(table, ["speaker"], ["claims", "accusations", "denials", "justifications", "share"])
    for row in found.rows:
        numbers = (row.claims, row.accusations, row.denials, row.justifications)
        table.add_row(_name(row.speaker), *map(_number, numbers), f"{row.share:.1%}")
    return table


def _accusations(found: Ranking[AccusationRow]) -> RenderableType:
    title = "Who accuses whom"
    if not found.rows:
        return _nothing(title, "no accusation has a speaker and a target whose names are known.")
    table = _table(title, found, "pairs")
    _columns(table, ["speaker", "target"], ["accusations"])
    for row in found.rows:
        table.add_row(_name(row.speaker), _name(row.target), _number(row.accusations))
    return table


def _weeks(found: Ranking[WeekRow], totals: Totals) -> RenderableType:
    title = "Denials against accusations, by week and publisher"
    if not totals.dated:
        return _nothing(title, "no article has a date that can be read, expected one such as 2024-05-03.")
    if not found.rows:
        return _nothing(title, "no article with a date has any of them.")
    cut = len(found.rows) < found.number
    table = _table(title, found, "weeks and publishers", ", those with the most of both" if cut else "")
    _columns(table, ["week", "publisher"], ["accusations", "denials", "denials per accusation"])
    previous = None
    for row in found.rows:
        ratio = f"{row.denials / row.accusations:.2f}" if row.accusations else "–"
        numbers = (_number(row.accusations), _number(row.denials), ratio)
        table.add_row(row.week if row.week != previous else "", _name(row.publisher), *numbers)
        previous = row.week
    return table


def _table(title: str, found: Ranking[Any], of: str, remark: str = "") -> Table:
    first = f"{len(found.rows):,} of " if len(found.rows) < found.number else ""
    return Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        caption=f"{first}{found.number:,} {of}{remark}",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def _columns(table: Table, names: Sequence[str], numbers: Sequence[str]) -> None:
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")


def _nothing(title: str, words: str) -> Text:
    return Text.assemble("\n", (title, "bold"), f": {words}")


def _name(name: str | None) -> Text:
    """Give a name fit for a terminal; it comes from articles, so it may hold anything."""
    if name is None:
        return Text("—", style="dim")
    flat = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return Text(flat if len(flat) <= _NAME_CHARS else flat[: _NAME_CHARS - 1] + "…")


def _number(value: int) -> str:
    return f"{value:,}" if value else "–"
