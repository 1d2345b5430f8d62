"""One training log as one run: when it started and stopped, whether it converged, what quality it reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlassay.records.mllog import Flavour, Log, LogEvent, LogProblem, iter_events, read_log

HYPERPARAMETERS = frozenset(
    {
        "global_batch_size",
        "train_batch_size",
        "micro_batch_size",
        "input_batch_size",
        "gradient_accumulation_steps",
        "opt_name",
        "opt_learning_rate",
        "opt_momentum",
        "opt_weight_decay",
        "opt_epsilon",
        "opt_gradient_clip_norm",
        "opt_base_learning_rate",
        "opt_end_learning_rate",
        "opt_sparse_name",
        "opt_sparse_base_learning_rate",
        "opt_hp_Adam_beta1",
        "opt_hp_Adam_beta2",
        "opt_hp_Adam_epsilon",
        "opt_adam_beta_1",
        "opt_adam_beta_2",
        "opt_adam_epsilon",
        "opt_adamw_beta_1",
        "opt_adamw_beta_2",
        "opt_adamw_epsilon",
        "opt_adamw_weight_decay",
        "opt_lamb_beta_1",
        "opt_lamb_beta_2",
        "opt_lamb_epsilon",
        "opt_lamb_weight_decay_rate",
        "opt_lamb_learning_rate_decay_poly_power",
        "opt_lamb_learning_rate_hold_epochs",
        "opt_lamb_learning_rate_min",
        "opt_adagrad_epsilon",
        "opt_adagrad_initial_accumulator_value",
        "opt_adagrad_learning_rate_decay",
        "opt_learning_rate_warmup_steps",
        "opt_learning_rate_warmup_epochs",
        "opt_learning_rate_warmup_factor",
        "opt_learning_rate_warmup_start_lr",
        "opt_learning_rate_training_steps",
        "opt_learning_rate_remain_steps",
        "opt_learning_rate_decay_schedule",
        "opt_learning_rate_decay_factor",
        "opt_learning_rate_decay_interval",
        "opt_learning_rate_decay_steps",
        "opt_learning_rate_decay_start_step",
        "opt_learning_rate_decay_boundary_steps",
        "opt_learning_rate_decay_boundary_epochs",
        "opt_learning_rate_alt_decay_func",
        "opt_learning_rate_alt_warmup_func",
        "lora_rank",
        "lora_alpha",
        "max_sequence_length",
        "max_steps",
    }
)
"""What the rounds' logs call the values that submitters may choose, v0.5 to today."""

KEYS = HYPERPARAMETERS | frozenset(
    {
        "submission_benchmark",
        "submission_division",
        "submission_org",
        "submission_platform",
        "submission_status",
        "init_start",
        "run_start",
        "run_stop",
        "run_final",
        "eval_accuracy",
        "eval_result",
        "eval_target",
        "seed",
        "run_set_random_seed",
        "resumed",
    }
)


@dataclass(frozen=True, slots=True)
class QualityPoint:
    """One logged evaluation: `values` by metric name ("" when the log names none)."""

    time_ns: int | None
    epoch: float | None
    samples: float | None
    values: Mapping[str, float]
    steps: float | None = None
    metric: str = ""  # where the line's metadata names it; then `values` is a number without a name


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What one log says about its run. `minutes` is infinite when it did not converge, NaN when it cannot be told."""

    path: Path
    flavour: Flavour | None
    benchmark: str
    division: str
    org: str
    platform: str
    availability: str  # submission_status: "onprem", "cloud", "research", ...
    start_ns: int | None
    stop_ns: int | None
    status: str  # "success", "aborted", "" when the log does not say
    reason: str
    quality: tuple[QualityPoint, ...]
    target: Mapping[str, float]  # the quality wanted, where the log states it
    seeds: tuple[str, ...]
    global_batch_size: float | None
    hyperparameters: Mapping[str, str]  # as first logged: later lines of the same key follow a schedule
    resumed: bool
    n_events: int
    problems: tuple[LogProblem, ...]

    @property
    def minutes(self) -> float:
        if self.start_ns is None or self.stop_ns is None:
            return math.nan
        return (self.stop_ns - self.start_ns) / 60e9

    @property
    def complete(self) -> bool:
        return self.start_ns is not None and self.stop_ns is not None

    @property
    def converged(self) -> bool:
        """Stopped with success. Logs of v0.5 without any status were accepted as published, and so they are here."""
        return self.complete and self.status in ("success", "")


def read_run(path: Path) -> TrainingRun:
    """Read the few events that a score needs; everything odd stays in `problems`."""
    return run_of(read_log(path, keys=KEYS), path)


def read_run_stream(stream: IO[bytes], path: Path) -> TrainingRun:
    """The same from an open file, such as a member of an archive; `path` only names it."""
    problems: list[LogProblem] = []
    events = tuple(iter_events(stream, problems, keys=KEYS))
    return run_of(Log(events, tuple(problems), 0), path)


def run_of(log: Log, path: Path) -> TrainingRun:
    """What the events of one log come to."""
    events = _without_doubles(log.events)
    starts = [e.time_ns for e in events if e.key == "run_start" and e.time_ns is not None]
    stops = [e for e in events if e.key == "run_stop" and e.time_ns is not None]
    result = _offline_result(events)
    stop = max(stops, key=lambda e: e.time_ns or 0, default=None)
    status, reason = _status(stop)
    return TrainingRun(
        path=path,
        flavour=events[0].flavour if events else None,
        benchmark=_text(events, "submission_benchmark") or next((e.benchmark for e in events if e.benchmark), ""),
        division=_text(events, "submission_division"),
        org=_text(events, "submission_org"),
        platform=_text(events, "submission_platform"),
        availability=_text(events, "submission_status"),
        start_ns=min(starts, default=None),
        stop_ns=result if result is not None else stop.time_ns if stop else None,
        status="success" if result is not None else status,
        reason=reason,
        quality=tuple(_quality(e) for e in events if e.key == "eval_accuracy"),
        target=next((quality_values(e.value) for e in events if e.key == "eval_target"), {}),
        seeds=tuple(str(e.value) for e in events if e.key in ("seed", "run_set_random_seed")),
        global_batch_size=_number(next((e.value for e in events if e.key == "global_batch_size"), None)),
        hyperparameters=_hyperparameters(events),
        resumed=any(e.key == "resumed" for e in events),
        n_events=len(events),
        problems=log.problems,
    )


def _hyperparameters(events: Sequence[LogEvent]) -> dict[str, str]:
    found: dict[str, str] = {}
    for e in events:
        value = e.value.get("value") if isinstance(e.value, dict) and "value" in e.value else e.value
        if e.key in HYPERPARAMETERS and value is not None and not _deferred(e.value):
            found.setdefault(e.key, str(value).strip()[:80])
    return found


def _deferred(value: Any) -> bool:
    """Logs of v0.5 from graphs state a value first by a place-holder, "DEFERRED: <id>" or {"deferred": true}."""
    return str(value).startswith("DEFERRED") or (isinstance(value, dict) and bool(value.get("deferred")))


def _without_doubles(events: Sequence[LogEvent]) -> list[LogEvent]:
    """Some frameworks print every line twice, once with a logger's prefix."""
    seen: set[tuple[Any, ...]] = set()
    out = []
    for e in events:
        mark = (e.time_ns, e.key, repr(e.value), e.metadata.get("lineno"))
        if mark not in seen:
            seen.add(mark)
            out.append(e)
    return out


