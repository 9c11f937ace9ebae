"""The first stage: from the network's tags and links to quotes."""

import bisect
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stance.marks import QUOTATION_MARKS
from stance.names import ARTICLES, DOTTED, HONORIFICS, POSSESSIVES
from stance.network import BEGIN, INSIDE, OUTSIDE, ROLES, Decoding, StanceNetwork
from stance.runtime import Reading
from stance.types import Kind, Quote, Span
from stance.windows import Tokens

TokenSpan = tuple[int, int]

# Links are learned and decoded within this many tokens of the content or cue.
REACH = 96
# Of 30,473 cues in the training articles 18 touch the one before: "also said" is one cue, not "also" and "said".
_APART = {"cue"}
_FINAL = ".!?…,"
_LONGEST_GAP_WORDS = 20
# 2, 3 and 4 words differ by less than 0.001 of the boundaries of polnear-dev; without it they are 0.003 lower.
_FEW_WORDS = 3
_NAME = r"[^\W\d_a-z][\w.'’-]*(?: [^\W\d_a-z][\w.'’-]*){0,4}?"
_SIGNATURE = re.compile(rf"[.!?…]?(?:[\"”’'»]\s{{0,3}}|\s*[\r\n]\s*)[—–―]\s*({_NAME})(?=\s*[(,.\r\n]|\s*$)")
_CUT_SHORT = ARTICLES | HONORIFICS
# Of the parties' names those that stand for nobody alone: "the Democratic | nominee | said", but "the Republican said".
_PARTY_OF = re.compile(r"(?:the|an?)\s+(?:democratic|labour)", re.IGNORECASE)
_RELATION = re.compile(
    r"\s+(?:aides?|brother|daughter|family|father|husband|lawyers?|mother|office|sister|son|team|wife)\s+"
)
_NAME_AFTER = re.compile(r"(?:\s+(?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)[A-Z][\w’'-]*){1,4}\s+")
_SOME_WORDS = re.compile(r"\.?\s+(?:[\w’'.-]+\s+){1,5}")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_BREAK = re.compile(rf"{_PARAGRAPH.pattern}|\n")
_SENTENCE_END = re.compile(r"[.!?][”’\"']?\s+\S")
# A paragraph that opens with a mark although the one before did not close: the same speech goes on.
_GOES_ON = re.compile(r"[.!?…]?\s*[\r\n]\s*[“\"‘'«„]")


@dataclass(frozen=True, slots=True)
class TokenQuote:
    """A quote in token indices of its article, ends exclusive.

    Attributes:
        content, cue, source: As in `stance.types.Quote`.
        certainty: Probability of the link to the source, or to none; 1 where it is given.
    """

    content: tuple[TokenSpan, ...]
    cue: TokenSpan | None
    source: TokenSpan | None
    certainty: float = 1.0


def token_quotes(reading: Reading, network: StanceNetwork, text: str) -> list[TokenQuote]:
    """Decode the quotes of an article, in reading order.

    Neighbouring contents that point to one cue are one quote: that is how a quote broken by "he said" comes
    together.
    """
    spans = tag_spans(reading.tags, word_starts(text, reading.tokens), network.config.decoding)
    spans = {role: [t for span in found if (t := _bare(span, reading.tokens, text))] for role, found in spans.items()}
    contents = sorted({*spans["content"], *spans["inner"]})
    if not contents:
        return []
    cues = _link_cues(reading, network, contents, spans["cue"])
    parts = _join(contents, cues, sorted([*spans["cue"], *spans["source"]]), reading.tokens, text)
    first = [part[0] for part, _ in parts]
    linked = [cue for _, cue in parts]
    sources = _link_sources(reading, network, first, linked, spans["source"])
    return [
        TokenQuote(tuple(part), cue, source and _completed(source, cue, reading.tokens, text), probability)
        for (part, cue), (source, probability) in zip(parts, sources, strict=True)
    ]


def _completed(source: TokenSpan, cue: TokenSpan | None, tokens: Tokens, text: str) -> TokenSpan:
    """Make a source whole: grown up to its cue where it was cut short, and never over the end of a paragraph.

    "The | minister | said", "the charity | Doorstep | said".
    """
    source = _in_paragraph(source, cue, tokens, text)
    if cue is None or cue[0] <= source[1]:
        return source
    start, end = tokens.starts[source[0]], tokens.ends[source[1] - 1]
    words, rest = text[start:end], text[end : tokens.starts[cue[0]]]
    last = words.rpartition(" ")[2]
    abbreviated = rest.startswith(".") and last.lower() in HONORIFICS | DOTTED
    cut_short = words.lower() in _CUT_SHORT or _PARTY_OF.fullmatch(words) or abbreviated
    grows = _SOME_WORDS if cut_short else _RELATION if words.lower() in POSSESSIVES else _NAME_AFTER
    return _in_paragraph((source[0], cue[0]), cue, tokens, text) if grows.fullmatch(rest) else source


