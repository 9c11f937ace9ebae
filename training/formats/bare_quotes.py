"""CSV of quotes with a stance, for people who annotate in a spreadsheet: one quote a row.

A row is a quote and, where the file has them, `speaker`, `cue` and `context`: the article is then the text that
`stance classify` makes of such a row, so that what is learned from is what will be judged. Rows whose quotes stand in
one and the same context are one article. Whether that holds more quotes, without rows of their own, nobody knows: these
articles are `complete: false`. A file that was exported here has the whole article as `context` and the spans as JSON,
and gives the same articles again.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stance.articles import unique
from stance.cut import cut_line
from stance.encodings import detect
from stance.errors import InputError
from stance.types import HALF_PAIR, Article, Stance
from stance.writers import FORMULA
from training.annotations import AnnotatedArticle, annotated_from_row, to_row
from training.formats.carried import Found, Warn, digest
from training.formats.linked import one_stance

COLUMNS = (
    *("id", "quote", "stance", "second", "speaker", "target", "optional"),
    *("cue", "source", "context", "spans", "sha256", "metadata"),
)
# What people call these columns; the first that a file has counts.
_NAMES = {
    "quote": ("quote", "text", "content", "statement", "claim"),
    "stance": ("stance", "label", "code"),
    "second": ("second", "second_stance"),
    "speaker": ("speaker", "who"),
    "target": ("target", "accused"),
    "id": ("id", "quote_id"),
}
# Without these an exported row cannot be put back into its article.
_EXPORTED = ("id", "context", "sha256", "metadata")
_CODES = {"a": Stance.ACCUSATION, "d": Stance.DENIAL, "j": Stance.JUSTIFICATION, "o": Stance.OTHER}
_TRUE = {"true", "yes", "1", "x"}
_Line = tuple[int, dict[str, str] | InputError]
_LARGEST_CELL = 32 << 20
# More characters than this a cell cannot have in the spreadsheets that people use.
_CELL = 32_767


def write(articles: Sequence[AnnotatedArticle], path: Path, warn: Warn) -> list[InputError]:
    """Write quotes for a spreadsheet: UTF-8 with a byte order mark, and nothing that it takes for a formula.

    Returns:
        The articles that UTF-8 cannot hold, left out.
    """
    refused = []
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        for one in articles:
            rows = list(_rows(one))
            if any(HALF_PAIR.search(value) for row in rows for value in row.values()):
                refused.append(InputError(f"{one.article.id}: half a surrogate pair in it, expected Unicode text"))
                continue
            if any(len(value) > _CELL for row in rows for value in row.values()):
                warn(f"{one.article.id}: too long for the {_CELL:,} characters of a cell; a spreadsheet will cut it")
            for row in rows:
                table.writerow({key: f"'{v}" if FORMULA.match(v) else v for key, v in row.items()})
    return refused


def read(path: Path, warn: Warn) -> Iterator[Found]:
    """Read quotes: those of one context as one article, in the place of the first; any other as one of its own."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        found = detect(data) or "latin-1"
        text = data.decode(found, "replace")
        warn(f"{path}: not UTF-8; read as {found}, check accents and quotation marks")
    csv.field_size_limit(_LARGEST_CELL)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = unique([name.strip() for name in next(table, [])])
    columns = {ours: next((n for n in names if n.casefold() in theirs), "") for ours, theirs in _NAMES.items()}
    if not columns["quote"]:
        raise InputError(f"{path}: found the columns {', '.join(names) or 'nothing'}, expected one named quote or text")
    if "spans" in names and (lost := [name for name in _EXPORTED if not columns.get(name, name in names)]):
        raise InputError(
            f"{path}:1: found a column 'spans' without {', '.join(map(repr, lost))}, expected all columns as they were "
            "exported, or another name for a column that has nothing to do with them"
        )
    rows = _numbered(table, names, columns, path)
    yield from _as_exported(rows, path) if "spans" in names else _together(_each(rows, path))


