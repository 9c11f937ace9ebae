"""The command line: the only place that prints or exits.

Exit codes: 0 all done, 1 some articles failed (each was named), 2 wrong usage or config, 3 model or device,
4 the output cannot be written, 130 and 143 stopped by SIGINT and SIGTERM.
"""

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from stance.errors import ConfigError, InputError, ModelError, OutputError, StanceError
from stance.types import Article

if TYPE_CHECKING:
    from stance.batch import Report, State
    from stance.config import RunConfig
    from stance.pipeline import Pipeline
    from stance.types import Failure

app = typer.Typer(
    help="Read news articles, find who says what, and tell accusations, denials and justifications apart.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
_errors = Console(stderr=True, highlight=False)
_ERRORS_SHOWN = 20

Model = Annotated[
    Path | None, typer.Option(help="A model folder.  \\[default: the model that ships]", show_default=False)
]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu or cuda; auto takes a GPU where there is one.  \\[default: auto]", show_default=False),
]
BatchSize = Annotated[
    int | None, typer.Option(help="Windows of text read at once.  \\[default: 16]", show_default=False)
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="auto, float, bf16 or int8 (CPU), half (GPU); auto is bf16 on a CPU that has it.  \\[default: auto]",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="A YAML file with these settings, such as configs/run.yaml.", show_default=False)
]
Workers = Annotated[
    int | None, typer.Option(help="A job's processes.  \\[default: one a core]", min=1, show_default=False)
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="A job's: local, or ray for a cluster (extra stance\\[ray]).  \\[default: local]", show_default=False
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="Of a running Ray cluster; left out, one is started here.", show_default=False),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary, only errors.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write JSON Lines here.", show_default=False)]


def main() -> None:
    """Run the command `stance`."""
    app(prog_name="stance")


