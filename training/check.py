"""Annotated articles gathered from files and looked over before anything learns from them.

What makes an article useless is an error: it is left out, and the rest goes on. What is only strange is a warning.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from stance.errors import InputError
from stance.types import Article, Stance
from training.annotations import AnnotatedArticle, GoldQuote
from training.formats import read

UNJUDGED = "not judged"
_MOST_ROWS = 30


@dataclass(slots=True)
class Gathered:
    """What files hold.

    Attributes:
        articles: Each with its file.
        errors: Articles that cannot be used, and why.
        warnings: What is strange in those that can.
    """

    articles: list[tuple[Path, AnnotatedArticle]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def annotated(self) -> list[AnnotatedArticle]:
        """The articles alone."""
        return [one for _, one in self.articles]


def gather(
    paths: Iterable[Path], form: str | None, *, annotator: str | None = None, only: str | None = None
) -> Gathered:
    """Read annotated articles and check each.

    Args:
        paths: Files, or folders of brat's.
        form: See `training.formats`; None: guessed for each.
        annotator: Who annotated the articles that do not say it.
        only: Leave out what other annotators say.

    Raises:
        ConfigError: A form that is unknown or cannot be guessed.
    """
    found = Gathered()
    seen: dict[tuple[str, str | None], tuple[str, str]] = {}
    for path in paths:
        try:
            for one in read(path, form, found.warnings.append):
                if isinstance(one, InputError):
                    found.errors.append(str(one))
                    continue
                named = _named(one, annotator)
                if only is not None and named.article.metadata.get("annotator") != only:
                    continue
                where = f"{path}: article {one.article.id!r}"
                if problem := contradiction(named):
                    found.errors.append(f"{where}{problem}")
                    continue
                found.warnings += [f"{where}{words}" for words in oddities(named)]
                found.warnings += _met_before(named, where, seen)
                found.articles.append((path, named))
        except InputError as error:
            found.errors.append(str(error))
    return found


def contradiction(annotated: AnnotatedArticle) -> str | None:
    """Say where one quote has two stances: annotated twice, with the same spans and other labels."""
    known: dict[object, GoldQuote] = {}
    for number, quote in enumerate(annotated.quotes, 1):
        before = known.setdefault((quote.content, quote.cue, quote.source), quote)
        if before.stance != quote.stance and None not in (before.stance, quote.stance):
            return f", quote {number}: stance is {before.stance} and {quote.stance}, expected one for a quote"
    return None


def oddities(annotated: AnnotatedArticle) -> Iterator[str]:
    """Say what is strange in an article: spans that cut words, quotes twice, labels that do not fit each other."""
    text = annotated.article.text
    known: set[object] = set()
    for number, quote in enumerate(annotated.quotes, 1):
        where = f", quote {number}"
        for role, spans in (("content", quote.content), ("cue", quote.cue), ("source", quote.source)):
            for start, end in spans:
                if _within_word(text, start) or _within_word(text, end):
                    yield f"{where}: {role} [{start}, {end}] cuts a word: {text[max(0, start - 10) : end + 10][:80]!r}"
        if quote in known:
            yield f"{where}: the same quote a second time"
        known.add(quote)
        if quote.second is not None and (quote.stance is None or quote.second == quote.stance):
            yield f"{where}: second stance {quote.second} beside {quote.stance or 'no stance'}"
        elif quote.second is not None and Stance.OTHER in (quote.stance, quote.second):
            yield f"{where}: {Stance.OTHER} stands alone, found {quote.stance} and {quote.second}"
        if quote.target is not None and Stance.ACCUSATION not in (quote.stance, quote.second):
            yield f"{where}: target {quote.target!r} of what is no accusation"


def counts(articles: Sequence[tuple[Path, AnnotatedArticle]]) -> dict[str, dict[str, dict[str, int]]]:
    """Count quotes by stance: for each file and each publisher, beside the articles."""
    tables: dict[str, dict[str, Counter[str]]] = {"file": {}, "publisher": {}}
    for path, one in articles:
        groups = {"file": str(path), "publisher": str(one.article.metadata.get("publisher") or "unknown")}
        for kind, name in groups.items():
            count = tables[kind].setdefault(name, Counter())
            count["articles"] += 1
            count["quotes"] += len(one.quotes)
            count.update(str(quote.stance or UNJUDGED) for quote in one.quotes)
    return {kind: {name: dict(count) for name, count in table.items()} for kind, table in tables.items()}


def report(tables: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[Table]:
    """Lay the counts out, the largest first."""
    for kind, rows in tables.items():
        columns = ("articles", "quotes", *Stance, UNJUDGED)
        table = Table(title=f"Quotes by {kind}", title_justify="left")
        table.add_column(kind)
        for name in columns:
            table.add_column(str(name), justify="right")
        ordered = sorted(rows.items(), key=lambda row: -row[1]["quotes"])
        for name, count in ordered[:_MOST_ROWS]:
            table.add_row(escape(name), *(f"{count.get(str(column), 0):,}" for column in columns))
        if len(ordered) > 1:
            total = Counter[str]()
            for _, count in ordered:
                total.update(count)
            table.add_section()
            table.add_row("all", *(f"{total[str(column)]:,}" for column in columns))
        if len(ordered) > _MOST_ROWS:
            table.caption = f"the {_MOST_ROWS} largest of {len(ordered)}"
        yield table


def _named(one: AnnotatedArticle, annotator: str | None) -> AnnotatedArticle:
    article = one.article
    if annotator is None or "annotator" in article.metadata:
        return one
    metadata = {**article.metadata, "annotator": annotator}
    return replace(one, article=Article(article.id, article.text, metadata, article.extracted))


def _met_before(
    one: AnnotatedArticle, where: str, seen: dict[tuple[str, str | None], tuple[str, str]]
) -> Iterator[str]:
    key = (one.article.id, one.article.metadata.get("annotator"))
    if key not in seen:
        seen[key] = one.article.text, where
    elif seen[key][0] == one.article.text:
        yield f"{where}: is there a second time, see {seen[key][1]}"
    else:
        yield f"{where}: another text has this id, see {seen[key][1]}"


def _within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
