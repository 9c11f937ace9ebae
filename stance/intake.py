"""What a job reads, entry by entry: on from where it is, and again what failed."""

import contextlib
import hashlib
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from stance.config import Columns
from stance.errors import InputError
from stance.formats import Entry, read_entries
from stance.inputs import STDIN, InputFile, ListingError, fingerprint, list_files
from stance.ledger import Failed, KnownFile, Ledger

Reached = tuple[int, int | None] | None  # number of a file and its last line that was taken; see `Ledger.reached`

_MISSING = -1  # size of an input that was not there


@dataclass(frozen=True, slots=True)
class Located:
    """An entry, the file it is in, the bytes before it, and the failures that it makes up for.

    `after` is None, but for the last entry of a file: the line before it.
    """

    file: KnownFile
    entry: Entry
    passed: int
    after: int | None = None
    retried: tuple[int, ...] = ()


@dataclass(slots=True)
class _Again:
    """What failed in a file: numbers of failures of the whole, of lines; and the line after which all is missing."""

    whole: list[int] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)
    rest: int | None = None

    @classmethod
    def of(cls, failures: Iterable[Failed]) -> "_Again":
        again = cls()
        for failed in failures:
            if failed.failure.line is None:
                again.whole.append(failed.number)
            else:
                again.lines.append((failed.failure.line, failed.number))
            if failed.after is not None:
                again.rest = failed.after
        return again


@dataclass(slots=True)
class Intake:
    """The input files of one job.

    Attributes:
        ledger: What the job has done.
        out: Its folder, which is no input.
        spool: Where a copy of standard input goes.
        columns: Which columns of the input hold what.
        warn: Called with what is worth knowing.
    """

    ledger: Ledger
    out: Path
    spool: Path
    columns: Columns
    warn: Callable[[str], None]

    def bytes_total(self, inputs: Sequence[str]) -> int:
        """Give the size of all input files but standard input and what only a pipe lists."""
        again = [name for name in _but_stdin(inputs) if not name.startswith("@") or Path(name[1:]).is_file()]
        files = list_files(again, spool=self.spool, skip=self.out)
        return sum(file.size for file in files if isinstance(file, InputFile))

    def entries(self, inputs: Sequence[str], reached: Reached) -> Iterator[Located]:
        """Go on in the files that are known, then take in new ones."""
        ledger = self.ledger
        passed, end = 0, ledger.next_file()
        for known in ledger.files():
            if known.file >= end:
                break
            if not _is_behind(known, ledger, reached):
                yield from self._read(known, passed, after=_line_in(known, reached))
            passed += max(known.size, 0)
        if ledger.file(STDIN) is not None:
            inputs = _but_stdin(inputs)
        for listed in list_files(inputs, spool=self.spool, skip=self.out):
            if ledger.file(_name(listed)) is None:
                known = self._take_in(listed)
                yield from self._read(known, passed)
                passed += max(known.size, 0)

    def failed(self, since: int, reached: Reached) -> Iterator[Located]:
        """Give again what failed, file by file, and what may have come after it."""
        come: set[int] = set()
        # Failures of a file stand together, as they are in input order.
        for name, failures in groupby(self.ledger.failures(before=since), lambda failed: failed.failure.file):
            again = _Again.of(failures)
            for known in self._files_again(name, again):
                if known.file in come:
                    continue
                come.add(known.file)
                if reached is None:
                    yield from self._tried_again(known, again)
                elif known.file == reached[0]:
                    if reached[1] is not None:
                        yield from self._tried_again(known, again, after=reached[1])
                    reached = None

    def _files_again(self, name: str, again: "_Again") -> Iterator[KnownFile]:
        """Give the files in which something failed: one, or all that are now where there was nothing."""
        known, first = self.ledger.file(name), int(self.ledger.about("retry_files") or 0)
        if known is not None and known.problem is None:
            path = self._path(known)
            if path.is_file():
                yield self._take_in(InputFile(known.name, path, path.stat().st_size))
            else:
                self.warn(f"{name}: is gone, expected the file that was read; what failed in it is not tried again")
            return
        nothing = True
        for listed in list_files([name], spool=self.spool, skip=self.out):
            other = self.ledger.file(_name(listed))
            if other is None or _name(listed) == name or other.file >= first:
                nothing = False
                yield self._take_in(listed)
        if nothing:  # what it lacked has been read from elsewhere
            self.ledger.drop_failures(again.whole)

    def _tried_again(self, known: KnownFile, again: "_Again", *, after: int = 0) -> Iterator[Located]:
        lines, whole = deque(pair for pair in again.lines if pair[0] > after), again.whole

        def gone(before: float) -> Iterator[Located]:
            while lines and lines[0][0] < before:
                line, number = lines.popleft()
                problem = InputError(f"{known.name}:{line}: is gone, expected the line that failed before")
                yield Located(known, Entry(known.name, line, problem, 0), 0, retried=(number,))

        for found in self._read(known, 0, after=after):
            line = found.entry.line
            if line is not None:
                yield from gone(line)
            elif not whole and again.rest is None:
                return  # the file cannot be read at all now: what is known of its lines stands
            here = [lines.popleft()[1]] if lines and lines[0][0] == line else []
            if here or line is None or (again.rest is not None and line > again.rest):
                yield replace(found, retried=(*here, *whole))
                whole = []  # made up for by the first entry
        yield from gone(math.inf)

    def _read(self, known: KnownFile, passed: int, *, after: int = 0) -> Iterator[Located]:
        """Give the entries of a file; the last one says which line stands before it."""
        found: Iterable[Entry]
        path = self._path(known)
        if known.problem is not None:
            found = [Entry(known.name, None, InputError(known.problem), 0)]
        elif path.is_file():
            found = read_entries(InputFile(known.name, path, known.size), self.columns, self.warn, after=after)
        else:
            gone = InputError(f"{known.name}: is gone, expected the file that was here when the job began")
            found = [Entry(known.name, None, gone, 0)]
        last, before = None, after
        for entry in found:
            if entry.line is not None and entry.line <= after:
                continue  # that it cannot be read to its end was said before
            if last is not None:
                yield Located(known, last, passed)
                before = last.line or before
            last = entry
        if last is not None:
            yield Located(known, last, passed, before)

    def _take_in(self, listed: InputFile | ListingError) -> KnownFile:
        path = Path(os.path.abspath(listed.file if isinstance(listed, ListingError) else listed.path))
        if isinstance(listed, ListingError):
            return self.ledger.add_file(listed.file, path, _MISSING, 0, "", str(listed))
        modified, sha256 = 0, ""
        with contextlib.suppress(OSError):  # reading it says why
            modified, sha256 = listed.path.stat().st_mtime_ns, fingerprint(listed.path)
        known = self.ledger.add_file(listed.name, path, listed.size, modified, sha256)
        if listed.name == STDIN:
            self.ledger.commit()  # nobody can give it again
        return known

    def _path(self, known: KnownFile) -> Path:
        return self.spool if known.name == STDIN else known.path


