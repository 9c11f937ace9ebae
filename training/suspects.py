"""Labels to look at again: quotes whose stance a model that did not see them finds unlikely (confident learning).

Northcutt et al. 2021, through `cleanlab`: logistic regression is fitted on part of the articles and asked about the
others, in turn; a label is suspicious where another is surer than that label's own average. With a network beside the
words, what it thinks of each quote is a feature too: better, unless the network learned from these very labels.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from stance.pipeline import Pipeline
from stance.types import Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.evaluate import verdicts

_FOLDS = 5
_LEAST_OF_A_LABEL = 5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label to look at again.

    Attributes:
        article: Id.
        quote: Number of the quote in its article, from 1.
        content: Its words.
        given: The label.
        likelier: What the model would say.
        quality: Probability of the label as given, in [0, 1].
    """

    article: str
    quote: int
    content: str
    given: Stance
    likelier: Stance
    quality: float


def suspects(
    articles: Sequence[AnnotatedArticle], *, pipeline: Pipeline | None = None, seed: int = 13
) -> list[Suspect]:
    """Find suspicious stances, the least likely first.

    Args:
        articles: Optional quotes and those without a stance are passed over.
        pipeline: What it thinks of each quote is asked too; None: words alone.
        seed: Of the folds and the fit.

    Returns:
        Nothing where there is too little to learn from: fewer than five articles, or fewer than two labels with five
        quotes each.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    places = [(one, i) for one in articles for i, q in enumerate(one.quotes) if q.stance is not None and not q.optional]
    count = Counter(one.quotes[i].stance for one, i in places)
    known = [stance for stance in Stance if count[stance] >= _LEAST_OF_A_LABEL]
    places = [(one, i) for one, i in places if one.quotes[i].stance in known]
    # By text: what several annotators said of one article is one group, or the answer would be known.
    groups = [one.article.text for one, _ in places]
    if len(known) < 2 or len(set(groups)) < _FOLDS:
        return []
    given = np.array([known.index(Stance(str(one.quotes[i].stance))) for one, i in places])
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    rows: Any = [_words(one, one.quotes[i]) for one, i in places]
    if pipeline is not None:
        rows = list(zip(rows, _opinions(articles, places, pipeline), strict=True))
    # A fold may lack a label; then its probability is 0 there.
    told = cross_val_predict(
        _model(pipeline is not None, seed), rows, given, groups=groups, cv=folds, method="predict_proba"
    )
    chances = np.clip(told, 1e-6, None)
    chances /= chances.sum(1, keepdims=True)
    wrong = find_label_issues(given, chances, n_jobs=1)
    quality = get_label_quality_scores(given, chances)
    found = []
    for number in sorted(np.flatnonzero(wrong), key=lambda n: quality[n]):
        one, i = places[number]
        found.append(
            Suspect(
                one.article.id,
                i + 1,
                " … ".join(one.article.text[s:e] for s, e in one.quotes[i].content),
                known[given[number]],
                known[int(chances[number].argmax())],
                round(float(quality[number]), 4),
            )
        )
    return found


def report(found: Sequence[Suspect], most: int = 20) -> Table:
    """Lay out the most suspicious."""
    table = Table(title=f"Labels to look at again: {len(found):,}", title_justify="left")
    for name in ("article", "quote", "label", "likelier", "p", "content"):
        table.add_column(name, justify="right" if name in {"quote", "p"} else "left")
    for one in found[:most]:
        words = one.content if len(one.content) <= 80 else f"{one.content[:79]}…"
        table.add_row(escape(one.article), str(one.quote), one.given, one.likelier, f"{one.quality:.2f}", escape(words))
    if len(found) > most:
        table.caption = f"the first {most}; --out FILE writes all"
    return table


def _words(annotated: AnnotatedArticle, quote: GoldQuote) -> str:
    text = annotated.article.text
    cue = " ".join(f"cue_{word}" for s, e in quote.cue for word in text[s:e].lower().split())
    return f"{cue} {' '.join(text[s:e] for s, e in quote.content)}"


def _opinions(
    articles: Sequence[AnnotatedArticle], places: Sequence[tuple[AnnotatedArticle, int]], pipeline: Pipeline
) -> Iterator[list[float]]:
    """Give the network's log-probabilities of each quote's stances."""
    said: dict[tuple[int, int], list[float]] = {}
    for one in articles:
        for quote, verdict in verdicts(pipeline, one):
            number = next(i for i, q in enumerate(one.quotes) if q is quote)
            chances = [verdict[2][stance] if verdict else 0.25 for stance in Stance]
            said[id(one), number] = [float(np.log(max(chance, 1e-4))) for chance in chances]
    for one, i in places:
        yield said.get((id(one), i), [float(np.log(0.25))] * len(Stance))


def _model(with_opinions: bool, seed: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    fitted = LogisticRegression(C=4.0, class_weight="balanced", max_iter=2000, random_state=seed)
    if not with_opinions:
        return make_pipeline(words, fitted)
    first, second = FunctionTransformer(_firsts), FunctionTransformer(_seconds)
    return make_pipeline(make_union(make_pipeline(first, words), second), fitted)


def _firsts(rows: Sequence[tuple[str, list[float]]]) -> list[str]:
    return [words for words, _ in rows]


def _seconds(rows: Sequence[tuple[str, list[float]]]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix(np.array([opinion for _, opinion in rows]))
