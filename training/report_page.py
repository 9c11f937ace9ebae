"""The evaluation report as a page: one HTML file that works offline, prints, and lets every mistake be looked at."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from stance.document import TEMPLATES, render
from stance.types import Stance
from training import plots
from training.calibration import COVERAGES
from training.decision import GIVEN, MOST_FLIPS, WIDEST_PAIR
from training.gate import LESS
from training.mistakes import KINDS, Case, counts
from training.report import Report, SetReport
from training.slices import ENOUGH, ENOUGH_ARTICLES, GROUPS

_FOLDER = Path(__file__).with_name("templates") / "report"
_SCRIPTS = ("data", "state", "list", "quote", "tasks", "main")
# What turns or hides the words around it is written out; the scripts do the same (stance/templates/page/dom.js).
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
_MATCH = "A found quote matches an annotated one when they share at least half of the words that either has."
FIGURES = {
    "quotes F1": f"How well the quotes found and the quotes annotated are the same ones. {_MATCH}",
    "boundaries": "Of the matched quotes, how many begin and end at the right word.",
    "tokens F1": "The same as quotes F1, word by word: half a quote counts half.",
    "attributed F1": "As quotes F1, but the words that name the source must be right too.",
    "speaker exact": "Of the matched quotes whose speaker is known, how many get exactly that name.",
    "speaker close": "The same, but “Keller” for “Anna Keller” is good enough.",
    "speaker wrong": "How many of them get another name. A wrong name does more harm than none.",
    "target exact": "Of the matched quotes that accuse somebody known, how many name exactly them.",
    "target close": "The same, but part of the name is good enough.",
    "target wrong": "How many of them name somebody else.",
    "stance macro F1 (matched)": "How well labels are told apart on the matched quotes; each label counts the same.",
    "claim F1": "As quotes F1, but speaker and label must be right too: what a reader of the output gets.",
    GIVEN: "How well the labels are told apart when the annotated words are given.",
    "calibration error": "How far the probabilities are from the truth: 0.05 means that 80% is in truth 75% or 85%.",
    "accuracy at 80% coverage": "Share of right labels when the unsurest fifth is put aside.",
}


def page(report: Report) -> str:
    """Give the report as HTML."""
    return render(
        _FOLDER / "report.html",
        styles=[TEMPLATES / "base.css", _FOLDER / "report.css"],
        scripts=[TEMPLATES / "page" / "dom.js", *(_FOLDER / f"{name}.js" for name in _SCRIPTS)],
        data=_data(report),
        values={
            "report": report,
            "sets": [_set(report, one) for one in report.sets],
            "labels": [str(label) for label in Stance],
            "figures": FIGURES,
            "less": LESS,
            "kinds": KINDS,
            "enough": {"quotes": ENOUGH, "articles": ENOUGH_ARTICLES},
            "coverages": COVERAGES,
            "goals": {"flips": MOST_FLIPS, "pair": WIDEST_PAIR},
            "visible": visible,
        },
    )


def visible(words: object) -> str:
    """Write out characters that would turn or hide the words around them."""
    return _CONTROLS.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(words))


def clipped(words: str, most: int = 80) -> str:
    """Cut words that a table has no room for."""
    return words if len(words) <= most else words[: most - 1] + "…"


def _set(report: Report, one: SetReport) -> dict[str, Any]:
    """Give what the template asks for of one set, plots and all."""
    found, held = one.held.evaluation, one.held
    mistakes = counts(one.cases)
    right = sum(case.usable for case in one.cases if case.quote)
    return {
        "name": visible(one.name),
        "report": one,
        "found": found,
        "rows": _rows(one),
        "labels": _labels(one),
        "columns": [
            name
            for name, there in (
                ("floor", held.floor is not None),
                ("champion", bool(held.champion)),
                ("baseline", True),
                ("readers", held.readers is not None),
            )
            if there
        ],
        "mistakes": [(kind, *KINDS[kind], number, _link(one, kind=kind)) for kind, number in mistakes.items()],
        "annotated": sum(case.quote is not None for case in one.cases),
        "right": right,
        "slices": [
            (part, visible(clipped(part.name)), _link(one, slice=f"{part.group}:{part.name}")) for part in one.slices
        ],
        "cells": [
            [
                (int(number), _link(one, gold=gold, given=predicted))
                for number, predicted in zip(row, [*map(str, Stance), "none"], strict=True)
            ]
            for gold, row in zip(map(str, Stance), one.confusion, strict=True)
        ],
        "plots": _plots(one) if one.bins else {},
        "changes": {side: _changed(one, side, some) for side, some in one.changes.items()},
        "plot_mistakes": _mistakes_plot(one, mistakes),
        "plot_differences": _differences_plot(one) if held.differences else None,
    }


def _rows(one: SetReport) -> list[dict[str, Any]]:
    found, held = one.held.evaluation, one.held
    rows = []
    for name, value in (found.figures() | found.doubt()).items():
        rows.append(
            {
                "name": name,
                "value": value,
                "interval": found.intervals[name],
                "floor": held.floor.figures.get(name) if held.floor else None,
                "champion": held.champion.get(name),
                "baseline": held.baseline.macro_f1 if name == GIVEN else None,
                "readers": held.readers.figures.get(name) if held.readers else None,
                "fallen": name in held.fallen,
            }
        )
    return rows


def _labels(one: SetReport) -> list[dict[str, Any]]:
    held = one.held
    return [
        {
            "name": label,
            "value": f1,
            "precision": precision,
            "recall": recall,
            "quotes": n,
            "interval": one.label_intervals[label],
            "champion": one.other.given.labels[label][0] if one.other else None,
            "baseline": held.baseline.labels[label][0],
            "readers": held.readers.labels.get(label) if held.readers else None,
            "average": one.curves[label][2] if label in one.curves else None,
        }
        for label, (f1, precision, recall, n) in held.evaluation.given.labels.items()
    ]


def _plots(one: SetReport) -> dict[str, Markup]:
    """Draw what there is to say of the stances; each with a description to be read aloud."""
    found, name = one.held.evaluation, visible(one.name)
    labels = [str(label) for label in Stance]
    matrix = one.confusion if one.confusion[:, -1].any() else one.confusion[:, :-1]
    confused = "; ".join(
        f"{label}: {int(row[i])} of {int(row.sum())} right"
        for i, (label, row) in enumerate(zip(labels, one.confusion, strict=True))
    )
    average = "; ".join(f"{label} {curve[2]:.2f}" for label, curve in one.curves.items())
    bins = "; ".join(f"{p:.0%} sure, {a:.0%} right" for p, a, _ in one.bins[::3])
    risk = {round(share, 2): wrong for share, wrong in one.risk}
    drawn = {
        "confusion": plots.confusion(name, matrix, f"Annotated against predicted labels. {confused}."),
        "curves": plots.precision_recall(name, one.curves, f"Average precision by label: {average}."),
        "reliability": plots.reliability(
            name,
            one.bins,
            f"Calibration error {found.calibration:.3f}. From the least to the most sure quotes: {bins}.",
        ),
        "risk": plots.risk_coverage(
            name,
            one.risk,
            f"Wrong labels: {risk[1.0]:.1%} of all quotes, {risk[0.8]:.1%} of the surest 80%, "
            f"{risk[0.5]:.1%} of the surest half.",
        ),
    }
    return {key: _markup(svg) for key, svg in drawn.items()}


def _mistakes_plot(one: SetReport, mistakes: Mapping[str, int]) -> Markup:
    told = "; ".join(f"{KINDS[kind][0]} {number}" for kind, number in mistakes.items())
    some = [(KINDS[kind][0], number) for kind, number in mistakes.items()]
    return _markup(plots.mistakes(visible(one.name), some, f"Quotes with each kind of mistake: {told}."))


def _differences_plot(one: SetReport) -> Markup:
    told = "; ".join(f"{d.figure} {d.mine - d.other:+.3f}, {d.verdict}" for d in one.held.differences)
    return _markup(plots.differences(visible(one.name), one.held.differences, f"This model less the other: {told}."))


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - drawn by training.plots, which escapes all words


def _changed(one: SetReport, side: str, some: Sequence[tuple[Case, Case | None]]) -> dict[str, Any]:
    kinds: dict[str, int] = {}
    for case, old in some:
        for kind in case.kinds if side == "lost" else old.kinds if old else ():
            kinds[kind] = kinds.get(kind, 0) + 1
    told = [(KINDS[kind][0], kinds[kind]) for kind in KINDS if kind in kinds]
    return {"number": len(some), "kinds": told, "link": _link(one, change=side)}


def _link(one: SetReport, **asked: str) -> str:
    """Give the address of the mistakes that are asked for; the scripts read it (state.js)."""
    return "#" + urlencode({"set": one.name, **asked})


# What the scripts read (data.js gives it names again)


def _data(report: Report) -> dict[str, Any]:
    numbers: dict[tuple[str, str], int] = {}
    articles: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for at, one in enumerate(report.sets):
        places: dict[str, int] = {}
        for case, side, other in _shown(one):
            article = case.article
            if article.id not in places:
                places[article.id] = len(articles)
                title = str(article.metadata.get("title") or article.id)
                articles.append({"set": at, "id": article.id, "title": title, "text": article.text})
            row = _case_row(case, invented_by_other=side == "gained" and case.quote is None)
            row |= {"article": places[article.id]}
            row["traits"] = [numbers.setdefault(pair, len(numbers)) for pair in case.traits.items()]
            if side:
                row["change"] = side
            if report.other is not None:
                row["other"] = other
            rows.append(row)
    return {
        "model": report.model,
        "other": report.other,
        "sets": [one.name for one in report.sets],
        "labels": [str(label) for label in Stance],
        "kinds": {kind: list(words) for kind, words in KINDS.items()},
        "groups": list(GROUPS),
        "traits": [list(pair) for pair in numbers],
        "articles": articles,
        "cases": rows,
    }


def _shown(one: SetReport) -> Iterable[tuple[Case, str | None, dict[str, Any] | None]]:
    """Give every wrong quote, and those that only this model gets right; with the other model's answer."""
    sides = {id(case): side for side, some in one.changes.items() for case, _ in some}
    others = {id(case): old for some in one.changes.values() for case, old in some}
    before = {case.id: case for case in one.other_cases}
    mine = {case.id for case in one.cases}
    for case in one.cases:
        if case.kinds or id(case) in sides:
            old = others.get(id(case)) or before.get(case.id)
            yield case, sides.get(id(case)), _answer(old.claim if old else None)
    for case, _ in one.changes.get("gained", ()):
        if case.quote is None and case.id not in mine:
            yield case, "gained", _answer(case.claim)


def _case_row(case: Case, *, invented_by_other: bool) -> dict[str, Any]:
    quote, verdict = case.quote, case.verdict
    return {
        "id": case.id,
        "kinds": [] if invented_by_other else list(case.kinds),
        "gold": None
        if quote is None
        else {
            "content": [list(span) for span in quote.content],
            "cue": [list(span) for span in quote.cue],
            "source": [list(span) for span in quote.source],
            "stance": quote.stance,
            "second": quote.second,
            "speaker": quote.speaker,
            "target": quote.target,
        },
        "found": None if invented_by_other else _answer(case.claim),
        "given": [str(verdict[0]), round(verdict[2][verdict[0]], 4)] if verdict else None,
    }


def _answer(claim: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if claim is None:
        return None
    return {
        "content": claim["content_spans"],
        "cue": [claim["cue_span"]] if claim["cue_span"] else [],
        "source": [claim["source_span"]] if claim["source_span"] else [],
        "stance": claim["stance"],
        "second": claim["second"],
        "speaker": claim["speaker"],
        "target": claim["target"],
        "probability": claim["probabilities"][claim["stance"]],
    }
