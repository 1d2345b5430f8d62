"""What a run measured, as columns: one row per query or per sample, times in ns since the run's start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int64 = NDArray[np.int64]
    Int32 = NDArray[np.int32]

NOT_YET = -1
"""In `done_ns` and `first_ns`: no answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Columns of one run. Q queries were issued, asking for N samples in all.

    Sample ids are positions in the sample columns; query q holds samples first_id[q] up to first_id[q + 1] (or N).
    """

    start_ns: int  # monotonic clock at the start, the zero of all other times
    start_unix_ns: int  # wall clock at the same moment
    due_ns: Int64  # (Q,) when the query should have been issued; latency counts from here
    issued_ns: Int64  # (Q,) when it was
    first_id: Int64  # (Q,)
    index: Int32  # (N,) position in the sample library
    done_ns: Int64  # (N,) NOT_YET where unanswered
    first_ns: Int64 | None = None  # (N,) first token
    n_tokens: Int32 | None = None  # (N,)
    skipped: Int32 | None = None  # (Q,) intervals skipped before the query (v0.5 MultiStream)
    planned_queries: int = 0  # length of the generated list

    @property
    def n_queries(self) -> int:
        return len(self.due_ns)

    @property
    def n_samples(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in five numbers, nanoseconds unless said otherwise."""

    p50: int = 0
    p90: int = 0
    p99: int = 0
    p999: int = 0
    max: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """The load generator measured by itself: part of every result."""

    lateness: Spread = field(default_factory=Spread)  # issued minus due (or minus previous done)
    issue_cpu_s: float = 0.0  # CPU seconds of the issuing thread, SUT code called inline included
    process_cpu_s: float = 0.0  # CPU seconds of the whole process during the run
    gc_pauses: int = 0
    gc_pause_ns: int = 0  # total
    calibration_ns_per_query: float = 0.0  # null SUT on this machine, same loop
    calibration_lateness: Spread = field(default_factory=Spread)
    arrangement: str = ""  # "inline", "answered by others", "inline and by others", "worker processes"
    real_time: bool = False  # the issuing thread ran before all others of its core (worker processes, where permitted)
    limited_by: str = "SUT"  # "SUT", "load generator", or "schedule" (the load asked for no more)
    reason: str = ""


class FaultKind:
    """Names of what a SUT can do wrong; values are stable and appear in records."""

    RAISED = "raised"
    TWICE = "answered-twice"
    UNKNOWN_ID = "unknown-id"
    NOT_ISSUED = "not-issued"
    NEVER = "never-answered"
    LATE = "answered-after-end"
    WRONG_COUNT = "wrong-count"
    HUNG = "hung"
    DIED = "died"
    BAD_STAMP = "bad-stamp"
    FAILED = "reported-failure"


@dataclass(frozen=True, slots=True)
class Fault:
    """One breach of the SUT contract."""

    kind: str
    detail: str
    count: int = 1
    first_id: int = -1  # sample id of the first occurrence, -1 when none


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All that a run left behind, before anybody judges it."""

    trace: Trace
    overhead: Overhead
    faults: tuple[Fault, ...] = ()
    ended: str = "complete"  # "complete", "interrupted", "stopped: <fault kind>"

    @property
    def complete(self) -> bool:
        return self.ended == "complete"