@app.command()
def run(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="Files (.txt .html .jsonl .csv .parquet, also with .gz), folders, 'globs', @list.txt, - for standard "
            "input.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A .jsonl, .csv or .parquet file for a few articles; a folder for a job that can be resumed.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
    precision: Precision = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            help="Leave out claims whose stance is less probable, from 0 to 1; they are counted.  \\[default: 0]",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    max_errors: Annotated[
        int | None, typer.Option(help="Stop when more articles than this have failed.", show_default=False)
    ] = None,
    workers: Workers = None,
    engine: Engine = None,
    ray_address: RayAddress = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="A job: throw away what it has done in its folder.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Read articles and write their claims: who says it, in which words, and what it does.

    One claim a line, in input order; without -o a terminal shows a table and
    a pipe gets JSON Lines. With -o FOLDER it is a job: claims and articles as
    Parquet files, what failed in errors.jsonl; the same command goes on where
    it was stopped. Articles that cannot be read are named and skipped; the
    exit code is then 1.

    [bold]Examples[/bold]

      stance run article.txt

      stance run articles/ more.jsonl pages/*.html -o claims.csv

      cat article.txt | stance run - | jq .speaker

      stance run archive/ -o out/ && stance summary out
    """
    settings = _settings(
        config,
        model=model,
        device=device,
        batch_size=batch_size,
        precision=precision,
        min_probability=min_probability,
        max_errors=max_errors,
        workers=workers,
        engine=engine,
        ray_address=ray_address,
    )
    if out is not None and _is_folder(out):
        _run_job(out, inputs, settings, restart=restart, quiet=quiet)
        return
    for name, given in {"--restart": restart, "--workers": workers, "--engine": engine}.items():
        if given:
            _stop(ConfigError(f"{name} is for a job, expected -o FOLDER with it"), 2)
    _run_small(out, inputs, settings, quiet=quiet)


@app.command()
def retry(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a finished job.")],
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Try the articles of a job again that failed, after their files or what else was wrong has been mended.

    Those that can be read now are added to the job's output; the others stay
    in errors.jsonl.
    """
    from stance.batch import retry_job

    def prepare(settings: "RunConfig") -> Any:
        return _prepare(settings.model_copy(update={"workers": workers} if workers else {}), stopping)

    with _asked_to_stop() as stopping:
        _do_job(
            folder,
            lambda report: retry_job(folder, prepare=prepare, report=report, stopping=lambda: bool(stopping)),
            stopping,
            again=f"stance retry {shlex.quote(str(folder))}",
            quiet=quiet,
        )


@app.command()
def classify(
    path: Annotated[Path, typer.Argument(metavar="INPUT.jsonl", help="Annotated articles or bare quotes, one a line.")],
    out: Out = None,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
    precision: Precision = None,
    config: Config = None,
    records: Annotated[
        bool,
        typer.Option("--records", help="For annotated articles: one line a quote, with article_id and content_spans."),
    ] = False,
) -> None:
    """Judge quotes that are already cut.

    A line is an annotated article ('id', 'text', 'quotes' with spans) or a bare quote ('text', and where you
    have them 'speaker', 'cue', 'context'). Each quote gets stance, second, probabilities and model;
    everything else in the line stays, and an annotator's own stance moves to 'annotated'.
    """
    from stance.articles import json_rows
    from stance.cut import cut_line
    from stance.records import stance_fields

    settings = _settings(config, model=model, device=device, batch_size=batch_size, precision=precision)
    _refuse_overwriting(out, [str(path)])
    pipeline = _pipeline(settings)
    failures = quotes = 0
    with _sink(out, lines=True) as write, _progress("lines") as tick:
        for number, row in json_rows(path):
            try:
                if isinstance(row, InputError):
                    raise row
                line = cut_line(row, f"{path}:{number}")
            except InputError as error:
                failures += 1
                _print_error(error)
                continue
            [verdicts] = pipeline.judge([(line.article, line.quotes)])
            fields = [None if v is None else stance_fields(*v, pipeline.model) for v in verdicts]
            if None in fields:
                failures += 1
                _print_error(InputError(f"{path}:{number}: a quote without a word in it, expected words to judge"))
            merged = line.merge(list(fields))
            for result in _as_records(merged) if records and "quotes" in merged else [merged]:
                write(result)
            quotes += len(fields)
            tick()
    _finish(f"{quotes} quotes", out, failures)


@app.command()
def info(model: Model = None) -> None:
    """Show the model and its measured figures, versions, device and cores."""
    import platform

    import torch
    import transformers
    from rich.table import Table

    import stance
    from stance.network import WEIGHTS, load_network
    from stance.pipeline import default_model
    from stance.runtime import pick_device, place, precision_of

    try:
        folder = model or default_model()
        network, _ = load_network(folder)
        parameters = sum(part.numel() for part in network.parameters())
        device = pick_device("auto")
        arithmetic = precision_of(place(network, device, "auto"))
    except ModelError as error:
        _stop(error, 3)
    table = Table(show_header=False, box=None)
    rows = {
        "stance": stance.__version__,
        "model": f"{network.config.name} ({folder})",
        "parameters": f"{parameters / 1e6:.1f} million",
        "weights": f"{(folder / WEIGHTS).stat().st_size / 2**20:.1f} MiB",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "precision": arithmetic,
        "cores": str(os.cpu_count()),
    }
    for key, value in rows.items():
        table.add_row(key, value)
    console = Console(highlight=False)
    console.print(table)
    if (folder / "metrics.json").is_file():
        console.print(_figures(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))))


@app.command()
def summary(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A job's folder, finished or not.")],
    top: Annotated[int, typer.Option(help="Rows of each table at most.", min=1)] = 20,
) -> None:
    """Show what a job found: who said most, who accuses whom, denials against accusations by week and publisher.

    Claims count by their main act; who accuses whom counts accusations
    beside another act too. An article with the text of an earlier one has
    no claims of its own.
    """
    from stance.summary import summarize, tables

    try:
        found = summarize(folder, top)
    except StanceError as error:
        _stop(error, 2 if isinstance(error, ConfigError) else 1)
    console = Console(highlight=False)
    for table in tables(found):
        console.print(table)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A job's folder, finished or not.")],
    kind: Annotated[str, typer.Option("--format", metavar="csv|jsonl|duckdb", help="What to write.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file; without it claims.FORMAT in the job's folder.", show_default=False),
    ] = None,
) -> None:
    """Write a job's claims to one file, in the order of the job.

    csv is for spreadsheets: words that one would take for a formula get an
    apostrophe. jsonl is what 'stance run INPUT -o FILE.jsonl' writes, duckdb
    a database with the tables claims, articles and errors.
    """
    from stance.export import export as write

    target = out or folder / f"claims.{kind}"
    claims = 0

    def count(more: int) -> None:
        nonlocal claims
        claims += more
        status.update(f"{claims:,} claims")

    try:
        with _errors.status("") as status:
            write(folder, kind, target, count)
    except StanceError as error:
        _stop(error, 2 if isinstance(error, ConfigError) else 1)
    _finish(f"{claims} claims", target, 0)


@app.command()
def view(
    source: Annotated[
        Path, typer.Argument(metavar="OUT", help="A job's folder, finished or not, or the .jsonl file of a run.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The page; without it page.html in the job's folder.", show_default=False),
    ] = None,
    publisher: Annotated[
        list[str] | None, typer.Option(help="Only articles of this publisher; may be repeated.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only articles of this day or later.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only articles of this day or earlier.", show_default=False)
    ] = None,
    speaker: Annotated[
        list[str] | None,
        typer.Option(help="Only articles in which this name, or part of one, speaks; may be repeated."),
    ] = None,
    stance: Annotated[
        list[str] | None,
        typer.Option(
            help="Only articles with an accusation, denial, justification or other; with --speaker, by that speaker."
        ),
    ] = None,
) -> None:
    """Make a page to read the results in a browser: one file that needs no network.

    Articles with their quotes marked, what each speaker accuses, denies and
    justifies, who accuses whom, and when. It holds up to 2,000 articles; the
    options choose among more.

    [bold]Examples[/bold]

      stance view out

      stance view out -o feld.html --speaker "Nora Feld" --since 2024-05-01
    """
    from stance.page import write_page
    from stance.results import asked_for

    target = out or (source / "page.html" if source.is_dir() else source.with_name(source.name.split(".")[0] + ".html"))
    try:
        wanted = asked_for(publisher or (), since, until, speaker or (), stance or ())
        _refuse_overwriting(target, [str(source)])
        with _errors.status("reading"):
            written = write_page(source, target, wanted)
    except StanceError as error:
        _stop(error, 2 if isinstance(error, ConfigError) else 1)
    if written.left_out:
        _warn(
            f"{written.left_out:,} articles left out, the page has room for {written.articles:,}: narrow with "
            "--publisher, --since, --until, --speaker or --stance"
        )
    _finish(f"{written.articles:,} articles, {written.claims:,} claims", target, 0)


def _is_folder(out: Path) -> bool:
    """A suffix of letters makes a file: `out`, `out/` and `2024.05` are folders, `out.jsonl` and `out.json` are not."""
    return out.is_dir() or not re.fullmatch(r"\.[A-Za-z]+\d?", out.suffix)


def _run_small(out: Path | None, inputs: list[str], settings: "RunConfig", *, quiet: bool) -> None:
    """Read articles in this process, into a file, a pipe or a table."""
    import tempfile

    from stance.formats import entries
    from stance.ledger import Seen
    from stance.pages import Page, extract
    from stance.records import claim_rows

    _refuse_overwriting(out, inputs)
    pipeline = _pipeline(settings)
    seen, failures, doubles = Seen(), 0, 0

    def fail(error: InputError) -> None:
        nonlocal failures
        failures += 1
        _print_error(error)
        if settings.max_errors is not None and failures > settings.max_errors:
            _stop(InputError(f"{failures} articles failed, more than --max-errors {settings.max_errors} allows"), 1)

    def good(spool: Path) -> Iterator[Any]:
        nonlocal doubles
        for entry in entries(inputs, settings.columns, _warn, spool=spool, skip=out):
            where = entry.file if entry.line is None else f"{entry.file}:{entry.line}"
            found = extract(entry.found, where, _warn) if isinstance(entry.found, Page) else entry.found
            known = found if isinstance(found, InputError) else seen.admit(found, entry.file, entry.line)
            if isinstance(known, InputError):
                fail(known)
                continue
            if isinstance(found, Article) and known.article.id != found.id:
                _warn(f"{where}: id {found.id!r} was used before; this article's id is {known.article.id!r}")
            if known.duplicate_of is None:
                yield known.article
            else:
                doubles += 1
                _warn(f"{where}: the same text as {known.duplicate_of!r}; read once")

    articles = claims = unsure = 0
    with (
        tempfile.TemporaryDirectory(prefix="stance-") as folder,
        _sink(out) as write,
        _progress("articles", quiet=quiet) as tick,
    ):
        for article, found in pipeline.run(good(Path(folder) / "stdin")):
            sure = [claim for claim in found if claim.probabilities[claim.stance] >= settings.min_probability]
            for row in claim_rows(article, sure, pipeline.model):
                write(row)
            articles += 1
            claims += len(sure)
            unsure += len(found) - len(sure)
            tick()
    left_out = f", {unsure} unsure claims left out" if unsure else ""
    again = f", {doubles} with the text of another" if doubles else ""
    _finish(f"{articles} articles{again}, {claims} claims{left_out}", out, failures, quiet=quiet)


def _run_job(out: Path, inputs: list[str], settings: "RunConfig", *, restart: bool, quiet: bool) -> None:
    from stance.batch import run_job

    with _asked_to_stop() as stopping:
        _do_job(
            out,
            lambda report: run_job(
                out,
                inputs,
                settings,
                prepare=lambda chosen: _prepare(chosen, stopping),
                report=report,
                stopping=lambda: bool(stopping),
                restart=restart,
            ),
            stopping,
            again="the same command",
            quiet=quiet,
        )


def _do_job(folder: Path, job: Callable[["Report"], "State"], stopping: list[int], *, again: str, quiet: bool) -> None:
    """Run a job with progress, an account at the end, and the exit code."""
    from stance.batch import Report
    from stance.progress import outcome, show_progress

    shown = 0

    def fail(failure: "Failure") -> None:
        nonlocal shown
        shown += 1
        if shown <= _ERRORS_SHOWN:
            _print_error(InputError(failure.reason))
        elif shown == _ERRORS_SHOWN + 1:
            _errors.print(f"[red]more errors:[/red] see {_plain(str(folder / 'errors.jsonl'))}", soft_wrap=True)

    try:
        with show_progress(_errors, quiet=quiet) as tick:
            state = job(Report((lambda _: None) if quiet else _warn, fail, tick))
    except ModelError as error:
        _stop(error, 3)
    except ConfigError as error:
        _stop(error, 2)
    except OutputError as error:
        _stop(error, 4)
    except StanceError as error:
        _stop(error, 1)
    except KeyboardInterrupt:
        _errors.print(f"stopped at once: {_plain(again)} goes on where the job is", soft_wrap=True)
        raise typer.Exit(128 + stopping[0]) from None
    if not quiet:
        _errors.print(outcome(state))
        if state.counts.failed and state.name == "finished":
            then = f"see {folder / 'errors.jsonl'}; then: stance retry {shlex.quote(str(folder))}"
            _errors.print(_plain(then), soft_wrap=True)
    if state.name == "interrupted" and stopping:
        _errors.print(f"interrupted: {_plain(again)} goes on where the job is", soft_wrap=True)
        raise typer.Exit(128 + stopping[0])
    if state.counts.failed:
        raise typer.Exit(1)


def _prepare(settings: "RunConfig", stopping: list[int]) -> Any:
    """Give the model's facts and an engine for a job."""
    import functools

    from stance.workers import inspect, work

    if settings.engine == "ray":
        try:
            from stance.cluster import work_on_ray
        except ImportError as error:
            raise ConfigError(f"--engine ray needs Ray ({error}): pip install '.[ray]' in the clone") from error
        model = inspect(settings)
        return model, functools.partial(work_on_ray, settings=settings, expected=model, stopping=lambda: bool(stopping))
    return inspect(settings), functools.partial(
        work, settings=settings, count=settings.processes, stopping=lambda: bool(stopping)
    )


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Give a list that holds the signal that asked this process to stop; a second one stops it at once."""
    import signal

    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        with suppress(RuntimeError):  # the signal came while this very stream was being written to
            _errors.print("finishing what is in hand; once more to stop at once", soft_wrap=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _settings(path: Path | None, **changes: Any) -> "RunConfig":
    from stance.config import RunConfig, load_config

    try:
        return load_config(RunConfig, path, **changes)
    except ConfigError as error:
        _stop(error, 2)


def _pipeline(settings: "RunConfig") -> "Pipeline":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from stance.pipeline import Pipeline

    try:
        return Pipeline.from_pretrained(
            settings.model, device=settings.device, batch_size=settings.batch_size, precision=settings.precision
        )
    except ModelError as error:
        _stop(error, 3)


@contextmanager
def _sink(out: Path | None, *, lines: bool = False) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that takes rows: to a file, to a pipe, or into a table for a terminal."""
    if out is None and sys.stdout.isatty():
        rows: list[dict[str, Any]] = []
        yield rows.append
        from stance.table import show

        show(rows, Console())
        return
    from stance.records import json_line

    if out is not None:
        from stance.writers import open_writer

        if lines and ".jsonl" not in out.suffixes[-2:]:
            _stop(ConfigError(f"{out}: found {out.suffix or 'no suffix'}, expected .jsonl or .jsonl.gz"), 2)
        try:
            with open_writer(out) as write:
                yield write
        except ConfigError as error:
            _stop(error, 2)
        return
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # JSON Lines are UTF-8 in every locale
        yield lambda row: print(json_line(row))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`| head`): no more to do, and nothing to complain of.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise typer.Exit(0) from None


@contextmanager
def _progress(unit: str, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar: Progress = Progress(
        SpinnerColumn(),
        TextColumn(f"{{task.completed}} {unit}"),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        console=_errors,
        transient=True,
        disable=quiet or not _errors.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=None, speed="")

        def tick() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, speed=f"{speed:.1f}/s" if speed else "")

        yield tick


def _as_records(article: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for quote in article["quotes"]:
        rest = {key: value for key, value in quote.items() if key != "content"}
        source = rest.pop("source", None) or [None]
        source = [source] if isinstance(source[0], int) else source
        content = quote["content"]
        content = [content] if isinstance(content[0], int) else content
        yield {"article_id": article["id"], "content_spans": content, "source_span": source[0], **rest}


def _figures(metrics: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="Measured", title_justify="left")
    table.add_column("figure")
    sets = list(metrics["sets"])
    for name in sets:
        table.add_column(name, justify="right")
    for figure in metrics["sets"][sets[0]]:
        table.add_row(figure, *(f"{metrics['sets'][name][figure]:.3f}" for name in sets))
    return table


def _refuse_overwriting(out: Path | None, inputs: Iterable[str]) -> None:
    for name in inputs:
        if out is not None and out.exists() and name != "-" and Path(name).exists() and out.samefile(name):
            _stop(ConfigError(f"{out}: is an input and the output, expected another name for the output"), 2)


def _warn(message: str) -> None:
    _errors.print(f"[yellow]warning:[/yellow] {_plain(message)}", soft_wrap=True)


def _print_error(error: StanceError) -> None:
    _errors.print(f"[red]error:[/red] {_plain(str(error))}", soft_wrap=True)


def _finish(done: str, out: Path | None, failures: int, *, quiet: bool = False) -> None:
    where = f" -> {out}" if out else ""
    failed = f", {failures} failed" if failures else ""
    if not quiet:
        _errors.print(f"{done}{failed}{_plain(where)}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _stop(error: StanceError, code: int) -> NoReturn:
    _print_error(error)
    raise typer.Exit(code)


def _plain(message: str) -> str:
    """Keep markup and control characters of file names and articles from reaching the terminal."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in message))
