"""Processes that read batches: what kills or hangs them costs one article, and what comes from outside none."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from made import DIES, HANGS, RAISES, article, page, toy

from stance import processes, workers
from stance.config import RunConfig
from stance.errors import InputError, ModelError, StanceError
from stance.pages import Page
from stance.parquet import article_rows, claim_rows
from stance.types import Article
from stance.work import Done, Item, Task, stored_tables
from stance.workers import extracted, inspect, work

SETTINGS = RunConfig()
pytestmark = pytest.mark.slow


def task(batch: int, *texts: str, first: int = 0) -> Task:
    names = [f"{batch}-{place}" for place in range(first, first + len(texts))]
    return Task(
        batch,
        tuple(
            Item(Article(name, text), "in.jsonl", place + 1, "0" * 64, None, place)
            for place, (name, text) in enumerate(zip(names, texts, strict=True), first)
        ),
    )


def tasks(number: int) -> list[Task]:
    return [task(batch, *(article(10 * batch + i) for i in range(3))) for batch in range(number)]


def done(found: Iterable[Done | None]) -> list[Done]:
    return sorted((one for one in found if one is not None), key=lambda one: one.batch)


def ids(found: Done) -> list[str]:
    return [row["article_id"] for table in stored_tables(iter([found.articles])) for row in article_rows(table)]


def claimed(found: Done) -> list[str]:
    rows = [row for table in stored_tables(iter([found.claims])) for row in claim_rows(table)]
    return list(dict.fromkeys(row["article_id"] for row in rows))


def told(found: Iterable[Done]) -> list[object]:
    """What batches say, however their tables are cut: a batch whose worker died may be read in pieces."""

    def rows(stream: bytes) -> list[object]:
        return [row for table in stored_tables(iter([stream])) for row in table.to_pylist()]

    return [(one.batch, rows(one.articles), rows(one.claims), one.counts, one.failures) for one in found]


def failed(found: Done) -> list[tuple[int, str | None, str]]:
    return [(place, failure.id, failure.stage) for place, failure in found.failures]


def run(given: Iterable[Task], count: int = 2, perform: Callable[[RunConfig, Task], Done] = toy) -> list[Done]:
    return done(work(given, SETTINGS, count=count, stopping=lambda: False, perform=perform))


def readers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a zombie is one, too
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    psutil.wait_procs(readers(), timeout=20)
    assert readers() == []


def test_the_number_of_workers_changes_nothing() -> None:
    given = [*tasks(5), task(5, article(1), RAISES, article(2))]
    expected = [toy(SETTINGS, one) for one in given]
    for count in (1, 3):
        assert run(given, count) == expected
    assert ids(expected[0]) == claimed(expected[0]) == ["0-0", "0-1", "0-2"]


def test_an_article_on_which_anything_fails_fails_alone() -> None:
    [found] = run([task(0, article(1), RAISES + "x" * 10_000, article(2))], 1)
    assert ids(found) == claimed(found) == ["0-0", "0-2"]
    assert failed(found) == [(1, "0-1", "run")]
    [(_, failure)] = found.failures
    assert (failure.file, failure.line) == ("in.jsonl", 2)
    assert failure.reason.startswith(f"in.jsonl:2: RuntimeError: no sense in {RAISES}")
    assert len(failure.reason) < 600


def test_an_article_that_kills_its_worker_fails_alone() -> None:
    given = [*tasks(3), task(3, article(1), DIES, article(2), article(3)), task(4, DIES)]
    found = run(given)
    assert found[:3] == [toy(SETTINGS, one) for one in given[:3]]
    assert ids(found[3]) == claimed(found[3]) == ["3-0", "3-2", "3-3"]
    assert failed(found[3]) == [(1, "3-1", "crash")]
    assert (ids(found[4]), failed(found[4])) == ([], [(0, "4-0", "crash")])
    [(_, failure)] = found[3].failures
    assert failure.reason.startswith("in.jsonl:2: the worker died on it 2 times")
    assert [one.counts[0] for one in found] == [3, 3, 3, 3, 0]


def slow(settings: RunConfig, one: Task) -> Done:
    time.sleep(0.3)
    return toy(settings, one)


def test_a_worker_killed_from_outside_loses_nothing_and_blames_nobody() -> None:
    given, found, kills = tasks(12), [], 0
    for one in work(given, SETTINGS, count=2, stopping=lambda: False, perform=slow):
        found.append(one)
        if one is not None and kills < 3:
            alive = readers()
            alive[kills % len(alive)].kill()
            kills += 1
    assert kills == 3
    assert told(done(found)) == told(toy(SETTINGS, one) for one in given)


def test_workers_killed_while_they_wait_are_replaced() -> None:
    """The job may be long at something else: at reading a slow disk, at writing a part."""
    given = tasks(4)

    def source() -> Iterator[Task]:
        yield from given[:2]
        while len(idle := readers()) < 2 or any(process.cpu_percent(0.5) > 5 for process in idle):
            pass
        for reader in idle:
            reader.kill()
        psutil.wait_procs(idle)
        time.sleep(0.5)
        yield from given[2:]

    assert told(run(source())) == told(toy(SETTINGS, one) for one in given)


def test_batches_are_taken_as_they_are_needed() -> None:
    taken = 0

    def source() -> Iterator[Task]:
        nonlocal taken
        for one in tasks(30):
            taken += 1
            yield one

    finished = most = 0
    for one in work(source(), SETTINGS, count=2, stopping=lambda: False, perform=toy):
        finished += one is not None
        most = max(most, taken - finished)
    assert finished == 30
    assert most <= 5


def test_asked_to_stop_it_finishes_what_is_in_hand() -> None:
    began: list[int] = []

    def source() -> Iterator[Task]:
        for one in tasks(30):
            began.append(one.batch)
            yield one

    found: list[Done] = []
    for one in work(source(), SETTINGS, count=2, stopping=lambda: len(found) >= 2, perform=slow):
        if one is not None:
            found.append(one)
    assert 2 <= len(found) <= 4
    assert len(began) <= 8
    assert done(found) == [toy(SETTINGS, tasks(30)[one.batch]) for one in done(found)]


def test_nothing_to_do() -> None:
    assert run([]) == []
    assert done(work(tasks(3), SETTINGS, count=2, stopping=lambda: True, perform=toy)) == []


def test_an_error_of_the_caller_ends_the_workers() -> None:
    found = work(tasks(9), SETTINGS, count=2, stopping=lambda: False, perform=slow)
    next(found)
    found.close()
    assert readers() == []


def without_a_model(settings: RunConfig, one: Task) -> Done:
    raise ModelError("model.safetensors: missing")


def dead(settings: RunConfig, one: Task) -> Done:
    os._exit(1)


def test_a_model_that_is_gone_stops_the_job() -> None:
    with pytest.raises(ModelError, match="missing"):
        run(tasks(2), perform=without_a_model)


def test_a_broken_model_is_no_articles_fault(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        inspect(RunConfig(model=tmp_path / "no"))


@pytest.mark.usefixtures("one_thread")
def test_the_model_itself(tiny_model: Path) -> None:
    """The real reader, in its own process and in this one."""
    settings = RunConfig(model=tiny_model)
    given = tasks(3)
    here = [workers.perform_here(settings, one) for one in given]
    assert done(work(given, settings, count=1, stopping=lambda: False)) == here
    assert inspect(settings) == workers.facts_here(settings)
    assert inspect(settings).name == "tiny"


# Pages


def entries(number: int) -> Iterator[tuple[int, Article | Page | InputError, str]]:
    for place in range(number):
        match place % 4:
            case 0:
                yield place, Article(f"a{place}", "It rained."), f"in:{place}"
            case 1:
                yield place, InputError(f"in:{place}: bad"), f"in:{place}"
            case _:
                yield place, Page(page(f"p{place}"), f"p{place}"), f"in:{place}"


def test_pages_come_in_their_places() -> None:
    found = list(extracted(entries(90), count=2))
    assert [place for place, _, _ in found] == list(range(90))
    for place, one, warnings in found:
        if place % 4 == 1:
            assert str(one) == f"in:{place}: bad"
        else:
            assert isinstance(one, Article)
            assert one.id == f"{'p' if place % 4 else 'a'}{place}"
        assert warnings == []


def test_without_pages_no_process_is_started() -> None:
    for _ in extracted(((0, Article(str(n), "It rained."), "in") for n in range(100)), count=2):
        assert readers() == []


def test_a_reader_killed_from_outside_loses_no_page() -> None:
    found = []
    for one in extracted(entries(200), count=2):
        found.append(one)
        if len(found) in {10, 120}:
            readers()[0].kill()
    assert [isinstance(one, Article) for _, one, _ in found] == [place % 4 != 1 for place in range(200)]


def die(page: Page, where: str) -> tuple[Article | InputError, list[str]]:
    if DIES in str(page.html):
        os._exit(9)
    if HANGS in str(page.html):
        time.sleep(600)
    return Article(page.id, "It rained."), [f"{where}: read"]


def test_a_page_that_kills_or_hangs_its_reader_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_extract", die)
    monkeypatch.setattr(workers, "PAGE_SECONDS", 3.0)
    pages = [Page(text, str(n)) for n, text in enumerate(["a", DIES, "b", "c", HANGS, "d"])]
    found = list(extracted(((n, one, f"in:{n}") for n, one in enumerate(pages)), count=2))
    assert [isinstance(one, Article) for _, one, _ in found] == [True, False, True, True, False, True]
    assert str(found[1][1]) == "in:1: a page on which its reader died 2 times, expected HTML"
    assert str(found[4][1]) == "in:4: a page that takes over 3 seconds, expected HTML"
    assert found[0][2] == ["in:0: read"]


def test_processes_that_cannot_live_stop_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be blamed on articles where no worker can even begin."""
    monkeypatch.setattr(processes, "_serve", die_at_once)
    with pytest.raises(StanceError, match=r"processes died 5 times as they started \(exit code 1\)"):
        run(tasks(2), 1)


def die_at_once(pipe: Connection) -> None:
    os._exit(1)
