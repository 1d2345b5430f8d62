"""What one request leads to: accuracy, performance, or the search for a peak, carried out and told as JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mlassay.core.enums import Mode
from mlassay.core.outcome import Verdict
from mlassay.runs.carry_out import RunPart, RunResults, Shown, Silent, carry_out, new_folder
from mlassay.runs.peak import run_find_peak
from mlassay.runs.prepare import Prepared, prepare
from mlassay.runs.record import accuracy_report
from mlassay.runs.request import RunRequest

SUT_FAULTS_EXIT = 4


def run_inference(request: RunRequest, *, progress: Shown | None = None) -> RunResults:
    """Do what the request says and write it down.

    The folder exists from the first moment and says that it is incomplete until the end. KeyboardInterrupt is passed
    on after what was measured has been written.
    """
    shown = progress or Silent()
    shown.phase("preparing")
    if request.wishes.mode is Mode.FIND_PEAK:
        return run_find_peak(request, shown)
    prepared = prepare(request)
    path = request.out or new_folder(request)
    try:
        parts = _submission(prepared, path, shown) if request.wishes.mode is Mode.SUBMISSION else ()
        if not parts:
            parts = (carry_out(prepared, prepared.settings, path, shown, close=True),)
    finally:
        prepared.sut.close()
    return RunResults(path=path, parts=parts, notes=prepared.probed, warnings=prepared.warnings)


def _submission(prepared: Prepared, path: Path, shown: Shown) -> tuple[RunPart, ...]:
    """Accuracy first, then as many performance runs as the round wants (v0.5 Server: five)."""
    accuracy = replace(prepared.settings, mode=Mode.ACCURACY)
    parts = [carry_out(prepared, accuracy, path / "accuracy", shown)]
    performance = replace(prepared.settings, mode=Mode.PERFORMANCE)
    folders = [path / "performance" / f"run_{number}" for number in range(1, performance.required.runs + 1)]
    return (*parts, *(carry_out(prepared, performance, folder, shown) for folder in folders))


def exit_code(results: RunResults) -> int:
    """0: nothing failed (a short run may be indicative). 1: a bound or the accuracy failed. 4: the SUT broke down."""
    if any(part.outcome.faults for part in results.parts):
        return SUT_FAULTS_EXIT
    missed = any(part.accuracy is not None and part.accuracy.passed is False for part in results.parts)
    invalid = any(part.outcome.verdict is Verdict.INVALID for part in results.parts)
    no_peak = results.peak is not None and results.peak.found.load is None
    return int(missed or invalid or no_peak)


def run_report(results: RunResults) -> dict[str, Any]:
    """JSON-ready: every part's outcome, accuracy and folder."""
    return {
        "path": str(results.path),
        "unverified": True,
        "notes": list(results.notes),
        "warnings": list(results.warnings),
        "peak": None if results.peak is None else asdict(results.peak),
        "parts": [
            {
                "title": part.title,
                "path": str(part.path),
                "scenario": part.settings.scenario,
                "mode": part.settings.mode,
                "outcome": part.outcome,
                "accuracy": None if part.accuracy is None else accuracy_report(part.accuracy),
            }
            for part in results.parts
        ],
    }
