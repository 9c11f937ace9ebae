"""Gold against predicted: every figure of a model on sets of annotated articles, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from stance.pipeline import Pipeline
from stance.records import claim_row
from stance.types import Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.calibration import accuracy_at, calibration_error
from training.metrics import Score, StanceScore, Tally, stance_score, tally, total

_RESAMPLES = 1000
_COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one model on one set.

    Attributes:
        name: Of the set.
        articles, quotes: How many it has.
        whole: The whole job, text in, claims out.
        given: Stance alone, on the annotated spans.
        calibration: Expected calibration error of the stances on the annotated spans.
        coverage: Accuracy of the surest share of them, and the least probability in it, by share.
        intervals: 95% bootstrap intervals over articles of the headline figures.
    """

    name: str
    articles: int
    quotes: int
    whole: Score
    given: StanceScore
    calibration: float
    coverage: dict[float, tuple[float, float]]
    intervals: dict[str, tuple[float, float]]

    def figures(self) -> dict[str, float]:
        """Give the headline figures by name."""
        return self.whole.figures() | {"stance macro F1 (gold spans)": self.given.macro_f1}

    def doubt(self) -> dict[str, float]:
        """Give by name what the probabilities are worth."""
        return {"calibration error": self.calibration, "accuracy at 80% coverage": self.coverage[0.8][0]}


def evaluate(
    pipeline: Pipeline, name: str, articles: Sequence[AnnotatedArticle], *, tick: Callable[[], None] = lambda: None
) -> Evaluation:
    """Run a model over annotated articles and score it.

    Args:
        pipeline: The model.
        name: Of the set.
        articles: Gold.
        tick: Called after each article.
    """
    tallies = []
    results = pipeline.run(annotated.article for annotated in articles)
    for annotated, (article, claims) in zip(articles, results, strict=True):
        tallies.append(tally(annotated, [claim_row(article, claim, pipeline.model) for claim in claims]))
        tick()
    judged = given_pairs(pipeline, articles)
    pairs = [[(gold, predicted) for gold, predicted, _ in found] for found in judged]
    confidence = np.asarray([p for found in judged for _, _, p in found])
    right = np.asarray([gold == predicted for found in judged for gold, predicted, _ in found])
    whole = total(tallies)
    given = stance_score([pair for found in pairs for pair in found])
    return Evaluation(
        name,
        len(articles),
        sum(len(annotated.quotes) for annotated in articles),
        whole,
        given,
        calibration_error(confidence, right),
        {share: accuracy_at(confidence, right, share) for share in _COVERAGES},
        _intervals(tallies, pairs),
    )


def given_pairs(pipeline: Pipeline, articles: Sequence[AnnotatedArticle]) -> list[list[tuple[str, str, float]]]:
    """Give gold and predicted stance of each article's judged quotes, on the annotated spans, and how sure it is."""
    return [
        [
            (str(q.stance), str(v[0]) if v else "none", v[2][v[0]] if v else 0.0)
            for q, v in verdicts(pipeline, annotated)
        ]
        for annotated in articles
    ]


def verdicts(
    pipeline: Pipeline, annotated: AnnotatedArticle
) -> list[tuple[GoldQuote, tuple[Stance, Stance | None, dict[Stance, float]] | None]]:
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
    for share in _COVERAGES:
        kept = [one.coverage[share] for one in evaluations]
        doubt.add_row(f"{share:.0%}", *(f"{accuracy:.3f} ({least:.2f})" for accuracy, least in kept))
    doubt.add_row("calibration error", *(f"{one.calibration:.3f}" for one in evaluations), style="bold")
    return [headline, labels, doubt]


def _intervals(tallies: Sequence[Tally], pairs: Sequence[Sequence[tuple[str, str]]]) -> dict[str, tuple[float, float]]:
    """Bootstrap over articles (Efron & Tibshirani 1993), percentile intervals; the seed is fixed."""
    generator = np.random.default_rng(13)
    samples: dict[str, list[float]] = {}
    for _ in range(_RESAMPLES):
        chosen = generator.integers(len(tallies), size=len(tallies)).tolist()
        whole = total([tallies[i] for i in chosen])
        given = stance_score([pair for i in chosen for pair in pairs[i]])
        for name, value in (whole.figures() | {"stance macro F1 (gold spans)": given.macro_f1}).items():
            samples.setdefault(name, []).append(value)
    return {name: (float(np.quantile(v, 0.025)), float(np.quantile(v, 0.975))) for name, v in samples.items()}
