"""Words in an article that may name a speaker: mentions of names, and the noun phrases of sources.

Rules make names full (surname, first name, acronym), and say whom a source is about: "his lawyer, Tom Adeyo".
"""

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stance.names import (
    ARTICLES,
    BODY_WORDS,
    HONORIFICS,
    PRONOUNS,
    TITLES,
    Mention,
    folded,
    gender,
    is_place,
    mentions,
    name_words,
    tidy_name,
    titled,
)
from stance.roles import APPOSED, introduced, role_words
from stance.types import Span

RELATIVE = frozenset("who which whose whom that".split())
_LONGEST_SOURCE = 400  # characters of a source that are looked at; text without end must not make the search quadratic
# Between two speakers: "Ann Lee and | House Speaker | Tom Ray".
_JOINED = re.compile(r"\s*(?:,|,?\s+and|&)\s+(?:[A-Z][\w.-]*\s+)*")
_PREPOSITION = re.compile(
    r"\b(?:of|for|from|by|to|in|at|on|with|about|against|within|among|behind|near|including|like|such)\b", re.IGNORECASE
)
# What somebody has written is what he says.
_WORK_BY = re.compile(
    r"\b(?:article|book|claims?|column|e-?mail|essay|letter|memo|paper|post|report|statement|study|tweet)s?"
    r"(?: published| released| written)? (?:by|from) ",
    re.IGNORECASE,
)
_LEADING = re.compile(r"(?:at least|by|from|in|to|of|at|on|with|the|a|an|his|her|their|its|our|my)\s+", re.IGNORECASE)
_CLAUSE = re.compile(r"\s*(?:,(?!\d)|[;(—–]|\s(?:who|which|that|whose|whom)\s).*", re.DOTALL)
# After a name these begin something new; any other word in lower case makes the name a modifier.
_AFTER_NAME = re.compile(
    r"\s+(?:who|which|whose|and|or|of|in|at|for|from|on|with|to|a|an|the|as|also|himself|herself|is|was|has"
    r"|news agency|newspaper|magazine|website|news website)\b"
)
# A clause about a person that has been named or called something.
_ABOUT = re.compile(r"(?<=\w)(?<!\b[Oo]ne),?\s(?:who|whom|whose)\s(?![^,]*\b(?:names?|called|as)\b)")
_COMMA = re.compile(r",\s+")
_PARTY = "Republican|Democrat|Conservative|Independent|Tory|Liberal"
# "The Republican", "the Arden MP" is somebody whom the article names elsewhere.
_MEMBER = re.compile(rf"th(?:e|is|at)\s+(?:[\w.’'-]+\s+){{0,4}}(?:{_PARTY}|M[ES]?P)", re.IGNORECASE)
_PARTISAN = re.compile(rf"(?:{_PARTY}|Lib Dem)s?")
# After a body and before a name: "Arden | Secretary of State | Tom Ray".
_TITLE = rf"(?i:{'|'.join(sorted(TITLES))})\.?"
_OF = r"\s+of(?:\s+the)?(?:\s+(?!the\b)[\w-]+){1,3}?"
_OFFICE = re.compile(rf"(?:\s+{_TITLE})+(?:{_OF})?\s+[A-Z]")
_OFFICE_OF = re.compile(rf"\b{_TITLE}{_OF}\s+$")
# Titles that are surnames too: "Charlie King".
_TITLE_SURNAMES = frozenset("king bishop pope prince baron".split())
# "the Lee campaign and the | party", "Lee | and his aides"
_ALSO = re.compile(r"\sand\s+(?:the\s+)?$")
_AND_OTHERS = re.compile(r"\s+and\s+(?:(?:his|her|its|their|the|an?|some|several|many|two|three|other)\s+)?[a-z]")
# What is left of a source that was cut badly.
_EMPTY = PRONOUNS | RELATIVE | ARTICLES | HONORIFICS
_EMPTY |= frozenset("at least as if when while but and or so let rev".split())


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


def candidates(text: str, sources: Iterable[Span], named: Sequence[Mention] | None = None) -> list[Candidate]:
    """Collect what may name a speaker: every mention of a name, and every source that is no pronoun.

    Args:
        text: The article.
        sources: Spans of the sources found in it.
        named: From `mentions`, where they are known already.

    Returns:
        Candidates in reading order, one for each span.
    """
    named = mentions(text) if named is None else named
    starts = [mention.span.start for mention in named]
    full = _full_names(named, text)
    found = {m.span: Candidate(m.span, name, m.name, True) for m, name in zip(named, full, strict=True)}
    for span in sources:
        words = text[span.start : span.end].strip()
        if folded(words) in PRONOUNS or span in found:
            continue
        inside = named[bisect.bisect_left(starts, span.start) : bisect.bisect_left(starts, span.end)]
        heads = [] if _MEMBER.fullmatch(words) else _heads(text, span, inside) or _beside(text, span, named, starts)
        if heads:
            others = _others(text, heads[-1].span.end, span.end, inside)
            name = " and ".join(found[head.span].name for head in heads) + others
            found[span] = Candidate(span, name, " ".join(head.name for head in heads) + others, True)
        elif phrase := noun_phrase(words):
            found[span] = Candidate(span, phrase, phrase, False)
    return sorted(found.values(), key=lambda candidate: candidate.span)


