"""Annotated articles: the JSON Lines data format, and the marked-up text that people write.

Marked-up text carries spans inline, so that an annotated article can be read and edited:

    # id: courts-01
    # publisher: own
    {c1:“Nobody lied to the council,”} {s1:she} {u1:said}.
    ---
    1 | D | Anna Reyl | -

`c`, `u` and `s` mark content, cue and source of the quotes whose numbers follow; spans may nest, and a
source shared by two quotes is written `{s1,2:…}`. The lines after `---` judge each quote: its number, the
stance code (A, D, J, O; two letters for a second stance), the speaker (`?` for none) and, where the code
has an A, the target (`?` for nobody in particular, `-` where there is none).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stance.articles import json_lines
from stance.cut import spans
from stance.errors import InputError
from stance.types import Article, Span, Stance

_CODES = {"A": Stance.ACCUSATION, "D": Stance.DENIAL, "J": Stance.JUSTIFICATION, "O": Stance.OTHER}
_OPEN = re.compile(r"\{([cus])(\d+(?:,\d+)*):")
_ROLES = {"c": "content", "u": "cue", "s": "source"}


@dataclass(frozen=True, slots=True)
class GoldQuote:
    """One annotated quote.

    Attributes:
        content: Spans of what is said, in reading order, at least one.
        cue: Spans of the attributing words; empty where there are none.
        source: Spans of the words that name the source; empty where there are none.
        stance: None where the quote was not judged.
        second: A second stance, or None.
        speaker: The resolved name, `?` where the article gives no source, None where not judged.
        target: Who is accused, or None.
        optional: Whether it is open to doubt that this is a quote at all.
        label: Weights of the four stances to learn in the place of stance and second, from `training.distil`; never in
            a file.
    """

    content: tuple[Span, ...]
    cue: tuple[Span, ...]
    source: tuple[Span, ...]
    stance: Stance | None
    second: Stance | None
    speaker: str | None
    target: str | None
    optional: bool = False
    label: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedArticle:
    """An article and its gold quotes, in the order of the file."""

    article: Article
    quotes: tuple[GoldQuote, ...]


def read_annotated(paths: Iterable[Path]) -> Iterator[AnnotatedArticle]:
    """Read annotated articles from JSON Lines files (`.jsonl`, `.jsonl.gz`), lazily and in order.

    Raises:
        InputError: A file or line that cannot be read; the message names file, line and field.
    """
    for path in paths:
        for number, row in json_lines(path):
            yield annotated_from_row(row, f"{path}:{number}")


def set_name(path: Path) -> str:
    """Name a set of articles by its file; the corpus's own files by their folder too."""
    stem = path.name.split(".")[0]
    return f"corpus-{stem}" if path.resolve().parent.name == "corpus" else stem


def annotated_from_row(row: dict[str, Any], where: str) -> AnnotatedArticle:
    """Check one parsed line of the data format and build the article from it.

    Raises:
        InputError: A missing field, a span outside the text, an unknown stance; the message begins
            with `where`.
    """
    text = row.get("text")
    if not isinstance(text, str) or not isinstance(row.get("id"), str):
        raise InputError(f"{where}: expected an annotated article with strings 'id' and 'text'")
    quotes = row.get("quotes", [])
    if not isinstance(quotes, list):
        raise InputError(f"{where}: 'quotes' is {type(quotes).__name__}, expected a list")
    metadata = {key: value for key, value in row.items() if key not in {"id", "text", "quotes"}}
    gold = tuple(_gold_quote(quote, text, f"{where}, quote {i}") for i, quote in enumerate(quotes, 1))
    return AnnotatedArticle(Article(row["id"], text, metadata), gold)


def to_row(annotated: AnnotatedArticle) -> dict[str, Any]:
    """Give an annotated article as one row of the data format; the inverse of `annotated_from_row`."""
    article = annotated.article
    quotes = [
        {
            "content": [list(span) for span in quote.content],
            "cue": [list(span) for span in quote.cue],
            "source": [list(span) for span in quote.source],
            "stance": quote.stance,
            "second": quote.second,
            "speaker": quote.speaker,
            "target": quote.target,
        }
        | ({"optional": True} if quote.optional else {})
        for quote in annotated.quotes
    ]
    return {"id": article.id, **article.metadata, "text": article.text, "quotes": quotes}


