from pathlib import Path

import pytest

from stance.config import RunConfig, load_config
from stance.errors import ConfigError

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").iterdir())


def put(folder: Path, text: str | bytes) -> Path:
    path = folder / "settings.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_defaults_without_a_file() -> None:
    config = load_config(RunConfig, None)
    assert (config.model, config.device, config.batch_size) == (None, "auto", 16)


def test_a_file_wins_over_defaults_and_changes_win_over_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, "device: cpu\nbatch_size: 4\nmodel: models/toy\n")
    assert load_config(RunConfig, path) == RunConfig(model=Path("models/toy"), device="cpu", batch_size=4)
    changed = load_config(RunConfig, path, batch_size=2, device=None)
    assert (changed.batch_size, changed.device) == (2, "cpu")


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert load_config(RunConfig, put(tmp_path, "# nothing yet\n")) == RunConfig()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("devise: cpu", ["unknown key 'devise'", "expected one of model, device, batch_size"]),
        ("device: tpu", ["device is 'tpu'", "'auto', 'cpu' or 'cuda'"]),
        ("batch_size: 0", ["batch_size is 0", "greater than or equal to 1"]),
        ("batch_size: many", ["batch_size is 'many'", "integer"]),
        ("batch_size: 0\ndevise: cpu", ["batch_size is 0", "unknown key 'devise'"]),
        ("columns: {titel: Titel}", ["unknown key 'columns.titel'", "expected one of id, text, html, title"]),
        ("columns: {id: ''}", ["columns.id is ''", "at least 1 character"]),
        ("columns: {id: 7}", ["columns.id is 7", "valid string"]),
        ("- device\n- cpu\n", ["found a list", "expected keys with values"]),
        ("just words", ["found a str", "expected keys with values"]),
        ("device: [cpu", ["cannot be read"]),
        (b"device: \xff", ["cannot be read"]),
        ("!!python/object/apply:os.getcwd []", ["cannot be read"]),
    ],
)
def test_errors_name_the_file_and_what_is_wrong(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    path = put(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(RunConfig, path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert [part for part in parts if part not in message] == [], message


def test_a_bad_change_is_named_without_a_file() -> None:
    with pytest.raises(ConfigError, match=r"^batch_size is -1: "):
        load_config(RunConfig, None, batch_size=-1)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_config(RunConfig, tmp_path / "none.yaml")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().batch_size = 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_file_in_configs_loads(path: Path) -> None:
    if path.name == "run.yaml":
        assert load_config(RunConfig, path) == RunConfig(), "the sample says what the defaults are"
        return
    from training.settings import FitConfig

    known = {"fit.yaml", "retrain.yaml", "large-gpu.yaml"}
    assert path.name in known, f"{path.name}: no test knows what this file configures"
    config = load_config(FitConfig, path)
    assert [source.path for source in config.data if not (ROOT / source.path).is_file()] == []


def test_a_fit_without_data_is_refused(tmp_path: Path) -> None:
    from training.settings import FitConfig

    with pytest.raises(ConfigError, match="no data, expected files under 'data'"):
        load_config(FitConfig, put(tmp_path, "name: toy"))
    with pytest.raises(ConfigError, match=r"data\.0\.path"):
        load_config(FitConfig, put(tmp_path, "name: toy\ndata: [{path: [1]}]"))


def test_a_fit_whose_windows_cannot_move_on_is_refused(tmp_path: Path) -> None:
    from training.settings import FitConfig

    with pytest.raises(ConfigError, match="overlap"):
        load_config(FitConfig, put(tmp_path, "name: toy\ndata: [{path: a.jsonl}]\nwindow: 32\noverlap: 32"))


def test_there_are_configs() -> None:
    assert {"run.yaml", "fit.yaml"} <= {path.name for path in CONFIGS}
