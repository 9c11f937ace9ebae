"""A job: any number of articles into a folder, resumable, in bounded memory, with what failed set apart."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import stance
from stance.config import RunConfig
from stance.errors import ConfigError, StanceError
from stance.folder import KINDS, SPOOL, append_errors, drop_parts_from, opened, part_path, write_about, write_errors
from stance.intake import Intake, changed_files, differs_from_stdin
from stance.ledger import Counts, Ledger
from stance.parquet import SCHEMAS, write_part
from stance.plan import Plan, Planned
from stance.types import Failure
from stance.work import Done, ModelFacts, Task, empty, stored_tables

JOB_FORMAT = 1
# What else decides over the output: a job may go on with other settings (workers, engine), but not with these.
_SETTINGS = ("device", "batch_size", "precision", "min_probability", "columns", "part_articles")
_PACKAGES = ("torch", "transformers", "tokenizers", "trafilatura", "pyarrow")

_RETRYING = "retrying"

Engine = Callable[[Iterable[Task]], Iterator[Done | None]]


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is.

    Attributes:
        name: `running`, `finished` or `interrupted`.
        counts: What is done in all.
        before: What was done when this command began.
        seconds: Since then.
        bytes_done, bytes_before, bytes_total: Of the input files, but for standard input.
    """

    name: str
    counts: Counts
    before: Counts
    seconds: float
    bytes_done: int
    bytes_before: int
    bytes_total: int


@dataclass(frozen=True, slots=True)
class Report:
    """Whom a job tells what happens.

    Attributes:
        warn: Something is worth knowing.
        fail: An article could not be read.
        tick: The job is alive; called several times a second.
    """

    warn: Callable[[str], None]
    fail: Callable[[Failure], None]
    tick: Callable[[State], None]


class TooManyFailuresError(StanceError):
    """More articles failed than the user allows."""


def run_job(
    out: Path,
    inputs: Sequence[str],
    settings: RunConfig,
    *,
    prepare: Callable[[RunConfig], tuple[ModelFacts, Engine]],
    report: Report,
    stopping: Callable[[], bool],
    restart: bool = False,
) -> State:
    """Read all articles of the inputs into a folder, or go on where the same job stopped.

    Args:
        out: The job's folder, see `stance.folder`.
        inputs: See `stance.inputs.list_files`.
        settings: Of the run.
        prepare: Gives model and engine (see `stance.workers.work`) for the settings.
        report: Whom to tell.
        stopping: Whether to finish what is in hand and stop.
        restart: Throw away what a job has done in this folder.

    Raises:
        ConfigError: The folder is in use or not a job's, or settings, model or an input file have changed.
        ModelError: The model cannot be loaded.
        OutputError: The folder cannot be written to; what is done is safe.
        TooManyFailuresError: More articles failed than `settings.max_errors`; what is done is safe.
    """
    prepared = prepare(settings) if restart else None  # nothing is thrown away for a model that is not there
    with opened(out, restart=restart) as ledger:
        model, engine = prepared or prepare(settings)
        _check_unchanged(out, ledger, settings, model, report.warn)
        if "-" in inputs and differs_from_stdin(ledger):
            raise ConfigError(
                f"{out}: standard input has been read by this job, and now something else is there; give each its own "
                "folder, or use --restart to begin again"
            )
        # A later `retry` may be given in another folder than this command.
        config = settings.model_copy(update={"model": settings.model and settings.model.absolute()})
        ledger.describe({"inputs": json.dumps(list(inputs)), "config": config.model_dump_json()})
        job = _Job(out, ledger, settings, model, report, stopping, ledger.counts())
        plan = job.plan()
        job.bytes_total = plan.intake.bytes_total(inputs)
        return job.run(engine, plan.batches(inputs))


