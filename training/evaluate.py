"""Gold against predicted: every figure of a model on sets of annotated articles, with intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from stance.pipeline import Pipeline
from stance.records import claim_row
from stance.types import Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.calibration import COVERAGES, accuracy_at, calibration_error, chance_error
from training.metrics import Score, StanceScore, stance_score, tally, total

RESAMPLES = 1000
SEED = 13


Verdict = tuple[Stance, Stance | None, dict[Stance, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of one annotated article.

    Attributes:
        annotated: Gold.
        claims: Its records of the whole job (see `stance.records`).
        verdicts: The judged quotes, each with what it says of the annotated spans; None where they hold no word.
    """

    annotated: AnnotatedArticle
    claims: tuple[dict[str, Any], ...]
    verdicts: tuple[tuple[GoldQuote, Verdict | None], ...]

    def judged(self) -> list[tuple[str, str, float]]:
        """Give gold and predicted stance of each judged quote, on the annotated spans, and how sure that is."""
        return [(str(q.stance), str(v[0]) if v else "none", v[2][v[0]] if v else 0.0) for q, v in self.verdicts]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one model on one set.

    Attributes:
        name: Of the set.
        articles, quotes: How many it has.
        whole: The whole job, text in, claims out.
        given: Stance alone, on the annotated spans.
        calibration: Expected calibration error of the stances on the annotated spans.
        chance: What that would be if the probabilities were right (`training.calibration.chance_error`); not a number
            where there are no intervals, for it is drawn as well.
        coverage: Accuracy of the surest share of them, and the least probability in it, by share.
        intervals: 95% bootstrap intervals over articles of the figures and of what the probabilities are worth.
    """

    name: str
    articles: int
    quotes: int
    whole: Score
    given: StanceScore
    calibration: float
    chance: float
    coverage: dict[float, tuple[float, float]]
    intervals: dict[str, tuple[float, float]]

    def figures(self) -> dict[str, float]:
        """Give the headline figures by name."""
        return self.whole.figures() | {"stance macro F1 (gold spans)": self.given.macro_f1}

    def doubt(self) -> dict[str, float]:
        """Give by name what the probabilities are worth."""
        return {"calibration error": self.calibration, "accuracy at 80% coverage": self.coverage[0.8][0]}


def evaluate(
    pipeline: Pipeline,
    name: str,
    articles: Sequence[AnnotatedArticle],
    *,
    intervals: bool = True,
    tick: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Run a model over annotated articles and score it.

    Args:
        pipeline: The model.
        name: Of the set.
        articles: Gold.
        intervals: Whether to draw the samples that these are taken from.
        tick: Called after each article.
    """
    found = answers(pipeline, articles, tick=tick)
    return evaluated(name, found, resampled(found) if intervals else {})


def answers(
    pipeline: Pipeline, articles: Sequence[AnnotatedArticle], *, tick: Callable[[], None] = lambda: None
) -> list[Answer]:
    """Run a model over annotated articles: the whole job, and stance alone on the annotated spans.

    Args:
        pipeline: The model.
        articles: Gold.
        tick: Called after each article.
    """
    rows = []
    for article, claims in pipeline.run(annotated.article for annotated in articles):
        rows.append([claim_row(article, claim, pipeline.model) for claim in claims])
        tick()
    return [Answer(one, tuple(r), tuple(verdicts(pipeline, one))) for one, r in zip(articles, rows, strict=True)]


def evaluated(name: str, found: Sequence[Answer], samples: Mapping[str, np.ndarray]) -> Evaluation:
    """Score what a model answered.

    Args:
        name: Of the set.
        found: One for each of its articles.
        samples: Of the same answers, see `resampled`.
    """
    judged = [row for one in found for row in one.judged()]
    confidence, right = _confidences(judged)
    return Evaluation(
        name,
        len(found),
        sum(len(one.annotated.quotes) for one in found),
        total([tally(one.annotated, one.claims) for one in found]),
        stance_score([(gold, predicted) for gold, predicted, _ in judged]),
        calibration_error(confidence, right),
        chance_error(confidence) if samples else math.nan,
        {share: accuracy_at(confidence, right, share) for share in COVERAGES},
        {figure: interval(values) for figure, values in samples.items()},
    )


