"""How cost grows: what is read for it, and the arithmetic on what was measured; the times themselves are not judged."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from typer.testing import CliRunner

from stance.errors import ConfigError
from stance.pipeline import Pipeline
from stance.types import Article
from training.cli import app
from training.growth import Cost, Growth, exponent, growth, made, report
from training.speed_plots import growth_plot

_TEXTS = ("The ferry was late again. “Nobody told the crew,” said Ines Varga.", "Rain fell on Port Allery.", "")
ARTICLES = [Article(str(at), text) for at, text in enumerate(_TEXTS)]


@given(st.integers(1, 5000))
def test_articles_that_are_made_have_the_length_asked_for(length: int) -> None:
    some = made(ARTICLES, length)
    assert some
    assert {len(article.text) for article in some} == {length}
    assert some[0].text.startswith(_TEXTS[0][:length])
    assert len({article.id for article in some}) == len(some)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_that_of_the_power_law(power: float) -> None:
    costs = [Cost(1, chars, 3e-5 * chars**power) for chars in (1000, 4000, 64_000)]
    assert exponent(costs) == pytest.approx(power)


def test_every_length_and_count_is_measured_every_turn(tiny: Pipeline) -> None:
    ticks = []
    threads = torch.get_num_threads()
    found = growth(tiny, ARTICLES, lengths=(40, 20), counts=(5, 2), turns=2, tick=lambda: ticks.append(1))
    assert [(cost.articles, cost.chars) for cost in found.by_length] == [(1, 20), (1, 40)]
    two = sum(map(len, _TEXTS[:2]))
    assert [(cost.articles, cost.chars) for cost in found.by_count] == [(2, two), (5, 2 * two)]
    assert all(cost.cpu_seconds > 0 for cost in (*found.by_length, *found.by_count))
    assert len(ticks) == 2 * 4
    assert torch.get_num_threads() == threads
    assert [table.row_count for table in report(found)] == [2, 2]


def test_without_text_there_is_nothing_to_measure(tiny: Pipeline) -> None:
    with pytest.raises(ConfigError, match="all articles are empty"):
        growth(tiny, ARTICLES[2:])


def test_the_plot_stands_alone_and_can_be_read_aloud() -> None:
    costs = tuple(Cost(1, chars, chars / 30_000) for chars in (1000, 10_000))
    plot = growth_plot(Growth(costs, costs), "As the words & the quotes.")
    root = etree.fromstring(plot)
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert root.findtext(f"{name}title") == "How cost grows"
    assert root.findtext(f"{name}desc") == "As the words & the quotes."
    assert {"characters read", "one article of that length", "1,000"} <= {one.text for one in root.iter(f"{name}text")}
    assert plot == growth_plot(Growth(costs, costs), "As the words & the quotes.")


def test_the_command_writes_plot_and_figures(tiny_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "some.jsonl"
    rows = [{"id": article.id, "text": article.text, "quotes": []} for article in ARTICLES[:2]]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    plot, figures = tmp_path / "growth.svg", tmp_path / "growth.json"
    sizes = ["--length", "50", "--length", "100", "--count", "1", "--count", "4", "--turns", "1"]
    files = ["--data", str(data), "--plot", str(plot), "--json", str(figures)]
    done = CliRunner().invoke(app, ["bench-growth", "--model", str(tiny_model), "--precision", "float", *sizes, *files])
    assert done.exit_code == 0, done.output
    assert "CPU seconds grow like characters to the power of" in done.output
    etree.parse(str(plot))
    written = json.loads(figures.read_text(encoding="utf-8"))
    assert [cost["chars"] for cost in written["by_length"]] == [50, 100]
    assert [cost["articles"] for cost in written["by_count"]] == [1, 4]
    assert written["exponents"].keys() == {"one article", "articles together"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--length", "100"], "expected at least two"),
        (["--plot", "nowhere/growth.svg"], "no such folder"),
        (["--json", "nowhere/growth.json"], "no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["bench-growth", *options])
    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
