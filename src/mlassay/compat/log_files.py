"""The log files of one StartTest: their names, and what is in them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.compat.session import Part, Session
from mlassay.compat.settings_objects import LogOutputSettings, LogSettings
from mlassay.core.outcome import Outcome
from mlassay.core.trace import Trace
from mlassay.loadgen.plan import effective
from mlassay.records.atomic import atomic_write
from mlassay.records.loadgen_log import LogFacts, Note, Phase, write_trace_json
from mlassay.records.loadgen_log.detail import write_detail
from mlassay.records.loadgen_log.facts import iso_utc
from mlassay.records.loadgen_log.summary import write_summary


@dataclass(frozen=True, slots=True)
class LogNames:
    """Paths of the four files."""

    summary: Path
    detail: Path
    accuracy: Path
    trace: Path


def names(output: LogOutputSettings, opened_unix_ns: int) -> LogNames:
    """outdir / prefix [date and time _] name suffix . extension"""
    stamp = f"{iso_utc(opened_unix_ns)}_" if output.prefix_with_datetime else ""
    start = f"{output.prefix}{stamp}"
    folder = Path(output.outdir)
    return LogNames(
        folder / f"{start}summary{output.suffix}.txt",
        folder / f"{start}detail{output.suffix}.txt",
        folder / f"{start}accuracy{output.suffix}.json",
        folder / f"{start}trace{output.suffix}.json",
    )


def write(session: Session, outcome: Outcome, logs: LogSettings, files: LogNames, opened_unix_ns: int) -> None:
    """Summary, detail and trace; the accuracy log has been written meanwhile."""
    library = session.library
    settings = session.settings
    phases = [phase for part in session.parts for phase in _phases(part)]
    asked_ns = time.perf_counter_ns()
    sut_name = session.sut.name()
    said_ns = time.perf_counter_ns()
    facts = LogFacts(
        figures=effective(settings, library.total_count, library.performance_count),
        phases=tuple(phases),
        opened_unix_ns=opened_unix_ns,
        early=tuple(session.early),
        sut_name=sut_name,
        sut_name_ns=said_ns - asked_ns,
        qsl_name=library.name,
        qsl_total_count=library.total_count,
        qsl_performance_count=library.performance_count,
    )
    write_summary(files.summary, settings, outcome, facts)
    write_detail(files.detail, settings, outcome, facts)
    if logs.enable_trace and session.parts:
        write_trace_json(files.trace, joined(session.parts), opened_unix_ns=opened_unix_ns, pid=facts.pid)
    else:
        atomic_write(files.trace, b"")
    for wanted, path in (
        (logs.log_output.copy_summary_to_stdout, files.summary),
        (logs.log_output.copy_detail_to_stdout, files.detail),
    ):
        if wanted:
            sys.stdout.write(path.read_text(encoding="utf-8"))
            sys.stdout.flush()


def with_inferred_tokens(outcome: Outcome, values: dict[str, Any]) -> Outcome:
    """Token rates of models whose samples are taken to have a fixed number of tokens."""
    if not values["infer_token_latencies"]:
        return outcome
    numbers, factor = dict(outcome.numbers), values["token_latency_scaling_factor"]
    for source, target in (
        ("result_samples_per_second", "result_inferred_tokens_per_second"),
        ("result_completed_samples_per_sec", "result_inferred_completed_tokens_per_second"),
    ):
        if source in numbers:
            numbers[target] = numbers[source] * factor
    return replace(outcome, numbers=numbers)


def _phases(part: Part) -> list[Phase]:
    """One phase per loaded set; its times are those of its first query and its last answer."""
    trace = part.recording.trace
    phases, row = [], 0
    for number, plan in enumerate(part.plans):
        rows = slice(row, row + plan.generated_query_count)
        row = rows.stop
        issued = trace.issued_ns[rows]
        if number and not len(issued):
            break
        samples = slice(rows.start * plan.samples_per_query, rows.stop * plan.samples_per_query)
        done = trace.done_ns[samples]
        begin = trace.start_unix_ns + (int(issued[0]) if number else 0)
        end = trace.start_unix_ns + (int(done.max()) if done.size and done.max() > 0 else 0)
        notes: tuple[Note, ...] = tuple(part.notes) if number == len(part.plans) - 1 else ()
        phases.append(
            Phase(
                mode=plan.mode,
                loaded=plan.load,
                query_count=plan.generated_query_count,
                samples_per_query=plan.samples_per_query,
                schedule_ns=plan.generated_duration_ns,
                begin_unix_ns=begin,
                end_unix_ns=max(begin, end),
                notes=notes,
            )
        )
    return phases


def joined(parts: list[Part]) -> Trace:
    """One trace of all parts: samples numbered on, times since the first part's start."""
    traces = [part.recording.trace for part in parts]
    if len(traces) == 1:
        return traces[0]
    shifts = [t.start_ns - traces[0].start_ns for t in traces]
    numbers = np.cumsum([0] + [t.n_samples for t in traces])

    def times(name: str) -> Any:
        columns = [getattr(trace, name) for trace in traces]
        return np.concatenate([np.where(c < 0, c, c + s) for c, s in zip(columns, shifts, strict=True)])

    return replace(
        traces[0],
        due_ns=times("due_ns"),
        issued_ns=times("issued_ns"),
        first_id=np.concatenate([t.first_id + n for t, n in zip(traces, numbers, strict=False)]),
        index=np.concatenate([t.index for t in traces]),
        done_ns=times("done_ns"),
        first_ns=times("first_ns") if all(t.first_ns is not None for t in traces) else None,
        n_tokens=None,
        skipped=None,
    )
