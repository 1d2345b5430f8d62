"""What one training round asks for, frozen. `mlassay.rules.training.load_training_round` makes these."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlassay.core.enums import Division
from mlassay.core.errors import UnknownName
from mlassay.rules.log_keys import LogRules

FLOAT32_SLACK = 1e-6
"""Relative. Published logs hold float32 values: 21.799999237 met a target of 21.8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTarget:
    """The quality at which the clock stops."""

    metric: str
    value: float
    direction: str  # "ge" at least, "le" at most, "gt" more than
    sane_above: float | None = None  # a value at or below this is a mistake
    checker_value: float | None = None  # what the official checker accepts instead ...
    checker_from_batch: int | None = None  # ... from this global batch size on
    clause: str = ""

    @property
    def higher_is_better(self) -> bool:
        return self.direction != "le"

    def met(self, value: float) -> bool:
        """Whether `value` reaches the target, float32 rounding allowed; NaN never does."""
        slack = abs(self.value) * FLOAT32_SLACK
        if self.direction == "le":
            return value <= self.value + slack
        return value > self.value if self.direction == "gt" else value >= self.value - slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """floor(per_batch * global batch size + offset)."""

    per_batch: float
    offset: float

    def at(self, global_batch_size: int) -> int:
        return math.floor(self.per_batch * global_batch_size + self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochsBySize:
    """3D U-Net: intervals in epochs of `samples` volumes, rounded up when an epoch holds fewer."""

    samples: int
    first: int
    every: int
    give_up: int

    def at(self, samples_per_epoch: int) -> tuple[int, int, int]:
        """(first, every, give up) in epochs that hold `samples_per_epoch`, the last partial batch dropped."""
        first, every, give_up = (
            -(-n * self.samples // samples_per_epoch) for n in (self.first, self.every, self.give_up)
        )
        return first, every, give_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """When quality is measured. Exactly one of the first group says the rhythm."""

    epochs: int | None = None
    at_epochs: tuple[int, ...] = ()
    at_samples: tuple[int, ...] = ()
    samples: int | None = None
    steps: int | None = None
    epoch_fraction: float | None = None
    generations: int | None = None
    samples_by_batch: tuple[float, float, float, int] | None = None  # share, per batch, offset, round down to
    steps_by_batch: tuple[int, int] | None = None  # samples of an epoch, parts
    epochs_by_size: EpochsBySize | None = None
    first_samples: int | None = None
    offset_choices: tuple[int, ...] = ()
    skip_first: Linear | None = None
    whole_steps: bool = False  # the interval is rounded up to whole steps
    not_at_zero: bool = False
    offline: bool = False  # from timestamped checkpoints, after the clock has stopped
    note: str = ""
    clause: str = ""

    def interval_samples(self, global_batch_size: int) -> int | None:
        """Samples between two evaluations at this batch size; None when the rhythm is not told in samples or steps."""
        if self.steps is not None:
            return self.steps * global_batch_size
        if self.steps_by_batch is not None:
            samples, parts = self.steps_by_batch
            return samples // (global_batch_size * parts) * global_batch_size
        if self.samples_by_batch is not None:
            share, per_batch, offset, down_to = self.samples_by_batch
            return math.floor(share * (per_batch * global_batch_size + offset) / down_to) * down_to
        if self.samples is None:
            return None
        return -(-self.samples // global_batch_size) * global_batch_size if self.whole_steps else self.samples

    def skipped(self, global_batch_size: int) -> int:
        """How many evaluations at the start of a run need not be made."""
        return 0 if self.skip_first is None else self.skip_first.at(global_batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """What closed may change. `bound` is in words; the machine-checked form of it is in the log rules."""

    name: str
    free: tuple[str, ...]
    fixed: Mapping[str, object]
    bound: Mapping[str, str]
    note: str
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBenchmark:
    """One benchmark of a training round; `id` is the name in logs and result folders."""

    id: str
    area: str
    model: str
    dataset: str
    targets: tuple[TrainingTarget, ...]  # all must be met
    evaluation: Evaluation
    runs: int  # runs to submit
    drop_fastest: int
    drop_slowest: int
    max_non_converged: int  # so many runs may fail; they count as the slowest
    score_first: int | None  # NCF: only the first so many that converge
    progress: str  # unit in which convergence is counted
    hyperparameters: Hyperparameters
    note: str
    clauses: Mapping[str, str]

    def met(self, quality: Mapping[str, float]) -> bool:
        """Whether every target is reached. Raises KeyError when a metric is missing."""
        return all(target.met(quality[target.metric]) for target in self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the clock runs."""

    clock_start: str
    clock_stop: str
    init_minutes: float
    init_minutes_open: float
    init_minutes_of: Mapping[str, float]
    evaluation_on_clock: bool
    cache_clear: bool
    offline_evaluation: str
    clause: str

    def allowance_minutes(self, benchmark: str, division: Division) -> float:
        """Untimed initialisation at most."""
        if division is Division.OPEN:
            return self.init_minutes_open
        return self.init_minutes_of.get(benchmark, self.init_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RcpRule:
    """How convergence is held against the reference convergence points."""

    confidence: float
    k: int
    k_of: Mapping[str, int]
    exempt: tuple[str, ...]
    pruned: bool
    number_formats: tuple[str, ...]
    leniency_samples: Mapping[str, int]
    clause: str

    def drops(self, benchmark: str) -> int:
        """Values dropped at each end before a mean is taken."""
        return self.k_of.get(benchmark, self.k)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How runs become a score."""

    unit: str
    windows: bool  # N consecutive of M runs: the median window counts
    scaled_to_rcp: bool  # faster convergence than the reference is slowed down instead of refused
    resubmission: bool
    reference_seconds: Mapping[str, float]
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRound:
    """One round of MLPerf training, complete."""

    name: str
    extends: str
    published: str  # year and month; "" when not yet
    sources: Mapping[str, str]
    timing: Timing
    log_marker: str  # what a line of a log begins with
    first_epoch: int  # epochs are counted from here
    scoring: Scoring
    seeds_logged: bool
    seeds_unique: bool
    seeds_clause: str
    rcp: RcpRule | None
    benchmarks: Mapping[str, TrainingBenchmark]
    log_rules: LogRules | None  # v0.5 has none
    notes: tuple[str, ...]
    path: str

    def benchmark(self, name: str) -> TrainingBenchmark:
        """Raises UnknownName with the nearest names."""
        if name not in self.benchmarks:
            known = list(self.benchmarks)
            raise UnknownName(
                f"training benchmark of {self.name}", name, known, difflib.get_close_matches(name, known, 3, 0.5)
            )
        return self.benchmarks[name]
