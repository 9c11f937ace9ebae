"""What the Trainer is told between steps, and which of its checkpoints a run may go on from."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from stance.errors import ConfigError
from stance.files import whole_file

_RUN = "run.json"
_STATE = "trainer_state.json"  # the Trainer writes it last: a checkpoint without it is not whole


def begin(folder: Path, run: Mapping[str, Any], *, resume: bool, write: bool = True) -> Path | None:
    """Make the checkpoints' folder ready and give the checkpoint to go on from, or None to begin.

    Args:
        folder: Of the checkpoints.
        run: Settings and data of this run, as JSON knows them.
        resume: Whether to go on where there is a checkpoint.
        write: Whether this process notes the run; of several that train together the first one does.

    Raises:
        ConfigError: The checkpoints are those of a run with other settings or data.
    """
    noted = json.loads(json.dumps(run))
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    last = last_checkpoint(folder)
    if last is not None:
        try:
            before = json.loads((folder / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != noted:
            what = [key for key in noted if not isinstance(before, dict) or before.get(key) != noted[key]]
            raise ConfigError(
                f"{folder}: holds checkpoints of a run with other {' and '.join(what) or 'settings'}, expected the "
                "same; give --fresh to throw them away, or another name"
            )
        return last
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / _RUN) as temporary:
            temporary.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
    return None


def last_checkpoint(folder: Path) -> Path | None:
    """Give the last checkpoint that is whole; those that a kill or a full disk cut short are removed."""
    found = {
        int(path.name.rpartition("-")[2]): path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()
    }
    for _, path in sorted(found.items(), reverse=True):
        try:
            json.loads((path / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
        else:
            return path
    return None


def finished(checkpoint: Path, epochs: int) -> Path | None:
    """Give the best checkpoint where the run had lost its patience at this one; None where it is to go on.

    Such a run was stopped between its training and the end of writing the model: another epoch would be one too many.

    Args:
        checkpoint: The last one.
        epochs: See `Patience`.
    """
    state = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    if best is None or not _exhausted(state["log_history"], epochs):
        return None
    folder = checkpoint.with_name(Path(best).name)  # the folder of the checkpoints may have been moved
    return folder if (folder / SAFE_WEIGHTS_NAME).is_file() else None


def _exhausted(log: Sequence[Mapping[str, Any]], epochs: int) -> bool:
    """Say whether the loss on the held articles has not become smaller for so many epochs."""
    losses = [row["eval_loss"] for row in log if "eval_loss" in row]
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= epochs


class Patience(TrainerCallback):  # type: ignore[misc]
    """Stops where the loss on the held articles has not become smaller for some epochs.

    Unlike the library's callback it has no state of its own, so a run that goes on counts as if it had never stopped;
    one that had lost its patience is not begun again, see `finished`.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        """Count the epochs since the best one."""
        if _exhausted(state.log_history, self._epochs):
            control.should_training_stop = True


class LossBar(ProgressCallback):  # type: ignore[misc]
    """The bar, with the time left, and the last loss beside it; a line an epoch for the held articles."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """Show a loss."""
        if self.training_bar is None or not state.is_world_process_zero:
            return
        known = logs or {}
        if "loss" in known:
            self.training_bar.set_postfix_str(f"loss {float(known['loss']):.3f}")
        if "eval_loss" in known:
            self.training_bar.write(f"epoch {state.epoch:.0f}: loss {known['eval_loss']:.4f} on the held articles")
