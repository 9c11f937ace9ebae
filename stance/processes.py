"""Processes that run functions, each behind a pipe of its own: one that dies takes nothing along but what it is at.

Pools that share a queue between their processes share its locks too: a process that is killed while it holds one
takes the whole pool with it, or leaves it waiting for ever.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from stance.errors import StanceError

_Result = TypeVar("_Result")

# So often may a process die as it starts, before any function of ours is in it.
_STARTS = 5
# These reach whole groups of processes; only the job's own decides what they mean.
_IGNORED = (signal.SIGINT, signal.SIGTERM)


class DiedError(Exception):
    """The process died while it ran the function; the message says how."""


class Processes:
    """So many processes at most, started as they are needed; a thread of this process waits for each.

    A function is one of a module; it and its arguments, result and errors travel pickled. Of its errors only
    `StanceError` come back as they are, others as a `RuntimeError` with their names.
    """

    def __init__(self, count: int) -> None:
        """Start nothing yet."""
        # Spawned, not forked: a fork of a process with threads may hang.
        self._context = multiprocessing.get_context("spawn")
        self._threads = ThreadPoolExecutor(count)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[_Process] = set()
        self._closed = False

    def submit(
        self, function: Callable[..., _Result], *arguments: Any, timeout: float | None = None
    ) -> "Future[_Result]":
        """Run a function as soon as a process is free.

        Args:
            function: See above.
            arguments: Of it.
            timeout: Seconds after which its process is ended; they run from when it begins.

        Returns:
            What will hold the result, or one of these errors: `DiedError`; `TimeoutError`; `StanceError` of the
            function, or where processes die as they start.
        """
        return self._threads.submit(self._run, function, arguments, timeout)

    def close(self) -> None:
        """End all processes at once; what waits is not begun."""
        with self._lock:
            self._closed = True
            for process in self._all:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float | None) -> Any:
        for _ in range(_STARTS):
            process = self._process()
            try:
                process.send((function, arguments))
            except OSError:
                self._drop(process)  # it died while it had nothing to do
                continue
            try:
                process.receive(None)  # it says that it has the function, for which it may have to import much
                return process.receive(timeout)
            except (DiedError, TimeoutError):
                self._drop(process)
                raise
        raise StanceError(f"processes died {_STARTS} times before they did anything; the system's log may say why")

    def _process(self) -> "_Process":
        process: _Process | None = getattr(self._mine, "process", None)
        if process is not None:
            return process
        for _ in range(_STARTS):
            with self._lock:
                if self._closed:
                    raise StanceError("these processes have been ended")
                process = _Process(self._context)
                self._all.add(process)
            try:
                process.receive(None)  # it says when it is ready
            except DiedError as error:
                self._drop(process)
                how = error
            else:
                self._mine.process = process
                return process
        raise StanceError(f"processes died {_STARTS} times as they started ({how}); the system's log may say why")

    def _drop(self, process: "_Process") -> None:
        with self._lock:
            process.kill()
            self._all.discard(process)
        self._mine.process = None


class _Process:
    def __init__(self, context: Any) -> None:
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        # Signals of this thread are blocked for good, and so they are in the process until it can ignore them.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        self._process.start()
        theirs.close()  # so that the pipe breaks when the process ends

    def send(self, call: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
        self._pipe.send(call)

    def receive(self, timeout: float | None) -> Any:
        try:
            if not self._pipe.poll(timeout):
                raise TimeoutError
            good, value = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise DiedError(f"exit code {self._process.exitcode}") from None
        if good:
            return value
        raise value

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    """Run what comes through the pipe until it breaks."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send((True, None))
    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        except Exception as error:
            pipe.send((False, RuntimeError(f"{type(error).__name__}: {error}")))
            continue
        pipe.send((True, None))
        try:
            answer: tuple[bool, Any] = True, function(*arguments)
        except StanceError as error:
            answer = False, error
        except Exception as error:
            answer = False, RuntimeError(f"{type(error).__name__}: {error}")
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
