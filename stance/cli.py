"""The command line: the only place that prints or exits.

Exit codes: 0 all done, 1 some articles failed (each was named), 2 wrong usage or config, 3 model or device.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console

from stance.errors import ConfigError, InputError, ModelError, StanceError

if TYPE_CHECKING:
    from stance.config import RunConfig
    from stance.pipeline import Pipeline

app = typer.Typer(
    help="Read news articles, find who says what, and tell accusations, denials and justifications apart.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
_errors = Console(stderr=True, highlight=False)

Model = Annotated[
    Path | None, typer.Option(help="A model folder.  [default: the model that ships]", show_default=False)
]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu or cuda; auto takes a GPU where there is one.  [default: auto]", show_default=False),
]
BatchSize = Annotated[int | None, typer.Option(help="Windows of text read at once.  [default: 16]", show_default=False)]
Config = Annotated[
    Path | None, typer.Option(help="A YAML file with these settings, such as configs/run.yaml.", show_default=False)
]
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
            help="Text files, JSON Lines files (id and text a line), folders, or - for standard input.",
        ),
    ],
    out: Out = None,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            help="Leave out claims whose stance is less probable, from 0 to 1; they are counted.  [default: 0]",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Read articles and write their claims: who says it, in which words, and what it does.

    One claim a line in JSON Lines, in input order. Without -o a terminal shows a table and a pipe gets the
    JSON Lines. Articles that cannot be read are named and skipped; the exit code is then 1.

    [bold]Examples[/bold]

      stance run article.txt

      stance run articles/ more.jsonl -o claims.jsonl

      cat article.txt | stance run - | jq .speaker
    """
    from stance.articles import read_articles
    from stance.records import claim_row

    settings = _settings(config, model=model, device=device, batch_size=batch_size, min_probability=min_probability)
    _refuse_overwriting(out, inputs)
    pipeline = _pipeline(settings)
    failures: list[str] = []

    def good() -> Iterator[Any]:
        for found in read_articles(inputs, _warn, skip=out):
            if isinstance(found, InputError):
                _fail(found, failures)
            else:
                yield found

    articles = claims = unsure = 0
    with _sink(out) as write, _progress("articles") as tick:
        for article, found in pipeline.run(good()):
            sure = [claim for claim in found if claim.probabilities[claim.stance] >= settings.min_probability]
            for claim in sure:
                write(claim_row(article, claim, pipeline.model))
            articles += 1
            claims += len(sure)
            unsure += len(found) - len(sure)
            tick()
    left_out = f", {unsure} unsure claims left out" if unsure else ""
    _finish(f"{articles} articles, {claims} claims{left_out}", out, failures)


@app.command()
def classify(
    path: Annotated[Path, typer.Argument(metavar="INPUT.jsonl", help="Annotated articles or bare quotes, one a line.")],
    out: Out = None,
    model: Model = None,
    device: Device = None,
    batch_size: BatchSize = None,
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

    settings = _settings(config, model=model, device=device, batch_size=batch_size)
    _refuse_overwriting(out, [str(path)])
    pipeline = _pipeline(settings)
    failures: list[str] = []
    quotes = 0
    with _sink(out) as write, _progress("lines") as tick:
        for number, row in json_rows(path):
            try:
                if isinstance(row, InputError):
                    raise row
                line = cut_line(row, f"{path}:{number}")
            except InputError as error:
                _fail(error, failures)
                continue
            [verdicts] = pipeline.judge([(line.article, line.quotes)])
            fields = [None if v is None else stance_fields(*v, pipeline.model) for v in verdicts]
            if None in fields:
                _fail(InputError(f"{path}:{number}: a quote without a word in it, expected words to judge"), failures)
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
    from stance.runtime import pick_device

    folder = model or default_model()
    try:
        network, _ = load_network(folder)
        device = pick_device("auto")
    except ModelError as error:
        _stop(error, 3)
    table = Table(show_header=False, box=None)
    rows = {
        "stance": stance.__version__,
        "model": f"{network.config.name} ({folder})",
        "parameters": f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} million",
        "weights": f"{(folder / WEIGHTS).stat().st_size / 2**20:.1f} MiB",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "cores": str(os.cpu_count()),
    }
    for key, value in rows.items():
        table.add_row(key, value)
    console = Console(highlight=False)
    console.print(table)
    if (folder / "metrics.json").is_file():
        console.print(_figures(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))))


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
        return Pipeline.from_pretrained(settings.model, device=settings.device, batch_size=settings.batch_size)
    except ModelError as error:
        _stop(error, 3)


@contextmanager
def _sink(out: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that takes rows: to a file, to a pipe, or into a table for a terminal."""
    if out is None and sys.stdout.isatty():
        rows: list[dict[str, Any]] = []
        yield rows.append
        from stance.table import show

        show(rows, Console())
        return
    try:
        stream: TextIO = sys.stdout if out is None else out.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        _stop(ConfigError(f"{out}: cannot be written: {error.strerror}"), 2)
    try:
        if stream is sys.stdout and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # JSON Lines are UTF-8 in every locale
        yield lambda row: print(_line(row), file=stream)
        stream.flush()
    except BrokenPipeError:
        # The reader has gone (`| head`): no more to do, and nothing to complain of.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise typer.Exit(0) from None
    finally:
        if out is not None:
            stream.close()


def _line(row: dict[str, Any]) -> str:
    from stance.types import HALF_PAIR

    line = json.dumps(row, ensure_ascii=False)
    # Half a surrogate pair in a title cannot be written as UTF-8; JSON can escape it.
    return json.dumps(row) if HALF_PAIR.search(line) else line


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar: Progress = Progress(
        SpinnerColumn(),
        TextColumn(f"{{task.completed}} {unit}"),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
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


def _fail(error: StanceError, failures: list[str]) -> None:
    failures.append(str(error))
    _errors.print(f"[red]error:[/red] {_plain(str(error))}", soft_wrap=True)


def _finish(done: str, out: Path | None, failures: list[str]) -> None:
    where = f" -> {out}" if out else ""
    failed = f", {len(failures)} failed" if failures else ""
    _errors.print(f"{done}{failed}{_plain(where)}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _stop(error: StanceError, code: int) -> NoReturn:
    _errors.print(f"[red]error:[/red] {_plain(str(error))}", soft_wrap=True)
    raise typer.Exit(code)


def _plain(message: str) -> str:
    """Keep markup and control characters of file names and articles from reaching the terminal."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in message))
