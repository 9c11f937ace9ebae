"""How a job's input is cut into batches: the same cuts whenever the same input is read again."""

import gzip
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import article, lines, mixed

from stance import plan
from stance.config import Columns
from stance.inputs import STDIN
from stance.intake import Intake, changed_files, differs_from_stdin
from stance.ledger import Ledger
from stance.plan import Plan, Planned

Summary = tuple[int, list[tuple[str, str | None]], list[tuple[str, int | None]]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BATCH_ENTRIES", 3)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "job.sqlite")) as opened:
        yield opened


def planner(ledger: Ledger, out: Path, *, heard: list[str] | None = None, part_articles: int = 8) -> Plan:
    warn = [].append if heard is None else heard.append
    return Plan(ledger, Intake(ledger, out, out / "stdin", Columns(), warn), part_articles, 1, warn)


def batches(
    ledger: Ledger, inputs: Iterable[object], out: Path = Path("out"), heard: list[str] | None = None
) -> list[Planned]:
    return list(planner(ledger, out, heard=heard).batches([str(one) for one in inputs]))


def finish(ledger: Ledger, planned: Planned) -> None:
    ledger.finish_batch(
        planned.batch, (b"", b""), (0, 0, 0, 0), planned.failures, after=planned.after, retried=planned.retried
    )


def summary(planned: Planned) -> Summary:
    """What is in a batch: ids with what they are duplicates of, and places of failures."""
    items = [(item.article.id, item.duplicate_of) for item in planned.items]
    return planned.batch, items, [(failure.file, failure.line) for _, failure in planned.failures]


def ids(found: Iterable[Planned]) -> list[list[str]]:
    return [[item.article.id for item in planned.items] for planned in found]


def write_rows(path: Path, *numbers: int, name: str = "r") -> Path:
    return lines(path, [{"id": f"{name}{n}", "text": article(n)} for n in numbers])


# Cuts


def test_a_batch_ends_at_so_many_entries_or_characters(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"r{n}", "text": "x" * (500 if n == 3 else 10) + str(n)} for n in range(8)]
    monkeypatch.setattr(plan, "BATCH_CHARS", 400)
    found = batches(ledger, [lines(tmp_path / "in.jsonl", ["no", *rows])])
    assert ids(found) == [["r0", "r1"], ["r2", "r3"], ["r4", "r5", "r6"], ["r7"]]
    assert [planned.entries for planned in found] == [3, 2, 3, 1]
    assert [place for place, _ in found[0].failures] == [0]
    assert [item.place for item in found[0].items] == [1, 2]
    assert [len(planned.task.items) for planned in found] == [2, 2, 3, 1]


def test_bytes_that_are_done_with_reach_the_total(ledger: Ledger, tmp_path: Path) -> None:
    inputs = [write_rows(tmp_path / "a.jsonl", *range(5)), write_rows(tmp_path / "b.jsonl.gz", *range(5, 9))]
    found = batches(ledger, inputs)
    reached = [planned.reached for planned in found]
    assert reached == sorted(reached)
    assert reached[-1] == sum(path.stat().st_size for path in inputs)
    assert planner(ledger, tmp_path / "out").intake.bytes_total([*map(str, inputs), "-"]) == reached[-1]


def test_a_list_from_a_pipe_is_left_for_the_one_who_reads_it(ledger: Ledger, tmp_path: Path) -> None:
    """As in `stance run @<(find …)`: what is read for the progress bar would be lost for the job."""
    reader, writer = os.pipe()
    try:
        os.write(writer, os.fsencode(write_rows(tmp_path / "a.jsonl", 1)))
        os.close(writer)
        made = planner(ledger, tmp_path / "out")
        assert made.intake.bytes_total([f"@/dev/fd/{reader}"]) == 0
        assert ids(made.batches([f"@/dev/fd/{reader}"])) == [["r1"]]
    finally:
        os.close(reader)


# Going on


