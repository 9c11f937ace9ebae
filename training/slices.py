"""Results by kind of quote: where a model is weak, with counts and bootstrap intervals, the weakest first."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from stance.marks import quoted_spans
from stance.quotes import kind
from stance.types import Article, Span, Stance
from training.evaluate import Answer, draws, interval

GROUPS = {
    "form": "whether the words stand in quotation marks",
    "length": "words of the quote",
    "speaker": "whether the annotation names a speaker",
    "publisher": "who published the article",
    "topic": "what the article is about",
    "position": "where in the article the quote begins",
}
_TOPIC_KEYS = ("topic", "section", "category")
_LENGTHS = ((7, "1–7 words"), (15, "8–15 words"), (30, "16–30 words"))
_THIRDS = ("first third", "middle third", "last third")
# Fewer articles make no topics: the words of one would name them.
_ARTICLES_A_TOPIC = 12
_MOST_TOPICS = 8
_WORD = r"(?u)\b[^\W\d_]{3,}\b"
_TOPIC_WORDS = 3
# What every article says of everybody.
_STOP_WORDS = sorted(
    ENGLISH_STOP_WORDS | set("said say says saying told tell asked added mr mrs ms year years new".split())
)
# Below these the interval is wider than any use of it, or of one article, which says nothing of others.
ENOUGH, ENOUGH_ARTICLES = 20, 5
LABELS = tuple(str(label) for label in Stance)
_PREDICTED = (*LABELS, "none")

Traits = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Slice:
    """The stances of one kind of quotes, on the annotated spans.

    Attributes:
        group: One of `GROUPS`.
        name: The kind.
        quotes, articles: How many judged quotes, in how many articles.
        macro_f1, accuracy: Over these quotes, as in `training.metrics.StanceScore`.
        macro_interval, accuracy_interval: 95% bootstrap intervals over articles.
        found: Share of them that the whole job finds.
    """

    group: str
    name: str
    quotes: int
    articles: int
    macro_f1: float
    macro_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]
    found: float

    @property
    def few(self) -> bool:
        """Whether these are too few quotes, or of too few articles, to say anything."""
        return self.quotes < ENOUGH or self.articles < ENOUGH_ARTICLES


def topics(articles: Sequence[Article]) -> list[str | None]:
    """Say what each article is about.

    That is its metadata's topic, section or category. Where none has one, topics are found by factorising word
    counts (Lee & Seung 1999) and named by their most telling words; too few articles have none.
    """
    given = [next((str(a.metadata[key]) for key in _TOPIC_KEYS if a.metadata.get(key)), None) for a in articles]
    count = min(_MOST_TOPICS, len(articles) // _ARTICLES_A_TOPIC)
    if any(given) or count < 2:
        return given
    words = TfidfVectorizer(stop_words=_STOP_WORDS, max_df=0.4, min_df=3, token_pattern=_WORD)
    try:
        counts = words.fit_transform([article.text for article in articles])
    except ValueError:  # no word is in three articles
        return given
    count = min(count, *counts.shape)
    model = NMF(count, init="nndsvd", max_iter=500, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not quite converged, or too exactly: near enough for a name
        weights = model.fit_transform(counts)
    vocabulary = words.get_feature_names_out()
    names = [
        ", ".join(vocabulary[i] for i in np.argsort(-row.round(6), kind="stable")[:_TOPIC_WORDS])
        for row in model.components_
    ]
    return [names[i] for i in weights.argmax(1)]


def traits(article: Article, topic: str | None, content: Sequence[Span], speaker: str | None) -> dict[str, str]:
    """Say what kind of quote this is: a name for each of `GROUPS` that is known."""
    text = article.text
    words = sum(len(text[start:end].split()) for start, end in content)
    third = min(2, 3 * content[0].start // max(1, len(text)))
    found = {
        "form": str(kind(content, text, quoted_spans(text))),
        "length": next((name for most, name in _LENGTHS if words <= most), "over 30 words"),
        "speaker": "with a speaker" if speaker not in (None, "", "?") else "without a speaker",
        "publisher": str(article.metadata.get("publisher") or ""),
        "topic": topic or "",
        "position": _THIRDS[third],
    }
    return {group: name for group, name in found.items() if name}


def slices(found: Sequence[Answer], known: Mapping[int, tuple[Traits, bool]]) -> list[Slice]:
    """Score each kind of judged quotes.

    Args:
        found: What the model answered, an article each.
        known: By `id` of the quote its traits, and whether the whole job finds it.

    Returns:
        The weakest macro F1 first; those that are too few to say after all others.
    """
    places: dict[tuple[str, str], int] = {}
    marks = defaultdict(list)
    for at, one in enumerate(found):
        for (quote, _), (gold, predicted, _) in zip(one.verdicts, one.judged(), strict=True):
            kinds, seen = known[id(quote)]
            for pair in kinds.items():
                place = places.setdefault(pair, len(places))
                marks[place].append((at, LABELS.index(gold), _PREDICTED.index(predicted), seen))
    counts = np.zeros((len(found), len(places), len(LABELS), len(_PREDICTED)))
    for place, rows in marks.items():
        for at, gold_label, label, _ in rows:
            counts[at, place, gold_label, label] += 1
    whole, samples = counts.sum(0), resample(counts)
    result = [
        Slice(
            group,
            name,
            len(marks[place]),
            len({at for at, *_ in marks[place]}),
            float(macro_f1(whole[place])),
            _interval(macro_f1(samples[:, place])),
            float(accuracy(whole[place])),
            _interval(accuracy(samples[:, place])),
            float(np.mean([seen for *_, seen in marks[place]])),
        )
        for (group, name), place in places.items()
    ]
    return sorted(result, key=lambda one: (one.few, one.macro_f1))


def confusion(pairs: Sequence[Sequence[tuple[str, str]]]) -> np.ndarray:
    """Count gold against predicted stances: `(articles, 4, 5)`, the last predicted one for none at all."""
    counts = np.zeros((len(pairs), len(LABELS), len(_PREDICTED)))
    for at, found in enumerate(pairs):
        for gold, predicted in found:
            counts[at, LABELS.index(gold), _PREDICTED.index(predicted)] += 1
    return counts


def resample(counts: np.ndarray) -> np.ndarray:
    """Add up counts `(articles, …)` over the draws of `training.evaluate.draws`: `(1000, …)`."""
    drawn = np.stack([np.bincount(chosen, minlength=len(counts)) for chosen in draws(len(counts))])
    added: np.ndarray = (drawn @ counts.reshape(len(counts), -1)).reshape(len(drawn), *counts.shape[1:])
    return added


def label_f1(counts: np.ndarray) -> np.ndarray:
    """Give the F1 of each label from `confusion` counts `(…, 4, 5)`: `(…, 4)`; 0 where there is nothing."""
    right = np.diagonal(counts[..., : len(LABELS)], axis1=-2, axis2=-1)
    either = counts.sum(-1) + counts[..., : len(LABELS)].sum(-2)
    result: np.ndarray = 2 * right / np.maximum(either, 1)
    return result


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Give the mean F1 of the labels that gold has, `(…)`; not a number where it has none."""
    present = counts.sum(-1) > 0
    with np.errstate(invalid="ignore"):
        result: np.ndarray = (label_f1(counts) * present).sum(-1) / present.sum(-1)
    return result


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Give the share of right labels, `(…)`; not a number where there is no quote."""
    right = np.diagonal(counts[..., : len(LABELS)], axis1=-2, axis2=-1).sum(-1)
    with np.errstate(invalid="ignore"):
        result: np.ndarray = right / counts.sum((-2, -1))
    return result


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Leave out the draws that had no such quote."""
    known = values[~np.isnan(values)]
    return interval(known) if len(known) else (0.0, 1.0)
