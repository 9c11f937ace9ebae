import json
import multiprocessing
import os
import random
from collections import Counter
from pathlib import Path

import fuzz
import pytest
from pebble import ProcessPool

from stance.errors import InputError
from stance.formats import Entry
from stance.pages import Page
from stance.types import Article


@pytest.mark.slow
def test_every_input_is_read_or_refused_with_a_reason() -> None:
    tallies = fuzz.run(600, seed=7)
    assert [problem for tally in tallies.values() for problem in tally.problems] == []
    assert sum(tally.made for tally in tallies.values()) == 600
    assert all(tally.refused for tally in tallies.values())
    assert sum(tally.read for tally in tallies.values()) > 100


def test_an_input_can_be_made_again(tmp_path: Path) -> None:
    made = []
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        asked = fuzz.made(random.Random("7 12"), folder)  # noqa: S311
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        made.append((asked.kind, [(path.relative_to(folder), path.read_bytes()) for path in files]))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (InputError("somewhere: no text"), "does not name"),
        (InputError("in/a.txt: " + "no " * 1000), "too long"),
        (Article(" ", "Words."), "an empty value"),
        (Article("a", "\n"), "an empty value"),
        (Article("a", "half \ud800"), "surrogates"),
        (Article("a", "Words.", {"x": float("nan")}), "JSON"),
        (Article("a", "Words.", {"x": Path("a")}), "JSON"),
    ],
    ids=repr,
)
def test_what_is_neither_is_noticed(found: Article | InputError, problem: str) -> None:
    with pytest.raises((AssertionError, ValueError, TypeError), match=problem):
        fuzz.check(Entry("in/a.txt", None, found, 0))


def test_what_is_as_it_should_be_passes() -> None:
    assert fuzz.check(Entry("a.txt", 3, Article("a", "Words.", {"x": [1, None]}), 0)) == "read"
    assert fuzz.check(Entry("a.txt", 3, InputError("a.txt:3: no text"), 0)) == "refused"
    assert fuzz.check(Entry("a.html", None, Page("<p>", "a"), 0)) == "refused"


def die(seed: int, indices: range) -> list[tuple[str, Counter[str], str]]:
    """Stand in for `fuzz.many`: an input that kills its process."""
    if 3 in indices:
        os.abort()
    return [("text", Counter(read=1), "")] * len(indices)


@pytest.mark.slow
def test_a_crash_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.many", die)
    with ProcessPool(2, context=multiprocessing.get_context("spawn")) as pool:
        results = list(fuzz._results(pool, 1, [range(5), range(5, 9)], 60))
    assert [problem for _, _, problem in results if problem] == ["3: ProcessExpired"]
    assert len(results) == 9
    json.dumps([dict(became) for _, became, _ in results])
