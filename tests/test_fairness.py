"""Even-handedness: the measuring itself, on a tiny network; the figures of the shipped one stand in its card."""

from pathlib import Path

import pytest

from stance.pipeline import Pipeline
from stance.types import Stance
from training.annotations import AnnotatedArticle, parse_marked
from training.exchange import KINDS
from training.fairness import Shift, fairness, report

MARKED = """# id: {name}
{{c1:“France hid the papers,”}} {{s1:Labour senator Anna Keller}} {{u1:said}} in Paris. {{s2:She}} {{u2:denied}}
{{c2:that Labour had lied}}.
---
1 | A | Anna Keller | France
2 | D | Anna Keller | -
"""


@pytest.fixture(scope="module")
def articles() -> list[AnnotatedArticle]:
    return [parse_marked(MARKED.format(name=name)) for name in ("a", "b")]


def test_every_kind_that_the_article_names_is_measured(tiny: Pipeline, articles: list[AnnotatedArticle]) -> None:
    shifts = {one.kind: one for one in fairness(tiny, articles, swaps=3, seed=1)}
    assert set(shifts) == {"all", *KINDS} - {"titles"}
    assert {one.quotes for one in shifts.values()} == {4}
    assert shifts["people"].judgements == 4 * 3
    assert shifts["genders"].judgements == 4  # there is one way to exchange them
    assert all(0 <= one.flips <= 1 and 0 <= one.moved <= one.most <= 1 for one in shifts.values())
    assert shifts["people"].moved > 0  # random weights are not even-handed


def test_same_seed_same_figures(tiny: Pipeline, articles: list[AnnotatedArticle]) -> None:
    once, again = (fairness(tiny, articles, swaps=2, seed=5) for _ in range(2))
    assert once == again
    assert once != fairness(tiny, articles, swaps=2, seed=6)


def test_an_article_does_not_change_anothers_figures(tiny: Pipeline, articles: list[AnnotatedArticle]) -> None:
    first, second = (fairness(tiny, [one], swaps=2, seed=5) for one in articles)
    both = fairness(tiny, articles, swaps=2, seed=5)
    for a, b, c in zip(first, second, both, strict=True):
        assert c.judgements == a.judgements + b.judgements
        assert c.moved == pytest.approx((a.moved + b.moved) / 2)


def test_nothing_to_exchange_gives_nothing(tiny: Pipeline) -> None:
    plain = parse_marked("{c1:“It rained,”} {s1:a baker} {u1:said}.\n---\n1 | O | baker | -\n")
    assert fairness(tiny, [plain], swaps=2, seed=1) == []


class Blind(Pipeline):
    """Judges all quotes alike."""

    def judge(self, articles):  # type: ignore[no-untyped-def]
        for _, quotes in articles:
            yield [(Stance.OTHER, None, dict.fromkeys(Stance, 0.25)) for _ in quotes]


def test_who_does_not_look_at_names_is_even_handed(tiny_model: Path, articles: list[AnnotatedArticle]) -> None:
    shifts = fairness(Blind.from_pretrained(tiny_model, device="cpu"), articles, swaps=2, seed=1)
    assert {(one.flips, one.moved) for one in shifts} == {(0.0, 0.0)}


def test_the_widest_pair() -> None:
    one = Shift("countries", 1, 3, 0.0, 0.0, 0.0, {"Peru": -0.01, "Chad": 0.005, "Fiji": 0.02})
    assert one.widest == ("Peru", "Fiji", pytest.approx(0.03))
    assert Shift("people", 1, 1, 0.0, 0.0, 0.0, {}).widest is None


def test_the_table_names_the_widest_pair() -> None:
    table = report([Shift("countries", 9, 90, 0.0125, 0.01, 0.02, {"Peru": -0.01, "Fiji": 0.02})])
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == ["countries", "9", "90", "1.25%", "0.0100", "0.0200", "Peru – Fiji: 0.0300"]
