"""The evaluation report: everything that is known of a model on sets of annotated articles, and what to decide by it.

Its figures are those of `training.evaluate`; `training.report_page` makes a page of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sklearn.pipeline
from sklearn.metrics import average_precision_score, precision_recall_curve

from stance.types import Stance
from training.baselines import judged
from training.calibration import accuracy_at, bins
from training.compare import Difference, differences
from training.decision import GIVEN, Decision, Held, Readers, decide
from training.evaluate import Answer, Evaluation, evaluated, interval, resampled
from training.fairness import Shift
from training.gate import Floors
from training.metrics import StanceScore, stance_score
from training.mistakes import Case, cases, changes, counts
from training.provenance import Provenance
from training.slices import Slice, confusion, label_f1, macro_f1, resample, slices, topics

_SHARES = tuple(share / 50 for share in range(5, 51))

Curve = tuple[np.ndarray, np.ndarray, float]


@dataclass(frozen=True, slots=True)
class SetData:
    """A set of annotated articles and what the models answered.

    Attributes:
        name: Of the set.
        sha256: Of its file.
        mine: The model's answers, one for each article.
        others: The other model's, on the same articles; None without another model.
    """

    name: str
    sha256: str
    mine: Sequence[Answer]
    others: Sequence[Answer] | None = None


@dataclass(frozen=True, slots=True)
class SetReport:
    """All that is known of one set.

    Attributes:
        data: The articles and answers.
        held: The figures, and what they are held against.
        other: The other model's figures; None without one.
        confusion: Annotated against predicted stances on the annotated spans, `(4, 5)`, the last for none at all.
        label_intervals: 95% intervals of the F1 of each label.
        curves: Recall, precision, average precision of each label that has quotes.
        bins: Mean probability, accuracy, quotes; the least sure first.
        risk: Share that is kept, share of it that is wrong.
        slices: The weakest first.
        cases, other_cases: Every quote, annotated or found; the other model's, empty without one.
        changes: What only this model gets right (`gained`), what only the other one does (`lost`).
    """

    data: SetData
    held: Held
    other: Evaluation | None
    confusion: np.ndarray
    label_intervals: Mapping[str, tuple[float, float]]
    curves: Mapping[str, Curve]
    bins: Sequence[tuple[float, float, int]]
    risk: Sequence[tuple[float, float]]
    slices: Sequence[Slice]
    cases: Sequence[Case]
    other_cases: Sequence[Case]
    changes: Mapping[str, Sequence[tuple[Case, Case | None]]]

    @property
    def name(self) -> str:
        """Of the set."""
        return self.data.name


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a model.

    Attributes:
        model, other: Names of the model and of the one beside it; the latter None without one.
        champion: Whose recorded figures stand beside it where no other model was run; None where there are none.
        decision: Whether to use it.
        sets: One for each data file.
        shifts: Even-handedness; empty where it was not measured.
        readers: The note of each agreement between readers.
        provenance: Names and values, in groups.
    """

    model: str
    other: str | None
    champion: str | None
    decision: Decision
    sets: Sequence[SetReport]
    shifts: Sequence[Shift]
    readers: Sequence[str]
    provenance: Provenance


