"""Whether a model may be used, and why: its figures beside all that it must be held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from stance.config import load_json
from training.compare import Difference
from training.evaluate import Evaluation
from training.fairness import Shift
from training.gate import Floor, fallen
from training.gate import figures as rounded
from training.metrics import StanceScore

GIVEN = "stance macro F1 (gold spans)"
# Goals of even-handedness; missing one is no reason to refuse a model, but to know it.
MOST_FLIPS, WIDEST_PAIR = 0.01, 0.02
# With fifteen figures a set one or another falls by chance: these three speak for what a reader gets.
DECISIVE = frozenset(["claim F1", "attributed F1", GIVEN])
_CALIBRATED = 0.05
_WEAK_LABEL = 0.5
_FEW_ARTICLES = 20

Share = Annotated[float, Field(ge=0, le=1)]


class Agreement(BaseModel):
    """How well readers agree, for the data on which that was measured.

    Attributes:
        data: Names of the sets.
        note: Who read what.
        figures: By name, as `training.evaluate` gives them.
        labels: F1 of each label.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[str, ...]
    note: str
    figures: dict[str, Share]
    labels: dict[str, Share] = {}


class Readers(BaseModel):
    """The readers' agreement; `models/readers.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ""
    sets: tuple[Agreement, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ConfigError: It cannot be read, or does not hold the readers' agreement.
        """
        return load_json(cls, path, "readers' agreement")

    def of(self, name: str) -> Agreement | None:
        """Find the agreement for a set."""
        return next((one for one in self.sets if name in one.data), None)


@dataclass(frozen=True, slots=True)
class Held:
    """What a model did on one set, and what it is held against there.

    Attributes:
        evaluation: The model's.
        floor, margin: What must be reached, less the margin; None where no floor was measured on this data.
        champion: Figures of the model that is in use; empty where they are not known, or where it is this model.
        differences: To the champion, where both were measured side by side.
        baseline: The bag of words, on the annotated spans.
        lead: 95% interval of the stance macro F1 less the baseline's, drawn in pairs.
        readers: Their agreement; None where it was not measured on such data.
    """

    evaluation: Evaluation
    floor: Floor | None
    margin: float
    champion: Mapping[str, float]
    differences: Sequence[Difference]
    baseline: StanceScore
    lead: tuple[float, float]
    readers: Agreement | None

    @property
    def fallen(self) -> list[str]:
        """Name the figures that are below their floor by more than the margin."""
        return fallen(self.floor, rounded(self.evaluation), self.margin) if self.floor else []


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: `for` the model, `against` it, or `care` for what its users must know."""

    side: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to use the model.

    Attributes:
        verdict: `use`, `refuse`, or `open` where it was held against nothing that could refuse it.
        reasons: The weightiest first.
    """

    verdict: str
    reasons: tuple[Reason, ...] = field(default=())

    @property
    def headline(self) -> str:
        """Say it in a few words."""
        return {"use": "Use it", "refuse": "Do not use it", "open": "Cannot be decided yet"}[self.verdict]


def decide(held: Sequence[Held], shifts: Sequence[Shift]) -> Decision:
    """Decide on a model.

    It is refused where a figure fell below its floor, where one of `DECISIVE` is worse than the champion's beyond
    chance, or where its stances are no better than the baseline's. It cannot be decided where no set has a floor or a
    champion's figures.
    """
    reasons = [reason for one in held for reason in (*_floors(one), *_champion(one), *_baseline(one))]
    against = any(reason.side == "against" for reason in reasons)
    known = any(one.floor or one.differences for one in held)
    if not known:
        reasons.append(Reason("care", "Neither a floor nor another model's figures are known for this data."))
    reasons += [reason for one in held for reason in _cautions(one)] + _even_handed(shifts)
    order = ("against", "for", "care")
    verdict = "refuse" if against else "use" if known else "open"
    return Decision(verdict, tuple(sorted(reasons, key=lambda reason: order.index(reason.side))))


