"""Where figures come from: data and models by their hashes, settings, seeds, versions, the command."""

import hashlib
import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stance import __version__
from stance.network import CONFIG, TOKENIZER, WEIGHTS, NetworkConfig
from stance.pipeline import default_model
from training.evaluate import RESAMPLES, SEED
from training.gate import Floors, fingerprint

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "matplotlib")

Provenance = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """How a report was made.

    Attributes:
        arguments: Of the command line.
        models: Folders: the model's, then the other's.
        data: Each file, with how many articles it has.
        baseline: What the baseline learned from.
        swaps, seed: Of the exchanges of names.
        device: Where the networks ran.
    """

    arguments: Sequence[str]
    models: Sequence[Path]
    data: Sequence[tuple[Path, int]]
    baseline: Sequence[Path]
    swaps: int
    seed: int
    device: str

    def provenance(self, configs: Sequence[NetworkConfig]) -> Provenance:
        """Give names and values in groups; `configs` are the models'."""
        models = {
            heading: {"name": config.name, "folder": str(folder)} | fingerprints(folder) | _decoding(config)
            for heading, folder, config in zip(("Model", "Other model"), self.models, configs, strict=False)
        }
        return {
            "Run": {
                "command": shlex.join(["python", "-m", "training", *self.arguments]),
                "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                "device": self.device,
            },
            "Data": {str(path): f"{fingerprint(path)}, {articles} articles" for path, articles in self.data},
            "Baseline": {str(path): fingerprint(path) for path in self.baseline},
            **models,
            "Seeds": {
                "bootstrap": f"{SEED}, {RESAMPLES:,} draws of articles",
                "names": f"{self.seed}, {self.swaps} exchanges of each kind for every article",
            },
            "Versions": versions(),
        }


def fingerprints(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of each file that makes a model."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (WEIGHTS, CONFIG, TOKENIZER)}


def versions() -> dict[str, str]:
    """Give the versions of Python and of the libraries that figures depend on."""
    known = {"stance": __version__, "python": platform.python_version()}
    return known | {name: version(name) for name in _LIBRARIES}


def recorded(model: Path, floors: Floors) -> tuple[str, Mapping[str, Mapping[str, float]]] | None:
    """Give name and recorded figures, by set, of the model that ships.

    Only sets that have a floor: its hash says which data the name stands for.

    Returns:
        None for that model itself, or where it has no `metrics.json`.
    """
    champion = default_model()
    try:
        found = json.loads((champion / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if model.resolve() == champion.resolve() or not isinstance(found, dict):
        return None
    names = [floor.name for floor in floors.sets if floor.name in found.get("sets", {})]
    doubts = ("calibration error", "accuracy at 80% coverage")
    return str(found.get("model")), {
        name: found["sets"][name] | {key: found[key][name] for key in doubts if name in found.get(key, {})}
        for name in names
    }


def _decoding(config: NetworkConfig) -> dict[str, str]:
    shape = {"encoder": config.encoder.get("model_type", "unknown"), "window": config.window, "overlap": config.overlap}
    return {key: str(value) for key, value in (shape | config.decoding.model_dump()).items()}
