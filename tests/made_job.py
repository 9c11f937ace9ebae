"""Jobs made by hand: articles whose claims are given by their words, written as a real job's folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from stance.parquet import ARTICLES, CLAIMS, articles_table, claims_table, write_part
from stance.records import article_row, claim_rows
from stance.types import Article, AttributedQuote, Claim, Kind, Quote, Span, Stance
from stance.writers import open_writer


@dataclass(frozen=True, slots=True)
class Said:
    """A claim: its words as they stand in the text, several where it is broken; the first place of each counts."""

    words: str | Sequence[str]
    speaker: str | None = None
    stance: str = "other"
    cue: str | None = None
    source: str | None = None
    target: str | None = None
    second: str | None = None
    sure: float = 0.7


@dataclass(frozen=True, slots=True)
class Made:
    """An article; `duplicate_of` names an earlier one with the same text."""

    id: str
    text: str
    said: Sequence[Said] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    duplicate_of: str | None = None
    extracted: bool = False

    def article(self) -> Article:
        return Article(self.id, self.text, self.metadata, self.extracted)

    def rows(self) -> list[dict[str, Any]]:
        return list(claim_rows(self.article(), [self._claim(said) for said in self.said], "toy"))

    def _claim(self, said: Said) -> Claim:
        words = [said.words] if isinstance(said.words, str) else said.words
        quote = Quote(tuple(map(self._span, words)), self._span(said.cue), self._span(said.source), Kind.DIRECT)
        rest = dict.fromkeys(Stance, (1 - said.sure) / 3)
        attributed = AttributedQuote(quote, said.speaker, said.speaker and 0.9)
        second = None if said.second is None else Stance(said.second)
        stance = Stance(said.stance)
        return Claim(attributed, stance, second, rest | {stance: said.sure}, said.target, said.target and 0.8)

    def _span(self, words: str | None) -> Any:
        if words is None:
            return None
        start = self.text.index(words)
        return Span(start, start + len(words))


def make_job(folder: Path, articles: Iterable[Made], *, size: int = 1000) -> Path:
    """Write a job's folder with `size` articles a part."""
    made = list(articles)
    for kind in ("claims", "articles"):
        (folder / kind).mkdir(parents=True)
    for part in range(-(-len(made) // size)):
        some = made[part * size : (part + 1) * size]
        claims = [row for one in some for row in one.rows()]
        write_part(folder / "claims" / f"part-{part:05}.parquet", [claims_table(claims)], CLAIMS)
        write_part(folder / "articles" / f"part-{part:05}.parquet", [articles_table(map(_row, some))], ARTICLES)
    return folder


def make_lines(path: Path, articles: Iterable[Made]) -> Path:
    """Write the JSON Lines file of a run."""
    with open_writer(path) as write:
        for one in articles:
            for row in one.rows():
                write(row)
    return path


def _row(made: Made) -> dict[str, Any]:
    return article_row(
        made.article(),
        file="in.jsonl",
        line=1,
        sha256=sha256(made.text.encode()).hexdigest(),
        duplicate_of=made.duplicate_of,
        stances={stance: sum(said.stance == stance for said in made.said) for stance in Stance},
    )
