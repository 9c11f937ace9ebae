"""Classification: what a claim does, from its cue, its content and what stands around them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.claims import REGION, decide, region
from stance.cut import cut_line
from stance.network import Decoding
from stance.pipeline import Pipeline
from stance.quotes import TokenQuote
from stance.types import Stance
from training.annotations import parse_marked

CASES = {
    Stance.ACCUSATION: [
        "{s1:The opposition} {u1:accused} {c1:the government of hiding the true number of deaths}.",
        "{c1:“He lied to every voter in this county,”} {s1:Dana Frost} {u1:said}.",
        "{s1:The union’s leader} {u1:called} {c1:the sale “a betrayal of the whole village”}.",
        "{s1:The indictment} {u1:says} {c1:he took bribes from two builders}.",
        "{s1:Human rights groups} {u1:say} {c1:the army has tortured hundreds of prisoners}.",
        "{s1:The widow} {u1:blamed} {c1:the hospital for her husband’s death}.",
        "{c1:“The mayor is a crook who sold our park to his brother-in-law,”} {s1:she} {u1:said}.",
    ],
    Stance.DENIAL: [
        "{s1:The ministry} {u1:denied} {c1:that the army shelled the town}.",
        "{c1:“There was no such order, and the story is a lie,”} {s1:the general} {u1:said}.",
        "{s1:The company} {u1:rejected} {c1:the allegations}.",
        "{s1:A spokesman} {u1:dismissed} {c1:the report as baseless}.",
        "After he was charged with theft, {s1:Mr Okoro} {u1:said}: {c1:“I never took a cent from anybody.”}",
        "{s1:His lawyer} {u1:denied} {c1:any wrongdoing}.",
        "{c1:“These claims are completely false and have no basis in fact,”} {s1:the bank} {u1:said}.",
    ],
    Stance.JUSTIFICATION: [
        "{s1:The minister} {u1:defended} {c1:the raids as necessary to guard against terrorism}.",
        "{s1:The police chief} {u1:said} {c1:his officers had no choice but to fire, as their lives were at risk}.",
        "{s1:The governor} {u1:justified} {c1:the cuts}, which have been attacked by teachers’ unions.",
        "Critics attacked the arrests. {s1:The ministry} {u1:said} {c1:they were made in line with the law}.",
        "Accused of cruelty, {s1:the farmer} {u1:argued} {c1:that the cull was needed to save the rest of the herd}.",
    ],
    Stance.OTHER: [
        "{c1:“Talks will resume on Monday in Geneva,”} {s1:a diplomat} {u1:said}.",
        "{s1:The company} {u1:declined} {c1:to comment}.",
        "{s1:Police} {u1:said} {c1:two men had been arrested near the station on Sunday night}.",
        "{s1:The weather service} {u1:expects} {c1:snow in the mountains by Friday}.",
        "{c1:“I am so proud of these players, they were wonderful,”} {s1:the coach} {u1:said}.",
        "{s1:The ministry} {u1:said} {c1:it would study the proposal}.",
        "{c1:“I’m sorry, it was my mistake and mine alone,”} {s1:the captain} {u1:said}.",
    ],
}
BARE = [
    ({"text": "They are crooks who robbed their own members for years."}, Stance.ACCUSATION),
    ({"text": "that the army shelled the town", "cue": "denied", "speaker": "The ministry"}, Stance.DENIAL),
    ({"text": "the army of shelling the town", "cue": "accused", "speaker": "The rebels"}, Stance.ACCUSATION),
    ({"text": "We never received any money from them. The story is a lie."}, Stance.DENIAL),
    ({"text": "The next round of talks will take place in Oslo in June."}, Stance.OTHER),
    ({"text": "the strike", "cue": "defended", "speaker": "She"}, Stance.JUSTIFICATION),
]


def _probabilities(pipeline: Pipeline, marked: str) -> dict[Stance, float]:
    annotated = parse_marked(marked)
    [quote] = annotated.quotes
    cut = (quote.content, next(iter(quote.cue), None), next(iter(quote.source), None))
    [[verdict]] = pipeline.judge([(annotated.article, [cut])])
    assert verdict is not None
    return verdict[2]


def _verdict(pipeline: Pipeline, row: dict[str, str]) -> tuple[Stance, Stance | None, dict[Stance, float]]:
    line = cut_line(row, "row")
    [[verdict]] = pipeline.judge([(line.article, line.quotes)])
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("marked", "stance"),
    [
        pytest.param(
            marked,
            stance,
            marks=[pytest.mark.xfail(strict=True, reason="the model takes an apology for a denial")]
            * ("it was my mistake" in marked),
        )
        for stance, cases in CASES.items()
        for marked in cases
    ],
)
def test_clear_cases(marked: str, stance: Stance, pipeline: Pipeline) -> None:
    probabilities = _probabilities(pipeline, marked)
    assert decide(probabilities, pipeline.network.config.decoding)[0] == stance, probabilities
    assert list(probabilities) == list(Stance)
    assert sum(probabilities.values()) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("row", "stance"), [pytest.param(row, stance, id=json.dumps(row)) for row, stance in BARE])
def test_bare_quotes(row: dict[str, str], stance: Stance, pipeline: Pipeline) -> None:
    found, _, probabilities = _verdict(pipeline, row)
    assert found == stance, probabilities


def test_the_cue_decides(pipeline: Pipeline) -> None:
    """The same words: an accusation by one cue, a denial by another."""
    words = "{c1:that the army shelled the town on Friday}"
    claimed = _probabilities(pipeline, f"{{s1:The villagers}} {{u1:complained}} {words}.")
    denied = _probabilities(pipeline, f"{{s1:The villagers}} {{u1:denied}} {words}.")
    assert denied[Stance.DENIAL] > claimed[Stance.DENIAL] + 0.5
    assert claimed[Stance.ACCUSATION] > denied[Stance.ACCUSATION] + 0.3


def test_a_quote_without_a_word_has_no_verdict(pipeline: Pipeline) -> None:
    line = cut_line(
        {"id": "a", "text": "Yes. \u200b ", "quotes": [{"content": [[0, 3]]}, {"content": [[4, 5]]}]}, "row"
    )
    [verdicts] = pipeline.judge([(line.article, line.quotes)])
    assert verdicts[0] is not None
    assert verdicts[1] is None


@st.composite
def _token_quotes(draw: st.DrawFn) -> tuple[TokenQuote, int]:
    """A quote of one to three content spans, with or without cue and source, in an article of so many tokens."""
    count = draw(st.integers(2, 700))

    def span() -> tuple[int, int]:
        start = draw(st.integers(0, count - 1))
        return start, draw(st.integers(start + 1, count))

    edges = sorted(draw(st.sets(st.integers(0, count), min_size=2, max_size=6)))
    content = tuple(zip(edges[::2], edges[1::2], strict=False))
    cue = span() if draw(st.booleans()) else None
    source = span() if draw(st.booleans()) else None
    return TokenQuote(content, cue, source), count


@given(_token_quotes())
def test_region_is_bounded_and_sorted_and_holds_the_content(case: tuple[TokenQuote, int]) -> None:
    quote, count = case
    chosen = region(quote, count)
    places = [token for token, _ in chosen]
    roles = dict(chosen)
    inside = {t for start, end in quote.content for t in range(start, end)}
    assert 0 < len(places) <= REGION
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] < count
    assert roles[min(inside)][0] == roles[max(inside)][0] == 1
    assert all(token in inside for token, (content, _, _) in chosen if content)
    if len(inside) <= 80:
        assert {token for token, (content, _, _) in chosen if content} == inside
    for k, span in ((1, quote.cue), (2, quote.source)):
        marked = [token for token, role in chosen if role[k]]
        assert marked == ([] if span is None else list(range(*span))[: len(marked)])
        assert bool(marked) is (span is not None)


def test_region_adds_context_around_content_and_cue() -> None:
    places = [token for token, _ in region(TokenQuote(((100, 102),), (150, 151), None), 400)]
    assert places == [*range(84, 118), *range(134, 167)]


def _of(accusation: float, denial: float, justification: float, other: float) -> dict[Stance, float]:
    return dict(zip(Stance, (accusation, denial, justification, other), strict=True))


@pytest.mark.parametrize(
    ("probabilities", "decoding", "stance", "second"),
    [
        (_of(0.7, 0.1, 0.1, 0.1), Decoding(), Stance.ACCUSATION, None),
        (_of(0.4, 0.5, 0.05, 0.05), Decoding(second=0.3), Stance.DENIAL, Stance.ACCUSATION),
        (_of(0.4, 0.5, 0.05, 0.05), Decoding(second=0.41), Stance.DENIAL, None),
        (_of(0.1, 0.35, 0.0, 0.55), Decoding(second=0.3), Stance.OTHER, None),
        (_of(0.55, 0.0, 0.05, 0.4), Decoding(second=0.3), Stance.ACCUSATION, None),
        (_of(0.1, 0.0, 0.4, 0.5), Decoding(stance_weight=(1.0, 1.0, 2.0, 1.0)), Stance.JUSTIFICATION, None),
        (_of(0.35, 0.3, 0.35, 0.0), Decoding(second=0.3), Stance.ACCUSATION, Stance.JUSTIFICATION),
    ],
)
def test_decide(probabilities: dict[Stance, float], decoding: Decoding, stance: Stance, second: Stance | None) -> None:
    assert decide(probabilities, decoding) == (stance, second)
