"""Any Settings, Outcome and Trace that could be: for round trips."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlassay.core.enums import Division, Mode, SampleOrder, Scenario
from mlassay.core.outcome import BoundCheck, EarlyStopping, Metric, Outcome, Verdict
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    MultiStream,
    Offline,
    Required,
    Seeds,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
    TokenBounds,
)
from mlassay.core.trace import NOT_YET, Fault, Overhead, Spread, Trace

count = st.integers(0, 2**63)
seed = st.integers(0, 2**64 - 1)
real = st.floats(allow_nan=False)
text = st.text(max_size=12)
words = st.dictionaries(text, text, max_size=3)
percent = st.floats(0, 100)

bounds = st.builds(TokenBounds, ttft_ns=count, tpot_ns=count)
loads: dict[Scenario, st.SearchStrategy[Any]] = {
    Scenario.SINGLE_STREAM: st.builds(SingleStream, expected_latency_ns=count, percentile=percent),
    Scenario.MULTI_STREAM: st.one_of(
        st.builds(MultiStream, samples_per_query=count, expected_latency_ns=count, percentile=percent),
        st.builds(IntervalMultiStream, samples_per_query=count, interval_ns=count, percentile=percent),
    ),
    Scenario.SERVER: st.builds(
        Server,
        target_qps=real,
        latency_bound_ns=count,
        percentile=percent,
        coalesce=st.booleans(),
        max_async_queries=count,
        tokens=st.none() | bounds,
        completed_metric=st.booleans(),
    ),
    Scenario.INTERACTIVE: st.builds(Server, tokens=bounds),
    Scenario.OFFLINE: st.builds(Offline, expected_qps=real, min_sample_count=count),
}


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    scenario = draw(st.sampled_from(Scenario))
    return draw(
        st.builds(
            Settings,
            scenario=st.just(scenario),
            load=loads[scenario],
            mode=st.sampled_from(Mode),
            min_duration_ns=count,
            max_duration_ns=count,
            min_query_count=count,
            max_query_count=count,
            sample_order=st.sampled_from(SampleOrder),
            same_index=count,
            performance_sample_count=count,
            accuracy_sample_count=count,
            seeds=st.builds(Seeds, qsl=seed, sample_index=seed, schedule=seed),
            accuracy_log=st.builds(AccuracyLog, probability=st.floats(0, 1), sampling_target=count, seed=seed),
            early_stopping=st.booleans(),
            token_latencies=st.booleans(),
            stream=st.sampled_from(StreamVersion),
            required=st.builds(Required, min_duration_ns=count, min_query_count=count, runs=count),
            stall_timeout_ns=count,
            round=text,
            benchmark=text,
            division=st.sampled_from(Division),
            clauses=words,
            deviations=st.lists(text, max_size=2).map(tuple),
        )
    )


spread = st.builds(Spread, p50=count, p90=count, p99=count, p999=count, max=count, count=count)
latency = st.dictionaries(st.sampled_from(["min", "mean", "max", "50", "99.9"]), count)

any_outcome = st.builds(
    Outcome,
    scenario=st.sampled_from(Scenario),
    mode=st.sampled_from(Mode),
    verdict=st.sampled_from(Verdict),
    metric=st.none()
    | st.builds(
        Metric,
        name=text,
        value=real,
        unit=text,
        higher_is_better=st.booleans(),
        low=st.none() | real,
        high=st.none() | real,
        note=text,
    ),
    n_queries=count,
    n_samples=count,
    duration_ns=count,
    latency_ns=latency,
    ttft_ns=latency,
    tpot_ns=latency,
    numbers=st.dictionaries(text, real, max_size=3),
    checks=st.lists(
        st.builds(
            BoundCheck,
            id=text,
            ok=st.booleans(),
            value=real,
            bound=real,
            unit=text,
            text=text,
            clause=text,
            hint=text,
            about_length=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    early_stopping=st.lists(
        st.builds(
            EarlyStopping,
            met=st.booleans(),
            text=text,
            estimate_ns=st.none() | count,
            queries_needed=st.none() | count,
        ),
        max_size=2,
    ).map(tuple),
    faults=st.lists(st.builds(Fault, kind=text, detail=text, count=count, first_id=st.integers(-1, 9)), max_size=2).map(
        tuple
    ),
    overhead=st.builds(
        Overhead, lateness=spread, issue_cpu_s=real, gc_pauses=count, calibration_lateness=spread, arrangement=text
    ),
    warnings=st.lists(text, max_size=2).map(tuple),
    advice=st.lists(text, max_size=2).map(tuple),
)


@st.composite
def any_trace(draw: st.DrawFn) -> Trace:
    sizes = draw(st.lists(st.integers(1, 4), max_size=12) | st.integers(0, 12).map(lambda n: [1] * n))
    n = sum(sizes)
    moment = draw(st.sampled_from([st.integers(0, 200), st.integers(-(2**40), 2**62)]))

    def column(length: int, values: st.SearchStrategy[int], kind: Any = np.int64) -> Any:
        return np.array(draw(st.lists(values, min_size=length, max_size=length)), kind)

    def maybe(length: int, values: st.SearchStrategy[int], kind: Any) -> Any:
        return column(length, values, kind) if draw(st.booleans()) else None

    small = st.integers(0, 2**31 - 1)
    return Trace(
        start_ns=draw(st.integers(0, 2**62)),
        start_unix_ns=draw(st.integers(0, 2**62)),
        planned_queries=draw(small),
        due_ns=column(len(sizes), st.integers(0, 2**40)),
        issued_ns=column(len(sizes), moment),
        first_id=np.cumsum([0, *sizes])[:-1].astype(np.int64),
        index=column(n, small, np.int32),
        done_ns=column(n, moment | st.just(NOT_YET)),
        first_ns=maybe(n, moment | st.just(NOT_YET), np.int64),
        n_tokens=maybe(n, small, np.int32),
        skipped=maybe(len(sizes), small, np.int32),
    )


COLUMNS = ("due_ns", "issued_ns", "first_id", "index", "done_ns", "first_ns", "n_tokens", "skipped")


def same_trace(a: Trace, b: Trace) -> bool:
    for name in COLUMNS:
        x, y = getattr(a, name), getattr(b, name)
        if (x is None) != (y is None) or (x is not None and (x.dtype != y.dtype or not np.array_equal(x, y))):
            return False
    return (a.start_ns, a.start_unix_ns, a.planned_queries) == (b.start_ns, b.start_unix_ns, b.planned_queries)
