from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote, parse_marked, read_annotated
from training.metrics import Ratio, match, score, stance_score, tally, total

# Twenty words of one letter: word i stands at 2i, so that every count can be done on one's fingers.
LETTERS = " ".join("abcdefghijklmnopqrst")
HELD = Path(__file__).parent.parent / "training" / "corpus" / "held.jsonl"
Words = tuple[int, int]
TARGET_NAMES = st.sampled_from([None, "?", "Ann Lee", "Lee", "Bo Ek", "the council"])


def span(words: Words) -> Span:
    """Give the code points of the words [first, last) of LETTERS."""
    return Span(2 * words[0], 2 * words[1] - 1)


def gold(
    *content: Words,
    source: Words | None = None,
    stance: Stance | None = None,
    speaker: str | None = None,
    target: str | None = None,
    optional: bool = False,
) -> GoldQuote:
    where = (span(source),) if source else ()
    return GoldQuote(tuple(map(span, content)), (), where, stance, None, speaker, target, optional)


def claim(*content: Words, source: Words | None = None, **fields: Any) -> dict[str, Any]:
    where = list(span(source)) if source else None
    return {"article_id": "a", "content_spans": [list(span(words)) for words in content], "source_span": where} | fields


def article(*quotes: GoldQuote, name: str = "a", text: str = LETTERS) -> AnnotatedArticle:
    return AnnotatedArticle(Article(name, text), quotes)


# gold, predicted, (matched, predicted, gold) quotes, (right, predicted, gold) words
Counts = tuple[int, int, int]
COUNTS: dict[str, tuple[list[GoldQuote], list[dict[str, Any]], Counts, Counts]] = {
    "the same": ([gold((0, 4))], [claim((0, 4))], (1, 1, 1), (4, 4, 4)),
    # 2 words in common of 4 in either: exactly one half is enough
    "one half": ([gold((0, 4))], [claim((0, 2))], (1, 1, 1), (2, 2, 4)),
    # 2 of 5
    "less than half": ([gold((0, 5))], [claim((0, 2))], (0, 1, 1), (2, 2, 5)),
    # 4 in common of 7 in either
    "two spans against one": ([gold((0, 2), (5, 7))], [claim((0, 7))], (1, 1, 1), (4, 7, 4)),
    "one span against two": ([gold((0, 6))], [claim((0, 2), (4, 6))], (1, 1, 1), (4, 4, 6)),
    "nothing predicted": ([gold((0, 4))], [], (0, 0, 1), (0, 0, 4)),
    "nothing to find": ([], [claim((0, 4))], (0, 1, 0), (0, 4, 0)),
    "nothing at all": ([], [], (0, 0, 0), (0, 0, 0)),
    # words 0-3 are counted once, though said twice
    "one gold, two predictions": ([gold((0, 4))], [claim((0, 3)), claim((0, 4))], (1, 2, 1), (4, 4, 4)),
    "one prediction, two gold": ([gold((0, 4)), gold((4, 8))], [claim((0, 8))], (1, 1, 2), (8, 8, 8)),
    # an optional quote is neither missed …
    "optional, missed": ([gold((0, 4), optional=True)], [], (0, 0, 0), (0, 0, 0)),
    # … nor a false alarm
    "optional, found": ([gold((0, 4), optional=True)], [claim((0, 4))], (0, 0, 0), (0, 0, 0)),
    # 1 of 4: no match, so the prediction is a false alarm; its one word is not
    "optional, touched": ([gold((0, 4), optional=True)], [claim((0, 1))], (0, 1, 0), (0, 0, 0)),
    # 4 of 6 match; of the 6 words predicted the 2 optional ones do not count
    "optional beside required": (
        [gold((0, 4)), gold((4, 6), optional=True)],
        [claim((0, 6))],
        (1, 1, 1),
        (4, 4, 4),
    ),
    # word 3 is in both, and so required
    "optional over required": (
        [gold((0, 4)), gold((3, 6), optional=True)],
        [claim((0, 4)), claim((3, 6))],
        (1, 1, 1),
        (4, 4, 4),
    ),
}


@pytest.mark.parametrize(("quotes", "claims", "expected", "words"), COUNTS.values(), ids=COUNTS)
def test_quotes_and_words(
    quotes: list[GoldQuote], claims: list[dict[str, Any]], expected: Counts, words: Counts
) -> None:
    scored = score([article(*quotes)], claims)
    assert scored.quotes == Ratio(*expected)
    assert scored.tokens == Ratio(*words)


