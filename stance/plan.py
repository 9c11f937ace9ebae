"""Cuts a job's input into batches: the same cuts whenever the same input is read again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from stance.errors import InputError
from stance.formats import Entry
from stance.intake import Intake, Located
from stance.ledger import Cut, Ledger
from stance.types import Article, Failure
from stance.work import Item, Task
from stance.workers import extracted

# A batch is so many articles or characters: some seconds of work, and enough to fill the network's batches.
BATCH_ENTRIES, BATCH_CHARS = 64, 100_000
# A part ends at so many characters even where its articles are few.
PART_CHARS = 64_000_000


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
        after: Of failures that are the last of their file, by place: see `stance.ledger.Failed`.
    """

    batch: int
    items: list[Item] = field(default_factory=list)
    failures: list[tuple[int, Failure]] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    reached: int = 0
    entries: int = 0
    chars: int = 0
    after: dict[int, int] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The work in it."""
        return Task(self.batch, tuple(self.items))


@dataclass(slots=True)
class Plan:
    """Plans one job.

    Attributes:
        ledger: What the job has done.
        intake: What it reads.
        part_articles: A part ends at so many articles and failures.
        processes: Take articles out of pages.
        warn: Called with what is worth knowing.
    """

    ledger: Ledger
    intake: Intake
    part_articles: int
    processes: int
    warn: Callable[[str], None]

    def batches(self, inputs: Sequence[str]) -> Iterator[Planned]:
        """Give the batches of the input that are not done."""
        first = self.ledger.next_batch()
        self.ledger.seen.forget_from(first)
        yield from self._cut(first, self.intake.entries(inputs, self.ledger.reached(first)))

    def retries(self, since: int) -> Iterator[Planned]:
        """Give batches of the articles that failed in the batches before `since`; go on where a retry stopped."""
        first = self.ledger.next_batch()
        reached = self.ledger.reached(first, since=since, retry=True)
        yield from self._cut(first, self.intake.failed(since, reached), retry=True)

    def _cut(self, batch: int, located: Iterable[Located], *, retry: bool = False) -> Iterator[Planned]:
        planned, old = Planned(batch), self.ledger.planned(batch)
        found = extracted(((place, place.entry.found, _where(place.entry)) for place in located), count=self.processes)
        for place, article, warnings in found:
            for message in warnings:
                self.warn(message)
            self._add(planned, place, article)
            full = planned.entries >= BATCH_ENTRIES or planned.chars >= BATCH_CHARS
            if old and planned.entries == old[0].entries and (old[0].file, old[0].line) != _end(place):
                self._cut_anew(batch)
                old = None
            if planned.entries == old[0].entries if old else full:
                yield from self._close(planned, place, old, retry=retry)
                batch += 1
                planned, old = Planned(batch), self.ledger.planned(batch)
        if old:
            self._cut_anew(batch)
            old = None
        if planned.entries:
            yield from self._close(planned, place, old, retry=retry)

    def _cut_anew(self, batch: int) -> None:
        """Forget where this batch and later ones were cut: the input is not what it was then."""
        self.ledger.drop_cuts(batch)
        self.ledger.seen.forget_from(batch + 1)

    def _add(self, planned: Planned, place: Located, found: Article | InputError) -> None:
        entry, at = place.entry, planned.entries
        planned.entries += 1
        planned.retried += place.retried
        planned.reached = place.passed + entry.offset
        self.ledger.readmit(place.retried)
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
        if place.after is not None:
            planned.after[at] = place.after
        planned.failures.append((at, Failure(name, entry.file, entry.line, stage, str(found))))

    def _close(
        self, planned: Planned, last: Located, old: tuple[Cut, bool] | None, *, retry: bool
    ) -> Iterator[Planned]:
        if old is None:
            part = self.ledger.open_part(self.part_articles, PART_CHARS)
            self.ledger.plan(Cut(planned.batch, part, *_end(last), planned.entries, planned.chars, retry))
        if old is None or not old[1]:
            yield planned


def _end(place: Located) -> tuple[int, int | None]:
    return place.file.file, place.entry.line


def _where(entry: Entry) -> str:
    return entry.file if entry.line is None else f"{entry.file}:{entry.line}"
