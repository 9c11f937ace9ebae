"""Which files a job reads: files, folders, globs, lists (`@list.txt`) and standard input; lazily, in a fixed order."""

import gzip
import hashlib
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, cast

from stance.articles import reason
from stance.errors import InputError

STDIN = "standard input"
SUFFIXES = (".txt", ".html", ".htm", ".xhtml", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
EXPECTED = f"{', '.join(SUFFIXES)} or one of these with .gz"
UNREADABLE = (OSError, EOFError, zlib.error)  # what a file or a gzip stream may raise anywhere
_GLOB = re.compile(r"[*?\[]")
_LONGEST_LINE = 1 << 16
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read.

    Attributes:
        name: As it is shown and recorded: Unicode, whatever the bytes of its path are.
        path: Where it is.
        size: In bytes.
    """

    name: str
    path: Path
    size: int

    @property
    def stem(self) -> str:
        """The name without folders and suffixes: its article's id, or the beginning of its articles' ids."""
        if self.name == STDIN:
            return "stdin"
        name = Path(self.name).name
        return Path(name[: -len(".gz")] if name.lower().endswith(".gz") else name).stem

    @property
    def is_gzipped(self) -> bool:
        """Whether it is to be unpacked: by the suffix, or for standard input by the first bytes."""
        if self.name != STDIN:
            return self.path.suffix.lower() == ".gz"
        with self.path.open("rb") as head:
            return head.read(2) == b"\x1f\x8b"

    @contextmanager
    def opened(self) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
        """Open it, unpacked where it is gzipped; beside the stream comes what tells how many bytes were read."""
        with self.path.open("rb") as raw:
            if self.is_gzipped:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(IO[bytes], unpacked), raw.tell
            else:
                yield raw, raw.tell


class ListingError(InputError):
    """An input that is not there or is none; `file` is its name as shown and recorded."""

    def __init__(self, path: Path | str, problem: str, asked: str = "") -> None:
        """Say what is wrong with an input; `asked` begins the message: the list and line that names it."""
        self.file = _shown(path)
        super().__init__(f"{asked}{self.file}: {problem}")


_Found = InputFile | ListingError


@dataclass(frozen=True, slots=True)
class _Glob:
    """A pattern, read part by part, so that only folders that can hold something that fits are opened.

    `at` in its methods are the places in `parts` that the path so far leads to; past the last one, it fits.
    """

    root: Path
    parts: tuple[str, ...]

    def start(self) -> frozenset[int]:
        return self._on({0})

    def step(self, at: frozenset[int], name: str) -> frozenset[int]:
        if len(self.parts) in at:
            return at  # a folder fits: so does what it holds
        ahead = set()
        for place in at:
            if self.parts[place] == "**":
                ahead |= set() if name.startswith(".") else {place}
            elif fnmatchcase(name, self.parts[place]) and name.startswith(".") <= self.parts[place].startswith("."):
                ahead.add(place + 1)
        return self._on(ahead)

    def fits(self, at: frozenset[int]) -> bool:
        return len(self.parts) in at

    def _on(self, at: set[int]) -> frozenset[int]:
        """Go on past each `**`, which also stands for no folder at all."""
        for place, part in enumerate(self.parts):
            if place in at and part == "**":
                at.add(place + 1)
        return frozenset(at)


@dataclass(slots=True)
class _Listing:
    """What was asked for so far, so that each name comes once: never a list of what folders hold."""

    spool: Path
    skip: Path | None
    named: set[str] = field(default_factory=set)
    globs: list[_Glob] = field(default_factory=list)
    open_lists: list[str] = field(default_factory=list)
    lists: set[str] = field(default_factory=set)

    def has_come(self, path: Path) -> bool:
        if str(path) in self.named:
            return True
        for glob in self.globs:
            if path.is_relative_to(glob.root):
                at = glob.start()
                for name in path.relative_to(glob.root).parts:
                    at = glob.step(at, name)
                if glob.fits(at):
                    return True
        return False

    def skips(self, path: Path) -> bool:
        return self.skip is not None and Path(os.path.realpath(path)).is_relative_to(self.skip)


def list_files(inputs: Iterable[str], *, spool: Path, skip: Path | None = None) -> Iterator[InputFile | ListingError]:
    """List the files of paths, folders (recursively), globs, `@lists` and `-` for standard input.

    Args:
        inputs: Paths; globs with `*`, `?`, `[…]` and `**`; `@list.txt`, a file with one input a line (blank lines and
            those that begin with `#` are skipped; relative paths are relative to the current folder); `-`.
        spool: Where to put a copy of standard input, so that it can be read again; an error there is raised.
        skip: A file or folder that is no input: the job's own output.

    Yields:
        Files in the order of the inputs, folders and globs sorted by path, each name once; and in its place an error
        for what is not there.
    """
    listing = _Listing(spool, Path(os.path.realpath(skip)) if skip is not None else None)
    for name in inputs:
        yield from _input(name, listing, "")


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kind_of(path: Path) -> str:
    """Give the suffix that says how to read a file, in lower case and without `.gz`; empty where there is none."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _input(name: str, listing: _Listing, asked: str) -> Iterator[_Found]:
    if name == "-":
        yield _stdin(listing, asked)
    elif name.startswith("@"):
        yield from _list(Path(name[1:]), listing, asked)
    else:
        yield from _path(Path(name), listing, asked)


def _path(path: Path, listing: _Listing, asked: str) -> Iterator[_Found]:
    status = _status(path)
    if isinstance(status, str):
        if _GLOB.search(str(path)) and "\0" not in str(path) and _as_glob(path).root.exists():
            yield from _below(_as_glob(path), listing, asked, "no articles fit this pattern")
        else:
            yield ListingError(path, status, asked)
    elif listing.skips(path):
        yield ListingError(path, "the job's own output, expected an input", asked)
    elif stat.S_ISDIR(status.st_mode):
        yield from _below(_Glob(path, ()), listing, asked, "no articles in this folder")
    elif not stat.S_ISREG(status.st_mode):
        yield ListingError(path, "found no regular file, expected one, or - for what is piped in", asked)
    elif kind_of(path) not in SUFFIXES:
        suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
        yield ListingError(path, f"found {_shown(suffix) or 'no suffix'}, expected {EXPECTED}", asked)
    elif not listing.has_come(path):
        listing.named.add(str(path))
        yield InputFile(_shown(path), path, status.st_size)


def _as_glob(path: Path) -> _Glob:
    fixed = next(i for i, part in enumerate(path.parts) if _GLOB.search(part))
    return _Glob(Path(*path.parts[:fixed]), path.parts[fixed:])


def _below(glob: _Glob, listing: _Listing, asked: str, nothing: str) -> Iterator[_Found]:
    found = False
    for one in _walk(glob, listing, asked):
        found = True
        if isinstance(one, ListingError) or not listing.has_come(one.path):
            yield one
    listing.globs.append(glob)
    if not found:
        yield ListingError(glob.root.joinpath(*glob.parts), f"{nothing}, expected {EXPECTED} files", asked)


def _walk(glob: _Glob, listing: _Listing, asked: str) -> Iterator[_Found]:
    """Walk a tree in the order of its paths, holding one folder's names a level.

    Links to folders are followed, each folder that is linked to once and never into itself.
    """
    linked: set[tuple[int, int]] = set()
    begin: tuple[Path, frozenset[int] | None] = (glob.root, glob.start())
    levels = [(iter([begin]), (0, 0))]
    while levels:
        path, at = next(levels[-1][0], (None, None))
        if path is None:
            levels.pop()
            continue
        try:
            status = path.stat()
            if at is None:
                yield InputFile(_shown(path), path, status.st_size)
                continue
            place = (status.st_dev, status.st_ino)
            if path.is_symlink() and len(levels) > 1:
                if place in linked or any(place == above for _, above in levels):
                    continue
                linked.add(place)
            levels.append((_entries(path, at, glob, listing), place))
        except OSError as error:
            yield ListingError(path, f"cannot be read: {reason(error)}", asked)


def _entries(
    folder: Path, at: frozenset[int], glob: _Glob, listing: _Listing
) -> Iterator[tuple[Path, frozenset[int] | None]]:
    """Give what is wanted of a folder, sorted: folders with the places in the pattern that they lead to, files."""
    names: list[str] = []
    folders: dict[str, frozenset[int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            ahead, path = glob.step(at, entry.name), folder / entry.name
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:
                continue  # a link to itself: neither
            near_output = listing.skip is not None and (entry.name == listing.skip.name or entry.is_symlink())
            if not ahead or (near_output and listing.skips(path)):
                continue
            if is_folder:
                folders[entry.name] = ahead
            if is_folder or (is_file and glob.fits(ahead) and kind_of(path) in SUFFIXES):
                names.append(entry.name)
    names.sort()
    return ((folder / name, folders.get(name)) for name in names)


def _list(path: Path, listing: _Listing, asked: str) -> Iterator[_Found]:
    status, real = _status(path), os.path.realpath(path) if "\0" not in str(path) else ""
    if isinstance(status, str):
        yield ListingError(path, status.replace("file or folder", "list"), asked)
    elif not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        yield ListingError(path, "found no file, expected a list with one input a line", asked)
    elif real in listing.open_lists:
        yield ListingError(path, "a list that contains itself, expected paths", asked)
    elif real not in listing.lists:
        listing.open_lists.append(real)
        try:
            yield from _lines(path, listing, asked)
        except OSError as error:
            yield ListingError(path, f"cannot be read: {reason(error)}", asked)
        finally:
            listing.open_lists.pop()
            listing.lists.add(real)


def _lines(path: Path, listing: _Listing, asked: str) -> Iterator[_Found]:
    number, names = 0, 0
    with _opened_list(path) as lines:
        while line := lines.readline(_LONGEST_LINE):
            number += 1
            name = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if len(line) == _LONGEST_LINE:
                yield ListingError(f"{_shown(path)}:{number}", "a line that is too long, expected a path", asked)
                return
            if name and not name.startswith("#"):
                names += 1
                yield from _input(name, listing, f"{_shown(path)}:{number}: ")
    if not names:
        yield ListingError(path, "an empty list, expected one input a line", asked)


def _opened_list(path: Path) -> IO[bytes]:
    """Open a list, which may be a pipe (`@<(…)`): one that nobody writes into is empty, and nobody waits for it."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(number, True)
    return os.fdopen(number, "rb")


def _stdin(listing: _Listing, asked: str) -> _Found:
    if STDIN in listing.named:
        return ListingError(STDIN, "was read before, expected - once", asked)
    listing.named.add(STDIN)
    with listing.spool.open("wb") as spool:
        while piece := _piece(asked):
            if isinstance(piece, ListingError):
                return piece
            spool.write(piece)
    return InputFile(STDIN, listing.spool, listing.spool.stat().st_size)


def _piece(asked: str) -> bytes | ListingError:
    try:
        return sys.stdin.buffer.read(_PIECE)
    except OSError as error:
        return ListingError(STDIN, f"cannot be read: {reason(error)}", asked)


def _status(path: Path) -> os.stat_result | str:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "no such file or folder"
    except OSError as error:
        return f"cannot be read: {reason(error)}"
    except ValueError as error:
        return f"no such file or folder ({error})"


def _shown(path: Path | str) -> str:
    """Give a path as Unicode; bytes of it that are none stand as escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
