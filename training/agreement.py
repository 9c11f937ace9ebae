"""How far annotators agree, where several judged the same article.

Each row of annotated articles may name its `annotator`; articles with the same text belong together. Quotes are the
same where the words of their contents overlap by half, as in `training.metrics`. Cohen's kappa for each pair, on the
quotes that both judged; Krippendorff's alpha over all annotators, which need not all have judged everything.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from rich.markup import escape
from rich.table import Table

from stance.types import Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.metrics import match


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators.

    Attributes:
        first, second: Their names.
        articles: Read by both.
        found: F1 of one's quotes against the other's: whether they saw the same quotes.
        judged: Quotes whose stance both judged.
        same: Share of them with the same stance.
        kappa: Cohen's kappa of these; None where it is not defined, as with one label only.
    """

    first: str
    second: str
    articles: int
    found: float
    judged: int
    same: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """All annotators.

    Attributes:
        pairs: Those who read an article in common.
        quotes: Quotes whose stance two or more judged.
        alpha: Krippendorff's alpha of the stances, nominal; None where it is not defined.
    """

    pairs: tuple[PairAgreement, ...]
    quotes: int
    alpha: float | None


def agreement(articles: Iterable[AnnotatedArticle]) -> Agreement | None:
    """Measure agreement; None where no article has two annotators. The last row of an annotator counts."""
    readings: dict[str, dict[str, AnnotatedArticle]] = {}
    for one in articles:
        who = one.article.metadata.get("annotator")
        if who is not None:
            readings.setdefault(one.article.text, {})[str(who)] = one
    shared = [by for by in readings.values() if len(by) > 1]
    if not shared:
        return None
    units = [unit for by in shared for unit in _units(by)]
    people = sorted({who for by in shared for who in by})
    pairs = [_pair(a, b, [by for by in shared if a in by and b in by]) for a, b in combinations(people, 2)]
    several = [unit for unit in units if len(unit) > 1]
    return Agreement(tuple(pair for pair in pairs if pair.articles), len(several), _alpha(several, people))


def report(found: Agreement) -> Table:
    """Lay the figures out."""
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.3f}"
    table = Table(
        title=f"Agreement: Krippendorff's alpha {alpha} on {found.quotes:,} quotes that several judged",
        title_justify="left",
    )
    table.add_column("annotators")
    for name in ("articles", "quotes F1", "judged by both", "same stance", "kappa"):
        table.add_column(name, justify="right")
    for one in found.pairs:
        figures = ["–" if x is None else f"{x:.3f}" for x in (one.found, one.same, one.kappa)]
        names = f"{escape(one.first)}, {escape(one.second)}"
        table.add_row(names, str(one.articles), figures[0], f"{one.judged:,}", *figures[1:])
    return table


def _pair(first: str, second: str, shared: Sequence[dict[str, AnnotatedArticle]]) -> PairAgreement:
    matched = total = 0
    stances: list[tuple[str, str]] = []
    for by in shared:
        mine, other = by[first], by[second]
        found = _same(mine, other)
        matched += len(found)
        total += len(mine.quotes) + len(other.quotes)
        both = ((mine.quotes[i].stance, other.quotes[j].stance) for i, j in found)
        stances += [(str(a), str(b)) for a, b in both if a is not None and b is not None]
    same = sum(a == b for a, b in stances) / len(stances) if stances else None
    return PairAgreement(
        first, second, len(shared), 2 * matched / total if total else 1.0, len(stances), same, _kappa(stances)
    )


def _kappa(stances: Sequence[tuple[str, str]]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if len({label for pair in stances for label in pair}) < 2:
        return None
    return float(cohen_kappa_score(*zip(*stances, strict=True)))


def _alpha(units: Sequence[dict[str, Stance]], people: Sequence[str]) -> float | None:
    import krippendorff

    labels = list(Stance)
    table = np.array([[labels.index(u[who]) if who in u else np.nan for u in units] for who in people], dtype=float)
    if len(np.unique(table[~np.isnan(table)])) < 2:
        return None
    return float(krippendorff.alpha(table, level_of_measurement="nominal"))


def _units(by: dict[str, AnnotatedArticle]) -> list[dict[str, Stance]]:
    """Put an article's quotes together: each unit holds who gave the quote which stance."""
    units: list[tuple[AnnotatedArticle, GoldQuote, dict[str, Stance]]] = []
    for who, one in by.items():
        known = AnnotatedArticle(one.article, tuple(quote for _, quote, _ in units))
        place = {j: i for i, j in _same(known, one)}
        for number, quote in enumerate(one.quotes):
            if number not in place:
                units.append((one, quote, {}))
            unit = units[place.get(number, len(units) - 1)][2]
            if quote.stance is not None:
                unit[who] = quote.stance
    return [unit for _, _, unit in units]


def _same(mine: AnnotatedArticle, other: AnnotatedArticle) -> list[tuple[int, int]]:
    words = [found.span() for found in re.finditer(r"\S+", mine.article.text)]

    def touched(quote: GoldQuote) -> set[int]:
        return {i for s, e in quote.content for i, (a, b) in enumerate(words) if a < e and b > s}

    return match(list(map(touched, mine.quotes)), list(map(touched, other.quotes)))
