"""What one StartTest consists of: its settings and callbacks, the parts carried out so far, why each of them ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from mlassay.compat import answers as answering
from mlassay.compat.adapter import HarnessSut
from mlassay.compat.answers import Answers
from mlassay.compat.handles import LibraryCallbacks, SutCallbacks
from mlassay.core.settings import Server, Settings
from mlassay.core.trace import Recording
from mlassay.loadgen.drive import drive
from mlassay.loadgen.plan import Plan
from mlassay.records.loadgen_log import AccuracyLogWriter, Level, Note


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


def _without_limit(settings: Settings) -> Settings:
    """The official limit of open queries ends a run; ours would hold it back. The adapter keeps the official one."""
    if isinstance(settings.load, Server) and settings.load.max_async_queries:
        return replace(settings, load=replace(settings.load, max_async_queries=0))
    return settings


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
