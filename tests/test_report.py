import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_report import baseline, held, made_answers, made_report
from typer.testing import CliRunner

from stance.pipeline import Pipeline
from training.annotations import AnnotatedArticle, to_row
from training.cli import app
from training.decision import Readers
from training.evaluate import answers, evaluate
from training.gate import Floors
from training.metrics import score, stance_score
from training.report import Report, SetData, build, figures
from training.report_page import page

SOME = 2


@pytest.fixture(scope="module")
def report() -> Report:
    return made_report()


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return page(report)


def test_its_figures_are_those_of_evaluate_to_the_last_digit(tiny: Pipeline, held: list[AnnotatedArticle]) -> None:
    some = held[:SOME]
    expected = evaluate(tiny, "some", some)
    data = [SetData("some", "0" * 64, answers(tiny, some))]
    made = build("tiny", data, baseline(), floors=Floors(sets=()), readers=Readers(), shifts=[], provenance={"Run": {}})
    found = figures(made)["sets"]["some"]
    assert found["figures"] == expected.figures() | expected.doubt()
    assert found["intervals"] == {name: list(pair) for name, pair in expected.intervals.items()}
    assert {label: row["f1"] for label, row in found["labels"].items()} == {
        label: row[0] for label, row in expected.given.labels.items()
    }


def test_its_figures_are_those_of_the_scorer(report: Report) -> None:
    for one in report.sets:
        claims = [claim | {"article_id": a.annotated.article.id} for a in one.data.mine for claim in a.claims]
        whole = score([answer.annotated for answer in one.data.mine], claims)
        given = stance_score([(g, p) for answer in one.data.mine for g, p, _ in answer.judged()])
        found = figures(report)["sets"][one.name]
        assert found["figures"].items() >= whole.figures().items()
        assert found["figures"]["stance macro F1 (gold spans)"] == given.macro_f1
        assert found["stance accuracy (gold spans)"] == given.accuracy
        assert found["source"] == whole.source


def test_the_page_shows_the_figures_of_the_json(report: Report, html: str) -> None:
    shown = Tables(html).rows
    for name, one in figures(report)["sets"].items():
        for figure, value in one["figures"].items():
            low, high = one["intervals"][figure]
            assert [f"{value:.3f}", f"{low:.3f} – {high:.3f}"] == next(
                row[1:3] for table, row in shown if table == f"Figures of {name}" and row[0].startswith(figure)
            )
        for label, row in one["labels"].items():
            cells = next(r for table, r in shown if table == f"Labels of {name}" and r[0] == label)
            assert cells[1:5] == [str(row["quotes"]), *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))]


def test_counts_add_up(report: Report) -> None:
    for one in report.sets:
        found = figures(report)["sets"][one.name]
        judged = sum(row["quotes"] for row in found["labels"].values())
        assert sum(map(sum, found["confusion"]["annotated, predicted"])) == judged
        assert sum(part["quotes"] for part in found["reliability"]) == judged
        assert found["mistakes"]["spans"] == judged - sum(
            found["confusion"]["annotated, predicted"][i][i] for i in range(4)
        )
        assert [part["coverage"] for part in found["risk and coverage"]][-1] == 1
        assert found["risk and coverage"][-1]["risk"] == pytest.approx(1 - found["stance accuracy (gold spans)"])


def test_without_another_model_nothing_is_said_of_one(html: str) -> None:
    alone = made_report(held()[:6], against=False)
    assert "Model against model" in html
    assert "Model against model" not in page(alone)
    assert figures(alone)["against"] is None
    assert "differences" not in figures(alone)["sets"]["first"]


def test_the_page_holds_every_mistake_and_what_was_gained(report: Report, html: str) -> None:
    data = _data(html)
    ids = [row["id"] for row in data["cases"]]
    assert len(ids) == len(set(ids))
    for one in report.sets:
        assert {case.id for case in one.cases if case.kinds} <= set(ids)
        gained = {row["id"] for row in data["cases"] if row.get("change") == "gained"}
        assert {case.id for case, _ in one.changes["gained"]} <= gained
    assert data["other"] == "another"


