"""The contract of a task: what is asked, how an answer is written down, and when the answers are good enough.

A task lives in a folder: dataset.py, preprocess.py, model.py, postprocess.py, accuracy.py, task.py, and reference.py,
the one file that may know backends. `mlassay.testing.check_task` holds any task against this contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from mlassay.core.model import ModelSpec
from mlassay.core.sut import SampleLibrary
from mlassay.tasks.metrics import meets

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way to run a task: which model on which data."""

    name: str
    summary: str
    benchmarks: tuple[str, ...]  # rule-book ids whose rules apply, best match first: use the first that the round has
    official: bool = False  # the rule book's own model and data set; others can only be entered in the open division
    needs: tuple[str, ...] = ()  # what the user must bring: "data", "model", "network"
    backend: str = ""  # what runs it, where that is not the task's first


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What the user wishes. Everything may be left out: the task then runs its small profile."""

    profile: str = ""
    data: Path | None = None
    model: str = ""  # a name that the task knows, or a path
    performance_count: int = 0  # samples to hold in memory; 0: the task's choice
    options: Mapping[str, str] = field(default_factory=lambda: NOTHING)  # the task's own, see Task.options


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityTarget:
    """The accuracy that a run must reach: a share of what the reference model reaches in 32-bit floats."""

    metric: str
    reference: float
    factor: float  # 0.99 in most of the rule book
    unit: str = "%"
    source: str = ""  # clause or data card
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        return self.reference * self.factor

    def met_by(self, value: float) -> bool:
        """Compared with five significant figures, round half to even (inference rules, accuracy reporting)."""
        return meets(value, self.value, higher_is_better=self.higher_is_better)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyResult:
    """How good the answers of one run were."""

    metric: str
    value: float
    unit: str
    n: int  # answers scored
    expected_n: int  # samples in the data set
    official_line: str  # what accuracy.txt says, in the official wording
    target: QualityTarget | None = None
    problems: tuple[str, ...] = ()  # why the value may not count: answers missing, given twice
    details: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @property
    def passed(self) -> bool | None:
        """None where there is no target; False where answers are missing."""
        if self.problems:
            return False
        return None if self.target is None else self.target.met_by(self.value)


Answers = Iterable[tuple[int, bytes]]
"""(sample index, encoded answer), as read from an accuracy log, in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """A task with its data and model found and checked, ready to run. Nothing is loaded yet."""

    name: str
    profile: Profile
    library: SampleLibrary
    model: ModelSpec
    target: QualityTarget | None
    encode: Callable[[Any], bytes]  # one answer as the accuracy log holds it; callers use `encoded`
    score: Callable[[Answers], AccuracyResult]  # reads the stream once, in bounded memory
    truth: Callable[[int], Any]  # the answer that a perfect SUT would give for a sample
    timed: str  # one sentence: what happens while the clock runs
    data: Mapping[str, Any] = field(default_factory=lambda: NOTHING)  # which data, from where, licence: JSON-ready
    warnings: tuple[str, ...] = ()
    encode_for: Callable[[int, Any], bytes] | None = None  # instead of `encode`, where the bytes repeat the index

    def encoded(self, index: int, answer: Any) -> bytes:
        """The answer for sample `index` as the accuracy log holds it."""
        return self.encode(answer) if self.encode_for is None else self.encode_for(index, answer)


class Task(Protocol):
    """What a registered task is."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The first is the small one: real data, a really trained model, nothing to download."""

    @property
    def options(self) -> Mapping[str, str]:
        """The task's own options: name to one line of explanation."""

    @property
    def backends(self) -> tuple[str, ...]:
        """Backends that can run this task's model files; a SUT of the user's own always can."""

    def open(self, request: TaskRequest) -> OpenTask:
        """Find data and model and check them; raises one clear error that lists what is missing."""
