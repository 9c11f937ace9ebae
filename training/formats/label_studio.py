"""Label Studio: tasks with regions for content, cue and source, relations between them, and choices per region.

Its editor counts code points, as we do. Versions before 1.6 counted UTF-16 units, and so do some scripts: regions
carry their words, by which such offsets are recognised and put right.

A quote is a region `Content`; relations join it to its cue, its source and the other pieces of its content. Stance,
second stance, speaker, target and doubt are asked for each content region.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stance.errors import InputError
from stance.types import Article, Span
from training.annotations import AnnotatedArticle, GoldQuote
from training.formats.carried import (
    Found,
    Shown,
    Warn,
    arrived,
    check_words,
    kept,
    luggage,
    moved,
    same_words,
    shown,
    silent,
    tells,
    unchanged,
)
from training.formats.linked import (
    Judgement,
    Link,
    Mark,
    linked_quotes,
    marks_and_links,
    merged,
    one_stance,
    role_of,
)

CONFIG = Path(__file__).with_name("label_studio.xml")
# Names of the controls in that file.
_ROLE, _STANCE, _SECOND, _SPEAKER, _TARGET, _DOUBT, _TEXT = (
    *("label", "stance", "second", "speaker", "target", "doubt"),
    "text",
)
_JUDGING = (_STANCE, _SECOND, _SPEAKER, _TARGET, _DOUBT)
_OURS = "stance"  # the field of a task's data in which our own things travel
_FIELDS = ("title", "publisher", "date")


def task(
    annotated: AnnotatedArticle,
    *,
    model: str | None = None,
    scores: Sequence[float] = (),
    whole: str = "",
    why: str = "",
) -> dict[str, Any]:
    """Give an article as a task.

    Args:
        annotated: With its quotes.
        model: Who says so: the quotes become a prediction to be corrected; None: an annotation.
        scores: With a model, how sure it is of each quote's stance.
        whole: The article that this text is a passage of, to be read beside it.
        why: Told to the annotator.
    """
    seen = shown(annotated.article.text)
    marks, links = marks_and_links(annotated.quotes)
    sure = dict(zip((f"q{i}-1" for i in range(1, len(annotated.quotes) + 1)), scores, strict=False))
    result = [item for mark in marks for item in _items(mark, seen, sure.get(mark.id))]
    result += [_relation(link) for link in links]
    ours = luggage(annotated, seen)
    if not tells(lambda: _quotes(result, annotated.article, seen, "", silent), annotated.quotes):
        ours["exact"] = kept(annotated.quotes, _core(result))
    metadata = annotated.article.metadata
    data: dict[str, Any] = {_TEXT: seen.text, "article": whole, "why": why}
    data |= {key: str(metadata.get(key) or "") for key in _FIELDS} | {_OURS: ours}
    if model is None:
        return {"data": data, "annotations": [{"result": result}]}
    score = {"score": sum(scores) / len(scores)} if scores else {}
    return {"data": data, "predictions": [{"model_version": model, **score, "result": result}]}


def write(tasks: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write tasks as Label Studio imports them."""
    # As escapes, where a text holds half a surrogate pair.
    path.write_text(json.dumps(list(tasks), indent=1) + "\n", encoding="utf-8")


