"""The workers of a cluster, through Ray Data: rounds of batches, read by actors that load the model once.

A round is a dataset of as many batches as keep the cluster busy for some minutes; while it is read, the next one is
collected. A node that is lost costs what its actors were at: Ray begins these batches again on another one, and where
it gives up a round, what has not come back goes into a new one.
"""

import functools
import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray
import ray.data
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from stance.errors import ConfigError, StanceError
from stance.readers import Desk, Perform, Reader, packed, perform_as_expected, unpacked
from stance.work import Done, ModelFacts, Task
from stance.workers import perform_here

if TYPE_CHECKING:
    from stance.config import RunConfig

# What a round's thread hands over: what came of a batch, an error of Ray, or None at the end.
_Came = tuple[int, Done | StanceError | None] | Exception | None

# A round is so many batches for each actor: with two to five seconds a batch, the few seconds that an actor takes to
# start are 1 to 4% of it. On a large cluster the characters bound it: two rounds of them (one is read, one collected)
# are, compressed, about 3 GB of this process's memory.
ROUND_BATCHES = 100
ROUND_CHARS = 2_000_000_000
# A round that is not full begins after so many seconds of collecting.
COLLECT_SECONDS = 10.0
# Readers that share a GPU: what comes after the network is Python, so one alone leaves it idle.
READERS_A_GPU = 4
# So often may Ray give up rounds before any batch comes back, with a pause after each.
_TROUBLES = 5
_TROUBLE_SECONDS = 3.0
# Ray gives up a round in which nothing has happened for so long, and so many times the time that its longest batch has.
_STALL_SECONDS = 1800.0
_STALL_TIMEOUTS = 3
_HEARTBEAT_SECONDS = 0.2
_AHEAD = 256
# A thread that waits for its next batch is left to itself after so long.
_CLOSE_SECONDS = 2.0
_ANSWER_SECONDS = 10.0


def work_on_ray(
    tasks: Iterable[Task],
    *,
    settings: "RunConfig",
    stopping: Callable[[], bool],
    expected: ModelFacts | None = None,
    perform: Perform = perform_here,
) -> Iterator[Done | None]:
    """Read batches on a cluster; see `stance.workers.work`.

    Args:
        tasks: Batches; taken one by one, up to a round more than those that are read.
        settings: Of the run. Without `ray_address` a cluster is started on this machine, and ended afterwards.
        stopping: Asked again and again; once true, no more batches are begun, and those in hand are finished.
        expected: Which model the readers must find on their machines; None takes any.
        perform: What a reader does with settings and batch; a function of a module.

    Yields:
        What came of each batch, in the order in which they are finished; None several times a second, so that the
        caller can look around.

    Raises:
        ConfigError: No cluster answers at the address.
        ModelError: A machine cannot load the model, or has another one.
        StanceError: The cluster fails again and again before anything is finished.
    """
    with _connected(settings), closing(_Cluster(settings, expected, perform)) as cluster:
        try:
            yield from _rounds(iter(tasks), cluster, stopping)
        except RayError as error:
            raise StanceError(f"the Ray cluster is lost: {_first_line(error)}; what is done is safe") from error


def _rounds(source: Iterator[Task], cluster: "_Cluster", stopping: Callable[[], bool]) -> Iterator[Done | None]:
    following, current, ended = _Collected(), None, False
    while True:
        if stopping() and not cluster.stopped:
            cluster.stop()
            following, ended = _Collected(), True
        if current is None and following.batches and (ended or following.ripe(cluster.slots)):
            current, following = cluster.begin(following.batches), _Collected()
        if current is None and ended:
            return
        waits = ended or following.full(cluster.slots)
        done = None
        if current is not None:
            try:
                done = current.finished(_HEARTBEAT_SECONDS if waits else 0.0)
            except _RoundError as error:
                current = None if cluster.stopped else cluster.again(current, error)
            else:
                current = None if current.over else current
        # What has come back goes first, so that the cluster never waits for a slow input.
        if done is None and not waits:
            ended = not following.take(source)
        yield done


@dataclass(slots=True)
class _Collected:
    """Batches of the next round, by their numbers, as rows of its dataset."""

    batches: dict[int, dict[str, Any]] = field(default_factory=dict)
    chars: int = 0
    since: float = field(default_factory=time.monotonic)

    def take(self, source: Iterator[Task]) -> bool:
        """Add the next batch; False where there is none."""
        task = next(source, None)
        if task is None:
            return False
        self.batches[task.batch] = packed(task)
        self.chars += sum(len(item.article.text) for item in task.items)
        return True

    def full(self, slots: int) -> bool:
        return len(self.batches) >= ROUND_BATCHES * slots or self.chars >= ROUND_CHARS

    def ripe(self, slots: int) -> bool:
        return self.full(slots) or time.monotonic() - self.since > COLLECT_SECONDS


class _RoundError(Exception):
    """Ray has given up a round."""


