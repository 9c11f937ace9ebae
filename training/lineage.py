"""Where a fitted model comes from: settings, data and base by their hashes; figures before and after; its card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from stance.errors import ModelError
from stance.network import CONFIG, TOKENIZER, WEIGHTS
from stance.pipeline import Pipeline, default_model
from stance.types import Stance
from training.annotations import AnnotatedArticle
from training.evaluate import Evaluation, evaluate
from training.gate import LESS, fingerprint
from training.provenance import versions
from training.retrain import Split, is_whole, judged_quotes
from training.settings import SHIPPED, FitConfig

LINEAGE, METRICS, CARD = "lineage.json", "metrics.json", "README.md"
GIVEN = "stance macro F1 (gold spans)"
HELD = "held new articles"


class Lineage(BaseModel):
    """Where a model comes from; `lineage.json` in its folder.

    Attributes:
        name: Of the model.
        parent: Name of the model that it began from; None where that was an encoder.
        base: The base as the settings name it.
        base_sha256: Of the parent's weights; None without a parent.
        sha256: Of the model's weights.
        scope: What learned.
        seed: Of the run.
        settings_sha256: Of `fit.json`.
        data: Names of the data files and the SHA-256 of their bytes.
        learned: SHA-256 of the texts that it learned from: new ones, old ones mixed in, its parent's and its teacher's.
        held: SHA-256 of the texts of the new articles that were held out.
        versions: Of Python and the libraries.
        made: When, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parent: str | None = None
    base: str = ""
    base_sha256: str | None = None
    sha256: str
    scope: str = "all"
    seed: int | None = None
    settings_sha256: str | None = None
    data: dict[str, str] = {}
    learned: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    made: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read a model folder's lineage; None where it has none.

        Raises:
            ModelError: The file is damaged.
        """
        path = folder / LINEAGE
        if not path.is_file():
            return None
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise ModelError(f"{path}: cannot be read as a model's lineage: {str(error).splitlines()[0]}") from error


def text_hash(annotated: AnnotatedArticle) -> str:
    """Give the SHA-256 of an article's text."""
    return hashlib.sha256(annotated.article.text.encode("utf-8", "surrogatepass")).hexdigest()


def learned(*folders: Path | None) -> frozenset[str]:
    """Give the hashes of the texts that models learned from, as far as their lineages know; none without one.

    Raises:
        ModelError: The lineage is damaged.
    """
    known = [Lineage.read(folder) for folder in folders if folder]
    return frozenset(text for one in known if one for text in one.learned)


def run(config: FitConfig) -> dict[str, Any]:
    """Give what decides the outcome of a run: its settings, its data and base by their hashes, and the libraries."""
    base = default_model() if config.base_model == SHIPPED else Path(config.base_model)
    parts = [base / name for name in (WEIGHTS, CONFIG, TOKENIZER, LINEAGE)]
    teacher = config.teacher and config.teacher / WEIGHTS
    return {
        "settings": config.model_dump(mode="json"),
        "data": {str(path): fingerprint(path) for path in files(config)},
        "base model": {path.name: fingerprint(path) for path in parts if path.is_file()} or config.base_model,
        "teacher": fingerprint(teacher) if teacher and teacher.is_file() else None,
        "versions": versions(),
    }


def files(config: FitConfig) -> list[Path]:
    """Give the files that a run learns from, the new ones last."""
    return [*(source.path for source in config.data), *(config.new.paths if config.new else ())]


def figures(one: Evaluation, *, whole: bool) -> dict[str, float]:
    """Give the figures of an evaluation, rounded.

    Args:
        one: The evaluation.
        whole: Whether the set knows every quote of its articles; else only the stances on given spans are measured.
    """
    found = {**one.figures(), **one.doubt()} if whole else {GIVEN: one.given.macro_f1, **one.doubt()}
    return {name: round(value, 4) for name, value in found.items()}


