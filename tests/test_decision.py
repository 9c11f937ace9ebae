from pathlib import Path

import pytest
from made_report import SHIFTS, held, made_report

from stance.errors import ConfigError
from training.cli import READERS
from training.compare import Difference
from training.decision import GIVEN, Decision, Held, Readers, decide
from training.evaluate import Evaluation
from training.fairness import Shift
from training.gate import Floor
from training.metrics import StanceScore, stance_score, total

WORSE = Difference("claim F1", 0.5, 0.6, -0.15, -0.05, 0.0)
BETTER = Difference("claim F1", 0.6, 0.5, 0.05, 0.15, 1.0)
EVEN = Difference("claim F1", 0.55, 0.5, -0.05, 0.15, 0.8)
MINOR = Difference("speaker wrong", 0.2, 0.1, 0.05, 0.15, 0.0)
FAIR = [Shift("all", 9, 90, 0.001, 0.001, 0.002, {})]
PAIRS = [("accusation", "accusation"), ("denial", "denial"), ("justification", "justification"), ("other", "other")]
GOOD, BAD = stance_score(PAIRS), stance_score([(gold, "other") for gold, _ in PAIRS])

# Floors, differences, the model's labels, the baseline's, its lead -> verdict, a side and words of one reason
DECISIONS: dict[
    str, tuple[dict[str, float] | None, list[Difference], StanceScore, StanceScore, tuple[float, float], str, str, str]
] = {
    "floors reached": ({"claim F1": 0.0}, [], GOOD, BAD, (0.3, 0.9), "use", "for", "all 1 figures reach"),
    "a floor missed": ({"claim F1": 0.5}, [], GOOD, BAD, (0.3, 0.9), "refuse", "against", "claim F1 is 0.000"),
    "within the margin": ({"claim F1": 0.005}, [], GOOD, BAD, (0.3, 0.9), "use", "for", "reach"),
    "worse than the champion": (None, [WORSE], GOOD, BAD, (0.3, 0.9), "refuse", "against", "0.500 against 0.600"),
    "better than the champion": (None, [BETTER], GOOD, BAD, (0.3, 0.9), "use", "for", "better than the other"),
    "no different": (None, [EVEN], GOOD, BAD, (0.3, 0.9), "use", "for", "no figure differs"),
    "worse in a lesser figure": (None, [MINOR], GOOD, BAD, (0.3, 0.9), "use", "care", "speaker wrong 0.200"),
    "no better than counting words": ({}, [], BAD, GOOD, (-0.9, -0.3), "refuse", "against", "counting words"),
    "a lead that may be chance": ({}, [], GOOD, BAD, (-0.1, 0.9), "use", "care", "may be chance"),
    "nothing to hold it against": (None, [], GOOD, BAD, (0.3, 0.9), "open", "care", "Neither a floor"),
    "no labels": ({}, [], stance_score([]), stance_score([]), (0.0, 0.0), "use", "care", "labels were not measured"),
}


@pytest.mark.parametrize(
    ("floors", "apart", "mine", "other", "lead", "verdict", "side", "words"), DECISIONS.values(), ids=DECISIONS
)
def test_a_model_is_used_or_refused_for_a_reason(
    floors: dict[str, float] | None,
    apart: list[Difference],
    mine: StanceScore,
    other: StanceScore,
    lead: tuple[float, float],
    verdict: str,
    side: str,
    words: str,
) -> None:
    floor = None if floors is None else Floor(name="set", model="x", sha256="0" * 64, figures=floors)
    one = Held(_evaluation(mine), floor, 0.01, {}, apart, other, lead, None)
    found = decide([one], FAIR)
    assert found.verdict == verdict
    assert any(reason.side == side and words in reason.words for reason in found.reasons), found.reasons


def test_what_speaks_against_stands_first() -> None:
    found = made_report(held()[:6], against=False, floor={"claim F1": 1.0}).decision
    assert found.verdict == "refuse"  # one set is enough
    sides = [reason.side for reason in found.reasons]
    assert sides == sorted(sides, key=["against", "for", "care"].index)
    assert sides[0] == "against"


def test_users_are_told_of_prejudice() -> None:
    told = [reason.words for reason in _decide(SHIFTS).reasons if "Even-handed" in reason.words]
    assert len(told) == 2
    assert "5.0% of the labels" in told[0]
    assert "Peru and Fiji" in told[1]
    assert [r.side for r in _decide(FAIR).reasons if "Even-handed" in r.words] == ["for"]
    assert [r.words for r in _decide([]).reasons if "Even-handed" in r.words] == ["Even-handedness was not measured."]


def test_a_decision_has_a_headline() -> None:
    assert {Decision(verdict).headline for verdict in ("use", "refuse", "open")} == {
        "Use it",
        "Do not use it",
        "Cannot be decided yet",
    }


def test_less_of_a_wrong_is_better() -> None:
    assert [one.verdict for one in (WORSE, BETTER, EVEN, MINOR)] == ["worse", "better", "even", "worse"]


def test_the_readers_agreement_that_ships_can_be_read() -> None:
    readers = Readers.read(READERS)
    found = readers.of("polnear-dev")
    assert found is not None
    assert found.figures["quotes F1"] == 0.79
    assert readers.of("corpus-held") is None


@pytest.mark.parametrize(("words", "expected"), [("{", "not JSON"), ('{"sets": [{"data": []}]}', "note")])
def test_what_is_no_agreement_is_refused(words: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "readers.json"
    path.write_text(words, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        Readers.read(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Readers.read(tmp_path / "none.json")


def _evaluation(given: StanceScore) -> Evaluation:
    coverage = dict.fromkeys((1.0, 0.9, 0.8, 0.7, 0.6, 0.5), (0.9, 0.5))
    whole = total([])
    return Evaluation(
        "set", 30, 100, whole, given, 0.01, 0.01, coverage, dict.fromkeys([*whole.figures(), GIVEN], (0.0, 1.0))
    )


def _decide(shifts: list[Shift]) -> Decision:
    return decide([Held(_evaluation(GOOD), None, 0.01, {}, [], BAD, (0.3, 0.9), None)], shifts)
