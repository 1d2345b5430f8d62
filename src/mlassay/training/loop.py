"""Time to quality: the only training loop with a clock in it.

Initialisation runs off the clock within the round's allowance; the clock starts at the first touch of data (or when
the allowance is used up) and stops the moment every target is met or the budget is spent. Evaluation is on the clock.
What happens is emitted as events; who writes them, and how, is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlassay.core.clock import Clock
from mlassay.core.units import NS_PER_S
from mlassay.training.benchmark import Benchmark, NamesTensors, Schedule


class Edge(StrEnum):
    """Whether an event opens an interval, closes one, or stands alone."""

    START = "start"
    END = "end"
    POINT = "point"


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """One thing that happened, in the training logs' vocabulary. Times are of the run's clock."""

    time_ns: int
    key: str
    value: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    edge: Edge = Edge.POINT


class Status(StrEnum):
    SUCCESS = "success"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality at one point of the run."""

    step: int
    samples: int
    epoch: float
    time_ns: int  # since run_start
    quality: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is: what a checkpoint must remember besides the benchmark's own state."""

    step: int = 0
    samples: int = 0
    run_start_ns: int | None = None
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person watching wants to know now."""

    step: int
    max_steps: int
    epoch: float
    loss: float
    samples_per_second: float
    elapsed_ns: int
    budget_left_ns: int  # until the budget of steps is spent, at the present pace
    quality: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """What a run came to."""

    status: Status
    reason: str  # why it ended
    duration_ns: int  # run_start to run_stop
    init_ns: int
    steps: int
    samples: int
    epochs: float
    final_loss: float
    evaluations: tuple[Evaluation, ...]
    evaluating_ns: int  # the part of the duration that went into evaluation
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a round wants its clock run."""

    init_allowance_ns: int = 20 * 60 * NS_PER_S
    clock_starts_before_build: bool = False  # v0.5
    max_duration_ns: int | None = None  # the user's own limit
    checkpoint_every_ns: int | None = None
    samples_as_epochs: bool = False  # epoch_num is there too where progress counts samples, and says them
    tensors_in_log: bool = False  # v1.1 to v2.1: a line for each tensor that was initialised


Emit = Callable[[TrainingEvent], None]
SaveCheckpoint = Callable[[Position], None]
Agree = Callable[[bool], bool]  # what the first of several processes decides by its clock, in all of them


class _Run:
    """One run in progress: the state that `train` threads through its phases."""

    def __init__(self, benchmark: Benchmark, settings: LoopSettings, clock: Clock, emit: Emit, agree: Agree) -> None:
        self.benchmark, self.settings, self.clock, self._emit = benchmark, settings, clock, emit
        self.agree = agree
        self.init_start_ns = self.init_ns = self.run_start_ns = 0
        self.started = self.resumed = False
        self.step = self.samples = 0
        self.evaluating_ns = 0
        self.loss = math.nan
        self.evaluations: tuple[Evaluation, ...] = ()
        self.schedule: Schedule | None = None

    def say(self, key: str, value: Any = None, edge: Edge = Edge.POINT, at_ns: int | None = None, **about: Any) -> int:
        when = self.clock.now_ns() if at_ns is None else at_ns
        self._emit(TrainingEvent(when, key, value, about, edge))
        return when

    def where(self) -> dict[str, Any]:
        """Progress metadata: whole epochs as integers, as the logs have them."""
        if self.benchmark.spec.progress_in_samples:
            both = {"epoch_num": self.samples} if self.settings.samples_as_epochs else {}
            return {"samples_count": self.samples, **both}
        return {"epoch_num": _whole(self.epoch())}

    def over_time(self) -> bool:
        """Whether the user's own limit is spent, by the clock of the first process where there are several."""
        limit_ns = self.settings.max_duration_ns
        return limit_ns is not None and self.agree(self.clock.now_ns() - self.run_start_ns >= limit_ns)

    def epoch(self) -> float:
        return self.step / self.schedule.steps_per_epoch if self.schedule else 0.0


def train(
    benchmark: Benchmark,
    *,
    clock: Clock,
    emit: Emit,
    settings: LoopSettings | None = None,
    progress: Callable[[Progress], None] | None = None,
    save_checkpoint: SaveCheckpoint | None = None,
    resume_from: Position | None = None,
    agree: Agree = bool,
) -> TrainingOutcome:
    """Run a benchmark to its target and say how long that took.

    A NaN loss, a spent budget and an interruption end the run with status aborted and its reason; an error of the
    benchmark (a corrupt data file, say) also leaves an aborted run_stop in the log, and is then raised again.
    """
    run = _Run(benchmark, settings or LoopSettings(), clock, emit, agree)
    try:
        _initialise(run, resume_from)
        status, reason = _train_to_target(run, progress, save_checkpoint)
    except KeyboardInterrupt:
        return _stop(run, Status.ABORTED, "interrupted")
    except Exception as error:
        _stop_after(run, error)
        raise
    return _stop(run, status, reason)


