"""The contract of a training benchmark: what the timed loop may ask of it, and what it must say about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mlassay.core.data_report import DataReport

FLOAT32_TOLERANCE = 1e-6
"""Relative. A published GNMT run logged 21.799999237, a float32 21.8, and met its target of 21.8."""


@dataclass(frozen=True, slots=True)
class Target:
    """The quality at which the clock stops."""

    metric: str
    value: float
    higher_is_better: bool = True

    def met(self, quality: Mapping[str, float]) -> bool:
        """NaN never meets a target."""
        reached = quality[self.metric]
        slack = abs(self.value) * FLOAT32_TOLERANCE
        return reached >= self.value - slack if self.higher_is_better else reached <= self.value + slack


@dataclass(frozen=True, slots=True)
class Logged:
    """A hyperparameter whose log line carries metadata of its own."""

    value: object
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is known before any data is touched."""

    benchmark: str  # our name, "resnet"
    log_id: str  # the official log's submission_benchmark
    profile: str  # "reference" or "small"
    targets: tuple[Target, ...]  # all must hold
    global_batch_size: int
    gradient_accumulation_steps: int = 1
    hyperparameters: Mapping[str, object] = field(default_factory=dict)  # by the log's keys; values, or Logged
    config: Mapping[str, object] = field(default_factory=dict)  # everything that ran, for the run folder
    progress_in_samples: bool = False  # rounds v4.0+: samples_count in place of epoch_num


def later(where: str) -> Callable[..., Any]:
    """The function `module:name`, imported when it is called: a recipe stays light."""

    def call(*args: Any, **named: Any) -> Any:
        module, name = where.split(":")
        return getattr(import_module(module), name)(*args, **named)

    return call


def spec_of(
    config: Any,
    name: str,
    profile: str,
    targets: tuple[Target, ...],
    hyperparameters: Mapping[str, object],
    *,
    progress_in_samples: bool = False,
) -> Spec:
    """The spec of a benchmark whose logs bear its own name, from the fields that every configuration has."""
    return Spec(
        benchmark=name,
        log_id=name,
        profile=profile,
        targets=targets,
        global_batch_size=config.global_batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        hyperparameters=hyperparameters,
        config=asdict(config),
        progress_in_samples=progress_in_samples,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is known once the data is there: counts, and when to evaluate. A step is one optimiser update."""

    train_samples: int
    eval_samples: int
    steps_per_epoch: int
    max_steps: int  # the budget; reaching it without the target ends the run as aborted
    eval_every_steps: int
    first_eval_step: int = 0  # 0: the first interval's end
    eval_at_steps: tuple[int, ...] = ()  # in rising order; instead of a first step and an interval

    def __post_init__(self) -> None:
        for name in ("train_samples", "eval_samples", "steps_per_epoch", "max_steps", "eval_every_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")

    def next_evaluation(self, step: int) -> int:
        """The first step after `step` at whose end quality is measured; never past the budget."""
        if self.eval_at_steps:
            return min(s for s in (*self.eval_at_steps, self.max_steps) if step < s <= self.max_steps)
        first = self.first_eval_step or self.eval_every_steps
        if step < first:
            due = first
        else:
            due = first + ((step - first) // self.eval_every_steps + 1) * self.eval_every_steps
        return min(due, self.max_steps)


@dataclass(frozen=True, slots=True)
class StepReport:
    """One optimiser step: `loss` as a plain number (NaN ends the run)."""

    loss: float
    n_samples: int


class Benchmark(Protocol):
    """What the loop calls, in this order: build, load, then step and evaluate in turns."""

    @property
    def spec(self) -> Spec: ...

    def build(self) -> None:
        """Model and optimiser, without touching data: this part may be untimed."""
        ...

    def load(self) -> Schedule:
        """The first touch of the data: the clock is running."""
        ...

    def step(self) -> StepReport: ...

    def evaluate(self) -> Mapping[str, float]:
        """Quality by metric name, over the whole evaluation set; leaves no trace in the training state."""
        ...

    def save(self, path: Path) -> None:
        """Everything that the next step depends on, model, optimiser, order and random streams."""
        ...

    def restore(self, path: Path) -> None: ...


class Prepare(Protocol):
    """Converts a raw data set once: (folder, folder to write, who is told of each piece) to what was written."""

    def __call__(self, raw: Path, out: Path, *, told: Callable[[str], None]) -> Path: ...


@runtime_checkable
class NamesTensors(Protocol):
    """Optional: a benchmark that can say which tensors of the reference it has initialised, by their names there."""

    def initialized_tensors(self) -> Sequence[str]:
        """Once built. Rounds v1.1 to v2.1 want each in a closed log."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a benchmark runs: device, data, seed, and its place among the processes of one run."""

    seed: int
    device: str = "cpu"
    data: Path | None = None  # None: the benchmark's usual places
    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """A benchmark's light half: names, profiles and closed-division facts, importable without torch."""

    name: str
    area: str
    summary: str
    log_id: str
    profiles: Mapping[str, Callable[[], Any]]  # profile name -> a complete frozen configuration
    make: Callable[[Any, str, Surroundings], Benchmark]  # (configuration, profile name, surroundings)
    rule_id: Mapping[str, str] = field(default_factory=dict)  # round -> id, where it differs from log_id
    by_round: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Round -> the reference's fields that are different there, where the round's rules say more than a target."""
    free_keys: tuple[str, ...] = ()  # configuration fields that the closed division leaves free
    verify: Callable[[Path, Any], DataReport] | None = None  # (folder, configuration): is the data set whole?
    prepare: Prepare | None = None  # None: the benchmark reads the folder as it is published
