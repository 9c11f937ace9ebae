"""What to annotate next: of a job's quotes those that teach most, as tasks of Label Studio.

A quote teaches where the network is unsure (entropy of its stances), where it may have a rare label, and where it is
unlike what was already chosen: greedily, the next quote is the one with the largest product of the three. Likeness is
the cosine of TF-IDF vectors of words. A quote whose words were already chosen, or annotated, is not chosen again.

The annotator gets the paragraphs around the quote, with all that the network found in them to be corrected, for a
passage in which some quotes are not marked would teach that there are none; the whole article can be unfolded beside
it.
"""

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from stance.errors import InputError
from stance.export import check_job
from stance.records import NAMED
from stance.types import Article, Span, Stance
from training.annotations import AnnotatedArticle
from training.formats.label_studio import task
from training.formats.results import Predicted, predicted

# Of so many times the wanted quotes the most telling are compared with each other.
_POOL = 20
_LEAST_POOL = 2_000
_LEAST_WORDS = 3
_COLUMNS = ["article_id", "claim_id", "content", "content_spans", "stance", "probabilities"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A quote that may be chosen.

    Attributes:
        article, claim: Ids.
        content: Its words.
        stance: What the network says.
        chances: Of the stances, in the order of `Stance`.
    """

    article: str
    claim: str
    content: str
    stance: str
    chances: tuple[float, ...]

    @property
    def doubt(self) -> float:
        """Entropy of the stances, in [0, 1]."""
        some = [chance for chance in self.chances if chance > 0]
        return max(0.0, -sum(chance * math.log(chance) for chance in some) / math.log(len(Stance)))


@dataclass(slots=True)
class Suggestion:
    """What was chosen.

    Attributes:
        tasks: For Label Studio, the most telling first.
        chosen: Quotes chosen.
        of: Quotes of the job.
        left_out: How many were passed over, by reason.
        stances: How many of the chosen have each stance.
        errors: Articles that cannot be used, and why.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    chosen: int = 0
    of: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    stances: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Done:
    """What is annotated already: articles, and of others passages."""

    articles: set[str]
    passages: Mapping[str, Sequence[Span]]


def suggest(
    folder: Path,
    *,
    wanted: int,
    known: Iterable[AnnotatedArticle] = (),
    passage_chars: int = 2_000,
    per_article: int = 3,
) -> Suggestion:
    """Choose what to annotate next.

    Args:
        folder: Of a job; what is done of an unfinished one counts.
        wanted: Quotes at most.
        known: Annotated already: neither their articles nor what stands in their passages is chosen.
        passage_chars: How much of the article an annotator gets around a quote; a shorter article comes whole.
        per_article: Quotes of one article at most.

    Raises:
        ConfigError: No job's folder.
        InputError: A part that cannot be read.
    """
    check_job(folder)
    found = Suggestion()
    annotated = list(known)
    done = _Done(_articles_done(folder, annotated), _passages_done(folder, annotated))
    said = {_plain(" ".join(a.article.text[s:e] for s, e in q.content)) for a in annotated for q in a.quotes}
    pool = _pool(folder, max(_POOL * wanted, _LEAST_POOL), done, said, found)
    chosen = choose(pool, wanted, per_article=per_article)
    found.left_out["less telling than those chosen, or too many of one article"] += len(pool) - len(chosen)
    found.chosen = len(chosen)
    found.stances.update(one.stance for one in chosen)
    by_article: dict[str, list[Candidate]] = {}
    for one in chosen:
        by_article.setdefault(one.article, []).append(one)
    made: dict[str, list[dict[str, Any]]] = {}
    for article, claims in _with_claims(folder, by_article):
        try:
            made[article.id] = list(_tasks(article, claims, by_article[article.id], passage_chars))
        except (ValueError, InputError) as error:
            found.errors.append(f"{folder}: article {article.id!r}: {error}")
    found.tasks = [one for name in by_article for one in made.get(name, ())]
    return found


def choose(pool: Sequence[Candidate], wanted: int, *, per_article: int) -> list[Candidate]:
    """Choose greedily by doubt, rarity of the label and unlikeness to what is chosen already.

    Args:
        pool: In any order; the result depends on its content alone.
        wanted: How many at most.
        per_article: Of one article at most.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not pool:
        return []
    ordered = sorted(pool, key=lambda one: (one.article, one.claim))
    chances = np.array([one.chances for one in ordered])
    share = chances.mean(0)
    # What the quote may be counts, not only what is likeliest; the square root: a label a hundred times rarer counts
    # ten times, not a hundred times.
    rarity = chances @ np.sqrt(share.max() / np.maximum(share, 1e-9))
    worth = np.array([one.doubt for one in ordered]) * rarity
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform([one.content for one in ordered])
    unlike = np.ones(len(ordered))
    taken: Counter[str] = Counter()
    chosen: list[Candidate] = []
    while len(chosen) < wanted:
        value = worth * unlike
        best = int(value.argmax())
        if value[best] <= 0:
            break
        one = ordered[best]
        worth[best] = 0
        if taken[one.article] == per_article:
            continue
        taken[one.article] += 1
        chosen.append(one)
        unlike = np.minimum(unlike, 1 - (vectors @ vectors[best].T).toarray().ravel())
    return chosen


def _pool(folder: Path, size: int, done: _Done, said: set[str], found: Suggestion) -> list[Candidate]:
    """Read all claims once and keep those in most doubt, for each label apart so that the rare ones have room."""
    heaps: dict[str, list[tuple[float, int, Candidate]]] = {}
    order = count()
    seen: set[int] = set()
    for row in _rows(folder, "claims", _COLUMNS):
        found.of += 1
        words = _plain(row["content"])
        if row["article_id"] in done.articles:
            found.left_out["in articles that are annotated already"] += 1
        elif _within(row["content_spans"], done.passages.get(row["article_id"], ())):
            found.left_out["in passages that are annotated already"] += 1
        elif words in said or hash(words) in seen:
            found.left_out["in the same words as another"] += 1
        elif len(words.split()) < _LEAST_WORDS:
            found.left_out[f"shorter than {_LEAST_WORDS} words"] += 1
        else:
            seen.add(hash(words))
            chances = tuple(row["probabilities"][stance] for stance in Stance)
            one = Candidate(row["article_id"], row["claim_id"], row["content"], row["stance"], chances)
            heap = heaps.setdefault(one.stance, [])
            if len(heap) < size:
                heapq.heappush(heap, (one.doubt, next(order), one))
            else:
                heapq.heappushpop(heap, (one.doubt, next(order), one))
                found.left_out["less in doubt"] += 1
    return [one for heap in heaps.values() for _, _, one in heap]


def _articles_done(folder: Path, annotated: Sequence[AnnotatedArticle]) -> set[str]:
    from training.formats.carried import digest

    texts = {digest(one.article.text) for one in annotated}
    if not texts:
        return set()
    return {row["article_id"] for row in _rows(folder, "articles", ["article_id", "sha256"]) if row["sha256"] in texts}


def _passages_done(folder: Path, annotated: Sequence[AnnotatedArticle]) -> dict[str, list[Span]]:
    told: dict[str, list[tuple[Span, str]]] = {}
    for one in annotated:
        match one.article.metadata:
            case {"passage_of": str(name), "passage": [int(start), int(end)]}:
                told.setdefault(name, []).append((Span(start, end), one.article.text))
    done: dict[str, list[Span]] = {}
    if told:
        for row in _rows(folder, "articles", ["article_id", "text"]):
            # Another job may have given the same id to another article.
            same = [span for span, text in told.get(row["article_id"], ()) if (row["text"] or "")[slice(*span)] == text]
            done.setdefault(row["article_id"], []).extend(same)
    return done


def _within(content: Sequence[Mapping[str, int]], passages: Sequence[Span]) -> bool:
    return any(start <= content[0]["start"] and content[-1]["end"] <= end for start, end in passages)


def _rows(folder: Path, kind: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    from stance.parquet import SCHEMAS, parts, read_batches

    for path in parts(folder, kind):
        for batch in read_batches(path, SCHEMAS[kind], columns):
            yield from batch.to_pylist()


def _with_claims(
    folder: Path, wanted: Mapping[str, Sequence[Candidate]]
) -> Iterator[tuple[Article, list[dict[str, Any]]]]:
    from stance.parquet import SCHEMAS, claim_rows, parts, read_batches

    claims: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    for path in parts(folder, "claims"):
        for batch in read_batches(path, SCHEMAS["claims"]):
            if not wanted.keys().isdisjoint(batch["article_id"].to_pylist()):
                for row in claim_rows(batch):
                    if row["article_id"] in wanted:
                        claims[row["article_id"]].append(row)
    for row in _rows(folder, "articles", ["article_id", "text", "duplicate_of", *NAMED]):
        if row["article_id"] in wanted and row["duplicate_of"] is None:
            metadata = {key: row[key] for key in NAMED if row[key] is not None}
            yield Article(row["article_id"], row["text"], metadata), claims[row["article_id"]]


def _tasks(
    article: Article, claims: Sequence[Mapping[str, Any]], chosen: Sequence[Candidate], chars: int
) -> Iterator[dict[str, Any]]:
    places = {row["claim_id"]: (row["content_spans"][0][0], row["content_spans"][-1][1]) for row in claims}
    whole = predicted(article, claims)
    doubts = {one.claim: one for one in chosen}
    for start, end in _passages(article.text, [places[one.claim] for one in chosen], whole, chars):
        inside = [doubts[name] for name, (s, e) in places.items() if name in doubts and start <= s and e <= end]
        if not inside:
            continue
        cut = _passage(whole, start, end)
        rest = article.text if (start, end) != (0, len(article.text)) else ""
        yield task(cut.annotated, model=cut.model, scores=cut.scores, whole=rest, why=_why(inside))


def _passages(text: str, places: Sequence[tuple[int, int]], whole: Predicted, chars: int) -> list[tuple[int, int]]:
    """Give the passages around quotes: whole paragraphs, no found quote cut in two, overlapping ones joined."""
    if len(text) <= 2 * chars:
        return [(0, len(text))]
    breaks = [0, *(found.end() for found in re.finditer(r"\n\s*", text)), len(text)]
    spans = [(s, e) for s, e in (_extent(quote) for quote in whole.annotated.quotes)]
    found: list[tuple[int, int]] = []
    for start, end in sorted(places):
        margin = max(0, chars - (end - start)) // 2
        low = max((at for at in breaks if at <= max(0, start - margin)), default=0)
        high = min((at for at in breaks if at >= min(len(text), end + margin)), default=len(text))
        while cut := [(s, e) for s, e in spans if s < low < e or s < high < e]:
            # Not only to the quote's own end: its paragraph goes with it.
            low = max(at for at in breaks if at <= min([low, *(s for s, _ in cut)]))
            high = min(at for at in breaks if at >= max([high, *(e for _, e in cut)]))
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _passage(whole: Predicted, start: int, end: int) -> Predicted:
    article = whole.annotated.article
    text = article.text[start:end]
    kept = text.rstrip()
    inside = [
        (quote, score)
        for quote, score in zip(whole.annotated.quotes, whole.scores, strict=True)
        if start <= _extent(quote)[0] and _extent(quote)[1] <= start + len(kept)
    ]

    def moved(spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple(Span(s - start, e - start) for s, e in spans)

    quotes = [replace(q, content=moved(q.content), cue=moved(q.cue), source=moved(q.source)) for q, _ in inside]
    if len(text) == len(article.text):
        return Predicted(replace(whole.annotated, quotes=tuple(quotes)), whole.model, tuple(s for _, s in inside))
    metadata = {**article.metadata, "passage_of": article.id, "passage": [start, start + len(kept)]}
    part = Article(f"{article.id}@{start}", kept, metadata)
    return Predicted(AnnotatedArticle(part, tuple(quotes)), whole.model, tuple(score for _, score in inside))


def _extent(quote: Any) -> tuple[int, int]:
    spans = (*quote.content, *quote.cue, *quote.source)
    return min(s for s, _ in spans), max(e for _, e in spans)


def _why(chosen: Sequence[Candidate]) -> str:
    quotes = "; ".join(f"“{one.content[:100]}” ({one.stance}?)" for one in chosen)
    return f"Correct all that is marked here, and mark what is missing. In doubt: {quotes}"


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold()))
