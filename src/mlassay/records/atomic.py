"""Files that are either whole or absent: written beside their place, flushed to disk, then renamed into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from mlassay.core.errors import MachineProblem

_HINTS = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some of your disk quota, or choose another folder",
    errno.EFBIG: "raise the file size limit (ulimit -f), or choose another folder",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder on a disk that is not read-only",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}


@contextmanager
def atomic_open(path: Path | str, mode: str = "wb", *, sync: bool = True, **options: Any) -> Iterator[IO[Any]]:
    """Open a temporary neighbour for writing; on a clean exit it replaces `path`, on any error it vanishes.

    Readers see the old file or the new one, never a part. `sync` waits for the disk, so that this holds through a
    power cut too; without it, it holds through any death of the program. Raises MachineProblem when the disk is full
    or the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with machine_problems(path):
        try:
            with open(temporary, mode, **options) as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        if sync:
            _sync_folder(path.parent)


def atomic_write(path: Path | str, content: bytes | str) -> None:
    """Write a small file whole or not at all; text is UTF-8."""
    with atomic_open(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def machine_problems(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals into one sentence that names the file and the next step."""
    try:
        yield
    except OSError as error:
        refuse(path, error)


def refuse(path: Path | str, error: OSError) -> NoReturn:
    """Raise the MachineProblem that stands for `error`."""
    reason = error.strerror or str(error) or type(error).__name__
    raise MachineProblem(f"cannot write {path}: {reason.lower()}", hint=_HINTS.get(error.errno or 0, "")) from error


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, on file systems that can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