def parse_marked(marked: str, where: str = "marked text") -> AnnotatedArticle:
    """Parse marked-up text (see the module's docstring).

    Quotes without a judgement line keep `stance` and `speaker` None. An article without a header gets
    the id "marked".

    Raises:
        InputError: Unbalanced marks, a quote without content, a judgement without a quote, a bad code.
    """
    header: dict[str, Any] = {}
    lines = marked.split("\n")
    while lines and (match := re.fullmatch(r"# (\w+): (.*)", lines[0].strip())):
        header[match[1]] = match[2].strip()
        lines.pop(0)
    body, _, judged = "\n".join(lines).partition("\n---\n")
    text, spans = _strip_marks(body.strip("\n"), where)
    judgements = _judgements(judged, where)
    if extra := judgements.keys() - spans.keys():
        raise InputError(f"{where}: judgements for quotes {sorted(extra)} that the text does not mark")
    quotes = []
    for number, roles in sorted(spans.items()):
        if not roles["content"]:
            raise InputError(f"{where}: quote {number} has a cue or source but no content")
        stance, second, speaker, target = judgements.get(number, (None, None, None, None))
        quotes.append(
            GoldQuote(
                tuple(sorted(roles["content"])),
                tuple(sorted(roles["cue"])),
                tuple(sorted(roles["source"])),
                stance,
                second,
                speaker,
                target,
            )
        )
    return AnnotatedArticle(Article(header.pop("id", "marked"), text, header), tuple(quotes))


def _strip_marks(body: str, where: str) -> tuple[str, dict[int, dict[str, list[Span]]]]:
    spans: dict[int, dict[str, list[Span]]] = {}
    opened: list[tuple[str, list[int], int]] = []
    text: list[str] = []
    length = at = 0
    while at < len(body):
        if match := _OPEN.match(body, at):
            opened.append((_ROLES[match[1]], [int(n) for n in match[2].split(",")], length))
            at = match.end()
        elif body[at] == "}" and opened:
            role, numbers, start = opened.pop()
            if start == length:
                raise InputError(f"{where}: an empty mark for the {role} of quote {numbers[0]}, expected words in it")
            for number in numbers:
                roles = spans.setdefault(number, {"content": [], "cue": [], "source": []})
                roles[role].append(Span(start, length))
            at += 1
        else:
            text.append(body[at])
            length += 1
            at += 1
    if opened:
        raise InputError(f"{where}: {len(opened)} marks are opened but never closed, expected a }} for each")
    return "".join(text), spans


def _judgements(lines: str, where: str) -> dict[int, tuple[Stance | None, Stance | None, str | None, str | None]]:
    result: dict[int, tuple[Stance | None, Stance | None, str | None, str | None]] = {}
    for line in filter(str.strip, lines.split("\n")):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 4 or not fields[0].isdigit() or not re.fullmatch("A[DJ]?|D[AJ]?|J[AD]?|O", fields[1]):
            raise InputError(f"{where}: judgement {line!r}, expected 'NUMBER | CODE | SPEAKER | TARGET'")
        number, code, speaker, target = int(fields[0]), fields[1], fields[2], fields[3]
        if not speaker or ("A" in code) == (target == "-"):
            raise InputError(f"{where}: judgement {line!r}, expected a speaker, and a target exactly where A is")
        result[number] = (
            _CODES[code[0]],
            _CODES[code[1]] if len(code) == 2 else None,
            speaker,
            None if target == "-" else target,
        )
    return result


def _gold_quote(quote: Any, text: str, where: str) -> GoldQuote:
    if not isinstance(quote, dict):
        raise InputError(f"{where}: found {type(quote).__name__}, expected an object")
    content, cue, source = (tuple(sorted(spans(quote.get(role), text, f"{where}, {role}"))) for role in _ROLES.values())
    if not content:
        raise InputError(f"{where}: no content span, expected at least one")
    stances = []
    for key in ("stance", "second"):
        value = quote.get(key)
        if value is not None and value not in list(Stance):
            raise InputError(f"{where}: {key} is {value!r}, expected one of {', '.join(Stance)} or null")
        stances.append(None if value is None else Stance(value))
    for key in ("speaker", "target"):
        if not isinstance(quote.get(key), str | None):
            raise InputError(f"{where}: {key} is {quote[key]!r}, expected a string or null")
    return GoldQuote(
        content,
        cue,
        source,
        stances[0],
        stances[1],
        quote.get("speaker"),
        quote.get("target"),
        bool(quote.get("optional")),
    )
