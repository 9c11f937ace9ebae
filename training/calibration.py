"""Whether a probability means what it says: calibration error, and what is left when the unsure are put aside."""

from collections.abc import Sequence

import numpy as np

_BINS = 15
_DRAWS, _SEED = 500, 13
# Shares of the quotes, the surest first, for which the accuracy is reported.
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def confidences(
    probabilities: np.ndarray, gold: np.ndarray, weights: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Give the probability of each chosen label, and whether it is right.

    Args:
        probabilities: `(quotes, labels)`.
        gold: Label indices `(quotes,)`.
        weights: Of the labels in the choice, as in `stance.network.Decoding.stance_weight`.
    """
    chosen = (probabilities * np.asarray(weights if weights is not None else 1.0)).argmax(-1)
    return probabilities[np.arange(len(gold)), chosen], chosen == gold


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Give the expected calibration error in 15 bins of equal mass (Nguyen & O'Connor 2015).

    Args:
        confidence: Probability of each chosen label, `(quotes,)`.
        right: Whether it was right.

    Returns:
        Mean absolute difference of confidence and accuracy over the bins, weighted by their size; 0 of nothing.
    """
    found = bins(confidence, right)
    return float(sum(abs(mean - share) * n for mean, share, n in found) / max(1, sum(n for _, _, n in found)))


def chance_error(confidence: np.ndarray) -> float:
    """Give the calibration error to be expected of probabilities that mean exactly what they say, on as many quotes.

    An error has no sign, so that chance only adds to it: with 35 quotes in a bin accuracy and confidence differ by some
    0.05 though nothing is wrong. What is measured says something as far as it is greater.

    Args:
        confidence: Probability of each chosen label, `(quotes,)`.

    Returns:
        The mean over 500 draws of what is right.
    """
    draws = np.random.default_rng(_SEED).random((_DRAWS, len(confidence))) < confidence
    return float(np.mean([calibration_error(confidence, right) for right in draws]))


def bins(confidence: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """Give mean confidence, accuracy and number of quotes of each of 15 bins of equal mass, the least sure first."""
    right = _shared(confidence, right)
    parts = np.array_split(np.argsort(confidence, kind="stable"), _BINS)
    return [(float(confidence[part].mean()), float(right[part].mean()), len(part)) for part in parts if len(part)]


def accuracy_at(confidence: np.ndarray, right: np.ndarray, coverage: float) -> tuple[float, float]:
    """Give the accuracy on the surest share of the quotes, and the least confidence among them.

    Args:
        confidence: Probability of each chosen label, `(quotes,)`.
        right: Whether it was right.
        coverage: The share that is kept, in (0, 1].

    Returns:
        Both 0 of nothing.
    """
    if not len(confidence):
        return 0.0, 0.0
    right = _shared(confidence, right)
    kept = np.argsort(-confidence, kind="stable")[: max(1, round(coverage * len(confidence)))]
    return float(right[kept].mean()), float(confidence[kept].min())


def _shared(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Share what is right evenly among equal confidences, so that the order of the quotes does not count."""
    if not len(confidence):
        return right
    _, group = np.unique(confidence, return_inverse=True)
    means: np.ndarray = (np.bincount(group, right) / np.bincount(group))[group]
    return means
