"""How fast jobs are: one worker, two, and Ray on this machine, each as a ratio to one worker in the same run.

And what a batch costs where the job itself runs, which bounds how large a cluster one job can keep busy.
"""

import functools
import json
import os
import pickle
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

import stance
from stance.batch import Engine, Report, run_job
from stance.config import RunConfig
from stance.errors import StanceError
from stance.plan import BATCH_CHARS
from stance.types import Article, Failure
from stance.work import Done, Item, ModelFacts, Task
from stance.workers import inspect, perform_here, work
from training.annotations import read_annotated

_CORPUS = Path(__file__).parent / "corpus"
# Name, engine and workers; the first is what the others are compared with.
ENGINES = (("one worker", "local", 1), ("two workers", "local", 2), ("Ray, two workers", "ray", 2))


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one engine did.

    Attributes:
        name: Of the engine.
        workers: Its readers.
        speeds: Articles a second of each turn once warm: from when as many batches as there are workers were
            finished to the last one.
        ratios: Of these speeds to those of the first engine in the same turn.
        start_seconds: Until the first batch was finished, of each turn.
    """

    name: str
    workers: int
    speeds: tuple[float, ...]
    ratios: tuple[float, ...]
    start_seconds: tuple[float, ...]


def job_throughput(
    settings: RunConfig, *, articles: int = 2000, turns: int = 2, tick: Callable[[str, int], None]
) -> list[Throughput]:
    """Measure whole jobs: reading files, tokenising, network, decoding, writing.

    Args:
        settings: Model, device and batch size.
        articles: Of each job.
        turns: So often every engine has its turn; the next turn begins with the next engine.
        tick: Called with the engine's name and the articles done in its job.

    Returns:
        One result an engine, in the order of `ENGINES`.

    Raises:
        StanceError: An article failed.
    """
    model = inspect(settings)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in ENGINES}
    with tempfile.TemporaryDirectory(prefix="stance-bench-") as folder:
        source = Path(folder) / "articles.jsonl"
        write_articles(source, articles)
        for turn in range(turns):
            for name, kind, workers in islice(cycle(ENGINES), turn, turn + len(ENGINES)):
                chosen = settings.model_copy(update={"engine": kind, "workers": workers})
                out = Path(folder) / f"{turn}-{name}"
                measured[name].append(_measure(out, source, chosen, model, partial(tick, name)))
    first = measured[ENGINES[0][0]]
    return [
        Throughput(
            name,
            workers,
            tuple(speed for speed, _ in measured[name]),
            tuple(speed / base for (speed, _), (base, _) in zip(measured[name], first, strict=True)),
            tuple(start for _, start in measured[name]),
        )
        for name, _, workers in ENGINES
    ]


def driver_seconds(settings: RunConfig, *, articles: int = 20_000) -> dict[str, float]:
    """Measure what the process of a job does itself, while workers answer at once: reads, plans, stores, writes parts.

    Args:
        settings: Model, device and batch size; the model reads one batch, and its result is that of all.
        articles: Of each job.

    Returns:
        Seconds of processor time for a batch of the job's own process, by engine.
    """
    model, seconds = inspect(settings), dict[str, float]()
    with tempfile.TemporaryDirectory(prefix="stance-bench-") as folder:
        source, sample = Path(folder) / "articles.jsonl", Path(folder) / "sample.pickle"
        write_articles(source, articles)
        [done] = filter(None, work([_first_batch(source)], settings, count=1, stopping=lambda: False))
        sample.write_bytes(pickle.dumps(done))
        answer = partial(_answer, sample=str(sample))
        for kind in ("local", "ray"):
            chosen = settings.model_copy(update={"engine": kind, "workers": 2})
            finished = _run(Path(folder) / kind, source, chosen, model, answer, lambda done: None)
            warm = len(finished) // 10
            spent = finished[-1].processor_seconds - finished[warm].processor_seconds
            seconds[kind] = spent / (len(finished) - 1 - warm)
    return seconds


def write_articles(path: Path, number: int) -> None:
    """Write so many articles: our own corpus again and again, each time with other ids and other first lines."""
    corpus = [annotated.article for annotated in read_annotated(sorted(_CORPUS.glob("*.jsonl")))]
    with path.open("w", encoding="utf-8") as lines:
        for i, article in enumerate(islice(cycle(corpus), number)):
            row = {"id": f"{i}-{article.id}", "text": f"Edition {i}\n{article.text}"}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def report(measured: Sequence[Throughput], driver: Mapping[str, float]) -> Iterator[Table]:
    """Give the tables for people: medians over the turns, and `driver_seconds`."""
    table = Table(title="Jobs, once warm", title_justify="left")
    for column in ("engine", "articles/s", "ratio to one worker", "first batch after"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    for one in measured:
        speed, ratio, start = median(one.speeds), median(one.ratios), median(one.start_seconds)
        table.add_row(one.name, f"{speed:.2f}", f"{ratio:.2f}", f"{start:.1f} s")
    yield table
    table = Table(title="A batch in the job's own process", title_justify="left")
    table.add_column("engine")
    table.add_column("processor time", justify="right")
    for kind, seconds in driver.items():
        table.add_row(kind, f"{1000 * seconds:.1f} ms")
    yield table


def machine() -> dict[str, Any]:
    """Say what was measured on."""
    packages = ("torch", "transformers", "tokenizers", "ray")
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {"stance": stance.__version__} | {name: version(name) for name in packages},
    }


def _first_batch(source: Path) -> Task:
    items: list[Item] = []
    with source.open(encoding="utf-8") as lines:
        for place, row in enumerate(map(json.loads, lines)):
            items.append(Item(Article(row["id"], row["text"]), str(source), place + 1, "0" * 64, None, place))
            if sum(len(item.article.text) for item in items) >= BATCH_CHARS:
                break
    return Task(0, tuple(items))


@dataclass(frozen=True, slots=True)
class _Finished:
    """A batch that has come back: when, by the clock and by this process's processor time, and its articles."""

    seconds: float
    processor_seconds: float
    articles: int


