"""What a worker does: one batch of articles in, its tables out. The same on one machine and on a cluster."""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stance.articles import cut
from stance.types import Article, Failure

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.config import RunConfig
    from stance.pipeline import Pipeline

# A batch that takes longer has hung: so many seconds, and one more for so many characters. The slowest machine
# that was measured reads 20,000 characters a second on one core.
TIMEOUT_SECONDS = 300.0
TIMEOUT_CHARS = 500
# What an exception says may hold the article's whole text.
_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class Item:
    """One article of a batch.

    Attributes:
        article: The article.
        file: The input that it comes from, as named in the job.
        line: Its line or row there, from 1; None where the file is one article.
        sha256: Of its text, in hexadecimal digits.
        duplicate_of: The id of an earlier article with the same text, which is not read again, or None.
        place: Its place in the batch, from 0.
    """

    article: Article
    file: str
    line: int | None
    sha256: str
    duplicate_of: str | None
    place: int


@dataclass(frozen=True, slots=True)
class Task:
    """A batch for a worker; `items` in input order."""

    batch: int
    items: tuple[Item, ...]

    @property
    def timeout_seconds(self) -> float:
        """After which the batch counts as hung."""
        return TIMEOUT_SECONDS + sum(len(item.article.text) for item in self.items) / TIMEOUT_CHARS


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a batch.

    Attributes:
        batch: Its number.
        articles, claims: Arrow streams with the schemas of `stance.parquet`.
        counts: Articles, duplicates among them, claims, claims left out as unsure.
        failures: Each with its place in the batch.
    """

    batch: int
    articles: bytes
    claims: bytes
    counts: tuple[int, int, int, int]
    failures: tuple[tuple[int, Failure], ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which model a worker reads with: its name, one hash of all its files, and the arithmetic that it runs in."""

    name: str
    sha256: str
    precision: str = "float"

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.name} ({self.sha256[:12]}, {self.precision})"


class Worker:
    """Reads batches with a model that is loaded once."""

    def __init__(self, settings: "RunConfig", threads: int | None = None) -> None:
        """Load the model.

        Args:
            settings: Of the run.
            threads: Of this process; None leaves it to torch.

        Raises:
            ModelError: See `Pipeline.from_pretrained`.
        """
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import torch

        from stance.pipeline import Pipeline

        if threads is not None:
            torch.set_num_threads(threads)
        self._settings = settings
        self._pipeline = Pipeline.from_pretrained(
            settings.model, device=settings.device, batch_size=settings.batch_size, precision=settings.precision
        )

    def __call__(self, task: Task) -> Done:
        """Read a batch; an article on which anything fails becomes a failure, the others are read."""
        return perform(self._pipeline, task, min_probability=self._settings.min_probability)

    def facts(self) -> ModelFacts:
        """Say which model this is."""
        from stance.network import CONFIG, TOKENIZER, WEIGHTS
        from stance.pipeline import default_model
        from stance.runtime import precision_of

        digest = hashlib.sha256()
        for name in (CONFIG, TOKENIZER, WEIGHTS):
            digest.update(((self._settings.model or default_model()) / name).read_bytes())
        return ModelFacts(self._pipeline.model, digest.hexdigest(), precision_of(self._pipeline.network))


def perform(pipeline: "Pipeline", task: Task, *, min_probability: float) -> Done:
    """Read a batch of articles; see `Worker`."""
    fresh = [item for item in task.items if item.duplicate_of is None]
    try:
        read = _read(pipeline, fresh, min_probability)
    except Exception:
        # Whatever it is, it must not cost the neighbours: one by one shows on which article it fails.
        read = {}
        failures = []
        for item in fresh:
            try:
                read |= _read(pipeline, [item], min_probability)
            except Exception as error:
                reason = cut(f"{type(error).__name__}: {error}", _REASON_CHARS)
                failures.append((item.place, failed(item, "run", reason)))
        return _done(task, read, failures)
    return _done(task, read, [])


