"""Puts the model in use into the wheel, as `stance/models/default`: the one that models/registry.json names."""

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ModelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds one folder to what the wheel holds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the folder; an editable install reads the clone's own."""
        models = Path(self.root) / "models"
        name = json.loads((models / "registry.json").read_text(encoding="utf-8"))["default"]
        if version != "editable":
            build_data["force_include"][str(models / name)] = "stance/models/default"
