"""The second stage: who is speaking, by the fullest name that the article itself gives.

The network points from a source's words to mentions in the article; mentions of one name add up. Rules keep the noun
phrase of a source that is never named, and give no name where two people may be meant.
"""

import bisect
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from stance.candidates import RELATIVE, Candidate, bodily, like_a_person
from stance.names import BODY_WORDS, POSSESSIVES, PRONOUNS, folded, gender, is_place, name_words
from stance.network import Decoding, StanceNetwork
from stance.quotes import TokenQuote, TokenSpan
from stance.roles import Kind, another, head, kind_of, meant, role_words, roles
from stance.runtime import Reading
from stance.types import AttributedQuote, Quote, Span

# The article's own first person, as the annotation guidelines name it.
AUTHOR = "author"
# Candidates before a source and after it that the network compares.
_BEFORE, _AFTER = 96, 32
# How much likelier the speaker of the quote before is to be meant by "the minister", and when "Connecticut's
# tax commissioner" or "the spokesman" is somebody else whom the article names. Swept on polnear-dev and british-held:
# 3, 5, 8, 12, 20 for the first (close speakers 0.801 to 0.811 on polnear-dev); 0.7 to 0.95 for the second and 0 to 0.4
# for the third change it by less than 0.01.
_SPOKE_BEFORE = 12.0
_SURE_OF_ANOTHER = 0.8
_SURE_OF_ITSELF = 0.2
# What a pronoun stands for: the network's probability to a power, times what speaks for and against a name: whoever
# spoke last, whom the quoted words themselves speak of, how many characters ago it was last named. Logistic regression
# over the candidates of 1,013 times "he" and "she" (the three development sets and 210 of PolNeAR's training articles),
# rounded; with the model learned on four fifths of the articles and tried on the fifth, 0.865 of those on the
# development sets have their name and 0.050 a wrong one at a threshold of 0.7, where 0.830 and 0.052 had without.
_TRUST = 0.64
_SPOKE_LAST, _SPOKEN_OF = 2.7, 0.2
_NEARBY, _NOWHERE_BEFORE = 100, 5000
# A phrase that is no name ("Lawmaker", "the PM", "a former chairman") stands for the name of which the network is so
# sure. On the development sets that gives seven right names more and six wrong ones fewer; at 0.95 six and three.
_ALL_BUT_SURE = 0.98
# For "the Indiana governor" where the article has called nobody a governor: 0.9 takes eight wrong names from 6,600
# quotes of five sets, and three right ones; 0.95 takes as many right ones as wrong ones.
_SURE_OF_UNKNOWN = 0.9
# Of the network's belief, for what is left where rules have left out the rest: takes five wrong names from 6,697 quotes
# of five sets and no right one; 0.1 takes none more, and six right ones.
_LEAST_BELIEVED = 0.03
# For "Clinton" where two have that name: else the surname stands alone. Swept on the same sets: at 0.75 one wrong name
# fewer than at 0.6 for each five that lose their first name; 0.9 loses more of these and avoids no other wrong name.
_SURE_OF_NAMESAKE = 0.75
# For "her report", which is seldom she; not swept.
_SURE_OF_OWNED = 0.95
_FIRST_PERSON = frozenset("i we me us my our".split())
_PERSONAL = frozenset("he she him her his hers himself herself".split())
_HERS = frozenset("she her hers herself".split())
_INDEFINITE = re.compile(
    r"(?:(?:by|from|in|to|of|at|on|with)\s+)?(?:an?|another|some|many|one|two|three)\s", re.IGNORECASE
)
_OWNED = re.compile(rf"(?:by\s+)?(?:{'|'.join(sorted(POSSESSIVES))})\s", re.IGNORECASE)
_DEFINITE = re.compile(r"(?:(?:by|from|in|to|of|at|on|with)\s+)?(?:the|this|that)\s", re.IGNORECASE)
_ONE_FROM = re.compile(r"[Tt]he\s+[A-Z]\w+(?<!s)(?<!se)(?<!sh)(?<!ch)")
_OF_PEOPLE = frozenset(["who", "whom"])
_POINTING = PRONOUNS - {"one", "another"}
_MORE_THAN_ONE = "all|both|few|five|four|many|most|several|some|three|two"
_SOME_OF_THEM = re.compile(rf"(?:{_MORE_THAN_ONE}|another|each|none|one) of (?:them|these|those|us|you)", re.IGNORECASE)
_MANY = frozenset("many some most few several others".split())
_SEVERAL = re.compile(rf"(?:{_MORE_THAN_ONE}|others?)\b", re.IGNORECASE)
_PLURAL = frozenset("they them their theirs themselves".split())
# What says something without being anybody: it speaks for itself.
_THING = re.compile(
    r"(?:.*\s)?(?:ads?|clip|commercial|documentary|document|film|movie|poll|story|survey|video)", re.DOTALL
)


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
    mentions: dict[str, list[Span]] = defaultdict(list)
    for candidate in found:
        mentions[candidate.name].append(candidate.span)
    quoted = reading.tokens.quoted
    opened = [span.start for span in quoted]
    decoding = network.config.decoding
    attributed: list[AttributedQuote] = []
    for quote, certainty, ranking in zip(quotes, (q.certainty for q in in_tokens), ranked, strict=True):
        previous = attributed[-1] if attributed else None
        words = text[slice(*quote.source)].strip() if quote.source else ""
        if quote.source is None:
            speaker, probability = _unattributed(quote, previous, ranking, text, decoding.speaker)
        elif folded(words) in _FIRST_PERSON:
            k = bisect.bisect_right(opened, quote.source.start) - 1
            speaker, probability = (None if k >= 0 and quote.source.start < quoted[k].end else AUTHOR), 1.0
        elif near := _right_before(folded(words), quote.source.start, found, text):
            speaker, probability = near, 1.0
        else:
            spoke, phrase = (previous.speaker if previous else None), own.get(quote.source)
            if phrase is None:
                ranking = _weighed(ranking, quote.source.start, quote.content, spoke, mentions)
            speaker, probability = _resolve(words, phrase, ranking, known, spoke, decoding)
        sure = speaker is not None and certainty >= decoding.link
        attributed.append(AttributedQuote(quote, speaker if sure else None, probability * certainty if sure else None))
    return attributed


