"""Cuts a job's input into batches: the same cuts whenever the same input is read again."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stance.config import Columns
from stance.errors import InputError
from stance.formats import Entry, read_entries
from stance.inputs import STDIN, InputFile, ListingError, fingerprint, list_files
from stance.ledger import Cut, KnownFile, Ledger
from stance.types import Article, Failure
from stance.work import Item, Task
from stance.workers import extracted

# A batch is so many articles or characters: some seconds of work, and enough to fill the network's batches.
BATCH_ENTRIES, BATCH_CHARS = 64, 100_000
# A part ends at so many characters even where its articles are few.
PART_CHARS = 64_000_000
_MISSING = -1  # size of an input that was not there


@dataclass(slots=True)
class Planned:
    """A batch as it is cut.

    Attributes:
        batch: Its number.
        items: Articles for a worker, in input order.
        failures: What could not be read, each with its place in the batch.
        retried: Numbers of the earlier failures that this batch makes up for.
        reached: Bytes of the input that are done with once it is done.
        entries: Articles and failures so far.
        chars: Of its articles' texts.
        ends: The last line taken of each file that it touches; None where the file is one article.
    """

    batch: int
    items: list[Item] = field(default_factory=list)
    failures: list[tuple[int, Failure]] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    reached: int = 0
    entries: int = 0
    chars: int = 0
    ends: dict[int, int | None] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The work in it."""
        return Task(self.batch, tuple(self.items))


