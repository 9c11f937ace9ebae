"""Champion and challenger: comparing, promoting, rolling back, and that the model in use is never in danger."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stance.errors import ConfigError, ModelError, OutputError
from stance.network import CONFIG, NetworkConfig, write_config
from stance.pipeline import REGISTRY, default_model, in_use
from training import cli
from training.annotations import read_annotated
from training.compare import Difference
from training.lineage import Lineage, text_hash
from training.registry import Registry, promote, rollback

ROOT = Path(__file__).parent.parent
GIVEN = "stance macro F1 (gold spans)"
# Always the same label, whatever the quote: what one says of any data is known beforehand.
DENIAL, OTHER = (0.0, 50.0, 0.0, 0.0), (0.0, 0.0, 0.0, 50.0)


@pytest.fixture
def models(tiny_model: Path, tmp_path: Path) -> Path:
    """Three models: `first`, in use, calls everything a denial; `better` calls it other; `same` is like the first."""
    folder = tmp_path / "models"
    for name, bias in (("first", DENIAL), ("better", OTHER), ("same", DENIAL)):
        shutil.copytree(tiny_model, folder / name)
        config = NetworkConfig.model_validate_json((folder / name / CONFIG).read_text(encoding="utf-8"))
        decoding = config.decoding.model_copy(update={"stance_bias": bias})
        write_config(config.model_copy(update={"name": name, "decoding": decoding}), folder / name)
    (folder / REGISTRY).write_text(Registry(default="first").model_dump_json(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "fresh.jsonl"
    lines = (corpus / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[10:14]), encoding="utf-8")
    return path


@pytest.fixture
def command(models: Path) -> Callable[..., Result]:
    """Runs `python -m training` on these models."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, [*arguments, "--models", str(models)], catch_exceptions=False)

    return run