def test_a_word_counts_where_it_is_touched() -> None:
    # gold holds the comma and the closing mark, the prediction begins within “Mill
    text = "“Mill mill,” said he."
    quote = GoldQuote((Span(0, 12),), (), (), None, None, None, None)
    scored = score([article(quote, text=text)], [{"article_id": "a", "content_spans": [[2, 9]]}])
    assert scored.tokens == Ratio(2, 2, 2)


def test_match_takes_the_best_first_and_each_once() -> None:
    # 0-0: 2/4, 0-1: 4/4, 1-1: 2/6, 1-0: 0
    assert match([{0, 1, 2, 3}, {2, 3, 4, 5}], [{0, 1}, {0, 1, 2, 3}]) == [(0, 1)]
    # ties: earlier before later
    assert match([{0, 1}, {0, 1}], [{0, 1}, {0, 1}]) == [(0, 0), (1, 1)]
    # best first: 1-0 is whole, so that 0 is left with 1 at 2/3
    assert match([{0, 1}, {0, 1, 2}], [{0, 1, 2}, {0, 1, 3}]) == [(1, 0), (0, 1)]
    assert match([set()], [set()]) == []


@pytest.mark.parametrize(
    ("words", "predicted", "right"),
    [
        ("the roof leaks", "the roof leaks", True),
        ("the roof leaks", "that the roof leaks.", True),  # a leading "that", a full stop
        ("that the roof leaks", "the roof leaks", True),
        ("“the roof leaks,”", "the roof leaks", True),  # quotation marks and comma
        ("the roof leaks", "roof leaks", False),
        ("the roof leaks", "the roof", False),
        ("thatch the roof", "ch the roof", False),  # not every "that" is a word
    ],
)
def test_boundaries(words: str, predicted: str, right: bool) -> None:
    text = words if predicted in words else predicted
    first, second = text.index(words), text.index(predicted)
    quote = GoldQuote((Span(first, first + len(words)),), (), (), None, None, None, None)
    scored = score(
        [article(quote, text=text)], [{"article_id": "a", "content_spans": [second, second + len(predicted)]}]
    )
    assert scored.quotes.hits == 1
    assert scored.boundaries == float(right)


def test_boundaries_are_the_outer_ones() -> None:
    # gold 0-2 and 5-7, predicted 0-7: the same outer edges; gold 10-14, predicted 10-13: not
    quotes = [gold((0, 2), (5, 7)), gold((10, 14))]
    assert score([article(*quotes)], [claim((0, 7)), claim((10, 13))]).boundaries == 0.5


@pytest.mark.parametrize(
    ("source", "predicted", "attributed", "share"),
    [
        ((5, 7), (5, 7), 1, 1.0),
        ((5, 7), (6, 8), 1, 1.0),  # one common word is enough
        ((5, 7), (7, 8), 0, 0.0),  # another source
        ((5, 7), None, 0, 0.0),
        (None, None, 1, 0.0),  # right that there is none; no share of nothing
        (None, (5, 7), 0, 0.0),
    ],
)
def test_source(source: Words | None, predicted: Words | None, attributed: int, share: float) -> None:
    scored = score([article(gold((0, 4), source=source))], [claim((0, 4), source=predicted)])
    assert scored.attributed == Ratio(attributed, 1, 1)
    assert scored.source == share


