"""Composes a training run: recipe + wishes + rules + loop → a folder with logs, records and a score.

The folder is laid out as the rounds want it: results/<system>/<benchmark>/result_<i>.txt, and beside each log a
result_<i>.json that says what ran. A record that still says "running" belongs to a run that was killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlassay.core.clock import Clock, RealClock
from mlassay.core.enums import Division
from mlassay.records.atomic import machine_problems
from mlassay.rules.training_scoring import round_or_none, score_rule
from mlassay.runs.training_log import LogSink
from mlassay.runs.training_record import finish, finished_seeds, run_record, write_record
from mlassay.runs.training_request import TrainRequest, check_division, configure
from mlassay.runs.training_resume import ShowProgress, follow, saver
from mlassay.runs.training_rules import as_in_round, check_values, flavour_of, rule_of
from mlassay.runs.training_setup import (
    Maker,
    drop_caches,
    loop_settings,
    set_threads,
    submission,
    terminated_like_interrupted,
)
from mlassay.stats.training_score import RunTime, Score, score_runs
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.processes import agreed, group, place, shared
from mlassay.training.loop import Status, TrainingOutcome, train


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """Every run of one benchmark, and the score that they make."""

    benchmark: str
    profile: str
    round: str
    division: Division
    folder: Path
    first: int  # number of the first of these runs in the folder
    seeds: tuple[int, ...]
    outcomes: tuple[TrainingOutcome, ...]
    score: Score
    notes: tuple[str, ...]
    leads: bool = True  # False in the follower processes of torchrun: nothing was written there

    @property
    def succeeded(self) -> bool:
        return all(o.status is Status.SUCCESS for o in self.outcomes)

    @property
    def interrupted(self) -> bool:
        return any(o.reason == "interrupted" for o in self.outcomes)


def train_benchmark(
    request: TrainRequest, *, show: ShowProgress | None = None, clock: Clock | None = None
) -> TrainResult:
    """Train `request.n_runs` times with different logged seeds. Raises RuleViolation before any work is done."""
    chosen = recipe(request.benchmark)
    config, deviations = configure(chosen, request)
    notes = check_division(chosen, request, deviations)
    rules = round_or_none(request.round)
    log_id = chosen.log_id
    if rules is not None:
        rule = rule_of(rules, chosen)
        log_id = rule.id
        if request.profile == "reference":
            config = as_in_round(config, chosen, request.round, rule, request.overrides)
        if request.division is Division.CLOSED:
            check_values(rules, rule, chosen.make(config, request.profile, Surroundings(seed=0)).spec)
    here = place()
    folder = request.out / "results" / request.system / chosen.name
    seeds: list[int] = []
    outcomes: list[TrainingOutcome] = []
    with terminated_like_interrupted(), group(here, request.device):
        set_threads(request.threads)
        first = 0
        if here.leads:
            with machine_problems(folder):
                folder.mkdir(parents=True, exist_ok=True)
            first = _next_number(folder)
        done = finished_seeds(folder, request, config) if request.only_missing else []
        for i, wish in enumerate(_seeds(request, done)):
            seed = shared(wish, here)
            maker = Maker(chosen, config, request, here, seed)
            outcomes.append(_one_run(maker, folder, first + i, notes, show, clock or RealClock()))
            seeds.append(seed)
            if outcomes[-1].reason == "interrupted":
                break
    return TrainResult(
        benchmark=chosen.name,
        profile=request.profile,
        round=request.round,
        division=request.division,
        folder=folder,
        first=first,
        seeds=tuple(seeds),
        outcomes=tuple(outcomes),
        score=_score(outcomes, request, log_id),
        notes=notes,
        leads=here.leads,
    )


def _one_run(
    maker: Maker, folder: Path, number: int, notes: tuple[str, ...], show: ShowProgress | None, clock: Clock
) -> TrainingOutcome:
    benchmark = maker.make()
    settings = loop_settings(maker.request, maker.recipe)
    path = folder / f"result_{number}.txt"
    if not maker.here.leads:
        return follow(maker, benchmark, clock)
    record = run_record(maker, benchmark, number, notes)
    sink = LogSink(path, benchmark.spec, clock, flavour=flavour_of(round_or_none(maker.request.round)), seed=maker.seed)
    try:
        write_record(path, record | {"status": "running"})
        about = {"round": maker.request.round, "profile": maker.request.profile}
        sink.header(submission(maker), drop_caches(maker.request), about)
        outcome = train(
            benchmark,
            clock=clock,
            emit=sink.emit,
            settings=settings,
            progress=(lambda p: show(number, p)) if show else None,
            save_checkpoint=saver(path, benchmark, sink),
            agree=partial(agreed, here=maker.here),
        )
    except Exception as error:
        write_record(path, record | {"status": "aborted", "reason": f"{type(error).__name__}: {error}"})
        raise
    finally:
        sink.close()
    finish(path, record, outcome)
    return outcome


def _score(outcomes: list[TrainingOutcome], request: TrainRequest, benchmark: str) -> Score:
    times = [
        RunTime(
            f"run {i}",
            o.duration_ns / 60e9 if o.status is Status.SUCCESS else float("inf"),
            "resumed after a crash" if o.resumed and request.division is Division.CLOSED else "",
        )
        for i, o in enumerate(outcomes)
    ]
    return score_runs(times, score_rule(round_or_none(request.round), benchmark, len(times)))


def _seeds(request: TrainRequest, done: Sequence[int]) -> list[int]:
    """Stock generators, seeded from the system's entropy unless the user names a first seed (training rules, RNGs)."""
    if request.seed is None:
        return [secrets.randbelow(2**31) for _ in range(request.n_runs - len(done))]
    return [seed for seed in range(request.seed, request.seed + request.n_runs) if seed not in done]


def _next_number(folder: Path) -> int:
    taken = [int(p.stem.removeprefix("result_")) for p in folder.glob("result_*.txt")
             if p.stem.removeprefix("result_").isdigit()]  # fmt: skip
    return max(taken, default=-1) + 1
