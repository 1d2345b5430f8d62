"""Truncated accuracy logs: the first and last 4,096 bytes are submitted, a hash of the whole is kept in accuracy.txt.

The text that a truncated log keeps between its halves is that of the official tool, so that either tool recognises the
other's work.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.errors import MachineProblem

VIEW_BYTES = 4096
MAX_BYTES = 10 * 1024
CUT = b"\n\n...\n\n"


@dataclass(frozen=True, slots=True)
class Truncated:
    """What a log became: its two ends, and the hash of all of it."""

    content: bytes
    sha256: str


def truncated(path: Path) -> Truncated:
    """Read a log in pieces; its ends and its hash. A short log stays whole."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
        stream.seek(0)
        if size <= MAX_BYTES:
            return Truncated(stream.read(), digest.hexdigest())
        head = stream.read(VIEW_BYTES)
        stream.seek(size - VIEW_BYTES)
        return Truncated(head + CUT + stream.read(VIEW_BYTES), digest.hexdigest())


def hash_line(sha256: str) -> bytes:
    return f"hash={sha256}\n".encode()


def truncate_in_place(log: Path, text: Path, backup: Path) -> None:
    """Move the whole log to `backup`, put its ends in its place and its hash at the end of accuracy.txt.

    Written beside and renamed, so that an interruption leaves either the old state or the new one.
    """
    try:
        cut = truncated(log)
        backup.parent.mkdir(parents=True, exist_ok=True)
        words = text.read_bytes() if text.exists() else b""
        if b"hash=" not in words:
            joint = b"" if not words or words.endswith(b"\n") else b"\n"
            _replace(text, words + joint + hash_line(cut.sha256))
        shutil.copy2(log, backup)
        _replace(log, cut.content)
    except OSError as error:
        raise MachineProblem(f"{log}: {error.strerror or error}") from error


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    os.replace(beside, path)
