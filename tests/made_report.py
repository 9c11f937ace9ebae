"""Reports without a network: answers made up from the annotation, with mistakes of every kind in them."""

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sklearn.pipeline

from stance.types import Article, Stance
from training.annotations import AnnotatedArticle, GoldQuote, read_annotated
from training.baselines import fit_baseline, judged
from training.decision import Agreement, Readers
from training.evaluate import Answer, Verdict
from training.fairness import Shift
from training.gate import Floor, Floors
from training.report import Report, SetData, build

HELD = Path(__file__).parent.parent / "training" / "corpus" / "held.jsonl"
SHIFTS = [
    Shift("all", 9, 90, 0.05, 0.02, 0.06, {}),
    Shift("countries", 9, 90, 0.0125, 0.01, 0.02, {"Peru": -0.01, "Fiji": 0.02}),
]


@cache
def held() -> tuple[AnnotatedArticle, ...]:
    return tuple(read_annotated([HELD]))


@cache
def baseline() -> sklearn.pipeline.Pipeline:
    return fit_baseline(judged(held()[:8]))


def made_answers(articles: Sequence[AnnotatedArticle], seed: int, wrong: float = 0.12) -> list[Answer]:
    """Answer as annotated, but go wrong with that chance at each step."""
    chances = (random.Random(f"{seed} {one.article.id}") for one in articles)  # noqa: S311
    return [_answer(one, chance, wrong) for one, chance in zip(articles, chances, strict=True)]


def made_report(
    articles: Sequence[AnnotatedArticle] | None = None,
    *,
    against: bool = True,
    floor: dict[str, float] | None = None,
    wrong: float = 0.12,
) -> Report:
    """Build a report on two sets: half of the articles each."""
    some = list(articles if articles is not None else held())
    sets = {"first": some[: len(some) // 2], "second": some[len(some) // 2 :]}
    data = [
        SetData(name, str(i) * 64, made_answers(part, 1, wrong), made_answers(part, 2) if against else None)
        for i, (name, part) in enumerate(sets.items())
    ]
    figures = floor if floor is not None else {"claim F1": 0.1, "calibration error": 0.9}
    readers = Agreement(data=("first",), note="Two readers of ten articles.", figures={"quotes F1": 0.9}, labels={})
    return build(
        "made",
        data,
        baseline(),
        floors=Floors(sets=(Floor(name="first", model="made", sha256="0" * 64, figures=figures),)),
        readers=Readers(sets=(readers,)),
        shifts=SHIFTS,
        provenance={"Run": {"command": "python -m training report"}},
        other="another" if against else None,
    )


def quote(content: Sequence[tuple[int, int]], **changes: Any) -> GoldQuote:
    """Give an annotated quote; what is not said of it is as plain as can be."""
    from stance.types import Span

    plain = {"cue": (), "source": (), "stance": Stance.OTHER, "second": None, "speaker": "?", "target": None}
    return GoldQuote(tuple(Span(*span) for span in content), **{**plain, **changes})


def _answer(annotated: AnnotatedArticle, chance: random.Random, wrong: float) -> Answer:
    def slips() -> bool:
        return chance.random() < wrong

    claims = []
    for gold in annotated.quotes:
        if slips():
            continue
        claims.append(_claim(gold, slips))
    if annotated.quotes and slips():
        claims.append(_invented(annotated.article))
    verdicts = tuple((q, _verdict(q.stance, slips)) for q in annotated.quotes if q.stance and not q.optional)
    return Answer(annotated, tuple(claims), verdicts)


def _claim(gold: GoldQuote, slips: Any) -> dict[str, Any]:
    start, end = gold.content[0].start, gold.content[-1].end
    stance, _, probabilities = _verdict(gold.stance or Stance.OTHER, slips)
    speaker = None if gold.speaker in (None, "?") or slips() else gold.speaker
    return {
        "content_spans": [[start, max(start + 1, end - 12 * slips())]],
        "cue_span": list(gold.cue[0]) if gold.cue else None,
        "source_span": list(gold.source[0]) if gold.source and not slips() else None,
        "speaker": "Otto Quillfeather" if speaker and slips() else speaker,
        "stance": str(stance),
        "second": None,
        "target": gold.target if not slips() else None,
        "probabilities": {str(label): p for label, p in probabilities.items()},
    }


def _invented(article: Article) -> dict[str, Any]:
    end = min(40, len(article.text))
    probabilities = dict.fromkeys(map(str, Stance), 0.1) | {"denial": 0.7}
    nothing = {"cue_span": None, "source_span": None, "speaker": None, "second": None, "target": None}
    return {"content_spans": [[0, end]], "stance": "denial", "probabilities": probabilities} | nothing


def _verdict(gold: Stance, slips: Any) -> Verdict:
    labels = list(Stance)
    stance = labels[(labels.index(gold) + 1) % 4] if slips() else gold
    rest = dict.fromkeys(labels, 0.1)
    return stance, None, rest | {stance: 0.7}
