"""Do two runs answer alike? Every logged answer of a test run against the accuracy run, sample by sample."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlassay.records.lines import Problems
from mlassay.records.loadgen_log import read_accuracy
from mlassay.tasks.task import AccuracyResult, OpenTask

FEW = 8
"""So many differing samples are named."""


@dataclass(frozen=True, slots=True)
class Alike:
    """How the answers of a test run compare with those of the accuracy run."""

    n_logged: int  # answers in the test's log
    n_equal: int
    differing: tuple[int, ...]  # some of the samples whose answers differ
    n_unknown: int  # samples that the accuracy run has no answer for
    problems: tuple[str, ...]  # damage in either log

    @property
    def n_differing(self) -> int:
        return self.n_logged - self.n_equal - self.n_unknown

    @property
    def identical(self) -> bool:
        """At least one answer, each of them known and equal, in undamaged logs."""
        return self.n_logged > 0 and self.n_equal == self.n_logged and not self.problems


def compare_answers(test_log: Path, accuracy_log: Path, *, first_byte_only: bool = False) -> Alike:
    """Whole answers, by their digests. Memory: one digest per answer of the test's log.

    `first_byte_only`: as the official script compares, which also leaves out samples without a counterpart.
    """
    problems = Problems()
    given: dict[int, list[bytes]] = defaultdict(list)
    for entry in read_accuracy(test_log, problems):
        given[entry.qsl_idx].append(_mark(entry.data, first_byte_only))
    n_logged = sum(len(marks) for marks in given.values())
    n_equal = 0
    differing: list[int] = []
    for entry in read_accuracy(accuracy_log, problems):
        marks = given.pop(entry.qsl_idx, None)
        if marks is None:
            continue
        wanted = _mark(entry.data, first_byte_only)
        equal = sum(mark == wanted for mark in marks)
        n_equal += equal
        if equal < len(marks) and len(differing) < FEW:
            differing.append(entry.qsl_idx)
    n_unknown = sum(len(marks) for marks in given.values())
    if first_byte_only:
        n_logged, n_unknown = n_logged - n_unknown, 0
    noted = tuple(f"line {p.line}: {p.found}" for p in problems[:FEW])
    return Alike(n_logged, n_equal, tuple(differing), n_unknown, noted)


def _mark(data: bytes, first_byte_only: bool) -> bytes:
    return data[:1] if first_byte_only else hashlib.blake2b(data, digest_size=16).digest()


def subset_accuracies(task: OpenTask, test_log: Path, accuracy_log: Path) -> tuple[AccuracyResult, AccuracyResult]:
    """(accuracy run, test run), both scored on the samples that the test logged, each once."""
    asked: set[int] = set()
    test = task.score(_once(test_log, asked))
    base = task.score(_only(accuracy_log, asked))
    return base, test


def _once(log: Path, seen: set[int]) -> Iterator[tuple[int, bytes]]:
    """The first answer for each sample; `seen` fills while it is read."""
    for entry in read_accuracy(log):
        if entry.qsl_idx not in seen:
            seen.add(entry.qsl_idx)
            yield entry.qsl_idx, entry.data


def _only(log: Path, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    return ((entry.qsl_idx, entry.data) for entry in read_accuracy(log) if entry.qsl_idx in wanted)
