"""brat standoff: a `.txt` with the article and an `.ann` with what is marked in it, as PolNeAR 1.0 comes too.

Offsets are code points. A span that goes over a line break, or is broken, has several fragments (`0 5;9 14`): brat
knows no line breaks within a fragment, so that fragments with nothing but a break between them are one span. A quote
is an event (`Attribution`) with `Content`, `Cue` and `Source` as arguments, its stance an attribute, its speaker and
target a note. Relations from a content are read too, and where nothing but these three labels is used, each content
with the cue and source that are linked to it.

What `.ann` cannot say (the article's id and metadata, other line breaks, a hash of the text) stands in `stance.jsonl`
beside the files; without it the file's name is the id.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stance.articles import json_rows
from stance.errors import ConfigError, InputError
from stance.types import HALF_PAIR, Article, Span
from training.annotations import AnnotatedArticle, GoldQuote
from training.formats.carried import (
    Found,
    Shown,
    Warn,
    arrived,
    check_words,
    kept,
    luggage,
    shown,
    silent,
    tells,
    unchanged,
)
from training.formats.linked import Judgement, Link, Mark, linked_quotes, merged, one_stance, role_of

BESIDE = "stance.jsonl"
# For brat's own folder: which types, arguments and attributes there are.
CONFIG = """[entities]
Content
Cue
Source
Attribution
[relations]
[events]
Attribution Content+:Content, Cue*:Cue, Source*:Source
[attributes]
Stance Arg:<EVENT>, Value:accusation|denial|justification|other
Second Arg:<EVENT>, Value:accusation|denial|justification
Doubtful Arg:<EVENT>
"""
_ESCAPED = {"\\": "\\\\", "|": "\\|", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NOTE = re.compile(r"(speaker|target):\s?((?:\\.|[^\\|])*)", re.IGNORECASE | re.DOTALL)
_BLANK = re.compile(r"\s+")
_MARK = "\ufeff"  # the byte order mark


# Writing


def write(articles: Sequence[AnnotatedArticle], folder: Path) -> list[InputError]:
    """Write a folder that brat opens: a `.txt` and an `.ann` for each article, and `annotation.conf`.

    Returns:
        The articles that such files cannot hold, left out.

    Raises:
        ConfigError: There are annotations in the folder, which may be somebody's work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.ann")):
        raise ConfigError(f"{folder}: holds annotations already, expected a new or empty folder")
    (folder / "annotation.conf").write_text(CONFIG, encoding="utf-8")
    names: set[str] = set()
    beside, refused = [], []
    for one in articles:
        names_in = (name or "" for quote in one.quotes for name in (quote.speaker, quote.target))
        if HALF_PAIR.search("\n".join([one.article.text, *names_in])):
            refused.append(InputError(f"{one.article.id}: half a surrogate pair in it, expected Unicode text"))
            continue
        name = _name(one.article.id, names)
        beside.append(json.dumps(_write_one(one, folder, name)))
    (folder / BESIDE).write_text("".join(f"{line}\n" for line in beside), encoding="utf-8")
    return refused


def _write_one(one: AnnotatedArticle, folder: Path, name: str) -> dict[str, Any]:
    seen = shown(one.article.text)
    lines = _lines(one.quotes, seen)
    ours = luggage(one, seen) | {"file": name}
    if not tells(lambda: _parse(lines, seen, "", silent), one.quotes):
        ours["exact"] = kept(one.quotes, sorted(lines))
    (folder / f"{name}.txt").write_bytes(seen.text.encode("utf-8"))
    (folder / f"{name}.ann").write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
    return ours


