"""What a job has done so far, in one SQLite file: the only place where a job remembers anything.

A job's input is planned as *batches* (what a worker does in one go) and *parts* (files of the output), both cut by
rules that depend on nothing but the input, so that a job that goes on cuts them as it did before. A finished batch is
stored whole in one transaction; a part is written once all its batches are there. Whatever moment a job is stopped
at, the file says what is done, and everything after the first unfinished batch is planned again.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stance.errors import ConfigError, InputError
from stance.types import Article, Failure

LEDGER_FORMAT = 1
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    file INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, path BLOB NOT NULL,
    size INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 TEXT NOT NULL, problem TEXT
);
CREATE TABLE batches (
    batch INTEGER PRIMARY KEY, part INTEGER NOT NULL, file INTEGER NOT NULL, line INTEGER, retry INTEGER NOT NULL,
    entries INTEGER NOT NULL, chars INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, articles BLOB, claims BLOB,
    article_count INTEGER, duplicate_count INTEGER, claim_count INTEGER, unsure_count INTEGER
);
CREATE TABLE failures (
    failure INTEGER PRIMARY KEY, batch INTEGER NOT NULL, place INTEGER NOT NULL,
    id TEXT, file TEXT NOT NULL, line INTEGER, stage TEXT NOT NULL, reason TEXT NOT NULL,
    after INTEGER, retried INTEGER
);
CREATE INDEX batches_by_part ON batches (part);
CREATE INDEX failures_in_order ON failures (batch, place);
"""
_SEEN = """
CREATE TABLE ids (id TEXT PRIMARY KEY, place TEXT NOT NULL, batch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE texts (sha256 BLOB PRIMARY KEY, id TEXT NOT NULL, batch INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX ids_by_batch ON ids (batch);
CREATE INDEX texts_by_batch ON texts (batch);
"""
_HALF_PAIRS = "surrogatepass"
# An article that failed in these stages had been taken in.
_TAKEN_IN = ("run", "crash", "timeout")


@dataclass(frozen=True, slots=True)
class Known:
    """An article that a job has taken in.

    Attributes:
        article: The article, under an id that no other has.
        sha256: Of its text, in hexadecimal digits.
        duplicate_of: The id of an earlier article with the same text, or None.
    """

    article: Article
    sha256: str
    duplicate_of: str | None


class Seen:
    """The ids and texts of a job's articles; on disk, so that memory does not grow with them."""

    def __init__(self, database: sqlite3.Connection | None = None) -> None:
        """Use a ledger's tables, or without one a temporary database that goes with this object."""
        if database is None:
            database = sqlite3.connect("", isolation_level=None)
            database.executescript(_SEEN)
            database.execute("BEGIN")
        self._database = database

    def admit(self, article: Article, file: str, line: int | None, *, batch: int = 0) -> Known | InputError:
        """Take an article in: give it an id of its own, and say whether its text was there before.

        Files of the same name in several folders are common, so an article that is a whole file is renamed to its
        path where its name is taken; a line of a file that repeats an id is an error.
        """
        where = file if line is None else f"{file}:{line}"
        first = self._place(article.id)
        if first is not None:
            if line is not None:
                return InputError(f"{where}: id {article.id!r} was used before, at {first}; expected each id once")
            # The path with its suffix is the last resort: beside a.txt there may be an a.html.
            free = (name for name in (Path(file).with_suffix("").as_posix(), file) if self._place(name) is None)
            renamed = None if first == where else next(free, None)
            if renamed is None:
                return InputError(f"{where}: the same file was read before; expected each file once")
            article = Article(renamed, article.text, article.metadata, article.extracted)
        digest = hashlib.sha256(article.text.encode("utf-8", _HALF_PAIRS))
        twin = self._database.execute("SELECT id FROM texts WHERE sha256 = ?", (digest.digest(),)).fetchone()
        self._database.execute("INSERT INTO ids VALUES (?, ?, ?)", (article.id, where, batch))
        if twin is None:
            self._database.execute("INSERT INTO texts VALUES (?, ?, ?)", (digest.digest(), article.id, batch))
        return Known(article, digest.hexdigest(), twin and twin[0])

    def forget(self, name: str) -> None:
        """Undo `admit` for one article."""
        for (batch,) in self._database.execute("SELECT batch FROM ids WHERE id = ?", (name,)).fetchall():
            self._database.execute("DELETE FROM texts WHERE batch = ? AND id = ?", (batch, name))
        self._database.execute("DELETE FROM ids WHERE id = ?", (name,))

    def forget_from(self, batch: int) -> None:
        """Undo `admit` for every article of this batch and of later ones."""
        self._database.execute("DELETE FROM ids WHERE batch >= ?", (batch,))
        self._database.execute("DELETE FROM texts WHERE batch >= ?", (batch,))

    def _place(self, name: str) -> str | None:
        found = self._database.execute("SELECT place FROM ids WHERE id = ?", (name,)).fetchone()
        return found and str(found[0])


