"""Carry out a plan: schedule + SUT + clock -> Recording, whatever the SUT does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlassay.core.clock import Clock, RealClock
from mlassay.core.errors import MlassayError, SutFailure
from mlassay.core.settings import Settings
from mlassay.core.sut import SUT, SampleLibrary
from mlassay.core.trace import Fault, FaultKind, Recording
from mlassay.loadgen.assemble import overhead_of, trace_of
from mlassay.loadgen.faults import FaultLog
from mlassay.loadgen.loops import collector, common_loop, wait_for
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.sink import Columns, Completions, Keep
from mlassay.loadgen.state import Run
from mlassay.loadgen.supervise import Supervisor, SutHung, Watch
from mlassay.loadgen.waiting import first_in_line, idle_for, precise_timers, quick_handover


def drive(
    settings: Settings,
    plans: Sequence[Plan],
    sut: SUT,
    samples: SampleLibrary,
    *,
    clock: Clock | None = None,
    keep: Keep | None = None,
    keep_first: Keep | None = None,
    watch: Watch | None = None,
    close: bool = True,
) -> Recording:
    """Run every plan of one run on `sut` and return all that was measured, whatever the SUT did.

    `keep` receives the outputs that are wanted (accuracy runs); without it outputs are dropped as they come.
    `keep_first` receives first tokens, from SUTs that hand them over.
    `watch` looks on: progress, spooling, a reason to stop early. `close`: close the SUT at the end, so that answers
    that come too late are seen. Raises SutFailure only when the SUT cannot even open; every later breach is a fault in
    the recording. An interrupt (Ctrl-C) ends the run, not the program: the recording says "interrupted".
    """
    clock = clock or RealClock()
    first_id = _all_first_ids(plans)
    faults = FaultLog()
    columns = Columns(first_id, tokens=settings.token_latencies)
    sink = Completions(columns, faults, clock.now_ns, keep, keep_first)
    run = Run(settings, sut, clock, columns, sink, faults)
    _open(sut, sink, samples)
    cpu = time.thread_time_ns(), time.process_time_ns()
    supervisor = Supervisor(run, plans, watch or Watch())
    idle_for(0)  # measures the machine at its first use: not while the first query is due
    with precise_timers(), quick_handover(), supervisor:
        cpu = time.thread_time_ns(), time.process_time_ns()
        try:
            for plan in plans:
                _one_plan(run, plan, samples)
                if sink.ending:
                    break
        except KeyboardInterrupt:
            run.ended = "interrupted"
        except SutHung as hung:
            run.ended = f"stopped: {FaultKind.HUNG}"
            faults.add(FaultKind.HUNG, str(hung))
        cpu = time.thread_time_ns() - cpu[0], time.process_time_ns() - cpu[1]
        run.ended = run.ended or sink.failed or "complete"
        _close(run, close)
    trace = trace_of(run, plans)
    return Recording(
        trace=trace,
        overhead=overhead_of(run, trace, cpu, (supervisor.gc_pauses, supervisor.gc_pause_ns)),
        faults=_with_unanswered(run, trace.done_ns),
        ended=run.ended,
    )


def _all_first_ids(plans: Sequence[Plan]) -> np.ndarray[Any, Any]:
    parts = [np.zeros(1, np.int64)]
    base = 0
    for plan in plans:
        parts.append(np.asarray(plan.first_id[1:], np.int64) + base)
        base = int(parts[-1][-1])
    return np.concatenate(parts)


def _open(sut: SUT, sink: Completions, samples: SampleLibrary) -> None:
    try:
        sut.open(sink, samples)
    except MlassayError:
        raise
    except Exception as error:
        raise SutFailure(
            f"the SUT could not open: {type(error).__name__}: {error}",
            hint="run with MLASSAY_DEBUG=1 for the traceback",
        ) from error


def _close(run: Run, close: bool) -> None:
    run.sink.close()
    if not close:
        return
    run.phase = "close"
    try:
        run.sut.close()
    except (SutHung, KeyboardInterrupt):
        run.faults.add(FaultKind.HUNG, "close did not come back")
    except Exception as error:  # noqa: BLE001 - a SUT that cannot close is a fault, not a crash of the run
        run.faults.add(FaultKind.RAISED, f"in close: {type(error).__name__}: {error}")


def _with_unanswered(run: Run, done_ns: np.ndarray[Any, Any]) -> tuple[Fault, ...]:
    """Add what was asked and never answered, unless the run was cut short from outside."""
    missing = np.flatnonzero(done_ns < 0)
    if missing.size and run.ended != "interrupted":
        run.faults.add(
            FaultKind.NEVER,
            f"{missing.size} of {done_ns.size} samples were never answered",
            first_id=int(missing[0]),
            count=int(missing.size),
        )
    return run.faults.entries()


# ---- one loadable set ---------------------------------------------------------------------------------------------


def _one_plan(run: Run, plan: Plan, samples: SampleLibrary) -> None:
    """Load untimed, issue, flush, wait for the rest, unload."""
    samples.load(plan.load)
    prepare = getattr(run.sut, "prepare", None)
    if prepare is not None:
        prepare(plan.load)
    try:
        row = run.n_issued
        try:
            with _ahead_of_others(run) as run.real_time:
                if run.start_ns == 0:
                    run.start_unix_ns = time.time_ns()
                    run.start_ns = run.clock.now_ns()
                _loop_for(run)(run, plan, row)
            run.sink.baton = None
            run.phase = "flush"
            run.sut.flush()
            run.phase = "issue"
        except MlassayError:
            raise
        except SutHung:
            raise
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            run.faults.add(FaultKind.RAISED, f"{type(error).__name__}: {error}", first_id=_issued_samples(run))
            run.sink.stop(f"stopped: {FaultKind.RAISED}")
        _count_issued(run)
        if not run.sink.failed:
            _drain(run)
    finally:
        _count_issued(run)
        samples.unload(plan.load)


def _ahead_of_others(run: Run) -> contextlib.AbstractContextManager[bool]:
    """A thread that only issues, because the SUT works in other processes, goes first on its core."""
    if collector(run) is None or not run.onlooker:
        return contextlib.nullcontext(False)
    return first_in_line(run.onlooker)


def _count_issued(run: Run) -> None:
    issued = np.frombuffer(run.columns.issued, np.int64)
    run.n_issued = int(np.count_nonzero(issued))


def _issued_samples(run: Run) -> int:
    _count_issued(run)
    return int(run.columns.first_id[run.n_issued])


def _loop_for(run: Run) -> Callable[[Run, Plan, int], None]:
    """The loop of the scenario. An adapter whose queries are of another kind may bring its own as `own_loop`."""
    own: Callable[[Run, Plan, int], None] | None = getattr(run.sut, "own_loop", None)
    return own or common_loop(run.settings)


def _drain(run: Run) -> None:
    """Wait until every issued sample is answered. The supervisor ends a wait that leads nowhere."""
    answered = _answered_counter(run)
    if answered():
        return
    if run.clock.virtual:
        wait_for(run, answered)
        return
    wait = collector(run) or time.sleep
    pause_s = 50e-6
    while not answered() and not run.sink.failed:
        wait(pause_s)
        pause_s = min(pause_s * 1.5, 5e-3)


def _answered_counter(run: Run) -> Callable[[], bool]:
    """A test for "all answered" that never looks twice at what is known to be done."""
    columns = run.columns
    done = columns.done_array
    returned = np.frombuffer(columns.returned, np.int64)
    last_row = run.n_issued
    state = {"row": 0}

    def all_answered() -> bool:
        row = state["row"]
        while row < last_row:
            end = min(row + 8192, last_row)
            inline = returned[row:end] > 0
            if not inline.all():
                first, last = int(columns.first_id[row]), int(columns.first_id[end])
                open_samples = done[first:last] == 0
                if columns.per_query and len(open_samples) == columns.per_query * (end - row):
                    open_rows = open_samples.reshape(end - row, -1).any(axis=1) & ~inline
                else:
                    rows = columns.rows(np.arange(first, last)) - row
                    open_rows = np.zeros(end - row, bool)
                    open_rows[rows[open_samples]] = True
                    open_rows &= ~inline
                if open_rows.any():
                    state["row"] = row
                    return False
            row = end
        state["row"] = row
        return True

    return all_answered
