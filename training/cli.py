"""`python -m training`: fit, tune, evaluate, and turn marked-up text into annotated articles.

Exit codes: 0 done, 1 data that cannot be read, 2 wrong usage or config, 3 model or device.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from stance.config import load_config
from stance.errors import ConfigError, InputError, ModelError, StanceError
from stance.pipeline import Pipeline, default_model
from training.annotations import AnnotatedArticle, parse_marked, read_annotated, to_row

CORPUS = Path(__file__).parent / "corpus"
app = typer.Typer(
    help="Train the network on annotated articles, tune it, and measure it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_out = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)
_CODES = {InputError: 1, ConfigError: 2, ModelError: 3}

Data = Annotated[list[Path], typer.Option("--data", help="Annotated articles (.jsonl, .jsonl.gz); may be repeated.")]
Model = Annotated[
    Path | None, typer.Option(help="A model folder.  [default: the model that ships]", show_default=False)
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def main() -> None:
    """Run `python -m training`; every error of ours becomes one line and an exit code."""
    try:
        app(prog_name="python -m training", standalone_mode=True)
    except StanceError as error:
        _stop(error)


@app.command()
def fit(
    config: Annotated[Path, typer.Option(help="A YAML file such as configs/fit.yaml.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The model folder to write.  [default: models/NAME]", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Wins over the config's name.", show_default=False)] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Wins over the config's base model: a hub name or a folder.", show_default=False)
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Wins over the config's epochs.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Wins over the config's seed.", show_default=False)] = None,
    device: Device = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of going on from the last checkpoint.")
    ] = False,
) -> None:
    """Train a network and write a model folder.

    Checkpoints stand beside the folder in NAME.checkpoints: a run that was interrupted goes on from the
    last one when the same command is given again. The base model is fetched from the hub unless it is a folder.
    """
    from training.fit import FitConfig
    from training.fit import fit as train

    settings = load_config(FitConfig, config, name=name, base_model=base_model, epochs=epochs, seed=seed)
    folder = out or Path("models") / settings.name
    train(settings, folder, device=device, resume=not fresh)
    _out.print(
        f"wrote {escape(str(folder))}; next: python -m training tune --model {escape(str(folder))} --data DEV.jsonl"
    )


@app.command()
def tune(data: Data, model: Model = None, device: Device = "auto") -> None:
    """Choose the decoding constants on development articles and write them into the model's config.json.

    Thresholds for spans and speakers, the temperature of the probabilities, the weights of the labels.
    """
    from stance.network import write_config
    from training.tune import tune as search

    folder = model or default_model()
    pipeline = Pipeline.from_pretrained(folder, device=device)
    decoding, log = search(pipeline, [(path.name.split(".")[0], _read(path)) for path in data])
    for line in log:
        _out.print(escape(line))
    write_config(pipeline.network.config.model_copy(update={"decoding": decoding}), folder)
    _out.print(f"wrote {escape(str(folder / 'config.json'))}")


@app.command()
def evaluate(
    data: Data,
    model: Model = None,
    baseline_data: Annotated[
        list[Path] | None,
        typer.Option(
            help="What the TF-IDF baseline learns from.  [default: the corpus that ships]", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here too.", show_default=False)
    ] = None,
) -> None:
    """Measure a model on annotated articles: quotes, sources, speakers, stances, with 95% intervals.

    Beside the stance on annotated spans stands the TF-IDF and logistic regression baseline.
    """
    from training.baselines import fit_baseline, judged, score_baseline
    from training.evaluate import evaluate as measure
    from training.evaluate import report

    pipeline = Pipeline.from_pretrained(model, device=device)
    sets = [(path.name.split(".")[0], _read(path)) for path in data]
    learned = fit_baseline([pair for path in baseline_data or [CORPUS / "train.jsonl"] for pair in judged(_read(path))])
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
            figures["sets"][one.name] = _rounded(one.figures())
            figures["labels"][one.name] = {label: round(f1, 4) for label, (f1, _, _, _) in one.given.labels.items()}
            figures["intervals"][one.name] = {k: [round(x, 4) for x in v] for k, v in one.intervals.items()}
            figures["baseline"][one.name] = round(baseline.macro_f1, 4)
        json_out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


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


def _read(path: Path) -> Sequence[AnnotatedArticle]:
    articles = list(read_annotated([path]))
    if not articles:
        raise InputError(f"{path}: empty, expected one annotated article a line")
    return articles


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def _stop(error: StanceError) -> NoReturn:
    _errors.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
    raise SystemExit(_CODES.get(type(error), 1))
