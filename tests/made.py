"""Made-up articles in files of every kind, and a reader of them that needs no network: what tests of jobs share."""

import csv
import gzip
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from stance import work
from stance.batch import Engine, Report, State, retry_job, run_job
from stance.config import RunConfig
from stance.types import Article, AttributedQuote, Claim, Failure, Kind, Quote, Span, Stance
from stance.work import Done, ModelFacts, Task

RAISES, DIES, HANGS = "the pipeline raises here", "the worker dies here", "the worker hangs here"
FACTS = ModelFacts("toy", "0" * 64)
_QUOTE = re.compile("“[^”]+”")
_NAMES = ("Nora Feld", "Tomas Brandt", "the harbour board", "Ilse Okoye", "a spokesman for the mill")
_SAID = ("said", "insisted", "wrote", "told the council")
_WHAT = (
    "We will rebuild the bridge before winter",
    "The mayor took the money and hid it",
    "Nobody lied to this house",
    "It was the storm that broke the dam",
    "They closed the school without a word",
)


def article(number: int) -> str:
    """A short text, another one for each number."""
    chance = random.Random(number)  # noqa: S311
    sentences = [
        f"“{chance.choice(_WHAT)}, for the {number * 10 + i}th time,” {chance.choice(_SAID)} {chance.choice(_NAMES)}."
        for i in range(1 + number % 4)
    ]
    return " ".join(sentences) + f" The meeting in hall {number} went on until late.\n"


def page(name: str) -> str:
    """A web page, another one for each name."""
    number = 1000 + sum(map(ord, name))
    body = "".join(f"<p>{article(part)}</p>" for part in (number, 2 * number))
    return f"<html><head><title>Of {name}</title></head><body><nav>Home</nav><article>{body}</article></body></html>"


def lines(path: Path, rows: Iterable[object]) -> Path:
    """Writes JSON Lines; bytes and strings as they are."""
    data = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    packed = b"".join(row + b"\n" for row in data)
    path.write_bytes(gzip.compress(packed, mtime=0) if path.suffix == ".gz" else packed)
    return path