# gold, predicted, exact, close, wrong; the claim counts where the speaker is close or unknown
SPEAKERS = [
    ("Ann Lee", "Ann Lee", 1.0, 1.0, 0.0),
    ("Ann Lee", "ann lee’s", 1.0, 1.0, 0.0),
    ("Ann Lee", "Ms Ann Lee", 1.0, 1.0, 0.0),  # title words do not count
    ("the Minister Ann Lee", "Ann Lee", 1.0, 1.0, 0.0),
    ("Ann Lee", "Lee", 0.0, 1.0, 0.0),
    ("Lee", "Ann Lee", 0.0, 1.0, 0.0),
    ("the president", "president", 0.0, 1.0, 0.0),  # nothing but title: then all its words count
    ("Ann Lee", "Bo Lee", 0.0, 0.0, 1.0),
    ("Ann Lee", "council", 0.0, 0.0, 1.0),
    ("Ann Lee", None, 0.0, 0.0, 0.0),  # silence is not wrong
    ("Ann Lee", "", 0.0, 0.0, 0.0),
    ("author", "author", 1.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("speaker", "predicted", "exact", "close", "wrong"), SPEAKERS)
def test_speaker(speaker: str, predicted: str | None, exact: float, close: float, wrong: float) -> None:
    quote = gold((0, 4), speaker=speaker, stance=Stance.DENIAL)
    scored = score([article(quote)], [claim((0, 4), speaker=predicted, stance="denial")])
    assert (scored.speaker_exact, scored.speaker_close, scored.speaker_wrong) == (exact, close, wrong)
    assert scored.claim == Ratio(int(close), 1, 1)


@pytest.mark.parametrize("speaker", [None, "", "?"])
@pytest.mark.parametrize("predicted", [None, "Ann Lee"])
def test_unknown_speakers_are_not_counted(speaker: str | None, predicted: str | None) -> None:
    quotes = [gold((0, 4), speaker=speaker, stance=Stance.DENIAL), gold((5, 9), speaker="Bo", stance=Stance.DENIAL)]
    claims = [claim((0, 4), speaker=predicted, stance="denial"), claim((5, 9), speaker="Bo", stance="denial")]
    scored = score([article(*quotes)], claims)
    assert (scored.speaker_exact, scored.speaker_close, scored.speaker_wrong) == (1.0, 1.0, 0.0)
    assert scored.claim == Ratio(2, 2, 2)


# the same comparison of names as for speakers, but no claim is lost for its target
@pytest.mark.parametrize(("target", "predicted", "exact", "close", "wrong"), SPEAKERS)
def test_target(target: str, predicted: str | None, exact: float, close: float, wrong: float) -> None:
    quote = gold((0, 4), speaker="Bo", target=target, stance=Stance.ACCUSATION)
    scored = score([article(quote)], [claim((0, 4), speaker="Bo", target=predicted, stance="accusation")])
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == (exact, close, wrong)
    assert (scored.speaker_exact, scored.speaker_close, scored.speaker_wrong) == (1.0, 1.0, 0.0)
    assert scored.claim == Ratio(1, 1, 1)
    figures = scored.figures()
    assert [figures[f"target {how}"] for how in ("exact", "close", "wrong")] == [exact, close, wrong]


@pytest.mark.parametrize("target", [None, "", "?"])
@pytest.mark.parametrize("predicted", [None, "", "Ann Lee"])
def test_unknown_targets_are_not_counted(target: str | None, predicted: str | None) -> None:
    quotes = [gold((0, 4), target=target), gold((5, 9), target="Bo")]
    alone = score([article(quotes[0])], [claim((0, 4), target=predicted)])
    assert (alone.target_exact, alone.target_close, alone.target_wrong) == (0.0, 0.0, 0.0)
    scored = score([article(*quotes)], [claim((0, 4), target=predicted), claim((5, 9), target="Bo")])
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == (1.0, 1.0, 0.0)


# gold targets and predicted ones of five quotes in a row; exact, close and wrong of those with a known target
TARGETS: dict[str, tuple[list[str | None], list[str | None], tuple[float, float, float]]] = {
    "one of each": (["Ann Lee"] * 4, ["Ann Lee", "Lee", "Bo Ek", None], (0.25, 0.5, 0.25)),
    "only the known are divided by": (["Ann Lee", None, "?", "Bo"], ["Lee", "Bo", "Bo", "Ann"], (0.0, 0.5, 0.5)),
    "the quote that was not found": (["Ann Lee", "Bo"], ["Ann Lee"], (1.0, 1.0, 0.0)),
    "nobody is named": (["Ann Lee", "Bo"], [None, ""], (0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize(("targets", "predicted", "expected"), TARGETS.values(), ids=TARGETS)
def test_targets_are_shares_of_the_matched_quotes_that_have_one(
    targets: list[str | None], predicted: list[str | None], expected: tuple[float, float, float]
) -> None:
    quotes = [gold((4 * i, 4 * i + 3), target=target) for i, target in enumerate(targets)]
    claims = [claim((4 * i, 4 * i + 3), target=target) for i, target in enumerate(predicted)]
    scored = score([article(*quotes)], claims)
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == expected
    # no speaker is known: a target is never counted as one
    assert (scored.speaker_exact, scored.speaker_close, scored.speaker_wrong) == (0.0, 0.0, 0.0)


def test_the_speaker_is_not_taken_for_the_target() -> None:
    quote = gold((0, 4), speaker="Ann Lee", target="Bo Ek")
    swapped = score([article(quote)], [claim((0, 4), speaker="Bo Ek", target="Ann Lee")])
    assert (swapped.speaker_close, swapped.speaker_wrong) == (0.0, 1.0)
    assert (swapped.target_close, swapped.target_wrong) == (0.0, 1.0)


def test_the_target_of_an_optional_quote_is_not_counted() -> None:
    quotes = [gold((0, 4), target="Ann Lee", optional=True), gold((10, 14), target="Bo")]
    scored = score([article(*quotes)], [claim((0, 4), target="Cy"), claim((10, 14), target="Bo")])
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == (1.0, 1.0, 0.0)


def test_a_record_without_a_target_names_none() -> None:
    scored = score([article(gold((0, 4), target="Bo"))], [claim((0, 4))])
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == (0.0, 0.0, 0.0)


@given(st.lists(st.tuples(TARGET_NAMES, TARGET_NAMES), max_size=5), st.integers(0, 5))
def test_target_shares_keep_their_order_and_add_up_over_articles(
    pairs: list[tuple[str | None, str | None]], cut: int
) -> None:
    spots = [(4 * i, 4 * i + 3) for i in range(len(pairs))]
    quotes = [gold(spot, target=known) for spot, (known, _) in zip(spots, pairs, strict=True)]
    claims = [claim(spot, target=mine) for spot, (_, mine) in zip(spots, pairs, strict=True)]
    scored = score([article(*quotes)], claims)
    assert 0 <= scored.target_exact <= scored.target_close <= scored.target_close + scored.target_wrong <= 1
    apart = [tally(article(*quotes[part]), claims[part]) for part in (slice(cut), slice(cut, None))]
    mended = total(apart)
    assert (mended.target_exact, mended.target_close, mended.target_wrong) == (
        scored.target_exact,
        scored.target_close,
        scored.target_wrong,
    )


@pytest.mark.parametrize(
    ("stance", "predicted", "hits", "n"),
    [
        (Stance.DENIAL, "denial", 1, 1),
        (Stance.DENIAL, "other", 0, 1),
        (Stance.DENIAL, None, 0, 1),
        (None, "denial", 0, 0),
    ],
)
def test_claim_and_stance(stance: Stance | None, predicted: str | None, hits: int, n: int) -> None:
    scored = score([article(gold((0, 4), stance=stance, speaker="?"))], [claim((0, 4), stance=predicted)])
    assert scored.claim == Ratio(hits, 1, 1)
    assert (scored.stance.n, scored.stance.accuracy) == (n, float(hits))


def test_a_stance_counts_only_where_the_quote_is_matched_and_required() -> None:
    quotes = [gold((0, 4), stance=Stance.DENIAL, optional=True), gold((10, 14), stance=Stance.DENIAL)]
    assert score([article(*quotes)], [claim((0, 4), stance="other"), claim((5, 9), stance="other")]).stance.n == 0


def test_toy_article_worked_out_by_hand() -> None:
    quotes = [
        gold((0, 4), source=(4, 5), stance=Stance.DENIAL, speaker="Ann Lee"),
        gold((6, 8), (9, 11), source=(8, 9), stance=Stance.ACCUSATION, speaker="Bo Ek", target="Ann Lee"),
        gold((12, 14), stance=Stance.OTHER, speaker="?"),
        gold((15, 17), stance=Stance.OTHER, speaker="Cy", optional=True),
    ]
    claims = [
        claim((0, 4), source=(4, 5), speaker="Lee", stance="denial"),  # all right but the first name
        # half; wrong source, wrong speaker, close target
        claim((6, 8), source=(4, 5), speaker="Ann Lee", target="Lee", stance="accusation"),
        claim((15, 17), speaker="Bo", stance="denial"),  # optional
        claim((18, 20), speaker="Bo", stance="other"),  # false alarm
    ]
    scored = score([article(*quotes)], claims)
    assert scored.quotes == Ratio(2, 3, 3)
    assert scored.quotes.f1 == pytest.approx(2 / 3)
    assert scored.tokens == Ratio(6, 8, 10)  # said 4+2+2+2, 2 of them optional; gold 4+4+2
    assert scored.boundaries == 0.5  # the second ends too early
    assert scored.attributed == Ratio(1, 3, 3)
    assert scored.source == 0.5
    assert (scored.speaker_exact, scored.speaker_close, scored.speaker_wrong) == (0.0, 0.5, 0.5)
    assert (scored.target_exact, scored.target_close, scored.target_wrong) == (0.0, 1.0, 0.0)
    assert scored.claim == Ratio(1, 3, 3)
    assert (scored.stance.n, scored.stance.accuracy, scored.stance.macro_f1) == (2, 1.0, 1.0)
    assert scored.figures() == {
        "quotes F1": pytest.approx(2 / 3),
        "boundaries": 0.5,
        "tokens F1": pytest.approx(2 * 0.75 * 0.6 / 1.35),
        "attributed F1": pytest.approx(1 / 3),
        "speaker exact": 0.0,
        "speaker close": 0.5,
        "speaker wrong": 0.5,
        "target exact": 0.0,
        "target close": 1.0,
        "target wrong": 0.0,
        "stance macro F1 (matched)": 1.0,
        "claim F1": pytest.approx(1 / 3),
    }


def test_articles_add_up_and_are_kept_apart() -> None:
    one, two = article(gold((0, 4)), name="a"), article(gold((0, 4)), name="b")
    claims = [claim((0, 4)), claim((10, 12)) | {"article_id": "b"}]
    scored = score([one, two], claims)
    assert scored.quotes == Ratio(1, 2, 2)
    assert scored == total([tally(one, claims[:1]), tally(two, claims[1:])])
    assert scored == score([two, one], claims[::-1])


def perfect(annotated: AnnotatedArticle) -> list[dict[str, Any]]:
    """Give the predictions that say what the annotation says."""
    return [
        {
            "article_id": annotated.article.id,
            "content_spans": [list(part) for part in quote.content],
            "source_span": [list(part) for part in quote.source] or None,
            "speaker": quote.speaker if quote.speaker != "?" else None,
            "target": quote.target if quote.target != "?" else None,
            "stance": quote.stance,
        }
        for quote in annotated.quotes
    ]


def test_a_perfect_prediction_scores_one() -> None:
    toy = parse_marked(
        "{c1:“We lied,”} {s1:Ann Lee} {u1:said}, {c1:“once.”} {s2:Bo} {u2:said} {c2:that it was his fault}.\n"
        "---\n1 | O | Ann Lee | -\n2 | A | Bo | Bo"
    )
    annotated = [toy, *read_annotated([HELD])]
    scored = score(annotated, [row for one in annotated for row in perfect(one)])
    figures = scored.figures()
    assert figures.pop("speaker wrong") == figures.pop("target wrong") == 0.0
    assert figures == dict.fromkeys(figures, 1.0)
    assert scored.source == scored.stance.accuracy == 1.0


def test_nothing_gives_zeros() -> None:
    assert set(score([], []).figures().values()) == {0.0}


@pytest.mark.parametrize(
    ("ratio", "precision", "recall", "f1"),
    [
        (Ratio(0, 0, 0), 0.0, 0.0, 0.0),
        (Ratio(0, 3, 0), 0.0, 0.0, 0.0),
        (Ratio(0, 0, 3), 0.0, 0.0, 0.0),
        (Ratio(0, 2, 2), 0.0, 0.0, 0.0),
        (Ratio(2, 2, 2), 1.0, 1.0, 1.0),
        (Ratio(1, 2, 4), 0.5, 0.25, 1 / 3),  # 2 · 0.5 · 0.25 / 0.75
    ],
)
def test_ratio(ratio: Ratio, precision: float, recall: float, f1: float) -> None:
    assert (ratio.precision, ratio.recall, ratio.f1) == (precision, recall, pytest.approx(f1))


def test_stance_score_by_hand() -> None:
    pairs = [
        ("accusation", "accusation"),
        ("accusation", "denial"),
        ("denial", "denial"),
        ("other", "accusation"),
    ]
    scored = stance_score(pairs)
    assert scored.labels == {
        "accusation": (0.5, 0.5, 0.5, 2),  # 1 of 2 predicted, 1 of 2 gold
        "denial": (pytest.approx(2 / 3), 0.5, 1.0, 1),  # 1 of 2 predicted, 1 of 1 gold
        "justification": (0.0, 0.0, 0.0, 0),
        "other": (0.0, 0.0, 0.0, 1),
    }
    # the mean over the three labels that gold has: (1/2 + 2/3 + 0) / 3
    assert scored.macro_f1 == pytest.approx(7 / 18)
    assert (scored.accuracy, scored.n) == (0.5, 4)


def test_stance_score_of_a_label_that_does_not_exist() -> None:
    scored = stance_score([("denial", "None"), ("denial", "denial")])
    assert scored.labels["denial"] == (pytest.approx(2 / 3), 1.0, 0.5, 2)
    assert (scored.macro_f1, scored.accuracy) == (pytest.approx(2 / 3), 0.5)


def test_stance_score_of_nothing() -> None:
    scored = stance_score([])
    assert (scored.macro_f1, scored.accuracy, scored.n) == (0.0, 0.0, 0)
    assert scored.labels == dict.fromkeys(map(str, Stance), (0.0, 0.0, 0.0, 0))
