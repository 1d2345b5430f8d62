"""From the raw columns of a run to what is reported: the trace, and the generator's account of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlassay.core.settings import IntervalMultiStream, MultiStream, SingleStream
from mlassay.core.trace import NOT_YET, Overhead, Spread, Trace
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.state import Run

Array = np.ndarray[Any, Any]


def trace_of(run: Run, plans: Sequence[Plan]) -> Trace:
    """The columns of what was issued, relative to the run's start."""
    columns, n_queries = run.columns, run.n_issued
    n_samples = int(columns.first_id[n_queries])
    issued = np.frombuffer(columns.issued, np.int64)[:n_queries] - run.start_ns
    returned = np.frombuffer(columns.returned, np.int64)[:n_queries]
    done = _done(run, returned, n_samples)
    index = plans[0].index if len(plans) == 1 else np.concatenate([p.index for p in plans])
    first = None
    if columns.first_array is not None:
        stamps = columns.first_array[:n_samples]
        first = np.where(stamps > 0, stamps - run.start_ns, NOT_YET)
    skipped = None
    if isinstance(run.settings.load, IntervalMultiStream):
        skipped = np.zeros(n_queries, np.int32)
        for row, intervals in run.skipped.items():
            skipped[row] = intervals
    return Trace(
        start_ns=run.start_ns,
        start_unix_ns=run.start_unix_ns,
        due_ns=_due(run, issued),
        issued_ns=issued,
        first_id=columns.first_id[:n_queries],
        index=index[:n_samples],
        done_ns=done,
        first_ns=first,
        n_tokens=columns.tokens_array[:n_samples] if columns.tokens_array is not None else None,
        skipped=skipped,
        planned_queries=sum(len(p.first_id) - 1 for p in plans),
    )


def _done(run: Run, returned: Array, n_samples: int) -> Array:
    """Answers that `issue` returned carry the query's time, the others their own."""
    columns, n_queries = run.columns, len(returned)
    inline = returned > 0
    if n_samples == n_queries:
        stamps = np.where(inline, returned, columns.done_array[:n_samples])
    else:
        stamps = columns.done_array[:n_samples].copy()
        if inline.all() and columns.per_query:
            stamps[:] = np.repeat(returned, columns.per_query)[:n_samples]
        else:
            for row in np.flatnonzero(inline).tolist():
                stamps[columns.first_id[row] : columns.first_id[row + 1]] = returned[row]
    stamps -= run.start_ns
    stamps[stamps < 0] = NOT_YET
    return stamps


def _due(run: Run, issued: Array) -> Array:
    if isinstance(run.settings.load, SingleStream | MultiStream):
        return issued
    parts = run.due_ns
    planned = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else issued
    return planned[: len(issued)]


def overhead_of(run: Run, trace: Trace, cpu_ns: tuple[int, int], gc: tuple[int, int]) -> Overhead:
    """How punctual the generator was, and what it cost. `cpu_ns`: (issuing thread, process); `gc`: (pauses, ns)."""
    answered_inline = np.frombuffer(run.columns.returned, np.int64)[: run.n_issued] > 0
    share = float(answered_inline.mean()) if run.n_issued else 0.0
    arrangement = "inline" if share == 1.0 else "answered by others" if share == 0.0 else "inline and by others"
    return Overhead(
        lateness=spread(own_lateness(run, trace)),
        issue_cpu_s=cpu_ns[0] / 1e9,
        process_cpu_s=cpu_ns[1] / 1e9,
        gc_pauses=gc[0],
        gc_pause_ns=gc[1],
        arrangement=arrangement,
        real_time=run.real_time,
    )


def own_lateness(run: Run, trace: Trace) -> Array:
    """Per query, nanoseconds that the generator itself lost: issued, minus the moment it could have been.

    It could have been at the due time, but not before the SUT gave back control of the issuing thread; in a closed
    loop, when the previous answer was there.
    """
    n_queries = trace.n_queries
    if not n_queries:
        return np.empty(0, np.int64)
    back = np.abs(np.frombuffer(run.columns.returned, np.int64)[:n_queries]) - run.start_ns
    if isinstance(run.settings.load, SingleStream | MultiStream):
        answered = np.maximum.reduceat(trace.done_ns, trace.first_id) if trace.n_samples else back
        possible = np.maximum(np.concatenate([[0], answered[:-1]]), 0)
    else:
        possible = np.maximum(trace.due_ns, np.concatenate([[0], back[:-1]]))
    late: Array = np.maximum(trace.issued_ns - possible, 0)
    return late


def spread(values: Array) -> Spread:
    """Nearest-rank percentiles of non-negative integers."""
    if not values.size:
        return Spread()
    ordered = np.sort(values)
    p50, p90, p99, p999 = (int(ordered[min(len(ordered) - 1, int(len(ordered) * p))]) for p in (0.5, 0.9, 0.99, 0.999))
    return Spread(p50, p90, p99, p999, int(ordered[-1]), len(ordered))
