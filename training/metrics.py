"""The figures by which a model is judged: predicted claims against annotated articles.

A predicted quote matches a gold quote when their contents, as sets of white-space tokens, have an
intersection over union of at least one half; best pairs first, each used once. Everything is
micro-averaged over all articles. The same definitions as the reference scorer that the project's figures
are compared by; they agree to the last digit.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stance.types import Span, Stance
from training.annotations import AnnotatedArticle, GoldQuote

_LEAST_OVERLAP = 0.5
_EDGES = frozenset(" \t\r\n\"'“”‘’«»,.;:!?…")
# Words that do not tell one name from another when a predicted speaker is compared with the gold one.
_UNNAMING = frozenset(
    "a an the mr mrs ms dr sir lord dame lady prof professor chancellor mp former senator sen representative rep "
    "governor gov general gen president prime minister secretary spokesman spokeswoman spokesperson".split()
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Precision, recall and F1 from counts; 0 where there is nothing to divide by."""

    hits: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the predicted that is right."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold that is found."""
        return self.hits / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class StanceScore:
    """How well stances are told apart, over the quotes that have a gold stance.

    Attributes:
        labels: F1, precision, recall and number of gold quotes of each label.
        macro_f1: Mean F1 of the labels that gold has.
        accuracy: Share of right labels.
        n: Quotes counted.
    """

    labels: Mapping[str, tuple[float, float, float, int]]
    macro_f1: float
    accuracy: float
    n: int


@dataclass(frozen=True, slots=True)
class Score:
    """All figures of one evaluation.

    Attributes:
        quotes, tokens, attributed, claim: Quotes matched; words of content; quotes with the right source;
            quotes with a close speaker and the right stance.
        boundaries: Share of matched quotes whose outer boundaries are right.
        source: Share of matched quotes with a gold source whose source is right.
        speaker_exact, speaker_close, speaker_wrong: Shares of the matched quotes with a known speaker.
        target_exact, target_close, target_wrong: Shares of the matched quotes with a known target.
        stance: Over the matched quotes.
    """

    quotes: Ratio
    tokens: Ratio
    attributed: Ratio
    claim: Ratio
    boundaries: float
    source: float
    speaker_exact: float
    speaker_close: float
    speaker_wrong: float
    target_exact: float
    target_close: float
    target_wrong: float
    stance: StanceScore

    def figures(self) -> dict[str, float]:
        """Give the headline figures by name."""
        return {
            "quotes F1": self.quotes.f1,
            "boundaries": self.boundaries,
            "tokens F1": self.tokens.f1,
            "attributed F1": self.attributed.f1,
            "speaker exact": self.speaker_exact,
            "speaker close": self.speaker_close,
            "speaker wrong": self.speaker_wrong,
            "target exact": self.target_exact,
            "target close": self.target_close,
            "target wrong": self.target_wrong,
            "stance macro F1 (matched)": self.stance.macro_f1,
            "claim F1": self.claim.f1,
        }


@dataclass(frozen=True, slots=True)
class NameMatch:
    """How a predicted name compares with the gold one.

    Attributes:
        known: Whether gold knows the name; the others say nothing where it does not.
        exact: The same words, titles and articles aside.
        close: One name's words are among the other's.
        given: Whether a name was predicted.
    """

    known: bool
    exact: bool
    close: bool
    given: bool

    @property
    def right(self) -> bool:
        """Whether the name is close enough for the claim to be right."""
        return self.close or not self.known