def retry_job(
    out: Path,
    *,
    prepare: Callable[[RunConfig], tuple[ModelFacts, Engine]],
    report: Report,
    stopping: Callable[[], bool],
) -> State:
    """Try the failed articles of a finished job again, with its settings; those that can be read now are added.

    Args:
        out: The job's folder.
        prepare: Gives model and engine for the job's settings.
        report: Whom to tell.
        stopping: Whether to finish what is in hand and stop.

    Raises:
        ConfigError: There is no job, it is in use or not finished, or the model has changed.
        ModelError: The model cannot be loaded.
        OutputError: The folder cannot be written to; what is done is safe.
    """
    with opened(out, new=False) as ledger:
        state = ledger.about("state")
        if state not in {"finished", _RETRYING}:
            raise ConfigError(f"{out}: this job is not finished; run its command again first")
        settings = RunConfig.model_validate_json(ledger.about("config") or "{}")
        model, engine = prepare(settings)
        _check_model(out, ledger, model)
        if state == _RETRYING:
            ledger.drop_from(ledger.next_batch())  # files may have been mended since
        else:
            ledger.describe({"retry_from": str(ledger.next_batch()), "retry_files": str(ledger.next_file())})
        unlimited = settings.model_copy(update={"max_errors": None})
        job = _Job(out, ledger, unlimited, model, report, stopping, ledger.counts(), retry=True)
        return job.run(engine, job.plan().retries(int(ledger.about("retry_from") or 0)))


@dataclass(slots=True)
class _Job:
    out: Path
    ledger: Ledger
    settings: RunConfig
    model: ModelFacts
    report: Report
    stopping: Callable[[], bool]
    counts: Counts
    retry: bool = False
    bytes_total: int = 0
    bytes_done: int = 0
    bytes_before: int = -1
    exhausted: bool = False
    waiting: dict[int, Planned] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    before: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.counts

    def plan(self) -> Plan:
        settings, warn = self.settings, self.report.warn
        intake = Intake(self.ledger, self.out, self.out / SPOOL, settings.columns, warn)
        return Plan(self.ledger, intake, settings.part_articles, settings.processes, warn)

    def run(self, engine: Engine, planned: Iterator[Planned]) -> State:
        ledger = self.ledger
        drop_parts_from(self.out, ledger.next_part())
        write_errors(self.out, ledger)
        self._note(_RETRYING if self.retry else "running")
        self._check_failures()
        with closing(engine(self._tasks(planned))) as results:  # type: ignore[type-var]
            for done in results:
                if done is not None:
                    self._finish(done)
                self.report.tick(self._state("running"))
        finished = self.exhausted and not self.waiting
        self._write_parts(every=finished)
        if finished:
            ledger.drop_failures()
            ledger.describe({"read_files": str(ledger.next_file())})
        write_errors(self.out, ledger)
        self.counts = ledger.counts()
        self._note("finished" if finished else _RETRYING if self.retry else "interrupted", ended=True)
        return self._state("finished" if finished else "interrupted")

    def _state(self, name: str) -> State:
        seconds = time.monotonic() - self.began
        before = max(self.bytes_before, 0)
        return State(name, self.counts, self.before, seconds, self.bytes_done, before, self.bytes_total)

    def _tasks(self, planned: Iterator[Planned]) -> Iterator[Task]:
        for batch in planned:
            # Without its articles: they are the worker's now, and a cluster is given many batches ahead.
            self.waiting[batch.batch] = replace(batch, items=[])
            if batch.items:
                yield batch.task
                continue
            # Nothing for a worker, perhaps for long: the engine does not look around meanwhile.
            self._finish(empty(batch.task, []))
            self.report.tick(self._state("running"))
            if self.stopping():
                return
        self.exhausted = True

    def _finish(self, done: Done) -> None:
        """Store a batch, and write the parts that are whole."""
        batch = self.waiting.pop(done.batch)
        failures = sorted([*batch.failures, *done.failures], key=lambda failure: failure[0])
        self.ledger.finish_batch(
            done.batch,
            (done.articles, done.claims),
            done.counts,
            failures,
            after=batch.after,
            retried=batch.retried,
        )
        self.ledger.commit()
        self.bytes_done = max(self.bytes_done, batch.reached)
        if self.bytes_before < 0:
            self.bytes_before = self.bytes_done
        articles, duplicates, claims, unsure = done.counts
        self.counts = replace(
            self.counts,
            articles=self.counts.articles + articles,
            duplicates=self.counts.duplicates + duplicates,
            claims=self.counts.claims + claims,
            unsure=self.counts.unsure + unsure,
            failed=self.counts.failed + len(failures) - len(batch.retried),
        )
        append_errors(self.out, [failure for _, failure in failures])
        for _, failure in failures:
            self.report.fail(failure)
        self._write_parts(every=False)
        self._check_failures()

    def _check_failures(self) -> None:
        failed, limit = self.counts.failed, self.settings.max_errors
        if limit is not None and failed > limit:
            self._note("stopped", ended=True)
            raise TooManyFailuresError(
                f"{self.out}: {failed} articles failed, more than --max-errors {limit} allows: see errors.jsonl there; "
                "the same command with a higher limit goes on"
            )

    def _write_parts(self, *, every: bool) -> None:
        ledger = self.ledger
        part = ledger.next_part()
        while (every or part < ledger.last_part()) and ledger.part_is_whole(part):
            for kind in KINDS:
                write_part(part_path(self.out, kind, part), stored_tables(ledger.tables(part, kind)), SCHEMAS[kind])
            ledger.finish_part(part)
            ledger.commit()
            part += 1
            self.counts = replace(self.counts, parts=part)
            self._note(_RETRYING if self.retry else "running")

    def _note(self, state: str, *, ended: bool = False) -> None:
        """Write down how the job stands, in the ledger and for people; and at the end of a command, its time."""
        ledger = self.ledger
        began = ledger.about("began") or _now()
        seconds = time.monotonic() - self.began if ended else 0.0
        spent = round(float(ledger.about("seconds") or 0) + seconds, 3)
        ledger.describe({"state": state, "began": began, "seconds": str(spent)})
        ledger.commit()
        files, size, digest = ledger.fingerprint() if ended else (None, None, None)
        write_about(
            self.out,
            {
                "format": JOB_FORMAT,
                "state": state,
                "settings": json.loads(self.settings.model_dump_json()),
                "model": asdict(self.model),
                "versions": _versions(),
                "inputs": {
                    "given": json.loads(ledger.about("inputs") or "[]"),
                    "files": files,
                    "bytes": size,
                    "sha256": digest,
                },
                "counts": asdict(self.counts),
                "times": {"began": began, "noted": _now(), "seconds": spent},
            },
        )