def build(
    model: str,
    data: Sequence[SetData],
    baseline: sklearn.pipeline.Pipeline,
    *,
    floors: Floors,
    readers: Readers,
    shifts: Sequence[Shift],
    provenance: Provenance,
    other: str | None = None,
    champion: tuple[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> Report:
    """Put a report together.

    Args:
        model: Name of the model.
        data: Sets and answers; all with the other model's answers, or none.
        baseline: From `training.baselines.fit_baseline`.
        floors: What must be reached.
        readers: How well readers agree.
        shifts: Even-handedness, from `training.fairness`.
        provenance: Names and values, in groups.
        other: Name of the other model.
        champion: Name and recorded figures, by set, of the model in use, where that is another one and was not run.
    """
    subjects = topics([one.annotated.article for part in data for one in part.mine])
    sets, start = [], 0
    for part in data:
        about = subjects[start : start + len(part.mine)]
        recorded = champion[1].get(part.name, {}) if champion else {}
        sets.append(_set(part, about, baseline, floors, readers, recorded))
        start += len(part.mine)
    notes = [agreement.note for one in sets if (agreement := one.held.readers)]
    decision = decide([one.held for one in sets], shifts)
    who = champion[0] if champion and any(one.held.champion for one in sets) else None
    return Report(model, other, who, decision, sets, shifts, list(dict.fromkeys(notes)), provenance)


def figures(report: Report) -> dict[str, Any]:
    """Give everything but the quotes as plain values, unrounded, for programs; `report.json`."""
    return {
        "model": report.model,
        "against": report.other,
        "decision": {"verdict": report.decision.verdict, "reasons": [asdict(r) for r in report.decision.reasons]},
        "sets": {one.name: _set_figures(one) for one in report.sets},
        "even-handedness": [asdict(shift) for shift in report.shifts],
        "provenance": report.provenance,
    }


def _set(
    data: SetData,
    subjects: Sequence[str | None],
    baseline: sklearn.pipeline.Pipeline,
    floors: Floors,
    readers: Readers,
    recorded: Mapping[str, float],
) -> SetReport:
    mine = data.mine
    samples = resampled(mine)
    evaluation = evaluated(data.name, mine, samples)
    other = apart = None
    found, before = cases(data.name, mine, subjects), list[Case]()
    champion = dict(recorded)
    if data.others is not None:
        other_samples = resampled(data.others)
        other = evaluated(data.name, data.others, other_samples)
        champion = other.figures() | other.doubt()
        apart = differences(evaluation.figures() | evaluation.doubt(), champion, samples, other_samples)
        before = cases(data.name, data.others, subjects)
    pairs = [[(gold, predicted) for gold, predicted, _ in one.judged()] for one in mine]
    matrix = confusion(pairs)
    drawn = resample(matrix)
    guesses, lead = _baseline(baseline, mine, drawn)
    held = Held(
        evaluation,
        next((floor for floor in floors.sets if floor.sha256 == data.sha256), None),
        floors.margin,
        champion,
        apart or [],
        guesses,
        lead,
        readers.of(data.name),
    )
    confidence = np.asarray([p for one in mine for _, _, p in one.judged()])
    right = np.asarray([gold == predicted for one in mine for gold, predicted, _ in one.judged()], dtype=float)
    known = {id(case.quote): (case.traits, case.claim is not None) for case in found if case.quote}
    return SetReport(
        data,
        held,
        other,
        matrix.sum(0),
        {label: interval(values) for label, values in zip(map(str, Stance), label_f1(drawn).T, strict=True)},
        _curves(mine),
        bins(confidence, right),
        [(share, 1 - accuracy_at(confidence, right, share)[0]) for share in _SHARES],
        slices(mine, known),
        found,
        before,
        changes(found, before) if other else {},
    )


def _baseline(
    model: sklearn.pipeline.Pipeline, found: Sequence[Answer], drawn: np.ndarray
) -> tuple[StanceScore, tuple[float, float]]:
    """Score the baseline, and give the interval of the model's lead on it in the same draws."""
    pairs = []
    for one in found:
        examples = judged([one.annotated])
        guesses = model.predict([text for text, _ in examples]) if examples else []
        pairs.append([(gold, str(guess)) for (_, gold), guess in zip(examples, guesses, strict=True)])
    lead = macro_f1(drawn) - macro_f1(resample(confusion(pairs)))
    known = lead[~np.isnan(lead)]
    score = stance_score([pair for some in pairs for pair in some])
    return score, interval(known) if len(known) else (0.0, 0.0)


def _curves(found: Sequence[Answer]) -> dict[str, Curve]:
    verdicts = [pair for one in found for pair in one.verdicts]
    result = {}
    for label in Stance:
        gold = np.asarray([quote.stance is label for quote, _ in verdicts])
        scores = np.asarray([verdict[2][label] if verdict else 0.0 for _, verdict in verdicts])
        if gold.any():
            precision, recall, _ = precision_recall_curve(gold, scores)
            result[str(label)] = recall, precision, float(average_precision_score(gold, scores))
    return result


def _set_figures(one: SetReport) -> dict[str, Any]:
    found, held = one.held.evaluation, one.held
    result: dict[str, Any] = {
        "sha256": one.data.sha256,
        "articles": found.articles,
        "quotes": found.quotes,
        "figures": found.figures() | found.doubt(),
        "intervals": {name: list(pair) for name, pair in found.intervals.items()},
        "precision and recall": {
            name: {"precision": ratio.precision, "recall": ratio.recall, "f1": ratio.f1}
            for name, ratio in _ratios(found).items()
        },
        "source": found.whole.source,
        "labels": {
            label: {"f1": f, "precision": p, "recall": r, "quotes": n, "interval": list(one.label_intervals[label])}
            for label, (f, p, r, n) in found.given.labels.items()
        },
        "stance accuracy (gold spans)": found.given.accuracy,
        "stance accuracy (matched)": found.whole.stance.accuracy,
        "baseline": {
            GIVEN: held.baseline.macro_f1,
            "labels": {label: row[0] for label, row in held.baseline.labels.items()},
            "lead": list(held.lead),
        },
        "floors": dict(held.floor.figures) if held.floor else None,
        "margin": held.margin,
        "fallen": held.fallen,
        "champion": dict(held.champion) or None,
        "readers": {**held.readers.figures, "labels": held.readers.labels} if held.readers else None,
        "confusion": {"annotated, predicted": one.confusion.astype(int).tolist()},
        "average precision": {label: average for label, (_, _, average) in one.curves.items()},
        "reliability": [{"probability": p, "accuracy": a, "quotes": n} for p, a, n in one.bins],
        "risk and coverage": [{"coverage": share, "risk": risk} for share, risk in one.risk],
        "slices": [asdict(part) for part in one.slices],
        "mistakes": counts(one.cases),
    }
    if one.changes:
        result["differences"] = [asdict(d) | {"verdict": d.verdict} for d in _differences(one)]
        result["changes"] = {side: [case.id for case, _ in found] for side, found in one.changes.items()}
    return result


def _ratios(found: Evaluation) -> dict[str, Any]:
    whole = found.whole
    return {"quotes": whole.quotes, "tokens": whole.tokens, "attributed": whole.attributed, "claim": whole.claim}


def _differences(one: SetReport) -> Sequence[Difference]:
    return one.held.differences
