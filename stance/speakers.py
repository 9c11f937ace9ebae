"""The second stage: who is speaking, by the fullest name that the article itself gives.

The network points from a source's words to mentions in the article; mentions of one name add up. Rules
make names full (surname, first name, acronym) and keep the noun phrase of a source that is never named.
"""

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stance.names import BODY_WORDS, PLACES, PRONOUNS, TITLES, Mention, gender, mentions, name_words, tidy_name, titled
from stance.network import StanceNetwork
from stance.quotes import TokenQuote, TokenSpan
from stance.roles import meant, roles
from stance.runtime import Reading
from stance.types import AttributedQuote, Quote, Span

# The article's own first person, as the annotation guidelines name it.
AUTHOR = "author"
# Candidates before a source and after it that the network compares.
_BEFORE, _AFTER = 96, 32
# How much likelier the speaker of the quote before is to be meant by "he" or "the minister", and when "Connecticut's
# tax commissioner" or "the spokesman" is somebody else whom the article names. Swept on polnear-dev and british-held:
# 3, 5, 8, 12, 20 for the first (close speakers 0.801 to 0.811 on polnear-dev); 0.7 to 0.95 for the second and 0 to 0.4
# for the third change it by less than 0.01.
_SPOKE_BEFORE = 12.0
_SURE_OF_ANOTHER = 0.8
_SURE_OF_ITSELF = 0.2
# For "her counterpart", who is seldom she; not swept.
_SURE_OF_OWNED = 0.95
_FIRST_PERSON = frozenset("i we me us my our".split())
_PERSONAL = frozenset("he she him her his hers himself herself".split())
_HERS = frozenset("she her hers herself".split())
_TITLE_WORD = r"(?:Mr|Mrs|Ms|Dr|Sir|Lord|Lady|Sen|Rep|Gov|Senators?|Representatives?|Cllr|President)"
_PREPOSITION = re.compile(
    r"\b(?:of|for|from|by|to|in|at|on|with|about|against|within|among|behind|near|including|like|such)\b", re.IGNORECASE
)
_LEADING = re.compile(r"(?:by|from|in|to|of|at|on|with|the|a|an|his|her|their|its|our|my)\s+", re.IGNORECASE)
_INDEFINITE = re.compile(
    r"(?:(?:by|from|in|to|of|at|on|with)\s+)?(?:an?|another|some|many|one|two|three)\s", re.IGNORECASE
)
_OWNED = re.compile(r"(?:by\s+)?(?:his|her|its|their|my|our)\s", re.IGNORECASE)
_DEFINITE = re.compile(r"(?:(?:by|from|in|to|of|at|on|with)\s+)?(?:the|this|that)\s", re.IGNORECASE)
_CLAUSE = re.compile(r"\s*(?:[,;(—–]|\s(?:who|which|that|whose|whom)\s).*", re.DOTALL)
# After a name these begin something new; any other word in lower case makes the name a modifier.
_AFTER_NAME = re.compile(
    r"\s+(?:who|which|whose|and|or|of|in|at|for|from|on|with|to|a|an|the|as|also|himself|herself|is|was|has"
    r"|news agency|newspaper|magazine|website|news website)\b"
)
# "The Republican" is somebody whom the article names elsewhere.
_MEMBER = re.compile(r"th(?:e|is|at)\s+(?:republican|democrat|conservative|independent|tory|liberal)", re.IGNORECASE)
# What says something without being anybody: it speaks for itself.
_THING = re.compile(
    r"(?:.*\s)?(?:ads?|clip|commercial|documentary|document|film|movie|poll|story|survey|video)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words in the article that may say who is speaking.

    Attributes:
        span: The words.
        name: The fullest name that the article gives for them, or their noun phrase.
        short: The name or phrase as it stands there.
        named: Whether it is a name.
    """

    span: Span
    name: str
    short: str
    named: bool


def attribute(
    quotes: Sequence[Quote],
    in_tokens: Sequence[TokenQuote],
    reading: Reading,
    network: StanceNetwork,
    text: str,
    found: Sequence[Candidate],
    known: Mapping[str, frozenset[str]],
) -> list[AttributedQuote]:
    """Name the speaker of each quote.

    Args:
        quotes: The quotes of the article, in reading order.
        in_tokens: The same quotes in tokens.
        reading: The article's token vectors.
        network: Its antecedent links judge.
        text: The article.
        found: From `candidates`.
        known: From `person_roles`.

    Returns:
        One attributed quote a quote, in order; the speaker is None where the article gives no source or
        the network is unsure.
    """
    if not quotes:
        return []
    spans = [quote.source or quote.content[0] for quote in in_tokens]
    # A source always stands for somebody: "none of them" is not learned for it.
    ranked = [ranking for ranking, _ in rank(spans, network.link_antecedent, reading, found, none=False)]
    own = {candidate.span: candidate for candidate in found}
    quoted = reading.tokens.quoted
    opened = [span.start for span in quoted]
    least = network.config.decoding.speaker
    attributed: list[AttributedQuote] = []
    for quote, certainty, ranking in zip(quotes, (q.certainty for q in in_tokens), ranked, strict=True):
        previous = attributed[-1] if attributed else None
        if quote.source is None:
            speaker, probability = _unattributed(quote, previous, ranking, text, least)
        elif text[quote.source.start : quote.source.end].strip().lower() in _FIRST_PERSON:
            k = bisect.bisect_right(opened, quote.source.start) - 1
            speaker, probability = (None if k >= 0 and quote.source.start < quoted[k].end else AUTHOR), 1.0
        else:
            spoke = previous.speaker if previous else None
            speaker, probability = _resolve(quote.source, own.get(quote.source), ranking, known, text, spoke, least)
        sure = speaker is not None and certainty >= network.config.decoding.link
        attributed.append(AttributedQuote(quote, speaker if sure else None, probability * certainty if sure else None))
    return attributed


def person_roles(text: str, found: Iterable[Candidate]) -> dict[str, frozenset[str]]:
    """Collect what the article calls its people (see `stance.roles`); `found` are from `candidates`."""
    return roles(text, [(c.span, c.name) for c in found if c.named and not _bodily(c.name)])


def _resolve(
    source: Span,
    own: Candidate | None,
    ranking: Sequence[tuple[Candidate, float]],
    known: Mapping[str, frozenset[str]],
    text: str,
    spoke: str | None,
    least: float,
) -> tuple[str | None, float]:
    """Name a source: its own name made full, its antecedent, or its noun phrase; and how likely that is."""
    words = text[source.start : source.end].strip()
    if own is not None and own.named:
        # The network chooses among the full names that the words fit ("Clinton": which of them).
        short = set(name_words(own.short))
        fitting = [(c.name, p) for c, p in ranking if c.named and short < set(name_words(c.name)) and p > 0.5]
        return fitting[0] if fitting else (own.name, 1.0)
    if _INDEFINITE.match(words) or (own is not None and _THING.fullmatch(own.name)):  # "a source" stands for itself
        return (None if own is None else own.name), 1.0
    personal = words.lower() in _PERSONAL
    inside = set(name_words(words)) if own is not None else set()
    likely = [
        (c.name, p * (_SPOKE_BEFORE if c.name == spoke else 1.0))
        for c, p in ranking
        # "The Lee campaign" is not Lee, and "he" no company.
        if not (c.named and inside & set(name_words(c.name))) and (not personal or _may_be(words.lower(), c))
    ]
    called = meant(words, known) if _DEFINITE.match(words) else None
    if called:
        likely = [(name, p) for name, p in likely if name in called] or [(name, 1.0) for name in called]
    total = sum(p for _, p in likely)
    name, probability = max(likely, key=lambda pair: pair[1], default=("", 0.0))
    sure = least if own is None or called or _DEFINITE.match(words) else _SURE_OF_ANOTHER
    if _OWNED.match(words):  # "her counterpart" is not she
        sure = _SURE_OF_OWNED
    share = probability / total if total else 0.0
    if share and share >= sure:
        return name, share
    if own is None or (_DEFINITE.match(words) and _own(ranking, own) < _SURE_OF_ITSELF):
        return None, 1.0 - share
    return own.name, (share if name == own.name else 1.0 - share)


def _own(ranking: Sequence[tuple[Candidate, float]], own: Candidate) -> float:
    return next((probability for candidate, probability in ranking if candidate.name == own.name), 0.0)


def _may_be(pronoun: str, candidate: Candidate) -> bool:
    """Whether "he" or "she" may mean a candidate: no body, no acronym, no first name of the other gender."""
    words = name_words(candidate.name)
    if BODY_WORDS & set(words) or PLACES.issuperset(words) or " and " in candidate.name:
        return False
    if candidate.name.isupper() and len(candidate.name) > 1:
        return False
    # A surname alone says nothing: "Lewis" may be she.
    known = gender(candidate.name) if " " in candidate.name else None
    return known in (None, "f" if pronoun in _HERS else "m")


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
    counts = Counter(mention.name for mention in named)
    starts = [mention.span.start for mention in named]
    found = {}
    for mention in named:
        name = full.get(mention.name, mention.name)
        title = titled(text, mention.span.start)
        if title is not None and gender(name) not in (None, title):  # "Mr Lee" is not Michelle Lee
            name = next((n for n in counts if _fits(mention.name, n) and gender(n) == title), mention.name)
        found[mention.span] = Candidate(mention.span, name, mention.name, True)
    for span in sources:
        if text[span.start : span.end].strip().lower() in PRONOUNS or span in found:
            continue
        inside = named[bisect.bisect_left(starts, span.start) : bisect.bisect_left(starts, span.end)]
        heads = [] if _MEMBER.fullmatch(text[span.start : span.end].strip()) else _heads(text, span, inside)
        if heads:
            names = [found[head.span].name for head in heads]
            found[span] = Candidate(span, " and ".join(names), " ".join(h.name for h in heads), True)
        elif phrase := noun_phrase(text[span.start : span.end]):
            found[span] = Candidate(span, phrase, phrase, False)
    return sorted(found.values(), key=lambda candidate: candidate.span)


def _fits(short: str, name: str) -> bool:
    """Whether a surname may stand for a name."""
    words = name_words(name)
    return len(words) > 1 and words[-1:] == name_words(short)


def noun_phrase(words: str) -> str:
    """Give a source that is no name as the guidelines write it: no article, no clause; "" for mere function words."""
    phrase = _CLAUSE.sub("", " ".join(words.split()))
    while match := _LEADING.match(phrase):
        phrase = phrase[match.end() :]
    return "" if phrase.lower() in PRONOUNS | {"", "the", "a", "an", "at least"} else tidy_name(phrase)


def _heads(text: str, span: Span, inside: Sequence[Mention]) -> list[Mention]:
    """Find whom a source is about: "his lawyer, Tom Adeyo", but not "Adeyo's lawyer" or "Adeyo supporters"."""
    lead = _LEADING.match(text, span.start, span.end)
    start = lead.end() if lead else span.start
    heads = []
    for mention in inside:
        before = text[start : mention.span.start].rpartition(",")[2]
        after = text[mention.span.end : span.end]
        modifies = re.match(r"['’]s?\s+\w|-\w", after) or (
            re.match(r"\s+[a-z]", after) and not _AFTER_NAME.match(after)
        )
        if not modifies and not _PREPOSITION.search(before):
            heads.append(mention)
    if not heads:
        return []
    first, *rest = heads
    after = text[first.span.end : span.end]
    role = _bodily(first.name) or re.match(r"\.?\s+[A-Z]", after) is not None
    role = role or (first.name.isupper() and re.match(r",\s+[A-Z]", after) is not None)  # "the MSP, Ann Lee"
    person = next((i for i, head in enumerate(rest) if role and _like_a_person(name_words(head.name))), None)
    chosen = heads if person is None else rest[person:]
    joint = [chosen[0]]
    for head in chosen[1:]:
        between = text[joint[-1].span.end : head.span.start]
        if not re.fullmatch(rf"\s*(?:,|,?\s+and|&)\s+(?:{_TITLE_WORD}\.?\s+)*", between):
            break
        joint.append(head)
    # A comma alone may begin an apposition; only "and" makes several speakers.
    together = " and " in text[joint[0].span.end : joint[-1].span.start]
    return joint if together else joint[:1]


def _bodily(name: str) -> bool:
    words = name.lower().split()
    if len(words) == 2 and gender(name) is not None:  # "Charlie King"
        return False
    return bool((BODY_WORDS | TITLES) & set(words))


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
            and not PLACES.issuperset(short)
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


def _unattributed(
    quote: Quote, previous: AttributedQuote | None, ranking: Sequence[tuple[Candidate, float]], text: str, least: float
) -> tuple[str | None, float]:
    """A quote without a source: the speaker of the one before where the speech goes on, else nobody."""
    if quote.cue is not None or previous is None or previous.speaker is None:
        return None, 1.0
    between = text[previous.quote.content[-1].end : quote.content[0].start]
    if len(between) < 200 and not any(c.isalnum() for c in between):
        return previous.speaker, previous.probability or 1.0
    likely = next((p for candidate, p in ranking if candidate.name == previous.speaker), 0.0)
    return (previous.speaker if likely >= least else None), likely


@torch.inference_mode()
def rank(
    spans: Sequence[TokenSpan],
    link: Callable[[Tensor, Tensor, Tensor], Tensor],
    reading: Reading,
    found: Sequence[Candidate],
    *,
    none: bool,
) -> list[tuple[list[tuple[Candidate, float]], float]]:
    """Rank the names that spans of an article may stand for.

    Args:
        spans: In tokens.
        link: `StanceNetwork.link_antecedent` or `link_target`.
        reading: What the network saw.
        found: From `candidates`.
        none: Whether "none of them" is an answer.

    Returns:
        For each span a candidate of each name near it with the name's probability, best first, and the
        probability of "none of them".
    """
    places_of = reading.tokens.first_touching([candidate.span for candidate in found])
    placed = [candidate for candidate, place in zip(found, places_of, strict=True) if place is not None]
    places = [place for place in places_of if place is not None]
    if not placed or not spans:
        return [([], 1.0) for _ in spans]
    near = []
    for start, end in spans:
        low, high = bisect.bisect_left(places, start), bisect.bisect_right(places, end - 1)
        near.append(range(max(0, low - _BEFORE), min(len(places), high + _AFTER)))
    width = max(len(r) for r in near)
    table = torch.tensor(
        [[places[i] for i in r] + [-1] * (width - len(r)) for r in near], device=reading.vectors.device
    )
    logits = link(reading.vectors, torch.tensor(spans, device=table.device), table)
    if not none:
        logits = logits[:, :-1]
    rankings = []
    for row, r in zip(logits.softmax(-1).tolist(), near, strict=True):
        names: dict[str, float] = defaultdict(float)
        first: dict[str, Candidate] = {}
        for i, probability in zip(r, row, strict=False):
            names[placed[i].name] += probability
            first.setdefault(placed[i].name, placed[i])
        ranking = sorted(((first[name], p) for name, p in names.items()), key=lambda pair: -pair[1])
        rankings.append((ranking, row[-1] if none else 0.0))
    return rankings


def _like_a_person(words: tuple[str, ...]) -> bool:
    return 1 < len(words) <= 4 and not (BODY_WORDS | TITLES | {"of", "for", "the", "and"}) & set(words)


def _initials(names: Iterable[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name in names:
        parts = re.findall(r"\w+", name)
        if len(parts) > 1:
            result.setdefault("".join(p[0] for p in parts).lower(), name)
            result.setdefault("".join(p[0] for p in parts if p[0].isupper()).lower(), name)
    return result
