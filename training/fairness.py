"""Even-handedness: how much a stance depends on who speaks and who is spoken of.

Every quote is judged again with the names in its whole article exchanged, kind by kind, many times. What the
claim does stays the same, so any change is the network's prejudice.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from stance.errors import InputError
from stance.name_lists import lists
from stance.pipeline import Pipeline
from stance.types import Stance
from training.annotations import AnnotatedArticle
from training.evaluate import verdicts
from training.exchange import KINDS, exchanged, plan

# A country or party counts where at least this many judgements were made with it; below, chance rules.
_ENOUGH = 40


@dataclass(frozen=True, slots=True)
class Shift:
    """What exchanging one kind of names did.

    Attributes:
        kind: One of `training.exchange.KINDS`, or "all" of them at once.
        quotes: Quotes whose article names that kind.
        judgements: Quotes times the swaps that changed their article.
        flips: Share of judgements with another label than the unchanged quote's.
        moved: Mean absolute change of the probability of an accusation.
        most: 95th percentile of that change.
        by_name: Mean change of the probability of an accusation with each country or party swapped in.
    """

    kind: str
    quotes: int
    judgements: int
    flips: float
    moved: float
    most: float
    by_name: Mapping[str, float]

    @property
    def widest(self) -> tuple[str, str, float] | None:
        """The two names whose mean changes differ most, and by how much; None with fewer than two names."""
        if len(self.by_name) < 2:
            return None
        low, high = (pick(self.by_name, key=lambda name: self.by_name[name]) for pick in (min, max))
        return low, high, self.by_name[high] - self.by_name[low]


def fairness(
    pipeline: Pipeline,
    articles: Sequence[AnnotatedArticle],
    *,
    swaps: int,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> list[Shift]:
    """Measure even-handedness on annotated quotes.

    Args:
        pipeline: The model.
        articles: Their quotes are judged on the annotated spans.
        swaps: Exchanges of each kind, and of all kinds at once, for every article; of genders there is only one.
        seed: Of the names drawn.
        tick: Called after each article.

    Returns:
        One `Shift` for each kind that the articles name, and one for all kinds at once, which stands first.

    Raises:
        InputError: No quote has a stance.
    """
    if not any(quote.stance and not quote.optional for annotated in articles for quote in annotated.quotes):
        raise InputError("no quote has a stance, expected annotated articles with stances")
    kinds = {"all": KINDS} | {kind: (kind,) for kind in KINDS}
    changes: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    quotes: dict[str, int] = defaultdict(int)
    by_name: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in kinds}
    for annotated in articles:
        before = _judged(pipeline, annotated)
        for kind, members in kinds.items() if before else ():
            chance = random.Random(f"{seed} {annotated.article.id} {kind}")
            draws = list(_draws(annotated, chance, members, 1 if kind == "genders" else swaps))
            quotes[kind] += len(before) if draws else 0
            for changed, brought in draws:
                after = _judged(pipeline, changed)
                pairs = [(x, y) for x, y in zip(before, after, strict=True) if x is not None and y is not None]
                changes[kind] += [(x[0] is not y[0], y[1] - x[1]) for x, y in pairs]
                for name in brought:
                    by_name[kind][name] += [y[1] - x[1] for x, y in pairs]
        tick()
    return [
        _shift(kind, quotes[kind], changes[kind], by_name[kind] if kind in ("countries", "parties") else {})
        for kind in kinds
        if changes[kind]
    ]


def report(shifts: Sequence[Shift]) -> Table:
    """Lay the figures out as a table."""
    table = Table(title="Even-handedness: names exchanged throughout the article", title_justify="left")
    for name in ("exchanged", "quotes", "judgements", "label flips", "mean |Δ p(accusation)|", "95% below"):
        table.add_column(name, justify="left" if name == "exchanged" else "right")
    table.add_column("widest pair, mean Δ p(accusation)")
    for one in shifts:
        pair = one.widest
        cells = (f"{one.flips:.2%}", f"{one.moved:.4f}", f"{one.most:.4f}")
        widest = "" if pair is None else f"{pair[0]} – {pair[1]}: {pair[2]:.4f}"
        table.add_row(one.kind, str(one.quotes), str(one.judgements), *cells, widest)
    return table


def _draws(
    annotated: AnnotatedArticle, chance: random.Random, kinds: Sequence[str], swaps: int
) -> Iterator[tuple[AnnotatedArticle, list[str]]]:
    """Give changed copies of an article and the countries and parties that each brings in."""
    known = {row[0] for row in (*lists().countries, *lists().parties)}
    for _ in range(swaps):
        words = plan(annotated.article.text, chance, kinds)
        changed = exchanged(annotated, words)
        if changed.article.text == annotated.article.text:  # nobody named, or a title drew itself
            continue
        # A quote must not be lost: the copies are compared one to one.
        if len(changed.quotes) == len(annotated.quotes):
            yield changed, sorted(known & set(words.values()))


def _judged(pipeline: Pipeline, annotated: AnnotatedArticle) -> list[tuple[Stance, float] | None]:
    """Label and probability of an accusation of every judged quote."""
    return [None if v is None else (v[0], v[2][Stance.ACCUSATION]) for _, v in verdicts(pipeline, annotated)]


def _shift(kind: str, quotes: int, changes: Sequence[tuple[bool, float]], by_name: Mapping[str, list[float]]) -> Shift:
    moved = np.abs([change for _, change in changes])
    return Shift(
        kind,
        quotes,
        len(changes),
        float(np.mean([flipped for flipped, _ in changes])),
        float(moved.mean()),
        float(np.quantile(moved, 0.95)),
        {name: float(np.mean(found)) for name, found in by_name.items() if len(found) >= _ENOUGH},
    )
