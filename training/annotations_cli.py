"""`python -m training annotations`: annotations of other tools in and out, and what is wrong with them.

Exit codes as in `training.cli`; 1 also where some articles were left out, after the others are done.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stance.errors import ConfigError, InputError

if TYPE_CHECKING:
    from training.annotations import AnnotatedArticle
    from training.formats.results import Predicted

app = typer.Typer(help="Annotations of other tools in and out, and what is wrong with them.", no_args_is_help=True)
_out = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)
_MOST_SAID = 20
_MOST_ARTICLES = 1_000_000

_FORMATS = "jsonl, label-studio, doccano, prodigy, brat or csv"
Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files, or folders of brat's.", show_default=False)]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help=f"{_FORMATS}.  \\[default: by name and content]", show_default=False),
]
Annotator = Annotated[
    str | None, typer.Option(help="Who annotated the articles that do not say it.", show_default=False)
]


@app.command("import")
def import_(
    files: Files,
    out: Annotated[Path, typer.Option("--out", "-o", help="Annotated articles as JSON Lines (.jsonl, .jsonl.gz).")],
    form: Format = None,
    annotator: Annotator = None,
    only: Annotated[str | None, typer.Option(help="Take this annotator's articles only.", show_default=False)] = None,
) -> None:
    """Read annotations of other tools and write them as our annotated articles, to be learned from.

    An article that several people annotated comes once for each, with the key "annotator".
    """
    from training.check import gather
    from training.formats import write

    if not out.name.lower().endswith((".jsonl", ".jsonl.gz")):
        raise ConfigError(f"{out}: expected a name that ends in .jsonl or .jsonl.gz")
    _refuse_overwriting(out, files)
    found = gather(files, form, annotator=annotator, only=only)
    _say("warning", "yellow", found.warnings)
    _say("error", "red", found.errors)
    with _writing(out):
        write(found.annotated, "jsonl", out, found.warnings.append)
    _done(found.annotated, out, len(found.errors))


@app.command("export")
def export(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Annotated articles, a job's folder OUT/, or claims of 'stance run'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file; of brat the folder.")],
    form: Annotated[str, typer.Option("--format", "-f", help=f"{_FORMATS}.")],
    texts: Annotated[
        list[Path] | None,
        typer.Option(help="Articles (id, text) that a file of claims does not hold; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Articles of a job at most.")] = 1_000,
) -> None:
    """Write annotated articles, or what a run found, for an annotation tool.

    What a run found becomes predictions in Label Studio, annotations to be corrected in the other tools.
    """
    from training.formats import FORMATS, label_studio, write
    from training.formats.results import Predicted

    if form not in FORMATS:
        raise ConfigError(f"format is {form!r}, expected one of {', '.join(FORMATS)}")
    _refuse_overwriting(out, files)
    errors: list[str] = []
    warnings: list[str] = []
    found: list[AnnotatedArticle | Predicted] = []
    for path in files:
        if _is_results(path):
            found += _predictions(path, texts or [], limit, errors, warnings)
        else:
            found += _gold(path, errors, warnings)
    gold = [one.annotated if isinstance(one, Predicted) else one for one in found]
    with _writing(out):
        if form == "label-studio":
            from stance.files import whole_file

            with whole_file(out) as temporary:
                label_studio.write([_task(one) for one in found], temporary)
        else:
            errors += map(str, write(gold, form, out, warnings.append))
    _say("warning", "yellow", warnings)
    _say("error", "red", errors)
    _done(gold, out, len(errors))


@app.command()
def config(
    form: Annotated[str, typer.Option("--format", "-f", help="label-studio or brat.")] = "label-studio",
) -> None:
    """Print the labelling config for a project of Label Studio, or brat's annotation.conf."""
    from training.formats import brat, label_studio

    configs: dict[str, Callable[[], str]] = {
        "label-studio": lambda: label_studio.CONFIG.read_text(encoding="utf-8"),
        "brat": lambda: brat.CONFIG,
    }
    if form not in configs:
        raise ConfigError(f"format is {form!r}, expected {' or '.join(configs)}")
    typer.echo(configs[form](), nl=False)