def _name(article: str, used: set[str]) -> str:
    """Make a file's name of an id: letters, digits, dots and dashes, and no name twice."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", article).strip("._")[:100] or "article"
    name, number = plain, 2
    while name.casefold() in used:
        name, number = f"{plain}-{number}", number + 1
    used.add(name.casefold())
    return name


def _lines(quotes: Sequence[GoldQuote], seen: Shown) -> list[str]:
    lines: list[str] = []
    places: dict[tuple[str, tuple[Span, ...]], str] = {}
    count = {"T": 0, "A": 0}

    def add(kind: str, rest: str) -> str:
        count[kind] = count.get(kind, 0) + 1
        lines.append(f"{kind}{count[kind]}\t{rest}")
        return f"{kind}{count[kind]}"

    def entity(label: str, spans: tuple[Span, ...]) -> str:
        fragments = _fragments(spans, seen)
        words = " ".join(_BLANK.sub(" ", seen.text[s:e]) for s, e in fragments)
        return add("T", f"{label} {';'.join(f'{s} {e}' for s, e in fragments)}\t{words}")

    for quote in quotes:
        arguments = [f"Content:{entity('Content', quote.content)}"]
        for label, spans in (("Cue", quote.cue), ("Source", quote.source)):
            if spans:
                key = (label, spans)
                places[key] = places.get(key) or entity(label, spans)
                arguments.append(f"{label}:{places[key]}")
        trigger = entity("Attribution", quote.cue or quote.content)
        event = add("E", " ".join([f"Attribution:{trigger}", *arguments]))
        for name, stance in (("Stance", quote.stance), ("Second", quote.second)):
            if stance is not None:
                add("A", f"{name} {event} {stance}")
        if quote.optional:
            add("A", f"Doubtful {event}")
        said = {"speaker": quote.speaker, "target": quote.target}
        notes = [f"{key}: {_escape(value)}" for key, value in said.items() if value is not None]
        if notes:
            add("#", f"AnnotatorNotes {event}\t{' | '.join(notes)}")
    return lines


def _fragments(spans: Sequence[Span], seen: Shown) -> list[Span]:
    """Cut spans at line breaks."""
    result = []
    for start, end in ((seen.shown(s), seen.shown(e)) for s, e in spans):
        pieces = [Span(start + f.start(), start + f.end()) for f in re.finditer(r"[^\n]+", seen.text[start:end])]
        result += pieces or [Span(start, end)]
    return result


def _escape(words: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in words)


def _unescape(words: str) -> str:
    back = {value[1]: key for key, value in _ESCAPED.items()}
    return re.sub(r"\\(.)", lambda found: back.get(found[1], found[0]), words, flags=re.DOTALL)


# Reading


def read(path: Path, warn: Warn) -> Iterator[Found]:
    """Read a folder of `.ann` files, or one such file; texts stand beside them or in `../text`, as in PolNeAR."""
    folder = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*.ann")) if path.is_dir() else [path.with_suffix(".ann")]
    if not files:
        yield InputError(f"{path}: no .ann file in it, expected those of brat with their .txt")
    beside = {}
    if (folder / BESIDE).is_file():
        for number, row in json_rows(folder / BESIDE):
            if isinstance(row, InputError) or not isinstance(row.get("file"), str):
                yield row if isinstance(row, InputError) else InputError(f"{folder / BESIDE}:{number}: no 'file' in it")
            else:
                beside[row["file"]] = row
    for file in files:
        try:
            yield _read_one(file, beside.get(file.stem), warn)
        except InputError as error:
            yield error


def _read_one(file: Path, ours: Mapping[str, Any] | None, warn: Warn) -> AnnotatedArticle:
    text = _text(file)
    article, seen = arrived(ours, text, str(file), file.stem)
    if ours is None and text.startswith(_MARK):
        # No part of the article, but brat counts it.
        article, seen = Article(article.id, text.removeprefix(_MARK)), replace(seen, before=len(_MARK))
    try:
        lines = [line for line in file.read_bytes().decode("utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    quotes = unchanged(ours, sorted(lines), article, str(file))
    return AnnotatedArticle(article, _parse(lines, seen, str(file), warn) if quotes is None else quotes)


def _text(file: Path) -> str:
    # PolNeAR names its annotation TEXT_ANNOTATOR.ann where six people read the same text.
    stems = [file.stem, file.stem.rpartition("_")[0]]
    folders = [file.parent, file.parent.parent / "text"]
    for path in (folder / f"{stem}.txt" for stem in stems if stem for folder in folders):
        if path.is_file():
            try:
                return path.read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path}: cannot be read: {error}, expected UTF-8") from error
    raise InputError(f"{file}: no {file.stem}.txt beside it or in {folders[1]}, expected the article's text there")


@dataclass(slots=True)
class _Standoff:
    """The lines of an `.ann` file by their kind."""

    spans: dict[str, tuple[str, tuple[Span, ...]]] = field(default_factory=dict)
    events: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    said: dict[str, list[Judgement]] = field(default_factory=dict)


def _parse(lines: Sequence[str], seen: Shown, where: str, warn: Warn) -> tuple[GoldQuote, ...]:
    found = _Standoff()
    for number, line in enumerate(lines, 1):
        here = f"{where}:{number}"
        try:
            _take(line.rstrip("\r"), found, seen, here, warn)
        except (ValueError, IndexError) as error:
            raise InputError(f"{here}: {line!r} ({error}), expected a line of brat's standoff form") from error
    triggers = {name for arguments in found.events.values() for _, name in arguments[:1]}
    marks: dict[str, Mark] = {}
    for name, (label, spans) in found.spans.items():
        if role := role_of(label):
            if name not in triggers:
                marks[name] = Mark(name, role, spans)
        elif name not in triggers:
            warn(f"{where}: {name} is a {label!r} and is left out, expected Content, Cue or Source")
    links, copies, used = list(found.links), list[Mark](), set[str]()
    for event, arguments in found.events.items():
        contents, others = _arguments(event, arguments, found, where)
        if not contents:
            warn(f"{where}: event {event} has no content and is left out")
            continue
        for name, role in others:
            marks.setdefault(name, Mark(name, role, found.spans[name][1]))
        used |= set(contents)
        # A content that two events share is two quotes.
        ids = [f"{event}.{name}" for name in contents]
        judged = [*found.said.pop(event, []), *(one for name in contents for one in found.said.get(name, []))]
        judgement = merged(judged, f"{where}, event {event}")
        for name, copy in zip(contents, ids, strict=True):
            copies.append(Mark(copy, "content", found.spans[name][1], judgement if copy == ids[0] else Judgement()))
        links += [(ids[0], other) for other in [*ids[1:], *(name for name, _ in others)]]
    rest = [
        Mark(m.id, m.role, m.spans, merged(found.said.get(m.id, []), f"{where}, {m.id}"))
        for m in marks.values()
        if m.id not in used
    ]
    if lost := [key for key in found.said if key not in found.spans and key not in found.events]:
        raise InputError(f"{where}: an attribute or note points to {lost[0]!r}, expected an event or entity")
    links = [(a, b) for a, b in links if a not in used and b not in used]
    return linked_quotes([*copies, *rest], links, seen.original(len(seen.text)), where, warn)


def _take(line: str, found: _Standoff, seen: Shown, where: str, warn: Warn) -> None:
    name, _, rest = line.partition("\t")
    head, _, words = rest.partition("\t")
    match name[:1]:
        case "T":
            label, _, offsets = head.partition(" ")
            found.spans[name] = (label, _spans(offsets, words, seen, where))
        case "E":
            found.events[name] = [(k, v) for k, _, v in (part.partition(":") for part in head.split())]
        case "R":
            _, first, second = head.split()
            found.links.append((first.partition(":")[2], second.partition(":")[2]))
        case "A" | "M":
            label, target, *value = head.split()
            found.said.setdefault(target, []).append(_attribute(label, value, where, warn))
        case "#":
            target = head.split()[1]
            notes = dict(_notes(words))
            if not notes:
                warn(f"{where}: a note ({words[:60]!r}) is left out, expected 'speaker: NAME | target: NAME'")
            said = Judgement(speaker=notes.get("speaker"), target=notes.get("target"))
            found.said.setdefault(target, []).append(said)
        case "*" | "N":
            warn(f"{where}: a line of kind {name[:1]} is left out, expected T, E, R, A or #")
        case _:
            raise ValueError("unknown kind of line")


def _notes(words: str) -> Iterator[tuple[str, str]]:
    at = 0
    while found := _NOTE.match(words, at):
        more = words.startswith("| ", found.end())
        yield found[1].casefold(), _unescape(found[2].removesuffix(" ") if more else found[2])
        if not more:
            return
        at = found.end() + 2


def _attribute(label: str, value: Sequence[str], where: str, warn: Warn) -> Judgement:
    match label.casefold():
        case "stance":
            return Judgement(stance=one_stance(value[0] if value else "nothing", where))
        case "second":
            return Judgement(second=one_stance(value[0] if value else "nothing", where))
        case "doubtful" | "optional":
            return Judgement(optional=True)
    warn(f"{where}: attribute {label} is not one of ours and is left out")
    return Judgement()


def _arguments(
    event: str, arguments: Sequence[tuple[str, str]], found: _Standoff, where: str
) -> tuple[list[str], list[tuple[str, str]]]:
    """Give the contents of an event, and its cues and sources with their roles."""
    contents, others = [], []
    for label, name in arguments[1:]:
        if name not in found.spans:
            raise InputError(f"{where}: event {event} points to {name!r}, expected an entity of this file")
        role = role_of(label.rstrip("0123456789"))
        if role == "content":
            contents.append(name)
        elif role:
            others.append((name, role))
    label, trigger = arguments[0]
    if trigger not in found.spans:
        raise InputError(f"{where}: event {event} points to {trigger!r}, expected an entity of this file")
    # In PolNeAR the trigger repeats the cue; elsewhere it may be the cue itself.
    if label.casefold() == "cue" and not any(role == "cue" for _, role in others):
        others.append((trigger, "cue"))
    return contents, others


def _spans(offsets: str, words: str, seen: Shown, where: str) -> tuple[Span, ...]:
    fragments = []
    for part in offsets.split(";"):
        start, end = map(int, part.split())
        if not 0 <= start < end <= len(seen.text):
            raise InputError(
                f"{where}: span [{start}, {end}], expected one within the {len(seen.text)} characters of the text"
            )
        fragments.append(Span(start, end))
    check_words(" ".join(seen.text[s:e] for s, e in fragments), words, where)
    joined: list[Span] = []
    for span in sorted(fragments):
        between = seen.text[joined[-1].end : span.start] if joined else ""
        if joined and "\n" in between and not between.strip():
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return tuple(Span(seen.original(s), seen.original(e)) for s, e in joined)
