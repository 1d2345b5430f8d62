"""StartTest: a run for a harness of the official interface, from its settings to the log files."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlassay.compat import log_files
from mlassay.compat.handles import LibraryCallbacks, SutCallbacks
from mlassay.compat.search import find_peak
from mlassay.compat.session import Part, Session
from mlassay.compat.settings_objects import LogSettings, TestSettings, audited, named_values, pending_errors
from mlassay.core.enums import Mode
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Offline, Settings
from mlassay.core.units import NS_PER_MS
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.records.loadgen_log import AccuracyLogWriter, Level, Note
from mlassay.rules.conf import ConfKind, read_conf
from mlassay.rules.official_settings import settings_from_official

STALL_TIMEOUT_VARIABLE = "MLASSAY_STALL_TIMEOUT_S"
"""Environment variable: how long a run may go without any answer while queries are open. Default 300 s."""

YOUNG_OBJECTS = 50_000
"""New objects before the garbage collector looks at them during a run: the queries of a second are not garbage."""

_running = threading.Lock()


def start_test(
    sut: SutCallbacks, library: LibraryCallbacks, test: TestSettings, logs: LogSettings, audit_path: str
) -> None:
    """Run, judge, write the logs. Raises what a callback of the harness raised, after the logs are written.

    Also raises UsageError for settings that no run can satisfy, MachineProblem when a log cannot be written.
    """
    if not _running.acquire(blocking=False):
        raise RuntimeError("a test is running in this process already; one at a time")
    try:
        opened_unix_ns = time.time_ns()
        values, early = _final_values(test, audit_path)
        settings = _settings(values)
        names = log_files.names(logs.log_output, opened_unix_ns)
        with AccuracyLogWriter(names.accuracy) as writer:
            session = Session(values, settings, sut, library, writer, early)
            with _calm_collector():
                outcome = _run(session)
        log_files.write(session, outcome, logs, names, opened_unix_ns)
    finally:
        _running.release()
    if session.error is not None:
        raise session.error


def _final_values(test: TestSettings, audit_path: str) -> tuple[dict[str, Any], list[Note]]:
    """The settings with the audit configuration on top, if there is one; what is to be said about it."""
    early = [Note(text, Level.ERROR, name="error_invalid_config") for text in pending_errors]
    pending_errors.clear()
    values = named_values(test)
    if os.path.isfile(audit_path):
        early.append(
            Note(
                "Found Audit Config file (audit.config). Overriding TestSettings from audit.config file.", Level.WARNING
            )
        )
        try:
            values = audited(values, read_conf(audit_path, ConfKind.AUDIT))
        except BadFile as error:
            early.append(Note(str(error), Level.ERROR, name="error_invalid_config"))
    if values["test05"]:
        early.append(Note("Test05 flag detected: overriding random seeds", Level.WARNING))
    if values["performance_issue_unique"] and values["performance_issue_same"]:
        text = "performance_issue_unique and performance_issue_same cannot both be true; the same sample is issued"
        early.append(Note(text, Level.ERROR, name="error_invalid_test_settings"))
    if values["server_num_issue_query_threads"]:
        early.append(Note("server_num_issue_query_threads has no effect: one thread issues", Level.WARNING))
    return values, early


def _settings(values: dict[str, Any]) -> Settings:
    settings = settings_from_official(values)
    seconds = os.environ.get(STALL_TIMEOUT_VARIABLE, "")
    if not seconds:
        return settings
    try:
        return replace(settings, stall_timeout_ns=int(float(seconds) * 1e9))
    except ValueError:
        raise UsageError(f"{STALL_TIMEOUT_VARIABLE} is {seconds!r}; expected seconds, such as 60") from None


def _run(session: Session) -> Outcome:
    """All parts of the run; the outcome of the last."""
    settings, library = session.settings, session.library
    if settings.mode is Mode.FIND_PEAK:
        return find_peak(session)
    plans = plan(settings, library.total_count, library.performance_count)
    whole = [p for p in plans if p.whole]
    if whole:
        part = session.carry_out(replace(settings, mode=Mode.ACCURACY), whole)
        outcome = judge(part.recording, part.settings)
    for performance in plans[len(whole) :]:
        if session.error is None:
            stamp = _stamp_start(session)
            part = session.carry_out(replace(settings, mode=Mode.PERFORMANCE), [performance])
            _stamp_end(session, stamp)
            outcome = replace(judge(part.recording, _judged(part)), mode=settings.mode)
    return log_files.with_inferred_tokens(outcome, session.values)


def _judged(part: Part) -> Settings:
    """The settings to judge by: a unique Offline run needs no more samples than there are."""
    load = part.settings.load
    if not isinstance(load, Offline):
        return part.settings
    wanted = min(load.min_sample_count, part.plans[0].effective.min_sample_count)
    return replace(part.settings, load=replace(load, min_sample_count=wanted))


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """A garbage collector that is not woken by every query."""
    thresholds = gc.get_threshold()
    gc.set_threshold(max(YOUNG_OBJECTS, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _stamp_start(session: Session) -> tuple[int, int]:
    moment = time.time_ns(), time.perf_counter_ns()
    if session.values["print_timestamps"]:
        print(f"Loadgen :: Perf mode start. system_clock Timestamp = {moment[0] // 10**9}", flush=True)
    return moment


def _stamp_end(session: Session, start: tuple[int, int]) -> None:
    if not session.values["print_timestamps"]:
        return
    wall_ns, clock_ns = time.time_ns() - start[0], time.perf_counter_ns() - start[1]
    print(f"Loadgen :: Perf mode stop. system_clock Timestamp = {time.time_ns() // 10**9}")
    print(f"Loadgen :: PerfClock Perf duration = {clock_ns // NS_PER_MS}ms")
    print(f"Loadgen :: system_clock Perf duration = {wall_ns // NS_PER_MS}ms")
    print(f"Loadgen :: PerfClock/system_clock ratio = {clock_ns / max(wall_ns, 1):.4f}", flush=True)