def _in_paragraph(source: TokenSpan, cue: TokenSpan | None, tokens: Tokens, text: str) -> TokenSpan:
    """Give the part of a source that lies in the paragraph of its cue: "say students" of a headline ends there.

    A line that is much shorter than the next is a paragraph, too: "AFP Arden", then the text. Lines that are all as
    long are not.
    """
    start, end = tokens.starts[source[0]], tokens.ends[source[1] - 1]
    breaks = [at for at in _BREAK.finditer(text, start, end) if _PARAGRAPH.fullmatch(at[0]) or _ends_short(text, at)]
    if not breaks:
        return source
    before = cue is None or cue[0] < source[1]
    part = Span(start, breaks[0].start()) if before else Span(breaks[-1].end(), end)
    return tokens.touching(part) or source


def _ends_short(text: str, line_break: re.Match[str]) -> bool:
    """Whether the line before a break is less than half as long as the one after it."""
    before = line_break.start() - (text.rfind("\n", 0, line_break.start()) + 1)
    after = text.find("\n", line_break.end(), line_break.end() + 2 * before + 1)
    return after < 0 and len(text) - line_break.end() > 2 * before


def _join(
    contents: Sequence[TokenSpan],
    cues: Sequence[TokenSpan | None],
    attributing: Sequence[TokenSpan],
    tokens: Tokens,
    text: str,
) -> list[tuple[list[TokenSpan], TokenSpan | None]]:
    """Put contents of one cue together, where the words between them allow it."""
    parts: list[tuple[list[TokenSpan], TokenSpan | None]] = []
    last: dict[TokenSpan, list[TokenSpan]] = {}
    for content, cue in zip(contents, cues, strict=True):
        if parts and (cue is None or cue == parts[-1][1]) and _goes_on(parts[-1][0][-1], content, tokens, text):
            parts[-1][0].append(content)
            continue
        part = last.get(cue) if cue is not None else None
        if part is not None and _one_quote(part[-1], content, attributing, tokens, text):
            part.append(content)
            continue
        part = [content]
        parts.append((part, cue))
        if cue is not None:
            last[cue] = part
    return parts


def _goes_on(left: TokenSpan, right: TokenSpan, tokens: Tokens, text: str) -> bool:
    gap = text[tokens.ends[left[1] - 1] : tokens.starts[right[0]]]
    opened = tokens.starts[left[0]] > 0 and text[tokens.starts[left[0]] - 1] in QUOTATION_MARKS
    return bool(opened and left[1] <= right[0] and _GOES_ON.fullmatch(gap))


def _one_quote(left: TokenSpan, right: TokenSpan, attributing: Sequence[TokenSpan], tokens: Tokens, text: str) -> bool:
    """Whether two contents of one cue are one quote.

    In PolNeAR's training articles 97% of the gaps inside a quote are under 20 words, and hold its cue or
    source, or at least no end of a sentence.
    """
    gap = text[tokens.ends[left[1] - 1] : tokens.starts[right[0]]]
    if right[0] < left[1] or len(gap.split()) >= _LONGEST_GAP_WORDS:
        return False
    at = bisect.bisect_left(attributing, (left[1], 0))
    attributed = at < len(attributing) and attributing[at][0] < right[0]
    return attributed or _SENTENCE_END.search(gap.strip()) is None


def tag_spans(tags: np.ndarray, words: np.ndarray, decoding: Decoding) -> dict[str, list[TokenSpan]]:
    """Read spans off the tag logits: the best sequence of outside, begin, inside over whole words.

    Args:
        tags: Logits `(tokens, roles, 3)`.
        words: First token of each word, `(words,)`, from `word_starts`.
        decoding: The price of a span and of a word outside, by role.

    Returns:
        For each role its spans in order and without overlap.
    """
    if not len(words):
        return {role: [] for role in ROLES}
    best = _viterbi(_word_scores(tags, words), np.asarray(decoding.span_cost), np.asarray(decoding.outside_bias))
    ends = np.append(words, len(tags))
    return {
        role: [(int(words[first]), int(ends[last])) for first, last in _spans(best[:, k])]
        for k, role in enumerate(ROLES)
    }


def word_starts(text: str, tokens: Tokens) -> np.ndarray:
    """Give the first token of each word: pieces of one word, apostrophes and inner hyphens stay together."""
    starts = []
    previous = -1
    for i, (start, end) in enumerate(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)):
        if start != previous or not (_glues(text, start - 1) and _glues(text, start)):
            starts.append(i)
        previous = end
    return np.asarray(starts, dtype=np.int64)


