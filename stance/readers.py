"""What runs on the machines of a cluster: actors that read batches, and the one that they ask before they begin."""

import functools
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import ray

from stance.errors import ModelError, StanceError
from stance.work import Done, Item, ModelFacts, Task, empty, failed, merged
from stance.workers import Crew, facts_here

if TYPE_CHECKING:
    from stance.config import RunConfig

Perform = Callable[["RunConfig", Task], Done]

# A batch with which so many actors have gone is read article by article, and an article likewise is a failure.
_DEATHS = 3


def packed(task: Task) -> dict[str, Any]:
    """Give the row that a reader takes a batch from."""
    pickled = pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
    small = pa.compress(pickled, codec="zstd", asbytes=True)
    return {"batch": task.batch, "size": len(pickled), "task": small, "seconds": task.timeout_seconds}


def unpacked(row: dict[str, Any]) -> tuple[int, Done | StanceError | None]:
    """Give what came of a batch, by its number: None where it was not begun."""
    return row["batch"], pickle.loads(row["came"])  # noqa: S301  of our own actors


class Desk:
    """Where readers ask before they begin: whether to, and how often this was begun and never ended."""

    def __init__(self) -> None:
        self._begun: dict[int, dict[int | None, int]] = {}
        self._stopped = False

    def begin(self, batch: int, place: int | None) -> int:
        """Count a beginning of a batch, or of one of its articles; 0 is the answer where it must not begin."""
        if self._stopped:
            return 0
        times = self._begun.setdefault(batch, {})
        times[place] = times.get(place, 0) + 1
        return times[place]

    def end(self, batch: int, place: int | None) -> None:
        """Forget what has been begun and is over."""
        if place is None:
            self._begun.pop(batch, None)
        else:
            self._begun.get(batch, {}).pop(place, None)

    def stop(self) -> None:
        """Let nothing more begin."""
        self._stopped = True


class Reader:
    """An actor; a process below it reads, as on one machine, so that what kills or hangs it ends in the same way."""

    def __init__(self, settings: "RunConfig", desk: Any, perform: Perform) -> None:
        """Start the process.

        Args:
            settings: Of the run.
            desk: The actor to ask, a `Desk`.
            perform: What to do with settings and batch.
        """
        self._desk = desk
        self._crew = Crew(settings, count=1, perform=perform)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Read the batch of one row of `packed`; gives one for `unpacked`."""
        [row] = rows.to_pylist()
        task: Task = pickle.loads(pa.decompress(row["task"], row["size"], codec="zstd", asbytes=True))  # noqa: S301
        came: Done | StanceError | None
        try:
            came = self._read(task)
        except StanceError as error:
            came = type(error)(f"{ray.util.get_node_ip_address()}: {error}")
        return pa.table({"batch": [task.batch], "came": pa.array([pickle.dumps(came)], pa.binary())})

    def _read(self, task: Task) -> Done | None:
        times = self._begin(task.batch)
        if not times:
            return None
        if times <= _DEATHS:
            done = self._through(task)
        else:
            done = merged(task, [self._piece(task.batch, item) for item in task.items])
        self._desk.end.remote(task.batch, None)
        return done

    def _piece(self, batch: int, item: Item) -> Done:
        piece = Task(item.place, (item,))
        if self._begin(batch, item.place) > _DEATHS:
            reason = f"{_DEATHS} actors of the cluster died on it"
            return empty(piece, [(item.place, failed(item, "crash", reason))])
        done = self._through(piece)
        ray.get(self._desk.end.remote(batch, item.place))
        return done

    def _begin(self, batch: int, place: int | None = None) -> int:
        return int(ray.get(self._desk.begin.remote(batch, place)))

    def _through(self, task: Task) -> Done:
        self._crew.take(task)
        while not (done := self._crew.finished()):
            pass
        return done[0]


def perform_as_expected(settings: "RunConfig", task: Task, *, expected: ModelFacts | None, perform: Perform) -> Done:
    """Read a batch in this process, if its model is the one that is expected.

    Raises:
        ModelError: It is another one.
    """
    if expected is not None:
        _check(settings, expected)
    return perform(settings, task)


@functools.cache
def _check(settings: "RunConfig", expected: ModelFacts) -> None:
    found = facts_here(settings)
    if found != expected:
        raise ModelError(
            f"{settings.model or 'the model that ships'}: is {found}, expected {expected} as where the job was begun; "
            "machines of different kinds need --precision float"
        )
