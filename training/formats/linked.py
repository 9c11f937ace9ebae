"""Quotes as marks and links between them, the form that annotation tools share.

A mark is a run of words with a label; links join the content of a quote to its cue, to its source, and to the other
pieces of the content. A source that two quotes share is one mark with two links.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stance.errors import InputError
from stance.types import Span, Stance
from training.annotations import GoldQuote
from training.formats.carried import Warn

ROLES = ("content", "cue", "source")
# What people and other tools call them.
_NAMES = {"quote": "content", "speech": "content", "speaker": "source", "attribution": "cue", "verb": "cue"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of a quote beside where it stands; None where nothing is said. See `GoldQuote`."""

    stance: Stance | None = None
    second: Stance | None = None
    speaker: str | None = None
    target: str | None = None
    optional: bool | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked run of words, or several that are marked as one.

    Attributes:
        id: Unique in its article.
        role: `content`, `cue` or `source`.
        spans: Where it stands.
        judgement: Of content; the first piece of a quote has it, or any.
    """

    id: str
    role: str
    spans: tuple[Span, ...]
    judgement: Judgement = Judgement()


Link = tuple[str, str]


def marks_and_links(quotes: Sequence[GoldQuote], *, whole: bool = False) -> tuple[list[Mark], list[Link]]:
    """Give quotes as marks and links.

    Args:
        quotes: In the order of the file.
        whole: One mark may have several spans; else each span is a mark of its own.
    """
    marks: dict[str, Mark] = {}
    links: list[Link] = []
    places: dict[Any, str] = {}
    for number, quote in enumerate(quotes, 1):
        judgement = Judgement(quote.stance, quote.second, quote.speaker, quote.target, quote.optional or None)
        ids = []
        for piece, spans in enumerate(_pieces(quote.content, whole), 1):
            ids.append(f"q{number}-{piece}")
            marks[ids[-1]] = Mark(ids[-1], "content", spans, judgement if piece == 1 else Judgement())
        links += [(ids[0], other) for other in ids[1:]]
        for role, some in (("cue", quote.cue), ("source", quote.source)):
            for spans in _pieces(some, whole):
                name = places.setdefault((role, spans), f"{role}{len(places) + 1}")
                marks.setdefault(name, Mark(name, role, spans))
                links.append((ids[0], name))
    return list(marks.values()), links


def linked_quotes(
    marks: Sequence[Mark], links: Iterable[Link], length: int, where: str, warn: Warn
) -> tuple[GoldQuote, ...]:
    """Give the quotes that marks and links tell, in the order of their first content marks.

    Directions do not matter. A source that hangs on a cue only belongs to the quotes of that cue.

    Args:
        marks: Of one article.
        links: Between their ids.
        length: Of the article's text.
        where: Begins messages.
        warn: Called with what could not be used: a cue or source that no quote has.

    Raises:
        InputError: A span outside the text, a link to a mark that is not there, two marks of one id, two
            different judgements of one quote.
    """
    known = _by_id(marks, length, where)
    joined: dict[str, set[str]] = {mark.id: set() for mark in marks}
    for first, second in links:
        for end in (first, second):
            if end not in known:
                raise InputError(f"{where}: a relation points to {end!r}, expected a marked span of this article")
        joined[first].add(second)
        joined[second].add(first)
    quotes, used, grouped = [], set[str](), set[str]()
    for mark in marks:
        if mark.role != "content" or mark.id in grouped:
            continue
        group = _group(mark.id, joined, known)
        grouped |= group
        pieces = [one for one in marks if one.id in group]
        near = {other for one in group for other in joined[one]}
        cues = [one for one in marks if one.id in near and one.role == "cue"]
        sources = [one for one in marks if one.id in near and one.role == "source"]
        if not sources:
            behind = {other for cue in cues for other in joined[cue.id]}
            sources = [one for one in marks if one.id in behind and one.role == "source"]
        used |= {one.id for one in (*cues, *sources)}
        said = merged([one.judgement for one in pieces], f"{where}, {_place(pieces[0])}")
        quotes.append(
            GoldQuote(
                _spans(pieces),
                _spans(cues),
                _spans(sources),
                said.stance,
                said.second,
                said.speaker,
                said.target,
                bool(said.optional),
            )
        )
    for mark in marks:
        if mark.role != "content" and mark.id not in used:
            warn(f"{where}: {_place(mark)} belongs to no quote and is left out; a relation to its content is missing")
    return tuple(quotes)


def expect_marks(found: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Refuse a row of another kind of task: read as an article, it would teach that there is no quote in it.

    Raises:
        InputError: It has none of the keys under which the tool keeps marked spans.
    """
    if not any(key in found for key in keys):
        raise InputError(
            f"{where}: found the keys {', '.join(map(repr, found))}, expected one of {', '.join(map(repr, keys))}: a "
            "task in which spans are marked has them, an empty list where there is no quote"
        )