def _full_names(named: Sequence[Mention], text: str) -> list[str]:
    """Give each mention the fullest name that its title allows: "Mr Lee" is not Michelle Lee."""
    full = fullest(named, text)
    titles = [titled(text, mention.span.start) for mention in named]
    called = Counter((mention.name, title) for mention, title in zip(named, titles, strict=True))
    result = []
    for mention, own in zip(named, titles, strict=True):
        name = full.get(mention.name, mention.name)
        # Where the article writes "Mr Lee", a plain "Lee" is not Michelle Lee either.
        men, women = called[mention.name, "m"], called[mention.name, "f"]
        title = own or ("m" if men > women else "f" if women > men else None)
        if title is not None and gender(name) not in (None, title):
            others = (n for n, _ in called if _fits(mention.name, n) and gender(n) == title)
            name = next(others, mention.name)
        result.append(name)
    return result


def _fits(short: str, name: str) -> bool:
    """Whether a surname may stand for a name."""
    words = name_words(name)
    return len(words) > 1 and words[-1:] == name_words(short)


def noun_phrase(words: str) -> str:
    """Give a source that is no name as the guidelines write it: no article, no clause; "" for mere function words."""
    phrase = _CLAUSE.sub("", " ".join(words.split()))
    while match := _LEADING.match(phrase):
        phrase = phrase[match.end() :]
    words_of = [folded(word) for word in re.findall(r"[\w’']+", phrase)]
    empty = _EMPTY.issuperset(words_of) or words_of[0] in RELATIVE
    return "" if empty else tidy_name(phrase)


def _others(text: str, start: int, end: int, inside: Sequence[Mention]) -> str:
    """Give " and his aides" where such words follow a name in a source, else ""; "and husband Tom" is another name."""
    after = next((mention.span.start for mention in inside if mention.span.start >= start), end)
    named = after < end and not _PREPOSITION.search(text, start, after)
    if named or not _AND_OTHERS.match(text[start:end]):
        return ""
    return f" {' '.join(_CLAUSE.sub('', text[start:end]).split())}"


def _heads(text: str, span: Span, inside: Sequence[Mention]) -> list[Mention]:
    """Find whom a source is about: "his lawyer, Tom Adeyo", but not "Adeyo's lawyer" or "Adeyo supporters"."""
    span = Span(span.start, min(span.end, span.start + _LONGEST_SOURCE))
    about = _ABOUT.search(text, span.start, span.end)
    if about is not None:  # "the MP Ann Lee, who defeated Tom Ray" is not Tom Ray
        span = Span(span.start, about.start())
    inside = [mention for mention in inside if mention.span.start < span.end]
    lead = _LEADING.match(text, span.start, span.end)
    start = lead.end() if lead else span.start
    heads: list[Mention] = []
    modifier: Mention | None = None
    plain = ""
    for mention in inside:
        # Prepositions count where no name has them: "Arden Society for Birds chairman Tom Ray".
        before = (plain + text[start : mention.span.start]).rpartition(",")[2]
        last = mention.name.split()[-1]
        office = last if last.lower() in TITLES else ""  # "US Secretary | of state Tom Ray"
        plain, start = plain + text[start : mention.span.start] + office, mention.span.end
        before = before[max((work.end() for work in _WORK_BY.finditer(before)), default=0) :]
        modifies = _modifies(mention.name, text[mention.span.end : span.end])
        if not modifies and not _PREPOSITION.search(_OFFICE_OF.sub("", before)):
            heads.append(mention)
        elif modifies and not heads:
            modifier = mention
    if not heads:
        return []
    first, *rest = heads
    after = text[first.span.end : span.end]
    if modifier is not None and _ALSO.search(text[modifier.span.end : first.span.start]):
        return []  # "the Lee campaign and the party" are not the party
    role = bodily(first.name) or bool(_PARTISAN.fullmatch(first.name) or re.match(r"\.?\s+[A-Z]", after))
    role = role or (first.name.isupper() and re.match(r",\s+[A-Z]", after) is not None)  # "the MSP, Ann Lee"
    person = next((i for i, head in enumerate(rest) if role and like_a_person(name_words(head.name))), None)
    chosen = heads if person is None else rest[person:]
    joint = [chosen[0]]
    for head in chosen[1:]:
        between = text[joint[-1].span.end : head.span.start]
        if not _JOINED.fullmatch(between):
            break
        joint.append(head)
    # A comma alone may begin an apposition; only "and" makes several speakers.
    together = " and " in text[joint[0].span.end : joint[-1].span.start]
    return joint if together else joint[:1]


