"""Scores a tree of training logs: ours, or a published round's. One line per (submitter, system, benchmark)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.records.mllog import Flavour
from mlassay.records.training_run import TrainingRun, convergence_point, read_run
from mlassay.rules.training_scoring import convergence_rule, met_by, round_or_none, score_rule
from mlassay.stats.convergence import Convergence, Convergent, score_with_reference
from mlassay.stats.training_score import RunTime, Score

ALIASES = {"mask": "maskrcnn", "mask_rcnn": "maskrcnn", "resnet50": "resnet"}
"""Folder names of published trees that differ from the benchmark's id."""

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredEntry:
    """The score of one folder of runs."""

    submitter: str
    system: str
    benchmark: str
    round: str  # as told by the user, else by the logs' flavour; "" when neither says
    division: str
    folder: Path
    score: Score
    convergence: Convergence | None  # against the reference convergence points; None where the round has none
    cut_off: tuple[str, ...]  # logs without a run_stop: their runs were killed, or are still going on
    log_problems: int  # oddities met while reading; `mlassay check` lists them


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Everything found under one folder; `absent` are system folders whose logs are not there."""

    entries: tuple[ScoredEntry, ...]
    absent: tuple[Path, ...]


def score_tree(root: Path, *, round_name: str = "") -> ScoreTable:
    """Score each folder of result_*.txt below `root`. Raises BadFile when there is none at all."""
    if not root.is_dir():
        raise BadFile(root, found="not a folder", expected="a folder with result_*.txt logs somewhere below")
    folders = sorted({p.parent for p in root.rglob("result_*.txt")})
    absent = tuple(sorted(_without_logs(root)))
    if not folders and not absent:
        raise BadFile(root, found="without any result_*.txt", expected="training logs somewhere below")
    return ScoreTable(tuple(score_folder(f, round_name=round_name) for f in folders), absent)


def score_folder(folder: Path, *, round_name: str = "") -> ScoredEntry:
    """Score the runs of one benchmark on one system."""
    paths = sorted((p for p in folder.glob("result_*.txt")), key=_run_number)
    runs = [read_run(p) for p in paths]
    benchmark = ALIASES.get(folder.name, folder.name)
    division = next((r.division for r in runs if r.division), "")
    named = round_name or _round_of(runs)
    rules = round_or_none(named)
    reference = convergence_rule(rules, benchmark) if division == "closed" else None
    times = [_run_time(r, division) for r in runs]
    met = met_by(rules, benchmark)
    converged = [
        Convergent(r.path.name, convergence_point(r, reference.unit, met), r.global_batch_size)
        for r in runs
        if reference is not None
    ]
    score, convergence = score_with_reference(
        times, converged, score_rule(rules, benchmark, len(runs)), reference, stated=_scaling(folder)
    )
    return ScoredEntry(
        submitter=_submitter(folder, runs),
        system=folder.parent.name,
        benchmark=benchmark,
        round=named,
        division=division,
        folder=folder,
        score=score,
        convergence=convergence,
        cut_off=tuple(r.path.name for r in runs if not r.complete),
        log_problems=sum(len(r.problems) for r in runs),
    )


def _round_of(runs: list[TrainingRun]) -> str:
    flavours = {r.flavour for r in runs}
    if Flavour.V05 in flavours:
        return "v0.5"
    return "v0.6" if flavours & {Flavour.V06, Flavour.TEXT} else ""


def _run_time(run: TrainingRun, division: str) -> RunTime:
    """A run without a stop, or with a status other than success, has not converged."""
    fault = "resumed after a crash: not scorable in closed" if run.resumed and division == "closed" else ""
    return RunTime(run.path.name, run.minutes if run.converged else math.inf, fault)


def _submitter(folder: Path, runs: list[TrainingRun]) -> str:
    """The folder above `results` (skipping v0.5's submission folders), else what the logs say."""
    parts = folder.parts
    said = next((r.org for r in runs if r.org), "")
    if "results" not in parts:
        return said
    above = parts[: len(parts) - 1 - parts[::-1].index("results")]
    if "v0.5.0" in above and above.index("v0.5.0") + 1 < len(above):
        return above[above.index("v0.5.0") + 1]
    return said or (above[-1] if above else "")


def _without_logs(root: Path) -> Iterator[Path]:
    """Systems listed under a `results` folder for which no log is there."""
    for results in root.rglob("results"):
        if results.is_dir():
            yield from (s for s in results.iterdir() if s.is_dir() and not any(s.rglob("result_*.txt")))


def _scaling(folder: Path) -> float | None:
    """The factor of scaling.json (rounds v2.1 on): a faster-than-reference convergence is slowed to the reference."""
    path = folder / "scaling.json"
    if not path.exists():
        return None
    try:
        factor = float(json.loads(path.read_text(encoding="utf-8"))["scaling_factor"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(path, found="without a number scaling_factor", expected='{"scaling_factor": 1.0}') from error
    return factor


def _run_number(path: Path) -> tuple[int, str]:
    found = _NUMBER.search(path.stem)
    return (int(found[1]) if found else -1, path.name)