def _as_exported(rows: Iterable[_Line], path: Path) -> Iterator[Found]:
    waiting: list[tuple[int, dict[str, str]]] = []
    for line, row in rows:
        if isinstance(row, InputError):
            yield row
            continue
        row = {key: _as_it_was(value) for key, value in row.items()}
        if waiting and _article_of(waiting[0][1]) != _article_of(row):
            yield _checked(_whole, waiting, f"{path}:{waiting[0][0]}", str(path))
            waiting = []
        waiting.append((line, row))
    if waiting:
        yield _checked(_whole, waiting, f"{path}:{waiting[0][0]}", str(path))


def _each(rows: Iterable[_Line], path: Path) -> Iterator[tuple[str, Found]]:
    """Give each row as an article, with the context that its quote stands in; empty where it stands in none."""
    for line, row in rows:
        if isinstance(row, InputError):
            yield "", row
        elif any(value.strip() for value in row.values()):
            made = _checked(_bare, row, f"{path}:{line}", f"{path.stem}:{line}")
            context = row.get("context", "").strip()
            yield context if isinstance(made, AnnotatedArticle) and made.article.text == context else "", made


def _together(rows: Iterable[tuple[str, Found]]) -> Iterator[Found]:
    """Join the articles of one context: whoever reads one of them alone would find quotes that are not marked."""
    order: list[list[AnnotatedArticle] | InputError] = []
    joined: dict[tuple[str, Any], list[AnnotatedArticle]] = {}
    for context, made in rows:
        if isinstance(made, InputError):
            order.append(made)
            continue
        # Two readers of one article stay two, to be compared with each other.
        group = joined.setdefault((context, made.article.metadata.get("annotator")), []) if context else []
        if not group:
            order.append(group)
        group.append(made)
    for found in order:
        yield found if isinstance(found, InputError) else _joined(found)


def _joined(parts: Sequence[AnnotatedArticle]) -> AnnotatedArticle:
    """Make one article of those of one text; of the metadata stays what no row contradicts."""
    article = parts[0].article
    metadata: dict[str, Any] = {}
    for key in dict.fromkeys(key for one in parts for key in one.article.metadata):
        said = [one.article.metadata[key] for one in parts if key in one.article.metadata]
        if all(value == said[0] for value in said):
            metadata[key] = said[0]
    return AnnotatedArticle(replace(article, metadata=metadata), tuple(quote for one in parts for quote in one.quotes))


def _numbered(table: Any, names: Sequence[str], columns: Mapping[str, str], path: Path) -> Iterator[_Line]:
    """Give rows with their lines; the columns that we know are called as we call them, and are always there."""
    while True:
        line = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, InputError(f"{path}:{line}: {error}, expected a row of CSV")
            continue
        if len(cells) > len(names):
            yield (
                line,
                InputError(f"{path}:{line}: {len(cells)} cells, expected {len(names)}; has a cell lost its quotes?"),
            )
        elif cells:
            row = dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True))
            yield line, {ours: row.pop(theirs, "") for ours, theirs in columns.items()} | row


def _as_it_was(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell[1:]) else cell


def _checked(make: Callable[[Any, str, str], AnnotatedArticle], rows: Any, where: str, name: str) -> Found:
    try:
        return make(rows, where, name)
    except InputError as error:
        return error
    except (ValueError, TypeError, KeyError) as error:
        return InputError(f"{where}: {error}, expected a row as it was exported")


