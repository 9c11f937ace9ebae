"""A job: stopped and gone on with, changed, mended, retried; its output is that of one that was never stopped."""

import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made import (
    DIES,
    FACTS,
    HANGS,
    RAISES,
    Heard,
    article,
    contents,
    failures,
    in_this_process,
    lines,
    mixed,
    page,
    retry,
    rows,
    run,
    toy,
)

import stance.work
from stance import plan
from stance.batch import Engine, State, TooManyFailuresError
from stance.config import RunConfig
from stance.errors import ConfigError, OutputError
from stance.export import export
from stance.folder import opened
from stance.ledger import Counts
from stance.summary import summarize
from stance.work import Done, ModelFacts, Task
from stance.workers import work


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BATCH_ENTRIES", 4)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Inputs of every kind but web pages, which cost a process each time."""
    return mixed(tmp_path_factory.mktemp("mixed"), 6, pages=False)


@pytest.fixture(scope="module")
def expected(given: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BATCH_ENTRIES", 4)
        out = tmp_path_factory.mktemp("expected") / "out"
        assert run(out, given).name == "finished"
    return contents(out)


def about(out: Path) -> dict[str, Any]:
    found = json.loads((out / "job.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def write_rows(path: Path, *numbers: int, **more: object) -> Path:
    return lines(path, [{"id": f"r{n}", "text": article(n)} | more for n in numbers])


def ids(out: Path) -> list[object]:
    return [row["article_id"] for row in rows(out)]


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


# The same output, however it comes about


def test_an_undisturbed_job(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    heard = Heard()
    state = run(out, given, heard=heard)
    assert contents(out) == expected
    articles, claims = rows(out), rows(out, "claims")
    assert state.counts == Counts(
        articles=len(articles),
        duplicates=sum(row["duplicate_of"] is not None for row in articles),
        claims=len(claims),
        unsure=0,
        failed=len(failures(out)),
        parts=len(list((out / "articles").iterdir())),
    )
    assert state.counts.parts > 1
    assert state.bytes_done == state.bytes_total
    assert {row["article_id"] for row in claims} <= {row["article_id"] for row in articles}
    found = [(Path(one.file).name, one.line, one.stage) for one in failures(out)]
    assert found[0][0] == "cut.jsonl.gz"  # how much of it can be unpacked is zlib's affair
    assert found[1:] == [
        ("rows.jsonl", 4, "read"),
        ("rows.jsonl", 6, "read"),
        ("rows.jsonl", 7, "read"),
        ("missing.txt", None, "read"),
        ("empty.txt", None, "read"),
        ("table.csv", 7, "read"),
        ("table.csv", 8, "read"),
    ]
    for failure in failures(out):
        assert failure.reason.startswith(
            failure.file if failure.line is None else f"{failure.file}:{failure.line}"
        ) or ("after line" in failure.reason)
        assert failure.reason in heard
    order = [row["file"] for row in articles]
    assert order == sorted(order)


def test_articles_are_rows_in_input_order_with_their_claims_behind(out: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", *range(30), publisher="Post")
    run(out, [tmp_path / "in.jsonl"], part_articles=10)
    assert ids(out) == [f"r{n}" for n in range(30)]
    assert [row["line"] for row in rows(out)] == list(range(1, 31))
    assert [row["claims"] for row in rows(out)] == [1 + n % 4 for n in range(30)]
    assert list(dict.fromkeys(row["article_id"] for row in rows(out, "claims"))) == ids(out)
    # Parts end with the batch in which they are full.
    names = [path.name for path in sorted((out / "articles").iterdir())]
    assert names == [path.name for path in sorted((out / "claims").iterdir())]
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


def test_the_order_of_finishing_changes_nothing(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    def backwards(tasks: Iterable[Task]) -> Iterator[Done | None]:
        for task in reversed(list(tasks)):
            yield toy(RunConfig(), task)

    run(out, given, engine=backwards)
    assert contents(out) == expected


def test_the_size_of_batches_changes_no_row(
    given: list[str], out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(out, given)
    monkeypatch.setattr(plan, "BATCH_ENTRIES", 7)
    run(tmp_path / "other", given, part_articles=1000)
    for kind in ("articles", "claims"):
        assert rows(tmp_path / "other", kind) == rows(out, kind)
    assert failures(tmp_path / "other") == failures(out)


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(out: Path, tmp_path: Path) -> None:
    """In processes of their own, and with web pages."""
    inputs = mixed(tmp_path / "in", 5)
    run(out, inputs, workers=1)
    extracted = [row for row in rows(out) if row["extracted"]]
    names = ["note-1", *(f"page-{n}" for n in range(5))]
    assert [row["title"] for row in extracted] == [f"Of {name}" for name in names]
    assert all(row["text"] for row in extracted)
    for count in (1, 2, 3):
        engine = partial(work, settings=RunConfig(), count=count, stopping=lambda: False, perform=toy)
        run(tmp_path / str(count), inputs, engine=engine, workers=count)
        assert contents(tmp_path / str(count)) == contents(out)
        assert about(tmp_path / str(count))["inputs"] == about(out)["inputs"]


@pytest.mark.slow
def test_what_kills_or_hangs_its_worker_is_set_apart(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stance.work, "TIMEOUT_SECONDS", 2.5)
    traps = {2: DIES, 9: RAISES, 13: HANGS, 14: "the same words as another", 15: "the same words as another"}
    path = lines(tmp_path / "in.jsonl", [{"id": f"r{n}", "text": traps.get(n, article(n))} for n in range(20)])
    run(out, [path], engine=partial(work, settings=RunConfig(), count=2, stopping=lambda: False, perform=toy))
    assert ids(out) == [f"r{n}" for n in range(20) if n not in {2, 9, 13}]
    assert {row["article_id"]: row["duplicate_of"] for row in rows(out)}["r15"] == "r14"
    assert [(one.id, one.file, one.line, one.stage) for one in failures(out)] == [
        ("r2", str(path), 3, "crash"),
        ("r9", str(path), 10, "run"),
        ("r13", str(path), 14, "timeout"),
    ]
    assert [one.reason.removeprefix(str(path))[:27] for one in failures(out)] == [
        ":3: the worker died on it 2",
        ":10: RuntimeError: no sense",
        ":14: not done after 3 secon",
    ]


# Stopped at any moment


def disturbed(chance: random.Random) -> tuple[Engine, Callable[[State], None]]:
    """An engine, and an ear, that end the job at a random moment."""
    moments = chance.randrange(0, 9), chance.randrange(0, 25)

    def engine(tasks: Iterable[Task]) -> Iterator[Done | None]:
        for number, done in enumerate(in_this_process(lambda task: toy(RunConfig(), task))(tasks)):
            if number == moments[0]:
                raise Killed
            yield done

    ticks = iter(range(10_000))

    def tick(_: State) -> None:
        if next(ticks) == moments[1]:
            raise Killed

    return engine, tick


@pytest.mark.parametrize("seed", range(4))
def test_stopped_again_and_again_it_gives_the_same(
    seed: int, given: list[str], out: Path, expected: dict[str, bytes]
) -> None:
    chance = random.Random(seed)  # noqa: S311
    stops = 0
    while True:
        engine, tick = disturbed(chance)
        try:
            state = run(out, given, engine=engine, tick=tick)
        except Killed:
            stops += 1
            assert stops < 200
            continue
        break
    assert stops > 3
    assert state.name == "finished"
    assert contents(out) == expected
    assert state.counts.articles == len(rows(out))


def test_a_job_that_is_finished_has_nothing_to_do(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    first = run(out, given)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("part-*")}
    again = run(out, given, engine=_never)
    assert contents(out) == expected
    assert {path: path.stat().st_mtime_ns for path in out.rglob("part-*")} == times
    assert again.counts == again.before == first.counts


def _never(tasks: Iterable[Task]) -> Iterator[Done | None]:
    assert list(tasks) == []
    yield None


def test_parts_that_were_written_and_not_noted_are_written_again(
    given: list[str], out: Path, expected: dict[str, bytes]
) -> None:
    """A kill between a part and the ledger leaves what no reader may take for whole."""
    engine, tick = disturbed(random.Random(0))  # noqa: S311
    with pytest.raises(Killed):
        run(out, given, engine=engine, tick=tick)
    (out / "claims" / "part-00099.parquet").write_bytes(b"PAR1 half of")
    (out / "articles" / ".part-00000.parquet.tmp").write_bytes(b"PAR1")
    (out / "errors.jsonl").write_bytes(b'{"id": "half of a li')
    (out / ".errors.jsonl.tmp").write_bytes(b"x")
    run(out, given)
    assert contents(out) == expected


def test_asked_to_stop_it_finishes_what_is_in_hand(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    asked: list[State] = []
    state = run(out, given, tick=asked.append, stopping=lambda: len(asked) > 4)
    assert state.name == about(out)["state"] == "interrupted"
    assert 0 < state.counts.articles < 25
    assert about(out)["inputs"]["files"] > 0
    assert run(out, given).name == about(out)["state"] == "finished"
    assert contents(out) == expected


def test_asked_to_stop_it_does_not_read_on_through_what_nobody_works_on(out: Path, tmp_path: Path) -> None:
    """A file of nothing but bad lines never comes to a worker, which is where it is asked otherwise."""
    lines(tmp_path / "bad.jsonl", ["bad"] * 400)
    asked: list[State] = []
    state = run(out, [tmp_path / "bad.jsonl"], tick=asked.append, stopping=lambda: len(asked) > 3)
    assert state.name == "interrupted"
    assert 0 < state.counts.failed < 40
    assert run(out, [tmp_path / "bad.jsonl"]).counts.failed == 400


# Two at once, other folders


def test_a_second_job_in_the_folder_is_refused(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    refused = 0

    def tick(_: State) -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            with pytest.raises(ConfigError, match="another job is at work in this folder; wait for it"):
                run(out, given, restart=refused == 2)
            with pytest.raises(ConfigError, match="another job"):
                retry(out)

    run(out, given, tick=tick)
    assert refused == 3
    assert contents(out) == expected


@pytest.mark.parametrize("name", ["holiday.jpg", "src", "claims.csv"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_that_holds_something_else_is_refused(name: str, restart: bool, out: Path, given: list[str]) -> None:
    (out / name).mkdir(parents=True)
    with pytest.raises(ConfigError, match=rf"{out}: holds '{name}' and no job, expected a new or empty folder"):
        run(out, given, restart=restart)
    assert [path.name for path in out.iterdir()] == [name]


def test_a_file_in_place_of_the_folder_is_refused(out: Path, given: list[str]) -> None:
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is a file, expected a folder"):
        run(out, given)
    with pytest.raises(OutputError, match="cannot be written"):
        run(out / "deeper", given)
    assert out.read_text(encoding="utf-8") == "mine"


def test_results_without_their_ledger_are_not_written_over(
    given: list[str], out: Path, expected: dict[str, bytes]
) -> None:
    run(out, given)
    (out / "job.sqlite").unlink()
    with pytest.raises(ConfigError, match=r"holds 'articles' but no job\.sqlite, the job's ledger; use --restart"):
        run(out, given)
    assert contents(out) == expected
    with pytest.raises(ConfigError, match="no job in this folder"):
        retry(out)
    run(out, given, restart=True)
    assert contents(out) == expected


def test_what_a_kill_in_the_first_moment_leaves_is_no_obstacle(given: list[str], out: Path) -> None:
    (out / "claims").mkdir(parents=True)
    (out / "articles").mkdir()
    (out / "job.lock").touch()
    (out / ".DS_Store").touch()
    (out / "job.sqlite").touch()
    assert run(out, given).name == "finished"


@pytest.mark.parametrize("damage", [b"no database" * 100, None])
def test_a_damaged_ledger_is_named(
    damage: bytes | None, given: list[str], out: Path, expected: dict[str, bytes]
) -> None:
    run(out, given)
    ledger = out / "job.sqlite"
    ledger.write_bytes(ledger.read_bytes()[:8192] if damage is None else damage)
    with pytest.raises(ConfigError, match=r"job\.sqlite: .*--restart"):
        run(out, given)
    run(out, given, restart=True)
    assert contents(out) == expected


def test_the_folder_may_be_moved_between_two_commands(
    given: list[str], out: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    asked: list[State] = []
    run(out, given, tick=asked.append, stopping=lambda: len(asked) > 4)
    moved = out.rename(tmp_path / "elsewhere [1] '*'?")
    run(moved, given)
    assert contents(moved) == expected


# What may change and what may not


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"part_articles": 21}, "part_articles was 20 and is 21"),
        ({"min_probability": 0.5}, "min_probability was 0.0 and is 0.5"),
        ({"batch_size": 8}, "batch_size was 16 and is 8"),
        ({"device": "cpu"}, "device was 'auto' and is 'cpu'"),
        ({"columns": {"id": "no"}}, "columns was .*'id': None.* and is .*'id': 'no'"),
        (
            {"facts": ModelFacts("toy", "1" * 64)},
            r"model toy \(000000000000, float\) and this is toy \(1111",
        ),
        ({"facts": ModelFacts("other", "0" * 64)}, "model toy .* and this is other"),
    ],
)
def test_other_settings_and_another_model_are_refused(
    change: dict[str, Any], words: str, out: Path, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "in.jsonl", *range(6))
    run(out, [path])
    before = contents(out)
    with pytest.raises(ConfigError, match=words) as error:
        run(out, [path], **change)
    assert "--restart to begin again" in str(error.value)
    assert contents(out) == before
    assert run(out, [path], **change, restart=True).name == "finished"
    with pytest.raises(ConfigError, match="this job was begun with"):
        run(out, [path])


def test_other_workers_and_a_limit_may_change(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    asked: list[State] = []
    run(out, given, tick=asked.append, stopping=lambda: len(asked) > 4, workers=1)
    run(out, given, workers=2, max_errors=100)
    assert contents(out) == expected


def test_other_versions_are_said_aloud(given: list[str], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(out, given)
    monkeypatch.setattr(stance, "__version__", "99.0")
    heard = Heard()
    run(out, given, heard=heard)
    assert any("begun with other versions" in words for words in heard)


def test_a_model_that_is_not_there_costs_no_results(given: list[str], out: Path, expected: dict[str, bytes]) -> None:
    run(out, given)

    def fail(_: Iterable[Task]) -> Iterator[Done | None]:
        raise AssertionError

    from stance.batch import run_job
    from stance.errors import ModelError

    def prepare(_: RunConfig) -> tuple[ModelFacts, Engine]:
        raise ModelError("no such model folder")

    with pytest.raises(ModelError):
        run_job(out, given, RunConfig(), prepare=prepare, report=Heard().report(), stopping=lambda: False, restart=True)
    assert contents(out) == expected


def test_a_changed_input_is_refused_and_a_touched_one_is_not(out: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "in.jsonl", *range(9))
    asked: list[State] = []
    run(out, [path], tick=asked.append, stopping=lambda: len(asked) > 1)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"r8", b"r9"))
    with pytest.raises(ConfigError, match=rf"{path} has changed since this job read it; put it back to go on"):
        run(out, [path])
    path.unlink()
    with pytest.raises(ConfigError, match=rf"{path} is gone since this job read it; put it back to go on"):
        run(out, [path])
    path.write_bytes(data)
    os.utime(path, ns=(5, 5))
    assert run(out, [path]).name == "finished"
    assert ids(out) == [f"r{n}" for n in range(9)]
    path.write_bytes(data + b"\n")
    with pytest.raises(ConfigError, match="has changed"):
        run(out, [path])
    run(out, [path], restart=True)
    assert ids(out) == [f"r{n}" for n in range(9)]
    path.unlink()  # what was read to its end need not stay
    assert run(out, [tmp_path]).counts.articles == 9


def test_new_inputs_are_picked_up(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(folder / "m.jsonl", *range(10, 30))
    first = run(out, [folder])
    before = contents(out)
    write_rows(folder / "a.jsonl", *range(5))
    write_rows(tmp_path / "z.jsonl", *range(40, 43), 11)
    state = run(out, [folder, tmp_path / "z.jsonl"])
    assert {name: data for name, data in contents(out).items() if name in before and name.startswith(("a", "c"))} == {
        name: data for name, data in before.items() if name.startswith(("a", "c"))
    }
    assert ids(out) == [f"r{n}" for n in (*range(10, 30), *range(5), *range(40, 43))]
    assert [failure.reason for failure in failures(out)] == [
        f"{tmp_path}/z.jsonl:4: id 'r11' was used before, at {folder}/m.jsonl:2; expected each id once"
    ]
    assert state.before.articles == first.counts.articles == 20
    assert about(out)["inputs"]["given"] == [str(folder), str(tmp_path / "z.jsonl")]
    assert about(out)["inputs"]["files"] == 3


def test_new_inputs_of_an_interrupted_job_come_behind(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(folder / "m.jsonl", *range(20))
    asked: list[State] = []
    run(out, [folder], tick=asked.append, stopping=lambda: len(asked) > 2)
    write_rows(folder / "a.jsonl", *range(20, 25))
    run(out, [folder])
    assert ids(out) == [f"r{n}" for n in range(25)]


def test_the_output_is_no_input(tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", *range(3))
    for _ in range(2):
        state = run(tmp_path / "out", [tmp_path])
        assert (state.counts.articles, state.counts.failed) == (3, 0)


# Duplicates


def test_articles_with_the_same_text_are_read_once(out: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / "in" / place).mkdir(parents=True)
        (tmp_path / "in" / place / "note.txt").write_text(article(3), encoding="utf-8")
    write_rows(tmp_path / "in" / "rows.jsonl", 3, 4, 5, 6, 7)
    read: list[str] = []

    def perform(task: Task) -> Done:
        read.extend(item.article.id for item in task.items if item.duplicate_of is None)
        return toy(RunConfig(), task)

    state = run(out, [tmp_path / "in"], engine=in_this_process(perform))
    renamed = str(tmp_path / "in" / "b" / "note")
    assert [(row["article_id"], row["duplicate_of"], row["claims"]) for row in rows(out)] == [
        ("note", None, 4),
        (renamed, "note", 0),
        ("r3", "note", 0),
        ("r4", None, 1),
        ("r5", None, 2),
        ("r6", None, 3),
        ("r7", None, 4),
    ]
    assert sorted(read) == ["note", "r4", "r5", "r6", "r7"]
    assert {row["article_id"] for row in rows(out, "claims")} == set(read)
    assert state.counts.duplicates == 2


def test_a_duplicate_of_what_failed_is_the_same_whenever_the_job_was_stopped(out: Path, tmp_path: Path) -> None:
    """The first fails in one batch; whether the second is planned before or after that must not matter."""
    text = f"{RAISES} for one and for the other."
    path = lines(
        tmp_path / "in.jsonl",
        [{"id": f"r{n}", "text": text if n in {1, 9, 18} else article(n)} for n in range(20)],
    )
    run(out, [path])
    assert [failure.id for failure in failures(out)] == ["r1"]
    for stop in range(1, 8):
        again, asked = tmp_path / str(stop), list[State]()

        def one_by_one(tasks: Iterable[Task]) -> Iterator[Done | None]:
            yield from (toy(RunConfig(), task) for task in tasks)

        def stopping(stop: int = stop, asked: list[State] = asked) -> bool:
            return len(asked) >= stop

        run(again, [path], tick=asked.append, stopping=stopping)
        run(again, [path], engine=one_by_one)
        assert contents(again) == contents(out)


# Quarantine


def test_what_fails_leaves_its_neighbours(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "folder.txt").mkdir(parents=True)
    (folder / "folder.txt" / "inner.txt").write_text(article(50), encoding="utf-8")
    (folder / "link.txt").symlink_to(folder / "nowhere.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "image.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (folder / "gone.jsonl.gz").write_bytes(b"no gzip")
    lines(folder / "rows.jsonl", [{"id": f"r{n}", "text": RAISES if n == 2 else article(n)} for n in range(5)])
    heard = Heard()
    state = run(out, [folder, folder / "nothing.txt", folder / "link.txt", tmp_path / "in.odt"], heard=heard)
    assert ids(out) == ["inner", "r0", "r1", "r3", "r4"]
    found = [(one.id, Path(one.file).name, one.line, one.stage) for one in failures(out)]
    assert found == [
        (None, "gone.jsonl.gz", 1, "read"),
        (None, "image.txt", None, "read"),
        ("r2", "rows.jsonl", 3, "run"),
        (None, "nothing.txt", None, "read"),
        (None, "link.txt", None, "read"),
        (None, "in.odt", None, "read"),
    ]
    assert sorted(heard) == sorted(one.reason for one in failures(out))
    assert state.counts.failed == 6


def test_a_web_page_without_an_article_fails_alone(out: Path, tmp_path: Path) -> None:
    for name, data in {"a": page("a"), "b": "<html><body><p></p></body></html>", "c": page("c")}.items():
        (tmp_path / f"{name}.html").write_text(data, encoding="utf-8")
    run(out, [tmp_path / "*.html"], workers=1)
    assert ids(out) == ["a", "c"]
    [failure] = failures(out)
    assert (failure.id, failure.line, failure.stage) == ("b", None, "extract")
    assert failure.reason.startswith(f"{tmp_path}/b.html: no article found in this page")


def test_a_limit_stops_the_job_and_a_higher_one_goes_on(
    given: list[str], out: Path, expected: dict[str, bytes]
) -> None:
    with pytest.raises(TooManyFailuresError, match=r"[45] articles failed, more than --max-errors 3 allows") as error:
        run(out, given, max_errors=3)
    assert "the same command with a higher limit goes on" in str(error.value)
    assert about(out)["state"] == "stopped"
    done = about(out)["counts"]["articles"]
    with pytest.raises(TooManyFailuresError):
        run(out, given, max_errors=3, engine=_never)
    assert about(out)["counts"]["articles"] == done
    with pytest.raises(ConfigError, match="is not finished; run its command again first"):
        retry(out)
    run(out, given, max_errors=8)
    assert contents(out) == expected


# Retry


def test_retry_reads_what_was_mended_and_nothing_else(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    good = [json.dumps({"id": f"r{n}", "text": article(n)}) for n in range(12)]
    lines(path, [*good[:3], "bad", *good[4:8], '{"id": "r8"}', *good[9:]])
    run(out, [path, tmp_path / "later.txt"])
    before = contents(out)
    assert [failure.line for failure in failures(out)] == [4, 9, None]
    lines(path, [*good[:9], "bad now", *good[10:]])
    (tmp_path / "later.txt").write_text(article(30), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has changed since.*what was mended is for `stance retry`"):
        run(out, [path, tmp_path / "later.txt"])
    read: list[str] = []

    def perform(task: Task) -> Done:
        read.extend(item.article.id for item in task.items)
        return toy(RunConfig(), task)

    state = retry(out, engine=in_this_process(perform))
    assert read == ["r3", "r8", "later"]
    assert ids(out) == [f"r{n}" for n in (0, 1, 2, 4, 5, 6, 7, 9, 10, 11)] + ["r3", "r8", "later"]
    assert {name: contents(out)[name] for name in before if name != "errors.jsonl"} == {
        name: data for name, data in before.items() if name != "errors.jsonl"
    }
    assert failures(out) == []
    assert (state.name, state.counts.articles, state.counts.failed) == ("finished", 13, 0)
    assert about(out)["counts"]["failed"] == 0
    again = run(out, [path, tmp_path / "later.txt"], engine=_never)
    assert again.counts == state.counts
    assert retry(out, engine=_never).counts == state.counts


def test_what_still_fails_stays_with_its_new_reason(out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "in.jsonl", ["bad", {"id": "a", "text": article(1)}, "bad", {"id": "b", "text": RAISES}])
    run(out, [path])
    lines(path, ['{"id": 1}', "", "", {"id": "b", "text": RAISES}])
    state = retry(out)
    assert [(one.id, one.line, one.stage) for one in failures(out)] == [
        (None, 1, "read"),
        (None, 3, "read"),
        ("b", 4, "run"),
    ]
    assert "no 'text' in it" in failures(out)[0].reason
    assert failures(out)[1].reason == f"{path}:3: is gone, expected the line that failed before"
    assert state.counts.failed == 3
    assert ids(out) == ["a"]
    path.unlink()
    heard = Heard()
    stands = failures(out)
    assert retry(out, heard=heard).counts.failed == 3
    assert heard == [f"{path}: is gone, expected the file that was read; what failed in it is not tried again"]
    assert failures(out) == stands


def test_an_article_that_the_reader_failed_on_is_read_when_it_can_be(out: Path, tmp_path: Path) -> None:
    """Its id and its text are its own again; what had the same text in the meantime stays its duplicate."""
    paths = []
    for place in ("x", "y"):
        (tmp_path / place).mkdir()
        paths.append(tmp_path / place / "a.txt")
        paths[-1].write_text(RAISES if place == "y" else "It rained.", encoding="utf-8")
    paths.append(lines(tmp_path / "in.jsonl", [{"id": "twin", "text": RAISES}, {"id": "a", "text": "Other."}]))
    run(out, paths)
    renamed = str(tmp_path / "y" / "a")
    assert [failure.id for failure in failures(out)] == [renamed, "a"]
    found = [(row["article_id"], row["duplicate_of"]) for row in rows(out)]
    assert found == [("a", None), ("twin", renamed)]
    mended = in_this_process(lambda task: toy(RunConfig(), _without_trap(task)))
    retry(out, engine=mended)
    assert [(row["article_id"], row["duplicate_of"]) for row in rows(out)] == [*found, (renamed, None)]
    assert [failure.id for failure in failures(out)] == ["a"]


def _without_trap(task: Task) -> Task:
    """As if the model had learnt to read it."""
    from dataclasses import replace

    items = [
        replace(item, article=replace(item.article, text=item.article.text.replace("raises", "reads")))
        for item in task.items
    ]
    return Task(task.batch, tuple(items))


@pytest.mark.parametrize("kind", ["jsonl.gz", "csv.gz", "parquet"])
def test_a_file_that_was_cut_off_yields_the_rest_once_it_is_whole(kind: str, out: Path, tmp_path: Path) -> None:
    path = tmp_path / f"in.{kind}"
    if kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet as pq

        columns = {"id": [f"r{n}" for n in range(300)], "text": [article(n) for n in range(300)]}
        pq.write_table(pa.table(columns), path, row_group_size=50, compression="none", use_dictionary=False)
        whole = bytearray(path.read_bytes())
        at = whole.index(article(190).encode())
        damaged = bytes(whole[: at - 40]) + b"\xff" * 4000 + bytes(whole[at - 40 + 4000 :])
    elif kind == "csv.gz":
        text = "id,text\n" + "".join(f'r{n},"{article(n).strip()}"\n' for n in range(300))
        whole = bytearray(gzip.compress(text.encode(), mtime=0))
        damaged = bytes(whole[: len(whole) // 2])
    else:
        whole = bytearray(write_rows(path, *range(300)).read_bytes())
        damaged = bytes(whole[: len(whole) // 2])
    path.write_bytes(damaged)
    run(out, [path])
    read = ids(out)
    assert 50 < len(read) < 250
    [failure] = failures(out)
    assert failure.line == len(read) + 1
    again = contents(out)
    assert run(out, [path], engine=_never).counts.failed == 1
    assert contents(out) == again
    retry(out)
    assert (len(failures(out)), ids(out)) == (1, read)
    path.write_bytes(whole)
    retry(out)
    assert failures(out) == []
    assert ids(out) == [f"r{n}" for n in range(300)]


def test_a_file_that_failed_as_a_whole_is_read_once_it_is_there(out: Path, tmp_path: Path) -> None:
    empty, folder = tmp_path / "empty.jsonl", tmp_path / "later"
    empty.touch()
    inputs = [empty, folder, folder / "b.jsonl", tmp_path / "*.csv", write_rows(tmp_path / "z.jsonl", 99)]
    run(out, inputs)
    assert [failure.line for failure in failures(out)] == [None] * 4
    write_rows(empty, *range(6))
    folder.mkdir()
    write_rows(folder / "a.jsonl", *range(10, 16))
    write_rows(folder / "b.jsonl", *range(20, 26))
    (tmp_path / "x.csv").write_text('id,text\nr30,"It rained."\n', encoding="utf-8")
    retry(out)
    assert ids(out) == [f"r{n}" for n in (99, *range(6), *range(10, 16), *range(20, 26), 30)]
    assert failures(out) == []
    assert run(out, inputs, engine=_never).counts.failed == 0


def mend(folder: Path) -> None:
    """Puts right all that was wrong in `mixed`."""
    size = 6
    good = [json.dumps({"id": f"row-{i}", "text": article(i)}) for i in range(size)]
    good[3:3] = [json.dumps({"id": f"mended-{i}", "text": article(900 + i)}) for i in range(5)]
    lines(folder / "a" / "rows.jsonl", good)
    lines(folder / "a" / "cut.jsonl.gz", [{"id": f"cut-{i}", "text": article(150 + i)} for i in range(40)])
    (folder / "missing.txt").write_text(article(950), encoding="utf-8")
    (folder / "b" / "c" / "empty.txt").write_text(article(951), encoding="utf-8")


@pytest.mark.parametrize("seed", range(3))
def test_a_retry_stopped_again_and_again_gives_the_same(
    seed: int, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = mixed(tmp_path / "in", 6, pages=False)
    run(out, inputs)
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    mend(tmp_path / "in")
    retry(out)
    expected = contents(out)
    assert len(failures(out)) == 2
    assert len(rows(out)) == len(set(ids(out))) > len(rows(copy)) + 30
    chance, stops = random.Random(seed), 0  # noqa: S311
    while True:
        engine, tick = disturbed(chance)
        try:
            if chance.random() < 0.3:
                asked: list[State] = []
                state = retry(copy, tick=asked.append, stopping=lambda asked=asked: len(asked) > 3)  # type: ignore[misc]
            else:
                state = retry(copy, engine=engine, tick=tick)
        except Killed:
            stops += 1
        if stops and state_is(copy, "finished"):
            break
        assert stops < 200
        if state_is(copy, "retrying"):
            with pytest.raises(
                ConfigError, match=f"what failed is being tried again; finish that first: stance retry {copy}"
            ):
                run(copy, inputs)
    assert contents(copy) == expected
    assert run(copy, inputs, engine=_never).counts == state.counts == run(out, inputs, engine=_never).counts
    assert about(copy)["counts"] == about(out)["counts"]
    assert about(copy)["inputs"] == about(out)["inputs"]


def state_is(out: Path, state: str) -> bool:
    return bool(about(out)["state"] == state)


def test_a_file_mended_further_during_a_stopped_retry(out: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "in.jsonl", ["bad"] * 30 + [{"id": "z", "text": article(99)}])
    run(out, [path])
    rows_then = [{"id": f"r{n}", "text": article(n)} if n % 2 else "bad" for n in range(30)]
    lines(path, [*rows_then, {"id": "z", "text": article(99)}])
    asked: list[State] = []
    assert retry(out, tick=asked.append, stopping=lambda: len(asked) > 4).name == "interrupted"
    lines(path, [*[{"id": f"r{n}", "text": article(n)} for n in range(30)], {"id": "z", "text": article(99)}])
    retry(out)
    assert 0 < len(failures(out)) < 15  # of what the first half had done, some failed then
    retry(out)
    assert failures(out) == []
    assert sorted(map(str, ids(out))) == sorted([*(f"r{n}" for n in range(30)), "z"])


def test_retry_needs_a_job(tmp_path: Path, out: Path, given: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"no job in this folder, expected one that `stance run … -o"):
        retry(out)
    assert not out.exists()
    asked: list[State] = []
    run(out, given, tick=asked.append, stopping=lambda: len(asked) > 4)
    with pytest.raises(ConfigError, match="this job is not finished; run its command again first"):
        retry(out)


def test_retry_refuses_another_model_and_finds_its_own_from_elsewhere(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = lines(Path("in.jsonl"), ["bad", {"id": "a", "text": article(1)}])
    run(out, [path], model=Path("models/toy"))
    lines(path, [{"id": "b", "text": article(2)}, {"id": "a", "text": article(1)}])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="begun with model toy"):
        retry(out, facts=ModelFacts("toy", "2" * 64))
    found: list[Path | None] = []

    def prepare(chosen: RunConfig) -> tuple[ModelFacts, Engine]:
        found.append(chosen.model)
        return FACTS, in_this_process(lambda task: toy(chosen, task))

    from stance.batch import retry_job

    retry_job(out, prepare=prepare, report=Heard().report(), stopping=lambda: False)
    assert found == [tmp_path / "models" / "toy"]
    assert ids(out) == ["a", "b"]


# What a job says of itself


def test_about_a_job(given: list[str], out: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    state = run(out, given)
    found = about(out)
    assert found["state"] == "finished"
    assert found["model"] == {"name": FACTS.name, "sha256": FACTS.sha256, "precision": FACTS.precision}
    assert found["settings"]["part_articles"] == 20
    assert found["versions"]["stance"] == stance.__version__
    assert found["inputs"]["given"] == given
    assert found["inputs"]["files"] == 15
    assert found["counts"]["articles"] == state.counts.articles
    assert found["times"].keys() == {"began", "noted", "seconds"}
    run(tmp_path / "again", given)
    again = about(tmp_path / "again")
    assert again | {"times": None} == found | {"times": None}
    asked: list[State] = []
    run(tmp_path / "third", given, tick=asked.append, stopping=lambda: len(asked) > 4)
    run(tmp_path / "third", given)
    assert about(tmp_path / "third") | {"times": None} == found | {"times": None}


@pytest.mark.parametrize("inputs", [["nothing here.txt"], ["bad.jsonl", "folder"]])
def test_a_job_without_a_single_article_ends_well(inputs: list[str], out: Path, tmp_path: Path) -> None:
    lines(tmp_path / "bad.jsonl", ["bad", "worse"])
    (tmp_path / "folder").mkdir()
    state = run(out, [tmp_path / name for name in inputs])
    assert state.name == "finished"
    assert state.counts.articles == 0
    assert len(failures(out)) == state.counts.failed > 0
    assert summarize(out).totals.articles == 0
    for kind in ("csv", "jsonl", "duckdb"):
        assert export(out, kind, tmp_path / f"claims.{kind}", lambda _: None) == 0


def test_a_job_of_nothing_at_all(out: Path) -> None:
    state = run(out, [])
    assert (state.name, state.counts) == ("finished", Counts(0, 0, 0, 0, 0, 0))
    assert summarize(out).totals.articles == 0


# Standard input


def test_standard_input_is_resumed_and_retried(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_rows(tmp_path / "in.jsonl", *range(20)).read_bytes() + b"bad\n"

    def give(stdin: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))

    give(data)
    run(tmp_path / "whole", ["-"])
    give(data)
    asked: list[State] = []
    assert run(out, ["-"], tick=asked.append, stopping=lambda: len(asked) > 4).name == "interrupted"
    give(b"another")
    with pytest.raises(ConfigError, match="standard input has been read by this job, and now something else is there"):
        run(out, ["-"])
    give(b"")
    assert run(out, ["-"]).name == "finished"
    assert contents(out) == contents(tmp_path / "whole")
    assert ids(out) == [f"r{n}" for n in range(20)]
    assert [failure.reason[:25] for failure in failures(out)] == ["standard input:21: not JS"]
    with (out / "stdin").open("rb+") as spool:
        spool.write(data.replace(b"bad\n", b'{"id": "r99", "text": "It rained."}\n'))
    assert retry(out).counts.failed == 0
    assert ids(out)[-1] == "r99"


def test_no_space_for_standard_input_is_no_failure_of_it(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be lost: nobody can give it again."""
    out.mkdir()
    (out / "stdin").mkdir()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"It rained.")))
    with pytest.raises(OutputError, match=f"{out}: cannot be written"):
        run(out, ["-"])
    (out / "stdin").rmdir()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"It rained.")))
    run(out, ["-"])
    assert ids(out) == ["stdin"]


# A ledger that cannot be written


def test_errors_of_the_database_are_the_outputs(out: Path, given: list[str]) -> None:
    with pytest.raises(OutputError, match="no space left on the disk; free some; what is done is safe"), opened(out):
        raise sqlite3.OperationalError("database or disk is full")
    with pytest.raises(OutputError, match="cannot be written: attempt to write a readonly database"), opened(out):
        raise sqlite3.OperationalError("attempt to write a readonly database")
    assert run(out, given).name == "finished"