def _check_unchanged(
    out: Path, ledger: Ledger, settings: RunConfig, model: ModelFacts, warn: Callable[[str], None]
) -> None:
    """Compare with what the job was begun with, or note it for the next time."""
    now = {name: json.loads(settings.model_dump_json())[name] for name in _SETTINGS}
    began, versions = ledger.about("begun_with"), json.dumps(_versions())
    if began is None:
        ledger.describe({"begun_with": json.dumps(now), "model": json.dumps(asdict(model)), "versions": versions})
        return
    if (first := ledger.about("versions")) != versions:
        warn(f"{out}: this job was begun with other versions ({first}); its output may differ in small ways")
    then = json.loads(began)
    differ = [f"{key} was {then.get(key)!r} and is {now[key]!r}" for key in now if then.get(key) != now[key]]
    if differ:
        raise ConfigError(
            f"{out}: this job was begun with other settings: {'; '.join(differ)}; give the first ones to go on, or "
            "--restart to begin again"
        )
    _check_model(out, ledger, model)
    if ledger.about("state") == _RETRYING:
        raise ConfigError(f"{out}: what failed is being tried again; finish that first: stance retry {out}")
    for changed, how in changed_files(ledger):
        raise ConfigError(
            f"{out}: {changed.name} {how} since this job read it; put it back to go on (what was mended is for `stance "
            "retry`, new articles belong into a new file), or use --restart to begin again"
        )


def _check_model(out: Path, ledger: Ledger, model: ModelFacts) -> None:
    then = json.loads(ledger.about("model") or "{}")
    if then and then != asdict(model):
        raise ConfigError(
            f"{out}: this job was begun with model {ModelFacts(**then)} and this is {model}; give the first one "
            "(and its --precision) to go on, or --restart to begin again"
        )


def _versions() -> dict[str, str]:
    return {"stance": stance.__version__} | {name: version(name) for name in _PACKAGES}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