def changed_files(ledger: Ledger) -> Iterator[tuple[KnownFile, str]]:
    """Give the input files that are no longer what they were when the job took them in, and what has happened."""
    reached = ledger.reached(ledger.next_batch())
    for known in ledger.files():
        if known.problem is not None or known.name == STDIN:
            continue
        if not known.path.is_file():
            if not _is_behind(known, ledger, reached):
                yield known, "is gone"
            continue
        found = known.path.stat()
        if (found.st_size, found.st_mtime_ns) != (known.size, known.modified) and known.sha256 != fingerprint(
            known.path
        ):
            yield known, "has changed"


def differs_from_stdin(ledger: Ledger) -> bool:
    """Say whether standard input holds something, and not what the job has a copy of."""
    known = ledger.file(STDIN)
    if known is None or sys.stdin is None or sys.stdin.isatty():
        return False
    digest, empty = hashlib.sha256(), True
    with contextlib.suppress(OSError):
        while piece := sys.stdin.buffer.read(1 << 20):
            digest.update(piece)
            empty = False
    return not empty and digest.hexdigest() != known.sha256


def _is_behind(known: KnownFile, ledger: Ledger, reached: Reached) -> bool:
    """Say whether a file has been read to its end where the batches that are done reach so far."""
    if known.file < int(ledger.about("read_files") or 0):
        return True
    return reached is not None and (known.file < reached[0] or (known.file == reached[0] and reached[1] is None))


def _line_in(known: KnownFile, reached: Reached) -> int:
    return reached[1] or 0 if reached is not None and known.file == reached[0] else 0


def _name(listed: InputFile | ListingError) -> str:
    return listed.file if isinstance(listed, ListingError) else listed.name


def _but_stdin(inputs: Sequence[str]) -> list[str]:
    return [name for name in inputs if name != "-"]
