"""The only loops with a clock in them: one per kind of load.

Each stamps a query just before it hands it over and just after it gets control back. Two stamps, two stores and one
call per query: nothing else happens between an answer and the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from mlassay.core.clock import RealClock
from mlassay.core.query import Query
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.sut import Outputs
from mlassay.core.trace import FaultKind
from mlassay.loadgen.baton import Baton
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.state import Run
from mlassay.loadgen.waiting import sleeper

BLOCK = 4_096
"""So many queries are turned into Python objects at a time: bounded memory at any length, and no query is late for it
by more than some hundred microseconds."""

FEW = 32
"""Up to so many samples of a query are looked at in Python rather than by numpy."""

COLLECT_ROOM_NS = 300_000
"""Answers are fetched until so long before the next query is due."""

COLLECT_WAIT_S = 0.2
"""And when nothing else is to be done, for so long before looking at the run's state again."""

make_query: Callable[[Any], Query] = partial(tuple.__new__, Query)
"""Query from (first_id, indices) without the cost of a Python-level constructor."""


def common_loop(settings: Settings) -> Callable[[Run, Plan, int], None]:
    """The loop of a scenario for SUTs that take queries."""
    load = settings.load
    if isinstance(load, SingleStream | MultiStream):
        return _closed_loop
    if isinstance(load, IntervalMultiStream):
        return _interval_loop
    if isinstance(load, Offline):
        return _offline
    return _coalescing_loop if load.coalesce else _open_loop


def _queries(plan: Plan, base_id: int) -> Iterator[Query]:
    """The plan's queries as objects, a block at a time."""
    size = plan.samples_per_query
    n_whole = (len(plan.first_id) - 1) if len(plan.index) % size == 0 else len(plan.index) // size
    for begin in range(0, n_whole, BLOCK):
        end = min(begin + BLOCK, n_whole)
        indices = plan.index[begin * size : end * size].tolist()
        groups: Iterable[tuple[int, ...]] = zip(*[iter(indices)] * size, strict=True)
        yield from map(make_query, zip(count(base_id + begin * size, size), groups))
    rest = plan.index[n_whole * size :]
    if len(rest):
        yield Query(base_id + n_whole * size, tuple(rest.tolist()))


def wait_for(run: Run, ready: Callable[[], bool]) -> bool:
    """Block until `ready()` or the run must stop; False in the second case. A virtual clock steps to its next plan.

    The baton stays with the sink until the loop's end: in a closed loop the next wait is near.
    """
    sink, clock = run.sink, run.clock
    if clock.virtual:
        step = clock.step  # type: ignore[attr-defined]
        while not ready():
            if sink.failed:
                return False
            if not step():
                sink.stop(f"stopped: {FaultKind.NEVER}")
                return False
        return True
    collect = collector(run)
    if collect is not None:
        while not ready() and not sink.failed:
            collect(COLLECT_WAIT_S)
        return not sink.failed
    baton = sink.baton
    if baton is None:
        baton = sink.baton = Baton()
    begin_ns = clock.now_ns()
    baton.wait(lambda: ready() or bool(sink.failed))
    baton.learn(sink.last_ns - begin_ns)
    return not sink.failed


# ---- the loops ----------------------------------------------------------------------------------------------------


def _closed_loop(run: Run, plan: Plan, row: int) -> None:
    """SingleStream and MultiStream since v2.0: ask, wait for the answer, ask again."""
    settings, sink, issue, now = run.settings, run.sink, run.sut.issue, run.clock.now_ns
    issued, returned, done = run.columns.issued, run.columns.returned, run.columns.done
    size, take, keeps = plan.samples_per_query, sink.take_inline, sink.wants_outputs
    stop_at, least, most = length(run, plan, row)
    give_up_at = run.start_ns + settings.max_duration_ns if settings.max_duration_ns else 1 << 62
    base_id = int(run.columns.first_id[row])
    run.due_ns.append(np.empty(0, np.int64))  # due when issued
    for query in _queries(plan, base_id):
        begin = now()
        issued[row] = begin
        outputs = issue(query)
        if outputs is not None:
            returned[row] = now()
            if keeps or len(outputs) != size:
                take(query.first_id, len(query.indices), outputs)
        else:
            returned[row] = -now()
            if (size > 1 or not done[query[0]]) and not _await_query(run, query, done):
                return
        row += 1
        if (begin >= stop_at and row >= least) or row >= most or begin >= give_up_at or sink.ending:
            return


