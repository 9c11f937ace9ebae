"""What a job shows while it runs, and at its end."""

import io

import pytest
from rich.console import Console

from stance.batch import State
from stance.ledger import Counts
from stance.progress import _Log, describe, outcome, seconds_left, show_progress

NOTHING = Counts(0, 0, 0, 0, 0, 0)


def state(
    *, done: int = 500, before: int = 0, total: int = 1000, seconds: float = 20.0, counts: Counts | None = None
) -> State:
    return State("running", counts or Counts(1200, 10, 3400, 5, 7, 1), NOTHING, seconds, done, before, total)


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=60, highlight=False)


def said(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    shown, now = console(), 100.0
    log = _Log(shown, clock=lambda: now)
    for tenth in range(400):
        now = 100.0 + tenth / 10
        log(state())
    assert said(shown).splitlines() == [f"50%, {describe(state())}"] * 3
    now += 10
    log(state(total=0))
    assert "50%" not in said(shown).splitlines()[-1]


def test_nothing_is_shown_at_once_or_when_it_is_to_be_quiet() -> None:
    for quiet in (True, False):
        shown = console()
        with show_progress(shown, quiet=quiet) as tick:
            tick(state())
        assert said(shown) == ""


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    shown = console(terminal=True)
    with show_progress(shown) as tick:
        tick(state(total=0))
        tick(state(done=2000))
        tick(state())
    assert "1,200 articles" in said(shown)


def test_how_far_a_job_is() -> None:
    assert describe(state()) == "1,200 articles (60.0/s), 3,400 quotes (170/s), 7 errors, 20 s left"
    assert describe(state(seconds=0.0)).endswith("7 errors, 0 s left")
    assert describe(state(counts=NOTHING, done=0)) == "0 articles, 0 quotes, 0 errors"


@pytest.mark.parametrize(
    ("done", "before", "total", "seconds", "left"),
    [
        (500, 0, 1000, 20.0, 20.0),
        (500, 400, 1000, 20.0, 100.0),  # only what was done now tells how fast it is
        (1000, 0, 1000, 20.0, 0.0),
        (0, 0, 1000, 20.0, None),
        (400, 400, 1000, 20.0, None),
        (500, 0, 0, 20.0, None),  # standard input: nobody knows how much there is
    ],
)
def test_time_left(done: int, before: int, total: int, seconds: float, left: float | None) -> None:
    assert seconds_left(state(done=done, before=before, total=total, seconds=seconds)) == left


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5.4, "5 s"), (59.9, "1 min 00 s"), (754, "12 min 34 s"), (7260, "2 h 01 min"), (200_000, "2 days 7 h")],
)
def test_durations(seconds: float, words: str) -> None:
    shown = console()
    shown.print(outcome(state(seconds=seconds)))
    assert words in said(shown)


def test_the_table_at_the_end() -> None:
    shown = console()
    before = Counts(1000, 10, 3000, 0, 0, 1)
    shown.print(outcome(State("finished", Counts(1200, 10, 3400, 5, 7, 1), before, 20.0, 1, 1, 1)))
    assert [line.split("  ")[0] + "|" + line.split("  ")[-1].strip() for line in said(shown).splitlines()] == [
        "articles read|1,190",
        "same text as another|10",
        "failed|7",
        "quotes|3,400",
        "left out as unsure|5",
        "of them now|200",
        "time|20 s (10.0 articles/s)",
    ]
    empty = console()
    empty.print(outcome(State("finished", NOTHING, NOTHING, 0.0, 0, 0, 0)))
    assert [line.split()[0] for line in said(empty).splitlines()] == ["articles", "failed", "quotes", "time"]
