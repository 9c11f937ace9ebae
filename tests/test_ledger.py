"""What a job remembers: whatever moment it is stopped at, the ledger says what is done."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.errors import ConfigError, InputError
from stance.ledger import LEDGER_FORMAT, Counts, Cut, Known, Ledger, Seen
from stance.types import Article, Failure

EMPTY = (b"", b"")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "job.sqlite")) as opened:
        yield opened


def article(name: str, text: str | None = None) -> Article:
    return Article(name, f"Text of {name}." if text is None else text)


def taken(found: Known | InputError) -> tuple[str, str | None]:
    assert isinstance(found, Known), found
    return found.article.id, found.duplicate_of


def plan(
    ledger: Ledger, batch: int, part: int = 0, *, file: int = 0, line: int | None = None, retry: bool = False
) -> None:
    ledger.plan(Cut(batch, part, file, batch if line is None else line, entries=4, chars=40, retry=retry))


def finish(
    ledger: Ledger,
    batch: int,
    *failures: tuple[int, Failure],
    after: dict[int, int] | None = None,
    retried: tuple[int, ...] = (),
    counts: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> None:
    ledger.finish_batch(batch, EMPTY, counts, failures, after=after or {}, retried=retried)


def failure(name: str, line: int | None = 1, stage: str = "read") -> Failure:
    return Failure(name, "in.jsonl", line, stage, f"in.jsonl:{line}: bad {name}")


def standing(ledger: Ledger) -> list[str | None]:
    return [failed.failure.id for failed in ledger.failures()]


# The file


def test_a_ledger_is_begun_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "job.sqlite"
    with closing(Ledger(path)) as ledger:
        ledger.describe({"state": "running", "model": "m"})
        ledger.describe({"state": "finished"})
        ledger.commit()
    with closing(Ledger(path)) as ledger:
        assert [ledger.about(key) for key in ("state", "model", "nothing")] == ["finished", "m", None]
        assert (ledger.next_batch(), ledger.next_part(), ledger.next_file()) == (0, 0, 0)
        assert ledger.counts() == Counts(0, 0, 0, 0, 0, 0)
        assert ledger.reached(0) is None


def test_what_was_not_confirmed_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "job.sqlite"
    with closing(Ledger(path)) as ledger:
        plan(ledger, 0)
        finish(ledger, 0)
        ledger.commit()
        plan(ledger, 1)
        finish(ledger, 1)
    with closing(Ledger(path)) as ledger:
        assert ledger.next_batch() == 1
        assert ledger.planned(1) is None


def test_a_file_that_a_kill_left_empty_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "job.sqlite"
    path.touch()
    with closing(Ledger(path)) as ledger:
        assert ledger.about("format") == str(LEDGER_FORMAT)


def _of_another_version(path: Path) -> None:
    with closing(Ledger(path)) as ledger:
        ledger.describe({"format": "99"})
        ledger.commit()


def _of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE songs (title TEXT)")


@pytest.mark.parametrize(("make", "found"), [(_of_another_version, "99"), (_of_another_program, "None")])
def test_a_foreign_ledger_is_refused(make: Callable[[Path], None], found: str, tmp_path: Path) -> None:
    path = tmp_path / "job.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"a ledger of format {found}, expected {LEDGER_FORMAT}; use --restart"):
        Ledger(path)
    assert path.read_bytes() == before


# Ids and texts


def test_ids_are_used_once() -> None:
    seen = Seen()
    assert taken(seen.admit(article("a"), "x/a.txt", None)) == ("a", None)
    assert taken(seen.admit(article("a", "Another."), "y/a.txt", None)) == ("y/a", None)
    # Where two suffixes meet, the name without one is not enough.
    assert taken(seen.admit(article("a", "A third."), "y/a.html", None)) == ("y/a.html", None)
    assert taken(seen.admit(article("b"), "rows.jsonl", 3)) == ("b", None)
    again = seen.admit(article("b", "Other."), "rows.jsonl", 9)
    assert str(again) == "rows.jsonl:9: id 'b' was used before, at rows.jsonl:3; expected each id once"
    assert (
        str(seen.admit(article("a"), "x/a.txt", None))
        == "x/a.txt: the same file was read before; expected each file once"
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [("y/a.txt.gz", "y/a.txt"), ("y/2024.05.txt", "y/2024.05"), ("standard input", "standard input")],
)
def test_a_renamed_article_is_called_by_its_path(file: str, name: str) -> None:
    seen = Seen()
    seen.admit(article("a"), "a.jsonl", 1)
    assert taken(seen.admit(article("a"), file, None))[0] == name


def test_the_same_text_is_known_again() -> None:
    seen = Seen()
    first = seen.admit(article("a", "Same."), "rows.jsonl", 1)
    assert isinstance(first, Known)
    assert taken(seen.admit(article("b", "Same."), "rows.jsonl", 2)) == ("b", "a")
    assert taken(seen.admit(article("c", "Same.\n"), "rows.jsonl", 3)) == ("c", None)
    assert taken(seen.admit(article("d", "Same."), "rows.jsonl", 4)) == ("d", "a")


def test_what_is_forgotten_may_come_again() -> None:
    seen = Seen()
    seen.admit(article("a", "Same."), "rows.jsonl", 1, batch=3)
    seen.admit(article("b", "Same."), "rows.jsonl", 2, batch=4)
    seen.forget("a")
    seen.forget("nobody")
    assert taken(seen.admit(article("a", "Same."), "rows.jsonl", 1, batch=5)) == ("a", None)
    assert isinstance(seen.admit(article("b"), "rows.jsonl", 2, batch=5), InputError)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.booleans()), max_size=20),
    st.integers(0, 20),
)
def test_taking_in_again_from_any_batch_gives_the_same(entries: list[tuple[str, str, bool]], since: int) -> None:
    seen = Seen()

    def admit(number: int) -> tuple[str, str | None] | str:
        name, text, is_file = entries[number]
        found = seen.admit(
            article(name, text),
            f"f{number}/{name}.txt" if is_file else "rows.jsonl",
            None if is_file else number,
            batch=number,
        )
        return str(found) if isinstance(found, InputError) else (found.article.id, found.duplicate_of)

    first = [admit(number) for number in range(len(entries))]
    seen.forget_from(since)
    assert [admit(number) for number in range(since, len(entries))] == first[since:]


# Input files


def test_files_keep_their_numbers_and_any_name(ledger: Ledger, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/in/caf\xe9 \n'\"*.txt"))
    ledger.add_file("a", Path("/in/a"), 5, 1, "aa")
    ledger.add_file("odd", odd, 6, 2, "bb")
    ledger.add_file("missing", Path("/in/m"), -1, 0, "", "missing: no such file")
    ledger.add_file("a", Path("/in/a"), 7, 3, "cc")
    assert [(known.file, known.name, known.size, known.sha256) for known in ledger.files()] == [
        (0, "a", 7, "cc"),
        (1, "odd", 6, "bb"),
        (2, "missing", -1, ""),
    ]
    assert [known.file for known in ledger.files(1)] == [1, 2]
    found = ledger.file("odd")
    assert found is not None
    assert found.path == odd
    assert found.problem is None
    missing = ledger.file("missing")
    assert missing is not None
    assert missing.problem == "missing: no such file"
    assert ledger.file("b") is None
    assert ledger.next_file() == 3


def test_the_fingerprint_is_of_names_and_bytes(tmp_path: Path) -> None:
    def fingerprint(name: str, *files: tuple[str, str, int]) -> tuple[int, int, str]:
        with closing(Ledger(tmp_path / name)) as ledger:
            for file, sha256, modified in files:
                ledger.add_file(file, tmp_path / name / file, 10, modified, sha256)
            return ledger.fingerprint()

    one = fingerprint("1", ("a", "11", 1), ("b", "22", 2))
    assert one[:2] == (2, 20)
    assert fingerprint("2", ("a", "11", 3), ("b", "22", 4)) == one
    assert fingerprint("3", ("a", "11", 1), ("b", "23", 2)) != one
    assert fingerprint("4", ("a", "11", 1), ("c", "22", 2)) != one


# Batches and parts


def test_the_first_batch_that_is_not_done_comes_next(ledger: Ledger) -> None:
    for batch in range(4):
        plan(ledger, batch)
    for batch in (0, 2):
        finish(ledger, batch)
    assert ledger.next_batch() == 1
    assert ledger.reached(1) == (0, 0)
    assert ledger.planned(2) == (Cut(2, 0, 0, 2, 4, 40), True)
    assert ledger.planned(3) == (Cut(3, 0, 0, 3, 4, 40), False)
    assert ledger.planned(4) is None
    finish(ledger, 1)
    finish(ledger, 3)
    assert ledger.next_batch() == 4
    assert ledger.reached(4) == (0, 3)


def test_retries_and_input_reach_so_far_on_their_own(ledger: Ledger) -> None:
    plan(ledger, 0, file=3, line=7)
    plan(ledger, 1, file=1, line=2, retry=True)
    plan(ledger, 2, file=4, line=1)
    assert ledger.reached(2) == (3, 7)
    assert ledger.reached(3) == (4, 1)
    assert ledger.reached(3, retry=True) == (1, 2)
    assert ledger.reached(3, since=2, retry=True) is None


def test_parts_are_filled_by_entries_or_characters(ledger: Ledger) -> None:
    assert ledger.open_part(10, 1000) == 0
    for batch in range(3):
        plan(ledger, batch, ledger.open_part(10, 1000))
    assert [cut[0].part for cut in map(ledger.planned, range(3)) if cut] == [0, 0, 0]  # 4, 8, 12 entries
    assert ledger.open_part(10, 1000) == 1
    assert ledger.open_part(100, 120) == 1
    assert ledger.open_part(100, 121) == 0
    for batch in range(3):
        finish(ledger, batch)
    ledger.finish_part(0)
    assert ledger.next_part() == 1
    assert ledger.open_part(100, 1000) == 1  # nothing is added to a part that is written


def test_a_part_is_whole_when_all_its_batches_are_done(ledger: Ledger) -> None:
    assert not ledger.part_is_whole(0)
    plan(ledger, 0)
    plan(ledger, 1)
    finish(ledger, 1)
    assert not ledger.part_is_whole(0)
    finish(ledger, 0)
    assert ledger.part_is_whole(0)


def test_tables_come_in_order_and_go_with_their_part(ledger: Ledger) -> None:
    for batch in (0, 1):
        plan(ledger, batch)
    for batch in (1, 0):
        tables = f"articles {batch}".encode(), f"claims {batch}".encode()
        ledger.finish_batch(batch, tables, (2, 1, 5, 3), [], after={}, retried=[])
    assert list(ledger.tables(0, "articles")) == [b"articles 0", b"articles 1"]
    assert list(ledger.tables(0, "claims")) == [b"claims 0", b"claims 1"]
    ledger.finish_part(0)
    assert list(ledger.tables(0, "claims")) == [None, None]
    assert ledger.counts() == Counts(articles=4, duplicates=2, claims=10, unsure=6, failed=0, parts=1)


# Failures


def test_failures_come_in_input_order(ledger: Ledger) -> None:
    for batch in (0, 1):
        plan(ledger, batch)
    finish(ledger, 1, (0, failure("c")), (3, failure("d")))
    finish(ledger, 0, (1, failure("a")), (2, failure("b")), after={2: 8})
    assert [(failed.failure.id, failed.after) for failed in ledger.failures()] == [
        ("a", None),
        ("b", 8),
        ("c", None),
        ("d", None),
    ]
    assert [failed.failure.id for failed in ledger.failures(before=1)] == ["a", "b"]
    assert ledger.counts().failed == 4


def test_a_reason_may_hold_anything(ledger: Ledger) -> None:
    plan(ledger, 0)
    odd = Failure(None, "caf\\xe9.txt", None, "run", "half \ud83d, NUL \0, line\nbreak, “marks”")
    finish(ledger, 0, (0, odd))
    [found] = ledger.failures()
    assert found.failure.reason == "half \\ud83d, NUL \0, line\nbreak, “marks”"


def test_failures_that_were_tried_again_are_kept_until_the_end(ledger: Ledger) -> None:
    plan(ledger, 0)
    finish(ledger, 0, (0, failure("a")), (1, failure("b")), (2, failure("c")))
    first, second, _ = (failed.number for failed in ledger.failures())
    plan(ledger, 1, 1, retry=True)
    plan(ledger, 2, 1, retry=True)
    finish(ledger, 2, (0, failure("b", 9)), retried=(second,))
    finish(ledger, 1, retried=(first,))
    assert standing(ledger) == ["c", "b"]
    assert [failed.failure.id for failed in ledger.failures(before=1)] == ["a", "b", "c"]
    ledger.drop_from(2)  # as if it had been stopped before the second batch
    assert standing(ledger) == ["b", "c"]
    assert ledger.next_batch() == 2
    ledger.drop_failures()
    assert [failed.failure.id for failed in ledger.failures(before=1)] == ["b", "c"]
    ledger.drop_failures([second])
    assert standing(ledger) == ["c"]


def test_only_articles_that_were_taken_in_are_readmitted(ledger: Ledger) -> None:
    """The id in a failure to read is another article's, which was there before."""
    for name, line in (("a", 1), ("b", 2)):
        ledger.seen.admit(article(name), "in.jsonl", line)
    plan(ledger, 0)
    finish(ledger, 0, (0, failure("a", stage="crash")), (1, failure("b", 5, stage="read")))
    ledger.readmit([failed.number for failed in ledger.failures()])
    assert taken(ledger.seen.admit(article("a"), "in.jsonl", 1)) == ("a", None)
    assert isinstance(ledger.seen.admit(article("b"), "in.jsonl", 5), InputError)


def test_dropping_batches_forgets_what_they_took_in(ledger: Ledger) -> None:
    for batch in range(3):
        ledger.seen.admit(article(str(batch)), "in.jsonl", batch, batch=batch)
        plan(ledger, batch)
        finish(ledger, batch, (0, failure(f"f{batch}")))
    ledger.drop_from(1)
    assert ledger.planned(1) is None
    assert standing(ledger) == ["f0"]
    assert isinstance(ledger.seen.admit(article("0"), "in.jsonl", 0), InputError)
    assert taken(ledger.seen.admit(article("2"), "in.jsonl", 2)) == ("2", None)
