from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.calibration import accuracy_at, calibration_error, chance_error, confidences

SHARES = st.floats(0, 1, width=32)
DISTINCT = st.lists(st.tuples(SHARES, st.booleans()), min_size=1, max_size=60, unique_by=lambda one: one[0])
# Few probabilities for many quotes: whole bins of the same one, and bins that share one
TIED = st.lists(st.tuples(st.sampled_from([0.25, 0.5, 1.0]), st.booleans()), min_size=1, max_size=60)

# Probability of each choice and whether it was right -> expected error
ERRORS = {
    "nothing": ([], 0.0),
    "one, right": ([(0.75, True)], 0.25),
    "one, wrong": ([(0.75, False)], 0.75),
    "sure and right": ([(1.0, True)] * 40, 0.0),
    "sure and wrong": ([(1.0, False)] * 40, 1.0),
    "thought wrong, but right": ([(0.0, True)] * 40, 1.0),
    "fewer than the bins: each for itself": ([(0.9, True), (0.6, False)], 0.35),
    "fifteen: each for itself": ([(0.4, False), (0.6, True)] + [(1.0, True)] * 13, 0.8 / 15),
    # of sixteen the two least sure share a bin, in which 0.5 are expected and 0.5 are right
    "sixteen: two share a bin": ([(0.4, False), (0.6, True)] + [(1.0, True)] * 14, 0.0),
    "a bin counts by its size": ([(0.4, False), (0.6, False)] + [(1.0, True)] * 14, 0.5 * 2 / 16),
    # 15 bins of two; in every one half are right and 0.75 are expected
    "too sure everywhere": ([(0.75, True), (0.75, False)] * 15, 0.25),
}


@pytest.mark.parametrize(("quotes", "expected"), ERRORS.values(), ids=ERRORS)
def test_the_error_is_the_one_worked_out_by_hand(quotes: list[tuple[float, bool]], expected: float) -> None:
    assert calibration_error(*_arrays(quotes)) == pytest.approx(expected)


def test_a_probability_that_means_what_it_says_has_no_error() -> None:
    # three bins of four quotes for each probability, of which none, one, two, three or four are right
    quotes = [(level / 4, i < level) for level in range(5) for _ in range(3) for i in range(4)]
    assert calibration_error(*_arrays(quotes)) == 0.0


def test_one_wrong_quote_in_calibrated_ones_is_seen() -> None:
    quotes = [(level / 4, i < level) for level in range(5) for _ in range(3) for i in range(4)]
    quotes[-1] = (1.0, False)
    assert calibration_error(*_arrays(quotes)) == pytest.approx(1 / 60)


# Probabilities of the choices -> the error to be expected if they are right
CHANCE = {
    "sure": ([1.0] * 40, 0.0),
    "surely wrong": ([0.0] * 40, 0.0),
    "one quote is right or wrong, never half": ([0.5], 0.5),
    "one that is right three times in four": ([0.75], 0.375),
}


@pytest.mark.parametrize(("confidence", "expected"), CHANCE.values(), ids=CHANCE)
def test_what_chance_adds_is_what_was_worked_out_by_hand(confidence: list[float], expected: float) -> None:
    assert chance_error(np.asarray(confidence)) == pytest.approx(expected, abs=0.03)


def test_chance_adds_less_where_there_are_more_quotes() -> None:
    few, many, most = (chance_error(np.linspace(0.3, 0.99, count)) for count in (60, 600, 6000))
    assert few > 2 * many > 4 * most > 0


@given(DISTINCT)
def test_the_error_lies_between_the_plain_gap_and_one(quotes: list[tuple[float, bool]]) -> None:
    confidence, right = _arrays(quotes)
    error = calibration_error(confidence, right)
    assert abs(confidence.mean() - right.mean()) - 1e-9 <= error <= 1 + 1e-9


@given(DISTINCT, st.randoms(use_true_random=False))
def test_the_order_of_the_quotes_does_not_matter(quotes: list[tuple[float, bool]], random: Random) -> None:
    mixed = list(quotes)
    random.shuffle(mixed)
    assert calibration_error(*_arrays(mixed)) == calibration_error(*_arrays(quotes))
    for coverage in (0.3, 0.8):
        assert accuracy_at(*_arrays(mixed), coverage) == accuracy_at(*_arrays(quotes), coverage)


@given(TIED)
def test_the_order_of_equally_sure_quotes_does_not_matter_for_the_error(quotes: list[tuple[float, bool]]) -> None:
    assert calibration_error(*_arrays(sorted(quotes))) == pytest.approx(calibration_error(*_arrays(quotes)))


@given(TIED)
def test_the_order_of_equally_sure_quotes_does_not_matter_for_the_accuracy(quotes: list[tuple[float, bool]]) -> None:
    assert accuracy_at(*_arrays(sorted(quotes)), 0.5) == pytest.approx(accuracy_at(*_arrays(quotes), 0.5))


