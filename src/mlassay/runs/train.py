"""Composes a training run: recipe + wishes + rules + loop → a folder with logs, records and a score.

The folder is laid out as the rounds want it: results/<system>/<benchmark>/result_<i>.txt, and beside each log a
result_<i>.json that says what ran. A record that still says "running" belongs to a run that was killed.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlassay._version import __version__
from mlassay.core.clock import Clock, RealClock
from mlassay.core.enums import Division
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.units import NS_PER_S
from mlassay.records.atomic import atomic_write, machine_problems, refuse
from mlassay.rules.training_scoring import round_or_none, score_rule
from mlassay.runs.training_log import LogSink
from mlassay.runs.training_request import TrainRequest, check_division, configure
from mlassay.runs.training_rules import check_values, flavour_of, rule_of, with_target
from mlassay.stats.training_score import RunTime, Score, score_runs
from mlassay.training.benchmark import Benchmark, Recipe, Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.processes import Place, group, place, shared
from mlassay.training.loop import Evaluation, LoopSettings, Position, Progress, Status, TrainingOutcome, train

SCHEMA_VERSION = 1
"""1: first version."""

ShowProgress = Callable[[int, Progress], None]  # (run number, progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """Every run of one benchmark, and the score that they make."""

    benchmark: str
    profile: str
    round: str
    division: Division
    folder: Path
    seeds: tuple[int, ...]
    outcomes: tuple[TrainingOutcome, ...]
    score: Score
    notes: tuple[str, ...]
    leads: bool = True  # False in the follower processes of torchrun: nothing was written there

    @property
    def succeeded(self) -> bool:
        return all(o.status is Status.SUCCESS for o in self.outcomes)


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
            config = with_target(config, rule, request.overrides)
        if request.division is Division.CLOSED:
            check_values(rules, rule, chosen.make(config, request.profile, Surroundings(seed=0)).spec)
    here = place()
    if here.world_size > 1 and request.time_limit_s is not None:
        raise UsageError("a time limit needs one process; leave --time-limit away under torchrun")
    folder = request.out / "results" / request.system / chosen.name
    seeds: list[int] = []
    outcomes: list[TrainingOutcome] = []
    with group(here, request.device):
        _set_threads(request.threads)
        first = 0
        if here.leads:
            with machine_problems(folder):
                folder.mkdir(parents=True, exist_ok=True)
            first = _next_number(folder)
        for i in range(request.n_runs):
            seed = shared(_seed(request, i), here)
            maker = _Maker(chosen, config, request, here, seed)
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
        seeds=tuple(seeds),
        outcomes=tuple(outcomes),
        score=_score(outcomes, request, log_id),
        notes=notes,
        leads=here.leads,
    )


def resume(folder: Path, *, show: ShowProgress | None = None, clock: Clock | None = None) -> list[TrainingOutcome]:
    """Continue every run of a folder that was cut off and left a checkpoint; their logs say that they were resumed."""
    cut_off = [p for p in sorted(folder.rglob("result_*.json")) if _is_cut_off(p)]
    if not cut_off:
        raise UsageError(
            f"nothing to resume in {folder}",
            hint="a run can be resumed when it was cut off after a checkpoint (--checkpoint-every)",
        )
    return [_resume_one(path, show, clock or RealClock()) for path in cut_off]


@dataclass(frozen=True, slots=True)
class _Maker:
    """Everything needed to make one run's benchmark."""

    recipe: Recipe
    config: Any
    request: TrainRequest
    here: Place
    seed: int

    def make(self) -> Benchmark:
        r = self.request
        device = f"cuda:{self.here.local_rank}" if r.device == "cuda" and self.here.world_size > 1 else r.device
        around = Surroundings(self.seed, device, r.data, self.here.rank, self.here.world_size)
        return self.recipe.make(self.config, r.profile, around)


def _one_run(
    maker: _Maker, folder: Path, number: int, notes: tuple[str, ...], show: ShowProgress | None, clock: Clock
) -> TrainingOutcome:
    benchmark = maker.make()
    settings = _loop_settings(maker.request)
    if not maker.here.leads:
        return train(benchmark, clock=clock, emit=lambda event: None, settings=settings)
    path = folder / f"result_{number}.txt"
    record = _record(maker, benchmark, number, notes)
    sink = LogSink(path, benchmark.spec, clock, flavour=flavour_of(round_or_none(maker.request.round)), seed=maker.seed)
    try:
        _write_record(path, record | {"status": "running"})
        sink.header(_submission(maker), _drop_caches(maker.request))
        outcome = train(
            benchmark,
            clock=clock,
            emit=sink.emit,
            settings=settings,
            progress=(lambda p: show(number, p)) if show else None,
            save_checkpoint=_saver(path, benchmark, sink),
        )
    except Exception as error:
        _write_record(path, record | {"status": "aborted", "reason": f"{type(error).__name__}: {error}"})
        raise
    finally:
        sink.close()
    _finish(path, record, outcome)
    return outcome


