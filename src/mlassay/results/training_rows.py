"""One training log, one folder of logs: what they say, as values and rows. Pure but for the reading itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlassay.records.training_run import QualityPoint, TrainingRun, read_run_stream
from mlassay.results.rows import ABSENT, READ, UNREADABLE, RunRow, as_json
from mlassay.results.training_systems import Described
from mlassay.stats.training_score import Dropped, RunTime, Score
from mlassay.submission.tree import Kind, NotReadable, Tree

RESULT = re.compile(r"result_(\d{1,4})\.txt")
BESIDE = re.compile(r"result_\d{1,4}\.(json|checkpoint|position\.json)|scaling\.json")
"""What `mlassay train` and the rounds keep beside the logs."""
QUALITY_TOLERANCE = 1e-4
"""A float32 21.8 is logged as 21.799999237, and was accepted."""
POINTER = b"version https://git-lfs"

Read = TrainingRun | str
"""A run, or why there is none."""


def logs_in(tree: Tree, folder: str) -> list[str]:
    found = [(int(m[1]), n) for n in tree.filenames(folder) if (m := RESULT.fullmatch(n))]
    return [name for _, name in sorted(found)]


def read_run_at(tree: Tree, path: str) -> Read:
    """The run, or why there is none; a reason that begins with 'absent' means that the content is not in this copy."""
    node = tree.nodes[path]
    if node.kind is not Kind.FILE or node.size == 0:
        return "absent: empty or only listed"
    try:
        if node.size < 1000 and tree.head(path, len(POINTER)) == POINTER:
            return "absent: a pointer to large-file storage"
        with tree.open(path) as stream:
            run = read_run_stream(stream, Path(path))
    except NotReadable as error:
        return f"absent: {error.reason}" if "kept" in error.reason or "not here" in error.reason else error.reason
    return run if run.n_events else "no event of a training log"


def run_time(name: str, run: Read, division: str) -> RunTime:
    if not isinstance(run, TrainingRun):
        return RunTime(name, math.inf, run)
    fault = "resumed after a crash: not scorable in closed" if run.resumed and division == "closed" else ""
    return RunTime(name, run.minutes if run.converged else math.inf, fault)


def division_of(described: Described, runs: list[TrainingRun]) -> str:
    said = next((r.division for r in runs if r.division), "") or described.text("division")
    return said.lower() if said.lower() in ("closed", "open", "hpc") else "closed" if not said else said.lower()


def submitter_of(system_folder: str) -> str:
    """The organisation's directory: after v0.5.0, else the one before results."""
    parts = system_folder.split("/")
    if "v0.5.0" in parts and parts.index("v0.5.0") + 1 < len(parts):
        return parts[parts.index("v0.5.0") + 1]
    at = len(parts) - 1 - parts[::-1].index("results") if "results" in parts else 0
    return parts[at - 1] if at > 0 else ""


def system_name(system_folder: str) -> str:
    """The system's directory; in v0.5, where many are called 'tpu', with the submission that it stands in."""
    above, _, name = system_folder.rpartition("/results/")
    parts = above.split("/")
    if "v0.5.0" not in parts:
        return name
    submission = parts[parts.index("v0.5.0") + 2 :]
    return f"{submission[0]}/{name}" if submission and submission[0] != "submission" else name


def run_row(at: int, position: int, path: str, run: Read, dropped: Dropped | None, used: bool) -> RunRow:
    name = path.rpartition("/")[2]
    if not isinstance(run, TrainingRun):
        state = ABSENT if run.startswith("absent") else UNREADABLE
        why = dropped.why if dropped else ""
        return RunRow(result_at=at, role="training", name=name, position=position, path=path, state=state,
                      reason=run, used=False, why_not_used=why, unit="min")  # fmt: skip
    last = next((q for q in reversed(run.quality) if q.values), None)
    minutes = run.minutes if run.complete else None
    started = datetime.fromtimestamp(run.start_ns / 1e9, UTC) if run.start_ns else None
    return RunRow(
        result_at=at,
        role="training",
        name=name,
        position=position,
        path=path,
        state=READ if run.complete else UNREADABLE,
        reason="" if run.complete else "no run_start or no run_stop",
        valid=run.converged,
        used=used,
        why_not_used=dropped.why if dropped else "",
        value=minutes,
        unit="min",
        started_at=started.strftime("%Y-%m-%dT%H:%M:%SZ") if started else "",
        duration_s=None if minutes is None else minutes * 60,
        quality=_headline(last.values) if last else None,
        quality_target=_headline(run.target),
        converged=run.converged,
        epochs=last.epoch if last else None,
        n_errors=len(run.problems),
        details=as_json(_run_details(run, last)),
    )


def _run_details(run: TrainingRun, last: QualityPoint | None) -> dict[str, Any]:
    return {
        "status": run.status,
        "reason": run.reason,
        "flavour": run.flavour,
        "seeds": run.seeds[:8],
        "global_batch_size": run.global_batch_size,
        "hyperparameters": dict(run.hyperparameters),
        "quality": dict(last.values) if last else {},
        "n_evaluations": len(run.quality),
        "curve": [[q.epoch, _headline(q.values)] for q in run.quality[:500]],
    }


def _headline(values: Mapping[str, float]) -> float | None:
    """One number for one evaluation: the only one, or the box metric of a pair."""
    for key in ("", "bbox", "value"):
        if key in values:
            return values[key]
    return next(iter(values.values()), None)


def quality_met(score: Score, by_name: Mapping[str, Read]) -> bool | None:
    """Whether the last quality of every counted run reaches the target that its own log states."""
    verdicts = []
    for name in score.kept:
        run = by_name[name]
        if not isinstance(run, TrainingRun) or not run.target or not run.quality:
            return None
        best, target = _headline(run.quality[-1].values), _headline(run.target)
        if best is None or target is None:
            return None
        verdicts.append(reaches(best, target))
    return all(verdicts) if verdicts else None


def reaches(quality: float, target: float) -> bool:
    """Higher is better; fractions and per cent are told apart; float32 rounding is forgiven."""
    if target <= 1 < quality:
        quality /= 100
    return quality >= target - QUALITY_TOLERANCE
