"""Near-duplicates between training and evaluation articles: a text that was learned from measures nothing.

MinHash with locality-sensitive hashing (Broder 1997; `datasketch`) finds the pairs that may be alike, so that not every
pair has to be compared; those few are then compared exactly. A text that stands whole in a longer one, a bare quote or
the first paragraphs of an article, has little in common with it by that measure, and is looked for by itself.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasketch import MinHash, MinHashLSH
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.annotations import AnnotatedArticle

_WORD = re.compile(r"\w+")
_SHINGLE = 3  # words; news on one topic shares few of them, a reprint with a changed word most
_PERMUTATIONS = 128
_ALIKE = 0.8
_LEAST_WORDS = 8  # a shorter text, "She declined to comment", stands in many articles by chance


@dataclass(frozen=True, slots=True)
class Leak:
    """A training article that is an evaluation article again, or nearly.

    Attributes:
        training: Id of the training article.
        evaluation: Id of the evaluation article.
        similarity: Share of all three-word runs of the two that both have (Jaccard), in [0, 1]; 1 where the words
            of one stand whole in the other.
    """

    training: str
    evaluation: str
    similarity: float


@dataclass(frozen=True, slots=True)
class _Words:
    id: str
    words: str  # with one space before and after each
    count: int
    first: str  # of the shingles
    shingles: frozenset[str]


def leaks(
    training: Iterable[AnnotatedArticle], evaluation: Iterable[AnnotatedArticle], *, threshold: float = _ALIKE
) -> list[Leak]:
    """Find training articles that are alike to evaluation articles.

    Case, punctuation, spaces and line breaks make no difference.

    Args:
        training: What a model learns from, or is to learn from.
        evaluation: What it is measured on.
        threshold: Least similarity to report, in (0, 1].

    Returns:
        The most similar first, then in the order of the training articles.
    """
    return _alike([_words(one) for one in training], [_words(one) for one in evaluation], threshold)


def twins(articles: Iterable[AnnotatedArticle], *, threshold: float = _ALIKE) -> list[Leak]:
    """Find articles of one set that are alike: each pair once, the earlier as `training`; as `leaks` finds them."""
    read = [_words(one) for one in articles]
    return [Leak(read[a].id, read[b].id, similarity) for a, b, similarity in _pairs(read, threshold)]


def families(articles: Sequence[AnnotatedArticle]) -> list[int]:
    """Number articles so that those which are alike, through others too, have one number."""
    pairs = [pair[:2] for pair in _pairs([_words(one) for one in articles], _ALIKE)]
    places = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), tuple(places)), shape=(len(articles), len(articles)))
    return [int(number) for number in connected_components(graph, directed=False)[1]]


def _pairs(read: Sequence[_Words], threshold: float) -> list[tuple[int, int, float]]:
    """Give the numbers of two that are alike, the lesser first, each pair once, and how far they are."""
    numbered = [replace(one, id=str(i)) for i, one in enumerate(read)]  # for two articles may have one id
    found = [(int(one.training), int(one.evaluation), one.similarity) for one in _alike(numbered, numbered, threshold)]
    return [(a, b, similarity) for a, b, similarity in found if a < b]


def _alike(training: Sequence[_Words], evaluation: Sequence[_Words], threshold: float) -> list[Leak]:
    # A missed pair is worse than one compared in vain, hence the weights.
    index = MinHashLSH(threshold=min(threshold, 0.95), num_perm=_PERMUTATIONS, weights=(0.1, 0.9))
    for number, one in enumerate(evaluation):
        if one.shingles:
            index.insert(number, _sketch(one))
    # Whoever stands whole in another has its first words there.
    within: dict[int, set[int]] = {}
    for mine_first, theirs in _openings(training, evaluation):
        within.setdefault(mine_first, set()).add(theirs)
    for their_first, mine_whole in _openings(evaluation, training):
        within.setdefault(mine_whole, set()).add(their_first)
    found = []
    for number, mine in enumerate(training):
        near = set(index.query(_sketch(mine))) if mine.shingles else set()
        for place in sorted(near | within.get(number, set())):
            other = evaluation[place]
            alike = len(mine.shingles & other.shingles) / len(mine.shingles | other.shingles)
            similarity = 1.0 if _holds(mine, other) else alike
            if similarity >= threshold:
                found.append(Leak(mine.id, other.id, round(similarity, 4)))
    return sorted(found, key=lambda leak: -leak.similarity)


def _words(annotated: AnnotatedArticle) -> _Words:
    words = _WORD.findall(unicodedata.normalize("NFKC", annotated.article.text).casefold())
    size = min(_SHINGLE, len(words))
    shingles = frozenset(" ".join(words[i : i + size]) for i in range(len(words) - size + 1)) if words else frozenset()
    return _Words(annotated.article.id, f" {' '.join(words)} ", len(words), " ".join(words[:size]), shingles)


def _openings(some: Sequence[_Words], others: Sequence[_Words]) -> Iterator[tuple[int, int]]:
    """Give the numbers of those whose first words stand in another, with the number of the other."""
    opening: dict[str, list[int]] = {}
    for number, one in enumerate(some):
        if one.shingles:
            opening.setdefault(one.first, []).append(number)
    for number, other in enumerate(others):
        for shingle in other.shingles & opening.keys():
            yield from ((one, number) for one in opening[shingle])


def _sketch(one: _Words) -> MinHash:
    sketch = MinHash(num_perm=_PERMUTATIONS, seed=1)
    # Half a surrogate pair may stand in a text read from JSON.
    sketch.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in one.shingles])
    return sketch


def _holds(one: _Words, other: _Words) -> bool:
    short, long = (one, other) if one.count <= other.count else (other, one)
    return (short.count >= _LEAST_WORDS or short.count == long.count) and short.words in long.words