def _beside(text: str, span: Span, named: Sequence[Mention], starts: Sequence[int]) -> list[Mention]:
    """Find the name right after a source that was cut short: "a spokeswoman|, Ann Lee, said"."""
    comma = _COMMA.match(text, span.end)
    if comma is None or not role_words(text[span.start : span.end][-_LONGEST_SOURCE:]):
        return []
    if introduced(text, span.start):
        return []
    k = bisect.bisect_left(starts, comma.end())
    if k == len(named) or starts[k] != comma.end():
        return []
    near = named[k]
    apposed = APPOSED.match(text, near.span.end) is not None and not bodily(near.name)
    return [near] if apposed and like_a_person(name_words(near.name)) else []


def _modifies(name: str, after: str) -> bool:
    """Whether a name belongs to what stands after it: "Adeyo's lawyer", "U.S. senator", "Arden Mayor Tom Ray"."""
    if "." in name and after.startswith("."):
        after = after[1:]
        if re.match(r"\s+\w", after):
            return True
    owns = re.match(r"['’]s?\s+\w|-\w", after) or _OFFICE.match(after)
    return bool(owns or (re.match(r"\s+[a-z]", after) and not _AFTER_NAME.match(after)))


def bodily(name: str) -> bool:
    """Whether a name is a body's or an office's, not a person's."""
    words = name.lower().split()
    if len(words) == 2 and (gender(name) is not None or words[1] in _TITLE_SURNAMES):  # "Charlie King"
        return False
    return bool((BODY_WORDS | TITLES) & set(words))


def fullest(named: Sequence[Mention], text: str) -> dict[str, str]:
    """Map each short name to its fullest form in the same article: surnames, first names, acronyms."""
    counts = Counter(mention.name for mention in named)
    words = {name: name_words(name) for name in counts}
    people: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        if like_a_person(words[name]):
            people[words[name][-1]].append(name)
            people[words[name][0]].append(name)
    initials = _initials(counts)
    result = {}
    for name, short in words.items():
        longer = [
            other
            for other in people.get(short[-1], [])
            if len(words[other]) > len(short)
            and not is_place(short)
            and (words[other][-len(short) :] == short or _first_name_of(short, words[other]))
        ]
        if longer:
            result[name] = max(longer, key=lambda other: (counts[other], len(words[other]), other))
        elif name.isupper() and len(name) > 1 and (spelled := initials.get(name.replace(".", "").lower())):
            result[name] = spelled
    ends = {mention.span.end: mention.name for mention in named}
    for match in re.finditer(r"\(([A-Z][A-Za-z.]{1,7})\)", text):
        before = ends.get(match.start()) or ends.get(match.start() - 1)
        if before is not None and match[1] in counts and match[1] not in result and _abbreviates(match[1], before):
            result[match[1]] = before
    return result


def _abbreviates(short: str, name: str) -> bool:
    """Whether one's capitals stand in the other in that order: "(NLA)" of the Nordic Lake Alliance, no "(Reuters)".

    A body may have a short form of syllables: "the Lake Guild (Lagum)".
    """
    if bodily(name) and short[0] == name[0]:
        return True
    fewer, more = sorted(([char for char in words if char.isupper()] for words in (short, name)), key=len)
    rest = iter(more)
    return len(fewer) > 1 and not name.isupper() and all(char in rest for char in fewer)


def _first_name_of(short: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Whether a word alone may be somebody's first name: "Ann" is Ann Lee, "Lee" is no Lee Valley Trust."""
    return len(short) == 1 and words[0] == short[0] and (gender(short[0]) is not None or len(words) == 2)


def like_a_person(words: tuple[str, ...]) -> bool:
    """Whether the words of a name are as many as a person's, none of them a body's or a title."""
    return 1 < len(words) <= 4 and not (BODY_WORDS | TITLES | {"of", "for", "the", "and"}) & set(words)


def _initials(names: Iterable[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name in names:
        parts = re.findall(r"\w+", name)
        if len(parts) > 1:
            result.setdefault("".join(p[0] for p in parts).lower(), name)
            result.setdefault("".join(p[0] for p in parts if p[0].isupper()).lower(), name)
    return result