def test_the_page_needs_nothing_but_itself(html: str) -> None:
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src (&#39;|\')none', html)
    assert not re.search(r"""(?:src|href)=["'](?!#)""", html)
    assert " style=" not in html.split('<script type="application/json"')[0]
    assert "@import" not in html
    assert "url(" not in html.split("</style>")[0]


def test_every_plot_can_be_read_aloud(html: str) -> None:
    plots = re.findall(r'<svg class="plot".*?</svg>', html, re.DOTALL)
    assert len(plots) == 2 * (4 + 1 + 1)
    for plot in plots:
        assert re.search(
            r'aria-labelledby="(\S+) (\S+)"><title id="\1">[^<]+</title><desc id="\2">[^<]{20,}</desc>', plot
        )
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_the_same_answers_give_the_same_page(report: Report, html: str) -> None:
    assert page(report) == html


def test_articles_without_stances_have_a_report() -> None:
    def bare(one: AnnotatedArticle) -> AnnotatedArticle:
        from dataclasses import replace

        quotes = tuple(replace(q, stance=None, second=None, speaker=None, target=None) for q in one.quotes)
        return AnnotatedArticle(one.article, quotes)

    some = [bare(one) for one in held()[:SOME]]
    made = made_report(some, floor={})
    found = figures(made)["sets"]["first"]
    assert found["reliability"] == []
    assert found["slices"] == []
    assert "No quote of these articles has a label." in page(made)
    json.dumps(figures(made), allow_nan=False)


def test_articles_without_quotes_have_a_report() -> None:
    some = [AnnotatedArticle(one.article, ()) for one in held()[:SOME]]
    made = made_report(some, floor={})
    assert figures(made)["sets"]["first"]["mistakes"]["missed"] == 0
    assert page(made)


@pytest.mark.slow
def test_the_command_writes_the_figures_of_evaluate(
    tmp_path: Path, tiny_model: Path, held: list[AnnotatedArticle]
) -> None:
    data, out, told = tmp_path / "some.jsonl", tmp_path / "report.html", tmp_path / "evaluated.json"
    data.write_text("".join(json.dumps(to_row(one)) + "\n" for one in held[:SOME]), encoding="utf-8")
    common = ["--data", str(data), "--model", str(tiny_model), "--baseline-data", str(data), "--device", "cpu"]
    done = CliRunner().invoke(app, ["report", *common, "-o", str(out), "--swaps", "1", "--against", str(tiny_model)])
    assert done.exit_code == 0, done.output
    assert "no floor was measured on this data" in done.output
    CliRunner().invoke(app, ["evaluate", *common, "--json", str(told)], catch_exceptions=False)
    found = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    expected = json.loads(told.read_text(encoding="utf-8"))
    one = found["sets"]["some"]
    assert {name: round(one["figures"][name], 4) for name in expected["sets"]["some"]} == expected["sets"]["some"]
    assert {label: round(row["f1"], 4) for label, row in one["labels"].items()} == expected["labels"]["some"]
    assert round(one["baseline"]["stance macro F1 (gold spans)"], 4) == expected["baseline"]["some"]
    assert {name: [round(x, 4) for x in pair] for name, pair in one["intervals"].items()} == expected["intervals"][
        "some"
    ]
    # A model does not differ from itself
    assert {d["verdict"] for d in one["differences"]} == {"even"}
    assert one["changes"] == {"gained": [], "lost": []}
    assert found["provenance"]["Model"]["name"] == "tiny"
    assert len(found["provenance"]["Data"]) == 1
    assert "</html>" in out.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evaluated.json",
        "report.html",
        "report.json",
        "some.jsonl",
    ]


@pytest.mark.parametrize(
    ("name", "expected"), [("report.json", "ends in .html"), ("missing/report.html", "no such folder")]
)
def test_the_command_says_where_it_cannot_write(name: str, expected: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--data", "none.jsonl", "-o", str(tmp_path / name)])
    assert expected in str(done.exception)


def test_made_answers_go_wrong_in_every_way(report: Report) -> None:
    kinds = {kind for one in report.sets for case in one.cases for kind in case.kinds}
    assert kinds == {"missed", "invented", "boundary", "source", "antecedent", "unnamed", "stance", "target", "spans"}
    assert made_answers(held()[:SOME], 1) == made_answers(held()[:SOME], 1)


class Tables(HTMLParser):
    """Collects the words of each row of each table in a named region."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, list[str]]] = []
        self._region, self._in = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div" and (name := dict(attrs).get("aria-label")):
            self._region = name
        if tag == "tr":
            self.rows.append((self._region, []))
        if tag in ("td", "th"):
            self.rows[-1][1].append("")
            self._in = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in = False

    def handle_data(self, data: str) -> None:
        if self._in:
            self.rows[-1][1][-1] += data


def _data(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])
