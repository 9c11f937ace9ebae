"""Files that appear whole or not at all, even where the power goes or the disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there becomes `path` at the end.

    After an error, an interruption too, `path` is as it was and the temporary file is gone. After a kill the
    temporary file (`.NAME.tmp`, hidden from globs and from readers of Parquet folders) stays until the next try.

    Raises:
        OSError: The folder is missing, is not writable or is full.
    """
    target = Path(os.path.realpath(path))  # a link goes on pointing to its file
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(target.parent)  # the new name is in the folder; only this makes it last


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
