"""A benchmark with a script: real object, no model, time moved by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from mlassay.core.clock import VirtualClock
from mlassay.training.benchmark import Schedule, Spec, StepReport, Target

S = 10**9


@dataclass
class Scripted:
    """Each part takes its scripted time on the virtual clock; quality and loss follow the script by step."""

    clock: VirtualClock
    qualities: list[float] = field(default_factory=lambda: [0.1, 0.5, 0.9])
    targets: tuple[Target, ...] = (Target("accuracy", 0.9),)
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            train_samples=40, eval_samples=7, steps_per_epoch=4, max_steps=40, eval_every_steps=4
        )
    )
    build_ns: int = 3 * S
    load_ns: int = 2 * S
    step_ns: int = 1 * S
    eval_ns: int = 5 * S
    losses: dict[int, float] = field(default_factory=dict)
    raise_at: dict[str, BaseException] = field(default_factory=dict)
    progress_in_samples: bool = False
    steps: int = 0
    evals: int = 0
    calls: list[str] = field(default_factory=list)

    @property
    def spec(self) -> Spec:
        return Spec(
            benchmark="scripted",
            log_id="scripted",
            profile="small",
            targets=self.targets,
            global_batch_size=10,
            progress_in_samples=self.progress_in_samples,
        )

    def _call(self, name: str, ns: int) -> None:
        self.calls.append(name)
        if name in self.raise_at:
            raise self.raise_at[name]
        self.clock.advance(ns)

    def build(self) -> None:
        self._call("build", self.build_ns)

    def load(self) -> Schedule:
        self._call("load", self.load_ns)
        return self.schedule

    def step(self) -> StepReport:
        self.steps += 1
        self._call(f"step{self.steps}", self.step_ns)
        return StepReport(self.losses.get(self.steps, 1.0 / self.steps), 10)

    def evaluate(self) -> dict[str, float]:
        self._call(f"eval{self.evals + 1}", self.eval_ns)
        quality = self.qualities[min(self.evals, len(self.qualities) - 1)]
        self.evals += 1
        return {t.metric: quality for t in self.targets}

    def save(self, path: Path) -> None:
        path.write_text(json.dumps([self.steps, self.evals]))

    def restore(self, path: Path) -> None:
        self.steps, self.evals = json.loads(path.read_text())