@dataclass(frozen=True, slots=True)
class _Located:
    """An entry, the file it is in, the bytes before it, and the failures that it makes up for."""

    file: KnownFile
    entry: Entry
    passed: int
    retried: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Plans one job.

    Attributes:
        ledger: What the job has done.
        out: Its folder, which is no input.
        spool: Where a copy of standard input goes.
        columns: Which columns of the input hold what.
        part_articles: A part ends at so many articles and failures.
        processes: Take articles out of pages.
        warn: Called with what is worth knowing.
    """

    ledger: Ledger
    out: Path
    spool: Path
    columns: Columns
    part_articles: int
    processes: int
    warn: Callable[[str], None]

    def batches(self, inputs: Sequence[str]) -> Iterator[Planned]:
        """Give the batches of the input that are not done."""
        first = self.ledger.next_batch()
        self.ledger.seen.forget_from(first)
        yield from self._cut(first, self._located(inputs, self.ledger.reached(first)))

    def retries(self) -> Iterator[Planned]:
        """Give batches of the articles that failed."""
        numbers: dict[str, dict[int | None, list[int]]] = {}
        for number, failure in self.ledger.failures():
            numbers.setdefault(failure.file, {}).setdefault(failure.line, []).append(number)
        located = (found for name, lines in numbers.items() for found in self._failed(name, lines))
        yield from self._cut(self.ledger.next_batch(), located, retry=True)

    def bytes_total(self, inputs: Sequence[str]) -> int:
        """Give the size of all input files but standard input."""
        files = list_files(_but_stdin(inputs), spool=self.spool, skip=self.out)
        return sum(file.size for file in files if isinstance(file, InputFile))

    def _cut(self, batch: int, located: Iterable[_Located], *, retry: bool = False) -> Iterator[Planned]:
        planned, old = Planned(batch), self.ledger.planned(batch)
        found = extracted(((place, place.entry.found, _where(place.entry)) for place in located), count=self.processes)
        for place, article, warnings in found:
            for message in warnings:
                self.warn(message)
            self._add(planned, place, article)
            full = planned.entries >= BATCH_ENTRIES or planned.chars >= BATCH_CHARS
            if planned.entries == old[0].entries if old else full:
                yield from self._close(planned, place, old, retry=retry)
                batch += 1
                planned, old = Planned(batch), self.ledger.planned(batch)
        if planned.entries:
            yield from self._close(planned, place, old, retry=retry)

    def _add(self, planned: Planned, place: _Located, found: Article | InputError) -> None:
        entry, at = place.entry, planned.entries
        planned.entries += 1
        planned.retried += place.retried
        planned.reached = place.passed + entry.offset
        planned.ends[place.file.file] = entry.line
        stage = "read" if entry.found is found else "extract"
        if isinstance(found, Article):
            stage = "read"
            known = self.ledger.seen.admit(found, entry.file, entry.line, batch=planned.batch)
            if not isinstance(known, InputError):
                if known.article.id != found.id:
                    self.warn(f"{entry.file}: id {found.id!r} was used before; this article's is {known.article.id!r}")
                item = Item(known.article, entry.file, entry.line, known.sha256, known.duplicate_of, at)
                planned.items.append(item)
                planned.chars += len(found.text)
                return
            found = known
        name = None if isinstance(entry.found, InputError) else entry.found.id
        planned.failures.append((at, Failure(name, entry.file, entry.line, stage, str(found))))

    def _close(
        self, planned: Planned, last: _Located, old: tuple[Cut, bool] | None, *, retry: bool
    ) -> Iterator[Planned]:
        for number, line in planned.ends.items():
            self.ledger.note_line(number, line)
        if old is None:
            part = self.ledger.open_part(self.part_articles, PART_CHARS)
            file = None if retry else last.file.file
            self.ledger.plan(Cut(planned.batch, part, file, last.entry.line, planned.entries, planned.chars))
        if old is None or not old[1]:
            yield planned

    def _located(self, inputs: Sequence[str], reached: tuple[int, int | None] | None) -> Iterator[_Located]:
        """Go on in the files that are known, then take in new ones."""
        ledger = self.ledger
        passed, end = 0, ledger.next_file()
        for known in ledger.files():
            if known.file >= end:
                break
            size = max(known.size, 0)
            if reached is None or known.file > reached[0]:
                yield from self._again(known, passed)
            elif known.file == reached[0] and reached[1] is not None:
                yield from self._read(known, passed, after=reached[1])
            passed += size
        if ledger.file(STDIN) is not None:
            inputs = _but_stdin(inputs)
        for listed in list_files(inputs, spool=self.spool, skip=self.out):
            if ledger.file(_name(listed)) is None:
                known = self._take_in(listed)
                yield from self._read_new(known, listed, passed)
                passed += max(known.size, 0)

    def _failed(self, name: str, lines: dict[int | None, list[int]]) -> Iterator[_Located]:
        """Give again what failed in a file; a file that failed as a whole, from where it failed."""
        known, whole = self.ledger.file(name), lines.get(None, [])
        if known is None or known.size == _MISSING:
            for listed in list_files([name], spool=self.spool, skip=self.out):
                if _name(listed) == name or self.ledger.file(_name(listed)) is None:
                    for found in self._read_new(self._take_in(listed), listed, 0):
                        yield _Located(found.file, found.entry, 0, whole)
                        whole = []
            return
        if known.path.is_file():
            changed = known
            known = self._take_in(InputFile(known.name, known.path, known.path.stat().st_size))
            if changed.sha256 != known.sha256 and set(lines) != {None}:
                self.warn(f"{name}: has changed since it was read; only what failed in it is read again")
        for found in self._read(known, 0):
            line = found.entry.line
            if line in lines or (whole and line is not None and line > known.lines) or (whole and line is None):
                yield _Located(found.file, found.entry, 0, lines.get(line, []) if line is not None else whole)

    def _again(self, known: KnownFile, passed: int) -> Iterator[_Located]:
        if known.size != _MISSING:
            yield from self._read(known, passed)
            return
        for listed in list_files([known.name], spool=self.spool, skip=self.out):
            if _name(listed) == known.name:
                yield from self._read_new(known, listed, passed)

    def _read_new(self, known: KnownFile, listed: InputFile | ListingError, passed: int) -> Iterator[_Located]:
        if isinstance(listed, ListingError):
            yield _Located(known, Entry(listed.file, None, listed, 0), passed)
        else:
            yield from self._read(known, passed)

    def _read(self, known: KnownFile, passed: int, *, after: int = 0) -> Iterator[_Located]:
        if not known.path.is_file():
            gone = InputError(f"{known.name}: is gone, expected the file that was here when the job began")
            yield _Located(known, Entry(known.name, None, gone, 0), passed)
            return
        file = InputFile(known.name, known.path, known.size)
        for entry in read_entries(file, self.columns, self.warn, after=after):
            yield _Located(known, entry, passed)

    def _take_in(self, listed: InputFile | ListingError) -> KnownFile:
        if isinstance(listed, ListingError):
            return self.ledger.add_file(listed.file, Path(listed.file), _MISSING, 0, "")
        modified, sha256 = 0, ""
        with contextlib.suppress(OSError):  # reading it says why
            modified, sha256 = listed.path.stat().st_mtime_ns, fingerprint(listed.path)
        return self.ledger.add_file(listed.name, listed.path, listed.size, modified, sha256)


def changed_files(ledger: Ledger) -> Iterator[KnownFile]:
    """Give the input files that are no longer what they were when the job took them in."""
    for known in ledger.files():
        if known.size == _MISSING or not known.path.is_file():
            continue
        found = known.path.stat()
        if (found.st_size, found.st_mtime_ns) != (known.size, known.modified) and known.sha256 != fingerprint(
            known.path
        ):
            yield known


def _where(entry: Entry) -> str:
    return entry.file if entry.line is None else f"{entry.file}:{entry.line}"


def _name(listed: InputFile | ListingError) -> str:
    return listed.file if isinstance(listed, ListingError) else listed.name


def _but_stdin(inputs: Sequence[str]) -> list[str]:
    return [name for name in inputs if name != "-"]