def person_roles(text: str, found: Iterable[Candidate]) -> dict[str, frozenset[str]]:
    """Collect what the article calls its people (see `stance.roles`); `found` are from `candidates`."""
    people = (c for c in found if c.named and not bodily(c.name) and not is_place(name_words(c.name)))
    return roles(text, [(c.span, c.name) for c in people])


def _resolve(
    words: str,
    own: Candidate | None,
    ranking: Sequence[tuple[Candidate, float]],
    known: Mapping[str, frozenset[str]],
    spoke: str | None,
    decoding: Decoding,
) -> tuple[str | None, float]:
    """Name a source: its own name made full, its antecedent, or its noun phrase; and how likely that is."""
    if own is not None and ranking and ranking[0][1] >= _ALL_BUT_SURE and _may_stand_for(words, own, ranking[0][0]):
        candidate, probability = ranking[0]
        return candidate.name, probability
    if own is not None and own.named and not _is_somebody(words, own, ranking):
        # The network chooses among the full names that the words fit ("Clinton": which of them).
        short = set(name_words(own.short))
        longer = [(c.name, p) for c, p in ranking if c.named and short < set(name_words(c.name))]
        fitting = [] if is_place(name_words(own.short)) else longer
        if fitting and fitting[0][1] < _SURE_OF_NAMESAKE and any(_differ(fitting[0][0], n) for n, _ in fitting):
            return own.short, 1.0
        return fitting[0] if fitting and fitting[0][1] > 0.5 else (own.name, 1.0)
    pronoun = folded(words)
    if pronoun in _MANY:
        return pronoun, 1.0
    if (own is None and pronoun not in _POINTING) or _SOME_OF_THEM.fullmatch(words):  # "one", or a piece: "the"
        return None, 1.0
    if _INDEFINITE.match(words) or (own is not None and _THING.fullmatch(own.name)):  # "a source" stands for itself
        return (None if own is None else own.name), 1.0
    personal = pronoun in _PERSONAL
    inside = _names_in(words) if own is not None else set()
    kind = kind_of(words) if own is not None else None
    likely = [
        (c.name, p * (_SPOKE_BEFORE if own is not None and c.name == spoke else 1.0))
        for c, p in ranking
        if not (c.named and inside & set(name_words(c.name)))
        and (not personal or _may_be(pronoun, c))
        and (pronoun not in _PLURAL or gender(c.name) is None or " and " in c.name)
        and not another(words, known.get(c.name, frozenset()))
        and (kind in (None, Kind.BODY) or _fits(kind, c.name))
    ]
    definite, owned = _DEFINITE.match(words), _OWNED.match(words)
    called = meant(words, known)
    if not definite and not owned and (called is None or len(called) != 1):
        called = None  # "captain says" of a headline, where the article has one
    if called:
        likely = [(name, p) for name, p in likely if name in called] or [(name, 1.0) for name in called]
    total = sum(p for _, p in likely)
    if kind is Kind.BODY:  # after the sum: what is no body does not make one of the others likelier
        likely = [(name, p) for name, p in likely if _fits(kind, name)]
    name, probability = max(likely, key=lambda pair: pair[1], default=("", 0.0))
    sure = decoding.pronoun if own is None else decoding.speaker if called or definite else _SURE_OF_ANOTHER
    if called == []:
        sure = max(sure, _SURE_OF_UNKNOWN)
    if owned and not called:
        # "Her report" may be hers, and "her husband" Tom Lee; "her lawyer" is neither she nor any name nearby.
        kin = kind is not None and gender(name) == kind.value
        sure = _SURE_OF_OWNED if kin or not role_words(words) else math.inf
    share = probability / total if total else 0.0
    # What is left where rules leave out nearly all that the network believes in is no likelier for it.
    believed = called or probability >= _LEAST_BELIEVED * sum(p for _, p in ranking)
    if share and share >= sure and believed:
        return name, share
    if own is None or (definite and _own(ranking, own) < _SURE_OF_ITSELF):
        return None, 1.0 - share
    return own.name, (share if name == own.name else 1.0 - share)


