from typing import Any

import pytest
from made_report import quote

from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.evaluate import Answer, Verdict
from training.mistakes import KINDS, Case, cases, changes, counts

# Twenty words of one letter: word i stands at 2i
TEXT = " ".join("abcdefghijklmnopqrst")
WHOLE = [(0, 7)]  # a b c d
GOLD = quote(WHOLE, source=(Span(16, 17),), stance=Stance.ACCUSATION, speaker="Ann Lee", target="Bo Ek")
RIGHT = {
    "content_spans": [[0, 7]],
    "cue_span": None,
    "source_span": [16, 17],
    "speaker": "Ann Lee",
    "stance": "accusation",
    "second": None,
    "target": "Bo Ek",
    "probabilities": {"accusation": 0.9},
}

# Annotated, found, the label on the annotated words -> kinds of mistakes
FOUND: dict[str, tuple[GoldQuote | None, dict[str, Any] | None, Stance, list[str]]] = {
    "all right": (GOLD, RIGHT, Stance.ACCUSATION, []),
    "part of the name is enough": (GOLD, RIGHT | {"speaker": "Lee"}, Stance.ACCUSATION, []),
    "missed": (GOLD, None, Stance.ACCUSATION, ["missed"]),
    "missed, and misjudged": (GOLD, None, Stance.DENIAL, ["missed", "spans"]),
    "invented": (None, RIGHT, Stance.OTHER, ["invented"]),
    "too short": (GOLD, RIGHT | {"content_spans": [[0, 5]]}, Stance.ACCUSATION, ["boundary"]),
    "other words for the source": (GOLD, RIGHT | {"source_span": [20, 21]}, Stance.ACCUSATION, ["source"]),
    "no source": (GOLD, RIGHT | {"source_span": None, "speaker": None}, Stance.ACCUSATION, ["source"]),
    "the right words, another name": (GOLD, RIGHT | {"speaker": "Cy Orr"}, Stance.ACCUSATION, ["antecedent"]),
    "the right words, no name": (GOLD, RIGHT | {"speaker": None}, Stance.ACCUSATION, ["unnamed"]),
    "another label": (GOLD, RIGHT | {"stance": "other"}, Stance.ACCUSATION, ["stance"]),
    "another target": (GOLD, RIGHT | {"target": "Cy Orr"}, Stance.ACCUSATION, ["target"]),
    "no target": (GOLD, RIGHT | {"target": None}, Stance.ACCUSATION, ["target"]),
    "misjudged when given": (GOLD, RIGHT, Stance.JUSTIFICATION, ["spans"]),
    "nobody to name": (quote(WHOLE, source=(Span(16, 17),)), RIGHT | {"stance": "other"}, Stance.OTHER, []),
    "not judged": (quote(WHOLE, source=(Span(16, 17),), stance=None, speaker=None), RIGHT, Stance.OTHER, []),
}


@pytest.mark.parametrize(("gold", "claim", "given", "kinds"), FOUND.values(), ids=FOUND)
def test_a_quote_has_these_mistakes(
    gold: GoldQuote | None, claim: dict[str, Any] | None, given: Stance, kinds: list[str]
) -> None:
    [case] = _cases(gold, claim, given)
    assert list(case.kinds) == kinds
    assert counts([case]) == {kind: int(kind in kinds) for kind in KINDS}


def test_an_optional_quote_is_neither_right_nor_wrong() -> None:
    doubtful = quote(WHOLE, optional=True)
    assert _cases(doubtful, RIGHT, Stance.OTHER) == []
    assert _cases(doubtful, None, Stance.OTHER) == []


def test_boundaries_and_targets_alone_leave_a_quote_usable() -> None:
    usable = {name for name, row in FOUND.items() for case in _cases(*row[:3]) if case.usable}
    assert usable >= {"too short", "another target", "misjudged when given", "all right"}
    assert not usable & {"missed", "invented", "another label", "no source", "the right words, no name"}


def test_a_quote_keeps_its_id_whatever_the_model_says() -> None:
    ids = {case.id for name, row in FOUND.items() if row[0] for case in _cases(*row[:3])}
    assert len(ids) == 1
    [invented] = _cases(None, RIGHT, Stance.OTHER)
    assert invented.id not in ids


def test_changes_name_what_only_one_model_gets_right() -> None:
    wrong = RIGHT | {"stance": "other"}
    right, missed, mislabelled = (_cases(GOLD, claim, Stance.ACCUSATION) for claim in (RIGHT, None, wrong))
    assert changes(right, right) == {"gained": [], "lost": []}
    assert changes(right, missed) == {"gained": [(right[0], missed[0])], "lost": []}
    assert changes(missed, right) == {"gained": [], "lost": [(missed[0], right[0])]}
    assert changes(missed, mislabelled) == {"gained": [], "lost": []}  # wrong both times


def test_inventing_less_is_a_gain() -> None:
    nothing: list[Case] = []
    here, near = (_cases(None, RIGHT | {"content_spans": [span]}, Stance.OTHER) for span in ([0, 7], [2, 9]))
    assert changes(nothing, here) == {"gained": [(here[0], here[0])], "lost": []}
    assert changes(here, nothing) == {"gained": [], "lost": [(here[0], None)]}
    assert changes(here, near) == {"gained": [], "lost": []}  # both invent a quote there


def _cases(gold: GoldQuote | None, claim: dict[str, Any] | None, given: Stance) -> list[Case]:
    verdict: Verdict = (given, None, dict.fromkeys(Stance, 0.25))
    quotes = (gold,) if gold else ()
    judged = tuple((one, verdict) for one in quotes if one.stance and not one.optional)
    answer = Answer(AnnotatedArticle(Article("a", TEXT), quotes), (claim,) if claim else (), judged)
    return cases("set", [answer], [None])
