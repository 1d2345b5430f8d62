"""From a training round to the rules that score its runs: which count, and how fast they may converge."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mlassay.core.scoring import ConvergenceRule, ReferencePoint, ScoreRule
from mlassay.rules.reader import DATA, rounds
from mlassay.rules.training import load_training_round
from mlassay.rules.training_round import TrainingRound

NO_ROUND = ("", "none")


def round_or_none(name: str) -> TrainingRound | None:
    """The round's rules; None for a run without a round. Raises UnknownName."""
    return None if name in NO_ROUND else load_training_round(name)


def score_rule(round_: TrainingRound | None, benchmark: str, n_runs: int) -> ScoreRule:
    """Which runs count. Without a round, or for a benchmark that it lacks, all: the extremes go from three on."""
    if round_ is None or benchmark not in round_.benchmarks:
        drop = 1 if n_runs >= 3 else 0
        return ScoreRule(n_runs, drop, drop)
    rule = round_.benchmarks[benchmark]
    return ScoreRule(
        rule.runs,
        rule.drop_fastest,
        rule.drop_slowest,
        rule.max_non_converged,
        first_converged=rule.score_first or 0,
        windows=round_.scoring.windows,
    )


def convergence_rule(round_: TrainingRound | None, benchmark: str) -> ConvergenceRule | None:
    """What closed runs are held against; None where the round has no such test or no points of the benchmark."""
    if round_ is None or round_.rcp is None or benchmark in round_.rcp.exempt or benchmark not in round_.benchmarks:
        return None
    official = round_.name if round_.name in rounds("training") else round_.extends
    file = _file(benchmark)
    points = [p for p in file.get("points", ()) if official in p["rounds"]]
    if not points:
        return None
    rule = round_.benchmarks[benchmark]
    return ConvergenceRule(
        points=tuple(_point(p) for p in sorted(points, key=lambda p: int(p["batch"]))),
        unit=file.get("unit_of", {}).get(official, file["unit"]),
        runs=rule.runs,
        drop=round_.rcp.drops(benchmark),
        confidence=round_.rcp.confidence,
        pruned=round_.rcp.pruned,
        leniency=round_.rcp.leniency_samples.get(benchmark, 0),
        scaled=round_.scoring.scaled_to_rcp,
        clause=round_.rcp.clause,
    )


def met_by(round_: TrainingRound | None, benchmark: str) -> Callable[[Mapping[str, float]], bool] | None:
    """Whether the benchmark's targets are all reached, for benchmarks with several of them; None for the others."""
    targets = () if round_ is None or benchmark not in round_.benchmarks else round_.benchmarks[benchmark].targets
    if len(targets) < 2:
        return None
    return lambda quality: all(t.metric in quality and t.met(quality[t.metric]) for t in targets)


def _point(raw: dict[str, Any]) -> ReferencePoint:
    values = tuple(float(v) for v in raw["values"])
    return ReferencePoint(name=raw["name"], batch_size=raw["batch"], values=values, source=raw["source"])


@lru_cache
def _file(benchmark: str) -> dict[str, Any]:
    path = DATA / "training" / "rcp" / f"{benchmark}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
