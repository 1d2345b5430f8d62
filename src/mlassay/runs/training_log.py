"""Turns the timed loop's events into a training log of the round's flavour, and keeps it whole when the disk fills."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlassay.core.clock import Clock
from mlassay.records.atomic import refuse
from mlassay.records.mllog import Flavour, LogWriter
from mlassay.training.benchmark import Logged, Spec
from mlassay.training.loop import Edge, TrainingEvent

RESERVE_BYTES = 64 * 1024


class LogSink:
    """Writes one run's log. Its `emit` is what the loop is given.

    A small reserve file stands beside the log: when the disk is full it is deleted, so that the run's end can still
    be written.
    """

    def __init__(
        self, path: Path, spec: Spec, clock: Clock, *, flavour: Flavour, seed: int, append: bool = False
    ) -> None:
        self.path, self._spec, self._flavour, self._seed = path, spec, flavour, seed
        self.wall_offset_ns = time.time_ns() - clock.now_ns()
        self._reserve = path.with_name(f".{path.name}.reserve")
        try:
            if append:
                repair_tail(path)
            self._file = open(path, "a" if append else "x", encoding="utf-8")  # noqa: SIM115 - closed in close()
        except FileExistsError:
            raise
        except OSError as error:
            refuse(path, error)
        try:
            self._reserve.write_bytes(b"\0" * RESERVE_BYTES)
        except OSError as error:
            self.close()
            if not append:
                path.unlink(missing_ok=True)  # nothing was measured yet
            refuse(path, error)
        package = Path(__file__).parents[2]  # logs name our files from the package on, not where it is installed
        self._writer = LogWriter(self._file, flavour=flavour, benchmark=spec.log_id, root=package)

    def header(self, submission: Mapping[str, str], cache_cleared: bool, about: Mapping[str, str]) -> None:
        """What precedes init_start. `about` (round, profile) stands beside the benchmark, as its metadata."""
        now = time.time_ns() - self.wall_offset_ns
        if self._flavour is not Flavour.V05:
            for key, value in submission.items():
                self.emit(TrainingEvent(now, f"submission_{key}", value, about if key == "benchmark" else {}))
        self.emit(TrainingEvent(now, "cache_clear", cache_cleared))

    def emit(self, event: TrainingEvent) -> None:
        try:
            for e in self._translate(event):
                self._write(e)
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            refuse(self.path, error)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._reserve.unlink(missing_ok=True)

    def _write(self, event: TrainingEvent) -> None:
        write = {Edge.START: self._writer.start, Edge.END: self._writer.end, Edge.POINT: self._writer.event}[event.edge]
        write(event.key, event.value, event.metadata, time_ns=event.time_ns + self.wall_offset_ns)

    def _translate(self, event: TrainingEvent) -> list[TrainingEvent]:
        events = [event]
        if event.key == "init_start":
            for key, value in self._settings().items():
                about = value.metadata if isinstance(value, Logged) else {}
                plain = value.value if isinstance(value, Logged) else value
                events.append(TrainingEvent(event.time_ns, key, plain, about))
        if self._flavour is Flavour.V05:
            return [translated for e in events for translated in _as_v05(e)]
        return events

    def _settings(self) -> dict[str, Any]:
        """Seed, batch and hyperparameters, logged once when initialisation begins."""
        return {
            "seed": self._seed,
            "global_batch_size": self._spec.global_batch_size,
            "gradient_accumulation_steps": self._spec.gradient_accumulation_steps,
            **self._spec.hyperparameters,
            **{f"target_{t.metric}": t.value for t in self._spec.targets},
        }


_V05_TAGS = {
    "cache_clear": "run_clear_caches",
    "seed": "run_set_random_seed",
    "eval_samples": "eval_size",
    "global_batch_size": "input_batch_size",
    "train_samples": "preproc_num_train_examples",
    "eval_start": "eval_start",
    "eval_stop": "eval_stop",
    "resumed": "resumed",
}


def _as_v05(event: TrainingEvent) -> list[TrainingEvent]:
    """The tags of v0.5, where epochs count from 0 and initialisation has no events."""

    def tag(name: str, value: Any = None) -> TrainingEvent:
        return TrainingEvent(event.time_ns, name, value)

    epoch = event.metadata.get("epoch_num")
    if event.key == "run_start":
        return [tag("run_start"), tag("train_loop")]
    if event.key == "epoch_start":
        return [tag("train_epoch", epoch - 1 if epoch is not None else None)]
    if event.key == "eval_accuracy":
        return [tag("eval_accuracy", {"epoch": epoch - 1 if epoch is not None else None, "value": event.value})]
    if event.key == "run_stop":
        return [tag("run_stop", {"success": event.metadata["status"] == "success"}), tag("run_final")]
    if event.key == "cache_clear" and not event.value:
        return []  # the tag stands for caches that were cleared
    if event.key in ("eval_start", "eval_stop"):
        return [tag(event.key)]
    if event.key.startswith("target_"):
        return [tag("eval_target", event.value)]
    if event.key in _V05_TAGS:
        return [tag(_V05_TAGS[event.key], None if event.key == "cache_clear" else event.value)]
    if event.key.startswith("opt_"):
        return [event]
    return []


def repair_tail(path: Path) -> bool:
    """Cut a torn last line from a log that a crash left behind; True when there was one."""
    with open(path, "r+b") as file:
        file.seek(0, 2)
        size = file.tell()
        at = size
        while at > 0:
            step = min(4096, at)
            file.seek(at - step)
            found = file.read(step).rfind(b"\n")
            if found >= 0:
                keep = at - step + found + 1
                break
            at -= step
        else:
            keep = 0
        file.truncate(keep)
    return keep != size