@dataclass(frozen=True, slots=True)
class KnownFile:
    """An input file as it was when the job took it in.

    Attributes:
        file: Its number, from 0, in the order of taking in.
        name: As it is shown and recorded.
        path: Where it is.
        size: In bytes.
        modified: In nanoseconds.
        sha256: Of its bytes.
        problem: Why there is no such file; None where there is.
    """

    file: int
    name: str
    path: Path
    size: int
    modified: int
    sha256: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a batch ends.

    Attributes:
        batch: Its number, from 0.
        part: The part of the output that it belongs to, from 0.
        file: Number of the input file in which it ends.
        line: The last line of that file which it holds; None where the file is one article.
        entries: Articles and failures in it.
        chars: Of its articles' texts.
        retry: Whether it holds articles that are tried again.
    """

    batch: int
    part: int
    file: int
    line: int | None
    entries: int
    chars: int
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A failure as the ledger knows it.

    Attributes:
        number: Its own.
        failure: What failed.
        after: Where it is the last of its file: the line after which nothing could be read, so that mending the file
            may bring forth more. Else None.
    """

    number: int
    failure: Failure
    after: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a job has done, in numbers; `articles` counts duplicates too, `unsure` claims were left out."""

    articles: int
    duplicates: int
    claims: int
    unsure: int
    failed: int
    parts: int


class Ledger:
    """The memory of one job."""

    def __init__(self, path: Path) -> None:
        """Open a job's ledger, or begin one.

        Raises:
            ConfigError: The file is no ledger, or one of another version.
        """
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA cache_size = -16384")  # KiB: the cache that a corpus of any size gets
            tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master").fetchall()}
            if not tables:
                version = f"INSERT INTO about VALUES ('format', '{LEDGER_FORMAT}');"  # noqa: S608
                self._database.executescript(f"BEGIN; {_TABLES} {_SEEN} {version} COMMIT;")
            found = self.about("format") if not tables or "about" in tables else None
            if found != str(LEDGER_FORMAT):
                raise ConfigError(
                    f"{path}: a ledger of format {found}, expected {LEDGER_FORMAT}; use --restart to begin again"
                )
        except BaseException:
            self._database.close()
            raise
        self.seen = Seen(self._database)
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Close the file; what no `commit` has confirmed is forgotten."""
        self._database.close()

    def commit(self) -> None:
        """Confirm everything so far, durably."""
        self._database.execute("COMMIT")
        self._database.execute("BEGIN")

    def about(self, key: str) -> str | None:
        """Give what `describe` has noted."""
        found = self._database.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return found and str(found[0])

    def describe(self, notes: Mapping[str, str]) -> None:
        """Note facts about the job by key; later ones replace earlier ones."""
        self._database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", notes.items())

    # Input files

    def files(self, since: int = 0) -> Iterator[KnownFile]:
        """Give the input files from one number on, in the order in which they were taken in."""
        while row := self._database.execute(
            "SELECT * FROM files WHERE file >= ? ORDER BY file LIMIT 1", (since,)
        ).fetchone():
            yield _known_file(row)
            since = row[0] + 1

    def file(self, name: str) -> KnownFile | None:
        """Give an input file by its name."""
        row = self._database.execute("SELECT * FROM files WHERE name = ?", (name,)).fetchone()
        return row and _known_file(row)

    def add_file(
        self, name: str, path: Path, size: int, modified: int, sha256: str, problem: str | None = None
    ) -> KnownFile:
        """Take an input file in, or note that a known one has changed."""
        known = self.file(name)
        number = known.file if known else self.next_file()
        row = (number, name, os.fsencode(path), size, modified, sha256, problem)
        self._database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return _known_file(row)

    def next_file(self) -> int:
        """Give the number that the next new input file gets."""
        return self._count("SELECT coalesce(max(file) + 1, 0) FROM files")

    def fingerprint(self) -> tuple[int, int, str]:
        """Give number, bytes and one hash of all input files."""
        digest, number, size = hashlib.sha256(), 0, 0
        for known in self.files():
            digest.update(f"{known.sha256} {known.name}\n".encode("utf-8", _HALF_PAIRS))
            number, size = number + 1, size + known.size
        return number, size, digest.hexdigest()

    # Batches and parts

    def next_batch(self) -> int:
        """Give the number of the first batch that is not done."""
        first = self._database.execute("SELECT min(batch) FROM batches WHERE NOT done").fetchone()[0]
        return int(first) if first is not None else self._count("SELECT coalesce(max(batch) + 1, 0) FROM batches")

    def next_part(self) -> int:
        """Give the number of the first part that is not written."""
        return int(self.about("parts") or 0)

    def planned(self, batch: int) -> tuple[Cut, bool] | None:
        """Give where a batch was cut before, and whether it is done."""
        row = self._database.execute(
            "SELECT batch, part, file, line, entries, chars, retry, done FROM batches WHERE batch = ?", (batch,)
        ).fetchone()
        return row and (Cut(*row[:7]), bool(row[7]))

    def reached(self, before: int, *, since: int = 0, retry: bool = False) -> tuple[int, int | None] | None:
        """Give file and line where the batches before this one end, of the input or of a retry; None without any."""
        return self._database.execute(  # type: ignore[no-any-return]
            "SELECT file, line FROM batches WHERE batch < ? AND batch >= ? AND retry = ? ORDER BY batch DESC LIMIT 1",
            (before, since, retry),
        ).fetchone()

    def last_part(self) -> int:
        """Give the number of the part to which the last planned batch belongs; 0 where there is none."""
        return self._count("SELECT coalesce(max(part), 0) FROM batches")

    def open_part(self, most_entries: int, most_chars: int) -> int:
        """Give the part to which the next batch belongs: the last one, or a new one where that is full or written."""
        part = max(self.last_part(), self.next_part())
        entries, chars = self._database.execute(
            "SELECT coalesce(sum(entries), 0), coalesce(sum(chars), 0) FROM batches WHERE part = ?", (part,)
        ).fetchone()
        return part + 1 if entries >= most_entries or chars >= most_chars else part

    def plan(self, cut: Cut) -> None:
        """Note where a batch is cut."""
        self._database.execute(
            "INSERT INTO batches (batch, part, file, line, entries, chars, retry) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (cut.batch, cut.part, cut.file, cut.line, cut.entries, cut.chars, cut.retry),
        )

    def drop_from(self, batch: int) -> None:
        """Forget this batch and later ones, done or not."""
        self.seen.forget_from(batch)
        self.drop_cuts(batch)

    def drop_cuts(self, batch: int) -> None:
        """Forget where this batch and later ones were cut, and what came of them, but not what was taken in."""
        self._database.execute("DELETE FROM batches WHERE batch >= ?", (batch,))
        self._database.execute("DELETE FROM failures WHERE batch >= ?", (batch,))
        self._database.execute("UPDATE failures SET retried = NULL WHERE retried >= ?", (batch,))

    def finish_batch(
        self,
        batch: int,
        tables: tuple[bytes, bytes],
        counts: tuple[int, int, int, int],
        failures: Sequence[tuple[int, Failure]],
        *,
        after: Mapping[int, int],
        retried: Sequence[int],
    ) -> None:
        """Store a batch's results.

        Args:
            batch: Its number.
            tables: Its articles and its claims, as Arrow streams.
            counts: Articles, duplicates among them, claims, claims left out.
            failures: Each with its place in the batch.
            after: By place, `Failed.after`.
            retried: Numbers of the failures that it makes up for.
        """
        self._database.execute(
            "UPDATE batches SET done = 1, articles = ?, claims = ?, article_count = ?, duplicate_count = ?,"
            " claim_count = ?, unsure_count = ? WHERE batch = ?",
            (*tables, *counts, batch),
        )
        self._database.executemany(
            "INSERT INTO failures (batch, place, id, file, line, stage, reason, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(batch, place, f.id, f.file, f.line, f.stage, _utf8(f.reason), after.get(place)) for place, f in failures],
        )
        self._database.executemany(
            "UPDATE failures SET retried = ? WHERE failure = ?", [(batch, number) for number in retried]
        )

    def part_is_whole(self, part: int) -> bool:
        """Say whether all batches planned for a part are done; a part without batches is not whole."""
        found = self._database.execute("SELECT count(*), sum(done) FROM batches WHERE part = ?", (part,)).fetchone()
        return bool(found[0]) and found[0] == found[1]

    def tables(self, part: int, kind: str) -> Iterator[bytes]:
        """Give the stored tables (`articles` or `claims`) of a part, in order."""
        column = {"articles": "articles", "claims": "claims"}[kind]
        batches = self._database.execute("SELECT batch FROM batches WHERE part = ? ORDER BY batch", (part,)).fetchall()
        for (batch,) in batches:
            yield self._database.execute(f"SELECT {column} FROM batches WHERE batch = ?", (batch,)).fetchone()[0]  # noqa: S608

    def finish_part(self, part: int) -> None:
        """Note that a part is written: its tables are no longer needed here."""
        self._database.execute("UPDATE batches SET articles = NULL, claims = NULL WHERE part = ?", (part,))
        self.describe({"parts": str(part + 1)})

    # Failures and counts

    def failures(self, before: int | None = None) -> Iterator[Failed]:
        """Give the failures in input order: those that stand, or all of the batches before one."""
        batch, place = -1, -1
        while row := self._database.execute(
            "SELECT failure, id, file, line, stage, reason, after, batch, place FROM failures"
            " WHERE (batch, place) > (?, ?) AND ((?3 IS NULL AND retried IS NULL) OR batch < ?3)"
            " ORDER BY batch, place LIMIT 1",
            (batch, place, before),
        ).fetchone():
            batch, place = row[7], row[8]
            yield Failed(row[0], Failure(*row[1:6]), row[6])

    def readmit(self, numbers: Sequence[int]) -> None:
        """Let articles that failed be taken in again."""
        for number in numbers:
            row = self._database.execute("SELECT id, stage FROM failures WHERE failure = ?", (number,)).fetchone()
            if row[0] is not None and row[1] in _TAKEN_IN:
                self.seen.forget(row[0])

    def drop_failures(self, numbers: Sequence[int] | None = None) -> None:
        """Forget these failures, or all whose articles have been tried again."""
        if numbers is None:
            self._database.execute("DELETE FROM failures WHERE retried IS NOT NULL")
        else:
            self._database.executemany("DELETE FROM failures WHERE failure = ?", [(number,) for number in numbers])

    def counts(self) -> Counts:
        """Count what is done."""
        row = self._database.execute(
            "SELECT coalesce(sum(article_count), 0), coalesce(sum(duplicate_count), 0), coalesce(sum(claim_count), 0),"
            " coalesce(sum(unsure_count), 0) FROM batches WHERE done"
        ).fetchone()
        articles, duplicates, claims, unsure = row
        failed = self._count("SELECT count(*) FROM failures WHERE retried IS NULL")
        return Counts(articles, duplicates, claims, unsure, failed, self.next_part())

    def _count(self, query: str, *values: Any) -> int:
        return int(self._database.execute(query, values).fetchone()[0])


def _utf8(words: str) -> str:
    return words.encode("utf-8", "backslashreplace").decode()


def _known_file(row: Sequence[Any]) -> KnownFile:
    return KnownFile(row[0], row[1], Path(os.fsdecode(row[2])), *row[3:])