def everything(ledger: Ledger, inputs: list[str], out: Path) -> list[Summary]:
    return [summary(planned) for planned in planner(ledger, out).batches(inputs)]


@pytest.fixture(scope="module")
def input_of_all_kinds(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("mixed")
    return mixed(folder, 4, pages=False)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.sets(st.integers(0, 14)), planned_ahead=st.integers(0, 15))
def test_whatever_is_done_the_rest_is_cut_as_before(
    done: set[int],
    planned_ahead: int,
    input_of_all_kinds: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "BATCH_ENTRIES", 3)
    folder = tmp_path_factory.mktemp("job")
    with closing(Ledger(folder / "1.sqlite")) as ledger:
        expected = everything(ledger, input_of_all_kinds, folder)
    assert len(expected) > 10
    with closing(Ledger(folder / "2.sqlite")) as ledger:
        for planned in planner(ledger, folder).batches(input_of_all_kinds):
            if planned.batch >= planned_ahead:
                break
            if planned.batch in done:
                finish(ledger, planned)
            ledger.commit()
    with closing(Ledger(folder / "2.sqlite")) as ledger:
        rest = everything(ledger, input_of_all_kinds, folder)
    finished = {number for number in done if number < planned_ahead}
    assert rest == [one for one in expected if one[0] not in finished]


def test_what_cannot_be_read_to_its_end_fails_once(ledger: Ledger, tmp_path: Path) -> None:
    """Going on right behind it must not find the broken end again."""
    whole = write_rows(tmp_path / "whole.jsonl.gz", *range(40)).read_bytes()
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    found = batches(ledger, [cut])
    failures = [failure for planned in found for _, failure in planned.failures]
    assert len(failures) == 1
    for planned in found:
        finish(ledger, planned)
    assert batches(ledger, [cut]) == []