@dataclass(frozen=True, slots=True)
class Pair:
    """A gold quote and the predicted record that matches it, or one of them alone.

    Attributes:
        quote: None: the record is a false alarm.
        claim: None: the quote was missed.
        boundaries, source: Whether the outer boundaries and the source are right; False where one is alone.
        speaker, target: How the names compare; None where one is alone.
    """

    quote: GoldQuote | None
    claim: Mapping[str, Any] | None
    boundaries: bool = False
    source: bool = False
    speaker: NameMatch | None = None
    target: NameMatch | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one article, which add up to a score."""

    counts: Counter[str]
    stances: tuple[tuple[str, str], ...]


def score(articles: Iterable[AnnotatedArticle], claims: Iterable[Mapping[str, Any]]) -> Score:
    """Score predicted records (see `stance.records`) against annotated articles.

    Args:
        articles: Gold; optional quotes count neither as missed nor, when matched, as false alarms.
        claims: At least `article_id` and `content_spans`; where given `source_span`, `speaker`, `target`, `stance`.
    """
    by_article: dict[str, list[Mapping[str, Any]]] = {}
    for claim in claims:
        by_article.setdefault(claim["article_id"], []).append(claim)
    return total([tally(annotated, by_article.get(annotated.article.id, [])) for annotated in articles])


def total(tallies: Sequence[Tally]) -> Score:
    """Add up articles to a score."""
    count: Counter[str] = Counter()
    for one in tallies:
        count.update(one.counts)
    matched = max(1, count["matched"])
    return Score(
        quotes=Ratio(count["matched"], count["predicted"], count["gold"]),
        tokens=Ratio(count["words_right"], count["words_predicted"], count["words_gold"]),
        attributed=Ratio(count["attributed"], count["predicted"], count["gold"]),
        claim=Ratio(count["claim"], count["predicted"], count["gold"]),
        boundaries=count["boundaries"] / matched,
        source=count["source_right"] / max(1, count["sourced"]),
        **{f"{kind}_{how}": share for kind in ("speaker", "target") for how, share in _named(kind, count).items()},
        stance=stance_score([pair for one in tallies for pair in one.stances]),
    )


def _named(kind: str, count: Counter[str]) -> dict[str, float]:
    known = max(1, count[kind])
    wrong = count[f"{kind}_given"] - count[f"{kind}_close"]
    return {"exact": count[f"{kind}_exact"] / known, "close": count[f"{kind}_close"] / known, "wrong": wrong / known}


def stance_score(pairs: Sequence[tuple[str, str]]) -> StanceScore:
    """Score pairs of gold and predicted stance."""
    labels = [str(label) for label in Stance]
    if not pairs:
        return StanceScore(dict.fromkeys(labels, (0.0, 0.0, 0.0, 0)), 0.0, 0.0, 0)
    count = Counter(pairs)
    gold, predicted = (Counter(labels) for labels in zip(*pairs, strict=True))
    ratios = {label: Ratio(count[label, label], predicted[label], gold[label]) for label in labels}
    by_label = {label: (one.f1, one.precision, one.recall, one.gold) for label, one in ratios.items()}
    present = [f1 for f1, _, _, number in by_label.values() if number]
    right = sum(g == h for g, h in pairs)
    return StanceScore(by_label, sum(present) / max(1, len(present)), right / len(pairs), len(pairs))


def tally(annotated: AnnotatedArticle, claims: Sequence[Mapping[str, Any]]) -> Tally:
    """Count one article's predicted records against its gold quotes."""
    count: Counter[str] = Counter()
    stances: list[tuple[str, str]] = []
    words = _words(annotated.article.text)
    gold = [_touched(words, quote.content) for quote in annotated.quotes]
    predicted = [_touched(words, _as_spans(claim["content_spans"])) for claim in claims]
    required = {w for q, found in zip(annotated.quotes, gold, strict=True) if not q.optional for w in found}
    allowed = set().union(*gold)
    said = set().union(*predicted)
    count["words_right"] += len(said & required)
    count["words_gold"] += len(required)
    count["words_predicted"] += len(said - (allowed - required))
    count["gold"] += sum(not quote.optional for quote in annotated.quotes)
    count["predicted"] += len(claims)
    for pair in _matched(annotated, claims, words, gold, predicted):
        quote, claim = pair.quote, pair.claim
        if quote is None or claim is None:
            continue
        if quote.optional:
            count["predicted"] -= 1
            continue
        count["matched"] += 1
        count["boundaries"] += pair.boundaries
        count["attributed"] += pair.source
        if _touched(words, quote.source):
            count["sourced"] += 1
            count["source_right"] += pair.source
        for kind, name in (("speaker", pair.speaker), ("target", pair.target)):
            if name is not None and name.known:
                count[kind] += 1
                count[f"{kind}_exact"] += name.exact
                count[f"{kind}_close"] += name.close
                count[f"{kind}_given"] += name.given
        if quote.stance is not None:
            stances.append((str(quote.stance), str(claim.get("stance"))))
            count["claim"] += pair.speaker is not None and pair.speaker.right and claim.get("stance") == quote.stance
    return Tally(count, tuple(stances))