def _initialise(run: _Run, resume_from: Position | None) -> None:
    """Build, then start the clock, then load: in that order unless the round (v0.5) counts building too."""
    if resume_from is not None:
        _continue_from(run, resume_from)
        return
    run.init_start_ns = run.say("init_start", edge=Edge.START)
    if run.settings.clock_starts_before_build:
        run.say("init_stop", edge=Edge.END, at_ns=run.init_start_ns)
        _start_clock(run, run.init_start_ns)
        run.benchmark.build()
    else:
        run.benchmark.build()
        now = run.clock.now_ns()
        start_ns = min(now, run.init_start_ns + run.settings.init_allowance_ns)
        if run.settings.tensors_in_log and isinstance(run.benchmark, NamesTensors):
            for name in run.benchmark.initialized_tensors():
                run.say("weights_initialization", at_ns=start_ns, tensor=name)
        run.say("init_stop", edge=Edge.END, at_ns=start_ns)
        _start_clock(run, start_ns)
    run.schedule = run.benchmark.load()
    run.say("train_samples", run.schedule.train_samples)
    run.say("eval_samples", run.schedule.eval_samples)


def _start_clock(run: _Run, start_ns: int) -> None:
    run.init_ns = start_ns - run.init_start_ns
    run.run_start_ns = run.say("run_start", edge=Edge.START, at_ns=start_ns)
    run.started = True


def _continue_from(run: _Run, position: Position) -> None:
    """After a crash: the clock has been running all the while, from the first run_start on."""
    assert position.run_start_ns is not None
    run.run_start_ns, run.started, run.resumed = position.run_start_ns, True, True
    run.step, run.samples, run.evaluations = position.step, position.samples, position.evaluations
    run.say("resumed", True, step_num=position.step, samples_count=position.samples)
    run.benchmark.build()
    run.schedule = run.benchmark.load()


def _train_to_target(
    run: _Run, progress: Callable[[Progress], None] | None, save_checkpoint: SaveCheckpoint | None
) -> tuple[Status, str]:
    schedule, settings = run.schedule, run.settings
    assert schedule is not None
    saved_ns = run.clock.now_ns()
    while run.step < schedule.max_steps:
        trouble = _block(run, schedule, progress)
        if trouble:
            return Status.ABORTED, trouble
        quality = _evaluate(run)
        if all(t.met(quality) for t in run.benchmark.spec.targets):
            return Status.SUCCESS, "target met: " + _targets_text(run, quality)
        if run.over_time():
            return Status.ABORTED, "time limit spent: " + _targets_text(run, quality)
        now = run.clock.now_ns()
        every_ns = settings.checkpoint_every_ns
        if save_checkpoint and every_ns is not None and run.agree(now - saved_ns >= every_ns):
            save_checkpoint(Position(run.step, run.samples, run.run_start_ns, run.evaluations))
            saved_ns = run.clock.now_ns()
    return Status.ABORTED, f"budget of {schedule.max_steps} steps spent: " + _last_quality(run)


