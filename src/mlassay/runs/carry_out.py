"""One run in one folder, and what a request's runs come to together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mlassay.core.enums import Mode
from mlassay.core.errors import MlassayError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.loadgen.drive import drive
from mlassay.loadgen.find_peak import Peak
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.loadgen.selfcheck import self_checked
from mlassay.loadgen.supervise import Progress, Watch
from mlassay.runs.prepare import Prepared
from mlassay.runs.record import InferenceRecord
from mlassay.runs.recorder import AccuracyRecorder
from mlassay.runs.request import RunRequest
from mlassay.tasks.metrics import significant
from mlassay.tasks.task import AccuracyResult


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
        text = f"{result.metric} {significant(result.value)} {result.unit}"
        if result.target is not None:
            word = "reached" if result.passed else "MISSED"
            text += f" (target {significant(result.target.value)}: {word})"
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
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Of the last part: the performance run, where there is one."""
        return self.parts[-1].outcome

    @property
    def accuracy(self) -> AccuracyResult | None:
        return next((p.accuracy for p in self.parts if p.accuracy is not None), None)


def carry_out(
    prepared: Prepared,
    settings: Settings,
    path: Path,
    shown: Shown,
    *,
    close: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> RunPart:
    """One run in one folder. `close`: close the SUT within the run, so that answers after the end are seen.

    A SUT that cannot even open leaves a folder that says so; its error is passed on.
    """
    library, task = prepared.task.library, prepared.task
    title = f"{task.name} ({task.profile.name}), {settings.scenario.value}, {settings.mode.value}"
    shown.phase(f"{settings.scenario.value} {settings.mode.value}")
    plans = plan(settings, library.total_count, library.performance_count)
    record = InferenceRecord.create(path, prepared, settings, plans, extra)
    with AccuracyRecorder(record.accuracy_log, plans, task.encoded) as recorder:
        watch = Watch(progress=shown, spool=record.spool, on_hang=record.give_up)
        keep, keep_first = (recorder.keep, recorder.keep_first) if recorder.wanted else (None, None)
        try:
            recording = drive(
                settings, plans, prepared.sut, library, keep=keep, keep_first=keep_first, watch=watch, close=close
            )
        except MlassayError as error:
            record.folder.fail(error.message)
            raise
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