def _glues(text: str, at: int) -> bool:
    """Whether a character belongs to a word: a letter or digit, or what joins two of them ("it’s", "12.5")."""
    if text[at].isalnum():
        return True
    joins = text[at] in "'’-.,&" and 0 < at < len(text) - 1
    return joins and text[at - 1].isalnum() and text[at + 1].isalnum()


def _word_scores(tags: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Log-probabilities of outside, begin, inside for whole words, `(words, roles, 3)`: means over their tokens."""
    scores = tags - np.logaddexp.reduce(tags, axis=-1, keepdims=True)
    first = scores[words, :, BEGIN]
    begun = scores[..., INSIDE].copy()
    begun[words] = first
    by_word = np.concatenate([scores[..., [OUTSIDE]], begun[..., None], scores[..., [INSIDE]]], axis=-1)
    counts = np.diff(np.append(words, len(tags)))[:, None, None]
    means: np.ndarray = np.add.reduceat(by_word, words, axis=0) / counts
    return means


def _viterbi(scores: np.ndarray, span_cost: np.ndarray, outside_bias: np.ndarray) -> np.ndarray:
    """Best labels `(words, roles)`; a span may not go on where none has begun."""
    scores = scores.copy()
    scores[..., OUTSIDE] += outside_bias
    scores[..., BEGIN] -= span_cost
    best = np.full(scores.shape[:2], OUTSIDE, dtype=np.int8)
    for k, role in enumerate(ROLES):
        if (scores[:, k, OUTSIDE, None] < scores[:, k]).any():  # else nothing is better than no span at all
            best[:, k] = _best_path(scores[:, k].tolist(), apart=role in _APART)
    return best


def _best_path(scores: list[list[float]], *, apart: bool) -> list[int]:
    """Best labels of one role; plain floats, because numpy takes longer for three numbers than for three hundred.

    Where spans stand `apart` there is a word outside between two of them.
    """
    outside, begin, _ = scores[0]
    inside = -math.inf
    back = []
    for score_outside, score_begin, score_inside in scores[1:]:
        # Outside may follow anything, inside only begin and inside; begin anything, or where spans stand apart outside.
        go_on, within = (INSIDE, inside) if inside > begin else (BEGIN, begin)
        into, best = (OUTSIDE, outside) if outside >= within else (go_on, within)
        back.append((into, OUTSIDE if apart else into, go_on))
        begun = score_begin + (outside if apart else best)
        outside, begin, inside = score_outside + best, begun, score_inside + within
    last = (outside, begin, inside)
    labels = [last.index(max(last))]
    for step in reversed(back):
        labels.append(step[labels[-1]])
    return labels[::-1]


def locate(quotes: Iterable[TokenQuote], reading: Reading, text: str) -> list[Quote]:
    """Give token quotes as spans of the text, quotation marks and final punctuation made whole."""
    tokens = reading.tokens
    located = []
    for quote in quotes:
        spans = [tokens.span(*span) for span in quote.content]
        limits = [*(span.start for span in spans[1:]), len(text)]
        content = tuple(_whole(s, text, tokens.quoted, limit) for s, limit in zip(spans, limits, strict=True))
        cue = tokens.span(*quote.cue) if quote.cue else None
        source = tokens.span(*quote.source) if quote.source else None
        if cue is None and source is None:
            source = _signature(text, content[-1].end)
        located.append(Quote(content, cue, source, kind(content, text, tokens.quoted)))
    return located


def _signature(text: str, end: int) -> Span | None:
    """Find the name after a dash that signs a quote or a tweet: “…” — Ann Lee (@annlee)."""
    match = _SIGNATURE.match(text, end)
    return Span(*match.span(1)) if match else None


def kind(content: Sequence[Span], text: str, quoted: Sequence[Span]) -> Kind:
    """Tell direct from indirect and mixed by how much of the content stands inside quotation marks."""
    letters = inside = 0
    for start, end in content:
        letters += sum(map(str.isalnum, text[start:end]))
        for mark in _overlapping(Span(start, end), quoted):
            inside += sum(map(str.isalnum, text[max(start, mark.start) : min(end, mark.end)]))
    if not inside:
        return Kind.INDIRECT
    return Kind.DIRECT if inside == letters else Kind.MIXED


def _bare(span: TokenSpan, tokens: Tokens, text: str) -> TokenSpan | None:
    """Strip tokens without a letter, digit or symbol of value from both ends."""
    first, last = span
    while first < last and not _worth(text[tokens.starts[first] : tokens.ends[first]]):
        first += 1
    while first < last and not _worth(text[tokens.starts[last - 1] : tokens.ends[last - 1]]):
        last -= 1
    return (first, last) if first < last else None


def _worth(word: str) -> bool:
    return any(not c.isspace() and c not in "\"'“”‘’«»„,.;:!?…–—-" for c in word)


def _spans(best: np.ndarray) -> list[TokenSpan]:
    spans: list[TokenSpan] = []
    start: int | None = None
    end = 0
    for at in np.flatnonzero(best != OUTSIDE).tolist():
        if start is not None and (at > end or best[at] == BEGIN):
            spans.append((start, end))
            start = None
        if start is None:
            start = at
        end = at + 1
    if start is not None:
        spans.append((start, end))
    return spans


@torch.inference_mode()
def _link_cues(
    reading: Reading, network: StanceNetwork, contents: Sequence[TokenSpan], cues: Sequence[TokenSpan]
) -> list[TokenSpan | None]:
    if not cues:
        return [None] * len(contents)
    device = reading.vectors.device
    starts = [cue[0] for cue in cues]
    near = [_near(content, starts, inside=False) for content in contents]
    logits = network.link_cue(
        reading.vectors, torch.tensor(contents, device=device), _places(near, cues).to(device)
    ).cpu()
    return [cue for cue, _ in _choose(logits, near, cues)]


@torch.inference_mode()
def _link_sources(
    reading: Reading,
    network: StanceNetwork,
    contents: Sequence[TokenSpan],
    cues: Sequence[TokenSpan | None],
    sources: Sequence[TokenSpan],
) -> list[tuple[TokenSpan | None, float]]:
    if not sources:
        return [(None, 1.0)] * len(contents)
    device = reading.vectors.device
    starts = [source[0] for source in sources]
    near = [
        _near((cue[0], cue[0] + 1), starts, inside=True) if cue else _near(content, starts, inside=False)
        for content, cue in zip(contents, cues, strict=True)
    ]
    at_cue = torch.tensor([cue[0] if cue else -1 for cue in cues], device=device)
    logits = network.link_source(
        reading.vectors, torch.tensor(contents, device=device), at_cue, _places(near, sources).to(device)
    ).cpu()
    return _choose(logits, near, sources)


def _near(origin: TokenSpan, starts: Sequence[int], *, inside: bool) -> list[int]:
    """Indices of the spans that begin within reach of the origin, as the links were trained."""
    low = bisect.bisect_left(starts, origin[0] - REACH)
    high = bisect.bisect_left(starts, origin[1] + REACH)
    return [i for i in range(low, high) if inside or not origin[0] <= starts[i] < origin[1]]


def _places(near: Sequence[Sequence[int]], spans: Sequence[TokenSpan]) -> torch.Tensor:
    width = max(1, max(len(found) for found in near))
    return torch.tensor([[spans[i][0] for i in found] + [-1] * (width - len(found)) for found in near])


def _choose(
    logits: torch.Tensor, near: Sequence[Sequence[int]], spans: Sequence[TokenSpan]
) -> list[tuple[TokenSpan | None, float]]:
    """Give the best span of each row, None where "none" is best, and its probability among them."""
    best = logits.double().softmax(-1).max(-1)
    return [
        (spans[found[b]] if b < len(found) else None, p)
        for p, b, found in zip(best.values.tolist(), best.indices.tolist(), near, strict=True)
    ]


def _overlapping(span: Span, quoted: Sequence[Span]) -> Sequence[Span]:
    low = bisect.bisect_right(quoted, span.start, key=lambda mark: mark.end)
    return quoted[low : bisect.bisect_left(quoted, span.end, key=lambda mark: mark.start)]


def _whole(span: Span, text: str, quoted: Sequence[Span], limit: int) -> Span:
    """Grow a content span so that no quotation mark in it stands alone and direct speech keeps its full stop.

    A quotation whose last few words alone are missing is taken to its end, but not beyond `limit`, where more of the
    quote begins.
    """
    start, end = span
    for mark in _overlapping(span, quoted):
        first = mark.start + 1
        last = mark.end - 1 if text[mark.end - 1] in QUOTATION_MARKS and mark.end - 1 > mark.start else mark.end
        rest = text[end:last].rstrip(_FINAL + " ") if start >= mark.start and last <= limit else ""
        if len(rest.split()) <= _FEW_WORDS and not _SENTENCE_END.search(rest):
            end += len(rest)
        if start >= first and not text[first:start].strip() and end <= last:
            # From the opening mark on: direct speech; its final punctuation belongs to it.
            tail = text[end:last]
            if tail and len(tail) <= 3 and not tail.strip(_FINAL + " "):
                end += len(tail.rstrip())
        elif start < mark.start and not text[end:last].strip(_FINAL + " ") and end <= last:
            end = mark.end
        elif end > mark.end and start >= first and not text[first:start].strip():
            start = mark.start
    return Span(start, end)
