"""Quotation marks: which stretches of a text stand inside them, on text as the web gives it.

Handles straight and curly marks, guillemets, low German marks and British single quotes; tells single
marks from apostrophes; ends an unclosed quotation with its paragraph, as news style does.
"""

import re

from stance.types import Span

_CLOSERS = {"“": "”", "„": "“”", "«": "»", '"': '"', "‘": "’", "'": "'", "”": "”", "‟": "”"}
_DOUBLE = '"“”„«»‟'
_SINGLE = "'‘’"
QUOTATION_MARKS = frozenset(_DOUBLE + _SINGLE)
_MARK = re.compile(f"[{_DOUBLE}{_SINGLE}]")
_LONGEST_SINGLE = 3000  # characters; an unclosed single mark must not make the search quadratic
_DECADE = re.compile(r"\d0s\b")
_PARAGRAPH = re.compile(r"[^\r\n]+")
_BEFORE_OPENING = " \t\u00a0([{—–-:\"“‘'"


def quoted_spans(text: str) -> list[Span]:
    """Find the outermost quotations of a text, in order and without overlap.

    Returns:
        Spans from the opening mark to the closing mark, both included; a quotation that its paragraph
        never closes ends with the paragraph.
    """
    spans: list[Span] = []
    for paragraph in _PARAGRAPH.finditer(text):
        spans += _quoted_in(text, paragraph.start(), paragraph.end())
    return spans


def _quoted_in(text: str, start: int, end: int) -> list[Span]:
    spans = []
    opened: int | None = None
    for match in _MARK.finditer(text, start, end):
        at = match.start()
        if opened is None:
            if _opens(text, at, start, end):
                opened = at
        elif text[at] in _CLOSERS[text[opened]] and _closes(text, at, opened, start, end):
            spans.append(Span(opened, at + 1))
            opened = None
    if opened is not None and text[opened] not in _SINGLE:
        spans.append(Span(opened, end))
    return spans


def _opens(text: str, at: int, start: int, end: int) -> bool:
    if text[at] in "»’":
        return False
    before = text[at - 1] if at > start else " "
    after = text[at + 1] if at + 1 < end else " "
    if text[at] in "“„«‟":
        return not after.isspace()
    free = before in _BEFORE_OPENING or before.isspace()
    if text[at] not in _SINGLE:
        return free and not after.isspace()
    if _DECADE.match(text, at + 1):
        return False
    # 'em, '90s: an apostrophe at a word's start; a true quotation has a closing mark further on.
    return free and after.isalnum() and _single_close(text, at, start, end) is not None


def _closes(text: str, at: int, opened: int, start: int, end: int) -> bool:
    if text[opened] in _SINGLE:
        return at == _single_close(text, opened, start, end)
    # A straight mark with a space before and a letter after re-opens; the quotation goes on.
    before = text[at - 1]
    after = text[at + 1] if at + 1 < end else " "
    return not (text[at] == '"' and before.isspace() and after.isalnum())


def _single_close(text: str, opened: int, start: int, end: int) -> int | None:
    """Find the mark that closes a single quotation, or None where it is an apostrophe.

    A mark after punctuation surely closes. One after a letter may be a plural's apostrophe ("the lads'
    fault"): it closes only if no surer one follows before the next opening mark.
    """
    closer = _CLOSERS[text[opened]]
    unsure: int | None = None
    for match in re.finditer(re.escape(closer), text[opened + 1 : min(end, opened + _LONGEST_SINGLE)]):
        at = opened + 1 + match.start()
        before = text[at - 1]
        after = text[at + 1] if at + 1 < end else " "
        if before.isspace():
            if closer == "'" and after.isalnum():  # the next quotation opens
                break
            continue
        if after.isalnum():  # an apostrophe within a word
            continue
        if before in ",.!?…;:":
            # "… the lads' fault,'": the sure mark wins unless the first one already ended a phrase.
            between = text[unsure + 1 : at] if unsure is not None else ""
            return at if unsure is None or (before != "." and "‘" not in between) or len(between) < 60 else unsure
        if unsure is None:
            unsure = at
    return unsure
