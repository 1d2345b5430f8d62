"""`mlassay.run(...)`: the Python face of `mlassay run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlassay.core.enums import Division, Mode, SampleOrder, Scenario, Suite
from mlassay.core.errors import UsageError
from mlassay.core.settings import Seeds
from mlassay.core.units import parse_duration_ns
from mlassay.rules.wishes import Wishes
from mlassay.runs.audit import AuditRequest, AuditResults, audit_run
from mlassay.runs.carry_out import RunResults
from mlassay.runs.inference import run_inference
from mlassay.runs.request import NOTHING, RunRequest

Duration = str | int | None
"""'250ms', '10s', '2m', or integer nanoseconds."""


def run(
    task: str,
    *,
    scenario: str | Scenario,
    sut: object | None = None,
    mode: str | Mode = "performance",
    backend: str = "",
    backend_options: Mapping[str, Any] = NOTHING,
    max_batch: int = 0,
    max_delay_ms: float | None = None,
    workers: int = 0,
    profile: str = "",
    model: str | Path = "",
    data: str | Path | None = None,
    task_options: Mapping[str, str] = NOTHING,
    round: str = "none",
    division: str | Division | None = None,
    suite: str | Suite | None = None,
    target_qps: float | None = None,
    latency_bound: Duration = None,
    ttft: Duration = None,
    tpot: Duration = None,
    percentile: float | None = None,
    expected_latency: Duration = None,
    samples_per_query: int | None = None,
    duration: Duration = None,
    max_duration: Duration = None,
    queries: int | None = None,
    samples: int | None = None,
    order: str | SampleOrder | None = None,
    seed: int | None = None,
    coalesce: bool | None = None,
    max_async: int | None = None,
    stall_timeout: Duration = None,
    user_conf: Path | None = None,
    audit_config: Path | None = None,
    out: str | Path | None = None,
) -> RunResults:
    """Run a task in one scenario and judge the result; the words are those of `mlassay run --help`.

    `sut`: a function from a list of samples to a list of outputs, an object with `predict`, an async function, or a
    `mlassay.core.sut.SUT`; without it the named backend runs the task's model. Raises MlassayError subclasses.

    >>> result = mlassay.run("image-classification", sut=my_function, scenario="server", target_qps=200)
    >>> result.outcome.verdict, result.outcome.metric.value
    """
    words = {name: value for name, value in locals().items() if name != "task"}
    return run_inference(make_request(task, **words))


def audit(
    run: str | Path,
    *,
    sut: object | None = None,
    tests: Sequence[str] = (),
    round: str = "",
    accuracy: str | Path | None = None,
    out: str | Path | None = None,
    as_official: bool = False,
    until_sure: bool = False,
) -> AuditResults:
    """Run the compliance tests on the system that made the run folder `run`, and verify them.

    `sut`: the same code as in `mlassay.run`, for runs of own code. `tests` empty: those that `round` (the run's own
    round by default) wants of the benchmark. `until_sure`: begin with short
    tests and lengthen them only until each verdict is 99 % sure. Raises MlassayError subclasses.

    >>> mlassay.audit("runs/first", sut=my_function, tests=["TEST01", "TEST04"]).passed
    """
    return audit_run(
        AuditRequest(
            run=Path(run),
            tests=tuple(tests),
            round=round,
            accuracy=None if accuracy is None else Path(accuracy),
            sut=sut,
            out=None if out is None else Path(out),
            official=as_official,
            until_sure=until_sure,
        )
    )


def make_request(
    task: str,
    *,
    scenario: str | Scenario,
    mode: str | Mode = "performance",
    round: str = "none",
    division: str | Division | None = None,
    suite: str | Suite | None = None,
    target_qps: float | None = None,
    latency_bound: Duration = None,
    ttft: Duration = None,
    tpot: Duration = None,
    percentile: float | None = None,
    expected_latency: Duration = None,
    samples_per_query: int | None = None,
    duration: Duration = None,
    max_duration: Duration = None,
    queries: int | None = None,
    samples: int | None = None,
    order: str | SampleOrder | None = None,
    seed: int | None = None,
    coalesce: bool | None = None,
    max_async: int | None = None,
    stall_timeout: Duration = None,
    model: str | Path = "",
    data: str | Path | None = None,
    out: str | Path | None = None,
    **others: Any,
) -> RunRequest:
    """A RunRequest from plain words; `others` are further fields of RunRequest."""
    wishes = Wishes(
        scenario=_scenario(scenario),
        round=round,
        division=Division(division or "closed"),
        suite=None if suite is None else Suite(suite),
        mode=Mode(mode),
        target_qps=target_qps,
        latency_bound_ns=_ns(latency_bound),
        ttft_ns=_ns(ttft),
        tpot_ns=_ns(tpot),
        percentile=percentile,
        expected_latency_ns=_ns(expected_latency),
        samples_per_query=samples_per_query,
        min_duration_ns=_ns(duration),
        max_duration_ns=_ns(max_duration),
        min_query_count=queries,
        min_sample_count=samples,
        sample_order=None if order is None else SampleOrder(order),
        seeds=None if seed is None else Seeds(qsl=seed, sample_index=seed, schedule=seed),
        coalesce=coalesce,
        max_async_queries=max_async,
        stall_timeout_ns=_ns(stall_timeout),
    )
    return RunRequest(
        task=task,
        wishes=wishes,
        model=str(model),
        data=None if data is None else Path(data),
        out=None if out is None else Path(out),
        division_given=division is not None,
        **others,
    )


def _scenario(scenario: str | Scenario) -> Scenario:
    try:
        return Scenario.parse(scenario)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _ns(duration: Duration) -> int | None:
    if duration is None or isinstance(duration, int):
        return duration
    try:
        return parse_duration_ns(duration)
    except ValueError as error:
        raise UsageError(str(error)) from error
