"""A job's folder: what lies where in it, who may write to it, and its two files for people and programs.

claims/part-00000.parquet …     one row a claim
articles/part-00000.parquet …   one row an article that was read
errors.jsonl                    one line for each article that could not be read, in input order
job.json                        settings, model, versions, inputs, counts, times
job.sqlite, job.lock, stdin     the job's own: its ledger, its lock, a copy of standard input
"""

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stance.errors import ConfigError, OutputError
from stance.files import whole_file
from stance.ledger import Ledger
from stance.types import Failure

ERRORS, ABOUT, LEDGER, LOCK, SPOOL = "errors.jsonl", "job.json", "job.sqlite", "job.lock", "stdin"
KINDS = ("articles", "claims")
_OWN = {*KINDS, ERRORS, ABOUT, LEDGER, f"{LEDGER}-journal", LOCK, SPOOL}


@contextmanager
def opened(out: Path, *, restart: bool = False, new: bool = True) -> Iterator[Ledger]:
    """Open a job's folder for this process alone and give its ledger.

    Args:
        out: The folder.
        restart: Throw away what is in it, if it is a job's.
        new: Whether a job may begin here.

    Raises:
        ConfigError: Another job is at work there, or the folder holds something else.
        OutputError: It cannot be written to, or there is no space left; what is done is safe.
    """
    if not new and not (out / LEDGER).is_file():
        raise ConfigError(f"{out}: no job in this folder, expected one that `stance run … -o {out}` made")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file, expected a folder for the job")
    try:
        _refuse_foreign(out)
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            if not restart:
                _refuse_left_over(out)
            else:
                _clear(out)
            for kind in KINDS:
                (out / kind).mkdir(exist_ok=True)
                for left in (out / kind).glob(".*.tmp"):
                    left.unlink()
            ledger = Ledger(out / LEDGER)
            try:
                yield ledger
            finally:
                ledger.close()
    except (OSError, sqlite3.OperationalError) as error:
        raise OutputError(f"{out}: {_what_failed(error)}; what is done is safe: run the same command again") from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{out / LEDGER}: not the ledger of a job ({error}); use --restart to begin again") from error


def part_path(out: Path, kind: str, part: int) -> Path:
    """Give the path of a part of `articles` or `claims`."""
    return out / kind / f"part-{part:05d}.parquet"


def drop_parts_from(out: Path, part: int) -> None:
    """Remove parts that were written but not noted in the ledger: they will be written again."""
    for kind in KINDS:
        for path in (out / kind).glob("part-*.parquet"):
            number = path.stem.removeprefix("part-")
            if number.isdecimal() and int(number) >= part:
                path.unlink()


def write_errors(out: Path, ledger: Ledger) -> None:
    """Write all failures, in input order."""
    with whole_file(out / ERRORS) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for failed in ledger.failures():
            lines.write(_error_line(failed.failure))


def append_errors(out: Path, failures: list[Failure]) -> None:
    """Add failures to the file at once, so that people see them while the job goes on."""
    with (out / ERRORS).open("a", encoding="utf-8", newline="\n") as lines:
        lines.writelines(map(_error_line, failures))


def write_about(out: Path, about: Mapping[str, Any]) -> None:
    """Write `job.json`."""
    with whole_file(out / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _error_line(failure: Failure) -> str:
    line = json.dumps(asdict(failure), ensure_ascii=False)
    return (line if line.isprintable() else json.dumps(asdict(failure))) + "\n"


def _refuse_foreign(out: Path) -> None:
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in names if name not in _OWN and not name.startswith(".")]
    if foreign and LEDGER not in names:
        raise ConfigError(f"{out}: holds {foreign[0]!r} and no job, expected a new or empty folder, or a job's own")


def _refuse_left_over(out: Path) -> None:
    """Refuse results without a ledger: a job that began there would remove them."""
    names = sorted(path.name for path in out.iterdir() if not path.is_dir() or any(path.iterdir()))
    left = [name for name in names if name in _OWN - {LOCK}]
    if left and LEDGER not in names:
        raise ConfigError(f"{out}: holds {left[0]!r} but no {LEDGER}, the job's ledger; use --restart to begin again")


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"{out}: another job is at work in this folder; wait for it, or choose another one") from None
    try:
        yield
    finally:
        lock.release()


def _clear(out: Path) -> None:
    # The ledger first: without it all else counts for nothing, if this is stopped half-way.
    for name in (LEDGER, *sorted(_OWN - {LEDGER, LOCK})):
        path = out / name
        if path.is_dir():
            for part in [*path.glob("part-*.parquet"), *path.glob(".*.tmp")]:
                part.unlink()
            shutil.rmtree(path, ignore_errors=True) if not any(path.iterdir()) else None
        else:
            path.unlink(missing_ok=True)


def _what_failed(error: OSError | sqlite3.OperationalError) -> str:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT} if isinstance(error, OSError) else "full" in str(error)
    if full:
        return "no space left on the disk; free some"
    return f"cannot be written: {error}"
