"""The results page: articles with their quotes marked, who says what, who accuses whom, and when; one HTML file."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from stance.document import TEMPLATES, render
from stance.errors import ConfigError
from stance.files import whole_file
from stance.results import ArticleFound, Results, Wanted, read_results
from stance.types import Kind, Stance

# What a page holds: more would be slow to open and slow to search.
MAX_ARTICLES = 2_000
MAX_CHARS = 30_000_000
_TITLE_CHARS = 200
_SCRIPTS = ("data", "dom", "state", "text", "articles", "speakers", "accusations", "graph", "timeline", "main")
_STANCES, _KINDS = list(Stance), list(Kind)


@dataclass(frozen=True, slots=True)
class Written:
    """What a page shows.

    Attributes:
        articles, claims: That are on it.
        left_out: Articles that were asked for, but for which there was no room.
    """

    articles: int
    claims: int
    left_out: int


def write_page(source: Path, out: Path, wanted: Wanted | None = None) -> Written:
    """Write the results of a run as one HTML file that works without a network.

    Args:
        source: A job's folder, finished or not, or the JSON Lines file of a run.
        out: The page; appears whole, at the end, in place of one that was there.
        wanted: Which articles; without it all, at most `MAX_ARTICLES`. All claims of an article are shown with it.

    Raises:
        ConfigError: There are no results there, or the page cannot be written.
        InputError: A part or line that cannot be read.
    """
    results = read_results(source, wanted or Wanted(), limit=MAX_ARTICLES, chars=MAX_CHARS)
    page = make_page(results, source.resolve().name, narrowed=wanted not in (None, Wanted()))
    try:
        with whole_file(out) as temporary:
            temporary.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from error
    claims = sum(len(article.claims) for article in results.articles)
    return Written(len(results.articles), claims, results.matching - len(results.articles))


def make_page(results: Results, name: str, *, narrowed: bool = False) -> str:
    """Give the page; `name` is what the results are called, `narrowed` that not all were asked for."""
    folder = TEMPLATES / "page"
    models = sorted({claim["model"] for article in results.articles for claim in article.claims})
    return render(
        folder / "page.html",
        styles=[TEMPLATES / "base.css", folder / "page.css"],
        scripts=[folder / f"{script}.js" for script in _SCRIPTS],
        data=_data(results.articles),
        values={"name": name, "models": models, "remarks": list(_remarks(results, narrowed=narrowed))},
    )


def _remarks(results: Results, *, narrowed: bool) -> Iterator[str]:
    """Say what a reader might else miss."""
    shown, asked = len(results.articles), results.matching
    if narrowed:
        yield f"Not all: of {results.of:,} articles, {asked:,} match what was asked for with 'stance view'."
    if shown < asked:
        yield (
            f"{asked - shown:,} of {asked:,} articles are left out: a page has room for {MAX_ARTICLES:,} articles "
            f"and {MAX_CHARS:,} characters, and shows the first. Make a narrower one with 'stance view' and "
            "--publisher, --since, --until, --speaker or --stance."
        )
    if results.state not in {None, "finished"}:
        yield f"The job was not finished when this page was made ({results.state}): these are its results so far."
    if results.failed:
        number = "One article or file" if results.failed == 1 else f"{results.failed:,} articles or files"
        yield f"{number} could not be read: see errors.jsonl in the job's folder."
    bare = sum(article.text is None for article in results.articles)
    if bare:
        which = "The" if bare == shown else f"For {bare:,} articles the"
        yield (
            f"{which} texts are not here: a file of claims holds none, except of web pages, so the claims stand "
            "alone. A page made from a job's folder ('stance run INPUT -o FOLDER') shows them in their texts."
        )


# What the scripts read


def _data(articles: Sequence[ArticleFound]) -> dict[str, Any]:
    """Give plain lists, short enough for 50,000 claims; `data.js` gives them names again.

    Offsets become UTF-16 units, in which JavaScript counts.
    """
    names: dict[str, int] = {}
    keys: Counter[str] = Counter()

    def number(name: str | None) -> int:
        return -1 if name is None else names.setdefault(name, len(names))

    def key(claim: Mapping[str, Any]) -> str:
        keys[claim["claim_id"]] += 1
        count = keys[claim["claim_id"]]
        return f"{claim['claim_id']}-{count}" if count > 1 else str(claim["claim_id"])

    return {
        "articles": [
            {
                "id": article.id,
                "title": _title(article),
                **{name: article.named[name] for name in ("url", "date", "publisher", "author")},
                "day": article.day.isoformat() if article.day else None,
                "text": article.text,
                "also": list(article.also),
                "claims": _claims(article, key, number),
            }
            for article in articles
        ],
        "names": list(names),
    }


def _claims(
    article: ArticleFound, key: Callable[[Mapping[str, Any]], str], number: Callable[[str | None], int]
) -> list[list[Any]]:
    units = _units(article.text)
    in_order = sorted(article.claims, key=lambda claim: claim["content_spans"][0])
    words = [] if article.text is not None else ["content", "cue", "source"]  # a text holds them already
    return [[*_claim(claim, key(claim), number, units), *(claim[name] for name in words)] for claim in in_order]


def _claim(
    claim: Mapping[str, Any], key: str, number: Callable[[str | None], int], units: Callable[[Sequence[int]], list[int]]
) -> list[Any]:
    return [
        key,
        _STANCES.index(claim["stance"]),
        -1 if claim["second"] is None else _STANCES.index(claim["second"]),
        [claim["probabilities"].get(stance, 0) for stance in _STANCES],
        number(claim["speaker"]),
        claim["speaker_probability"],
        number(claim["target"]),
        claim["target_probability"],
        _KINDS.index(claim["kind"]),
        units(list(chain.from_iterable(claim["content_spans"]))),
        units(claim["cue_span"] or []),
        units(claim["source_span"] or []),
    ]


def _title(article: ArticleFound) -> str:
    """Give the title; without one the text's first line, which is one in most files, else the id."""
    first = next((line.strip() for line in (article.text or "").splitlines() if line.strip()), "")
    title = article.named["title"] or (first if len(first) <= _TITLE_CHARS else None) or article.id
    return title if len(title) <= 2 * _TITLE_CHARS else title[: 2 * _TITLE_CHARS - 1] + "…"


def _units(text: str | None) -> Callable[[Sequence[int]], list[int]]:
    """Give what turns offsets in code points into offsets in UTF-16 units."""
    if text is None or text.isascii() or max(text) <= "\uffff":
        return list
    astral = [i for i, character in enumerate(text) if character > "\uffff"]
    return lambda offsets: [offset + bisect_left(astral, offset) for offset in offsets]
