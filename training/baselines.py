"""What the network must beat: a bag of words for the stance, from scikit-learn."""

from collections.abc import Iterable, Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from training.annotations import AnnotatedArticle, GoldQuote
from training.metrics import StanceScore, stance_score


def judged(articles: Iterable[AnnotatedArticle]) -> list[tuple[str, str]]:
    """Give cue and content of each quote that has a stance, with that stance."""
    return [
        (_words(annotated, quote), str(quote.stance))
        for annotated in articles
        for quote in annotated.quotes
        if quote.stance is not None and not quote.optional
    ]


def fit_baseline(examples: Sequence[tuple[str, str]], *, seed: int = 13) -> Pipeline:
    """Fit TF-IDF (words and pairs of words, pieces of words) and logistic regression with balanced classes."""
    texts, stances = zip(*examples, strict=True)
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True),
        ),
        LogisticRegression(C=4.0, class_weight="balanced", max_iter=2000, random_state=seed),
    )
    return model.fit(texts, stances)


def score_baseline(model: Pipeline, examples: Sequence[tuple[str, str]]) -> StanceScore:
    """Score a fitted baseline on quotes whose spans are given."""
    texts, stances = zip(*examples, strict=True)
    return stance_score(list(zip(stances, map(str, model.predict(texts)), strict=True)))


def _words(annotated: AnnotatedArticle, quote: GoldQuote) -> str:
    text = annotated.article.text
    cue = " ".join(f"cue_{word}" for s, e in quote.cue for word in text[s:e].lower().split())
    return f"{cue} {' '.join(text[s:e] for s, e in quote.content)}"
