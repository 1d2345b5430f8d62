"""Checkpoints of a training run, and taking up a run that was cut off: its log says that it was resumed."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mlassay.core.clock import Clock, RealClock
from mlassay.core.errors import UsageError
from mlassay.records.atomic import atomic_write, refuse
from mlassay.rules.training_scoring import round_or_none
from mlassay.runs.training_log import LogSink
from mlassay.runs.training_record import checkpoint_path, drop_checkpoints, finish, is_cut_off, request_from
from mlassay.runs.training_request import configure
from mlassay.runs.training_rules import flavour_of
from mlassay.runs.training_setup import Maker, loop_settings, set_threads, terminated_like_interrupted
from mlassay.training.benchmark import Benchmark
from mlassay.training.catalogue import recipe
from mlassay.training.common.processes import Place, agreed, group, place
from mlassay.training.loop import Evaluation, Position, Progress, TrainingOutcome, train

ShowProgress = Callable[[int, Progress], None]  # (run number, progress)


def resume(folder: Path, *, show: ShowProgress | None = None, clock: Clock | None = None) -> list[TrainingOutcome]:
    """Continue every run of a folder that was cut off and left a checkpoint; their logs say that they were resumed."""
    cut_off = [p for p in sorted(folder.rglob("result_*.json")) if is_cut_off(p)]
    if not cut_off:
        raise UsageError(
            f"nothing to resume in {folder}",
            hint="a run can be resumed when it was cut off after a checkpoint (--checkpoint-every)",
        )
    here = place()
    with terminated_like_interrupted(), group(here, _record(cut_off[0])["device"]):
        return [_resume_one(path, show, clock or RealClock(), here) for path in cut_off]


def _record(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def _resume_one(record_path: Path, show: ShowProgress | None, clock: Clock, here: Place) -> TrainingOutcome:
    path = record_path.with_suffix(".txt")
    record = _record(record_path)
    request = request_from(record, record_path)
    chosen = recipe(request.benchmark)
    config, _ = configure(chosen, request)
    set_threads(request.threads)
    maker = Maker(chosen, config, request, here, int(record["seed"]))
    position = position_of(path.with_suffix(".position.json"), time.time_ns() - clock.now_ns())
    benchmark = _Restoring(maker.make(), checkpoint_path(path, position.step))
    if not here.leads:
        return follow(maker, benchmark, clock, position)
    sink = LogSink(
        path, benchmark.spec, clock, flavour=flavour_of(round_or_none(request.round)), seed=maker.seed, append=True
    )
    try:
        outcome = train(
            benchmark,
            clock=clock,
            emit=sink.emit,
            settings=loop_settings(request, chosen),
            progress=(lambda p: show(int(record["number"]), p)) if show else None,
            save_checkpoint=saver(path, benchmark, sink),
            resume_from=position,
            agree=partial(agreed, here=here),
        )
    finally:
        sink.close()
    finish(path, record, outcome)
    return outcome


class _Restoring:
    """A benchmark that takes up its checkpoint as soon as its data is loaded."""

    def __init__(self, inner: Benchmark, checkpoint: Path) -> None:
        self._inner, self._checkpoint = inner, checkpoint
        self.spec, self.build, self.step = inner.spec, inner.build, inner.step
        self.evaluate, self.save, self.restore = inner.evaluate, inner.save, inner.restore

    def load(self) -> Any:
        schedule = self._inner.load()
        self._inner.restore(self._checkpoint)
        return schedule


def follow(maker: Maker, benchmark: Benchmark, clock: Clock, position: Position | None = None) -> TrainingOutcome:
    """The same run in a process that writes nothing; in checkpoints it takes part."""
    return train(
        benchmark,
        clock=clock,
        emit=lambda event: None,
        settings=loop_settings(maker.request, maker.recipe),
        save_checkpoint=lambda position: benchmark.save(Path()),
        resume_from=position,
        agree=partial(agreed, here=maker.here),
    )


def saver(path: Path, benchmark: Any, sink: LogSink) -> Callable[[Position], None]:
    """A checkpoint has its step in its name; the position, written whole, is what makes it count."""

    def save(position: Position) -> None:
        target = checkpoint_path(path, position.step)
        temporary = target.with_name(target.name + ".tmp")
        try:
            benchmark.save(temporary)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            temporary.unlink(missing_ok=True)
            refuse(target, error if isinstance(error, OSError) else OSError(28, "No space left on device"))
        temporary.replace(target)
        assert position.run_start_ns is not None
        body = {
            "step": position.step,
            "samples": position.samples,
            "run_start_wall_ns": position.run_start_ns + sink.wall_offset_ns,
            "evaluations": [dataclasses.asdict(e) for e in position.evaluations],
        }
        atomic_write(path.with_suffix(".position.json"), json.dumps(body))
        drop_checkpoints(path, but=target)

    return save


def position_of(path: Path, wall_offset_ns: int) -> Position:
    body = json.loads(path.read_text(encoding="utf-8"))
    evaluations = tuple(Evaluation(**e) for e in body["evaluations"])
    return Position(body["step"], body["samples"], body["run_start_wall_ns"] - wall_offset_ns, evaluations)
