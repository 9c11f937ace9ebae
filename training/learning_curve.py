"""What newly annotated quotes are worth: fits a model on more and more of them, and measures each.

Every run is one that `python -m training fit` would make, on articles drawn from a pool; what they are measured on is
in no run.
"""

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from stance.errors import ConfigError, InputError
from stance.files import whole_file
from stance.pipeline import Pipeline
from training.annotations import AnnotatedArticle, read_annotated, set_name, to_row
from training.duplicates import leaks
from training.evaluate import evaluate
from training.fit import fit
from training.gate import fingerprint
from training.lineage import GIVEN
from training.retrain import judged_quotes, refuse_leaks
from training.settings import FitConfig, NewData

SHOWN = (GIVEN, "claim F1", "quotes F1", "attributed F1", "speaker close")
_COLOURS = ("#0072b2", "#d55e00")  # Okabe & Ito 2008: apart for every eye
_MARKS = ("o", "s")
_SCOPES = ("heads", "all")

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """A learning curve to measure.

    Attributes:
        base: Folder of the model that every run begins from.
        pool: Files of annotated articles to draw from.
        evaluation: Files to measure on.
        sizes: Quotes with a stance that a run gets, for learning and for its held articles together.
        seeds: Each draws other articles, and is the run's own.
        scopes: Of `training.settings.FitConfig`.
        settings: Of each run; name, base, new articles, scope and seed are set for each.
        device: `auto`, `cpu` or `cuda`.
        precision: Arithmetic of the network where it is measured: `auto`, `float`, `bf16`, `int8` or `half`.
    """

    base: Path
    pool: tuple[Path, ...]
    evaluation: tuple[Path, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    scopes: tuple[str, ...]
    settings: FitConfig
    device: str = "auto"
    precision: str = "float"


def count(plan: Plan) -> int:
    """Say how many models are measured, the base among them."""
    return 1 + len(list(_runs(plan)))


def measure(plan: Plan, path: Path, *, tick: Callable[[], None] = lambda: None) -> Found:
    """Fit and measure, and keep what is done after each run.

    Args:
        plan: What to measure.
        path: The figures (JSON); runs that it holds already, of the same plan, are not made again.
        tick: Called after each run.

    Returns:
        `plan`; `left out`, the ids of articles of the pool that are (nearly) in an evaluation file; under `runs` the
        scope, size, seed, quotes, seconds and figures by set of each; the base has size 0.

    Raises:
        InputError: Data that cannot be read, a pool that is too small, an evaluation article among the old data.
        ConfigError: An unknown scope, two evaluation files of one name, or `path` holds the figures of another plan.
    """
    if unknown := sorted(set(plan.scopes) - set(_SCOPES)):
        raise ConfigError(f"scope {unknown[0]!r}: expected {' or '.join(_SCOPES)}")
    pool = list(read_annotated(plan.pool))
    names = [set_name(file) for file in plan.evaluation]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"--eval: two files are called {twins[0]}, expected another name for one of them")
    sets = {name: list(read_annotated([file])) for name, file in zip(names, plan.evaluation, strict=True)}
    for file, articles in zip(plan.evaluation, sets.values(), strict=True):
        if not articles:
            raise InputError(f"{file}: empty, expected one annotated article a line")
    alike = {leak.training for articles in sets.values() for leak in leaks(pool, articles)}
    pool = [one for one in pool if one.article.id not in alike]
    there = sum(len(judged_quotes(one)) for one in pool)
    if there < max(plan.sizes, default=0):
        files = ", ".join(map(str, plan.pool))
        raise InputError(f"{files}: {there} quotes with a stance, expected {max(plan.sizes)}")
    found = _begun(plan, path) | {"left out": sorted(alike)}
    for source in plan.settings.data:
        for file, articles in zip(plan.evaluation, sets.values(), strict=True):
            refuse_leaks(read_annotated([source.path]), articles, f"{source.path}, {file}")
    for scope, size, seed in [("base", 0, 0), *_runs(plan)]:
        if not any((run["scope"], run["size"], run["seed"]) == (scope, size, seed) for run in found["runs"]):
            found["runs"].append(_run(plan, pool, sets, scope, size, seed))
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        tick()
    return found


def drawn(pool: Sequence[AnnotatedArticle], size: int, seed: int) -> list[AnnotatedArticle]:
    """Draw whole articles with about so many judged quotes; a greater size begins with what a smaller one has."""
    order = list(pool)
    random.Random(seed).shuffle(order)
    chosen: list[AnnotatedArticle] = []
    total = 0
    for annotated in order:
        here = len(judged_quotes(annotated))
        if total >= size or (len(chosen) > 1 and total + here - size > size - total):
            break
        chosen.append(annotated)
        total += here
    return chosen


def report(found: Found) -> list[Table]:
    """Lay the curve out, a table a set: mean over the seeds, and the range."""
    tables = []
    for name in found["runs"][0]["sets"]:
        table = Table(title=name, title_justify="left")
        for column in ("scope", "quotes", *SHOWN):
            table.add_column(column, justify="left" if column == "scope" else "right")
        for scope, size, runs in _grouped(found):
            cells = []
            for figure in SHOWN:
                values = [run["sets"][name][figure] for run in runs]
                spread = f" [{min(values):.3f}, {max(values):.3f}]" if len(values) > 1 else ""
                cells.append(f"{np.mean(values):.3f}{spread}")
            table.add_row(scope, str(size), *cells)
        tables.append(table)
    return tables


