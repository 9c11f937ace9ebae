"""`python -m training`: fit, tune, measure, guard what was reached, and turn marked-up text into annotated articles.

Exit codes: 0 done, 1 data that cannot be read or a figure below its floor, 2 wrong usage or config, 3 model or device.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from stance.config import load_config
from stance.errors import ConfigError, InputError, ModelError, OutputError, StanceError
from stance.pipeline import Pipeline, default_model
from training import annotations_cli, bench_cli, models_cli
from training.annotations import parse_marked, set_name, to_row
from training.options import CORPUS, Data, Device, JsonOut, Model, Precision, read_articles, refuse_unwritable, rounded

MODELS = Path(__file__).parent.parent / "models"
FLOORS = MODELS / "floors.json"
READERS = FLOORS.with_name("readers.json")
app = typer.Typer(
    help="Train the network on annotated articles, tune it, and measure it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(annotations_cli.app, name="annotations")
app.command()(annotations_cli.suggest)
_out = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)
_SIGNS = {"for": "[green]+[/green]", "against": "[red]-[/red]", "care": "[yellow]![/yellow]"}
_CODES = {InputError: 1, ConfigError: 2, ModelError: 3}

BaselineData = Annotated[
    list[Path] | None,
    typer.Option(help="What the TF-IDF baseline learns from.  \\[default: the corpus that ships]", show_default=False),
]


models_cli.attach(app)
bench_cli.attach(app)


def main() -> None:
    """Run `python -m training`; every error of ours becomes one line and an exit code."""
    try:
        app(prog_name="python -m training", standalone_mode=True)
    except StanceError as error:
        _stop(error)


@app.command()
def fit(
    config: Annotated[Path, typer.Option(help="A YAML file: configs/fit.yaml, retrain.yaml, large-gpu.yaml.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="Newly annotated articles (.jsonl, .jsonl.gz); may be repeated.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The model folder to write.  \\[default: models/NAME]", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Wins over the config's name.", show_default=False)] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="Wins over the config's base: a hub name, a folder, or default.", show_default=False),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(help="Wins over the config's scope: all or heads.", show_default=False)
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Wins over the config's epochs.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Wins over the config's seed.", show_default=False)] = None,
    device: Device = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of going on from the last checkpoint.")
    ] = False,
) -> None:
    """Train a network, or go on with one on newly annotated articles, and write a model folder.

    With --data a share of the new articles is held out: it says when to stop and what was gained. Checkpoints stand
    beside the folder in NAME.checkpoints: a run that was interrupted goes on from the last one when the same command
    is given again. A base model is fetched from the hub unless it is a folder.
    """
    from training.settings import FitConfig, NewData

    settings = load_config(FitConfig, config, name=name, base_model=base_model, scope=scope, epochs=epochs, seed=seed)
    if data:
        new = (settings.new or NewData()).model_copy(update={"paths": tuple(data)})
        settings = settings.model_copy(update={"new": new})
    elif settings.new is not None and not settings.new.paths:
        raise ConfigError(f"{config}: learns from new articles, expected --data (or paths under new)")
    from training.fit import fit as train  # after the settings: it takes seconds
    from training.registry import enrol

    folder = out or MODELS / settings.name
    train(settings, folder, device=device, resume=not fresh)
    if int(os.environ.get("RANK", "0")):
        return
    enrol(folder)
    _out.print(f"wrote {escape(str(folder))}; next: {escape(_next(folder, settings.new is not None))}", soft_wrap=True)


@app.command()
def tune(
    data: Data,
    model: Annotated[Path, typer.Option(help="The model folder to tune, one that is not in use.")],
    device: Device = "auto",
    precision: Precision = "float",
) -> None:
    """Choose the decoding constants on development articles and write them into the model's config.json.

    Thresholds for spans, links, speakers and targets; temperature and bias of the probabilities; weights of the labels.
    The model in use is left alone: fit a model or copy that one's folder, tune it, then promote it.
    """
    from stance.network import write_config
    from training.registry import is_default
    from training.tune import tune as search

    if is_default(model):
        raise ConfigError(
            f"{model}: is the model in use, expected another one: fit or copy one, tune it, then promote it"
        )
    pipeline = Pipeline.from_pretrained(model, device=device, precision=precision)
    decoding, log = search(pipeline, [(set_name(path), read_articles(path)) for path in data])
    for line in log:
        _out.print(escape(line))
    try:
        write_config(pipeline.network.config.model_copy(update={"decoding": decoding}), model)
    except OSError as error:
        raise OutputError(f"{model / 'config.json'}: cannot be written: {error}; it is as it was") from error
    _out.print(f"wrote {escape(str(model / 'config.json'))}")


@app.command()
def evaluate(
    data: Data,
    model: Model = None,
    baseline_data: BaselineData = None,
    device: Device = "auto",
    precision: Precision = "auto",
    json_out: JsonOut = None,
) -> None:
    """Measure a model on annotated articles: quotes, sources, speakers, stances, with 95% intervals.

    Beside the stance on annotated spans stands the TF-IDF and logistic regression baseline.
    """
    from training.baselines import fit_baseline, judged, score_baseline
    from training.evaluate import evaluate as measure
    from training.evaluate import report

    refuse_unwritable(json_out)
    pipeline = Pipeline.from_pretrained(model, device=device, precision=precision)
    sets = [(set_name(path), read_articles(path)) for path in data]
    _refuse_twins([name for name, _ in sets])
    learned = fit_baseline(
        [pair for path in baseline_data or [CORPUS / "train.jsonl"] for pair in judged(read_articles(path))]
    )
    evaluations = []
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("evaluating", total=sum(len(articles) for _, articles in sets))
        for name, articles in sets:
            evaluations.append(measure(pipeline, name, articles, tick=lambda: bar.advance(task)))
    baselines = [score_baseline(learned, judged(articles)) for _, articles in sets]
    for table in report(evaluations, baselines):
        _out.print(table)
    if json_out is not None:
        figures: dict[str, Any] = {"model": pipeline.model, "sets": {}, "labels": {}, "intervals": {}, "baseline": {}}
        for one, baseline in zip(evaluations, baselines, strict=True):
            figures["sets"][one.name] = rounded(one.figures())
            figures["labels"][one.name] = {label: round(f1, 4) for label, (f1, _, _, _) in one.given.labels.items()}
            figures["intervals"][one.name] = {k: [round(x, 4) for x in v] for k, v in one.intervals.items()}
            figures["baseline"][one.name] = round(baseline.macro_f1, 4)
            for figure, value in rounded(one.doubt() | {"calibration error by chance": one.chance}).items():
                figures.setdefault(figure, {})[one.name] = value
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@app.command()
def report(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page (.html); the figures stand beside it (.json).")],
    model: Model = None,
    against: Annotated[
        Path | None, typer.Option(help="Another model's folder, to be measured beside it.", show_default=False)
    ] = None,
    baseline_data: BaselineData = None,
    floors: Annotated[Path, typer.Option(help="What must be reached.")] = FLOORS,
    readers: Annotated[Path, typer.Option(help="How well readers agree.")] = READERS,
    swaps: Annotated[
        int, typer.Option(min=0, help="Exchanges of each kind of names for every article; 0 leaves them out.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of the names drawn.")] = 13,
    device: Device = "auto",
) -> None:
    """Write all that is known of a model as one page to decide by, with every mistake in its context.

    The page is one HTML file that asks the network for nothing. It holds the texts of articles with mistakes in them.
    """
    from stance.files import whole_file
    from training.baselines import fit_baseline, judged
    from training.decision import Readers
    from training.evaluate import answers
    from training.fairness import fairness as even_handedness
    from training.gate import Floors, fingerprint
    from training.provenance import Run, recorded
    from training.report import SetData, build, figures
    from training.report_page import page

    if out.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"{out}: expected a name that ends in .html")
    refuse_unwritable(out)
    known, agreement = Floors.read(floors), Readers.read(readers)
    sets = {set_name(path): (path, read_articles(path)) for path in data}
    _refuse_twins([set_name(path) for path in data])
    folders = [model or default_model(), *([against] if against else [])]
    pipelines = [Pipeline.from_pretrained(folder, device=device) for folder in folders]
    learning = baseline_data or [CORPUS / "train.jsonl"]
    learned = fit_baseline([pair for path in learning for pair in judged(read_articles(path))])
    articles = [annotated for _, found in sets.values() for annotated in found]
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("reading", total=len(articles) * (len(pipelines) + bool(swaps)))
        found = [
            {name: answers(pipeline, some, tick=lambda: bar.advance(task)) for name, (_, some) in sets.items()}
            for pipeline in pipelines
        ]
        stances = any(quote.stance and not quote.optional for one in articles for quote in one.quotes)
        shifts = (
            even_handedness(pipelines[0], articles, swaps=swaps, seed=seed, tick=lambda: bar.advance(task))
            if swaps and stances
            else []
        )
        files = [(path, len(some)) for path, some in sets.values()]
        run = Run(sys.argv[1:], folders, files, learning, swaps, seed, device)
        made = build(
            pipelines[0].model,
            [SetData(name, fingerprint(path), *(some[name] for some in found)) for name, (path, _) in sets.items()],
            learned,
            floors=known,
            readers=agreement,
            shifts=shifts,
            provenance=run.provenance([pipeline.network.config for pipeline in pipelines]),
            other=pipelines[1].model if against else None,
            champion=None if against else recorded(folders[0], known),
        )
    for path, words in ((out, page(made)), (out.with_suffix(".json"), json.dumps(figures(made), indent=1) + "\n")):
        with whole_file(path) as temporary:
            temporary.write_text(words, encoding="utf-8", newline="\n")
    _out.print(f"{escape(made.model)}: {made.decision.headline}")
    for reason in made.decision.reasons:
        _out.print(f"  {_SIGNS[reason.side]} {escape(reason.words)}", soft_wrap=True)
    _out.print(f"wrote {escape(str(out))} and {escape(str(out.with_suffix('.json')))}")


@app.command()
def fairness(
    data: Data,
    model: Model = None,
    swaps: Annotated[
        int, typer.Option(min=1, help="Exchanges of each kind for every article; of genders there is one.")
    ] = 40,
    seed: Annotated[int, typer.Option(help="Of the names drawn.")] = 13,
    device: Device = "auto",
    precision: Precision = "auto",
    json_out: JsonOut = None,
) -> None:
    """Measure even-handedness: exchange people, countries, parties, titles and genders, and see what changes.

    Each quote is judged again with the names of its whole article exchanged, SWAPS times for each kind and for all
    kinds together. Needs about half a minute for 100 quotes on two cores.
    """
    from dataclasses import asdict

    from training.fairness import fairness as measure
    from training.fairness import report

    refuse_unwritable(json_out)
    pipeline = Pipeline.from_pretrained(model, device=device, precision=precision)
    articles = [annotated for path in data for annotated in read_articles(path)]
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("exchanging names", total=len(articles))
        shifts = measure(pipeline, articles, swaps=swaps, seed=seed, tick=lambda: bar.advance(task))
    _out.print(report(shifts))
    if json_out is not None:
        figures = {"model": pipeline.model, "swaps": swaps, "seed": seed, "kinds": [asdict(one) for one in shifts]}
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@app.command()
def gate(
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Annotated articles.  \\[default: the corpus's held articles]", show_default=False),
    ] = None,
    model: Model = None,
    floors: Annotated[Path, typer.Option(help="What must be reached.")] = FLOORS,
    write: Annotated[bool, typer.Option("--write", help="Make what was measured the new floors.")] = False,
    reason: Annotated[str, typer.Option(help="With --write: why a floor may be lowered.", show_default=False)] = "",
    device: Device = "auto",
) -> None:
    """Measure a model again and fail, with exit code 1, where a figure has fallen below its floor.

    The floors are those of the model that ships, each with the hash of the data that it was measured on.
    """
    from training import gate as gates

    if reason and not write:
        raise ConfigError("--reason stands alone, expected --write beside it")
    files = data or [CORPUS / "held.jsonl"]
    _refuse_twins([set_name(path) for path in files])
    refuse_unwritable(floors if write else None)
    known = gates.Floors(sets=()) if write and not floors.exists() else gates.Floors.read(floors)
    pipeline = Pipeline.from_pretrained(model, device=device)  # in the arithmetic that ships
    expected = {path: known.of(path) for path in files} if not write else {}
    sets = {path: read_articles(path) for path in files}
    measured = {}
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("measuring", total=sum(map(len, sets.values())))
        for path, articles in sets.items():
            measured[path] = gates.measure(pipeline, set_name(path), articles, lambda: bar.advance(task))
    if write:
        gates.write(gates.raised(known, pipeline.model, measured, reason), floors)
        _out.print(f"wrote {escape(str(floors))}")
        return
    for path, floor in expected.items():
        _out.print(gates.report(floor, measured[path], known.margin))
    low = sum(len(gates.fallen(floor, measured[path], known.margin)) for path, floor in expected.items())
    if low:
        _errors.print(f"[red]error:[/red] {low} figures have fallen below their floors", soft_wrap=True)
        raise typer.Exit(1)


@app.command()
def mark(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Marked-up articles; the form stands in training/annotations.py."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Annotated articles as JSON Lines.")],
) -> None:
    """Turn articles with inline marks into annotated articles with offsets."""
    rows = []
    for file in files:
        try:
            rows.append(to_row(parse_marked(file.read_text(encoding="utf-8"), str(file))))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: cannot be read: {error}") from error
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    _out.print(f"{len(rows)} articles, {sum(len(row['quotes']) for row in rows)} quotes -> {escape(str(out))}")


def _refuse_twins(names: Sequence[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ConfigError(f"--data: two files are called {', '.join(twins)}, expected another name for one of them")


def _next(folder: Path, new: bool) -> str:
    if new:
        return f"python -m training compare {folder} default --data EVALUATION.jsonl"
    return f"python -m training tune --model {folder} --data DEV.jsonl"


def _stop(error: StanceError) -> NoReturn:
    _errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
    raise SystemExit(_CODES.get(type(error), 1))
