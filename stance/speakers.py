"""The second stage: who is speaking, by the fullest name that the article itself gives.

The network points from a source's words to mentions in the article; mentions of one name add up. Rules
make names full (surname, first name, acronym) and keep the noun phrase of a source that is never named.
"""

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from stance.marks import quoted_spans
from stance.names import PRONOUNS, Mention, mentions, name_words, tidy_name
from stance.network import StanceNetwork
from stance.quotes import TokenQuote
from stance.runtime import Reading
from stance.types import AttributedQuote, Quote, Span

# The article's own first person, as the annotation guidelines name it.
AUTHOR = "author"
# Candidates before a source and after it that the network compares.
_BEFORE, _AFTER = 96, 32
_BODY_WORDS = frozenset(
    "post times journal daily news party university college council committee association agency department "
    "ministry court office bank group company corporation inc ltd plc union federation institute foundation house "
    "street united city county state states board commission international network press tribune herald star "
    "trust hospital school church police service services airport campaign center centre airlines".split()
)
_FIRST_PERSON = frozenset(["i", "we", "me", "us", "my", "our"])


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words in the article that may say who is speaking.

    Attributes:
        span: The words.
        name: The fullest name that the article gives for them.
    """

    span: Span
    name: str


def attribute(
    quotes: Sequence[Quote],
    in_tokens: Sequence[TokenQuote],
    reading: Reading,
    network: StanceNetwork,
    text: str,
    found: Sequence[Candidate],
) -> list[AttributedQuote]:
    """Name the speaker of each quote.

    Args:
        quotes: The quotes of the article, in reading order.
        in_tokens: The same quotes in tokens.
        reading: The article's token vectors.
        network: Its antecedent links judge.
        text: The article.
        found: From `candidates`.

    Returns:
        One attributed quote a quote, in order; the speaker is None where the article gives no source or
        the network is unsure.
    """
    if not quotes:
        return []
    ranked = _antecedents(in_tokens, reading, network, found)
    quoted = quoted_spans(text)
    opened = [span.start for span in quoted]
    attributed: list[AttributedQuote] = []
    for quote, ranking in zip(quotes, ranked, strict=True):
        previous = attributed[-1] if attributed else None
        if quote.source is None:
            speaker = _unattributed(quote, previous, ranking, text, network.config.decoding.speaker)
        else:
            k = bisect.bisect_right(opened, quote.source.start) - 1
            inside = k >= 0 and quote.source.start < quoted[k].end
            speaker = _attributed(quote.source, ranking, text, inside, network.config.decoding.speaker)
        attributed.append(AttributedQuote(quote, speaker))
    return attributed


def candidates(text: str, sources: Iterable[Span]) -> list[Candidate]:
    """Collect what may name a speaker: every mention of a name, and every source that is no pronoun.

    Args:
        text: The article.
        sources: Spans of the sources found in it.

    Returns:
        Candidates in reading order, one for each span.
    """
    named = mentions(text)
    full = fullest(named, text)
    found = {mention.span: full.get(mention.name, mention.name) for mention in named}
    for span in sources:
        words = text[span.start : span.end]
        if words.lower().strip() not in PRONOUNS and span not in found:
            found[span] = tidy_name(words)
    return [Candidate(span, name) for span, name in sorted(found.items())]


def fullest(named: Sequence[Mention], text: str) -> dict[str, str]:
    """Map each short name to its fullest form in the same article: surnames, first names, acronyms."""
    counts = Counter(mention.name for mention in named)
    words = {name: name_words(name) for name in counts}
    people: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        if _like_a_person(words[name]):
            people[words[name][-1]].append(name)
            people[words[name][0]].append(name)
    initials = _initials(counts)
    result = {}
    for name, short in words.items():
        longer = [
            other
            for other in people.get(short[-1], [])
            if len(words[other]) > len(short)
            and (words[other][-len(short) :] == short or (len(short) == 1 and words[other][0] == short[0]))
        ]
        if longer:
            result[name] = max(longer, key=lambda other: (counts[other], len(words[other]), other))
        elif name.isupper() and len(name) > 1 and (spelled := initials.get(name.replace(".", "").lower())):
            result[name] = spelled
    for match in re.finditer(r"\(([A-Z][A-Za-z.]{1,7})\)", text):
        before = next((m.name for m in named if 0 <= match.start() - m.span.end <= 1), None)
        if before is not None and match[1] in counts and match[1] not in result:
            result[match[1]] = before
    return result


def _attributed(
    source: Span, ranking: Sequence[tuple[str, float]], text: str, inside: bool, least: float
) -> str | None:
    words = text[source.start : source.end]
    bare = words.strip().lower()
    if bare in _FIRST_PERSON:
        return None if inside else AUTHOR
    if ranking and ranking[0][1] >= least:
        return ranking[0][0]
    return None if bare in PRONOUNS else tidy_name(words)


def _unattributed(
    quote: Quote, previous: AttributedQuote | None, ranking: Sequence[tuple[str, float]], text: str, least: float
) -> str | None:
    """A quote without a source: the speaker of the one before where the speech goes on, else nobody."""
    if quote.cue is not None or previous is None:
        return None
    between = text[previous.quote.content[-1].end : quote.content[0].start]
    if len(between) < 200 and not any(c.isalnum() for c in between):
        return previous.speaker
    best = ranking[0] if ranking else ("", 0.0)
    return best[0] if best[0] == previous.speaker and best[1] >= least else None


@torch.inference_mode()
def _antecedents(
    quotes: Sequence[TokenQuote], reading: Reading, network: StanceNetwork, found: Sequence[Candidate]
) -> list[list[tuple[str, float]]]:
    """Rank the names for each quote's source: name and probability, best first."""
    placed = [(candidate, t[0]) for candidate in found if (t := reading.tokens.touching(candidate.span))]
    if not placed:
        return [[] for _ in quotes]
    places = [place for _, place in placed]
    spans = [quote.source or quote.content[0] for quote in quotes]
    near = []
    for start, end in spans:
        low, high = bisect.bisect_left(places, start), bisect.bisect_right(places, end - 1)
        near.append(range(max(0, low - _BEFORE), min(len(places), high + _AFTER)))
    width = max(len(r) for r in near)
    table = torch.tensor(
        [[places[i] for i in r] + [-1] * (width - len(r)) for r in near], device=reading.vectors.device
    )
    logits = network.link_antecedent(reading.vectors, torch.tensor(spans, device=table.device), table)
    rankings = []
    for row, r in zip(logits[:, :-1].softmax(-1).tolist(), near, strict=True):
        names: dict[str, float] = defaultdict(float)
        for i, probability in zip(r, row, strict=False):
            names[placed[i][0].name] += probability
        rankings.append(sorted(names.items(), key=lambda item: -item[1]))
    return rankings


def _like_a_person(words: tuple[str, ...]) -> bool:
    return 1 < len(words) <= 4 and not (_BODY_WORDS | {"of", "for", "the", "and"}) & set(words)


def _initials(names: Iterable[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name in names:
        parts = re.findall(r"\w+", name)
        if len(parts) > 1:
            result.setdefault("".join(p[0] for p in parts).lower(), name)
            result.setdefault("".join(p[0] for p in parts if p[0].isupper()).lower(), name)
    return result
