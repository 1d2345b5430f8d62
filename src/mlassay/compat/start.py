"""StartTest: a run for a harness of the official interface, from its settings to the log files."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mlassay.compat import answers as answering
from mlassay.compat import log_files
from mlassay.compat.adapter import HarnessSut
from mlassay.compat.answers import Answers
from mlassay.compat.handles import LibraryCallbacks, SutCallbacks
from mlassay.compat.settings_objects import LogSettings, TestSettings, audited, named_values, pending_errors
from mlassay.core.enums import Mode
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Offline, Server, Settings
from mlassay.core.trace import Recording
from mlassay.core.units import NS_PER_MS
from mlassay.loadgen.drive import drive
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import Plan, plan
from mlassay.records.loadgen_log import AccuracyLogWriter, Level, Note
from mlassay.rules.conf import ConfKind, read_conf
from mlassay.rules.official_settings import settings_from_official

STALL_TIMEOUT_VARIABLE = "MLASSAY_STALL_TIMEOUT_S"
"""Environment variable: how long a run may go without any answer while queries are open. Default 300 s."""

YOUNG_OBJECTS = 50_000
"""New objects before the garbage collector looks at them during a run: the queries of a second are not garbage."""

_running = threading.Lock()


@dataclass(slots=True)
class Part:
    """One stretch of a run: the plans carried out in one go, and what came of it."""

    settings: Settings
    plans: list[Plan]
    recording: Recording
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """One StartTest."""

    values: dict[str, Any]  # official attribute name to value
    settings: Settings
    sut: SutCallbacks
    library: LibraryCallbacks
    writer: AccuracyLogWriter
    early: list[Note] = field(default_factory=list)  # notes from before the first query
    parts: list[Part] = field(default_factory=list)
    error: BaseException | None = None  # what a callback of the harness raised

    def carry_out(self, settings: Settings, plans: list[Plan]) -> Part:
        """Run these plans, which are all for accuracy or one for performance."""
        tokens = settings.token_latencies
        limit = settings.load.max_async_queries if isinstance(settings.load, Server) else 0
        first_tokens = tokens and settings.scenario.loadgen_name != "Offline"
        answers = Answers(plans, self.writer, tokens=tokens, first_tokens=first_tokens)
        sut = HarnessSut(self.sut, answers, max_in_flight=0 if plans[0].whole else limit)
        answering.begin(answers)
        try:
            recording = drive(_without_limit(settings), plans, sut, self.library)
        finally:
            answering.end()
        part = Part(settings, plans, recording)
        part.notes += ending_notes(part, sut)
        part.notes += [Note(f"{text} ({n} times)", Level.ERROR) for text, n in answers.complaints.items()]
        self.parts.append(part)
        self.error = self.error or sut.error
        if recording.ended == "interrupted":
            self.error = KeyboardInterrupt()
        return part


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


def _without_limit(settings: Settings) -> Settings:
    """The official limit of open queries ends a run; ours would hold it back. The adapter keeps the official one."""
    if isinstance(settings.load, Server) and settings.load.max_async_queries:
        return replace(settings, load=replace(settings.load, max_async_queries=0))
    return settings


def _run(session: Session) -> Outcome:
    """All parts of the run; the outcome of the last."""
    from mlassay.compat.search import find_peak

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


def ending_notes(part: Part, sut: HarnessSut) -> list[Note]:
    """Why a performance run stopped issuing, in the official words."""
    settings, trace = part.settings, part.recording.trace
    if part.plans[0].whole or not part.recording.complete or not trace.n_queries:
        return []
    begun_ns = int(trace.issued_ns[-1])
    planned = part.plans[0].generated_query_count
    enough = trace.n_queries >= part.plans[0].min_query_count and begun_ns >= settings.min_duration_ns
    offline, server = settings.scenario.loadgen_name == "Offline", isinstance(settings.load, Server)
    if sut.too_many:
        text = f"Too many outstanding queries. issued {sut.too_many[0]} outstanding {sut.too_many[1]}"
        return [_early(text)]
    if settings.max_query_count and trace.n_queries >= settings.max_query_count and trace.n_queries < planned:
        return [_early(f"Max query count reached. query_count {trace.n_queries}")]
    if settings.max_duration_ns and begun_ns >= settings.max_duration_ns and trace.n_queries < planned:
        return [_early(f"Max test duration reached. duration_ns {begun_ns}")]
    if offline or (not server and enough):
        return [Note("Ending naturally: Minimum query count and test duration met.")]
    if not server:
        text = (
            "Ending early: Ran out of generated queries to issue before the minimum query count and test duration were"
            " reached. Please update the relevant expected latency or target qps in the TestSettings so they are more"
            " accurate."
        )
        return [Note(text, Level.ERROR)]
    return []


def _early(text: str) -> Note:
    return Note(f"IssueQueryThread 0 Ending early: {text}", Level.ERROR)


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
