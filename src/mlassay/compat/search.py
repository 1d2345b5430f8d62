"""FindPeakPerformance as the official tool does it: double the Server rate until it fails, then bisect."""

from __future__ import annotations

from dataclasses import replace

from mlassay.compat.session import Session
from mlassay.core.enums import Mode
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import Server
from mlassay.loadgen.judge import judge
from mlassay.loadgen.plan import plan
from mlassay.records.loadgen_log import Level, Note

LONGEST_SEARCH = 64
"""Steps of either stage before the search gives up: no double is bisected further."""


class _Search:
    """Tries rates, says what it does in the official words, remembers the outcome of the last try."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.outcome: Outcome

    def passes(self, rate: float, text: str) -> bool:
        """Is the latency bound kept at this rate? Early stopping and length do not matter here."""
        session = self._session
        load = session.settings.load
        assert isinstance(load, Server)
        settings = replace(session.settings, mode=Mode.PERFORMANCE, load=replace(load, target_qps=rate))
        plans = plan(settings, session.library.total_count, session.library.performance_count)
        part = session.carry_out(settings, plans)
        part.notes.insert(0, Note(text, unix_ns=part.recording.trace.start_unix_ns))
        session.settings = replace(settings, mode=Mode.FIND_PEAK)
        self.outcome = replace(judge(part.recording, settings), mode=Mode.FIND_PEAK)
        bounds = [c for c in self.outcome.checks if c.id in ("latency", "ttft", "tpot", "all-answered")]
        return part.recording.complete and all(c.ok for c in bounds)

    def say(self, text: str, level: Level = Level.INFO) -> None:
        self._session.parts[-1].notes.append(Note(text, level))


def find_peak(session: Session) -> Outcome:
    """The outcome of the last run of the search; the peak itself stands in the detail log and as its target rate."""
    load = session.settings.load
    if not isinstance(load, Server):
        return _refuse(session)
    values = session.values
    search, low = _Search(session), load.target_qps
    if not search.passes(low, f"FindPeakPerformance: Check validity of the base settings field: {low:f}"):
        hints = " ".join(search.outcome.advice[:1])
        search.say(
            f"FindPeakPerformance: Initial lower bound does not satisfy performance constraints, msg: {hints}",
            Level.ERROR,
        )
        return search.outcome
    step = 1 + max(float(values["server_find_peak_qps_boundary_step_size"]), 0.01)
    high = low * step
    for _ in range(LONGEST_SEARCH):
        if session.error or not search.passes(high, f"FindBoundaries: Checking fields [{low:f}, {high:f})"):
            break
        low, high = high, high * step
    search.say(f"FindPeakPerformance: Found boundaries: [{low:f}, {high:f})")
    precision = 10.0 ** -int(values["server_find_peak_qps_decimals_of_precision"])
    for _ in range(LONGEST_SEARCH):
        if session.error or high - low < precision:
            break
        middle = (low + high) / 2
        text = f"FindPeakPerformanceBinarySearch: Testing the mid value of bounds [{low:f}, {high:f}): {middle:f}"
        if search.passes(middle, text):
            low = middle
        else:
            high = middle
    search.say(f"FindPeakPerformance: Found peak performance field: {low:f}")
    return search.outcome


def _refuse(session: Session) -> Outcome:
    """Other scenarios have no rate to search for: an error in the log, and no run."""
    text = "Finding peak performance is only supported in Server scenarios."
    session.early.append(Note(text, Level.ERROR, name="error_invalid_config"))
    return Outcome(
        scenario=session.settings.scenario,
        mode=Mode.FIND_PEAK,
        verdict=Verdict.INVALID,
        metric=None,
        n_queries=0,
        n_samples=0,
        duration_ns=0,
    )
