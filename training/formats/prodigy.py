"""Prodigy: JSON Lines with tokens, spans and relations, as `rel.manual` and `spans.manual` read and write them.

Offsets are code points. A span has a label and nothing else: the label of a content is its stance, `denial` or
`denial+accusation`, and `content` where it was not judged. Spans are marked by whole tokens, which are cut here so
that every annotated span is whole tokens. Speakers, targets and doubts travel in `meta` and return to the quotes
whose content is still the same.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from stance.articles import json_rows
from stance.errors import InputError
from stance.records import json_line
from stance.types import Article
from training.annotations import AnnotatedArticle, GoldQuote
from training.formats.carried import Found, Shown, Warn, arrived, kept, luggage, moved, shown, silent, tells, unchanged
from training.formats.linked import (
    Mark,
    apart,
    combined,
    expect_marks,
    linked_quotes,
    marks_and_links,
    parted,
    rejoined,
)

_OURS = "stance"
# A task of these recipes in which nobody marked a span may have its tokens only.
_MARKS = ("spans", "relations", "tokens")
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]|\s")
_Key = tuple[int, int, str]


def row(annotated: AnnotatedArticle) -> dict[str, Any]:
    """Give an article as one task of Prodigy."""
    seen = shown(annotated.article.text)
    marks, links = marks_and_links(annotated.quotes)
    places = {mark.id: moved(mark.spans, seen.shown)[0] for mark in marks}
    tokens = _tokens(seen.text, {offset for span in places.values() for offset in span})
    first = {token["start"]: token["id"] for token in tokens}
    last = {token["end"]: token["id"] for token in tokens}
    spans = {
        mark.id: {
            **{"start": places[mark.id].start, "end": places[mark.id].end, "label": _label(mark)},
            **{"token_start": first[places[mark.id].start], "token_end": last[places[mark.id].end]},
        }
        for mark in marks
        if places[mark.id].start < places[mark.id].end
    }
    role = {mark.id: mark.role for mark in marks}
    relations = [
        {
            **{"head": spans[a]["token_end"], "child": spans[b]["token_end"]},
            **{"head_span": spans[a], "child_span": spans[b]},
            "label": "continues" if role[b] == "content" else role[b],
        }
        for a, b in links
        if a in spans and b in spans
    ]
    ours = luggage(annotated, seen) | {"quotes": apart(annotated.quotes)}
    made = {"text": seen.text, "tokens": tokens, "spans": list(spans.values()), "relations": relations}
    if not tells(lambda: _quotes(made, ours, annotated.article, seen, "", silent), annotated.quotes):
        ours["exact"] = kept(annotated.quotes, _core(made))
    return made | {"meta": {"id": annotated.article.id}, _OURS: ours}


def write(articles: Sequence[AnnotatedArticle], path: Path) -> None:
    """Write articles as tasks of Prodigy."""
    path.write_text("".join(f"{json_line(row(one))}\n" for one in articles), encoding="utf-8", newline="\n")


def read(path: Path, warn: Warn) -> Iterator[Found]:
    """Read what `prodigy db-out` gives: accepted tasks only, `annotator` in the metadata where the session tells it."""
    refused = 0
    for number, found in json_rows(path):
        if isinstance(found, InputError):
            yield found
            continue
        if found.get("answer", "accept") != "accept":
            refused += 1
            continue
        where = f"{path}:{number}"
        try:
            yield _annotated(found, where, f"{path.stem}:{number}", warn)
        except InputError as error:
            yield error
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            yield InputError(f"{where}: {type(error).__name__} ({error}), expected a line of Prodigy's db-out")
    if refused:
        warn(f"{path}: {refused} tasks were rejected or ignored; they are passed over")


def _annotated(found: Mapping[str, Any], where: str, name: str, warn: Warn) -> AnnotatedArticle:
    expect_marks(found, _MARKS, where)
    ours = found.get(_OURS) or {}
    meta = found.get("meta") or {}
    article, seen = arrived(ours, found.get("text"), where, str(meta.get("id", name)))
    if who := found.get("_annotator_id") or found.get("_session_id"):
        article = Article(article.id, article.text, {**article.metadata, "annotator": str(who)})
    quotes = unchanged(ours, _core(found), article, where)
    return AnnotatedArticle(article, _quotes(found, ours, article, seen, where, warn) if quotes is None else quotes)


def _quotes(
    found: Mapping[str, Any], ours: Mapping[str, Any], article: Article, seen: Shown, where: str, warn: Warn
) -> tuple[GoldQuote, ...]:
    marks: dict[_Key, Mark] = {}
    linked = [one[end] for one in found.get("relations") or [] for end in ("head_span", "child_span")]
    for one in [*(found.get("spans") or []), *linked]:
        key = _key(one)
        if key in marks:
            continue
        start, end, label = key
        here = f"{where}, span [{start}, {end}]"
        span = seen.span(start, end, here)
        role, judgement = parted(label, here)
        marks[key] = Mark(repr(key), role, (span,), judgement)
    links = [(repr(_key(one["head_span"])), repr(_key(one["child_span"]))) for one in found.get("relations") or []]
    quotes = linked_quotes(list(marks.values()), links, len(article.text), where, warn)
    return rejoined(quotes, ours.get("quotes"), where, warn, tool="Prodigy")


def _key(span: Mapping[str, Any]) -> _Key:
    return int(span["start"]), int(span["end"]), str(span["label"])


def _label(mark: Mark) -> str:
    if mark.role != "content" or not mark.id.endswith("-1"):
        return mark.role
    return combined(mark.judgement.stance, mark.judgement.second)


def _tokens(text: str, borders: Iterable[int]) -> list[dict[str, Any]]:
    """Cut words and signs, and at the borders of spans; blanks are no tokens unless a span begins or ends in them."""
    cuts = sorted({*borders} | {at for found in _TOKEN.finditer(text) for at in found.span()} | {0, len(text)})
    edges = set(borders)
    pieces = [(s, e) for s, e in pairwise(cuts) if text[s:e].strip() or s in edges or e in edges]
    return [
        {"text": text[s:e], "start": s, "end": e, "id": i, "ws": text[e : e + 1].isspace()}
        for i, (s, e) in enumerate(pieces)
    ]


def _core(found: Mapping[str, Any]) -> list[Any]:
    spans = sorted(_key(one) for one in found.get("spans") or [])
    relations = found.get("relations") or []
    return [spans, sorted([_key(one["head_span"]), _key(one["child_span"])] for one in relations)]