# Share that is kept -> accuracy, least probability; of four quotes, the third surest is the only wrong one
COVERAGES = {
    "all": (1.0, 0.75, 0.5),
    "three": (0.75, 2 / 3, 0.6),
    "two": (0.5, 1.0, 0.7),
    "one": (0.25, 1.0, 0.9),
    "less than one is one": (0.01, 1.0, 0.9),
    "nearly three is three": (0.7, 2 / 3, 0.6),
}


@pytest.mark.parametrize(("coverage", "accuracy", "least"), COVERAGES.values(), ids=COVERAGES)
def test_the_surest_are_kept(coverage: float, accuracy: float, least: float) -> None:
    quotes = [(0.5, True), (0.9, True), (0.6, False), (0.7, True)]
    assert accuracy_at(*_arrays(quotes), coverage) == (pytest.approx(accuracy), least)


@given(st.one_of(DISTINCT, TIED))
def test_accuracy_at_full_coverage_is_the_accuracy(quotes: list[tuple[float, bool]]) -> None:
    confidence, right = _arrays(quotes)
    accuracy, least = accuracy_at(confidence, right, 1.0)
    assert accuracy == pytest.approx(sum(is_right for _, is_right in quotes) / len(quotes))
    assert least == min(p for p, _ in quotes)


@given(DISTINCT, st.floats(0.01, 1), st.floats(0.01, 1))
def test_who_keeps_more_keeps_less_sure_quotes(quotes: list[tuple[float, bool]], one: float, other: float) -> None:
    _, fewer = accuracy_at(*_arrays(quotes), min(one, other))
    _, more = accuracy_at(*_arrays(quotes), max(one, other))
    assert more <= fewer


@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_what_is_right_and_surer_is_kept_first(good: int, bad: int, data: st.DataObject) -> None:
    n = good + bad
    kept = data.draw(st.integers(1, n))
    quotes = [(i / n, i >= bad) for i in range(n)]
    accuracy, _ = accuracy_at(*_arrays(quotes), kept / n)
    assert accuracy == pytest.approx(min(kept, good) / kept)


# Weights -> probability of each choice, whether it is right; three quotes, three labels
PROBABILITIES = np.asarray([[0.5, 0.375, 0.125], [0.125, 0.25, 0.625], [0.25, 0.5, 0.25]])
GOLD = np.asarray([1, 2, 0])
WEIGHTS: dict[str, tuple[list[float] | None, list[float], list[bool]]] = {
    "none": (None, [0.5, 0.625, 0.5], [False, True, False]),
    "all the same": ([3.0, 3.0, 3.0], [0.5, 0.625, 0.5], [False, True, False]),
    # 0.375 · 2 > 0.5, but what is given is 0.375
    "another label, its own probability": ([1.0, 2.0, 1.0], [0.375, 0.625, 0.5], [True, True, False]),
    # 0.125 · 6 < 0.625 · 6 as well, and 0.25 · 6 > 0.5 on the third quote
    "the first label": ([6.0, 1.0, 1.0], [0.5, 0.125, 0.25], [False, False, True]),
    "a label that is never chosen": ([1.0, 1.0, 0.0], [0.5, 0.25, 0.5], [False, False, False]),
}


@pytest.mark.parametrize(("weights", "confidence", "right"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_choose_the_label_and_leave_its_probability(
    weights: list[float] | None, confidence: list[float], right: list[bool]
) -> None:
    found, is_right = confidences(PROBABILITIES, GOLD, weights)
    assert found.tolist() == confidence
    assert is_right.tolist() == right


@given(st.lists(st.tuples(*[st.integers(1, 100)] * 4, st.integers(0, 3)), min_size=1, max_size=20))
def test_without_weights_the_greatest_probability_is_given(rows: list[tuple[int, ...]]) -> None:
    probabilities = np.asarray([[count / sum(counts) for count in counts] for *counts, _ in rows])
    gold = np.asarray([label for *_, label in rows])
    confidence, right = confidences(probabilities, gold)
    assert confidence.tolist() == [max(row) for row in probabilities.tolist()]
    # right is only what has the greatest probability; where that is one label alone, it is right
    for row, label, is_right in zip(probabilities.tolist(), gold.tolist(), right.tolist(), strict=True):
        assert not is_right or row[label] == max(row)
        assert is_right or row[label] < max(row) or row.count(max(row)) > 1


@given(st.lists(st.sampled_from([0.125, 0.5, 1.0, 2.0, 8.0]), min_size=3, max_size=3), st.integers(-3, 3))
def test_only_the_ratio_of_the_weights_matters(weights: list[float], power: int) -> None:
    once = confidences(PROBABILITIES, GOLD, weights)
    scaled = confidences(PROBABILITIES, GOLD, [weight * 2.0**power for weight in weights])
    assert [part.tolist() for part in once] == [part.tolist() for part in scaled]


def _arrays(quotes: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray([p for p, _ in quotes], float), np.asarray([right for _, right in quotes], bool)
