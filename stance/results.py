"""What a run found, back again: a job's folder or a file of claims as articles with their claims."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from stance.articles import json_rows
from stance.errors import ConfigError, InputError
from stance.export import check_job, failures, state
from stance.records import NAMED, day_of, split_metadata
from stance.types import Kind, Stance

if TYPE_CHECKING:
    import pyarrow as pa

LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_SMALL = ["article_id", *NAMED, "day", "duplicate_of", "chars", "claims"]

_Offset = Annotated[int, Field(ge=0, strict=True)]
_Part = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which articles are asked for; what is left empty asks for nothing.

    Attributes:
        publishers: One of these, whatever the case.
        since, until: Published then or between, both days included; articles without a known day fall out.
        speakers: With a claim by one of these; a part of the name will do, whatever the case.
        stances: With a claim that does one of these, first or second.
    """

    publishers: Sequence[str] = ()
    since: date | None = None
    until: date | None = None
    speakers: Sequence[str] = ()
    stances: Sequence[Stance] = ()

    def by_article(self, row: Mapping[str, Any]) -> bool:
        """Tell whether an article will do, by its `publisher` and `day`."""
        day, publisher = row["day"], row["publisher"]
        if self.publishers and (publisher or "").casefold() not in map(str.casefold, self.publishers):
            return False
        if day is None:
            return self.since is None and self.until is None
        return not ((self.since and day < self.since) or (self.until and day > self.until))

    def by_claims(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether one of an article's claims will do, by its `speaker`, `stance` and `second`."""
        return not (self.speakers or self.stances) or any(map(self._will_do, rows))

    def _will_do(self, row: Mapping[str, Any]) -> bool:
        speaker = (row["speaker"] or "").casefold()
        spoken = not self.speakers or any(name.casefold() in speaker for name in self.speakers)
        return spoken and (not self.stances or row["stance"] in self.stances or row["second"] in self.stances)


def asked_for(
    publishers: Sequence[str], since: str | None, until: str | None, speakers: Sequence[str], stances: Sequence[str]
) -> Wanted:
    """Check what was asked for in words; days in any form that can be read in one way.

    Raises:
        ConfigError: A day or a stance that is none.
    """
    days = []
    for name, words in {"--since": since, "--until": until}.items():
        day = None if words is None else day_of(words)
        if words is not None and day is None:
            raise ConfigError(f"{name} is {words!r}, expected a day such as 2024-05-03")
        days.append(day)
    for stance in stances:
        if stance not in list(Stance):
            raise ConfigError(f"--stance is {stance!r}, expected {', '.join(Stance)}")
    return Wanted(tuple(publishers), days[0], days[1], tuple(speakers), tuple(map(Stance, stances)))


@dataclass(frozen=True, slots=True)
class ArticleFound:
    """An article and its claims.

    Attributes:
        id: Its id.
        named: `title`, `url`, `date`, `publisher`, `author` as given, each a string or None.
        day: The date, where it could be understood.
        text: None where a file of claims does not hold it.
        claims: Records as `stance.records.claim_row` gives them, in their order.
        also: Publishers (where unnamed, ids) of later articles with the same text.
    """

    id: str
    named: Mapping[str, str | None]
    day: date | None
    text: str | None
    claims: Sequence[Mapping[str, Any]]
    also: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """The first articles of a run that were asked for.

    Attributes:
        articles: In the order of the run, at most as many as there was room for.
        matching: How many were asked for, those among them for which there was no room.
        of: How many there are in all; articles with the text of an earlier one do not count.
        failed: How many could not be read.
        state: Of a job: `finished` or another word; None for a file and where nobody has noted it.
    """

    articles: Sequence[ArticleFound]
    matching: int
    of: int
    failed: int = 0
    state: str | None = None


def read_results(source: Path, wanted: Wanted, *, limit: int, chars: int) -> Results:
    """Read a job's folder or a file of claims.

    Args:
        source: A folder, or a file of JSON Lines that `stance run -o` wrote.
        wanted: Which articles.
        limit: Articles at most.
        chars: Characters of their texts at most; the first article always has room.

    Raises:
        ConfigError: Neither of them.
        InputError: A part or line that cannot be read.
    """
    if source.is_dir():
        return _read_job(source, wanted, limit, chars)
    if not source.is_file():
        raise ConfigError(f"{source}: no such file, expected a job's folder or a JSON Lines file of claims")
    if not source.name.lower().endswith(LINES):
        found = source.suffix or "no suffix"
        raise ConfigError(f"{source}: found {found}, expected a job's folder or a .jsonl file that 'stance run' wrote")
    return _read_lines(source, wanted, limit, chars)


# A job's folder


def _read_job(folder: Path, wanted: Wanted, limit: int, chars: int) -> Results:
    """Choose by the small columns first; only then take the texts and claims of those that were chosen."""
    check_job(folder)
    chosen, also, matching, of = _choose(folder, wanted, limit, chars)
    texts = {row["article_id"]: row["text"] for row in _rows_of(chosen, folder, "articles", ["article_id", "text"])}
    claims: dict[str, list[dict[str, Any]]] = {key: [] for key in chosen}
    for row in _rows_of(chosen, folder, "claims"):
        claims[row["article_id"]].append(row)
    articles = [
        ArticleFound(key, {name: row[name] for name in NAMED}, row["day"], texts[key], claims[key], also.get(key, []))
        for key, row in chosen.items()
    ]
    return Results(articles, matching, of, sum(1 for _ in failures(folder)), state(folder))


def _choose(
    folder: Path, wanted: Wanted, limit: int, chars: int
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]], int, int]:
    """Give the chosen articles' small columns by id, where else their texts stand, how many match, how many are."""
    speaking: set[str] | None = None
    if wanted.speakers or wanted.stances:
        columns = ["article_id", "speaker", "stance", "second"]
        speaking = {
            row["article_id"]
            for batch in _batches(folder, "claims", columns)
            for row in batch.to_pylist()
            if wanted.by_claims([row])
        }
    room = _Room(limit, chars)
    chosen: dict[str, dict[str, Any]] = {}
    also: dict[str, list[str]] = {}
    of = 0
    for row in (row for batch in _batches(folder, "articles", _SMALL) for row in batch.to_pylist()):
        name, first = row["article_id"], row["duplicate_of"]
        if first is not None:
            if first in chosen:
                also.setdefault(first, []).append(row["publisher"] or name)
            continue
        of += 1
        if wanted.by_article(row) and (speaking is None or name in speaking) and room.take(row["chars"]):
            chosen[name] = row
    return chosen, also, room.asked, of