def _bare(row: dict[str, str], where: str, name: str) -> AnnotatedArticle:
    said = {key: row[key].strip() for key in ("stance", "second", "speaker", "target")}
    words = {"text": row["quote"]} | {key: row.get(key, "") for key in ("cue", "context")}
    # "?" says that there is no source; as words before the quote it would be one.
    cut = cut_line(words | {"speaker": "" if said["speaker"] == "?" else said["speaker"]}, where)
    [(content, cue, source)] = cut.quotes
    used = {"quote", "cue", "context", "id", "optional", *said}
    metadata: dict[str, Any] = {key: value for key, value in row.items() if key not in used and value.strip()}
    stances = {key: _stance(said[key], where) for key in ("stance", "second")}
    quote = {
        **{"content": [list(span) for span in content], "cue": cue and list(cue), "source": source and list(source)},
        **stances,
        **{key: said[key] or None for key in ("speaker", "target")},
        "optional": row.get("optional", "").strip().casefold() in _TRUE,
    }
    metadata["complete"] = False
    made = {"id": row["id"].strip() or name, **metadata, "text": cut.article.text, "quotes": [quote]}
    return annotated_from_row(made, where)


def _stance(word: str, where: str) -> Stance | None:
    return _CODES.get(word.casefold()) or one_stance(word, where)


def _article_of(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["id"], row["context"], row["metadata"]


def _whole(rows: Sequence[tuple[int, Mapping[str, str]]], where: str, name: str) -> AnnotatedArticle:
    first = rows[0][1]
    text = first["context"] or first["quote"]
    if first["sha256"] not in ("", digest(text)):
        raise InputError(
            f"{where}: the text of {first['id']!r} has changed since it was exported, expected the same text: its "
            "offsets would point elsewhere"
        )
    metadata = json.loads(first["metadata"] or "{}")
    if not isinstance(metadata, dict):
        raise InputError(f"{where}: metadata is {first['metadata'][:60]!r}, expected a JSON object or an empty cell")
    quotes = [_quote(row, f"{name}:{line}", text) for line, row in rows if row["spans"]]
    made = annotated_from_row({"id": first["id"], "text": text, "quotes": quotes}, where)
    return AnnotatedArticle(Article(first["id"], text, metadata), made.quotes)


def _quote(row: Mapping[str, str], where: str, text: str) -> dict[str, Any]:
    quote: dict[str, Any] = json.loads(row["spans"])
    words = _words(text, quote["content"])
    if row["quote"] != words:
        raise InputError(f"{where}: the quote is {row['quote'][:60]!r}, expected {words[:60]!r}, as its spans say")
    quote |= {key: _stance(row[key].strip(), where) for key in ("stance", "second")}
    # An empty cell says nothing, unless an empty name was exported there.
    quote |= {key: row[key] or ("" if key in quote.get("empty", []) else None) for key in ("speaker", "target")}
    return quote | {"optional": row.get("optional", "").strip().casefold() in _TRUE}


def _rows(one: AnnotatedArticle) -> Iterator[dict[str, str]]:
    article = one.article
    text = article.text
    metadata = json.dumps(dict(article.metadata), ensure_ascii=False) if article.metadata else ""
    shared = {"id": article.id, "sha256": digest(text), "metadata": metadata}
    if not one.quotes:
        yield dict.fromkeys(COLUMNS, "") | shared | {"context": text}
    for quote, row in zip(one.quotes, to_row(one)["quotes"], strict=True):
        spans: dict[str, Any] = {role: row[role] for role in ("content", "cue", "source")}
        if empty := [key for key in ("speaker", "target") if row[key] == ""]:
            spans["empty"] = empty
        yield {
            **dict.fromkeys(COLUMNS, ""),
            **shared,
            **{key: str(row[key] or "") for key in ("stance", "second", "speaker", "target")},
            **{"cue": _words(text, row["cue"]), "source": _words(text, row["source"])},
            **{"quote": _words(text, row["content"]), "spans": json.dumps(spans)},
            **{"context": "" if _words(text, row["content"]) == text and len(one.quotes) == 1 else text},
            "optional": "yes" if quote.optional else "",
        }


def _words(text: str, spans: Sequence[Sequence[int]]) -> str:
    return " … ".join(text[start:end] for start, end in spans)
