"""How a job shows that it is alive: a bar on a terminal, a line every ten seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from stance.batch import State

_LOG_SECONDS = 10.0


@contextmanager
def show_progress(console: Console, *, quiet: bool = False) -> Iterator[Callable[[State], None]]:
    """Give a function that takes a job's states, several a second."""
    if quiet:
        yield lambda state: None
    elif console.is_terminal:
        with Progress(
            SpinnerColumn(),
            BarColumn(24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        ) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda state: _show(bar, task, state)
    else:
        yield _Log(console)


class _Log:
    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last = clock()

    def __call__(self, state: State) -> None:
        now = self._clock()
        if now - self._last >= _LOG_SECONDS:
            self._last = now
            done = f"{100 * state.bytes_done / state.bytes_total:.0f}%, " if state.bytes_total else ""
            self._console.print(done + describe(state), soft_wrap=True)


def describe(state: State) -> str:
    """Say in one line how far a job is: articles, their speed, quotes, errors, time left."""
    articles = state.counts.articles - state.before.articles
    claims = state.counts.claims - state.before.claims
    speed = f" ({articles / state.seconds:.1f}/s)" if articles and state.seconds else ""
    quotes = f" ({claims / state.seconds:.0f}/s)" if claims and state.seconds else ""
    left = seconds_left(state)
    return (
        f"{state.counts.articles:,} articles{speed}, {state.counts.claims:,} quotes{quotes}, "
        f"{state.counts.failed:,} errors" + (f", {_duration(left)} left" if left is not None else "")
    )


def seconds_left(state: State) -> float | None:
    """Guess how long a job still takes, by the bytes of its input; None while nobody knows."""
    here = state.bytes_done - state.bytes_before
    if here <= 0 or state.bytes_total < state.bytes_done:
        return None
    return state.seconds * (state.bytes_total - state.bytes_done) / here


def outcome(state: State) -> Table:
    """Give the table that stands at the end of a job."""
    counts, before = state.counts, state.before
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    read = counts.articles - counts.duplicates
    rows = {
        "articles read": read,
        "same text as another": counts.duplicates,
        "failed": counts.failed,
        "quotes": counts.claims,
        "left out as unsure": counts.unsure,
    }
    for name, number in rows.items():
        if number or name in {"articles read", "failed", "quotes"}:
            table.add_row(name, f"{number:,}", style="red" if name == "failed" and number else "")
    new = counts.articles - before.articles
    if before.articles:
        table.add_row("of them now", f"{new:,}")
    speed = f" ({new / state.seconds:.1f} articles/s)" if new and state.seconds else ""
    table.add_row("time", _duration(state.seconds) + speed)
    return table


def _show(bar: Progress, task: TaskID, state: State) -> None:
    total = state.bytes_total or None
    bar.update(task, description=describe(state), total=total, completed=min(state.bytes_done, total or 0))


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"
