"""doccano: JSON Lines with entities and relations, as sequence labelling with relations exports and imports them.

Offsets are code points (the project's setting "count grapheme clusters as one character" must be off). Entities have
a label and nothing else: the label of a content is its stance, `denial` or `denial+accusation`, and `content` where
it was not judged. Speakers, targets and doubts cannot be corrected there; they travel along and return to the quotes
whose content is still the same.
"""

from collections.abc import Iterator, Mapping, Sequence
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

_OURS = "stance"  # doccano keeps fields that it does not know as the example's metadata


def row(annotated: AnnotatedArticle) -> dict[str, Any]:
    """Give an article as one line of doccano's import."""
    seen = shown(annotated.article.text)
    marks, links = marks_and_links(annotated.quotes)
    numbers = {mark.id: number for number, mark in enumerate(marks, 1)}
    entities = [_entity(mark, numbers[mark.id], seen) for mark in marks]
    relations = [
        {"id": i, "from_id": numbers[a], "to_id": numbers[b], "type": _type(marks, b)}
        for i, (a, b) in enumerate(links, 1)
    ]
    ours = luggage(annotated, seen) | {"quotes": apart(annotated.quotes)}
    made = {"text": seen.text, "entities": entities, "relations": relations}
    if not tells(lambda: _quotes(made, ours, annotated.article, seen, "", silent), annotated.quotes):
        ours["exact"] = kept(annotated.quotes, _core(made))
    return made | {_OURS: ours}


def write(articles: Sequence[AnnotatedArticle], path: Path) -> None:
    """Write articles as doccano imports them (JSONL with relations)."""
    path.write_text("".join(f"{json_line(row(one))}\n" for one in articles), encoding="utf-8", newline="\n")


def read(path: Path, warn: Warn) -> Iterator[Found]:
    """Read an export of doccano, article by article."""
    for number, found in json_rows(path):
        if isinstance(found, InputError):
            yield found
            continue
        where = f"{path}:{number}"
        try:
            yield _annotated(found, where, f"{path.stem}:{number}", warn)
        except InputError as error:
            yield error
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            yield InputError(f"{where}: {type(error).__name__} ({error}), expected a line of doccano's export")


def _annotated(found: Mapping[str, Any], where: str, name: str, warn: Warn) -> AnnotatedArticle:
    expect_marks(found, ("entities", "label"), where)
    # Fields that doccano does not know come back beside the others, or under `metadata` or `meta`.
    places = (found, found.get("metadata"), found.get("meta"))
    ours: Any = next((place[_OURS] for place in places if isinstance(place, dict) and _OURS in place), {})
    article, seen = arrived(ours, found.get("text"), where, str(found.get("id", name)))
    if "entities" not in found and "label" in found:  # without relations it writes [start, end, label]
        keys = ("id", "start_offset", "end_offset", "label")
        entities = [dict(zip(keys, (i, *one), strict=True)) for i, one in enumerate(found["label"])]
        found = {**found, "entities": entities, "relations": []}
    quotes = unchanged(ours, _core(found), article, where)
    return AnnotatedArticle(article, _quotes(found, ours, article, seen, where, warn) if quotes is None else quotes)


def _quotes(
    found: Mapping[str, Any], ours: Mapping[str, Any], article: Article, seen: Shown, where: str, warn: Warn
) -> tuple[GoldQuote, ...]:
    marks = []
    for one in found.get("entities") or []:
        start, end = one["start_offset"], one["end_offset"]
        here = f"{where}, entity [{start}, {end}]"
        role, judgement = parted(one["label"], here)
        marks.append(Mark(str(one["id"]), role, (seen.span(start, end, here),), judgement))
    links = [(str(one["from_id"]), str(one["to_id"])) for one in found.get("relations") or []]
    quotes = linked_quotes(marks, links, len(article.text), where, warn)
    return rejoined(quotes, ours.get("quotes"), where, warn, tool="doccano")


def _entity(mark: Mark, number: int, seen: Shown) -> dict[str, Any]:
    [span] = moved(mark.spans, seen.shown)
    piece = "-" in mark.id and not mark.id.endswith("-1")
    said = mark.judgement
    label = mark.role if mark.role != "content" or piece else combined(said.stance, said.second)
    return {"id": number, "label": label, "start_offset": span.start, "end_offset": span.end}


def _type(marks: Sequence[Mark], name: str) -> str:
    role = next(mark.role for mark in marks if mark.id == name)
    return "continues" if role == "content" else role


def _core(found: Mapping[str, Any]) -> list[Any]:
    """Give what an annotation says, by offsets: doccano gives its own ids."""
    keys = ("start_offset", "end_offset", "label")
    entities = {one["id"]: [one[key] for key in keys] for one in found.get("entities") or []}
    links = [[entities.get(one["from_id"]), entities.get(one["to_id"])] for one in found.get("relations") or []]
    return [sorted(entities.values(), key=repr), sorted(links, key=repr)]