def _floors(one: Held) -> list[Reason]:
    name, low = one.evaluation.name, one.fallen
    if one.floor is None:
        return [Reason("care", f"{name}: no floor was measured on this data.")]
    if not low:
        return [Reason("for", f"{name}: all {len(one.floor.figures)} figures reach their floors.")]
    now = rounded(one.evaluation)
    told = [f"{figure} is {_told(now.get(figure))}, the floor {_told(one.floor.figures[figure])}" for figure in low]
    return [Reason("against", f"{name}: {'; '.join(told)}.")]


def _champion(one: Held) -> list[Reason]:
    name = one.evaluation.name
    worse, better = ([d for d in one.differences if d.verdict == verdict] for verdict in ("worse", "better"))
    grave = [d for d in worse if d.figure in DECISIVE]
    reasons = []
    for side, how, found in (
        ("against", "worse", grave),
        ("care", "worse", [d for d in worse if d not in grave]),
        ("for", "better", better),
    ):
        told = "; ".join(f"{d.figure} {d.mine:.3f} against {d.other:.3f}" for d in found)
        if found:
            reasons.append(Reason(side, f"{name}: {how} than the other model beyond chance: {told}."))
    if one.differences and not worse and not better:
        reasons.append(Reason("for", f"{name}: no figure differs from the other model's beyond chance."))
    return reasons


def _baseline(one: Held) -> list[Reason]:
    name, mine, other = one.evaluation.name, one.evaluation.given, one.baseline
    if not mine.n:
        return [Reason("care", f"{name}: no quote has a stance, so the labels were not measured.")]
    told = f"stance macro F1 {mine.macro_f1:.3f}, counting words alone reaches {other.macro_f1:.3f}"
    low, high = one.lead
    if mine.macro_f1 <= other.macro_f1:
        return [Reason("against", f"{name}: {told}.")]
    if low <= 0:
        return [Reason("care", f"{name}: {told}; that lead may be chance (95% interval {low:+.3f} to {high:+.3f}).")]
    return [Reason("for", f"{name}: {told} (lead {low:+.3f} to {high:+.3f}).")]


def _cautions(one: Held) -> list[Reason]:
    found, name = one.evaluation, one.evaluation.name
    reasons = []
    weak = [(label, f1, n) for label, (f1, _, _, n) in found.given.labels.items() if n and f1 < _WEAK_LABEL]
    if weak:
        told = " and ".join(f"{label} (F1 {f1:.2f}, {n} quotes)" for label, f1, n in weak)
        reasons.append(f"weak at {told}.")
    if found.whole.speaker_wrong:
        reasons.append(
            f"a wrong speaker's name in {found.whole.speaker_wrong:.1%} of the quotes whose speaker is known."
        )
    if found.calibration > _CALIBRATED:
        reasons.append(f"probabilities are off by {found.calibration:.3f} on average.")
    if found.articles < _FEW_ARTICLES:
        reasons.append(f"only {found.articles} articles: the intervals are rough.")
    return [Reason("care", f"{name}: {reason}") for reason in reasons]


def _even_handed(shifts: Sequence[Shift]) -> list[Reason]:
    if not shifts:
        return [Reason("care", "Even-handedness was not measured.")]
    reasons = []
    flips = shifts[0].flips
    if flips > MOST_FLIPS:
        reasons.append(
            f"Even-handedness: {flips:.1%} of the labels change when names are exchanged; "
            f"the goal is under {MOST_FLIPS:.0%}."
        )
    wide = [one.widest for one in shifts if one.widest and one.widest[2] > WIDEST_PAIR]
    if wide:
        told = "; ".join(f"{low} and {high} ({apart:.3f})" for low, high, apart in wide)
        reasons.append(
            f"Even-handedness: accusations grow more likely with one name than another: {told}; "
            f"the goal is {WIDEST_PAIR}."
        )
    if not reasons:
        return [Reason("for", f"Even-handed: {flips:.1%} of the labels change when names are exchanged.")]
    return [Reason("care", reason) for reason in reasons]


def _told(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