def merged(judgements: Iterable[Judgement], where: str) -> Judgement:
    """Put together what is said of the pieces of one quote.

    Raises:
        InputError: They contradict each other.
    """
    result = Judgement()
    for judgement in judgements:
        for field in Judgement.__slots__:
            value = getattr(judgement, field)
            if value is None:
                continue
            before = getattr(result, field)
            if before is not None and before != value:
                raise InputError(f"{where}: {field} is {str(before)!r} and {str(value)!r}, expected one for a quote")
            result = replace(result, **{field: value})
    return result


def role_of(label: str) -> str | None:
    """Understand a label as a role, whatever its case; None where it is none."""
    name = label.strip().casefold()
    name = _NAMES.get(name, name)
    return name if name in ROLES else None


def one_stance(value: Any, where: str) -> Stance | None:
    """Understand a stance, whatever its case.

    Raises:
        InputError: It is none.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value.strip().casefold() not in list(Stance):
        raise InputError(f"{where}: found label {value!r}, expected one of {', '.join(Stance)}")
    return Stance(value.strip().casefold())


def combined(quote_stance: Stance | None, second: Stance | None) -> str:
    """Give the content label of a tool that has no other place for the stance: `denial+accusation`, or `content`."""
    return "+".join(filter(None, [quote_stance or "content", second]))


def parted(label: str, where: str) -> tuple[str, Judgement]:
    """Understand such a label: its role and what it says of the stance.

    Raises:
        InputError: It is neither a role nor one or two stances.
    """
    if role := role_of(label):
        return role, Judgement()
    first, plus, second = label.partition("+")
    if plus and role_of(first) == "content":
        return "content", Judgement(None, one_stance(second, where))
    if first.strip().casefold() not in list(Stance) or (plus and not second):
        raise InputError(
            f"{where}: found label {label!r}, expected {', '.join(ROLES)}, one of {', '.join(Stance)}, or two of "
            "these with + between them"
        )
    return "content", Judgement(one_stance(first, where), one_stance(second, where))


def apart(quotes: Sequence[GoldQuote]) -> list[dict[str, Any]]:
    """Give what a tool with labels only cannot hold, by content: speakers, targets, doubts."""
    return [
        {
            "content": [list(span) for span in q.content],
            "speaker": q.speaker,
            "target": q.target,
            "optional": q.optional,
        }
        for q in quotes
        if q.speaker is not None or q.target is not None or q.optional
    ]


def rejoined(quotes: Sequence[GoldQuote], judged: Any, where: str, warn: Warn, *, tool: str) -> tuple[GoldQuote, ...]:
    """Give quotes back what `apart` took from them; those whose content was changed have lost it, and that is said."""
    left: dict[Any, list[Mapping[str, Any]]] = {}
    for one in judged if isinstance(judged, list) else []:
        left.setdefault(tuple(Span(*span) for span in one["content"]), []).append(one)
    result = []
    for quote in quotes:
        if not (same := left.get(quote.content)):
            result.append(quote)
            continue
        one = same.pop(0)
        result.append(replace(quote, speaker=one["speaker"], target=one["target"], optional=bool(one["optional"])))
    if lost := sum(map(len, left.values())):
        warn(
            f"{where}: speaker and target of {lost} quotes whose content was changed or taken away are lost; "
            f"{tool} cannot hold them"
        )
    return tuple(result)


def _by_id(marks: Sequence[Mark], length: int, where: str) -> dict[str, Mark]:
    known: dict[str, Mark] = {}
    for mark in marks:
        if mark.id in known:
            raise InputError(f"{where}: two marked spans have the id {mark.id!r}, expected one")
        for start, end in mark.spans:
            if not 0 <= start < end <= length:
                raise InputError(
                    f"{where}: {mark.role} [{start}, {end}], expected a span within the {length} characters of the text"
                )
        known[mark.id] = mark
    return known


def _group(first: str, joined: Mapping[str, set[str]], known: Mapping[str, Mark]) -> set[str]:
    """Follow the links from content to content."""
    group, waiting = {first}, [first]
    while waiting:
        for other in joined[waiting.pop()]:
            if other not in group and known[other].role == "content":
                group.add(other)
                waiting.append(other)
    return group


def _pieces(spans: tuple[Span, ...], whole: bool) -> list[tuple[Span, ...]]:
    return [spans] if whole and spans else [(span,) for span in spans]


def _spans(marks: Iterable[Mark]) -> tuple[Span, ...]:
    return tuple(sorted({span for mark in marks for span in mark.spans}))


def _place(mark: Mark) -> str:
    start, end = mark.spans[0].start, mark.spans[-1].end
    return f"{mark.role} [{start}, {end}]"
