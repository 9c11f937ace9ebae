"""The workers of one machine: processes that read batches, and processes that take articles out of pages.

A process each, not a thread: what comes after the network is Python. Pebble's pool tells which batch a worker died
on, and ends one that hangs.
"""

import functools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pebble import ProcessPool

from stance.errors import InputError, ModelError, StanceError
from stance.pages import Page, extract
from stance.types import Article
from stance.work import Done, ModelFacts, Task, Worker, empty, failed, merged

if TYPE_CHECKING:
    from stance.config import RunConfig

_Place = TypeVar("_Place")

# So often is the caller of `work` given the word while nothing is finished.
_HEARTBEAT_SECONDS = 0.2
# A batch whose worker died is read once more as it is: what killed the worker may have come from outside.
_TRIES = 2
# So often may the whole pool break before any batch is finished.
_BREAKS = 5
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
    with ProcessPool(1, context=_context(), initializer=_ignore_interrupts) as pool:
        try:
            return pool.schedule(facts_here, (settings,)).result()
        except (BrokenExecutor, OSError) as error:
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
        StanceError: Workers die before they do anything.
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
        self._breaks = 0
        self._pool = _pool(count)

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

    def finished(self, seconds: float | None = None) -> list[Done]:
        """Wait so long, or until something comes of a batch; it need not be finished then.

        Raises:
            ModelError: A worker cannot load the model.
            StanceError: Workers die before they do anything.
        """
        self._begin()
        ready, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        done: list[Done] = []
        broken = False
        for future in ready:
            job = self._running.pop(future)
            error = future.exception()
            if error is None:
                self._breaks = 0
                done += _settled(job, future.result())
            elif isinstance(error, BrokenExecutor):
                broken = True
                self._waiting.append(job)
            elif isinstance(error, ModelError):
                raise error
            else:
                done += _after(error, job, self._waiting)
        if broken:
            self._renew()
        return done

    def drop_waiting(self) -> None:
        """Forget what no worker has begun."""
        self._waiting.clear()
        for future in [future for future in self._running if not future.running() and not future.done()]:
            future.cancel()
            del self._running[future]

    def close(self) -> None:
        """End the processes, whatever they are at."""
        _end(self._pool)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < 2 * self._count:
            task = self._waiting[0].task
            try:
                begun = self._pool.schedule(self._perform, (self._settings, task), timeout=task.timeout_seconds)
            except (BrokenExecutor, RuntimeError):
                self._renew()
            else:
                self._running[begun] = self._waiting.popleft()

    def _renew(self) -> None:
        """Replace a pool that broke, which tells nothing of the batches that it was at."""
        self._breaks += 1
        if self._breaks > _BREAKS:
            raise StanceError(f"worker processes died {self._breaks} times before they finished a batch; see dmesg")
        self._waiting.extend(self._running.values())
        self._running.clear()
        _end(self._pool)
        self._pool = _pool(self._count)


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
    with closing(_PageReaders(count)) as readers:
        for kept, found, where in entries:
            if not isinstance(found, Page) and not ahead:
                yield kept, found, []
                continue
            ahead.append((kept, readers.open(found, where) if isinstance(found, Page) else found))
            if len(ahead) > _PAGES_AHEAD * count:
                kept, waiting = ahead.popleft()
                yield kept, *readers.read(waiting)
        for kept, waiting in ahead:
            yield kept, *readers.read(waiting)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A page that a process is at."""

    page: Page
    where: str
    future: Future[tuple[Article | InputError, list[str]]]


class _PageReaders:
    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPool | None = None

    def open(self, page: Page, where: str) -> _Opened:
        for _ in range(_BREAKS):
            self._pool = self._pool or _pool(self._count)
            try:
                return _Opened(page, where, self._pool.schedule(_extract, (page, where), timeout=PAGE_SECONDS))
            except (BrokenExecutor, RuntimeError):
                self.close()
        raise StanceError(f"processes that read web pages died {_BREAKS} times before they read one; see dmesg")

    def read(self, found: Article | InputError | _Opened) -> tuple[Article | InputError, list[str]]:
        """Wait for a page; one whose reader dies is read once more, as a batch is."""
        if not isinstance(found, _Opened):
            return found, []
        deaths = 0
        for _ in range(_TRIES + _BREAKS):
            try:
                return found.future.result()
            except TimeoutError:
                slow = f"{found.where}: a page that takes over {PAGE_SECONDS:.0f} seconds, expected HTML"
                return InputError(slow), []
            except BrokenExecutor:
                pass  # the pool broke, which tells nothing of this page
            except Exception:
                deaths += 1
                if deaths == _TRIES:
                    break
            found = self.open(found.page, found.where)
        return InputError(f"{found.where}: a page on which its reader died, expected HTML"), []

    def close(self) -> None:
        if self._pool is not None:
            _end(self._pool)
            self._pool = None


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


def _pool(count: int) -> ProcessPool:
    return ProcessPool(count, context=_context(), initializer=_ignore_interrupts)


def _context() -> Any:
    # Spawned, not forked: a fork of a process with threads may hang.
    return multiprocessing.get_context("spawn")


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _ignore_interrupts() -> None:
    # Ctrl-C reaches every process of a terminal; only the job's own decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
