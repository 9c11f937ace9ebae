"""Champion and challenger: which models there are, where they come from, and which one is in use.

`models/registry.json` names the default. Promotion writes that one file anew, whole or not at all, and touches no
model's folder: whatever happens on the way, a kill or a full disk, the model in use is the old one or the new one.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from stance.config import load_json
from stance.errors import ConfigError, ModelError, OutputError
from stance.files import whole_file
from stance.network import WEIGHTS, load_network
from stance.pipeline import MODEL_NAME, REGISTRY, default_model, in_use
from training.compare import Difference
from training.gate import fingerprint
from training.lineage import CARD, METRICS, Lineage, now

_Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
Figures = dict[str, dict[str, float]]


class Model(BaseModel):
    """A model that the registry knows.

    Attributes:
        parent: Name of the model that it began from; None where that was an encoder, or is not known.
        base: What it began from, as its settings name it.
        sha256: Of its weights.
        scope: What learned: `heads` or `all`.
        seed: Of the run.
        settings_sha256: Of its `fit.json`.
        data: Names of the files that it learned from, with the SHA-256 of their bytes.
        versions: Of Python and the libraries it was made with.
        made: When, in UTC.
        figures: By set, from its `metrics.json`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    parent: str | None = None
    base: str = ""
    sha256: str
    scope: str = "all"
    seed: int | None = None
    settings_sha256: str | None = None
    data: dict[str, str] = {}
    versions: dict[str, str] = {}
    made: str = ""
    figures: Figures = {}


class Change(BaseModel):
    """A change of the default.

    Attributes:
        default: Name of the model in use from then on.
        since: When, in UTC.
        how: `shipped`, `promoted`, `forced` or `rolled back`.
        reason: Why, for a forced one; what was gained, for a promoted one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: _Name
    since: str = ""
    how: str
    reason: str = ""


class Registry(BaseModel):
    """The models of a folder; `registry.json`.

    Attributes:
        default: Name of the model in use.
        history: Every change of it, the oldest first.
        models: By name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: _Name = "default"
    history: tuple[Change, ...] = ()
    models: dict[_Name, Model] = {}

    @classmethod
    def read(cls, models: Path) -> Self:
        """Read the registry of a folder of models; an empty one where there is none yet.

        Raises:
            ConfigError: It is damaged.
        """
        path = models / REGISTRY
        try:
            return load_json(cls, path, "a registry of models")
        except ConfigError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return cls()
            raise

    @property
    def before(self) -> str | None:
        """Name of the default before this one, of those that were not rolled back; None where there is none."""
        standing: list[str] = []
        for change in self.history:
            if change.how == "rolled back":
                standing = standing[:-1]
            if not standing or standing[-1] != change.default:
                standing.append(change.default)
        return standing[-2] if len(standing) > 1 else None


def refuse_name(folder: Path) -> None:
    """Refuse a model folder whose name no registry can hold.

    Raises:
        ConfigError: The name begins with something else than a letter or digit, or holds a space, say.
    """
    if not MODEL_NAME.fullmatch(folder.name):
        raise ConfigError(
            f"{str(folder)!r}: expected a folder named by letters, digits, '_', '-' and '.' (no '-' or '.' first)"
        )


def refuse_needed(folder: Path) -> None:
    """Refuse a model folder that the registry beside it needs: the default, or one that `rollback` may bring back.

    Raises:
        ConfigError: It is one of them, or the registry is damaged.
    """
    for place in _registered(folder):
        registry = Registry.read(place.parent)
        if place.name in {registry.default, *(change.default for change in registry.history)}:
            raise ConfigError(
                f"{folder}: is or was the default of {place.parent / REGISTRY}, so that `rollback` may need it, "
                "expected another name"
            )


def is_default(folder: Path) -> bool:
    """Say whether a model folder is in use: here, or by the registry beside it.

    Raises:
        ModelError: A registry is damaged.
    """
    users = [default_model(), *(in_use(place.parent) for place in _registered(folder))]
    return folder.resolve() in {user.resolve() for user in users}


def _registered(folder: Path) -> Iterator[Path]:
    """Give the names under which a registry may know a folder: a link has its own and that of what it points to."""
    for place in (Path(os.path.abspath(folder)), folder.resolve()):
        if (place.parent / REGISTRY).is_file():
            yield place


def enrol(folder: Path) -> None:
    """Note a new model in the registry beside its folder; where there is no registry nothing is noted.

    Raises:
        ConfigError: The registry is damaged, or cannot hold the folder's name.
        OutputError: It cannot be written.
    """
    models = folder.parent
    refuse_name(folder)
    if (models / REGISTRY).is_file():
        with _changing(models) as registry:
            known = registry.models | {folder.name: described(folder)}
            # Not by model_copy, which checks nothing: what is written must be read again.
            _write(Registry(default=registry.default, history=registry.history, models=known), models)


