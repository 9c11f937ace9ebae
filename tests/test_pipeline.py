"""The whole way from text to claims: offsets, independence, laziness, long and odd texts."""

import copy
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stance.network import Decoding
from stance.pipeline import Pipeline
from stance.records import claim_row
from stance.types import Article, Claim, Stance

QUOTED = "“We will rebuild the bridge before winter,” said Nora Feld. She denied that the city had lied about it."
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    [
        QUOTED,
        "\r\n\r\n",
        "\n\n",
        "\r",
        "👩‍👩‍👧 🏳️‍🌈 ",
        "“",
        "”",
        "'",
        "‘Ça va?’ dit-il. ",
        "said the minister, ",
        "\u200b",
        "\ufeff",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=8).map("".join)


@pytest.fixture(scope="module")
def sparing(tiny: Pipeline) -> Pipeline:
    """The tiny model at a price at which it sees a quote in a hundred characters, as in news, and not in every word."""
    network = copy.copy(tiny.network)
    network.config = network.config.model_copy(update={"decoding": Decoding(span_cost=(1.0, 1.0, 1.0, 1.0))})
    return Pipeline(network, tiny._tokenizer)


def _claims(pipeline: Pipeline, text: str) -> list[Claim]:
    [(_, claims)] = pipeline.run([Article("a", text)])
    return claims


def _rows(pipeline: Pipeline, articles: list[Article]) -> dict[str, list[dict[str, Any]]]:
    return {
        article.id: [claim_row(article, claim, pipeline.model) for claim in claims]
        for article, claims in pipeline.run(articles)
    }


def _check_offsets(text: str, claims: list[Claim]) -> None:
    starts = []
    for claim in claims:
        quote = claim.attributed.quote
        starts.append(quote.content[0].start)
        for span in (*quote.content, quote.cue, quote.source):
            if span is not None:
                assert 0 <= span.start < span.end <= len(text)
                assert text[slice(*span)].strip()
        assert all(before.end <= after.start for before, after in itertools.pairwise(quote.content))
        assert sum(claim.probabilities.values()) == pytest.approx(1.0, abs=1e-6)
    assert starts == sorted(starts)


@FEW
@given(TEXTS)
def test_offsets_hold_for_any_text(tiny: Pipeline, text: str) -> None:
    _check_offsets(text, _claims(tiny, text))


@settings(FEW, max_examples=10)
@given(st.text(max_size=40), st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\u2028", " "]), st.booleans())
def test_words_around_a_quote_do_not_move_its_offsets(
    pipeline: Pipeline, before: str, between: str, emoji: bool
) -> None:
    text = f"{before}{'🦊' * emoji}{between}{QUOTED}{between}"
    claims = _claims(pipeline, text)
    _check_offsets(text, claims)
    said = [" ".join(text[slice(*s)] for s in claim.attributed.quote.content) for claim in claims]
    assert any("We will rebuild the bridge before winter" in words for words in said), said


def test_line_endings_only_shift_the_offsets(pipeline: Pipeline, samples: Path) -> None:
    text = (samples / "world-09.txt").read_text(encoding="utf-8")
    unix, windows = (_rows(pipeline, [Article("a", t)])["a"] for t in (text, text.replace("\n", "\r\n")))
    assert len(unix) > 10
    for key in ("speaker", "stance", "cue", "source"):
        assert [row[key] for row in unix] == [row[key] for row in windows]
    # Two content spans of one row may have a paragraph's end between them: compare words.
    assert [row["content"].split() for row in unix] == [row["content"].split() for row in windows]


def test_results_do_not_depend_on_batches_order_or_neighbours(pipeline: Pipeline, samples: Path) -> None:
    articles = [Article(path.stem, path.read_text(encoding="utf-8")) for path in sorted(samples.glob("*.txt"))]
    articles = [*articles[:4], Article("short", QUOTED)]
    shuffled = random.Random(3).sample(articles, len(articles))  # noqa: S311
    alone = {}
    for article in articles:
        alone |= _rows(pipeline, [article])
    assert all(alone.values())
    for size, order in ((1, articles), (5, shuffled), (64, articles[::-1])):
        other = Pipeline(pipeline.network, pipeline._tokenizer, batch_size=size)
        assert _rows(other, order) == alone


@FEW
@given(st.lists(TEXTS, min_size=1, max_size=5), st.integers(1, 9), st.randoms())
def test_tiny_results_do_not_depend_on_batches_or_order(
    tiny: Pipeline, texts: list[str], batch_size: int, generator: random.Random
) -> None:
    articles = [Article(str(i), text) for i, text in enumerate(texts)]
    other = Pipeline(tiny.network, tiny._tokenizer, batch_size=batch_size)
    shuffled = generator.sample(articles, len(articles))
    together = _rows(other, shuffled)
    for article in articles:
        [alone], found = _rows(tiny, [article]).values(), together[article.id]
        assert [_without_floats(row) for row in found] == [_without_floats(row) for row in alone]
        for mine, its in zip(found, alone, strict=True):
            assert mine["probabilities"] == pytest.approx(its["probabilities"], abs=2e-4)


def _without_floats(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "probabilities"}


def test_articles_come_lazily_and_in_order(tiny: Pipeline) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Article]:
        for i in itertools.count():
            taken.append(i)
            yield Article(str(i), "\n" * 20_000)

    stream = tiny.run(endless())
    assert [next(stream)[0].id for _ in range(12)] == [str(i) for i in range(12)]
    assert len(taken) < 40
    stream.close()  # type: ignore[attr-defined]