def _measure(
    out: Path, source: Path, settings: RunConfig, model: ModelFacts, tick: Callable[[int], None]
) -> tuple[float, float]:
    """Run a job; give its articles a second once warm, and the seconds until its first batch."""
    began, warm = time.monotonic(), settings.processes
    finished = _run(out, source, settings, model, perform_here, tick)
    if len(finished) <= warm:
        raise StanceError(f"{len(finished)} batches for {warm} workers, expected more articles to measure with")
    seconds = finished[-1].seconds - finished[warm - 1].seconds
    return sum(one.articles for one in finished[warm:]) / seconds, finished[0].seconds - began


def _run(
    out: Path,
    source: Path,
    settings: RunConfig,
    model: ModelFacts,
    perform: Callable[[RunConfig, Task], Done],
    tick: Callable[[int], None],
) -> list[_Finished]:
    finished: list[_Finished] = []

    def fail(failure: Failure) -> None:
        raise StanceError(failure.reason)

    def watched(tasks: Iterable[Task]) -> Iterator[Done | None]:
        with closing(_engine(settings, model, perform)(tasks)) as results:  # type: ignore[type-var]
            for done in results:
                if done is not None:
                    finished.append(_Finished(time.monotonic(), time.process_time(), done.counts[0]))
                yield done

    run_job(
        out,
        [str(source)],
        settings,
        prepare=lambda _: (model, watched),
        report=Report(warn=lambda message: None, fail=fail, tick=lambda state: tick(state.counts.articles)),
        stopping=lambda: False,
    )
    return finished


def _engine(settings: RunConfig, model: ModelFacts, perform: Callable[[RunConfig, Task], Done]) -> Engine:
    def engine(tasks: Iterable[Task]) -> Iterator[Done | None]:
        if settings.engine == "ray":
            from stance.cluster import work_on_ray

            return work_on_ray(tasks, settings=settings, stopping=lambda: False, perform=perform)
        return work(tasks, settings, count=settings.processes, stopping=lambda: False, perform=perform)

    return engine


def _answer(settings: RunConfig, task: Task, *, sample: str) -> Done:
    """Give the result of another batch at once."""
    return replace(_kept(sample), batch=task.batch)


@functools.cache
def _kept(sample: str) -> Done:
    kept: Done = pickle.loads(Path(sample).read_bytes())  # noqa: S301  our own, of a moment ago
    return kept
