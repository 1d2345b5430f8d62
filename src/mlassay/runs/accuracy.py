"""Scores the answers of a run again: from a run folder or a bare accuracy log, against the round's own target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.core.errors import BadFile, UsageError
from mlassay.records.atomic import atomic_write
from mlassay.records.folder import ACCURACY_TXT, RUN_JSON, Run, open_run
from mlassay.records.lines import Problems
from mlassay.records.loadgen_log import read_accuracy
from mlassay.records.loadgen_log.write import ACCURACY
from mlassay.rules.reader import load_round
from mlassay.rules.round import QualityTarget as RuleTarget
from mlassay.tasks import task_registry
from mlassay.tasks.metrics import meets, significant
from mlassay.tasks.task import AccuracyResult, OpenTask, TaskRequest

WHY_NOT = "its log holds some answers at most, and scores no accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundVerdict:
    """The measured value beside one bound of the rule book, both with five significant figures, round half to even."""

    round: str
    benchmark: str
    metric: str
    value: str
    minimum: str  # "" where there is none
    maximum: str
    reached: bool
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the answers came to. `verdicts` is empty where the rule book has no target for the model."""

    log: Path
    written: Path | None
    task: str
    profile: str
    official: bool  # the rule book's own model and data set
    result: AccuracyResult
    verdicts: tuple[RoundVerdict, ...]
    log_problems: tuple[str, ...]

    @property
    def passed(self) -> bool | None:
        if self.result.problems or self.log_problems:
            return False
        return all(verdict.reached for verdict in self.verdicts) if self.verdicts else self.result.passed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRequest:
    """What to score, and what the user says where the run folder does not (or should not) say it."""

    run: Path
    task: str = ""
    profile: str = ""
    data: Path | None = None
    model: str = ""
    task_options: dict[str, str] | None = None
    round: str = ""
    benchmark: str = ""
    scenario: str = ""
    out: Path | None = None
    write: bool = True


def score_accuracy(request: AccuracyRequest) -> Scored:
    """Read the accuracy log once, in bounded memory; score it; write accuracy.txt beside it (atomically).

    Raises UsageError when it cannot be told which task the answers belong to, BadFile for a log that is none.
    """
    log, run = _find(request.run)
    task = _task(request, run)
    problems = Problems()
    result = task.score(_answers(log, problems))
    noted = tuple(f"{log.name}, line {p.line}: {p.found}" for p in problems)
    if result.n == 0 and noted:
        raise BadFile(log, found=f"without answers ({noted[0]})", expected="an accuracy log")
    written = None
    if request.write:
        written = request.out or log.parent / ACCURACY_TXT
        atomic_write(written, result.official_line + "\n")
    return Scored(
        log=log,
        written=written,
        task=task.name,
        profile=task.profile.name,
        official=task.profile.official,
        result=result,
        verdicts=_verdicts(request, run, task, result),
        log_problems=noted,
    )


def _find(path: Path) -> tuple[Path, Run | None]:
    """The accuracy log, and the run that it belongs to where there is one."""
    if path.is_file() and path.name != RUN_JSON:
        beside = path.parent / RUN_JSON
        return path, open_run(path.parent) if beside.is_file() and path.name == ACCURACY else None
    folder = path.parent if path.name == RUN_JSON else path
    if not folder.is_dir():
        raise UsageError(
            f"there is no run {path}", hint="give a run folder, or an mlperf_log_accuracy.json with --task"
        )
    if (folder / "accuracy" / ACCURACY).is_file() and not (folder / ACCURACY).is_file():
        folder = folder / "accuracy"  # of a run in submission mode
    log = folder / ACCURACY
    if not log.is_file():
        raise BadFile(
            folder, found=f"without {ACCURACY}", expected="a run with answers", hint="run with --mode accuracy"
        )
    return log, open_run(folder) if (folder / RUN_JSON).is_file() else None


