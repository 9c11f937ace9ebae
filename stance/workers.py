"""The workers of one machine: processes that read batches, and processes that take articles out of pages.

A process each, not a thread: what comes after the network is Python.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stance.errors import InputError, ModelError, StanceError
from stance.pages import Page, extract
from stance.processes import DiedError, Processes
from stance.types import Article
from stance.work import Done, ModelFacts, Task, Worker, empty, failed, merged

if TYPE_CHECKING:
    from stance.config import RunConfig

_Place = TypeVar("_Place")

# So often is the caller of `work` given the word while nothing is finished.
_HEARTBEAT_SECONDS = 0.2
# A batch whose worker died is read once more as it is: what killed the worker may have come from outside.
_TRIES = 2
PAGE_SECONDS = 60.0
_PAGES_AHEAD = 32


@dataclass(slots=True)
class _Pieces:
    """A batch that is read article by article after it killed its worker."""

    task: Task
    left: int
    done: list[Done] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    task: Task
    whole: _Pieces | None = None
    tries: int = 0


def inspect(settings: "RunConfig") -> ModelFacts:
    """Load the model in a process of its own and say which it is.

    Raises:
        ModelError: It cannot be loaded.
    """
    with closing(Processes(1)) as processes:
        try:
            return processes.submit(facts_here, settings).result()
        except DiedError as error:
            raise ModelError(f"the process that loads the model died: {error}") from error


def facts_here(settings: "RunConfig") -> ModelFacts:
    """Say which model this process reads with."""
    return _worker(settings).facts()


def perform_here(settings: "RunConfig", task: Task) -> Done:
    """Read a batch in this process, with a model that is loaded the first time."""
    return _worker(settings)(task)


def work(
    tasks: Iterable[Task],
    settings: "RunConfig",
    *,
    count: int,
    stopping: Callable[[], bool],
    perform: Callable[["RunConfig", Task], Done] = perform_here,
) -> Iterator[Done | None]:
    """Read batches in worker processes.

    Args:
        tasks: Batches; taken one by one, never many more than there are workers.
        settings: Of the run.
        count: Worker processes; each computes on one thread, so that results do not depend on their number.
        stopping: Asked again and again; once true, no more batches are begun, and those in hand are finished.
        perform: What a worker does with settings and batch; a function of a module.

    Yields:
        What came of each batch, in the order in which they are finished; None several times a second, so that the
        caller can look around.

    Raises:
        ModelError: A worker cannot load the model.
        StanceError: Workers die as they start.
    """
    source = iter(tasks)
    with closing(Crew(settings, count=count, perform=perform)) as crew:
        while True:
            while crew.has_room and not stopping() and (task := next(source, None)) is not None:
                crew.take(task)
            if stopping():
                crew.drop_waiting()
            if crew.idle:
                return
            done = crew.finished(_HEARTBEAT_SECONDS)
            yield from done
            if not done:
                yield None


class Crew:
    """Worker processes; decides what becomes of a batch that its worker does not survive.

    Such a batch is read once more as it is, then article by article, so that a culprit fails alone; one that hangs is
    read article by article at once.
    """

    def __init__(
        self,
        settings: "RunConfig",
        *,
        count: int,
        perform: Callable[["RunConfig", Task], Done] = perform_here,
    ) -> None:
        """Start the processes; see `work`."""
        self._settings = settings
        self._count = count
        self._perform = perform
        self._waiting: deque[_Job] = deque()
        self._running: dict[Future[Done], _Job] = {}
        self._processes = Processes(count)

    @property
    def has_room(self) -> bool:
        """Whether to take one more batch: so many that no worker has to wait for its next one."""
        return len(self._running) + len(self._waiting) < 2 * self._count

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._running and not self._waiting

    def take(self, task: Task) -> None:
        """Begin a batch, or keep it until a worker is free."""
        self._waiting.append(_Job(task))
        self._begin()  # at once: the next batch may be long in coming

    def finished(self, seconds: float | None = None) -> list[Done]:
        """Wait so long, or until something comes of a batch; it need not be finished then.

        Raises:
            ModelError: A worker cannot load the model.
            StanceError: Workers die as they start.
        """
        self._begin()
        ready, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        done: list[Done] = []
        for future in ready:
            job = self._running.pop(future)
            error = future.exception()
            if error is None:
                done += _settled(job, future.result())
            elif isinstance(error, StanceError):
                raise error
            else:
                done += _after(error, job, self._waiting)
        return done

    def drop_waiting(self) -> None:
        """Forget what no worker has begun."""
        self._waiting.clear()
        for future in [future for future in self._running if future.cancel()]:
            del self._running[future]

    def close(self) -> None:
        """End the processes, whatever they are at."""
        self._processes.close()

    def _begin(self) -> None:
        while self._waiting and len(self._running) < 2 * self._count:
            job = self._waiting.popleft()
            seconds = job.task.timeout_seconds
            self._running[self._processes.submit(self._perform, self._settings, job.task, timeout=seconds)] = job


def extracted(
    entries: Iterable[tuple[_Place, Article | Page | InputError, str]], *, count: int
) -> Iterator[tuple[_Place, Article | InputError, list[str]]]:
    """Take articles out of pages, in processes of their own, in order.

    Args:
        entries: Anything to keep beside it; an article, a page or an error; and its place for messages.
        count: Processes; none is started before there is a page.

    Yields:
        The same with pages turned into articles, and warnings.
    """
    ahead: deque[tuple[_Place, Article | InputError | _Opened]] = deque()
    with closing(Processes(count)) as processes:
        for kept, found, where in entries:
            if not isinstance(found, Page) and not ahead:
                yield kept, found, []
                continue
            ahead.append((kept, _Opened(processes, found, where) if isinstance(found, Page) else found))
            if len(ahead) > _PAGES_AHEAD * count:
                yield _taken(*ahead.popleft())
        while ahead:
            yield _taken(*ahead.popleft())


class _Opened:
    """A page that is read by a process; one whose reader dies is read once more, as a batch is."""

    def __init__(self, processes: Processes, page: Page, where: str) -> None:
        self._processes, self._page, self._where = processes, page, where
        self._future = self._begin()

    def result(self) -> tuple[Article | InputError, list[str]]:
        for tries in range(_TRIES):
            try:
                return self._future.result()
            except TimeoutError:
                return self._problem(f"a page that takes over {PAGE_SECONDS:.0f} seconds")
            except DiedError:
                if tries < _TRIES - 1:
                    self._future = self._begin()
            except RuntimeError as error:
                return self._problem(f"a page on which its reader failed ({error})")
        return self._problem(f"a page on which its reader died {_TRIES} times")

    def _problem(self, found: str) -> tuple[InputError, list[str]]:
        return InputError(f"{self._where}: {found}, expected HTML"), []

    def _begin(self) -> Future[tuple[Article | InputError, list[str]]]:
        return self._processes.submit(_extract, self._page, self._where, timeout=PAGE_SECONDS)


def _taken(kept: _Place, found: Article | InputError | _Opened) -> tuple[_Place, Article | InputError, list[str]]:
    return (kept, *found.result()) if isinstance(found, _Opened) else (kept, found, [])


def _settled(job: _Job, done: Done) -> list[Done]:
    if job.whole is None:
        return [done]
    job.whole.done.append(done)
    job.whole.left -= 1
    if job.whole.left:
        return []
    return [merged(job.whole.task, sorted(job.whole.done, key=lambda piece: piece.batch))]


def _after(error: BaseException, job: _Job, again: deque[_Job]) -> list[Done]:
    """Decide on a batch that its worker did not survive: once more, in pieces, or the one article is the culprit."""
    hung = isinstance(error, TimeoutError)
    job.tries += 1
    if not hung and job.tries < _TRIES:
        again.append(job)
    elif len(job.task.items) > 1:
        whole = _Pieces(job.task, len(job.task.items))
        # Pieces are numbered by their article's place, to be put together in order.
        again.extend(_Job(Task(item.place, (item,)), whole) for item in job.task.items)
    else:
        [item] = job.task.items
        seconds = job.task.timeout_seconds
        stage, reason = (
            ("timeout", f"not done after {seconds:.0f} seconds")
            if hung
            else ("crash", f"the worker died on it {job.tries} times ({error})")
        )
        return _settled(job, empty(job.task, [(item.place, failed(item, stage, reason))]))
    return []


@functools.cache
def _worker(settings: "RunConfig") -> Worker:
    try:
        return Worker(settings, threads=1)
    except StanceError:
        raise
    except Exception as error:  # of the machine, not of the article that happens to be the first
        raise ModelError(f"the model cannot be loaded: {type(error).__name__}: {error}") from error


def _extract(page: Page, where: str) -> tuple[Article | InputError, list[str]]:
    warnings: list[str] = []
    return extract(page, where, warnings.append), warnings