def _rows_of(
    chosen: Mapping[str, Mapping[str, Any]], folder: Path, kind: str, columns: list[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Give the chosen articles' rows of a kind; reads no further than the last of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from stance.parquet import claim_rows

    left = sum(row["claims"] for row in chosen.values()) if kind == "claims" else len(chosen)
    names = pa.array(chosen, pa.string())
    batches = _batches(folder, kind, columns)
    while left > 0 and (batch := next(batches, None)) is not None:
        some = batch.filter(pc.is_in(batch["article_id"], value_set=names))
        left -= len(some)
        yield from claim_rows(some) if kind == "claims" else some.to_pylist()


def _batches(folder: Path, kind: str, columns: list[str] | None) -> Iterator["pa.RecordBatch"]:
    from stance.parquet import SCHEMAS, parts, read_batches

    for path in parts(folder, kind):
        yield from read_batches(path, SCHEMAS[kind], columns)


# A file of claims


def _read_lines(path: Path, wanted: Wanted, limit: int, chars: int) -> Results:
    """Read all lines: a file that was sorted or put together may have an article's claims anywhere."""
    room = _Room(limit, chars)
    chosen: dict[str, list[dict[str, Any]]] = {}
    refused: set[str] = set()
    speaking = _speaking(path, wanted)
    for row in _records(path):
        name = row["article_id"]
        if name not in chosen and name not in refused:
            metadata = row.get("metadata") or {}
            named = split_metadata(metadata)[0]
            will_do = wanted.by_article(named | {"day": day_of(named["date"])})
            will_do = will_do and (speaking is None or name in speaking)
            if will_do and room.take(len(row.get("text") or row["content"])):
                chosen[name] = []
            else:
                refused.add(name)
        if name in chosen:
            chosen[name].append(row)
    articles = [_article(name, rows) for name, rows in chosen.items()]
    return Results(articles, room.asked, len(chosen) + len(refused))


def _speaking(path: Path, wanted: Wanted) -> set[str] | None:
    if not wanted.speakers and not wanted.stances:
        return None
    return {row["article_id"] for row in _records(path) if wanted.by_claims([row])}


def _article(name: str, rows: Sequence[Mapping[str, Any]]) -> ArticleFound:
    named = split_metadata(rows[0].get("metadata") or {})[0]
    return ArticleFound(name, named, day_of(named["date"]), rows[0].get("text"), rows)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in json_rows(path):
        if isinstance(row, InputError):
            raise row
        try:
            _Record.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{path}:{number}: {place}: {first['msg']}, expected a claim as 'stance run -o FILE.jsonl' writes it"
            ) from None
        yield row


class _Record(BaseModel):
    """What a page needs of a line."""

    article_id: str
    claim_id: str
    content: str
    content_spans: Annotated[list[tuple[_Offset, _Offset]], Field(min_length=1)]
    cue: str | None
    cue_span: tuple[_Offset, _Offset] | None
    source: str | None
    source_span: tuple[_Offset, _Offset] | None
    speaker: str | None
    speaker_probability: _Part | None
    kind: Kind
    stance: Stance
    second: Stance | None
    probabilities: dict[Stance, _Part]
    model: str
    target: str | None
    target_probability: _Part | None
    metadata: dict[str, Any] = {}
    text: str | None = None


class _Room:
    """Counts down the articles and characters for which there is room."""

    def __init__(self, articles: int, chars: int) -> None:
        self._articles, self._chars = articles, chars
        self.asked = 0

    def take(self, chars: int) -> bool:
        """Take room for an article; from the first that finds none on, none does. The first of all finds it."""
        self.asked += 1
        self._chars -= chars
        return self.asked == 1 or (self.asked <= self._articles and self._chars >= 0)