def test_nothing_is_read_before_the_first_result_is_asked_for(tiny: Pipeline) -> None:
    def failing() -> Iterator[Article]:
        raise AssertionError("read too early")
        yield

    stream = tiny.run(failing())
    with pytest.raises(AssertionError, match="read too early"):
        next(stream)


def test_empty_texts_do_not_hold_up_the_stream(tiny: Pipeline) -> None:
    """Articles with little text must not be collected without end to fill a batch."""
    taken: list[int] = []

    def empty() -> Iterator[Article]:
        for i in range(3000):
            taken.append(i)
            yield Article(str(i), "")

    assert next(tiny.run(empty()))[0].id == "0"
    assert len(taken) <= 1000


@pytest.mark.parametrize("text", ["", " ", "\n\n\r\n", "\u200b", "“", "'", '"', "…", "“”", "—", "🎉🎉", "\ufeff", "a"])
def test_texts_with_next_to_nothing_in_them_have_no_claims(text: str, pipeline: Pipeline) -> None:
    assert _claims(pipeline, text) == []


def test_lone_surrogates_are_read_as_unknown_characters(pipeline: Pipeline) -> None:
    text = f"\ud800 {QUOTED}"
    claims = _claims(pipeline, text)
    assert claims
    _check_offsets(text, claims)


def test_metadata_and_the_article_itself_travel_along(tiny: Pipeline) -> None:
    article = Article("a", QUOTED, {"url": "https://example.org", "n": 3})
    [(same, _)] = tiny.run([article])
    assert same is article


def test_boilerplate_yields_no_claims(pipeline: Pipeline) -> None:
    page = (
        f"{QUOTED}\n\nRead more: “Bridge is a scandal,” says opposition leader\n\n"
        "Subscribe now: “The best paper in town,” said our readers.\n\n"
        "Also read: Minister accuses mayor of lying about the bridge\n"
    )
    claims = _claims(pipeline, page)
    assert claims
    assert all(span.end <= len(QUOTED) for claim in claims for span in claim.attributed.quote.content)
    assert len(claims) == len(_claims(pipeline, QUOTED))


def test_a_long_article_is_read_in_sections(sparing: Pipeline) -> None:
    paragraphs = [f"{QUOTED} It was day {i} of the long debate in the town of Umeå." for i in range(560)]
    text = "\n\n".join(paragraphs)
    claims = _claims(sparing, text)
    _check_offsets(text, claims)
    # Every part of the text is read: claims reach from its first tenth into its last.
    assert claims[0].attributed.quote.content[0].start < len(text) / 10
    assert claims[-1].attributed.quote.content[0].start > len(text) * 9 / 10


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["'", "“", "‘a ", '"', "(A.", "Ann ", "a", "\n", "-", " "])
def test_repetition_does_no_harm(unit: str, sparing: Pipeline) -> None:
    text = unit * (40_000 // len(unit))
    _check_offsets(text, _claims(sparing, text))


def test_the_samples_show_every_stance_and_kind(pipeline: Pipeline, samples: Path) -> None:
    articles = [Article(path.stem, path.read_text(encoding="utf-8")) for path in sorted(samples.glob("*.txt"))]
    found = list(pipeline.run(articles))
    assert [article.id for article, _ in found] == [article.id for article in articles]
    for article, claims in found:
        assert len(claims) >= 10, article.id
        _check_offsets(article.text, claims)
    stances = {claim.stance for _, claims in found for claim in claims}
    assert stances == set(Stance)
    assert len({claim.attributed.quote.kind for _, claims in found for claim in claims}) == 3
    named = [claim.attributed.speaker is not None for _, claims in found for claim in claims]
    assert sum(named) / len(named) > 0.7