class _Cluster:
    """What all rounds of a job have in common.

    Attributes:
        slots: Readers for which there is room; at least one, for which a cluster can make room.
        stopped: Whether no more batches may begin.
    """

    def __init__(self, settings: "RunConfig", expected: ModelFacts | None, perform: Perform) -> None:
        present = ray.cluster_resources().get("GPU", 0) > 0
        self._gpu = settings.device == "cuda" or (settings.device == "auto" and present)
        self._settings = settings.model_copy(
            update={
                "device": "cuda" if self._gpu else "cpu",
                # Actors work in folders of their own.
                "model": settings.model and settings.model.resolve(),
            }
        )
        self._perform = functools.partial(perform_as_expected, expected=expected, perform=perform)
        self._desk: Any = None
        self._current: _Round | None = None
        self._troubles = 0
        self.slots = self._count_slots()
        self.stopped = False

    def begin(self, batches: dict[int, dict[str, Any]], *, after_seconds: float = 0.0) -> "_Round":
        """Begin to read a round; the one before is over or given up."""
        self.close()
        # Beside this process, so that no other machine's end is the desk's.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here).remote()
        self.slots = self._count_slots()
        most = min(len(batches), self._settings.workers or len(batches))
        self._current = _Round(
            batches,
            after_seconds,
            fn_constructor_args=(self._settings, self._desk, self._perform),
            # From one reader, which suffices to go on, to as many as a cluster that grows has room for.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(self.slots, most)),
            num_gpus=1 / READERS_A_GPU if self._gpu else 0,
        )
        return self._current

    def again(self, given_up: "_Round", error: Exception) -> "_Round":
        """Begin again what has not come back.

        Raises:
            StanceError: This has been done often enough.
        """
        self._troubles = 1 if given_up.finished_any else self._troubles + 1
        if self._troubles > _TROUBLES:
            raise StanceError(
                f"the Ray cluster failed {self._troubles} times before it finished a batch: {error}; what is done is "
                "safe: run the same command again"
            ) from error
        return self.begin(given_up.left, after_seconds=_TROUBLE_SECONDS)

    def stop(self) -> None:
        """Let no more batches begin."""
        self.stopped = True
        if self._desk is not None:
            with suppress(RayError):  # a desk that is gone lets nothing begin either
                ray.get(self._desk.stop.remote())

    def close(self) -> None:
        """End the round that is read."""
        if self._current is not None:
            self._current.close()

    def _count_slots(self) -> int:
        found = ray.cluster_resources()
        slots = int(found.get("CPU", 0))
        if self._gpu:
            slots = min(slots, int(READERS_A_GPU * found.get("GPU", 0)))
        return max(1, min(slots, self._settings.workers or slots))


class _Round:
    """A dataset that is read: by a thread of its own, so that whoever waits for it can look around."""

    def __init__(self, batches: dict[int, dict[str, Any]], after_seconds: float, **readers: Any) -> None:
        self.left = dict(batches)
        self.finished_any = False
        self.over = False
        self._came: queue.Queue[_Came] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        call = (list(batches.values()), after_seconds, readers)
        self._thread = threading.Thread(target=self._iterate, args=call, daemon=True)
        self._thread.start()

    def finished(self, seconds: float) -> Done | None:
        """Wait so long for the next batch to come back.

        Raises:
            ModelError: A machine cannot load the model.
            StanceError: Its workers die before they do anything.
            _RoundError: Ray has given up; what is in `left` has not come back.
        """
        try:
            came = self._came.get(timeout=seconds) if seconds else self._came.get_nowait()
        except queue.Empty:
            return None
        if isinstance(came, Exception):
            raise _RoundError(f"{type(came).__name__}: {_first_line(came)}") from came
        if came is None:
            self.over = True
            if self.left:
                raise _RoundError(f"{len(self.left)} batches have not come back")
            return None
        batch, found = came
        if isinstance(found, StanceError):
            raise found
        if self.left.pop(batch, None) is None or found is None:
            return None
        self.finished_any = True
        return found

    def close(self) -> None:
        """End it, whatever it is at."""
        self._closed.set()
        self._thread.join(_CLOSE_SECONDS)

    def _iterate(self, rows: list[dict[str, Any]], after_seconds: float, readers: dict[str, Any]) -> None:
        if self._closed.wait(after_seconds):
            return
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.print_on_execution_start = False
            # A reader gives a batch that kills or hangs it up by itself; but Ray may wait for readers that never come.
            longest = max(row["seconds"] for row in rows)
            context.execution_no_progress_timeout_s = _STALL_SECONDS + _STALL_TIMEOUTS * longest
            came = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                Reader, batch_size=1, batch_format="pyarrow", num_cpus=1, **readers
            )
            for row in came.iter_rows():
                self._put(unpacked(row))
                if self._closed.is_set():
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, came: _Came) -> None:
        while not self._closed.is_set():
            try:
                return self._came.put(came, timeout=_HEARTBEAT_SECONDS)
            except queue.Full:
                continue


@contextmanager
def _connected(settings: "RunConfig") -> Iterator[None]:
    """Join a cluster or start one here, quietly, unless this process has one; leave or end it afterwards."""
    if ray.is_initialized():
        yield
        return
    address = settings.ray_address
    if address is not None:
        _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # What Ray has to say of lost nodes and of batches begun again is not for the person at the terminal.
    ray._private.worker._worker_logs_enabled = False
    start = {"num_cpus": settings.processes, "include_dashboard": False} if address is None else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with _hushed():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **start)
    except Exception as error:
        where = "Ray cannot be started on this machine" if address is None else f"--ray-address {address}"
        raise ConfigError(f"{where}: {_first_line(error)}") from error
    finally:
        # Ray ends the process on SIGTERM; what a job does then is the caller's.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Find out at once what Ray needs minutes for: that nobody is there."""
    wanted = "expected HOST:PORT of a Ray cluster's head, or auto, on one of the cluster's machines"
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ConfigError(f"--ray-address {address}: {wanted}")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--ray-address {address}: nobody answers there ({error}), {wanted}") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep off the terminal what Ray's own core, which is no Python, writes to it when it starts."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
