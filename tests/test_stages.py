"""Where the time goes: which function belongs to which stage; the shares themselves are not judged."""

import importlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree
from typer.testing import CliRunner

import stance
from stance.pipeline import Pipeline
from training import stages
from training.annotations import AnnotatedArticle, to_row
from training.cli import app
from training.speed_plots import described, stages_plot

_PACKAGE = Path(stance.__file__).parent


@dataclass
class _Call:
    """A function in a tree of calls, as a profiler gives it."""

    file_path: str | None
    function: str
    time: float
    children: Sequence["_Call"] = ()
    class_name: str | None = None


def _own(module: str, function: str, time: float, *children: _Call, of: str | None = None) -> _Call:
    return _Call(str(_PACKAGE / f"{module}.py"), function, time, children, of)


def test_time_belongs_to_the_innermost_stage() -> None:
    torch = _Call("/site-packages/torch/nn/functional.py", "linear", 2.0)
    layer = _own("floats", "forward", 3.0, torch, of="FloatLinear")
    attention = _own("packed", "_attention", 1.0)
    encoder = _own("runtime", "read", 5.0, _own("packed", "forward", 4.5, layer, attention, of="PackedEncoder"))
    head = _own("claims", "classify", 2.0, _own("floats", "forward", 1.5, of="FloatLinear"))
    spans = _own("quotes", "token_quotes", 1.5, _own("network", "link_cue", 0.5))
    root = _Call("/elsewhere/quotes.py", "token_quotes", 10.0, (encoder, head, spans, _Call(None, "[self]", 0.25)))
    assert {stage: round(share, 6) for stage, share in stages.shares(root).items() if share} == {
        "encoder: linear layers": 0.3,
        "encoder: attention": 0.1,
        "encoder: the rest": 0.1,
        "stance head": 0.2,
        "tags, spans, boilerplate": 0.1,
        "links, names, speakers, targets": 0.05,
        "the rest": 0.15,
    }


@pytest.mark.parametrize(("module", "function"), [rule for rule in stages.RULES if rule[1]])
def test_the_functions_of_the_rules_are_there(module: str, function: str) -> None:
    found = importlib.import_module(f"stance.{module}")
    owners = [
        found,
        *(one for _, one in inspect.getmembers(found, inspect.isclass) if one.__module__ == found.__name__),
    ]
    assert any(callable(vars(owner).get(function)) for owner in owners)


@pytest.mark.parametrize("module", [module for module, function in stages.RULES if not function])
def test_the_modules_of_the_rules_are_there(module: str) -> None:
    assert (_PACKAGE / f"{module}.py").is_file()


@pytest.mark.parametrize(("module", "owner", "function"), list(stages.INNER_RULES))
def test_the_functions_of_the_inner_rules_are_there(module: str, owner: str, function: str) -> None:
    found = importlib.import_module(f"stance.{module}")
    assert callable(getattr(getattr(found, owner) if owner else found, function))


def test_every_stage_has_a_rule() -> None:
    assert {*stages.RULES.values(), *stages.INNER_RULES.values(), "the rest"} == {*stages.STAGES}


def test_shares_of_a_real_job_sum_to_one(tiny: Pipeline, held: list[AnnotatedArticle]) -> None:
    pytest.importorskip("pyinstrument")
    found = stages.stages(tiny, [one.article for one in held[:4]])
    assert tuple(found) == stages.STAGES
    assert sum(found.values()) == pytest.approx(1)
    assert found["tags, spans, boilerplate"] > 0
    assert found["links, names, speakers, targets"] > 0
    assert stages.report(found).row_count == len(stages.STAGES)


def test_the_command_writes_plot_and_figures(tiny_model: Path, held: list[AnnotatedArticle], tmp_path: Path) -> None:
    pytest.importorskip("pyinstrument")
    plot, figures = tmp_path / "stages.svg", tmp_path / "stages.json"
    data = tmp_path / "some.jsonl"
    data.write_text("".join(json.dumps(to_row(one)) + "\n" for one in held[:3]), encoding="utf-8")
    options = ["--model", str(tiny_model), "--precision", "float", "--data", str(data)]
    done = CliRunner().invoke(app, ["bench-stages", *options, "--plot", str(plot), "--json", str(figures)])
    assert done.exit_code == 0, done.output
    shares = json.loads(figures.read_text(encoding="utf-8"))["shares"]
    assert sum(shares.values()) == pytest.approx(1, abs=0.001)
    assert etree.parse(str(plot)).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_plot_names_what_took_time_and_leaves_out_what_took_none() -> None:
    shares = {"tokenising": 0.25, "encoder: attention": 0.0, "records": 0.75}
    plot = stages_plot(shares, described(shares))
    name = "{http://www.w3.org/2000/svg}"
    root = etree.fromstring(plot)
    words = [(one.text or "").strip() for one in root.iter(f"{name}text")]
    assert {"tokenising", "records", "25.0%", "75.0%"} <= {*words}
    assert "encoder: attention" not in words
    assert "tokenising 25.0%" in (root.findtext(f"{name}desc") or "")