def described(folder: Path) -> Model:
    """Describe a model folder by its files.

    Raises:
        ModelError: It is no model folder, or its lineage is damaged.
    """
    load_network(folder)  # whatever is in use must load
    lineage = Lineage.read(folder)
    known = {} if lineage is None else lineage.model_dump(include=set(Model.model_fields))
    return Model.model_validate(known | {"sha256": fingerprint(folder / WEIGHTS), "figures": _figures(folder)})


def challenger(models: Path, name: str) -> Path:
    """Give the folder of a model that may become the default.

    Raises:
        ConfigError: The name is no folder's, or is the default already.
    """
    if not MODEL_NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: expected the name of a folder in {models}")
    if Registry.read(models).default == name:
        raise ConfigError(f"{name}: is the default already, expected another model")
    return models / name


def promote(models: Path, name: str, reason: str, *, forced: bool = False) -> str:
    """Make a model the default.

    Args:
        models: Folder of the models and their registry.
        name: Of the model's folder.
        reason: What was gained, or why it was forced; noted in the registry, a forced one in the card too.
        forced: Whether it is promoted against the figures.

    Returns:
        Name of the default before.

    Raises:
        ConfigError: The model is in use already, or the registry is damaged.
        ModelError: It cannot be loaded.
        OutputError: The registry cannot be written; the default is as it was.
    """
    challenger(models, name)
    reason = " ".join(reason.split())
    with _changing(models) as registry:
        if registry.default == name:
            raise ConfigError(f"{name}: is the default already, expected another model")
        model = described(models / name)
        known = registry.models
        if registry.default not in known:
            known = known | {registry.default: described(in_use(models))}
        history = registry.history or (Change(default=registry.default, how="shipped"),)
        change = Change(default=name, since=now(), how="forced" if forced else "promoted", reason=reason)
        _write(Registry(default=name, history=(*history, change), models=known | {name: model}), models)
    if forced:
        _note(models / name, reason)
    return registry.default


def rollback(models: Path) -> tuple[str, str]:
    """Bring the default before this one back.

    Returns:
        Names of the default that goes and of the one that comes back.

    Raises:
        ConfigError: There was none before, or the registry is damaged.
        ModelError: The one before cannot be loaded.
        OutputError: The registry cannot be written; the default is as it was.
    """
    with _changing(models) as registry:
        before = registry.before
        if before is None:
            raise ConfigError(f"{models / REGISTRY}: {registry.default!r} is the first default, expected one before it")
        described(models / before)
        change = Change(default=before, since=now(), how="rolled back", reason=f"from {registry.default}")
        _write(registry.model_copy(update={"default": before, "history": (*registry.history, change)}), models)
        return registry.default, before


def refusals(
    fallen: Mapping[str, Sequence[str]], differences: Sequence[Difference], figure: str | None, where: str
) -> list[str]:
    """Say why a model is not to be promoted; nothing where it is.

    Args:
        fallen: Figures below their floor, by set.
        differences: Of the new model and the one in use, on new data.
        figure: Which of them must be better; None for none.
        where: Name of the new data.
    """
    reasons = [f"{name}: below its floor: {', '.join(low)}" for name, low in fallen.items() if low]
    return reasons + [
        f"{where}: {figure} {one.mine:.3f} against {one.other:.3f}, difference in [{one.low:+.3f}, {one.high:+.3f}], "
        "expected an interval on the better side of 0"
        for one in differences
        if one.figure == figure and one.verdict != "better"
    ]


def _figures(folder: Path) -> Figures:
    try:
        found = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    sets = found.get("sets") if isinstance(found, dict) else None
    return sets if isinstance(sets, dict) else {}


def _note(folder: Path, reason: str) -> None:
    card = folder / CARD
    words = card.read_text(encoding="utf-8") if card.is_file() else f"# Model card: {folder.name}\n"
    try:
        with whole_file(card) as temporary:
            temporary.write_text(f"{words}\nForced to be the default on {now()}: {reason}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{card}: cannot be written: {error}; the registry has the reason") from error


def _write(registry: Registry, models: Path) -> None:
    with whole_file(models / REGISTRY) as temporary:
        temporary.write_text(registry.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def _changing(models: Path) -> Iterator[Registry]:
    """Give the registry to one process at a time, and say what is wrong where it cannot be written."""
    if not models.is_dir():
        raise ModelError(f"{models}: no such folder, expected one with models")
    try:
        with FileLock(models / f".{REGISTRY}.lock"):
            yield Registry.read(models)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        why = "no space left on the disk; free some" if full else str(error)
        raise OutputError(f"{models / REGISTRY}: cannot be written: {why}; the default is as it was") from error
