"""`mlperf_log_accuracy.json`: what the SUT answered, one JSON object a line, streamed both ways.

Written while the run goes on, so that a run that is killed leaves whole lines; closed, it is one valid JSON array.
"""

from __future__ import annotations

import re
import threading
import time
from binascii import unhexlify
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from mlassay.records.atomic import machine_problems
from mlassay.records.lines import CHUNK_BYTES, Problems, Source, opened
from mlassay.records.loadgen_log.accuracy_text import BETWEEN, entries_text

FLUSH_BYTES = 256 << 10
FLUSH_SECONDS = 0.5
BATCH = 8192
"""Entries that are spelled out at once: more gains nothing and costs memory."""

MAX_ENTRY_BYTES = 512 << 20
"""Longest entry that is read: outputs of a quarter of a gigabyte."""


class AccuracyLogWriter:
    """Appends outputs to an accuracy log; `close` (or leaving the `with` block) ends the JSON array.

    May be called from several threads. Lines wait in memory for a quarter of a megabyte or half a second, so a kill
    loses no more than that. Raises MachineProblem when the disk refuses.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.n_entries = 0
        self._lock = threading.Lock()
        self._closed = False
        with machine_problems(self.path):
            self._file: BinaryIO = open(self.path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
            try:
                self._file.write(b"[")
            except OSError:
                self._file.close()
                raise
        self._waiting = bytearray()
        self._flushed_s = time.monotonic()

    def write(
        self,
        seq_ids: Sequence[int],
        qsl_indices: Sequence[int],
        payloads: Sequence[bytes],
        n_tokens: Sequence[int] | None = None,
        tokens: Sequence[bytes] | None = None,
    ) -> None:
        """Log a batch of outputs: sample number, library index and bytes of each.

        `n_tokens`: tokens generated per sample. `tokens`: bytes of the first token, for runs with token latencies.
        """
        lengths = {len(c) for c in (seq_ids, qsl_indices, payloads, n_tokens, tokens) if c is not None}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        for k in range(0, len(payloads), BATCH):
            part = slice(k, k + BATCH)
            counts = None if n_tokens is None else n_tokens[part]
            firsts = None if tokens is None else tokens[part]
            text = entries_text(seq_ids[part], qsl_indices[part], payloads[part], counts, firsts)
            self._append(text, len(payloads[part]))

    def _append(self, text: bytes, count: int) -> None:
        with self._lock:
            self._waiting += BETWEEN if self.n_entries else b"\n"
            self._waiting += text
            self.n_entries += count
            if len(self._waiting) >= FLUSH_BYTES or time.monotonic() - self._flushed_s >= FLUSH_SECONDS:
                with machine_problems(self.path):
                    self._flush()

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        with self._lock, machine_problems(self.path):
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, bytearray()
        view = memoryview(waiting)
        while view:
            view = view[self._file.write(view) :]
        self._flushed_s = time.monotonic()

    def close(self) -> None:
        """End the array. Calling it again does nothing."""
        with self._lock, machine_problems(self.path):
            if not self._closed:
                self._closed = True
                self._waiting += b"\n]\n"
                try:
                    self._flush()
                finally:
                    self._file.close()

    def __enter__(self) -> AccuracyLogWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AccuracyEntry(NamedTuple):
    """One output."""

    seq_id: int
    qsl_idx: int
    data: bytes
    token_data: bytes | None = None
    token_count: int | None = None


_SPACE = rb"[ \t\r\n]*"
_NUMBER = rb"([0-9]{1,19})"
_HEX = rb'"([0-9A-Fa-f]*+)"'
_ENTRY = re.compile(
    rb"\{S\"seq_id\"S:SN(?:S,S\"qsl_idx\"S:SN)S,S\"data\"S:SX"
    rb"(?:S,S\"token_data\"S:SX)?(?:S,S\"token_count\"S:SN)?S\}".replace(b"S", _SPACE)
    .replace(b"N", _NUMBER)
    .replace(b"X", _HEX)
)
_BETWEEN = re.compile(rb"[ \t\r\n,\[\]]*")
_SEPARATORS = b" \t\r\n,[]"


def read_accuracy(source: Source, problems: Problems | None = None) -> Iterator[AccuracyEntry]:
    """Entries of an accuracy log in file order, with memory for a chunk and the longest entry only.

    Reads what official tools of any round write, with or without token fields, on any number of lines. Text that is
    no entry (a file cut off, or shortened for submission) is noted in `problems` and skipped. Raises MachineProblem
    when the file cannot be opened.
    """
    found = Problems() if problems is None else problems
    with opened(source) as file:
        yield from _Scanner(file, found).entries()


class _Scanner:
    def __init__(self, file: BinaryIO, problems: Problems) -> None:
        self._file, self._problems = file, problems
        self._line = 1

    def entries(self) -> Iterator[AccuracyEntry]:
        parts, length, size = list[bytes](), 0, 0
        while chunk := self._file.read(CHUNK_BYTES):
            size += len(chunk)
            cut = chunk.rfind(b"}") + 1
            if cut:
                yield from self._block(b"".join([*parts, chunk[:cut]]))
                parts, length = [], 0
            parts.append(chunk[cut:])
            length += len(chunk) - cut
            if length > MAX_ENTRY_BYTES:
                self._note(f"an entry longer than {MAX_ENTRY_BYTES:,} bytes")
                self._line += sum(part.count(b"\n") for part in parts)
                parts, length = [], 0
        rest = b"".join(parts)
        if not size:
            self._note("an empty file")
        elif rest.strip(_SEPARATORS):
            self._line += _leading_lines(rest)
            self._note(f"a last entry that is cut off: {_shown(rest)}")
        elif b"]" not in rest:
            self._line += rest.count(b"\n")
            self._note("no closing bracket")

    def _block(self, block: bytes) -> Iterator[AccuracyEntry]:
        at = counted = 0
        for match in _ENTRY.finditer(block):
            if match.start() != at and _BETWEEN.fullmatch(block, at, match.start()) is None:
                self._line += block.count(b"\n", counted, at)
                counted = at
                self._skip(block[at : match.start()])
            at = match.end()
            seq_id, qsl_idx, data, token_data, token_count = match.groups()
            try:
                yield AccuracyEntry(
                    int(seq_id),
                    int(qsl_idx),
                    unhexlify(data),
                    None if token_data is None else unhexlify(token_data),
                    None if token_count is None else int(token_count),
                )
            except ValueError:
                self._line += block.count(b"\n", counted, match.start())
                counted = match.start()
                self._note(f"entry {int(seq_id)} with an odd number of hexadecimal digits")
        if at != len(block) and _BETWEEN.fullmatch(block, at) is None:
            self._line += block.count(b"\n", counted, at)
            counted = at
            self._skip(block[at:])
        self._line += block.count(b"\n", counted)

    def _skip(self, text: bytes) -> None:
        self._note(_shown(text), ahead=_leading_lines(text))

    def _note(self, found: str, ahead: int = 0) -> None:
        self._problems.note(self._line + ahead, found, "entries of seq_id, qsl_idx and data")


def _leading_lines(text: bytes) -> int:
    """Line ends before the first character that says something."""
    return text.count(b"\n", 0, len(text) - len(text.lstrip(_SEPARATORS)))


def _shown(text: bytes) -> str:
    shown = text.strip(_SEPARATORS)
    return repr(shown[:60].decode("ascii", "replace")) + (" ..." if len(shown) > 60 else "")
