"""Runs a submission made by mlassay again, from its own folder, and says whether the results come out the same.

Auditors of MLPerf rerun chosen benchmarks from the published repository and call more than 2 % materially different
(audit guidelines). A difference in the machine or the software is listed beside: it may explain one in the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlassay.core.enums import Mode, Scenario
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.outcome import Metric, Outcome, Verdict
from mlassay.records.replay_file import FOLDER, Kept, is_path, machine_of, read_kept
from mlassay.records.system import describe_system
from mlassay.rules.wishes import Wishes
from mlassay.runs.again import request_from
from mlassay.runs.carry_out import Shown, Silent, carry_out
from mlassay.runs.opened import open_task
from mlassay.runs.prepare import Prepared, make_sut
from mlassay.runs.request import RunRequest

MATERIAL = 0.02
"""Audit guidelines: what differs by more is materially different."""

MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """A submission folder, and which of its runs: "resnet", "resnet/Offline"; empty for all."""

    submission: Path
    only: tuple[str, ...] = ()
    out: Path = Path("replay")
    data: Path | None = None  # where the data set lies here
    model: str = ""  # the model file here, for runs that named one


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One run again. `ratio`: of the metrics, new over submitted. `material`: more than 2 % to the worse or better."""

    benchmark: str
    scenario: Scenario
    mode: Mode
    metric: str
    unit: str
    submitted: float
    again: float
    ratio: float
    low: float | None  # the ratio's interval, 99 %, where both runs give one
    high: float | None
    verdict: Verdict
    kept: Path
    path: Path
    differs: tuple[str, ...]

    @property
    def material(self) -> bool:
        return not abs(self.ratio - 1) <= MATERIAL  # nothing to compare with is no agreement

    @property
    def sure(self) -> bool | None:
        """Whether the whole interval is on one side of the 2 %; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        inside = self.low >= 1 - MATERIAL and self.high <= 1 + MATERIAL
        outside = self.high < 1 - MATERIAL or self.low > 1 + MATERIAL
        return outside if self.material else inside


def replay(request: ReplayRequest, *, progress: Shown | None = None) -> tuple[Replayed, ...]:
    """Run every kept run again. Raises UsageError when the submission keeps none, BadFile for damaged ones."""
    shown = progress or Silent()
    kept = [k for k in kept_runs(request.submission) if _wanted(k, request.only)]
    if not kept:
        known = ", ".join(sorted({_name(k) for k in kept_runs(request.submission)}))
        raise UsageError(f"none of {', '.join(request.only)} is in {request.submission}", hint=f"it has {known}")
    return tuple(_again(k, number, request, shown) for number, k in enumerate(kept, 1))


def kept_runs(submission: Path) -> list[Kept]:
    """The runs that a submission keeps, in the order of their paths."""
    if not submission.is_dir():
        raise UsageError(f"{submission} is not a folder", hint="unpack an archive first")
    paths = sorted(p for p in _json_files(submission) if p.parent.name == FOLDER)
    if not paths:
        raise BadFile(
            submission,
            found=f"without any {FOLDER}/*.json",
            expected="a submission that mlassay pack made",
            hint="its code folder's README says how it was measured",
        )
    return [read_kept(path) for path in paths]


def _json_files(submission: Path) -> Iterator[Path]:
    """Regular files inside the submission only: links are not followed out of it."""
    root = submission.resolve()
    for number, path in enumerate(submission.rglob(f"{FOLDER}/*.json")):
        if number >= MOST_FILES:
            raise BadFile(submission, found=f"more than {MOST_FILES:,} runs", expected="one submission")
        if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(root):
            yield path


def _name(kept: Kept) -> str:
    return f"{kept.settings.benchmark or kept.request.get('task')}/{kept.settings.scenario.official_name}"


def _wanted(kept: Kept, only: tuple[str, ...]) -> bool:
    name = _name(kept)
    return not only or any(o.lower() in (name.lower(), name.partition("/")[0].lower()) for o in only)


def _again(kept: Kept, number: int, request: ReplayRequest, shown: Shown) -> Replayed:
    wishes = Wishes(scenario=kept.settings.scenario, mode=kept.settings.mode)
    wish = _with_files(request_from(kept.request, wishes, kept.path), kept, request)
    task = open_task(wish)
    prepared = Prepared(request=wish, task=task, sut=make_sut(wish, task.model), settings=kept.settings)
    folder = request.out / f"{number:03d}-{_name(kept).replace('/', '-')}-{kept.settings.mode.value}"
    part = carry_out(prepared, kept.settings, folder, shown, close=True)
    if kept.settings.mode is Mode.ACCURACY:
        before, after, name, unit = kept.accuracy or 0.0, 0.0, "accuracy", ""
        if part.accuracy is not None:
            after, name, unit = part.accuracy.value, part.accuracy.metric, part.accuracy.unit
        interval: tuple[float | None, float | None] = (None, None)
    else:
        old, new = _metric(kept.outcome, kept.path), _metric(part.outcome, folder)
        before, after, name, unit = old.value, new.value, new.name, new.unit
        interval = _interval(old, new)
    return Replayed(
        benchmark=kept.settings.benchmark,
        scenario=kept.settings.scenario,
        mode=kept.settings.mode,
        metric=name,
        unit=unit,
        submitted=before,
        again=after,
        ratio=after / before if before else float("nan"),
        low=interval[0],
        high=interval[1],
        verdict=part.outcome.verdict,
        kept=kept.path,
        path=folder,
        differs=tuple(_differences(kept.machine, machine_of(describe_system()))),
    )


def _with_files(wish: RunRequest, kept: Kept, request: ReplayRequest) -> RunRequest:
    """The request with this machine's data and model. A file that only the submission names is never opened."""
    if kept.request.get("data_given") and request.data is None:
        raise UsageError(
            f"{_name(kept)} was run on data of the submitter's", hint="say where they lie with --data FOLDER"
        )
    named = str(kept.request.get("model_file") or (wish.model if is_path(wish.model) else ""))
    if named and not request.model:
        raise UsageError(
            f"{_name(kept)} was run with the model file {Path(named).name}",
            hint="give it with --model FILE, if you trust it: models can hold code",
        )
    return replace(wish, data=request.data, model=request.model if named else wish.model)


def _metric(outcome: Outcome, where: Path) -> Metric:
    if outcome.metric is None:
        raise BadFile(where, found="a run without a metric", expected="a run that was judged")
    return outcome.metric


def _interval(old: Metric, new: Metric) -> tuple[float | None, float | None]:
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return None, None
    return (new.low / old.high if old.high else None), (new.high / old.low if old.low else None)


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key in sorted({*then, *now}):
        a, b = then.get(key), now.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b, f"{path}{key} ")
        elif a != b:
            yield f"{path}{key}: {_or_none(a)} then, {_or_none(b)} now"


def _or_none(value: Any) -> Any:
    return "none" if value in (None, "") else value
