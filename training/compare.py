"""One model against another on the same articles: differences with paired-bootstrap intervals, and what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from training.evaluate import RESAMPLES, Answer, evaluated, interval, resampled
from training.gate import LESS
from training.mistakes import Case, cases, changes

_SHOWN_CHARS = 90


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two models.

    Attributes:
        figure: Its name.
        mine, other: Its values.
        low, high: 95% interval of `mine - other`, from draws of articles that both models share.
        sure: Share of the draws in which the first model is better.
    """

    figure: str
    mine: float
    other: float
    low: float
    high: float
    sure: float

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `even` where the interval holds 0."""
        if self.low <= 0 <= self.high:
            return "even"
        return "better" if (self.low > 0) != (self.figure in LESS) else "worse"

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference: twice the share of the draws on the lesser side of 0."""
        return min(1.0, max(2 * min(self.sure, 1 - self.sure), 1 / RESAMPLES))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on one set.

    Attributes:
        name: Of the set.
        articles, quotes: How many it has.
        differences: Of every figure.
        changes: What only the first model gets right (`gained`), what only the second does (`lost`).
    """

    name: str
    articles: int
    quotes: int
    differences: Sequence[Difference]
    changes: Mapping[str, Sequence[tuple[Case, Case | None]]]


def compare(name: str, mine: Sequence[Answer], others: Sequence[Answer]) -> Comparison:
    """Compare what two models answered on the same articles, in the same order."""
    samples, other_samples = resampled(mine), resampled(others)
    first, second = evaluated(name, mine, samples), evaluated(name, others, other_samples)
    nothing = [None] * len(mine)
    return Comparison(
        name,
        first.articles,
        first.quotes,
        differences(first.figures() | first.doubt(), second.figures() | second.doubt(), samples, other_samples),
        changes(cases(name, mine, nothing), cases(name, others, nothing)),
    )


def report(found: Comparison, mine: str, other: str, *, shown: int) -> list[Table]:
    """Lay a comparison out as tables.

    Args:
        found: The comparison.
        mine: Name of the first model.
        other: Name of the second.
        shown: Most changed quotes to show on each side.
    """
    title = f"{found.name}: {found.articles} articles, {found.quotes} quotes"
    table = Table(title=escape(title), title_justify="left")
    for column in ("figure", escape(mine), escape(other), "difference", "95% interval", "p", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for one in found.differences:
        table.add_row(
            one.figure,
            f"{one.mine:.3f}",
            f"{one.other:.3f}",
            f"{one.mine - one.other:+.3f}",
            f"[{one.low:+.3f}, {one.high:+.3f}]",
            f"{one.p:.3f}",
            {"better": "[green]better[/green]", "worse": "[red]worse[/red]", "even": ""}[one.verdict],
        )
    tables = [table]
    for side, winner in (("gained", mine), ("lost", other)):
        some = found.changes[side]
        listed = Table(title=escape(f"Only {winner} is right: {len(some)} quotes"), title_justify="left")
        for column in ("article", "quote", "annotated", escape(mine), escape(other)):
            listed.add_column(column)
        for row in (_changed(*pair) for pair in some[:shown]):
            cells = (row["article"], row["quote"], row["annotated"], row["mine"], row["other"])
            listed.add_row(*(escape(str(cell or "–")) for cell in cells))
        if some and shown:
            tables.append(listed)
    return tables


def figures(found: Comparison) -> dict[str, Any]:
    """Give a comparison as plain values, for programs."""
    return {
        "articles": found.articles,
        "quotes": found.quotes,
        "differences": [
            asdict(one) | {"difference": one.mine - one.other, "p": one.p, "verdict": one.verdict}
            for one in found.differences
        ],
        "changes": {side: [_changed(*pair) for pair in some] for side, some in found.changes.items()},
    }


def _changed(case: Case, old: Case | None) -> dict[str, Any]:
    text = case.article.text
    words = " … ".join(" ".join(text[start:end].split()) for start, end in case.content)
    gone = case is old  # the second model alone found a quote there, and there is none
    return {
        "id": case.id,
        "article": case.article.id,
        "quote": words if len(words) <= _SHOWN_CHARS else words[: _SHOWN_CHARS - 1] + "…",
        "annotated": str(case.quote.stance or "not judged") if case.quote else None,
        "mine": None if gone else _said(case),
        "other": _said(old) if old else None,
    }


def _said(case: Case) -> str:
    claim = case.claim
    if claim is None:
        return "not found"
    wrong = "" if case.usable else f" ({', '.join(kind for kind in case.kinds if kind not in ('spans', 'boundary'))})"
    return f"{claim.get('stance')}, {claim.get('speaker') or 'no speaker'}{wrong}"


def differences(
    mine: Mapping[str, float],
    others: Mapping[str, float],
    samples: Mapping[str, np.ndarray],
    other_samples: Mapping[str, np.ndarray],
) -> list[Difference]:
    """Compare each figure of two models.

    Args:
        mine: The first model's figures.
        others: The second's.
        samples: The first model's, from `training.evaluate.resampled`.
        other_samples: The second's, on the same articles in the same order.
    """
    result = []
    for name, value in mine.items():
        apart = samples[name] - other_samples[name]
        better = apart < 0 if name in LESS else apart > 0
        sure = float(np.mean(better) + np.mean(apart == 0) / 2)
        result.append(Difference(name, value, others[name], *interval(apart), sure))
    return result