def read(path: Path, warn: Warn) -> Iterator[Found]:
    """Read an export in the form JSON: one article for each annotation, `annotator` in its metadata.

    Tasks that nobody has annotated yet are passed over, and that is said.
    """
    try:
        tasks = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}), expected an export of Label Studio") from error
    if isinstance(tasks, dict):
        tasks = [tasks]
    if not isinstance(tasks, list):
        raise InputError(f"{path}: found a JSON {type(tasks).__name__}, expected a list of tasks")
    waiting = 0
    for number, one in enumerate(tasks, 1):
        where = f"{path}: task {one['id'] if isinstance(one, dict) and 'id' in one else number}"
        if not isinstance(one, dict) or not isinstance(one.get("data"), dict):
            yield InputError(f"{where}: no 'data' in it, expected an export in the form JSON, not JSON-MIN or CSV")
            continue
        annotations = one.get("annotations") or []
        if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
            yield InputError(f"{where}: 'annotations' is {str(annotations)[:60]}, expected a list of objects")
            continue
        annotations = [a for a in annotations if not a.get("was_cancelled")]
        waiting += not annotations
        for annotation in annotations:
            try:
                yield _annotated(one, annotation, where, warn)
            except InputError as error:
                yield error
            except (TypeError, KeyError, ValueError, AttributeError) as error:
                yield InputError(f"{where}: {type(error).__name__} ({error}), expected an export of Label Studio")
    if waiting:
        warn(f"{path}: {waiting} of {len(tasks)} tasks have no annotation yet; they are passed over")


def _annotated(one: Mapping[str, Any], annotation: Mapping[str, Any], where: str, warn: Warn) -> AnnotatedArticle:
    data = one["data"]
    ours = data.get(_OURS)
    article, seen = arrived(
        ours, data.get(_TEXT), where, str(data.get("id") or data.get("article_id") or one.get("id") or where)
    )
    metadata = dict(article.metadata)
    if not isinstance(ours, Mapping):
        metadata |= {
            k: v
            for k, v in data.items()
            if k not in {_TEXT, "id", "article_id", "article", "why"} and v not in ("", None)
        }
    if metadata.get("complete") is False:
        warn(f"{where}: holds a part of its article's quotes: it teaches stances, not where quotes are")
    if (who := _annotator(annotation.get("completed_by"))) is not None:
        metadata["annotator"] = who
    article = Article(article.id, article.text, metadata)
    result = annotation.get("result") or []
    quotes = unchanged(ours, _core(result), article, where)
    return AnnotatedArticle(article, _quotes(result, article, seen, where, warn) if quotes is None else quotes)


def _annotator(found: Any) -> str | None:
    if isinstance(found, Mapping):
        found = found.get("email") or found.get("id")
    return None if found is None else str(found)


# Quotes -> results


def _items(mark: Mark, seen: Shown, score: float | None) -> Iterator[dict[str, Any]]:
    [span] = moved(mark.spans, seen.shown)
    place = {"start": span.start, "end": span.end}
    sure = {} if score is None else {"score": round(score, 4)}

    def item(name: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **{"id": mark.id, "from_name": name, "to_name": _TEXT, "type": kind},
            **{"value": {**place, **value}},
            **sure,
        }

    yield item(_ROLE, "labels", {"text": seen.text[span.start : span.end], "labels": [mark.role.capitalize()]})
    said = mark.judgement
    for name, stance in ((_STANCE, said.stance), (_SECOND, said.second)):
        if stance is not None:
            yield item(name, "choices", {"choices": [str(stance)]})
    for name, words in ((_SPEAKER, said.speaker), (_TARGET, said.target)):
        if words is not None:
            yield item(name, "textarea", {"text": [words]})
    if said.optional:
        yield item(_DOUBT, "choices", {"choices": ["doubtful"]})


def _relation(link: Link) -> dict[str, Any]:
    return {"type": "relation", "from_id": link[0], "to_id": link[1], "direction": "right"}


