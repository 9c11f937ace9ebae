"""What is wrong or strange in annotations, how far annotators agree, and which labels to look at again."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stance.types import Article, Span, Stance
from training.agreement import agreement
from training.annotations import AnnotatedArticle, GoldQuote, parse_marked, to_row
from training.check import UNJUDGED, contradiction, counts, gather, oddities
from training.suspects import suspects

A, D, J, OTHER = Stance


def quote(start: int, end: int, stance: Stance | None = None, **rest: object) -> GoldQuote:
    values = {"cue": (), "source": (), "second": None, "speaker": None, "target": None} | rest
    return GoldQuote(content=(Span(start, end),), stance=stance, **values)  # type: ignore[arg-type]


def article(text: str, *quotes: GoldQuote, name: str = "a", **metadata: object) -> AnnotatedArticle:
    return AnnotatedArticle(Article(name, text, metadata), quotes)


def save(path: Path, articles: Sequence[AnnotatedArticle]) -> Path:
    path.write_text("".join(json.dumps(to_row(one)) + "\n" for one in articles), encoding="utf-8")
    return path


ODD = {
    "cuts a word": (quote(0, 4), "content [0, 4] cuts a word: 'Nobody sold it'"),
    "cue cuts a word": (quote(0, 6, cue=(Span(8, 11),)), "cue [8, 11] cuts a word"),
    "second alone": (quote(0, 6, second=A), "second stance accusation beside no stance"),
    "second the same": (quote(0, 6, A, second=A), "second stance accusation beside accusation"),
    "other and another": (quote(0, 6, D, second=OTHER), "other stands alone, found denial and other"),
    "target of a denial": (quote(0, 6, D, target="port"), "target 'port' of what is no accusation"),
}


@pytest.mark.parametrize(("odd", "words"), ODD.values(), ids=ODD)
def test_oddities(odd: GoldQuote, words: str) -> None:
    [found] = oddities(article("Nobody sold it.", odd))
    assert found.startswith(", quote 1: ")
    assert words in found


def test_a_quote_twice_is_odd_and_with_two_stances_contradicts() -> None:
    assert [*oddities(article("Nobody", quote(0, 6, D), quote(0, 6, D)))] == [", quote 2: the same quote a second time"]
    assert contradiction(article("Nobody", quote(0, 6, D), quote(0, 6, D))) is None
    assert contradiction(article("Nobody", quote(0, 6, D), quote(0, 6))) is None
    found = contradiction(article("Nobody", quote(0, 6, D), quote(0, 6, A)))
    assert found == ", quote 2: stance is denial and accusation, expected one for a quote"


def test_nothing_odd_in_the_corpus_but_nested_reports(held: list[AnnotatedArticle]) -> None:
    assert [found for one in held for found in oddities(one)] == []
    assert [found for one in held if (found := contradiction(one))] == []


def test_what_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    good = article("Nobody sold it.", quote(0, 6, D), name="good", publisher="own")
    bad = article("Nobody", quote(0, 6, D), quote(0, 6, A), name="bad")
    path = save(tmp_path / "new.jsonl", [good, bad])
    with path.open("a") as more:
        more.write('{"id": "worse", "text": "No.", "quotes": [{"content": [[0, 9]]}]}\n')
    found = gather([path, tmp_path / "gone.jsonl"], None)
    assert found.annotated == [good]
    assert [line.split(": ", 1)[0] for line in found.errors] == [
        str(path),
        f"{path}:3, quote 1, content",
        str(tmp_path / "gone.jsonl"),
    ]
    assert found.errors[0].startswith(f"{path}: article 'bad', quote 2: stance is denial and accusation")


def test_a_quote_of_one_context_with_two_stances_contradicts(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text("quote,stance,context\nNobody,D,Nobody sold it.\nNobody,A,Nobody sold it.\n")
    found = gather([path], None)
    assert found.annotated == []
    assert found.errors == [
        f"{path}: article 'quotes:2', quote 2: stance is denial and accusation, expected one for a quote"
    ]


def test_articles_met_before(tmp_path: Path) -> None:
    one = article("Nobody sold it.", name="a")
    rows = [one, one, article("Somebody did.", name="a"), article("Somebody did.", name="a", annotator="ann")]
    found = gather([save(tmp_path / "new.jsonl", rows)], None)
    assert len(found.annotated) == 4
    assert ["second time" in found.warnings[0], "another text has this id" in found.warnings[1]] == [True, True]
    assert len(found.warnings) == 2


def test_annotators_are_named_and_chosen(tmp_path: Path) -> None:
    rows = [article("No.", name="a"), article("No.", name="b", annotator="ben")]
    path = save(tmp_path / "new.jsonl", rows)
    named = [one.article.metadata["annotator"] for one in gather([path], None, annotator="ann").annotated]
    assert named == ["ann", "ben"]
    assert [one.article.id for one in gather([path], None, annotator="ann", only="ben").annotated] == ["b"]


def test_counts() -> None:
    one = article("Nobody sold it.", quote(0, 6, D), quote(7, 11), publisher="own")
    two = article("Nobody", quote(0, 6, A))
    found = counts([(Path("x.jsonl"), one), (Path("x.jsonl"), two)])
    assert found == {
        "file": {"x.jsonl": {"articles": 2, "quotes": 3, "denial": 1, UNJUDGED: 1, "accusation": 1}},
        "publisher": {
            "own": {"articles": 1, "quotes": 2, "denial": 1, UNJUDGED: 1},
            "unknown": {"articles": 1, "quotes": 1, "accusation": 1},
        },
    }


# Agreement. One word a quote; the letters are the stances, a blank one that the annotator did not mark.

_CODES = {"A": A, "D": D, "J": J, "O": OTHER, "-": None}


def judged(who: str, codes: str, name: str = "a") -> AnnotatedArticle:
    text = " ".join(f"{name}word{i}" for i in range(len(codes)))
    size = len(name) + 5
    quotes = [quote(i * (size + 1), i * (size + 1) + size, _CODES[code]) for i, code in enumerate(codes) if code != " "]
    return article(text, *quotes, name=name, annotator=who)


def test_agreement_by_hand() -> None:
    # Expected by the formulas: 8 of 10 the same, chance (5*4 + 3*4 + 2*2) / 100 = 0.36, (0.8 - 0.36) / 0.64.
    found = agreement([judged("ann", "AAAAADDDOO"), judged("ben", "AAAADDDDOO"[:9] + "D")])
    assert found is not None
    [pair] = found.pairs
    assert (pair.first, pair.second, pair.articles, pair.found, pair.judged) == ("ann", "ben", 1, 1.0, 10)
    assert pair.same == pytest.approx(0.8)
    by_hand = (0.8 - (0.5 * 0.4 + 0.3 * 0.5 + 0.2 * 0.1)) / (1 - (0.5 * 0.4 + 0.3 * 0.5 + 0.2 * 0.1))
    assert pair.kappa == pytest.approx(by_hand)
    # Krippendorff: 20 values, 9 A, 8 D, 3 O; disagreement observed 4/20, expected 1 - (72 + 56 + 6) / 380.
    assert found.alpha == pytest.approx(1 - 0.2 / (1 - (72 + 56 + 6) / 380))


def test_quotes_that_one_did_not_see() -> None:
    found = agreement([judged("ann", "AD O"), judged("ben", "AD-O"), judged("cy", "AD", name="b")])
    assert found is not None
    [pair] = found.pairs
    assert pair.found == pytest.approx(2 * 3 / 7)
    assert (pair.judged, pair.kappa, found.alpha, found.quotes) == (3, 1.0, pytest.approx(1.0), 3)


def test_three_annotators_have_three_pairs() -> None:
    found = agreement([judged("ann", "ADO"), judged("ben", "ADO"), judged("cy", "DDO")])
    assert found is not None
    assert [(pair.first, pair.second) for pair in found.pairs] == [("ann", "ben"), ("ann", "cy"), ("ben", "cy")]
    assert found.pairs[0].kappa == pytest.approx(1)
    assert found.alpha is not None
    assert 0 < found.alpha < 1


def test_agreement_that_is_not_defined() -> None:
    assert agreement([judged("ann", "AD"), judged("ben", "AD", name="b")]) is None
    found = agreement([judged("ann", "AA"), judged("ben", "AA")])
    assert found is not None
    assert (found.pairs[0].same, found.pairs[0].kappa, found.alpha) == (1.0, None, None)


# Suspicious labels


def test_labels_that_were_swapped_are_found(held: list[AnnotatedArticle]) -> None:
    words = {
        A: "they lied and stole",
        D: "untrue we never did",
        J: "it was needed by law",
        OTHER: "talks begin tomorrow",
    }
    chance = random.Random(3)  # noqa: S311
    articles, wrong = [], set()
    for number in range(30):
        text, quotes = "", []
        for stance, said in words.items():
            start = len(text)
            text += f"{said} number {chance.randrange(50)}. "
            quotes.append(quote(start, len(text) - 1, stance))
        if number % 6 == 0:
            wrong.add(f"story-{number}")
            quotes[1] = replace(quotes[1], stance=A)
        articles.append(article(text, *quotes, name=f"story-{number}"))
    found = suspects(articles)
    assert len(found) >= len(wrong) / 2
    assert {(one.article, one.quote) for one in found} <= {(name, 2) for name in wrong}
    assert {(one.given, one.likelier) for one in found} == {(A, D)}
    assert found == suspects(articles)


def test_too_little_to_learn_from() -> None:
    assert suspects([]) == []
    assert suspects([parse_marked("{c1:no}\n---\n1 | D | ? | -")]) == []
