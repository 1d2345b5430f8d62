"""What the user asks for: one inference run, in words. Nothing is looked up or loaded yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlassay.rules.wishes import Wishes

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run of one task in one scenario. `wishes` holds scenario, round, division, mode, bounds and lengths."""

    task: str
    wishes: Wishes
    sut: object | None = None  # code of the user's own; None: `backend`
    backend: str = ""  # "": the first that the task names
    backend_options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    max_batch: int = 0  # user's own code: samples per call, 0 for any
    max_delay_ms: float | None = None  # user's own code: dynamic batching
    workers: int = 0  # run the backend's model in so many processes of their own; 0: in this one
    profile: str = ""
    data: Path | None = None
    model: str = ""
    task_options: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    performance_count: int = 0
    user_conf: Path | None = None  # the submitter's settings in the official format
    audit_config: Path | None = None  # a compliance test's, laid on top
    out: Path | None = None  # None: a new folder under ./runs
    trace_json: bool = False  # also write the Chrome trace
    command: str = ""  # as typed, for the record
    division_given: bool = True  # False: the composition chooses the division that the profile can be entered in
