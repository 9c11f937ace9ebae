"""The values that flow through the pipeline: article, quote, attributed quote, claim.

Every value is frozen and holds its predecessor, so that no stage has to re-zip parallel lists.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

# Half a surrogate pair: a Python string can hold one, but no text and no UTF-8 can.
HALF_PAIR = re.compile("[\ud800-\udfff]")


class Span(NamedTuple):
    """A range of code points in an article's text; `end` is exclusive."""

    start: int
    end: int


class Stance(StrEnum):
    """What a claim does; the order is that of every probability vector in the project."""

    ACCUSATION = "accusation"
    DENIAL = "denial"
    JUSTIFICATION = "justification"
    OTHER = "other"


class Kind(StrEnum):
    """How a quote is reported: wholly inside quotation marks, without them, or some of both."""

    DIRECT = "direct"
    INDIRECT = "indirect"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Article:
    """One news article.

    Attributes:
        id: Name of the article, unique within a job.
        text: The text exactly as given; all offsets point into it.
        metadata: Fields that travel with the article untouched (title, url, date, …).
        extracted: The text was taken out of a web page, so that no input holds it: it goes with the output.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    extracted: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done, and why; the row of a job's `errors.jsonl`.

    Attributes:
        id: The article's id, where it is known.
        file: The input, as named in the job.
        line: Its line or row, from 1; None where the file is one article.
        stage: `read`, `extract`, `run`, `crash` or `timeout`.
        reason: For the person who runs the job: what was found, what was expected, where.
    """

    id: str | None
    file: str
    line: int | None
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What was said, with the words that attribute it.

    Attributes:
        content: One or more spans in reading order, never empty; several where the quote is
            broken by its own attribution ("…", she said, "…").
        cue: The attributing words ("said", "according to"), or None.
        source: The words that name who says it ("she"), or None.
        kind: Direct, indirect or mixed.
    """

    content: tuple[Span, ...]
    cue: Span | None
    source: Span | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class AttributedQuote:
    """A quote and its speaker.

    Attributes:
        quote: The quote.
        speaker: The fullest name that the article gives, or None where it gives none or the network is unsure.
        probability: That this is who speaks, in (0, 1]; None without a speaker. Not calibrated as the stances are.
    """

    quote: Quote
    speaker: str | None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """An attributed quote and what it does.

    Attributes:
        attributed: The quote and its speaker.
        stance: The main act.
        second: A second act that a careful reader would miss, or None.
        probabilities: Calibrated probability of each stance; in the order of `Stance`, sums to 1.
        target: Whom an accusation accuses, by the fullest name that the article gives; None where it names
            nobody, where the network is unsure, and where neither stance is an accusation.
        target_probability: That this is who is accused, in (0, 1]; None without a target.
    """

    attributed: AttributedQuote
    stance: Stance
    second: Stance | None
    probabilities: Mapping[Stance, float]
    target: str | None = None
    target_probability: float | None = None
