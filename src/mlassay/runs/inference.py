"""One inference run, composed: rules, task, backend, load generator, accuracy, records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlassay.core.enums import Mode
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import Settings
from mlassay.loadgen.drive import drive
from mlassay.loadgen.find_peak import Peak
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.loadgen.selfcheck import self_checked
from mlassay.loadgen.supervise import Progress, Watch
from mlassay.runs.prepare import Prepared, prepare
from mlassay.runs.record import InferenceRecord, accuracy_report
from mlassay.runs.recorder import AccuracyRecorder
from mlassay.runs.request import RunRequest
from mlassay.tasks.task import AccuracyResult

SUT_FAULTS_EXIT = 4


class Shown(Protocol):
    """Whoever shows how a run goes."""

    def phase(self, label: str) -> None: ...

    def __call__(self, progress: Progress) -> None: ...


class Silent:
    """Shows nothing."""

    def phase(self, label: str) -> None: ...

    def __call__(self, progress: Progress) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPart:
    """One run folder and what it holds."""

    title: str
    path: Path
    settings: Settings
    outcome: Outcome
    accuracy: AccuracyResult | None = None

    @property
    def accuracy_text(self) -> str:
        """'accuracy 92.1 % (target 91.2 %: reached)', or nothing."""
        result = self.accuracy
        if result is None:
            return ""
        text = f"{result.metric} {result.value:.5g} {result.unit}"
        if result.target is not None:
            word = "reached" if result.passed else "MISSED"
            text += f" (target {result.target.value:.5g}: {word})"
        return text + "".join(f"; {problem}" for problem in result.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakResult:
    """A find-peak search. `streams`: the load is a number of streams (v0.5 MultiStream), not a rate."""

    found: Peak
    streams: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """All that one request led to."""

    path: Path
    parts: tuple[RunPart, ...]
    peak: PeakResult | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Of the last part: the performance run, where there is one."""
        return self.parts[-1].outcome

    @property
    def accuracy(self) -> AccuracyResult | None:
        return next((p.accuracy for p in self.parts if p.accuracy is not None), None)


def run_inference(request: RunRequest, *, progress: Shown | None = None) -> RunResults:
    """Do what the request says and write it down.

    The folder exists from the first moment and says that it is incomplete until the end. KeyboardInterrupt is passed
    on after what was measured has been written.
    """
    shown = progress or Silent()
    shown.phase("preparing")
    if request.wishes.mode is Mode.FIND_PEAK:
        from mlassay.runs.peak import run_find_peak

        return run_find_peak(request, shown)
    prepared = prepare(request)
    path = request.out or new_folder(request)
    try:
        parts = _submission(prepared, path, shown) if request.wishes.mode is Mode.SUBMISSION else ()
        if not parts:
            parts = (carry_out(prepared, prepared.settings, path, shown),)
    finally:
        prepared.sut.close()
    return RunResults(path=path, parts=parts, notes=(*prepared.task.warnings, *prepared.probed))


def _submission(prepared: Prepared, path: Path, shown: Shown) -> tuple[RunPart, ...]:
    """Accuracy first, then as many performance runs as the round wants (v0.5 Server: five)."""
    accuracy = replace(prepared.settings, mode=Mode.ACCURACY)
    parts = [carry_out(prepared, accuracy, path / "accuracy", shown)]
    performance = replace(prepared.settings, mode=Mode.PERFORMANCE)
    folders = [path / "performance" / f"run_{number}" for number in range(1, performance.required.runs + 1)]
    return (*parts, *(carry_out(prepared, performance, folder, shown) for folder in folders))


def carry_out(prepared: Prepared, settings: Settings, path: Path, shown: Shown) -> RunPart:
    """One run in one folder; the SUT stays open."""
    library, task = prepared.task.library, prepared.task
    title = f"{task.name} ({task.profile.name}), {settings.scenario.value}, {settings.mode.value}"
    shown.phase(f"{settings.scenario.value} {settings.mode.value}")
    plans = plan(settings, library.total_count, library.performance_count)
    record = InferenceRecord.create(path, prepared, settings, plans)
    with AccuracyRecorder(record.accuracy_log, plans, task.encoded) as recorder:
        watch = Watch(progress=shown, spool=record.spool, on_hang=record.give_up)
        keep = recorder.keep if recorder.wanted else None
        recording = drive(settings, plans, prepared.sut, library, keep=keep, watch=watch, close=False)
    if recording.complete:
        recording = self_checked(recording, settings, str(prepared.sut.describe().get("arrangement", "")))
    outcome = judge(recording, settings)
    accuracy = None
    if settings.mode is Mode.ACCURACY and recording.complete:
        accuracy = task.score(record.answers())
    record.finish(recording, outcome, accuracy)
    if recording.ended == "interrupted":
        raise KeyboardInterrupt
    return RunPart(title=title, path=path, settings=settings, outcome=outcome, accuracy=accuracy)


def new_folder(request: RunRequest) -> Path:
    """runs/20260131-142501-image-classification-server, with a number where that is taken."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    base = Path("runs") / f"{stamp}-{request.task}-{request.wishes.scenario.value}"
    path, number = base, 1
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


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