def describe(config: FitConfig, folder: Path, base: Path | None, parts: Split) -> None:
    """Measure a new model and its base on the held articles; write `metrics.json`, `lineage.json` and the card.

    Args:
        config: Settings of the run.
        folder: Of the new model.
        base: The folder of the model that it began from; None where that was an encoder.
        parts: The new articles.
    """
    complete = config.new is not None and config.new.complete
    whole = all(is_whole(one, complete) for one in parts.held)
    after = _measured(folder, parts.held)
    before = _measured(base, parts.held) if base else None
    made = {
        "model": config.name,
        "sets": {HELD: figures(after, whole=whole)},
        "labels": {HELD: _labels(after)},
        "before": {HELD: figures(before, whole=whole), "labels": _labels(before)} if before else None,
    }
    _write_json(folder / METRICS, made)
    parent = json.loads((base / CONFIG).read_text(encoding="utf-8"))["name"] if base else None
    known = learned(base, config.teacher)
    lineage = Lineage(
        name=config.name,
        parent=parent,
        base=Path(config.base_model).name if base else config.base_model,
        base_sha256=fingerprint(base / WEIGHTS) if base else None,
        sha256=fingerprint(folder / WEIGHTS),
        scope=config.scope,
        seed=config.seed,
        settings_sha256=fingerprint(folder / "fit.json"),
        data={path.name: fingerprint(path) for path in files(config)},
        learned=tuple(sorted(known.union(map(text_hash, [*parts.learned, *(one for one, _ in parts.old)])))),
        held=tuple(map(text_hash, parts.held)),
        versions=dict(versions()),
        made=now(),
    )
    (folder / LINEAGE).write_text(lineage.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(config, lineage, parts, made), encoding="utf-8")


def now() -> str:
    """Give the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _measured(folder: Path, articles: Sequence[AnnotatedArticle]) -> Evaluation:
    pipeline = Pipeline.from_pretrained(folder, device="cpu")
    return evaluate(pipeline, HELD, articles, intervals=False)


def _labels(one: Evaluation) -> dict[str, float]:
    return {label: round(f1, 4) for label, (f1, _, _, n) in one.given.labels.items() if n}


def _write_json(path: Path, found: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _card(config: FitConfig, lineage: Lineage, parts: Split, made: Mapping[str, Any]) -> str:
    learned = "the stance head alone; encoder, quotes and speakers are those of its parent"
    rows = [
        f"| {part} | {len(some)} | {sum(len(one.quotes) for one in some)} | "
        + " / ".join(str(sum(q.stance is label for one in some for q in judged_quotes(one))) for label in Stance)
        + " |"
        for part, some in (("learned from", parts.learned), ("held out", parts.held))
    ]
    before = made["before"]
    columns = ["before", "after"] if before else ["after"]
    table = [
        f"| {name}{' (less is better)' if name in LESS else ''} | "
        + " | ".join(f"{some[name]:.3f}" for some in ([before[HELD]] if before else []) + [made["sets"][HELD]])
        + " |"
        for name in made["sets"][HELD]
    ]
    return "\n".join(
        [
            f"# Model card: {config.name}",
            "",
            f"Fitted by `python -m training fit` from {lineage.parent or lineage.base} on newly annotated articles; "
            f"learned: {learned if config.scope == 'heads' else 'all weights'}. What its parent's card says of purpose "
            "and limits holds for it too.",
            "",
            "| new articles | articles | quotes | accusation / denial / justification / other |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "On the held articles. They said when to stop, so the figures are a little flattering; with few of them a "
            "difference may be chance (`python -m training compare` gives intervals).",
            "",
            f"| figure | {' | '.join(columns)} |",
            f"| --- |{' --- |' * len(columns)}",
            *table,
            "",
            f"Settings: `fit.json`. Data, base, seed and versions: `{LINEAGE}`.",
            "",
        ]
    )