def _status(stop: LogEvent | None) -> tuple[str, str]:
    """v0.6 on: metadata.status; v0.5: {"success": true} or "true", or nothing at all, which was accepted as success."""
    if stop is None:
        return "", ""
    said = stop.metadata.get("status")
    if isinstance(said, str):
        return said, str(stop.metadata.get("reason", ""))
    if isinstance(stop.value, dict) and "success" in stop.value:
        return ("success" if str(stop.value["success"]).lower() == "true" else "aborted"), ""
    return "", ""


def _offline_result(events: Sequence[LogEvent]) -> int | None:
    """v0.6 MiniGo is judged after training: eval_result carries the moment of the first winning checkpoint."""
    times = [
        float(e.metadata["timestamp"])
        for e in events
        if e.key == "eval_result" and isinstance(e.metadata.get("timestamp"), int | float)
    ]
    return round(min(times) * 1e9) if times else None


def _quality(event: LogEvent) -> QualityPoint:
    value, about = event.value, event.metadata
    epoch = about.get("epoch_num")
    if isinstance(value, dict) and "epoch" in value:
        epoch = value["epoch"]
    samples, steps, metric = (about.get(k) for k in ("samples_count", "step_num", "metric"))
    return QualityPoint(
        event.time_ns, _number(epoch), _number(samples), quality_values(value), _number(steps), str(metric or "")
    )


def convergence_point(run: TrainingRun, unit: str, met: Callable[[Mapping[str, float]], bool] | None = None) -> float:
    """How far a run had come when it converged: the `unit` (epoch_num, samples_count, step_num) of its last evaluation.

    Where metrics are logged one by one and late (`met` is given, and lines name their metric), the first point at
    which all that were logged for it meet. Infinity when it did not converge, NaN when the log does not tell.
    """
    if not run.converged:
        return math.inf
    at = {"epoch_num": "epoch", "samples_count": "samples", "step_num": "steps"}[unit]
    told = [(value, q) for q in run.quality if (value := getattr(q, at)) is not None]
    if met is None or not any(q.metric for _, q in told):
        return told[-1][0] if told else math.nan
    together: dict[float, dict[str, float]] = {}
    for value, q in told:
        together.setdefault(value, {}).update({q.metric or k: v for k, v in q.values.items()})
    return min((value for value, quality in together.items() if met(quality)), default=math.nan)


def quality_values(value: Any) -> dict[str, float]:
    """Every published spelling: number, text, [box, mask], {"value", "epoch"}, {"accuracy": {"BBOX", "SEGM"}}."""
    if isinstance(value, dict):
        if "value" in value:
            return quality_values(value["value"])
        if isinstance(value.get("accuracy"), dict | int | float | str):
            return quality_values(value["accuracy"])
        pairs = ((str(k).lower(), _number(v)) for k, v in value.items())
        return {k: v for k, v in pairs if v is not None}
    if isinstance(value, list | tuple) and len(value) == 2:
        box, mask = _number(value[0]), _number(value[1])
        return {"bbox": box, "segm": mask} if box is not None and mask is not None else {}
    number = _number(value)
    return {} if number is None else {"": number}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(str(value).rstrip("%"))
    except ValueError:
        return None


def _text(events: Sequence[LogEvent], key: str) -> str:
    return next((str(e.value) for e in events if e.key == key), "")
