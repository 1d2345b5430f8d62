"""What one run consists of while it goes on: shared by the loops, the supervisor and the assembly of results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlassay.core.clock import Clock
from mlassay.core.settings import Settings
from mlassay.core.sut import SUT
from mlassay.loadgen.faults import FaultLog
from mlassay.loadgen.sink import Columns, Completions


@dataclass(slots=True)
class Run:
    """What the loops share while a run goes on."""

    settings: Settings
    sut: SUT
    clock: Clock
    columns: Columns
    sink: Completions
    faults: FaultLog
    start_ns: int = 0
    start_unix_ns: int = 0
    n_issued: int = 0  # rows of finished plans, then of all
    due_ns: list[np.ndarray[Any, Any]] = field(default_factory=list)  # per plan, relative to start
    skipped: dict[int, int] = field(default_factory=dict)  # row -> intervals skipped before it
    ended: str = ""
    onlooker: int = 0  # native id of the supervisor's thread; 0: none
    real_time: bool = False  # see waiting.first_in_line
    phase: str = "issue"  # "issue", "flush", "close": where the SUT may be holding us