def failed(item: Item, stage: str, reason: str) -> Failure:
    """Give the failure of an article that was read from its file, and then could not be worked on."""
    where = item.file if item.line is None else f"{item.file}:{item.line}"
    return Failure(item.article.id, item.file, item.line, stage, f"{where}: {reason}")


def empty(task: Task, failures: Sequence[tuple[int, Failure]]) -> Done:
    """Give the result of a batch none of whose articles could be read."""
    return _done(task, {}, failures)


def merged(task: Task, parts: Sequence[Done]) -> Done:
    """Put the results of a batch together that was read in pieces."""
    articles, claims = (
        _stream([table for part in parts for table in [_table(getattr(part, kind))]], kind)
        for kind in ("articles", "claims")
    )
    counts = tuple(sum(part.counts[i] for part in parts) for i in range(4))
    failures = tuple(failure for part in parts for failure in part.failures)
    return Done(task.batch, articles, claims, counts, failures)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Read:
    """An article that was read; of a long one the claims of each section are a compressed stream."""

    row: dict[str, Any]
    claims: list["pa.Table | bytes"]
    number: int
    unsure: int


def _read(pipeline: "Pipeline", items: Sequence[Item], min_probability: float) -> dict[int, _Read]:
    """Read articles; the result is keyed by their place. Claims turn into tables section by section."""
    from stance.parquet import claims_table
    from stance.records import article_row, claim_rows

    found: dict[int, _Read] = {}
    tables: list[pa.Table | bytes] = []
    stances: dict[str, int] = {}
    number = unsure = 0
    by_article = {id(item.article): item for item in items}
    for article, claims, last in pipeline.stream(item.article for item in items):
        sure = [claim for claim in claims if claim.probabilities[claim.stance] >= min_probability]
        unsure += len(claims) - len(sure)
        for claim in sure:
            stances[claim.stance] = stances.get(claim.stance, 0) + 1
        number += len(sure)
        if sure:
            table = claims_table(list(claim_rows(article, sure, pipeline.model)))
            tables.append(table if last else _stream([table], "claims"))
        if last:
            item = by_article[id(article)]
            found[item.place] = _Read(
                article_row(
                    article,
                    file=item.file,
                    line=item.line,
                    sha256=item.sha256,
                    duplicate_of=None,
                    stances=stances,
                ),
                tables,
                number,
                unsure,
            )
            tables, stances, number, unsure = [], {}, 0, 0
    return found


def _done(task: Task, read: dict[int, _Read], failures: Sequence[tuple[int, Failure]]) -> Done:
    from stance.parquet import articles_table
    from stance.records import article_row

    rows = []
    claims: list[pa.Table | bytes] = []
    duplicates = number = unsure = 0
    for item in task.items:
        if item.duplicate_of is not None:
            duplicates += 1
            rows.append(
                article_row(
                    item.article,
                    file=item.file,
                    line=item.line,
                    sha256=item.sha256,
                    duplicate_of=item.duplicate_of,
                    stances={},
                )
            )
        elif item.place in read:
            rows.append(read[item.place].row)
            claims += read[item.place].claims
            number += read[item.place].number
            unsure += read[item.place].unsure
    return Done(
        task.batch,
        _stream([articles_table(rows)], "articles"),
        _stream((_table(one) if isinstance(one, bytes) else one for one in claims), "claims"),
        (len(rows), duplicates, number, unsure),
        tuple(failures),
    )


def _stream(tables: Iterable["pa.Table"], kind: str) -> bytes:
    import pyarrow as pa

    from stance.parquet import ARTICLES, CLAIMS

    sink = io.BytesIO()
    with pa.ipc.new_stream(
        sink, {"articles": ARTICLES, "claims": CLAIMS}[kind], options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        for table in tables:
            writer.write_table(table)
    return sink.getvalue()


def _table(stream: bytes) -> "pa.Table":
    import pyarrow as pa

    return pa.ipc.open_stream(stream).read_all()


def stored_tables(streams: Iterator[bytes]) -> Iterator["pa.Table"]:
    """Give the tables of Arrow streams, one after the other."""
    return map(_table, streams)
