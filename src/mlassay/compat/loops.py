"""The issuing loops for a harness's callbacks, as short as they can be: `loadgen.drive` without its Query objects.

Same stamps, same columns, same ends as the loops there; a query goes to the callback as the list it wants. Offline and
coalesced queries, where a call carries many samples, go through `drive` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from mlassay.compat.answers import Answers
from mlassay.compat.samples import QuerySample
from mlassay.core.settings import MultiStream, Server, SingleStream
from mlassay.loadgen.loops import BLOCK, absolute, length, punctual, wait_for
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.state import Run

Loop = Callable[[Run, Plan, int], None]
Issue = Callable[..., Any]

NEVER_NS = 1 << 62


def loop_for(run: Run, answers: Answers, issue: Issue, *, fast: bool) -> Loop | None:
    """The loop for this run's scenario, or None where the common one serves."""
    load = run.settings.load
    if isinstance(load, SingleStream):
        make: Callable[..., Loop] = _one_by_one
    elif isinstance(load, MultiStream):
        make = _one_after_the_other
    elif isinstance(load, Server) and not load.coalesce and not load.max_async_queries:
        make = _at_due_times
    else:
        return None
    return make(answers, issue, fast)


def _indices(plan: Plan) -> Iterator[int]:
    """The plan's sample indices as plain integers, a block at a time."""
    for begin in range(0, len(plan.index), BLOCK):
        yield from plan.index[begin : begin + BLOCK].tolist()


def _give_up_at(run: Run) -> int:
    limit_ns = run.settings.max_duration_ns
    return run.start_ns + limit_ns if limit_ns else NEVER_NS


def _one_by_one(answers: Answers, issue: Issue, fast: bool) -> Loop:
    """SingleStream: row and sample number are the same."""

    def loop(run: Run, plan: Plan, row: int) -> None:
        now, sink, done, issued, base = run.clock.now_ns, run.sink, answers.done, run.columns.issued, answers.base
        stop_at, least, most = length(run, plan, row)
        give_up_at = _give_up_at(run)
        for index in islice(_indices(plan), most - row):
            begin = now()
            issued[row] = begin
            answers.top = row + 1
            if fast:
                issue([row + base], [index])
            else:
                issue([QuerySample(row + base, index)])
            if not done[row] and not wait_for(run, lambda sample=row: bool(done[sample])):  # type: ignore[misc]
                return
            row += 1
            if (row >= least and begin >= stop_at) or sink.ending or begin >= give_up_at:
                return

    return loop


def _one_after_the_other(answers: Answers, issue: Issue, fast: bool) -> Loop:
    """MultiStream: queries of several samples."""

    def loop(run: Run, plan: Plan, row: int) -> None:
        now, sink, done, issued, base = run.clock.now_ns, run.sink, answers.done, run.columns.issued, answers.base
        stop_at, least, most = length(run, plan, row)
        give_up_at = _give_up_at(run)
        size = plan.samples_per_query
        first = int(run.columns.first_id[row])
        for group in islice(zip(*[_indices(plan)] * size, strict=True), most - row):
            end = first + size
            ids = range(first + base, end + base)
            begin = now()
            issued[row] = begin
            answers.top = end
            if fast:
                issue(list(ids), list(group))
            else:
                issue(list(map(QuerySample, ids, group)))
            if not all(done[first:end]) and not wait_for(run, lambda a=first, b=end: all(done[a:b])):  # type: ignore[misc]
                return
            row += 1
            first = end
            if (row >= least and begin >= stop_at) or sink.ending or begin >= give_up_at:
                return

    return loop


def _at_due_times(answers: Answers, issue: Issue, fast: bool) -> Loop:
    """Server: each query at its own time; `returned` keeps when the callback gave the thread back."""

    def loop(run: Run, plan: Plan, row: int) -> None:
        load = run.settings.load
        assert isinstance(load, Server)
        now, sink, base = run.clock.now_ns, run.sink, answers.base
        issued, returned = run.columns.issued, run.columns.returned
        until = punctual(run, load.target_qps)
        begin_ns = now() if row else run.start_ns
        run.due_ns.append(plan.due_ns + (begin_ns - run.start_ns))
        give_up_at = _give_up_at(run)
        most = run.settings.max_query_count or NEVER_NS
        moment = now()
        for index, due in islice(zip(_indices(plan), absolute(plan.due_ns, begin_ns), strict=True), most):
            if moment < due:
                moment = until(due)
            issued[row] = moment
            answers.top = row + 1
            if fast:
                issue([row + base], [index])
            else:
                issue([QuerySample(row + base, index)])
            moment = now()
            returned[row] = -moment
            row += 1
            if sink.ending or moment >= give_up_at:
                return

    return loop