def _block(run: _Run, schedule: Schedule, progress: Callable[[Progress], None] | None) -> str:
    """Train up to the next evaluation; the result is the trouble, if any."""
    due = schedule.next_evaluation(run.step)
    first_epoch = _whole(run.epoch() + 1)
    epoch_count = _whole((due - run.step) / schedule.steps_per_epoch)
    whole_epochs = run.step % schedule.steps_per_epoch == 0
    by_samples = run.benchmark.spec.progress_in_samples
    if by_samples:
        about: dict[str, Any] = {"samples_count": run.samples}
        if run.settings.samples_as_epochs:
            coming = (due - run.step) * run.benchmark.spec.global_batch_size
            about |= {"first_epoch_num": run.samples, "epoch_count": coming}
    else:
        about = {"first_epoch_num": first_epoch, "epoch_count": epoch_count}
    run.say("block_start", edge=Edge.START, **about)
    began_ns, began_samples = run.clock.now_ns(), run.samples
    show_epochs = due % schedule.steps_per_epoch == 0 and whole_epochs and not by_samples
    while run.step < due:
        at_boundary = run.step % schedule.steps_per_epoch == 0
        if show_epochs and at_boundary:
            run.say("epoch_start", edge=Edge.START, epoch_num=run.step // schedule.steps_per_epoch + 1)
        report = run.benchmark.step()
        run.step += 1
        run.samples += report.n_samples
        run.loss = report.loss
        if not math.isfinite(report.loss):
            return f"the loss is {report.loss} at step {run.step}"
        if show_epochs and run.step % schedule.steps_per_epoch == 0:
            run.say("epoch_stop", edge=Edge.END, epoch_num=run.step // schedule.steps_per_epoch)
        if progress:
            _report(run, schedule, progress, began_ns, began_samples)
        if run.step < due and run.over_time():
            return "time limit spent: " + _last_quality(run)
    about.pop("epoch_count", None)
    if by_samples:
        about["samples_count"] = run.samples
    run.say("block_stop", edge=Edge.END, **about)
    return ""


def _report(
    run: _Run, schedule: Schedule, progress: Callable[[Progress], None], began_ns: int, began_samples: int
) -> None:
    now = run.clock.now_ns()
    seconds = max(now - began_ns, 1) / NS_PER_S
    elapsed = now - run.run_start_ns
    left = round(elapsed / run.step * (schedule.max_steps - run.step)) if run.step else 0
    last = run.evaluations[-1].quality if run.evaluations else {}
    rate = (run.samples - began_samples) / seconds
    progress(Progress(run.step, schedule.max_steps, run.epoch(), run.loss, rate, elapsed, left, last))


def _evaluate(run: _Run) -> Mapping[str, float]:
    began = run.say("eval_start", edge=Edge.START, **run.where())
    quality = dict(run.benchmark.evaluate())
    now = run.clock.now_ns()
    for target in run.benchmark.spec.targets:
        if target.metric not in quality or not isinstance(quality[target.metric], int | float):
            found = quality.get(target.metric, "nothing")
            raise TypeError(f"evaluation gave {found!r} for {target.metric}; expected a number")
    point = Evaluation(run.step, run.samples, run.epoch(), now - run.run_start_ns, quality)
    run.evaluations = (*run.evaluations, point)
    metrics = [t.metric for t in run.benchmark.spec.targets]
    value: Any = quality[metrics[0]] if len(metrics) == 1 else {m.upper(): quality[m] for m in metrics}
    run.say("eval_accuracy", value, at_ns=now, **run.where())
    run.say("eval_stop", edge=Edge.END, at_ns=now, **run.where())
    run.evaluating_ns += now - began
    return quality


def _last_quality(run: _Run) -> str:
    return _targets_text(run, run.evaluations[-1].quality) if run.evaluations else "no evaluation yet"


def _targets_text(run: _Run, quality: Mapping[str, float]) -> str:
    parts = []
    for t in run.benchmark.spec.targets:
        sign = ">=" if t.higher_is_better else "<="
        parts.append(f"{t.metric} {quality.get(t.metric, math.nan):.6g} (target {sign} {t.value:g})")
    return ", ".join(parts)


def _stop(run: _Run, status: Status, reason: str) -> TrainingOutcome:
    now = run.clock.now_ns()
    if run.started:
        if status is Status.SUCCESS and run.evaluations:
            now = run.run_start_ns + run.evaluations[-1].time_ns
        about = {"status": status.value, **run.where()}
        if status is Status.ABORTED:
            about["reason"] = reason
        run.say("run_stop", edge=Edge.END, at_ns=now, **about)
    return TrainingOutcome(
        status=status,
        reason=reason,
        duration_ns=now - run.run_start_ns if run.started else 0,
        init_ns=run.init_ns,
        steps=run.step,
        samples=run.samples,
        epochs=run.epoch(),
        final_loss=run.loss,
        evaluations=run.evaluations,
        evaluating_ns=run.evaluating_ns,
        resumed=run.resumed,
    )


def _stop_after(run: _Run, error: Exception) -> None:
    """Leave an aborted run_stop behind, even when building already failed; a full disk may refuse even that."""
    try:
        if not run.started:
            run.say("init_stop", edge=Edge.END)
            _start_clock(run, run.clock.now_ns())
        _stop(run, Status.ABORTED, f"{type(error).__name__}: {error}".splitlines()[0])
    except OSError:
        return


def _whole(value: float) -> int | float:
    """3.0 as 3: epoch numbers are integers in logs unless evaluation falls inside an epoch."""
    return int(value) if value == int(value) else value
