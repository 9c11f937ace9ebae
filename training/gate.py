"""The gate: what the model that ships has reached, it must reach again.

`models/floors.json` holds the figures with the hash of the data that they were measured on. A floor rises with a
better model; it is lowered only on purpose, and the file says why.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table

from stance.config import load_json
from stance.errors import ConfigError, InputError
from stance.pipeline import Pipeline
from training.annotations import AnnotatedArticle, set_name
from training.evaluate import Evaluation, evaluate

# Less is better in these; in all others more.
LESS = frozenset(["speaker wrong", "target wrong", "calibration error"])


class Floor(BaseModel):
    """What was reached on one set.

    Attributes:
        name: Of the set.
        model: Whose figures they are.
        sha256: Of the data file's bytes; a figure on other data says nothing.
        figures: By name, as `training.evaluate` gives them.
        reason: Why a floor was lowered; empty where none was.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    figures: dict[str, Annotated[float, Field(allow_inf_nan=False)]]
    reason: str = ""


class Floors(BaseModel):
    """The floors; `models/floors.json`.

    Attributes:
        margin: How far below its floor a figure may fall: what another processor or library version changes.
        sets: One floor a data file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin: float = Field(0.01, ge=0, le=0.05)
    sets: tuple[Floor, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ConfigError: It cannot be read, or does not hold floors.
        """
        return load_json(cls, path, "floors")

    def of(self, path: Path) -> Floor:
        """Find the floor of a data file by its hash.

        Raises:
            ConfigError: No floor was measured on this data.
        """
        found = next((floor for floor in self.sets if floor.sha256 == fingerprint(path)), None)
        if found is None:
            known = ", ".join(floor.name for floor in self.sets)
            raise ConfigError(f"{path}: no floor was measured on this data, expected one of {known}, unchanged")
        return found


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of a file's bytes.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def measure(
    pipeline: Pipeline, name: str, articles: Sequence[AnnotatedArticle], tick: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Measure the figures that have floors, without intervals."""
    return figures(evaluate(pipeline, name, articles, intervals=False, tick=tick))


def figures(one: Evaluation) -> dict[str, float]:
    """Give the figures of an evaluation that have floors, rounded as they are kept."""
    return {name: round(value, 4) for name, value in (one.figures() | one.doubt()).items()}


def fallen(floor: Floor, measured: Mapping[str, float], margin: float) -> list[str]:
    """Name the figures that are worse than their floor by more than the margin, or were not measured."""
    return [
        name
        for name, value in floor.figures.items()
        # Figures are kept to four digits: rounding takes the dust of binary fractions away. NaN has fallen.
        if name not in measured or not round(_worse(name, value, measured[name]), 6) <= margin
    ]


def _worse(name: str, floor: float, measured: float) -> float:
    return measured - floor if name in LESS else floor - measured


def report(floor: Floor, measured: Mapping[str, float], margin: float) -> Table:
    """Lay figures and floors out side by side."""
    low = set(fallen(floor, measured, margin))
    table = Table(title=f"{floor.name}: at most {margin} worse than the floor", title_justify="left")
    table.add_column("figure")
    for name in ("floor", "measured", ""):
        table.add_column(name, justify="right")
    for name, value in floor.figures.items():
        now = f"{measured[name]:.4f}" if name in measured else "–"
        table.add_row(name, f"{value:.4f}", now, "[red]worse[/red]" if name in low else "")
    return table


def raised(floors: Floors, model: str, sets: Mapping[Path, Mapping[str, float]], reason: str) -> Floors:
    """Put measured figures in the place of the floors.

    Args:
        floors: The old ones.
        model: Name of the model that was measured.
        sets: Figures by data file.
        reason: Why a floor may fall, or those of a set whose articles have changed be taken anew.

    Raises:
        ConfigError: A figure is below its floor by more than the margin, or a set has changed, and there is no reason.
    """
    found = list(floors.sets)
    for path, measured in sets.items():
        sha256, name = fingerprint(path), set_name(path)
        old = next((floor for floor in found if floor.sha256 == sha256), None)
        low = fallen(old, measured, floors.margin) if old else []
        changed = old is None and any(floor.name == name for floor in found)
        if low and not reason:
            raise ConfigError(f"{path}: {', '.join(low)} would be lowered, expected a reason (--reason)")
        if changed and not reason:  # else any floor could be lowered by changing a letter of its data
            raise ConfigError(f"{path}: the floors of {name!r} are of another text of it, expected a reason (--reason)")
        reached = dict(measured)
        if old and not low:  # within the margin is noise: a floor does not sink by it, or it would sink again and again
            reached |= {n: v for n, v in old.figures.items() if _worse(n, v, measured[n]) > 0}
        new = Floor(name=name, model=model, sha256=sha256, figures=reached, reason=reason if low or changed else "")
        # A file that has changed keeps its name: the floor of its old text goes.
        twins = [i for i, floor in enumerate(found) if floor.name == name or floor.sha256 == sha256]
        found = [floor for i, floor in enumerate(found) if i not in twins[1:]]
        if twins:
            found[twins[0]] = new
        else:
            found.append(new)
    return floors.model_copy(update={"sets": tuple(found)})


def write(floors: Floors, path: Path) -> None:
    """Write the file."""
    path.write_text(json.dumps(floors.model_dump(), indent=1) + "\n", encoding="utf-8")
