"""The learning curve: what is drawn, what is kept, what is refused."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from stance.errors import ConfigError, InputError
from training import cli, learning_curve
from training.annotations import AnnotatedArticle, read_annotated
from training.learning_curve import Plan, count, draw, drawn, measure
from training.retrain import judged_quotes
from training.settings import FitConfig


@pytest.fixture(scope="module")
def files(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("curve")
    lines = (corpus / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    paths = {}
    for name, part in (("pool", slice(20, 26)), ("other", slice(26, 27)), ("old", slice(28, 29))):
        paths[name] = folder / f"{name}.jsonl"
        paths[name].write_text("".join(lines[part]), encoding="utf-8")
    config = {
        "name": "curve",
        "scope": "heads",
        "epochs": 1,
        "data": [{"path": str(paths["old"])}],
        "new": {"old": 0.5},
    }
    paths["config"] = folder / "config.yaml"
    paths["config"].write_text(json.dumps(config), encoding="utf-8")
    return paths


def _plan(files: dict[str, Path], base: Path, **changes: Any) -> Plan:
    settings = FitConfig.model_validate_json(files["config"].read_text(encoding="utf-8"))
    plain = {"evaluation": (files["other"],), "sizes": (20, 60), "seeds": (1,), "scopes": ("heads",), "device": "cpu"}
    return Plan(base=base, pool=(files["pool"],), settings=settings, **(plain | changes))


def test_the_command_measures_and_draws(files: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "curve.svg"
    options = ["--base", str(tiny_model), "--data", str(files["pool"]), "--eval", str(files["other"]), "-o", str(out)]
    options += ["--config", str(files["config"]), "--sizes", "20,60", "--seeds", "1", "--scopes", "heads"]
    result = CliRunner().invoke(cli.app, ["learning-curve", *options, "--device", "cpu"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert [(run["scope"], run["size"]) for run in found["runs"]] == [("base", 0), ("heads", 20), ("heads", 60)]
    assert all(0 <= run["sets"]["other"]["quotes F1"] <= 1 for run in found["runs"])
    assert len({run["sets"]["other"]["quotes F1"] for run in found["runs"]}) == 1  # heads find the same quotes
    ElementTree.fromstring(out.read_text(encoding="utf-8"))  # noqa: S314


def test_what_is_done_is_not_done_again(
    files: dict[str, Path], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curve.json"
    plan = _plan(files, tiny_model, sizes=(20,))
    first = measure(plan, path)
    assert count(plan) == len(first["runs"]) == 2
    assert first["left out"] == []
    kept = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(learning_curve, "fit", None)  # would raise
        assert measure(plan, path) == first
    assert path.read_bytes() == kept
    draw(first, tmp_path / "a.svg")
    draw(first, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(ConfigError, match="something else than the figures of this plan"):
        measure(_plan(files, tiny_model, evaluation=(files["old"],)), path)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"sizes": (10_000,)}, InputError, "quotes with a stance, expected 10000"),
        ({"evaluation": ("other", "other")}, ConfigError, "--eval: two files are called other, expected another name"),
        ({"scopes": ("half",)}, ConfigError, "scope 'half': expected heads or all"),
        ({"evaluation": ("pool",)}, InputError, "pool.jsonl: 0 quotes with a stance, expected 60"),
        ({"evaluation": ("other", "old")}, InputError, "are (nearly) the same text on both sides of the line"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    changes: dict[str, Any],
    error: type[Exception],
    words: str,
    files: dict[str, Path],
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    changes = {k: tuple(files[v] for v in value) if k == "evaluation" else value for k, value in changes.items()}
    with pytest.raises(error) as caught:
        measure(_plan(files, tiny_model, **changes), tmp_path / "curve.json")
    assert words in str(caught.value)


def test_more_quotes_are_those_before_and_others(held: list[AnnotatedArticle], files: dict[str, Path]) -> None:
    pool = list(read_annotated([files["pool"]]))
    ids = [[one.article.id for one in drawn(pool, size, 5)] for size in (10, 40, 80)]
    assert ids[0] == ids[1][: len(ids[0])]
    assert ids[1] == ids[2][: len(ids[1])]
    for size in (100, 200):
        assert sum(len(judged_quotes(one)) for one in drawn(held, size, 5)) == pytest.approx(size, abs=25)
    assert drawn(held, 100, 5) != drawn(held, 100, 6)
