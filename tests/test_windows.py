import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from stance.types import Span
from stance.windows import SHAPES, cut, tokenize

TOKENIZER = Tokenizer.from_file(str(Path(__file__).parent.parent / "models" / "default" / "tokenizer.json"))
GAPS = st.sampled_from([" ", "  ", "\n", "\r\n", "\r\n\r\n", "\t", "\u00a0", "\u2003"])
WORDS = st.text(
    st.one_of(
        st.characters(min_codepoint=0x21, max_codepoint=0x24F, categories=("L", "N", "P")),
        st.sampled_from("ßÉøЖщΩλשםعدहि漢字かなカ한각ﬁİ😀👍👩☂–—…“”‘’".replace("\u093f", "")),
    ),
    min_size=1,
    max_size=12,
)
ANY_TEXT = st.text(st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("ab \r\n“”😀é")), max_size=60)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw a count, a size and an overlap smaller than the size."""
    size = draw(st.integers(1, 300))
    return draw(st.integers(0, 3000)), size, draw(st.integers(0, size - 1))


@given(cuts())
def test_kept_parts_tile_the_tokens(case: tuple[int, int, int]) -> None:
    count, size, overlap = case
    windows = cut(count, size=size, overlap=overlap)
    kept = [t for w in windows for t in range(w.keep_first_token, w.keep_last_token)]
    assert kept == list(range(count))


@given(cuts())
def test_windows_fit_and_hold_what_they_keep(case: tuple[int, int, int]) -> None:
    count, size, overlap = case
    for w in cut(count, size=size, overlap=overlap):
        assert 0 <= w.first_token <= w.keep_first_token <= w.keep_last_token <= w.last_token <= count
        assert 0 < w.last_token - w.first_token <= size


@given(cuts())
def test_neighbours_overlap_and_the_seam_runs_through_the_middle(case: tuple[int, int, int]) -> None:
    count, size, overlap = case
    for a, b in itertools.pairwise(cut(count, size=size, overlap=overlap)):
        assert a.last_token - b.first_token >= overlap
        assert a.keep_last_token == b.keep_first_token
        assert abs((a.last_token - a.keep_last_token) - (b.keep_first_token - b.first_token)) <= 1


@given(cuts())
def test_windows_are_as_few_as_can_be_and_of_one_length(case: tuple[int, int, int]) -> None:
    count, size, overlap = case
    windows = cut(count, size=size, overlap=overlap)
    if len(windows) > 1:
        fewer = len(windows) - 1
        assert fewer * size - (fewer - 1) * overlap < count
    assert len({w.last_token - w.first_token for w in windows}) <= 1


def test_cut_small_cases() -> None:
    assert cut(0, size=4, overlap=1) == []
    [whole] = cut(4, size=4, overlap=1)
    assert (whole.first_token, whole.last_token, whole.keep_first_token, whole.keep_last_token) == (0, 4, 0, 4)
    # Seven tokens in windows of four that share one: 0-4 and 3-7; the shared token 3 belongs to one of them.
    first, second = cut(7, size=4, overlap=1)
    assert (first.first_token, first.last_token, second.first_token, second.last_token) == (0, 4, 3, 7)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, GAPS), max_size=12))
def test_offsets_give_back_the_words(pairs: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in pairs)
    tokens = tokenize(text, TOKENIZER)
    at = 0
    for word, gap in pairs:
        touching = tokens.touching(Span(at, at + len(word)))
        assert touching is not None
        assert text[slice(*tokens.span(*touching))] == word
        assert tokens.touching(Span(at + len(word), at + len(word) + len(gap))) is None
        at += len(word) + len(gap)


@settings(deadline=None)
@given(ANY_TEXT)
def test_offsets_of_any_text_are_in_order_and_within_it(text: str) -> None:
    tokens = tokenize(text, TOKENIZER)
    assert len(tokens) == len(tokens.ids) == len(tokens.starts) == len(tokens.ends) == len(tokens.shapes)
    assert np.all(np.diff(tokens.starts) >= 0)
    assert np.all(np.diff(tokens.ends) >= 0)
    assert np.all(tokens.starts < tokens.ends)
    assert not len(tokens) or (tokens.starts[0] >= 0 and tokens.ends[-1] <= len(text))
    assert np.all((tokens.shapes >= 0) & (tokens.shapes < SHAPES))


@pytest.mark.parametrize("gap", [" ", "\r\n\r\n", "\n", "\u00a0"], ids=repr)
def test_a_long_text_has_the_tokens_of_one_call(gap: str) -> None:
    words = (f"loom{i} weaver’s “Zoë-{i}” 😀 Straße," for i in range(1800))
    text = gap.join(words)
    assert len(text) > 2 * 20_000
    tokens = tokenize(text, TOKENIZER)
    whole = TOKENIZER.encode(text, add_special_tokens=False)
    assert tokens.ids.tolist() == whole.ids
    assert list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)) == whole.offsets


@settings(deadline=None, max_examples=20)
@given(st.integers(19_980, 20_020), st.sampled_from([" ", "\r\n", "\n\n"]))
def test_a_seam_may_fall_anywhere(before: int, gap: str) -> None:
    text = ("loom " * 5000)[:before] + gap + "weavers spun on " * 20
    whole = TOKENIZER.encode(text, add_special_tokens=False)
    tokens = tokenize(text, TOKENIZER)
    assert tokens.ids.tolist() == whole.ids
    assert list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)) == whole.offsets


def test_touching_and_part() -> None:
    text = "The mill shut."
    tokens = tokenize(text, TOKENIZER)
    assert tokens.touching(Span(5, 6)) == (1, 2)  # inside "mill"
    assert tokens.touching(Span(3, 4)) is None  # the space
    assert tokens.touching(Span(2, 10)) == (0, 3)  # cuts through "The" and "shut"
    part = tokens.part(1, 3)
    assert [text[s:e] for s, e in zip(part.starts, part.ends, strict=True)] == ["mill", "shut"]


def test_shapes_tell_capitals_breaks_and_quotations_apart() -> None:
    text = "Mill MILL mill-mill\nmill\n\nmill “mill mill” mill"
    tokens = tokenize(text, TOKENIZER)
    shapes = {int(s): int(h) for s, h in zip(tokens.starts, tokens.shapes, strict=True)}
    title, capitals, plain, hyphen, glued, line, blank_line, mark, _, inside, closing, outside = shapes.values()
    assert len({plain, capitals, title}) == 3
    assert len({plain, glued, line, blank_line}) == 4
    assert hyphen == glued
    assert mark == inside != plain
    assert closing != glued  # the closing mark belongs to its quotation
    assert outside == plain