def _core(result: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give what an annotation says, without what the editor adds to it."""
    return sorted(
        json.dumps(
            [item.get(key) for key in ("id", "from_name", "from_id", "to_id")]
            + [{k: v for k, v in (item.get("value") or {}).items() if k != "text" or item.get("type") == "textarea"}],
            sort_keys=True,
        )
        for item in result
    )


# Results -> quotes


def _quotes(
    result: Sequence[Mapping[str, Any]], article: Article, seen: Shown, where: str, warn: Warn
) -> tuple[GoldQuote, ...]:
    regions: dict[str, tuple[str, tuple[Span, ...]]] = {}
    said: dict[str, list[Judgement]] = {}
    links: list[Link] = []
    place = _counting([i["value"] for i in result if i.get("type") == "labels"], seen.text, where, warn)
    for item in result:
        kind, value = item.get("type"), item.get("value") or {}
        if kind == "relation":
            links.append((item["from_id"], item["to_id"]))
            continue
        name, control = str(item["id"]), item.get("from_name")
        if kind == "labels":
            regions[name] = _region(value, place, seen, name, regions, where)
        elif control in _JUDGING:
            said.setdefault(name, []).append(_said(control, value, where))
        else:
            warn(f"{where}: {control!r} is not of our labelling config and is left out")
    marks = []
    for name, (role, spans) in regions.items():
        judgement = merged(said.pop(name, []), f"{where}, {role} {list(spans[0])}")
        if role != "content" and judgement != Judgement():
            raise InputError(f"{where}: a stance or a speaker on the {role} {list(spans[0])}, expected it on a content")
        marks.append(Mark(name, role, spans, judgement))
    if said:
        raise InputError(f"{where}: a choice points to {next(iter(said))!r}, expected a marked span of this article")
    return linked_quotes(marks, links, len(article.text), where, warn)


def _region(
    value: Mapping[str, Any],
    place: Callable[[int], int],
    seen: Shown,
    name: str,
    regions: Mapping[str, Any],
    where: str,
) -> tuple[str, tuple[Span, ...]]:
    labels = value.get("labels") or []
    start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int:
        raise InputError(f"{where}: region {name!r} from {start!r} to {end!r}, expected offsets")
    roles = [role_of(label) for label in labels]
    if len(roles) != 1 or roles[0] is None or name in regions:
        raise InputError(
            f"{where}: region {name!r} [{start}, {end}] has the labels {labels!r}, expected one of content, cue, source"
        )
    here = f"{where}: region {name!r} [{start}, {end}]"
    span = seen.span(place(start), place(end), here)
    check_words(seen.text[place(start) : place(end)], value.get("text"), here)
    return roles[0], (span,)


def _said(name: str, value: Mapping[str, Any], where: str) -> Judgement:
    values = value.get("text" if name in (_SPEAKER, _TARGET) else "choices") or []
    values = [values] if isinstance(values, str) else list(values)
    if name == _DOUBT:
        return Judgement(optional=True if values else None)
    if len(values) > 1:
        raise InputError(f"{where}: {name} is {' and '.join(map(repr, values))}, expected one for a quote")
    if not values:
        return Judgement()
    match name:
        case "stance":
            return Judgement(stance=one_stance(values[0], f"{where}, stance"))
        case "second":
            return Judgement(second=one_stance(values[0], f"{where}, second"))
        case "speaker":
            return Judgement(speaker=values[0])
    return Judgement(target=values[0])


def _counting(values: Sequence[Mapping[str, Any]], text: str, where: str, warn: Warn) -> Callable[[int], int]:
    """Find out what an export's offsets count: code points, or, by its regions' words, UTF-16 units."""
    if all(ord(character) < 0x10000 for character in text):
        return lambda offset: offset
    wide = text.encode("utf-16-le", "surrogatepass")

    def right(read: Callable[[int, int], str]) -> int:
        told = [value for value in values if isinstance(value.get("text"), str) and type(value.get("start")) is int]
        return sum(same_words(read(v["start"], v["end"]), v["text"]) for v in told)

    as_units = right(lambda s, e: wide[2 * s : 2 * e].decode("utf-16-le", "replace"))
    if right(lambda s, e: text[s:e]) >= as_units:
        return lambda offset: offset
    warn(f"{where}: offsets are in UTF-16 units, as Label Studio before 1.6 wrote them; they are put right")
    # Beyond the text stays beyond it.
    return lambda offset: len(wide[: 2 * offset].decode("utf-16-le", "replace")) + max(0, offset - len(wide) // 2)