def _resume_one(record_path: Path, show: ShowProgress | None, clock: Clock) -> TrainingOutcome:
    path = record_path.with_suffix(".txt")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    request = _request_from(record, record_path)
    chosen = recipe(request.benchmark)
    config, _ = configure(chosen, request)
    _set_threads(request.threads)
    maker = _Maker(chosen, config, request, Place(), int(record["seed"]))
    benchmark = _Restoring(maker.make(), path.with_suffix(".checkpoint"))
    sink = LogSink(
        path, benchmark.spec, clock, flavour=flavour_of(round_or_none(request.round)), seed=maker.seed, append=True
    )
    position = _position(path.with_suffix(".position.json"), sink.wall_offset_ns)
    try:
        outcome = train(
            benchmark,
            clock=clock,
            emit=sink.emit,
            settings=_loop_settings(request),
            progress=(lambda p: show(int(record["number"]), p)) if show else None,
            save_checkpoint=_saver(path, benchmark, sink),
            resume_from=position,
        )
    finally:
        sink.close()
    _finish(path, record, outcome)
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


def _saver(path: Path, benchmark: Any, sink: LogSink) -> Callable[[Position], None]:
    """Checkpoint and position replace their forerunners only when complete."""

    def save(position: Position) -> None:
        target = path.with_suffix(".checkpoint")
        temporary = path.with_suffix(".checkpoint.tmp")
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

    return save


def _position(path: Path, wall_offset_ns: int) -> Position:
    body = json.loads(path.read_text(encoding="utf-8"))
    evaluations = tuple(Evaluation(**e) for e in body["evaluations"])
    return Position(body["step"], body["samples"], body["run_start_wall_ns"] - wall_offset_ns, evaluations)


def _loop_settings(request: TrainRequest) -> LoopSettings:
    def ns(seconds: float | None) -> int | None:
        return None if seconds is None else round(seconds * NS_PER_S)

    return LoopSettings(
        init_allowance_ns=round(_allowance_minutes(request) * 60 * NS_PER_S),
        clock_starts_before_build=request.round == "v0.5",
        max_duration_ns=ns(request.time_limit_s),
        checkpoint_every_ns=ns(request.checkpoint_every_s),
    )


def _allowance_minutes(request: TrainRequest) -> float:
    """Untimed initialisation; without a round the twenty minutes of most rounds."""
    rules = round_or_none(request.round)
    return 20.0 if rules is None else rules.timing.allowance_minutes(request.benchmark, request.division)


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


def _seed(request: TrainRequest, i: int) -> int:
    """Stock generators, seeded from the system's entropy unless the user names a first seed (training rules, RNGs)."""
    return secrets.randbelow(2**31) if request.seed is None else request.seed + i


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _next_number(folder: Path) -> int:
    taken = [int(p.stem.removeprefix("result_")) for p in folder.glob("result_*.txt")
             if p.stem.removeprefix("result_").isdigit()]  # fmt: skip
    return max(taken, default=-1) + 1


def _drop_caches(request: TrainRequest) -> bool:
    """Ask Linux to forget its file caches. True only when that was asked for and done."""
    if not request.drop_caches:
        return False
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
    except OSError:
        return False
    return True


def _submission(maker: _Maker) -> dict[str, str]:
    """Who ran what: the log's submission_* lines."""
    r = maker.request
    about = {
        "benchmark": maker.recipe.rule_id.get(r.round, maker.recipe.log_id),
        "division": r.division.value,
        "org": r.org,
        "platform": r.system,
    }
    if r.round == "v0.6":
        about |= {"poc_name": r.org, "entry": r.system}
    return about | {"status": "research" if r.round in ("v0.6", "v0.7") else "onprem"}


def _record(maker: _Maker, benchmark: Benchmark, number: int, notes: tuple[str, ...]) -> dict[str, Any]:
    r = maker.request
    return {
        "schema_version": SCHEMA_VERSION,
        "mlassay": __version__,
        "number": number,
        "benchmark": r.benchmark,
        "profile": r.profile,
        "round": r.round,
        "division": r.division.value,
        "seed": maker.seed,
        "device": r.device,
        "processes": maker.here.world_size,
        "data": str(r.data) if r.data else None,
        "threads": r.threads,
        "overrides": dict(r.overrides),
        "checkpoint_every_s": r.checkpoint_every_s,
        "config": dict(benchmark.spec.config),
        "targets": [dataclasses.asdict(t) for t in benchmark.spec.targets],
        "deviations": list(notes),
        "host": {"machine": platform.machine(), "python": platform.python_version(), "system": platform.platform()},
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _finish(path: Path, record: Mapping[str, Any], outcome: TrainingOutcome) -> None:
    body = dataclasses.asdict(outcome)
    body["final_loss"] = outcome.final_loss if outcome.final_loss == outcome.final_loss else None
    _write_record(path, {**record, **body, "status": outcome.status.value})
    for suffix in (".checkpoint", ".position.json"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    atomic_write(path.with_suffix(".json"), json.dumps(record, indent=2, default=str) + "\n")


def _is_cut_off(record_path: Path) -> bool:
    try:
        status = json.loads(record_path.read_text(encoding="utf-8")).get("status")
    except (ValueError, AttributeError):
        return False
    return status == "running" and record_path.with_suffix(".position.json").exists()


def _request_from(record: Mapping[str, Any], path: Path) -> TrainRequest:
    try:
        return TrainRequest(
            benchmark=record["benchmark"],
            profile=record["profile"],
            round=record["round"],
            division=Division(record["division"]),
            device=record["device"],
            data=Path(record["data"]) if record["data"] else None,
            overrides=record["overrides"],
            threads=record["threads"],
            checkpoint_every_s=record["checkpoint_every_s"],
        )
    except (KeyError, ValueError) as error:
        raise BadFile(path, found=f"without {error}", expected="a training record of this version") from error