def _is_somebody(words: str, own: Candidate, ranking: Sequence[tuple[Candidate, float]]) -> bool:
    """Whether a name is but where somebody comes from: "the Austrian"; not "the Dutch", who are many."""
    mine = name_words(own.name)
    if not ranking or not _ONE_FROM.fullmatch(words) or len(mine) > 1 or BODY_WORDS & set(mine):
        return False
    return like_a_person(name_words(ranking[0][0].name)) and _own(ranking, own) < _SURE_OF_ITSELF


def _weighed(
    ranking: Sequence[tuple[Candidate, float]],
    start: int,
    content: Sequence[Span],
    spoke: str | None,
    mentions: Mapping[str, Sequence[Span]],
) -> list[tuple[Candidate, float]]:
    """Weigh what a pronoun that begins at `start` may stand for; weights need not add up to 1."""
    weighed = []
    for candidate, probability in ranking:
        spans = mentions[candidate.name]
        before = _first_from(spans, start)
        away = max(0, start - spans[before - 1].end) if before else _NOWHERE_BEFORE
        weight = probability**_TRUST / (1 + away / _NEARBY)
        if candidate.name == spoke:
            weight *= _SPOKE_LAST
        if any(_first_from(spans, begin) < _first_from(spans, end) for begin, end in content):
            weight *= _SPOKEN_OF
        weighed.append((candidate, weight))
    return weighed


def _first_from(spans: Sequence[Span], at: int) -> int:
    """Give the number of the first span, of those in order, that begins at a code point or after it."""
    return bisect.bisect_left(spans, at, key=lambda span: span.start)


def _names_in(phrase: str) -> set[str]:
    """Give the words of names in a noun phrase: "the Lee campaign" is not Lee, "the party" may be the Lake Party."""
    return set(name_words(" ".join(word for word in phrase.split() if word[0].isupper()))) - BODY_WORDS


def _may_stand_for(words: str, own: Candidate, candidate: Candidate) -> bool:
    """Whether a source may be about a name that is not in it: no person's name, nothing that speaks for itself."""
    mine, its = name_words(own.name), name_words(candidate.name)
    if not candidate.named or _THING.fullmatch(own.name) or _SEVERAL.match(words) or _SOME_OF_THEM.fullmatch(words):
        return False
    if own.named and like_a_person(mine):
        return mine[-1:] == its[-1:] and gender(own.name) is None  # "Gaffer Prosser" is Gary Prosser
    if set(its) & set(mine) if own.named else set(its) <= set(mine):
        return False
    kind = kind_of(words)
    return kind is None or _fits(kind, candidate.name)


def _fits(kind: Kind, name: str) -> bool:
    """Whether a name may be what a noun phrase says that it is: no country is "the board", no man "the widow"."""
    place, known = is_place(name_words(name)), gender(name) if " " in name else None
    if kind is Kind.BODY:
        return not place and known is None
    return not place and not bodily(name) and known in (None, kind.value)


def _differ(name: str, other: str) -> bool:
    """Whether two names are of two people; "Democrat Ann Lee" and "Ann Lee" are one."""
    words = set(name_words(name)), set(name_words(other))
    return not words[0] <= words[1] and not words[1] <= words[0]


def _right_before(pronoun: str, start: int, found: Sequence[Candidate], text: str) -> str | None:
    """Give the name right before a relative pronoun, which is about what stands there; None for other words."""
    before = bisect.bisect_left(found, start, key=lambda candidate: candidate.span.start) if pronoun in RELATIVE else 0
    if not before:
        return None
    near = found[before - 1]
    if pronoun in _OF_PEOPLE and BODY_WORDS & set(name_words(near.name)):
        return None
    return near.name if re.fullmatch(r"[\s,.—–-]*", text[near.span.end : start]) else None


def _own(ranking: Sequence[tuple[Candidate, float]], own: Candidate) -> float:
    return next((probability for candidate, probability in ranking if candidate.name == own.name), 0.0)


def _may_be(pronoun: str, candidate: Candidate) -> bool:
    """Whether "he" or "she" may mean a candidate: no body, no acronym, nobody of the other gender."""
    name, gender_meant = candidate.name, "f" if pronoun in _HERS else "m"
    words = name_words(name)
    if is_place(words) or " and " in name:
        return False
    if not candidate.named:
        last, kind = head(name), kind_of(name)
        several = last.endswith("s") and not last.endswith("ss")
        return not several and last not in BODY_WORDS and (kind is None or kind.value == gender_meant)
    person = name
    if BODY_WORDS & set(words):
        person = " ".join(words[-2:])  # "County Administrator Tom Ray" is a man, the County Board nobody
        if len(words) < 3 or gender(person) is None:
            return False
    if name.isupper() and len(name) > 1 and " " not in name:
        return False
    # A surname alone says nothing: "Lewis" may be she.
    return (gender(person) if " " in person else None) in (None, gender_meant)


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