def _await_query(run: Run, query: Query, done: memoryview) -> bool:
    first_id, indices = query
    last = first_id + len(indices)
    if last - first_id == 1:
        return bool(done[first_id]) or wait_for(run, lambda: bool(done[first_id]))
    if last - first_id <= FEW:
        return all(done[first_id:last]) or wait_for(run, lambda: all(done[first_id:last]))
    column = run.columns.done_array[first_id:last]
    return bool(column.all()) or wait_for(run, lambda: bool(column.all()))


def length(run: Run, plan: Plan, row: int) -> tuple[int, int, int]:
    """When a closed loop may end: (time, least rows, most rows). Accuracy plans run to their end."""
    settings = run.settings
    planned = row + len(plan.first_id) - 1
    if plan.whole:
        return 1 << 62, planned, planned
    most = min(planned, row + settings.max_query_count) if settings.max_query_count else planned
    return run.start_ns + settings.min_duration_ns, row + plan.min_query_count, most


def _open_loop(run: Run, plan: Plan, row: int) -> None:
    """Server: each query at its own time, whatever became of the ones before."""
    settings, sink, issue, now = run.settings, run.sink, run.sut.issue, run.clock.now_ns
    issued, returned = run.columns.issued, run.columns.returned
    take, keeps = sink.take_inline, sink.wants_outputs
    load = settings.load
    assert isinstance(load, Server)
    until = punctual(run, load.target_qps)
    limit, first_row = load.max_async_queries, row
    begin_ns = run.clock.now_ns() if row else run.start_ns
    give_up_at = run.start_ns + settings.max_duration_ns if settings.max_duration_ns else 1 << 62
    most = settings.max_query_count or 1 << 62
    run.due_ns.append(plan.due_ns + (begin_ns - run.start_ns))
    for query, due in zip(_queries(plan, int(run.columns.first_id[row])), absolute(plan.due_ns, begin_ns), strict=True):
        moment = now()
        if moment < due:
            moment = until(due)
        if limit and not _below_limit(run, row, limit):
            return
        issued[row] = moment
        outputs = issue(query)
        if outputs is not None:
            returned[row] = now()
            if keeps or len(outputs) != 1:
                take(query.first_id, 1, outputs)
        else:
            returned[row] = -now()
        row += 1
        if sink.ending or moment >= give_up_at or row - first_row >= most:
            return


def collector(run: Run) -> Callable[[float], bool] | None:
    """The SUT's `collect`, if its answers wait to be fetched (core.sut)."""
    collect: Callable[[float], bool] | None = getattr(run.sut, "collect", None)
    return collect


def punctual(run: Run, rate_hz: float) -> Callable[[int], int]:
    """A `sleep_until(due_ns) -> now_ns`; where the SUT's answers are to be fetched, that is done meanwhile."""
    if run.clock.virtual or not isinstance(run.clock, RealClock):
        return run.clock.sleep_until
    until, collect, now = sleeper(rate_hz, shared=True), collector(run), run.clock.now_ns
    if collect is None:
        return until

    def until_collecting(due_ns: int) -> int:
        while (rest_ns := due_ns - now() - COLLECT_ROOM_NS) > 0:
            collect(min(rest_ns * 1e-9, COLLECT_WAIT_S))
        return until(due_ns)

    return until_collecting


def absolute(due_ns: np.ndarray[Any, Any], start_ns: int) -> Iterator[int]:
    for begin in range(0, len(due_ns), BLOCK):
        yield from (due_ns[begin : begin + BLOCK] + start_ns).tolist()


def _below_limit(run: Run, row: int, limit: int) -> bool:
    """Wait until fewer than `limit` queries are in flight."""
    columns = run.columns
    done = columns.done_array

    def below() -> bool:
        returned = np.frombuffer(columns.returned, np.int64)[:row]
        waiting = (returned < 0) & (done[:row] == 0)
        return int(np.count_nonzero(waiting)) < limit

    return below() or wait_for(run, below)


