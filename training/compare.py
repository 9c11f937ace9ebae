"""One model against another on the same articles: differences with paired-bootstrap intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.evaluate import interval
from training.gate import LESS


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