@pytest.fixture
def floors(models: Path, data: Path) -> Path:
    """What `first` reaches on the data, as its floors."""
    path = models / "floors.json"
    options = ["--data", str(data), "--model", str(models / "first"), "--floors", str(path), "--device", "cpu"]
    result = CliRunner().invoke(cli.app, ["gate", *options, "--write"], catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    for name in ("calibration error", "accuracy at 80% coverage", "claim F1", "stance macro F1 (matched)"):
        found["sets"][0]["figures"].pop(name)  # of random weights these go up and down
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_two_models_are_compared_figure_by_figure_and_quote_by_quote(
    command: Callable[..., Result], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "compared.json"
    result = command("compare", "better", "default", "--data", str(data), "--json", str(out), "--device", "cpu")
    assert result.exit_code == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["models"] == ["better", "first"]
    one = found["sets"]["fresh"]
    rows = {row["figure"]: row for row in one["differences"]}
    row = rows[GIVEN]
    assert row["mine"] > row["other"]
    assert row["difference"] == pytest.approx(row["mine"] - row["other"])
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["verdict"] == "better"
    assert row["p"] <= 0.05
    assert rows["quotes F1"]["p"] == 1.0
    assert rows["quotes F1"]["verdict"] == "even"
    labels = {quote.stance for annotated in read_annotated([data]) for quote in annotated.quotes}
    for side in ("gained", "lost"):
        for change in one["changes"][side]:
            assert change["article"]
            assert change["annotated"] in {*map(str, labels), "not judged", None}


def test_a_model_is_even_with_itself(command: Callable[..., Result], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared.json"
    assert command("compare", "same", "first", "--data", str(data), "--json", str(out)).exit_code == 0
    one = json.loads(out.read_text(encoding="utf-8"))["sets"]["fresh"]
    assert {row["verdict"] for row in one["differences"]} == {"even"}
    assert {row["p"] for row in one["differences"]} == {1.0}
    assert one["changes"] == {"gained": [], "lost": []}


@pytest.mark.slow
def test_a_text_that_several_annotators_read_counts_once(
    command: Callable[..., Result], data: Path, floors: Path, tmp_path: Path
) -> None:
    first, *others = data.read_text(encoding="utf-8").splitlines(keepends=True)
    unread = json.dumps(json.loads(first) | {"quotes": []}) + "\n"
    twice = tmp_path / "fresh.jsonl"
    twice.write_text("".join([unread, first, *others, first]), encoding="utf-8")
    found = []
    for path in (data, twice):
        out = tmp_path / "compared.json"
        result = command("compare", "better", "first", "--data", str(path), "--json", str(out), "--device", "cpu")
        assert ("fresh: 2 further readings of a text left out" in result.output) == (path == twice)
        found.append(json.loads(out.read_text(encoding="utf-8")))
    assert found[0] == found[1]
    options = ("--floors", str(floors), "--floor-data", str(data), "--device", "cpu")
    outputs = [command("promote", "same", "--data", str(path), *options).output for path in (data, twice)]
    assert outputs[1].replace("fresh: 2 further readings of a text left out\n", "") == outputs[0]


@pytest.mark.parametrize(("sure", "p"), [(0.5, 1.0), (0.99, 0.02), (0.01, 0.02), (1.0, 0.001), (0.0, 0.001)])
def test_p_is_two_sided_and_never_less_than_the_draws_can_say(sure: float, p: float) -> None:
    assert Difference("quotes F1", 0.5, 0.4, 0.0, 0.2, sure).p == pytest.approx(p)


@pytest.mark.slow
def test_a_better_model_is_promoted_and_rolled_back(
    command: Callable[..., Result], models: Path, data: Path, floors: Path
) -> None:
    options = ("--data", str(data), "--floors", str(floors), "--floor-data", str(data), "--device", "cpu")
    result = command("promote", "better", *options)
    assert result.exit_code == 0, result.output
    assert in_use(models) == models / "better"
    registry = Registry.read(models)
    assert [(change.default, change.how) for change in registry.history] == [
        ("first", "shipped"),
        ("better", "promoted"),
    ]
    assert GIVEN in registry.history[-1].reason
    assert registry.models.keys() == {"first", "better"}
    assert command("rollback").exit_code == 0
    assert in_use(models) == models / "first"
    with pytest.raises(ConfigError, match="'first' is the first default"):
        rollback(models)


@pytest.mark.slow
def test_a_model_without_a_gain_is_not_promoted_but_can_be_forced(
    command: Callable[..., Result], models: Path, data: Path, floors: Path
) -> None:
    options = ("--data", str(data), "--floors", str(floors), "--floor-data", str(data), "--device", "cpu")
    result = command("promote", "same", *options)
    assert result.exit_code == 1
    assert f"fresh: {GIVEN}" in result.output
    assert in_use(models) == models / "first"
    result = command("promote", "same", *options, "--force", "--reason", "the old one is\nto go")
    assert result.exit_code == 0
    assert in_use(models) == models / "same"
    [_, change] = Registry.read(models).history
    assert change.how == "forced"
    assert change.reason.startswith("the old one is to go; fresh: ")
    assert "the old one is to go" in (models / "same" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_model_below_a_floor_is_not_promoted(
    command: Callable[..., Result], models: Path, data: Path, floors: Path
) -> None:
    found = json.loads(floors.read_text(encoding="utf-8"))
    found["sets"][0]["figures"]["quotes F1"] = 0.99
    floors.write_text(json.dumps(found), encoding="utf-8")
    options = ("--data", str(data), "--floors", str(floors), "--floor-data", str(data), "--device", "cpu")
    result = command("promote", "better", *options)
    assert result.exit_code == 1
    assert "fresh: below its floor: quotes F1" in result.output
    assert in_use(models) == models / "first"


def test_what_a_model_learned_from_says_nothing_for_it(
    models: Path, data: Path, floors: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = tuple(text_hash(one) for one in read_annotated([data]))
    lineage = Lineage(name="better", sha256="0", learned=learned)
    (models / "better" / "lineage.json").write_text(lineage.model_dump_json(), encoding="utf-8")
    options = ["--data", str(data), "--floors", str(floors), "--floor-data", str(data), "--models", str(models)]
    monkeypatch.setattr(sys, "argv", ["training", "promote", "better", *options])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "learned from every article in it, expected others" in capsys.readouterr().err
    assert in_use(models) == models / "first"


def test_what_a_model_learned_from_is_left_out_of_the_floors_too(
    command: Callable[..., Result], models: Path, data: Path, floors: Path
) -> None:
    lineage = Lineage(name="better", sha256="0", learned=(text_hash(next(read_annotated([data]))),))
    (models / "better" / "lineage.json").write_text(lineage.model_dump_json(), encoding="utf-8")
    options = ("--data", str(data), "--floors", str(floors), "--floor-data", str(data), "--device", "cpu")
    result = command("promote", "better", *options)
    assert result.output.count("fresh: 1 articles left out: better learned from them") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["promote", "better"], 2, "expected --data"),
        (["promote", "better", "--force"], 2, "--force and --reason belong together"),
        (["promote", "first", "--force", "--reason", "x"], 2, "is the default already"),
        (["promote", "none", "--force", "--reason", "x"], 3, "none: no such model folder"),
        (["promote", "../first", "--force", "--reason", "x"], 2, "expected the name of a folder in"),
        (["rollback"], 2, "is the first default"),
        (["compare", "none", "first", "--data", "{data}"], 3, "none: no such model, expected"),
        (["compare", "better", "first", "--data", "{data}", "--data", "{data}"], 2, "two files are called fresh"),
    ],
)
def test_commands_on_models_say_what_is_wrong(
    arguments: list[str],
    code: int,
    words: str,
    models: Path,
    data: Path,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    floors = models / "floors.json"
    shutil.copy(ROOT / "models" / "floors.json", floors)
    filled = [one.format(data=data) for one in arguments]
    extra = ["--models", str(models), *(["--floors", str(floors)] if filled[0] == "promote" else [])]
    monkeypatch.setattr(sys, "argv", ["training", *filled, *extra])
    before = (models / REGISTRY).read_bytes()
    with pytest.raises(SystemExit) as caught:
        cli.main()
    errors = capsys.readouterr().err
    assert caught.value.code == code, errors
    assert words in errors
    assert (models / REGISTRY).read_bytes() == before


def test_the_history_knows_what_was_rolled_back(models: Path) -> None:
    promote(models, "better", "a")
    promote(models, "same", "b")
    assert rollback(models) == ("same", "better")
    assert rollback(models) == ("better", "first")
    promote(models, "same", "c")
    assert rollback(models) == ("same", "first")
    assert next(iter(Registry.read(models).history)).default == "first"


def test_a_full_disk_leaves_the_default(models: Path) -> None:
    before = (models / REGISTRY).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutputError, match="the default is as it was"):
            promote(models, "better", "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (models / REGISTRY).read_bytes() == before
    assert in_use(models) == models / "first"
    promote(models, "better", "a")
    assert in_use(models) == models / "better"


KILLED = """
import os, signal, sys
from pathlib import Path
from training.registry import promote
replace = os.replace
def killed(*paths):
    if sys.argv[2] == "after":
        replace(*paths)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
Path.replace = lambda path, target: killed(path, target)
promote(Path(sys.argv[1]), "better", "a")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("when", "default"), [("before", "first"), ("after", "better")])
def test_a_kill_in_the_middle_leaves_the_old_or_the_new(when: str, default: str, models: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(models), when], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert in_use(models) == models / default
    Registry.read(models)
    # And nothing of it stands in the way.
    promote(models, "same", "b")
    assert in_use(models) == models / "same"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{broken", "cannot be read"),
        ("[]", "default is None, expected the name of a folder"),
        ('{"default": "../first"}', "default is '../first', expected the name of a folder"),
        ('{"default": "gone"}', "the default is 'gone' and there is no such folder"),
    ],
)
def test_a_damaged_registry_is_named(words: str, message: str, models: Path) -> None:
    (models / REGISTRY).write_text(words, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        in_use(models)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing option '--model'"),
        (
            ["--model", "{shipped}"],
            "is the model in use, expected another one: fit or copy one, tune",
        ),
        (["--model", "{models}/first"], "is the model in use"),
        (["--model", "{models}/link"], "is the model in use"),
    ],
)
def test_the_model_in_use_is_not_tuned_in_place(
    words: list[str],
    message: str,
    models: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (models / "link").symlink_to(models / "first")
    filled = [word.format(shipped=default_model(), models=models) for word in words]
    before = [(folder / CONFIG).read_bytes() for folder in (default_model(), models / "first")]
    monkeypatch.setattr(sys, "argv", ["training", "tune", "--data", str(data), *filled])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert [(folder / CONFIG).read_bytes() for folder in (default_model(), models / "first")] == before


def test_a_full_disk_leaves_a_models_config(models: Path) -> None:
    config = NetworkConfig.model_validate_json((models / "same" / CONFIG).read_text(encoding="utf-8"))
    before = (models / "same" / CONFIG).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_config(config.model_copy(update={"name": "other"}), models / "same")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (models / "same" / CONFIG).read_bytes() == before
    assert not list((models / "same").glob(".*"))


def test_a_default_that_was_deleted_can_be_rolled_back(models: Path) -> None:
    promote(models, "better", "a")
    shutil.rmtree(models / "better")
    with pytest.raises(ModelError, match="rollback"):
        in_use(models)
    rollback(models)
    assert in_use(models) == models / "first"


def test_without_a_registry_the_default_is_called_so(tmp_path: Path) -> None:
    assert in_use(tmp_path) == tmp_path / "default"


def test_the_registry_that_ships_names_the_model_that_ships() -> None:
    registry = Registry.read(ROOT / "models")
    assert registry.default in registry.models
    found: dict[str, Any] = json.loads((ROOT / "models" / REGISTRY).read_text(encoding="utf-8"))
    assert in_use(ROOT / "models") == ROOT / "models" / found["default"]