def test_new_files_come_behind_the_old_ones(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(folder / "m.jsonl", *range(4), name="m")
    for planned in batches(ledger, [folder])[:1]:
        finish(ledger, planned)
    write_rows(folder / "a.jsonl", *range(10, 14), name="a")
    assert ids(batches(ledger, [folder])) == [["m3"], ["a10", "a11", "a12"], ["a13"]]


def test_an_input_that_is_not_what_it_was_is_cut_anew(ledger: Ledger, tmp_path: Path) -> None:
    """The job refuses this before; if it ever comes so far, nothing may be lost or twice."""
    path = write_rows(tmp_path / "in.jsonl", *range(9))
    for planned in batches(ledger, [path]):
        if planned.batch != 1:
            finish(ledger, planned)
    lines(path, [{"id": f"r{n}", "text": article(n)} for n in (0, 1, 2, 30, 31)])
    found = batches(ledger, [path])
    assert ids(found) == [["r30", "r31"]]
    assert ledger.planned(2) is None
    finish(ledger, found[0])
    assert ledger.next_batch() == 2


def test_an_input_that_has_ended_is_cut_anew(ledger: Ledger, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "in.jsonl", *range(9))
    for planned in batches(ledger, [path]):
        if planned.batch == 0:
            finish(ledger, planned)
    lines(path, [{"id": "r0", "text": article(0)}])
    assert batches(ledger, [path]) == []
    assert ledger.next_batch() == 1


def test_a_missing_input_is_the_same_failure_when_it_appears_meanwhile(ledger: Ledger, tmp_path: Path) -> None:
    missing, there = tmp_path / "missing.jsonl", write_rows(tmp_path / "there.jsonl", *range(4))
    named = lines(tmp_path / "list.txt", [str(missing)])
    first = batches(ledger, [f"@{named}", there])
    finish(ledger, first[1])
    write_rows(missing, 7, 8, 9)
    [again] = batches(ledger, [f"@{named}", there])
    assert (again.failures, ids([again])) == (first[0].failures, ids(first[:1]))
    assert f"{named}:1: {missing}: no such file" in again.failures[0][1].reason


# Names


def test_articles_of_the_same_name_are_told_apart_and_again_so(ledger: Ledger, tmp_path: Path) -> None:
    for place in ("x", "y", "z"):
        (tmp_path / "in" / place).mkdir(parents=True)
        (tmp_path / "in" / place / "a.txt").write_text(f"Text of {place}.", encoding="utf-8")
    heard: list[str] = []
    found = batches(ledger, [tmp_path / "in"], heard=heard)
    names = ["a", f"{tmp_path}/in/y/a", f"{tmp_path}/in/z/a"]
    assert ids(found) == [names]
    assert f"{tmp_path}/in/y/a.txt: id 'a' was used before; this article's is '{tmp_path}/in/y/a'" in heard
    assert ids(batches(ledger, [tmp_path / "in"])) == [names]


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9.txt", b"it's \"5\" o'clock.txt", b" a  b .txt", b"two\nlines.txt", b"[a-z]*?.txt", "ä–😀.txt".encode()],
)
def test_files_of_any_name(name: bytes, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / os.fsdecode(name)
    path.write_text("It rained.", encoding="utf-8")
    [planned] = batches(ledger, [tmp_path / "in"])
    [item] = planned.items
    item.file.encode("utf-8")
    assert ids(batches(ledger, [tmp_path / "in"])) == [[item.article.id]]
    assert list(changed_files(ledger)) == []
    finish(ledger, planned)
    assert batches(ledger, [tmp_path / "in"]) == []


# Changed files


def changes(ledger: Ledger) -> list[tuple[str, str]]:
    return [(Path(known.name).name, how) for known, how in changed_files(ledger)]


def test_changed_files_are_noticed(ledger: Ledger, tmp_path: Path) -> None:
    paths = [write_rows(tmp_path / f"{name}.jsonl", n, name=name) for n, name in enumerate("abcd")]
    batches(ledger, [*paths, tmp_path / "missing.txt"])
    assert changes(ledger) == []
    os.utime(paths[0], ns=(1, 1))
    paths[1].write_bytes(paths[1].read_bytes() + b"\n")
    paths[2].unlink()
    assert changes(ledger) == [("b.jsonl", "has changed"), ("c.jsonl", "is gone")]


def test_a_file_that_was_read_to_its_end_may_go(ledger: Ledger, tmp_path: Path) -> None:
    paths = [write_rows(tmp_path / f"{name}.jsonl", *range(4), name=name) for name in "abc"]
    found = batches(ledger, paths)  # a0 a1 a2, a3 b0 b1, b2 b3 c0, c1 c2 c3
    for planned in found[:3]:
        finish(ledger, planned)
    paths[0].unlink()
    paths[1].unlink()
    assert changes(ledger) == []
    paths[2].unlink()
    assert changes(ledger) == [("c.jsonl", "is gone")]
    finish(ledger, found[3])
    assert changes(ledger) == [("c.jsonl", "is gone")]  # there may have been more in it
    ledger.describe({"read_files": str(ledger.next_file())})
    assert changes(ledger) == []


# Standard input


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_standard_input_is_copied_and_not_read_again(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_rows(tmp_path / "in.jsonl.gz", *range(5)).read_bytes()

    def give(stdin: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))

    give(data)
    assert not differs_from_stdin(ledger)
    found = batches(ledger, ["-"], tmp_path)
    assert ids(found) == [["r0", "r1", "r2"], ["r3", "r4"]]
    assert {item.file for planned in found for item in planned.items} == {STDIN}
    assert gzip.decompress((tmp_path / "stdin").read_bytes()) == gzip.decompress(data)
    finish(ledger, found[0])
    for stdin, differs in ((data, False), (b"", False), (b"{}", True)):
        give(stdin)
        assert differs_from_stdin(ledger) == differs
        assert ids(batches(ledger, ["-"], tmp_path)) == [["r3", "r4"]]
    monkeypatch.setattr(sys, "stdin", _Terminal())
    assert not differs_from_stdin(ledger)
