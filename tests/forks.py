"""Runs the command line in forks of one process that has imported all it needs, so that a test can have many of them.

Reads from standard input a JSON object a line: `arguments` of `stance`, `log` for what it prints, `pause` in seconds
that each batch takes, `workers` (0: none, it reads by itself), `file_bytes` that a file may have at most, `stdin`.
Answers with the number of the process, which leads a group of its own, and at its end with its exit code.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from made import FACTS, in_this_process, toy

from stance import cli, plan
from stance.batch import Engine
from stance.config import RunConfig
from stance.work import Done, ModelFacts, Task
from stance.workers import work

PAUSE = "STANCE_TEST_PAUSE"
# Imported before the first fork, not in each.
for module in ("stance.export", "stance.summary", "trafilatura", "duckdb"):
    importlib.import_module(module)


def slow_toy(settings: RunConfig, task: Task) -> Done:
    pause = float(os.environ[PAUSE])
    if pause > 1:
        os.write(1, b"a batch is in hand\n")
    time.sleep(pause)
    return toy(settings, task)


def run(order: dict[str, Any]) -> None:
    os.setpgid(0, 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    stdin = os.open(order.get("stdin") or os.devnull, os.O_RDONLY)
    for source, target in ((stdin, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ[PAUSE] = str(order.get("pause", 0))
    if "file_bytes" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], resource.RLIM_INFINITY))
    workers = order.get("workers", 0)

    def prepare(settings: RunConfig, stopping: list[int]) -> tuple[ModelFacts, Engine]:
        def asked() -> bool:
            return bool(stopping)

        if workers:
            return FACTS, lambda tasks: work(tasks, settings, count=workers, stopping=asked, perform=slow_toy)
        return FACTS, in_this_process(lambda task: slow_toy(settings, task), asked)

    plan.BATCH_ENTRIES = 4
    cli._prepare = prepare
    cli.app(order["arguments"], prog_name="stance")


def in_a_fork(order: dict[str, Any], act: Callable[[dict[str, Any]], None]) -> int:
    number = os.fork()
    if number:
        return number
    code = 70
    try:
        act(order)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    for line in sys.stdin:
        number = in_a_fork(json.loads(line), run)
        print(number, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