def mixed(folder: Path, size: int = 12, *, pages: bool = True) -> list[str]:
    """Files of every kind, with all that can be wrong in them; gives a job's inputs."""
    for sub in ("a", "b/a", "b/c"):
        (folder / sub).mkdir(parents=True)
    rows: list[object] = [{"id": f"row-{i}", "text": article(i), "date": "2024-05-03", "n": i} for i in range(size)]
    rows[3:3] = ["not json", "", {"id": "row-0", "text": "again"}, {"id": "none"}, {"id": "twin", "text": article(1)}]
    lines(folder / "a" / "rows.jsonl", rows)
    packed = lines(folder / "a" / "packed.jsonl.gz", [{"id": f"gz-{i}", "text": article(100 + i)} for i in range(size)])
    packed.with_name("cut.jsonl.gz").write_bytes(
        lines(folder / "cut.gz", [{"id": f"cut-{i}", "text": article(150 + i)} for i in range(size)]).read_bytes()[:-60]
    )
    (folder / "cut.gz").unlink()
    with (folder / "b" / "table.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerows([["id", "text", "publisher"], *([f"c-{i}", article(200 + i), "Post"] for i in range(size))])
        writer.writerows([["too", "few"], ["c-0", "twice", "Post"]])
    columns = {"id": [f"p-{i}" for i in range(size)], "text": [article(300 + i) for i in range(size)]}
    pq.write_table(pa.table(columns), folder / "b" / "table.parquet", row_group_size=5)
    for i in range(size):
        (folder / "b" / "a" / f"note-{i}.txt").write_text(article(500 + i), encoding="utf-8")
    if pages:
        (folder / "b" / "c" / "bare.html").write_text("<html><body></body></html>", encoding="utf-8")
        for name in ["note-1", *(f"page-{i}" for i in range(size))]:
            (folder / "b" / "c" / f"{name}.html").write_text(page(name), encoding="utf-8")
    (folder / "a" / "note-1.txt").write_text(article(600), encoding="utf-8")
    (folder / "b" / "c" / "note-1.txt").write_text(article(501), encoding="utf-8")  # the text of another
    (folder / "b" / "c" / "empty.txt").write_text(" \n", encoding="utf-8")
    return [str(folder / "a"), str(folder / "missing.txt"), str(folder / "b")]


class Toy:
    """Reads as `stance.pipeline.Pipeline` does: whatever stands in quotation marks is a claim."""

    model = "toy"

    def stream(self, articles: Iterable[Article]) -> Iterator[tuple[Article, list[Claim], bool]]:
        for one in articles:
            if RAISES in one.text:
                raise RuntimeError(f"no sense in {one.text}")
            yield one, [_claim(Span(*match.span())) for match in _QUOTE.finditer(one.text)], True


def toy(settings: RunConfig, task: Task) -> Done:
    """What a worker does with a batch; articles with marked words kill it or hang."""
    for item in task.items:
        if DIES in item.article.text:
            os.kill(os.getpid(), signal.SIGKILL)
        if HANGS in item.article.text:
            time.sleep(600)
    return work.perform(Toy(), task, min_probability=settings.min_probability)  # type: ignore[arg-type]


def in_this_process(perform: Callable[[Task], Done], stopping: Callable[[], bool] = lambda: False) -> Engine:
    """An engine without other processes; hands batches out in an order of its own, as workers do."""

    def run(tasks: Iterable[Task]) -> Iterator[Done | None]:
        source, chance, held = iter(tasks), random.Random(1), list[Task]()  # noqa: S311
        while True:
            while len(held) < 3 and not stopping() and (task := next(source, None)) is not None:
                held.append(task)
            if not held:
                return
            yield perform(held.pop(chance.randrange(len(held))))
            yield None

    return run


class Heard(list[str]):
    """Keeps what a job says."""

    def report(self, tick: Callable[[State], None] = lambda _: None) -> Report:
        return Report(self.append, lambda failure: self.append(failure.reason), tick)


def contents(out: Path) -> dict[str, bytes]:
    """The bytes of all that must not depend on how often a job was stopped."""
    parts = sorted([*out.glob("claims/*"), *out.glob("articles/*")])
    return {str(path.relative_to(out)): path.read_bytes() for path in [*parts, out / "errors.jsonl"]}


def rows(out: Path, kind: str = "articles") -> list[dict[str, object]]:
    return [row for path in sorted(out.glob(f"{kind}/*")) for row in pq.read_table(path).to_pylist()]


def failures(out: Path) -> list[Failure]:
    return [Failure(**json.loads(line)) for line in (out / "errors.jsonl").read_text(encoding="utf-8").splitlines()]


def run(
    out: Path,
    inputs: Iterable[str | Path],
    *,
    engine: Engine | None = None,
    heard: Heard | None = None,
    restart: bool = False,
    facts: ModelFacts = FACTS,
    tick: Callable[[State], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    **settings: object,
) -> State:
    """Runs a job with the toy reader in this process, or with another engine."""

    def prepare(chosen: RunConfig) -> tuple[ModelFacts, Engine]:
        return facts, engine or in_this_process(lambda task: toy(chosen, task), stopping)

    return run_job(
        out,
        [str(one) for one in inputs],
        RunConfig.model_validate({"part_articles": 20} | settings),
        prepare=prepare,
        report=(Heard() if heard is None else heard).report(tick),
        stopping=stopping,
        restart=restart,
    )


def retry(
    out: Path,
    *,
    engine: Engine | None = None,
    heard: Heard | None = None,
    facts: ModelFacts = FACTS,
    tick: Callable[[State], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> State:
    """Tries again what failed; as `run`."""

    def prepare(chosen: RunConfig) -> tuple[ModelFacts, Engine]:
        return facts, engine or in_this_process(lambda task: toy(chosen, task), stopping)

    return retry_job(out, prepare=prepare, report=(Heard() if heard is None else heard).report(tick), stopping=stopping)


def _claim(span: Span) -> Claim:
    quote = AttributedQuote(Quote((span,), None, None, Kind.DIRECT), None)
    return Claim(quote, Stance.OTHER, None, dict(zip(Stance, (0.125, 0.125, 0.25, 0.5), strict=True)))
