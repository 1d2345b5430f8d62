"""The first minutes with mlassay: accuracy, four scenarios, the peak Server rate, on a model and pictures we ship."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.units import NS_PER_S, format_ns
from mlassay.rules.wishes import Wishes
from mlassay.runs.carry_out import RunPart, RunResults, Shown, carry_out
from mlassay.runs.inference import run_report
from mlassay.runs.opened import open_task
from mlassay.runs.peak import run_find_peak
from mlassay.runs.prepare import Prepared, make_sut, prepare
from mlassay.runs.request import RunRequest

TASK = "image-classification"

ROUND = "v6.0"
BENCHMARK = "resnet"
"""Rules of this benchmark hold for the small model too (in the open division): lengths, percentiles, 15 ms."""

SHORT_NS = 3 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Quickstart:
    """Everything the quickstart measured. `full`: as long as the rules want."""

    path: Path
    full: bool
    accuracy: RunPart
    scenarios: tuple[RunPart, ...]
    peak: RunResults


def run_quickstart(shown: Shown, *, full: bool = False, out: Path | None = None, threads: int = 0) -> Quickstart:
    """Accuracy, then SingleStream, MultiStream, Server at its peak rate, Offline. `full`: ten minutes each."""
    path = out or Path("runs") / f"quickstart-{datetime.now():%Y%m%d-%H%M%S}"
    options = {"intra_threads": threads} if threads else {}
    base = RunRequest(
        task=TASK, backend_options=options, wishes=_wishes(Scenario.OFFLINE, full), command="mlassay quickstart"
    )
    shown.phase("preparing")
    task = open_task(base)
    sut = make_sut(base, task.model)

    def prepared(scenario: Scenario, mode: Mode = Mode.PERFORMANCE) -> Prepared:
        wishes = replace(_wishes(scenario, full), mode=mode)
        return prepare(replace(base, wishes=wishes), task=task, sut=sut)

    try:
        exam = prepared(Scenario.OFFLINE, Mode.ACCURACY)
        accuracy = carry_out(exam, exam.settings, path / "accuracy", shown)
        parts = []
        for scenario in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE):
            ready = prepared(scenario)
            parts.append(carry_out(ready, ready.settings, path / scenario.value, shown))
        wishes = replace(_wishes(Scenario.SERVER, full), mode=Mode.FIND_PEAK)
        search = replace(base, wishes=wishes, out=path / Scenario.SERVER.value)
        peak = run_find_peak(search, shown, task=task, sut=sut)
    finally:
        sut.close()
    return Quickstart(
        path=path, full=full, accuracy=accuracy, scenarios=(*parts[:2], *peak.parts, *parts[2:]), peak=peak
    )


def _wishes(scenario: Scenario, full: bool) -> Wishes:
    """The round's own bounds and lengths; `full` or not decides only how long the runs are."""
    short = SHORT_NS if not full else None
    return Wishes(scenario=scenario, round=ROUND, benchmark=BENCHMARK, division=Division.OPEN, min_duration_ns=short)


def shortness(quickstart: Quickstart) -> str:
    """Why the results are only indicative, or nothing."""
    if quickstart.full:
        return ""
    wanted = quickstart.scenarios[0].settings.required.min_duration_ns
    return (
        f"each run lasted about {format_ns(SHORT_NS)}; the rules of {ROUND} want {format_ns(wanted)}:"
        " mlassay quickstart --full runs the whole length"
    )


def quickstart_results(found: Quickstart) -> RunResults:
    """All its parts as one result, for exit code and report."""
    return RunResults(path=found.path, parts=(found.accuracy, *found.scenarios), peak=found.peak.peak)


def quickstart_report(found: Quickstart) -> dict[str, Any]:
    """JSON-ready."""
    return {"full": found.full, "note": shortness(found), **run_report(quickstart_results(found))}
