"""How the cost of the whole job grows: with the length of an article, and with the number of articles.

A cost that grows faster than the text would show here first: names are compared with names, quotes are linked to
sources, and both become more as an article becomes longer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from rich.table import Table

from stance.errors import ConfigError
from stance.pipeline import Pipeline
from stance.types import Article
from training.bench import measure

LENGTHS = (1_000, 4_000, 16_000, 64_000, 160_000, 640_000)
COUNTS = (8, 32, 128, 512)
# Short texts differ in how many quotes they hold: as many are read as make this many characters.
_READ_CHARS, _MOST = 64_000, 64


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading takes.

    Attributes:
        articles: How many are read.
        chars: Of all of them together.
        cpu_seconds: Of all of them together, on one thread; the median over the turns.
    """

    articles: int
    chars: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Growth:
    """The cost of single articles, the shortest first, and of groups of articles, the smallest first."""

    by_length: tuple[Cost, ...]
    by_count: tuple[Cost, ...]


def growth(
    pipeline: Pipeline,
    articles: Sequence[Article],
    *,
    lengths: Sequence[int] = LENGTHS,
    counts: Sequence[int] = COUNTS,
    turns: int = 3,
    tick: Callable[[], None] = lambda: None,
) -> Growth:
    """Measure the whole job on articles made of these.

    Args:
        pipeline: What reads.
        articles: Put end to end, again and again where they are too few, and cut to each length; taken as they are,
            again and again, for each count.
        lengths: Characters of an article; such an article is read alone.
        counts: Numbers of articles that are read together.
        turns: How often each is measured.
        tick: Called after every measurement.

    Raises:
        ConfigError: No article holds a character.
    """
    if not any(article.text for article in articles):
        raise ConfigError("all articles are empty, expected some text to measure with")
    alone = {length: made(articles, length) for length in lengths}
    together = {count: [article for article, _ in zip(cycle(articles), range(count), strict=False)] for count in counts}

    def one_by_one(some: Sequence[Article]) -> Callable[[], None]:
        def job() -> None:
            for article in some:
                list(pipeline.run([article]))
            tick()

        return job

    def all_at_once(some: Sequence[Article]) -> Callable[[], None]:
        def job() -> None:
            for _ in pipeline.run(some):
                pass
            tick()

        return job

    jobs: Mapping[str, Callable[[], None]] = {
        **{f"length {length}": one_by_one(some) for length, some in alone.items()},
        **{f"count {count}": all_at_once(some) for count, some in together.items()},
    }
    # The first article costs more: libraries make things ready.
    list(pipeline.run(articles[:1]))
    taken = measure(jobs, turns, 1)
    return Growth(
        tuple(Cost(1, length, taken[f"length {length}"][0] / len(some)) for length, some in sorted(alone.items())),
        tuple(
            Cost(count, sum(len(article.text) for article in some), taken[f"count {count}"][0])
            for count, some in sorted(together.items())
        ),
    )


def made(articles: Sequence[Article], length: int) -> list[Article]:
    """Make articles of a length: enough of them to measure, and at least one."""
    texts = (article.text for article in cycle(articles) if article.text)
    count = min(_MOST, max(1, _READ_CHARS // length))
    return [Article(f"{length}-{at}", _of_length(texts, length)) for at in range(count)]


def exponent(costs: Sequence[Cost]) -> float:
    """Give k where cost grows like characters to the power of k: 1 is in proportion, 2 would be quadratic."""
    chars, seconds = np.log([(cost.chars, cost.cpu_seconds) for cost in costs]).T
    slope, _ = np.polyfit(chars, seconds, 1)
    return float(slope)


def report(found: Growth) -> list[Table]:
    """Lay what was measured out as tables."""
    tables = []
    for name, costs in (("One article", found.by_length), ("Articles together", found.by_count)):
        table = Table(title=f"{name}, CPU on one thread", title_justify="left")
        for column in ("articles", "characters", "seconds", "ms for 1,000 characters"):
            table.add_column(column, justify="right")
        for cost in costs:
            each = cost.cpu_seconds / cost.chars * 1e6
            table.add_row(f"{cost.articles:,}", f"{cost.chars:,}", f"{cost.cpu_seconds:.3f}", f"{each:.1f}")
        tables.append(table)
    return tables


def _of_length(texts: Iterator[str], length: int) -> str:
    parts: list[str] = []
    size = -2  # nothing stands before the first
    while size < length:
        parts.append(next(texts))
        size += len(parts[-1]) + 2
    return "\n\n".join(parts)[:length]