def _coalescing_loop(run: Run, plan: Plan, row: int) -> None:
    """Server, all that is due handed over as one query. Every sample keeps its own row and due time."""
    settings, sink, issue, now = run.settings, run.sink, run.sut.issue, run.clock.now_ns
    load = settings.load
    assert isinstance(load, Server)
    until = punctual(run, load.target_qps)
    issued = np.frombuffer(run.columns.issued, np.int64)
    returned = np.frombuffer(run.columns.returned, np.int64)
    begin_ns = run.clock.now_ns() if row else run.start_ns
    due_ns = plan.due_ns + begin_ns
    run.due_ns.append(plan.due_ns + (begin_ns - run.start_ns))
    base_id, base_row, n_queries = int(run.columns.first_id[row]), row, len(due_ns)
    most = min(n_queries, settings.max_query_count or n_queries)
    give_up_at = run.start_ns + settings.max_duration_ns if settings.max_duration_ns else 1 << 62
    position = 0
    while position < most and not sink.ending:
        moment = now()
        due = int(due_ns[position])
        if moment < due:
            moment = until(due)
        end = max(position + 1, int(np.searchsorted(due_ns[:most], moment, "right")))
        issued[base_row + position : base_row + end] = moment
        query = Query(base_id + position, tuple(plan.index[position:end].tolist()))
        outputs = issue(query)
        back = now()
        returned[base_row + position : base_row + end] = back if outputs is not None else -back
        if outputs is not None and (sink.wants_outputs or len(outputs) != end - position):
            sink.take_inline(query.first_id, end - position, outputs)
        position = end
        if moment >= give_up_at:
            return


def _interval_loop(run: Run, plan: Plan, row: int) -> None:
    """MultiStream of v0.5 to v1.0: a query every interval; a busy SUT skips intervals and delays the rest.

    Inference rules v0.5, "Multi-stream": a query is issued at the next interval after the previous one is answered;
    each interval that passes meanwhile counts as skipped for the query that caused it.
    """
    settings, sink, issue, now = run.settings, run.sink, run.sut.issue, run.clock.now_ns
    load = settings.load
    assert isinstance(load, IntervalMultiStream)
    until = punctual(run, 1e9 / load.interval_ns)
    stop_at, least, most = length(run, plan, row)
    begin_ns = run.clock.now_ns() if row else run.start_ns
    tick = 0
    due: list[int] = []
    done = run.columns.done
    try:
        for query in _queries(plan, int(run.columns.first_id[row])):
            due_ns = begin_ns + tick * load.interval_ns
            moment = max(now(), until(due_ns))
            due.append(due_ns - run.start_ns)
            run.columns.issued[row] = moment
            outputs = issue(query)
            back = now()
            run.columns.returned[row] = back if outputs is not None else -back
            if outputs is not None:
                if sink.wants_outputs or len(outputs) != len(query.indices):
                    sink.take_inline(query.first_id, len(query.indices), outputs)
            elif not _await_query(run, query, done):
                return
            answered = back if outputs is not None else now()
            late_ticks = max(0, (answered - begin_ns - 1) // load.interval_ns - tick)
            if late_ticks:
                run.skipped[row] = int(late_ticks)
            tick += 1 + int(late_ticks)
            row += 1
            if (due_ns >= stop_at and row >= least) or row >= most or sink.ending:
                return
    finally:
        run.due_ns.append(np.asarray(due, np.int64))


def _offline(run: Run, plan: Plan, row: int) -> None:
    """One query with every sample (accuracy runs may add a remainder)."""
    sink, now = run.sink, run.clock.now_ns
    begin_ns = run.clock.now_ns() if row else run.start_ns
    run.due_ns.append(np.full(len(plan.first_id) - 1, begin_ns - run.start_ns, np.int64))
    base_id = int(run.columns.first_id[row])
    for first, last in zip(plan.first_id[:-1].tolist(), plan.first_id[1:].tolist(), strict=True):
        query = Query(base_id + first, _as_sequence(plan.index[first:last]))
        run.columns.issued[row] = now()
        outputs: Outputs | None = run.sut.issue(query)
        back = now()
        run.columns.returned[row] = back if outputs is not None else -back
        if outputs is not None and (sink.wants_outputs or len(outputs) != last - first):
            sink.take_inline(query.first_id, last - first, outputs)
        row += 1
        if sink.ending:
            return


def _as_sequence(indices: np.ndarray[Any, Any]) -> Sequence[int]:
    """A million indices stay an array: it is a sequence of integers in all but name."""
    return indices  # type: ignore[return-value]
