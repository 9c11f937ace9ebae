"""Jobs on the real command line: killed, interrupted, out of space, two at once; with what they say and exit with."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from made import RAISES, article, contents, failures, in_this_process, lines, mixed, rows
from made import run as run_here
from pyarrow import parquet as pq

from stance import plan
from stance.config import RunConfig
from stance.work import Worker

ROOT = Path(__file__).parent.parent
KILLS = 20
pytestmark = pytest.mark.slow


@dataclass
class Command:
    """A command in a fork; `code` waits for its end."""

    server: "subprocess.Popen[str]"
    log: Path
    number: int

    def code(self) -> int:
        assert self.server.stdout is not None
        return int(self.server.stdout.readline())

    def signal(self, number: int) -> None:
        os.kill(self.number, number)

    def kill_group(self) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.number, signal.SIGKILL)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


class Stance:
    """Starts commands, one after the other, in forks of one process."""

    def __init__(self, server: "subprocess.Popen[str]", logs: Path) -> None:
        self._server, self._logs, self._started = server, logs, 0

    def start(self, *arguments: object, **order: object) -> Command:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        log = self._logs / f"log-{self._started}"  # of its own: nobody takes what an earlier one said for its words
        log.touch()
        self._started += 1
        made = {"arguments": [os.fspath(one) if isinstance(one, Path) else str(one) for one in arguments]}
        self._server.stdin.write(json.dumps(made | {"log": str(log)} | order, default=str) + "\n")
        self._server.stdin.flush()
        return Command(self._server, log, int(self._server.stdout.readline()))

    def __call__(self, *arguments: object, **order: object) -> tuple[int, str]:
        command = self.start(*arguments, **order)
        return command.code(), command.said


@pytest.fixture(scope="module")
def server() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "forks.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.fixture
def stance(server: "subprocess.Popen[str]", tmp_path: Path) -> Iterator[Stance]:
    yield Stance(server, tmp_path)
    left = psutil.Process(server.pid).children(recursive=True)
    _, alive = psutil.wait_procs(left, timeout=20)
    for one in alive:  # or the whole suite would wait for it
        one.kill()
    assert alive == []


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BATCH_ENTRIES", 4)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("part_articles: 20\n", encoding="utf-8")
    return path


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.jsonl", *range(40))


def write_rows(path: Path, *numbers: int) -> Path:
    return lines(path, [{"id": f"r{n}", "text": article(n)} for n in numbers])


def state(out: Path) -> Any:
    try:
        return json.loads((out / "job.json").read_text(encoding="utf-8"))
    except OSError:
        return {"state": None, "counts": {"parts": 0}}


def until(ready: Callable[[], object]) -> None:
    """Waits; not for a time that a slow machine may need, but not for ever either."""
    for _ in range(12_000):
        if ready():
            return
        time.sleep(0.01)
    pytest.fail("has not come about")


def ids(out: Path) -> list[object]:
    return [row["article_id"] for row in rows(out)]


# Killed


def test_a_job_killed_at_random_moments_gives_the_same(stance: Stance, tmp_path: Path, config: Path) -> None:
    """Whole process groups are killed, some with processes that read web pages in them."""
    chance = random.Random(3)  # noqa: S311
    kills = jobs = 0
    while kills < KILLS:
        folder = tmp_path / str(jobs)
        inputs = mixed(folder / "in", 6, pages=jobs == 0)
        run_here(folder / "expected", inputs, workers=1)
        out, longest = folder / "out", 0.6
        while True:
            command = stance.start("run", *inputs, "-o", out, "--config", config, "-q", "--workers", 1, pause=0.03)
            longest *= 1.05  # on a slow machine too, it gets further at last
            time.sleep(chance.uniform(0, longest))
            command.kill_group()
            code = command.code()
            if code != -signal.SIGKILL:
                break
            kills += 1
            for path in out.glob("*/part-*.parquet"):
                pq.read_table(path)  # whatever is there is whole
        assert code == 1, command.said
        assert contents(out) == contents(folder / "expected")
        assert state(out)["counts"] == state(folder / "expected")["counts"]
        assert state(out)["inputs"] == state(folder / "expected")["inputs"]
        jobs += 1
    assert kills >= KILLS


def test_workers_of_a_killed_job_end_and_hold_nothing(stance: Stance, tmp_path: Path, rows_file: Path) -> None:
    out = tmp_path / "out"
    command = stance.start("run", rows_file, "-o", out, "-q", workers=2, pause=0.3)
    until(lambda: _done(out) >= 1 and len(_workers(command)) == 2)
    workers = _workers(command)
    assert len(workers) == 2
    command.signal(signal.SIGKILL)
    assert command.code() == -signal.SIGKILL
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    assert stance("run", rows_file, "-o", out, "-q") == (0, "")
    run_here(tmp_path / "expected", [rows_file], part_articles=2000)
    assert contents(out) == contents(tmp_path / "expected")


def _workers(command: Command) -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process(command.number).children(recursive=True)
        if "spawn_main" in " ".join(one.cmdline())
    ]


def _done(out: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{out / 'job.sqlite'}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM batches WHERE done").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet, or being written
        return 0


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_job_after_what_is_in_hand(
    number: signal.Signals, code: int, stance: Stance, tmp_path: Path, rows_file: Path, config: Path
) -> None:
    out = tmp_path / "out"
    command = stance.start("run", rows_file, "-o", out, "--config", config, pause=0.1)
    until((out / "claims" / "part-00000.parquet").exists)
    command.signal(number)
    assert command.code() == code, command.said
    assert "finishing what is in hand; once more to stop at once" in command.said
    assert command.said.endswith("interrupted: the same command goes on where the job is\n")
    assert state(out)["state"] == "interrupted"
    assert 20 <= state(out)["counts"]["articles"] < 40
    assert stance("run", rows_file, "-o", out, "--config", config)[0] == 0
    run_here(tmp_path / "expected", [rows_file])
    assert contents(out) == contents(tmp_path / "expected")


def test_a_second_signal_stops_at_once(stance: Stance, tmp_path: Path, rows_file: Path) -> None:
    out = tmp_path / "out"
    for first, second, code in ((signal.SIGINT, signal.SIGINT, 130), (signal.SIGTERM, signal.SIGINT, 143)):
        command = stance.start("run", rows_file, "-o", out, pause=60)
        until(lambda command=command: "in hand" in command.said)  # type: ignore[misc]
        command.signal(first)
        until(lambda command=command: "once more" in command.said)  # type: ignore[misc]
        command.signal(second)
        assert command.code() == code
        assert command.said.endswith("stopped at once: the same command goes on where the job is\n")
        assert "Traceback" not in command.said
    assert stance("run", rows_file, "-o", out, "-q") == (0, "")
    assert ids(out) == [f"r{n}" for n in range(40)]


def test_an_interrupted_retry_says_how_it_goes_on(stance: Stance, tmp_path: Path) -> None:
    out, path = tmp_path / "out [red]", tmp_path / "in.jsonl"
    lines(path, ["bad"] * 30)
    assert stance("run", path, "-o", out)[0] == 1
    write_rows(path, *range(30))
    command = stance.start("retry", out, pause=0.3)
    until(lambda: state(out)["state"] == "retrying")
    command.signal(signal.SIGTERM)
    assert command.code() == 143, command.said
    assert command.said.endswith(f"interrupted: stance retry '{out}' goes on where the job is\n")
    code, said = stance("run", path, "-o", out)
    assert code == 2
    assert "what failed is being tried again; finish that first: stance retry" in said
    assert stance("retry", out)[0] == 0
    assert ids(out) == [f"r{n}" for n in range(30)]


@pytest.mark.usefixtures("one_thread")
def test_the_whole_command_with_its_own_workers(tmp_path: Path, tiny_model: Path) -> None:
    """Ctrl-C, which reaches the workers too, and on to the end; with the real reader."""
    short = [{"id": f"r{n}", "text": f"“It is the {n}th time,” said Nora Feld."} for n in range(400)]
    inputs = [lines(tmp_path / "in.jsonl", short), lines(tmp_path / "bad.jsonl", ["bad"])]
    out, config = tmp_path / "out", tmp_path / "config.yaml"
    config.write_text(f"part_articles: 64\nmodel: {tiny_model}\nworkers: 2\n", encoding="utf-8")
    command = [sys.executable, "-m", "stance", "run", *map(str, inputs), "-o", str(out), "--config", str(config)]

    def begin() -> "subprocess.Popen[str]":
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)

    with begin() as process:
        until((out / "claims" / "part-00000.parquet").exists)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert "interrupted: the same command goes on" in said
        assert "Traceback" not in said
    assert 1 <= state(out)["counts"]["parts"] < 7
    with begin() as process:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 1, said
    assert re.search(r"articles read +400\nfailed +1\n", said)
    plan.BATCH_ENTRIES = 64  # the fixture puts it back
    settings = RunConfig(model=tiny_model)
    run_here(tmp_path / "expected", inputs, engine=in_this_process(Worker(settings)), part_articles=64)
    assert contents(out) == contents(tmp_path / "expected")


# Space


@pytest.mark.parametrize("room", [30_000, 90_000])
def test_a_full_disk_loses_nothing(room: int, stance: Stance, tmp_path: Path, config: Path) -> None:
    """A file may not grow beyond a limit: the ledger or a part cannot be written."""
    path, out = write_rows(tmp_path / "in.jsonl", *range(300)), tmp_path / "out"
    code, said = stance("run", path, "-o", out, "--config", config, file_bytes=room)
    assert code == 4, said
    [error] = [line for line in said.splitlines() if line.startswith("error:")]
    assert error.startswith(f"error: {out}: cannot be written: ")
    assert error.endswith("; what is done is safe: run the same command again")
    assert "Traceback" not in said
    for part in out.glob("*/part-*.parquet"):
        pq.read_table(part)
    assert stance("run", path, "-o", out, "--config", config, "-q") == (0, "")
    run_here(tmp_path / "expected", [path])
    assert contents(out) == contents(tmp_path / "expected")


def test_a_folder_that_cannot_be_made(stance: Stance, tmp_path: Path, rows_file: Path) -> None:
    (tmp_path / "full").touch()
    code, said = stance("run", rows_file, "-o", tmp_path / "full" / "out")
    assert code == 4, said
    assert f"{tmp_path}/full/out: cannot be written: " in said


# What is asked for, and what is said


def test_two_jobs_in_one_folder(stance: Stance, tmp_path: Path, rows_file: Path) -> None:
    out = tmp_path / "out"
    command = stance.start("run", rows_file, "-o", out, pause=0.2)
    until((out / "job.json").exists)
    second = subprocess.run(
        [sys.executable, "-m", "stance", "run", str(rows_file), "-o", str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert second.returncode == 2, second.stderr
    assert "another job is at work in this folder; wait for it, or choose another one" in second.stderr
    assert command.code() == 0, command.said
    assert ids(out) == [f"r{n}" for n in range(40)]


def test_a_job_from_beginning_to_end(stance: Stance, tmp_path: Path, config: Path) -> None:
    out = tmp_path / "out"
    path = lines(
        tmp_path / "in.jsonl",
        [{"id": f"r{n}", "text": RAISES if n == 7 else article(n)} for n in range(30)] + ["bad"],
    )
    again = write_rows(tmp_path / "more.jsonl.gz", 3)
    code, said = stance("run", path, again, "-o", out, "--config", config)
    assert code == 1
    assert f"error: {path}:31: not JSON" in said
    assert f"error: {path}:8: RuntimeError: no sense in" in said
    assert f"error: {again}:1: id 'r3' was used before, at {path}:4" in said
    assert re.search(r"articles read +29\nfailed +3\nquotes +\d+\ntime +\d+ s", said)
    assert said.endswith(f"see {out}/errors.jsonl; then: stance retry {out}\n")
    code, said = stance("run", path, again, "-o", out, "--config", config)
    assert code == 1
    assert re.search(r"of them now +0\n", said)
    code, said = stance("run", path, again, "-o", out)
    assert code == 2
    assert "part_articles was 20 and is 2000; give the first ones to go on, or --restart to begin again" in said
    code, said = stance("run", path, again, "-o", out, "--restart", "-q")
    assert code == 1
    assert {line[:6] for line in said.splitlines()} == {"error:"}
    for command in ("summary", "export"):
        more = [] if command == "summary" else ["--format", "csv"]
        code, said = stance(command, out, *more)
        assert code == 0, said
    assert (out / "claims.csv").is_file()


def test_many_errors_are_not_all_printed(stance: Stance, tmp_path: Path) -> None:
    path, out = lines(tmp_path / "in.jsonl", ["bad"] * 100), tmp_path / "out"
    code, said = stance("run", path, "-o", out, "--max-errors", 60)
    assert code == 1
    printed = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(printed) == 21
    assert f"more errors: see {out}/errors.jsonl" in said
    assert "articles failed, more than --max-errors 60 allows" in printed[-1]
    assert stance("run", path, "-o", out, "--max-errors", 100)[0] == 1
    assert len(failures(out)) == 100
    assert state(out)["state"] == "finished"


@pytest.mark.parametrize("name", ["out", "out/", "2024.05", "a.b.2", "out [1]*"])
def test_names_of_folders(name: str, stance: Stance, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "in.jsonl", 1)
    code, said = stance("run", path, "-o", f"{tmp_path}/jobs/{name}", "-q")
    assert (code, said) == (0, "")
    assert ids(tmp_path / "jobs" / name) == ["r1"]


def test_a_file_of_an_unknown_kind_is_no_folder(stance: Stance, tmp_path: Path, tiny_model: Path) -> None:
    path = write_rows(tmp_path / "in.jsonl", 1)
    code, said = stance("run", path, "-o", tmp_path / "out.json", "--model", tiny_model)
    assert code == 2, said
    assert f"{tmp_path}/out.json: found .json, expected " in said
    assert not (tmp_path / "out.json").exists()


def test_options_of_jobs_are_for_folders(stance: Stance, rows_file: Path, tmp_path: Path) -> None:
    for option in (["--restart"], ["--workers", 2], ["--engine", "ray"]):
        code, said = stance("run", rows_file, "-o", tmp_path / "out.csv", *option)
        assert code == 2
        assert f"{option[0]} is for a job, expected -o FOLDER with it" in said


def test_a_folder_that_is_no_job(stance: Stance, rows_file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "summer").mkdir(parents=True)
    code, said = stance("run", rows_file, "-o", tmp_path / "photos")
    assert code == 2
    assert f"{tmp_path}/photos: holds 'summer' and no job, expected a new or empty folder, or a job's own" in said
    code, said = stance("retry", tmp_path / "nothing")
    assert code == 2
    assert "no job in this folder" in said


def test_standard_input(stance: Stance, tmp_path: Path, rows_file: Path) -> None:
    out = tmp_path / "out"
    command = stance.start("run", "-", "-o", out, pause=0.1, stdin=rows_file)
    until(lambda: _done(out) >= 2)
    command.signal(signal.SIGINT)
    assert command.code() == 130
    code, said = stance("run", "-", "-o", out, stdin=write_rows(tmp_path / "other.jsonl", 50))
    assert code == 2
    assert "standard input has been read by this job, and now something else is there" in said
    assert stance("run", "-", "-o", out)[0] == 0
    assert ids(out) == [f"r{n}" for n in range(40)]
    assert {row["file"] for row in rows(out)} == {"standard input"}


def test_files_of_any_name(stance: Stance, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = [b"caf\xe9", b"it's \"5\" o'clock", b" a  b ", b"two\nlines", b"[a-z]*?", b"[red]x[bold]", "ä–😀".encode()]
    for number, name in enumerate(names):
        (folder / os.fsdecode(name + b".txt")).write_text(article(number), encoding="utf-8")
        (folder / os.fsdecode(name + b"0.txt")).write_bytes(b"\0")
    code, said = stance("run", folder, "-o", tmp_path / "out")
    assert code == 1
    assert said.count("error: ") == len(names)
    assert "[red]x[bold]0.txt: found control character" in said
    assert len(ids(tmp_path / "out")) == len(names)
    assert {one.id for one in failures(tmp_path / "out")} == {None}
    for number, name in enumerate(names):
        (folder / os.fsdecode(name + b"0.txt")).write_text(article(100 + number), encoding="utf-8")
    code, said = stance("retry", tmp_path / "out")
    assert code == 0, said
    assert len(set(ids(tmp_path / "out"))) == 2 * len(names)
