"""What a look at a data set found: how much is there, what is missing, what is damaged. Findings, never exceptions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile


@dataclass(frozen=True, slots=True)
class DataProblem:
    """One thing that is not as published."""

    where: str  # path inside the data folder
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where} is {self.found}; expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """The state of one data set on disk. `complete` means: everything published is there and readable."""

    dataset: str
    folder: Path
    counts: Mapping[str, int] = field(default_factory=dict)  # what was counted: {"pictures": 5000}
    problems: tuple[DataProblem, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)  # file to digest, of the files that were hashed
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "folder": str(self.folder),
            "complete": self.complete,
            "counts": dict(self.counts),
            "problems": [{"where": p.where, "found": p.found, "expected": p.expected} for p in self.problems],
            "checksums": dict(self.checksums),
            "notes": list(self.notes),
        }


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def each_checked(
    names: Sequence[str], check: Callable[[str], DataProblem | None], workers: int = 0
) -> tuple[DataProblem, ...]:
    """The problems that `check` finds among the names, in their order; many are looked at together."""
    with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
        return tuple(problem for problem in pool.map(check, names) if problem is not None)


def problem_of(where: str, error: BadFile) -> DataProblem:
    """A reader's complaint as a finding."""
    return DataProblem(where if not error.key else f"{where}: {error.key}", error.found, error.expected)


def problem_in(folder: Path, error: BadFile) -> DataProblem:
    """The same, named by its path inside the folder."""
    path = Path(error.path)
    return problem_of(str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path), error)


def count_problems(counts: Mapping[str, int], published: Mapping[str, int], where: str) -> Iterable[DataProblem]:
    """A finding for each count that differs from the published one."""
    for what, wanted in published.items():
        if counts.get(what, 0) != wanted:
            yield DataProblem(where, f"{counts.get(what, 0):,} {what}", f"{wanted:,}")


def counted(
    dataset: str, folder: Path, count: Callable[[], Mapping[str, int]], published: Mapping[str, int], **more: Any
) -> DataReport:
    """The report of a data set that a reader reads whole: what it counts, or what it complains of first."""
    try:
        counts = count()
    except BadFile as error:
        return DataReport(dataset=dataset, folder=folder, problems=(problem_in(folder, error),), **more)
    problems = tuple(count_problems(counts, published, folder.name))
    return DataReport(dataset=dataset, folder=folder, counts=counts, problems=problems, **more)
