"""The figure of merit of a scenario, and what early stopping says about it."""

from __future__ import annotations

import numpy as np

from mlassay.core.outcome import EarlyStopping, Metric
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Settings, SingleStream
from mlassay.core.units import format_ns
from mlassay.loadgen.measures import Measures, over_latency
from mlassay.stats import early_stopping
from mlassay.stats.percentile import interval


def early_stopping_of(measures: Measures, settings: Settings) -> tuple[tuple[EarlyStopping, ...], dict[str, float]]:
    """The tests that the scenario asks for (two with token bounds), and their figures by official key."""
    load = settings.load
    if not settings.early_stopping or isinstance(load, Offline | IntervalMultiStream):
        return (), {}
    if isinstance(load, SingleStream):
        results = [early_stopping.single_stream(measures.query_latency_ns, load.percentile)]
    elif isinstance(load, MultiStream):
        results = [early_stopping.multi_stream(measures.query_latency_ns, load.percentile)]
    elif load.tokens is None:
        late = over_latency(measures, load)
        results = [early_stopping.server(len(measures.sample_latency_ns), late, load.percentile)]
    else:
        results = [
            early_stopping.server(len(values), int(np.count_nonzero(values > bound)), load.percentile)
            for values, bound in (
                (measures.ttft_ns, load.tokens.ttft_ns),
                (measures.tpot_ns, load.tokens.tpot_ns),
            )
        ]
    numbers = {key: float(value) for result in results for key, value in result.numbers.items()}
    return tuple(r.result for r in results), numbers


def metric_of(
    measures: Measures, settings: Settings, stopping: tuple[EarlyStopping, ...], numbers: dict[str, float]
) -> Metric | None:
    """The scenario's figure of merit; None when nothing was answered whole."""
    load = settings.load
    if not len(measures.query_latency_ns):
        return None
    if isinstance(load, SingleStream | MultiStream):
        return _latency_metric(measures, load.percentile, stopping)
    if isinstance(load, IntervalMultiStream):
        return Metric("streams", float(load.samples_per_query), "streams", True)
    if isinstance(load, Offline):
        if settings.token_latencies and measures.tokens:
            return Metric("throughput", numbers["result_tokens_per_second"], "tokens/s", True)
        return Metric("throughput", numbers["result_samples_per_second"], "samples/s", True)
    if not load.completed_metric:
        return Metric("scheduled rate", numbers["result_scheduled_samples_per_sec"], "queries/s", True)
    if settings.token_latencies and measures.tokens:
        return Metric("completed rate", numbers["result_completed_tokens_per_second"], "tokens/s", True)
    return Metric("completed rate", numbers["result_completed_samples_per_sec"], "queries/s", True)


def _latency_metric(measures: Measures, wanted: float, stopping: tuple[EarlyStopping, ...]) -> Metric:
    """The early-stopping estimate where there is one: on the safe side of the percentile (since v2.0)."""
    known = interval(measures.query_latency_ns, wanted)
    estimate = next((s.estimate_ns for s in stopping if s.estimate_ns is not None), None)
    note = f"p{wanted:g} as measured is {format_ns(known.value)}" if estimate is not None else ""
    low = float(known.low) if known.low is not None else None
    high = float(known.high) if known.high is not None else None
    value = estimate if estimate is not None else known.value
    return Metric(f"p{wanted:g} latency", float(value), "ns", False, low, high, note)
