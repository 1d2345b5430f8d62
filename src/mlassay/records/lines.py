"""Lines of a file that nobody vouches for: any source, bounded memory, one line at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mlassay.core.errors import MachineProblem
from mlassay.records.mllog import LogProblem

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 64 << 20
MAX_PROBLEMS = 1000

Source = str | Path | bytes | BinaryIO
"""A path, the content itself, or an open binary file (for example a member of an archive)."""


class Problems(list[LogProblem]):
    """Oddities in order, the first thousand of them; the last entry says that there were more."""

    def note(self, line: int, found: str, expected: str) -> None:
        if len(self) < MAX_PROBLEMS:
            self.append(LogProblem(line, found, expected))
        elif len(self) == MAX_PROBLEMS:
            self.append(LogProblem(line, f"more than {MAX_PROBLEMS} oddities; the rest is not listed", "a clean file"))


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The source as an open binary file; a file that was open already stays open."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | Path):
        try:
            file = open(source, "rb")  # noqa: SIM115 - closed below; an error here must not cover errors of the body
        except OSError as error:
            hint = "check the path" if isinstance(error, FileNotFoundError) else ""
            raise MachineProblem(
                f"cannot read {source}: {(error.strerror or str(error)).lower()}", hint=hint
            ) from error
        with file:
            yield file
    else:
        yield source


def chunks_of_lines(file: BinaryIO, problems: Problems, *, limit: int = MAX_LINE_BYTES) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines with the number of their first line; a line beyond `limit` bytes is reported and dropped.

    The last block may end without a newline.
    """
    number, parts, length, dropping = 1, list[bytes](), 0, False
    while chunk := file.read(CHUNK_BYTES):
        if dropping:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk, dropping, number = chunk[end + 1 :], False, number + 1
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block = b"".join([*parts, chunk[:cut]])
            yield number, block
            number += block.count(b"\n")
            parts, length = [], 0
        parts.append(chunk[cut:])
        length += len(chunk) - cut
        if length > limit:
            problems.note(number, f"a line longer than {limit:,} bytes", "shorter lines")
            parts, length, dropping = [], 0, True
    if length:
        yield number, b"".join(parts)
