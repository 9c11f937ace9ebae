"""The commands on models: compare two of them, promote one, take that back, draw a learning curve."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from stance.errors import ConfigError, InputError, ModelError
from stance.network import CONFIG
from stance.pipeline import REGISTRY, Pipeline, in_use
from training.annotations import AnnotatedArticle, set_name
from training.options import Data, Device, JsonOut, read_articles, refuse_unwritable

_ROOT = Path(__file__).parent.parent
_out = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)
_STANCE = "stance macro F1 (gold spans)"

Models = Annotated[Path, typer.Option(help="Folder of the models and their registry.", show_default="models")]


def attach(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""
    for command in (compare, promote, rollback, learning_curve):
        app.command()(command)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A model: its name in models, a folder, or default.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")],
    data: Data,
    shown: Annotated[int, typer.Option("--list", min=0, help="Most changed quotes to show, each way.")] = 10,
    models: Models = _ROOT / "models",
    device: Device = "auto",
    json_out: JsonOut = None,
) -> None:
    """Measure two models on the same articles: differences, and the quotes that only one of them gets right.

    Intervals and p-values are those of a paired bootstrap over articles. --json has every changed quote.
    """
    from training import compare as comparing
    from training.evaluate import answers

    refuse_unwritable(json_out)
    folders = [model_folder(models, word) for word in (first, second)]
    sets = _sets(data)
    pipelines = [Pipeline.from_pretrained(folder, device=device) for folder in folders]
    names = _names(pipelines, (first, second))
    made = {}
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("reading", total=2 * sum(map(len, sets.values())))
        for name, articles in sets.items():
            found = [answers(pipeline, articles, tick=lambda: bar.advance(task)) for pipeline in pipelines]
            made[name] = comparing.compare(name, *found)
    for one in made.values():
        for table in comparing.report(one, *names, shown=shown):
            _out.print(table)
    if json_out is not None:
        figures = {"models": names, "sets": {name: comparing.figures(one) for name, one in made.items()}}
        json_out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def promote(
    name: Annotated[str, typer.Argument(help="Of the model, a folder in models.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="New annotated articles to measure the gain on; may be repeated.", show_default=False
        ),
    ] = None,
    figure: Annotated[str, typer.Option(help="What must be better on them.")] = _STANCE,
    floors: Annotated[Path, typer.Option(help="What must be reached.", show_default="models/floors.json")] = _ROOT
    / "models"
    / "floors.json",
    floor_data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Articles that the floors are of.  \\[default: the corpus's held articles]", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote against the figures; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="With --force: why. It goes into the card.", show_default=False)] = "",
    models: Models = _ROOT / "models",
    device: Device = "auto",
) -> None:
    """Make a model the default, if it keeps every floor and is better than the default on new data.

    Better means: the 95% interval of the difference (paired bootstrap over articles) lies above 0. Articles that
    the model learned from, by its lineage, are left out. Exit code 1 where it is not promoted.
    """
    from training import gate, registry
    from training.compare import differences
    from training.evaluate import answers, evaluated, resampled
    from training.lineage import learned

    if force != bool(reason.strip()):
        raise ConfigError("--force and --reason belong together, expected both or none")
    if not force and not data:
        raise ConfigError("expected --data: new annotated articles to measure the gain on (or --force and --reason)")
    folder = registry.challenger(models, name)
    pipelines = [Pipeline.from_pretrained(one, device=device) for one in (folder, in_use(models))]
    known = gate.Floors.read(floors)
    known_texts = learned(folder)
    floored = {path: known.of(path) for path in floor_data or [_ROOT / "training" / "corpus" / "held.jsonl"]}
    reasons, gains = [], []
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("measuring", total=None)
        for path, floor in floored.items():
            fresh = _fresh(floor.name, read_articles(path), known_texts, name)
            measured = gate.measure(pipelines[0], floor.name, fresh, lambda: bar.advance(task))
            _out.print(gate.report(floor, measured, known.margin))
            low = {floor.name: gate.fallen(floor, measured, known.margin)}
            reasons += registry.refusals(low, [], None, "")
        for where, articles in _sets(data or []).items():
            fresh = _fresh(where, articles, known_texts, name)
            found = [answers(one, fresh, tick=lambda: bar.advance(task)) for one in pipelines]
            samples = [resampled(one) for one in found]
            values = [evaluated(where, *pair) for pair in zip(found, samples, strict=True)]
            mine, its = (one.figures() | one.doubt() for one in values)
            apart = differences(mine, its, *samples)
            chosen = [one for one in apart if one.figure == figure]
            if not chosen:
                raise ConfigError(f"--figure {figure!r}: expected one of {', '.join(one.figure for one in apart)}")
            [one] = chosen
            gains.append(f"{where}: {figure} {one.other:.3f} to {one.mine:.3f} [{one.low:+.3f}, {one.high:+.3f}]")
            reasons += registry.refusals({}, apart, figure, where)
    for gain in gains:
        _out.print(escape(gain), soft_wrap=True)
    for words in reasons:
        _errors.print(f"[red]against it:[/red] {escape(words)}", soft_wrap=True)
    if reasons and not force:
        _errors.print(f"[red]error:[/red] {escape(name)} is not promoted; the default stays", soft_wrap=True)
        raise typer.Exit(1)
    why = "; ".join([reason, *reasons] if force else gains)
    before = registry.promote(models, name, why, forced=force)
    _out.print(escape(f"{name} is the default now, {before} was; `python -m training rollback` takes that back"))


def rollback(models: Models = _ROOT / "models") -> None:
    """Bring the default before this one back."""
    from training import registry

    gone, back = registry.rollback(models)
    _out.print(escape(f"{back} is the default again, in the place of {gone}"))


def learning_curve(
    base: Annotated[str, typer.Option(help="The model to begin from: its name in models, a folder, or default.")],
    data: Annotated[list[Path], typer.Option("--data", help="The pool of newly annotated articles; several.")],
    evaluation: Annotated[list[Path], typer.Option("--eval", help="What every model is measured on; several.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture (.svg); the figures stand beside it (.json).")],
    config: Annotated[Path, typer.Option(help="Settings of each run.", show_default="configs/retrain.yaml")] = _ROOT
    / "configs"
    / "retrain.yaml",
    sizes: Annotated[str, typer.Option(help="Newly annotated quotes, with commas.")] = "50,100,200,400",
    seeds: Annotated[str, typer.Option(help="Of the draws and the runs, with commas.")] = "13,14,15",
    scopes: Annotated[str, typer.Option(help="heads, all, or both with a comma.")] = "heads,all",
    models: Models = _ROOT / "models",
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="Arithmetic where models are measured: auto, float, bf16, int8 or half.")
    ] = "float",
) -> None:
    """Measure what so many newly annotated quotes are worth: a run for each size, seed and scope, one picture.

    What is done is kept in the figures' file: given again, the command goes on where it was stopped.
    """
    from stance.config import load_config
    from training import learning_curve as curves
    from training.settings import FitConfig

    if out.suffix.lower() != ".svg":
        raise ConfigError(f"{out}: expected a name that ends in .svg")
    refuse_unwritable(out)
    plan = curves.Plan(
        base=model_folder(models, base),
        pool=tuple(data),
        evaluation=tuple(evaluation),
        sizes=_numbers("--sizes", sizes),
        seeds=_numbers("--seeds", seeds),
        scopes=tuple(scopes.split(",")),
        settings=load_config(FitConfig, config),
        device=device,
        precision=precision,
    )
    with Progress(console=_errors, transient=True, disable=not _errors.is_terminal) as bar:
        task = bar.add_task("fitting", total=curves.count(plan))
        found = curves.measure(plan, out.with_suffix(".json"), tick=lambda: bar.advance(task))
    if found["left out"]:
        _out.print(f"left out, for they are measured on: {escape(', '.join(found['left out']))}", soft_wrap=True)
    curves.draw(found, out)
    for table in curves.report(found):
        _out.print(table)
    _out.print(f"wrote {escape(str(out))} and {escape(str(out.with_suffix('.json')))}", soft_wrap=True)


def model_folder(models: Path, word: str) -> Path:
    """Find a model by what a user calls it: `default`, a folder, or a name in the folder of the models.

    Raises:
        ModelError: There is none.
    """
    if word == "default" and (models / REGISTRY).is_file():
        return in_use(models)
    for folder in (models / word, Path(word)):
        if (folder / CONFIG).is_file():
            return folder
    raise ModelError(f"{word}: no such model, expected default, a folder, or a name in {models}")


def _names(pipelines: Sequence[Pipeline], words: Sequence[str]) -> list[str]:
    names = [pipeline.model for pipeline in pipelines]
    return names if len(set(names)) > 1 else list(words)


def _sets(paths: Sequence[Path]) -> dict[str, list[AnnotatedArticle]]:
    """Read files by their names; of several annotators' readings of a text one counts."""
    from training.retrain import one_reading

    sets: dict[str, list[AnnotatedArticle]] = {}
    for path in paths:
        articles = read_articles(path)
        if set_name(path) in sets:
            raise ConfigError(f"--data: two files are called {set_name(path)}, expected another name for one of them")
        once = one_reading(articles)
        if len(once) < len(articles):
            _out.print(escape(f"{set_name(path)}: {len(articles) - len(once)} further readings of a text left out"))
        sets[set_name(path)] = once
    return sets


def _fresh(
    where: str, articles: Sequence[AnnotatedArticle], learned: Collection[str], name: str
) -> list[AnnotatedArticle]:
    """Leave out what a model learned from, and say so."""
    from training.lineage import text_hash

    fresh = [one for one in articles if text_hash(one) not in learned]
    if len(fresh) < len(articles):
        _out.print(escape(f"{where}: {len(articles) - len(fresh)} articles left out: {name} learned from them"))
    if not fresh:
        raise InputError(f"{where}: {name} learned from every article in it, expected others")
    return fresh


def _numbers(option: str, words: str) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in words.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 0:
        raise ConfigError(f"{option} {words!r}: expected whole numbers with commas between them")
    return found