def _confidences(judged: Sequence[tuple[str, str, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray([p for _, _, p in judged]), np.asarray([gold == guess for gold, guess, _ in judged])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Give the 95% percentile interval of resampled values."""
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def verdicts(pipeline: Pipeline, annotated: AnnotatedArticle) -> list[tuple[GoldQuote, Verdict | None]]:
    """Give an article's judged quotes, each with what `Pipeline.judge` says of its annotated spans."""
    judged = [quote for quote in annotated.quotes if quote.stance is not None and not quote.optional]
    cut = [(q.content, next(iter(q.cue), None), next(iter(q.source), None)) for q in judged]
    [found] = pipeline.judge([(annotated.article, cut)])
    return list(zip(judged, found, strict=True))


def report(evaluations: Sequence[Evaluation], baselines: Sequence[StanceScore]) -> list[Table]:
    """Lay the figures out as tables: the headline figures, the labels, and what the probabilities are worth."""
    headline = Table(title="Figures, with 95% bootstrap intervals over articles", title_justify="left")
    headline.add_column("figure")
    labels = Table(title="Stance on the annotated spans", title_justify="left")
    labels.add_column("label")
    for one in evaluations:
        headline.add_column(f"{one.name}\n{one.articles} articles, {one.quotes} quotes", justify="right")
        labels.add_column(f"{one.name}\nP     R     F1    (n)", justify="right")
        labels.add_column("TF-IDF\nF1", justify="right")
    for figure in evaluations[0].figures():
        cells = []
        for one in evaluations:
            low, high = one.intervals[figure]
            cells.append(f"{one.figures()[figure]:.3f} [{low:.3f}, {high:.3f}]")
        headline.add_row(figure, *cells)
    for label in evaluations[0].given.labels:
        cells = []
        for one, baseline in zip(evaluations, baselines, strict=True):
            f, p, r, n = one.given.labels[label]
            cells += [f"{p:.3f} {r:.3f} {f:.3f} ({n})", f"{baseline.labels[label][0]:.3f}"]
        labels.add_row(label, *cells)
    cells = []
    for one, baseline in zip(evaluations, baselines, strict=True):
        cells += [f"{one.given.macro_f1:.3f} ({one.given.n})", f"{baseline.macro_f1:.3f}"]
    labels.add_row("macro F1", *cells, style="bold")
    doubt = Table(title="Stance when only the surest are kept (accuracy, least probability)", title_justify="left")
    doubt.add_column("kept")
    for one in evaluations:
        doubt.add_column(one.name, justify="right")
    for share in COVERAGES:
        kept = [one.coverage[share] for one in evaluations]
        doubt.add_row(f"{share:.0%}", *(f"{accuracy:.3f} ({least:.2f})" for accuracy, least in kept))
    doubt.add_row("calibration error", *(f"{one.calibration:.3f}" for one in evaluations), style="bold")
    doubt.add_row("calibration error by chance", *(f"{one.chance:.3f}" for one in evaluations))
    return [headline, labels, doubt]


def draws(count: int) -> list[list[int]]:
    """Draw that many articles anew, with replacement, 1,000 times; the same draws for the same count."""
    generator = np.random.default_rng(SEED)
    return [generator.integers(count, size=count).tolist() for _ in range(RESAMPLES)]


def resampled(found: Sequence[Answer]) -> dict[str, np.ndarray]:
    """Bootstrap the figures, and what the probabilities are worth, over articles (Efron & Tibshirani 1993).

    Two models' values on the same articles come from the same draws: their differences are a paired bootstrap.

    Returns:
        1,000 values of each figure.
    """
    tallies = [tally(one.annotated, one.claims) for one in found]
    judged = [one.judged() for one in found]
    samples: dict[str, list[float]] = {}
    for chosen in draws(len(found)):
        rows = [row for i in chosen for row in judged[i]]
        confidence, right = _confidences(rows)
        figures = total([tallies[i] for i in chosen]).figures() | {
            "stance macro F1 (gold spans)": stance_score([(gold, predicted) for gold, predicted, _ in rows]).macro_f1,
            "calibration error": calibration_error(confidence, right),
            "accuracy at 80% coverage": accuracy_at(confidence, right, 0.8)[0],
        }
        for name, value in figures.items():
            samples.setdefault(name, []).append(value)
    return {name: np.asarray(values) for name, values in samples.items()}