@app.command()
def check(
    files: Files,
    form: Format = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Articles that a model is measured on, to look for in FILE…; may be repeated."),
    ] = None,
    similarity: Annotated[float, typer.Option(min=0.05, max=1, help="Least likeness of near-duplicates.")] = 0.8,
    annotator: Annotator = None,
    suspicious: Annotated[bool, typer.Option(help="Look for labels that are probably wrong.")] = True,
    model: Annotated[
        str,
        typer.Option(
            help="Whom to ask for that: 'default', a model's folder, or 'none' for words alone: quicker, and for "
            "labels that the model learned from."
        ),
    ] = "default",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="All suspicious labels (.csv or .jsonl).", show_default=False)
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write it all here too.", show_default=False)] = None,
) -> None:
    """Look over annotations: errors, counts, near-duplicates, agreement, and labels to look at again.

    Exit code 1 where there are errors, or articles that stand on both sides of --against.
    """
    from training import agreement as agreeing
    from training.check import counts, gather, report
    from training.duplicates import leaks, twins

    if out is not None and out.suffix.lower() not in {".csv", ".jsonl"}:
        raise ConfigError(f"{out}: expected a name that ends in .csv or .jsonl")
    found = gather(files, form, annotator=annotator)
    _say("warning", "yellow", found.warnings)
    _say("error", "red", found.errors)
    tables = counts(found.articles)
    for table in report(tables):
        _out.print(table)
    agreed = agreeing.agreement(found.annotated)
    if agreed is not None:
        _out.print(agreeing.report(agreed))
    alike = twins(_one_each(found.annotated), threshold=similarity)
    measured = gather(against or [], None)
    _say("error", "red", measured.errors)
    leaked = leaks(_one_each(found.annotated), measured.annotated, threshold=similarity)
    for title, pairs in (("Near-duplicates", alike), ("Also in what is measured on", leaked)):
        if pairs:
            _out.print(_pairs(title, pairs))
    likely_wrong = []
    if suspicious:
        from training.suspects import report as lay_out
        from training.suspects import suspects

        with _errors.status("looking for labels that are probably wrong"):
            likely_wrong = suspects(found.annotated, pipeline=_pipeline(model))
        if likely_wrong:
            _out.print(lay_out(likely_wrong))
    rows = [asdict(one) for one in likely_wrong]
    if out is not None:
        _write_rows(rows, out)
    if json_out is not None:
        made = {
            "errors": found.errors,
            "warnings": found.warnings,
            "counts": tables,
            "agreement": agreed and asdict(agreed),
            "duplicates": [asdict(one) for one in alike],
            "leaks": [asdict(one) for one in leaked],
            "suspicious": rows,
        }
        with _writing(json_out):
            json_out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    wrong = len(found.errors) + len(measured.errors)
    if wrong or leaked:
        _errors.print(
            f"[red]error:[/red] {wrong} articles cannot be used, {len(leaked)} stand in what is measured on too",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def suggest(
    folder: Annotated[Path, typer.Argument(metavar="OUT/", help="The folder of a job of 'stance run'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Tasks for Label Studio (.json).")],
    count: Annotated[int, typer.Option(min=1, help="Quotes.")] = 200,
    known: Annotated[
        list[Path] | None,
        typer.Option("--known", help="What is annotated already; not suggested again; may be repeated."),
    ] = None,
    passage: Annotated[
        int, typer.Option(min=200, help="Characters around a quote; short articles come whole.")
    ] = 2_000,
    per_article: Annotated[int, typer.Option(min=1, help="Quotes of one article at most.")] = 3,
) -> None:
    """Choose the quotes of a job that are worth annotating most, as Label Studio tasks with predictions.

    Those that the network is unsure of, with rare labels, unlike each other.
    """
    from stance.files import whole_file
    from training.check import gather
    from training.formats import label_studio
    from training.suggest import suggest as choose

    if out.suffix.lower() != ".json":
        raise ConfigError(f"{out}: expected a name that ends in .json")
    done = gather(known or [], None)
    _say("error", "red", done.errors)
    found = choose(folder, wanted=count, known=done.annotated, passage_chars=passage, per_article=per_article)
    with _writing(out), whole_file(out) as temporary:
        label_studio.write(found.tasks, temporary)
    _say("error", "red", found.errors)
    stances = ", ".join(f"{n} {name}" for name, n in found.stances.most_common())
    _out.print(f"{found.chosen} of {found.of:,} quotes in {len(found.tasks)} tasks: {stances or 'nothing'}")
    for reason, number in found.left_out.most_common():
        if number:
            _out.print(f"  left out: {number:,} {reason}")
    _out.print(f"wrote {escape(str(out))}; the project's config: python -m training annotations config", soft_wrap=True)
    if done.errors or found.errors:
        raise typer.Exit(1)


def _is_results(path: Path) -> bool:
    from stance.articles import json_rows

    if path.is_dir():
        return (path / "claims").is_dir() and (path / "articles").is_dir()
    if not path.name.lower().endswith((".jsonl", ".jsonl.gz")):
        return False
    first = next((row for _, row in json_rows(path)), None)
    return isinstance(first, dict) and "content_spans" in first


def _task(one: "AnnotatedArticle | Predicted") -> dict[str, Any]:
    from training.formats.label_studio import task
    from training.formats.results import Predicted

    return task(one.annotated, model=one.model, scores=one.scores) if isinstance(one, Predicted) else task(one)


def _predictions(
    path: Path, texts: Sequence[Path], limit: int, errors: list[str], warnings: list[str]
) -> "Iterator[Predicted]":
    from training.annotations import read_annotated
    from training.formats.results import read

    known = {one.article.id: one.article.text for one in read_annotated(texts)}
    number = 0
    for one in read(path, known, limit=limit):
        if isinstance(one, InputError):
            errors.append(str(one))
            continue
        number += 1
        yield one
    if number == limit:
        warnings.append(f"{path}: the first {limit:,} articles; --limit takes more")


def _gold(path: Path, errors: list[str], warnings: list[str]) -> "list[AnnotatedArticle]":
    from training.check import gather

    found = gather([path], None)
    errors += found.errors
    warnings += found.warnings
    return found.annotated


def _one_each(articles: "Sequence[AnnotatedArticle]") -> "list[AnnotatedArticle]":
    """Give of an article that several annotated one."""
    return list({(one.article.id, one.article.text): one for one in articles}.values())


def _pipeline(model: str) -> Any:
    if model == "none":
        return None
    from stance.pipeline import Pipeline

    return Pipeline.from_pretrained(None if model == "default" else Path(model))


def _pairs(title: str, pairs: Sequence[Any]) -> Table:
    table = Table(title=f"{title}: {len(pairs):,}", title_justify="left")
    for name in ("article", "other", "likeness"):
        table.add_column(name, justify="right" if name == "likeness" else "left")
    for one in pairs[:_MOST_SAID]:
        table.add_row(escape(one.training), escape(one.evaluation), f"{one.similarity:.2f}")
    if len(pairs) > _MOST_SAID:
        table.caption = f"the first {_MOST_SAID}; --json FILE writes all"
    return table


def _write_rows(rows: Sequence[dict[str, Any]], out: Path) -> None:
    import csv

    from stance.writers import FORMULA

    columns = ("article", "quote", "given", "likelier", "quality", "content")
    with (
        _writing(out),
        out.open("w", encoding="utf-8-sig" if out.suffix.lower() == ".csv" else "utf-8", newline="") as to,
    ):
        if out.suffix.lower() == ".jsonl":
            to.writelines(json.dumps(row) + "\n" for row in rows)
            return
        table = csv.writer(to)
        table.writerow(columns)
        for row in rows:
            cells = (str(row[column]) for column in columns)
            table.writerow([f"'{cell}" if FORMULA.match(cell) else cell for cell in cells])


def _refuse_overwriting(out: Path, files: Sequence[Path]) -> None:
    for file in files:
        if not file.exists():
            raise ConfigError(f"{file}: no such file, expected annotations")
        if out.exists() and out.samefile(file):
            raise ConfigError(f"{out}: is read from, expected another name for the output")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from error


def _say(kind: str, color: str, lines: Sequence[str]) -> None:
    for line in lines[:_MOST_SAID]:
        _errors.print(f"[{color}]{kind}:[/{color}] {escape(line)}", soft_wrap=True)
    if len(lines) > _MOST_SAID:
        _errors.print(f"[{color}]{kind}:[/{color}] and {len(lines) - _MOST_SAID:,} more like these", soft_wrap=True)


def _done(articles: "Sequence[AnnotatedArticle]", out: Path, errors: int) -> None:
    quotes = sum(len(one.quotes) for one in articles)
    _out.print(f"{len(articles):,} articles, {quotes:,} quotes -> {escape(str(out))}", soft_wrap=True)
    if errors:
        _errors.print(f"[red]error:[/red] {errors:,} left out, see above", soft_wrap=True)
        raise typer.Exit(1)