def pairs(annotated: AnnotatedArticle, claims: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Set an article's gold quotes and predicted records side by side.

    Returns:
        The matches, then the gold quotes that were missed (no optional ones), then the false alarms.
    """
    words = _words(annotated.article.text)
    gold = [_touched(words, quote.content) for quote in annotated.quotes]
    predicted = [_touched(words, _as_spans(claim["content_spans"])) for claim in claims]
    found = _matched(annotated, claims, words, gold, predicted)
    quotes, records = ({id(pair.quote) for pair in found}, {id(pair.claim) for pair in found})
    missed = [Pair(quote, None) for quote in annotated.quotes if id(quote) not in quotes and not quote.optional]
    return found + missed + [Pair(None, claim) for claim in claims if id(claim) not in records]


def _matched(
    annotated: AnnotatedArticle,
    claims: Sequence[Mapping[str, Any]],
    words: Sequence[Span],
    gold: Sequence[set[int]],
    predicted: Sequence[set[int]],
) -> list[Pair]:
    text = annotated.article.text
    result = []
    for i, j in match(gold, predicted):
        quote, claim = annotated.quotes[i], claims[j]
        known, found = _touched(words, quote.source), _touched(words, _as_spans(claim.get("source_span")))
        result.append(
            Pair(
                quote,
                claim,
                _outer(text, quote.content) == _outer(text, _as_spans(claim["content_spans"])),
                bool(known & found) if known else not found,
                _compared(quote.speaker, claim.get("speaker")),
                _compared(quote.target, claim.get("target")),
            )
        )
    return result


def _compared(known: str | None, name: str | None) -> NameMatch:
    if known in (None, "", "?"):
        return NameMatch(False, False, False, bool(name))
    gold, mine = _naming_words(known), _naming_words(name or "")
    close = bool(mine) and (set(mine) <= set(gold) or set(gold) <= set(mine))
    return NameMatch(True, mine == gold, close, bool(mine))


def match(gold: Sequence[set[int]], predicted: Sequence[set[int]]) -> list[tuple[int, int]]:
    """Pair gold and predicted quotes by the overlap of their words: best first, earlier before later."""
    pairs = [(-len(g & p) / len(g | p), i, j) for i, g in enumerate(gold) for j, p in enumerate(predicted) if g & p]
    result: list[tuple[int, int]] = []
    for overlap, i, j in sorted(pairs):
        free = all(i != taken and j != other for taken, other in result)
        if -overlap >= _LEAST_OVERLAP and free:
            result.append((i, j))
    return result


def _words(text: str) -> list[Span]:
    return [Span(*match.span()) for match in re.finditer(r"\S+", text)]


def _touched(words: Sequence[Span], spans: Iterable[Span]) -> set[int]:
    """Indices of the white-space tokens that share a code point with one of the spans."""
    return {i for s, e in spans for i, word in enumerate(words) if word.start < e and word.end > s}


def _outer(text: str, spans: Sequence[Span]) -> tuple[int, int]:
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    while start < end:
        if text[start] in _EDGES:
            start += 1
        elif re.match(r"that\b", text[start:end]):
            start += len("that")
        else:
            break
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    return start, end


def _naming_words(name: str) -> tuple[str, ...]:
    found = re.findall(r"\w+", re.sub(r"[’']s\b", "", name.lower()))
    return tuple(word for word in found if word not in _UNNAMING) or tuple(found)


def _as_spans(value: Any) -> list[Span]:
    if not value:
        return []
    return [Span(*value)] if isinstance(value[0], int) else [Span(*pair) for pair in value]