def draw(found: Found, path: Path, *, figure: str = GIVEN) -> None:
    """Draw one panel a set: the figure over the quotes, a line for each scope, its range over the seeds shaded."""
    sets = list(found["runs"][0]["sets"])
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "learning curve",
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
    }
    with mpl.rc_context(style):
        picture = Figure(figsize=(4.2 * len(sets), 3.4), layout="constrained")
        panels = np.atleast_1d(picture.subplots(1, len(sets)))
        for panel, name in zip(panels, sets, strict=True):
            groups = list(_grouped(found))
            start = groups[0][2][0]["sets"][name][figure]
            panel.axhline(start, color="#777777", linewidth=1, linestyle=":")
            for scope, colour, mark in zip(_SCOPES, _COLOURS, _MARKS, strict=True):
                points = [(0, [start])]
                points += [(n, [r["sets"][name][figure] for r in runs]) for s, n, runs in groups if s == scope]
                if len(points) > 1:
                    x = [n for n, _ in points]
                    panel.plot(x, [np.mean(v) for _, v in points], color=colour, marker=mark, label=scope)
                    low, high = [min(v) for _, v in points], [max(v) for _, v in points]
                    panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            panel.set_title(name)
            panel.set_xlabel("newly annotated quotes")
            panel.set_ylabel(figure)
            panel.grid(visible=True, linewidth=0.5, alpha=0.5)
            panel.spines[["top", "right"]].set_visible(False)
            panel.legend(frameon=False)
        with whole_file(path) as temporary:
            title = f"{figure} by newly annotated quotes"
            picture.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})


def _runs(plan: Plan) -> Iterator[tuple[str, int, int]]:
    for scope in plan.scopes:
        for seed in plan.seeds:
            for size in plan.sizes:
                if size:
                    yield scope, size, seed


def _grouped(found: Found) -> Iterator[tuple[str, int, list[Found]]]:
    """Give scope, size and runs, the base first."""
    keys = sorted({(run["scope"], run["size"]) for run in found["runs"]}, key=lambda key: (key[0] != "base", key))
    for scope, size in keys:
        yield scope, size, [run for run in found["runs"] if (run["scope"], run["size"]) == (scope, size)]


def _begun(plan: Plan, path: Path) -> Found:
    settings = plan.settings.model_dump(mode="json", exclude={"name", "base_model", "scope", "seed"})
    noted = {
        "base": fingerprint(plan.base / "model.safetensors"),
        "pool": {file.name: fingerprint(file) for file in plan.pool},
        "evaluation": {file.name: fingerprint(file) for file in plan.evaluation},
        "settings": settings,
        "precision": plan.precision,
    }
    if not path.exists():
        return {"plan": noted, "runs": []}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["plan"] == noted and isinstance(found["runs"], list):
            return {"plan": noted, "runs": found["runs"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ConfigError(f"{path}: holds something else than the figures of this plan, expected another name for them")


def _run(
    plan: Plan,
    pool: Sequence[AnnotatedArticle],
    sets: dict[str, list[AnnotatedArticle]],
    scope: str,
    size: int,
    seed: int,
) -> Found:
    begun = time.monotonic()
    if not size:
        figures = _figures(plan, plan.base, sets)
        return {"scope": scope, "size": 0, "seed": 0, "quotes": 0, "seconds": 0.0, "sets": figures}
    articles = drawn(pool, size, seed)
    with TemporaryDirectory(prefix="learning-curve-") as place:
        data = Path(place) / "new.jsonl"
        data.write_text("".join(json.dumps(to_row(one)) + "\n" for one in articles), encoding="utf-8")
        new = (plan.settings.new or NewData()).model_copy(update={"paths": (data,)})
        changes = {"name": "curve", "base_model": str(plan.base), "new": new, "scope": scope, "seed": seed}
        folder = Path(place) / "curve"
        fit(plan.settings.model_copy(update=changes), folder, device=plan.device)
        seconds = time.monotonic() - begun
        figures = _figures(plan, folder, sets)
        shutil.rmtree(folder)
    quotes = sum(len(judged_quotes(one)) for one in articles)
    return {"scope": scope, "size": size, "seed": seed, "quotes": quotes, "seconds": round(seconds, 1), "sets": figures}


def _figures(plan: Plan, folder: Path, sets: dict[str, list[AnnotatedArticle]]) -> dict[str, dict[str, float]]:
    pipeline = Pipeline.from_pretrained(folder, device=plan.device, precision=plan.precision)
    result = {}
    for name, articles in sets.items():
        one = evaluate(pipeline, name, articles, intervals=False)
        labels = {f"F1 of {label}": f1 for label, (f1, _, _, _) in one.given.labels.items()}
        result[name] = {key: round(value, 4) for key, value in (one.figures() | one.doubt() | labels).items()}
    return result
