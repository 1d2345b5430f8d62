"""Measured convergence of the small profiles: how late each seed met its target, kept as data with its command."""

from __future__ import annotations

import statistics
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Convergence:
    """Runs of one small profile with one configuration; `epochs` are the points at which the target was met.

    `cpu_s` are the processor seconds of each run, data and evaluations included, where they were taken. Other work on
    the machine lengthens the wall time severalfold, these only a little.
    """

    target: float
    command: str
    seeds: tuple[int, ...]
    epochs: tuple[float, ...]
    cpu_s: tuple[float, ...] = ()
    note: str = ""

    @property
    def n(self) -> int:
        return len(self.epochs)

    @property
    def mean_epochs(self) -> float:
        return statistics.fmean(self.epochs)

    @property
    def spread(self) -> float | None:
        """Coefficient of variation of the epochs; None for a single run."""
        return statistics.stdev(self.epochs) / self.mean_epochs if self.n > 1 else None


@lru_cache
def measured() -> dict[str, Convergence]:
    """By benchmark; a benchmark that is not here has not been measured with its present configuration."""
    text = (files("mlassay.training") / "measured.toml").read_text(encoding="utf-8")
    return {
        name: Convergence(
            entry["target"],
            entry["command"],
            tuple(entry["seeds"]),
            tuple(entry["epochs"]),
            tuple(entry.get("cpu_s", ())),
            entry.get("note", ""),
        )
        for name, entry in tomllib.loads(text).items()
    }