def _task(request: AccuracyRequest, run: Run | None) -> OpenTask:
    """The task as the run opened it, unless the user says otherwise."""
    said: dict[str, Any] = dict(run.record.request) if run is not None else {}
    if run is not None and run.settings.mode.value == "performance" and not request.task:
        raise UsageError(f"{run.path} is a performance run: {WHY_NOT}", hint="run with --mode accuracy")
    name = request.task or str(said.get("task", ""))
    if not name:
        raise UsageError(
            "which task do these answers belong to?", hint="give --task, and --data for a data set that is not packed"
        )
    data = request.data or (Path(str(said["data"])) if said.get("data") else None)
    task: OpenTask = task_registry.load(name).open(
        TaskRequest(
            profile=request.profile or str(said.get("profile", "")),
            data=data,
            model=request.model or str(said.get("model", "")),
            options=request.task_options or dict(said.get("task_options", {})),
        )
    )
    if run is not None and (count := run.record.library.get("total_count")) not in (None, task.library.total_count):
        raise UsageError(
            f"the run asked for {count:,} samples, the data set here has {task.library.total_count:,}",
            hint="give the run's own data set with --data",
        )
    return task


def _answers(log: Path, problems: Problems) -> Iterator[tuple[int, bytes]]:
    return ((entry.qsl_idx, entry.data) for entry in read_accuracy(log, problems))


def _verdicts(
    request: AccuracyRequest, run: Run | None, task: OpenTask, result: AccuracyResult
) -> tuple[RoundVerdict, ...]:
    """Against the rule book: only for the rule book's own model, or when the user names the benchmark."""
    round_name = request.round or (run.settings.round if run is not None else "none")
    if round_name == "none" or not (task.profile.official or request.benchmark):
        return ()
    rules = load_round(round_name)
    known = request.benchmark or (run.settings.benchmark if run is not None else "")
    match = (b for b in task.profile.benchmarks if b in rules.benchmarks)
    name = known if known in rules.benchmarks else next(match, "")
    if not name or (request.benchmark and name != request.benchmark):
        raise UsageError(
            f"round {round_name} has no benchmark {known or task.name}", hint=f"mlassay rules show {round_name}"
        )
    benchmark = rules.benchmarks[name]
    scenario = request.scenario or (run.settings.scenario.value if run is not None else "")
    rule = benchmark.scenarios.get(Scenario(scenario)) if scenario else None
    targets = rule.quality if rule and rule.quality else benchmark.quality
    return tuple(judged(round_name, name, target, result) for target in targets)


def judged(round_name: str, benchmark: str, target: RuleTarget, result: AccuracyResult) -> RoundVerdict:
    """Both sides with five significant figures, round half to even. What was not measured, or not whole, fails."""
    value = measured(target, result)
    enough = value is not None and (target.minimum is None or meets(value, target.minimum))
    within = value is not None and (target.maximum is None or meets(value, target.maximum, higher_is_better=False))
    return RoundVerdict(
        round=round_name,
        benchmark=benchmark,
        metric=target.metric,
        value="not measured" if value is None else str(significant(value)),
        minimum="" if target.minimum is None else str(significant(target.minimum)),
        maximum="" if target.maximum is None else str(significant(target.maximum)),
        reached=enough and within and not result.problems,
        clause=target.clause,
    )


_SAME = {"acc": "accuracy", "wordaccuracy": "accuracy", "top1": "accuracy"}


def measured(target: RuleTarget, result: AccuracyResult) -> float | None:
    """The result's value of that metric: its main one, or one among its details. AUC may be told as a share."""
    wanted = _plain(target.metric)
    found = {_plain(str(name)): value for name, value in result.details.items() if isinstance(value, int | float)}
    found[_plain(result.metric)] = result.value
    value = found.get(wanted)
    if value is not None and wanted == "auc" and value <= 1 and (target.minimum or 0) > 1:
        value *= 100
    return None if value is None else float(value)


def _plain(metric: str) -> str:
    name = "".join(c for c in metric.lower() if c.isalnum())
    return _SAME.get(name, name)
