"""The numbers of a run, from its trace: latencies, rates, token times, under the keys of the official detail log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings
from mlassay.core.trace import Trace
from mlassay.stats.percentile import latency_summary

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured on the answered part of a run. Arrays hold ns; empty when nothing was answered."""

    query_latency_ns: Array  # (Q',) of fully answered queries: last sample's answer minus due
    sample_latency_ns: Array  # (N',) of answered samples
    duration_ns: int  # from the start to the last answer
    last_due_ns: int  # the last query's scheduled moment: what the minimum duration is held against
    unanswered: int
    ttft_ns: Array
    tpot_ns: Array
    tokens: int
    latency: Mapping[str, int] = field(default_factory=dict)
    ttft: Mapping[str, int] = field(default_factory=dict)
    tpot: Mapping[str, int] = field(default_factory=dict)


def measure(trace: Trace, settings: Settings) -> Measures:
    """Latency counts from when the query was due (inference rules, "Scenarios")."""
    done = trace.done_ns
    answered = done >= 0
    counts = np.diff(np.append(trace.first_id, trace.n_samples)) if trace.n_queries else np.empty(0, np.int64)
    if trace.n_samples == trace.n_queries:
        latency = done - trace.due_ns
        query_latency = latency = latency if answered.all() else latency[answered]
    else:
        latency = done - np.repeat(trace.due_ns, counts)
        if answered.all():
            query_latency = np.maximum.reduceat(latency, trace.first_id) if trace.n_queries else latency
        else:
            whole = np.logical_and.reduceat(answered, trace.first_id)
            query_latency = np.maximum.reduceat(latency, trace.first_id)[whole]
            latency = latency[answered]
    ttft, tpot, tokens = _token_times(trace, counts)
    return Measures(
        query_latency_ns=query_latency,
        sample_latency_ns=latency,
        duration_ns=int(done.max()) if answered.any() else 0,
        last_due_ns=int(trace.due_ns[-1]) if trace.n_queries else 0,
        unanswered=int(done.size - np.count_nonzero(answered)),
        ttft_ns=ttft,
        tpot_ns=tpot,
        tokens=tokens,
        latency=latency_summary(latency),
        ttft=latency_summary(ttft),
        tpot=latency_summary(tpot),
    )


def _token_times(trace: Trace, counts: Array) -> tuple[Array, Array, int]:
    """(time to first token, time per output token, tokens). The first token is not an "output" step: n - 1 steps."""
    nothing = np.empty(0, np.int64)
    if trace.first_ns is None or trace.n_tokens is None:
        return nothing, nothing, 0
    good = (trace.first_ns >= 0) & (trace.done_ns >= 0)
    due = np.repeat(trace.due_ns, counts)
    steps = np.maximum(trace.n_tokens - 1, 1)
    tpot = (trace.done_ns - trace.first_ns) // steps
    return (trace.first_ns - due)[good], tpot[good], int(trace.n_tokens[trace.done_ns >= 0].sum())


def official_numbers(measures: Measures, trace: Trace, settings: Settings) -> dict[str, float]:
    """The `result_...` figures of the official detail log for this scenario, in its order."""
    load, numbers = settings.load, {}
    numbers["result_query_count"] = float(trace.n_queries)
    n_samples = len(measures.sample_latency_ns)
    if isinstance(load, Server):
        late = int(np.count_nonzero(measures.sample_latency_ns > load.latency_bound_ns))
        numbers["result_overlatency_query_count"] = float(late)  # of whole samples, with token bounds too
        numbers["result_scheduled_samples_per_sec"] = _rate(trace.n_queries - 1, measures.last_due_ns)
        numbers["result_completed_samples_per_sec"] = _rate(n_samples - 1, measures.duration_ns)
    elif isinstance(load, Offline):
        numbers["result_samples_per_second"] = _rate(n_samples, measures.duration_ns)
    elif isinstance(load, MultiStream | IntervalMultiStream):
        summary = latency_summary(measures.query_latency_ns)
        for name in ("min", "max", "mean"):
            numbers[f"result_{name}_query_latency_ns"] = float(summary.get(name, 0))
        numbers |= dict(_percentile_keys(summary, "result_{}_percentile_per_query_latency_ns"))
    else:
        numbers["result_qps_with_loadgen_overhead"] = _rate(trace.n_queries, measures.duration_ns)
        mean = measures.latency.get("mean", 0)
        numbers["result_qps_without_loadgen_overhead"] = 1e9 / mean if mean else 0.0
    numbers |= _latency_keys(measures.latency)
    if settings.token_latencies:
        numbers |= _token_keys(measures, trace, settings)
    return numbers


def over_latency(measures: Measures, load: Server) -> int:
    """Samples above a bound; with token bounds, above either of the two counts once per bound's worst."""
    if load.tokens is not None:
        late_first = int(np.count_nonzero(measures.ttft_ns > load.tokens.ttft_ns))
        late_each = int(np.count_nonzero(measures.tpot_ns > load.tokens.tpot_ns))
        return max(late_first, late_each)
    return int(np.count_nonzero(measures.sample_latency_ns > load.latency_bound_ns))


def _latency_keys(summary: Mapping[str, int]) -> dict[str, float]:
    numbers = {f"result_{name}_latency_ns": float(summary.get(name, 0)) for name in ("min", "max", "mean")}
    return numbers | dict(_percentile_keys(summary, "result_{}_percentile_latency_ns"))


def _token_keys(measures: Measures, trace: Trace, settings: Settings) -> dict[str, float]:
    numbers = {
        f"result_first_token_{name}_latency_ns": float(measures.ttft.get(name, 0)) for name in ("min", "max", "mean")
    }
    numbers |= dict(_percentile_keys(measures.ttft, "result_first_token_{}_percentile_latency_ns"))
    numbers |= dict(_percentile_keys(measures.tpot, "result_time_per_output_token_{}_percentile_ns"))
    for name in ("min", "max", "mean"):
        numbers[f"result_time_to_output_token_{name}"] = float(measures.tpot.get(name, 0))
    rate = _rate(measures.tokens, measures.duration_ns)
    if isinstance(settings.load, Offline):
        numbers["result_tokens_per_second"] = rate
        return numbers
    numbers["result_completed_tokens_per_second"] = rate
    issuing_ns = int(trace.issued_ns[-1]) if trace.n_queries else 0
    numbers["result_token_throughput_with_loadgen_overhead"] = _rate(measures.tokens, issuing_ns)
    total_ns = float(measures.sample_latency_ns.sum())
    numbers["result_token_throughput"] = measures.tokens / total_ns if total_ns else 0.0  # per ns of latency
    return numbers


def _percentile_keys(summary: Mapping[str, int], pattern: str) -> list[tuple[str, float]]:
    wanted = ("50", "90", "95", "97", "99", "99.9")
    return [(pattern.format(f"{float(p):.2f}"), float(summary.get(p, 0))) for p in wanted]


def _rate(count: int, duration_ns: int) -> float:
    """Per second; zero when nothing passed."""
    return max(count, 0) / (duration_ns / 1e9) if duration_ns > 0 else 0.0
