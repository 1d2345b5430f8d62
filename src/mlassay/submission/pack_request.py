"""What a user wishes of a submission: round, division, names, and what the runs do not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlassay.core.enums import Division


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to make of some runs."""

    round: str
    division: Division
    submitter: str
    system: Path  # the system description, a JSON file; its name names the system
    model: str = ""  # open division: own name of the model
    implementation: str = "mlassay"
    measurements: Mapping[str, str] = field(default_factory=dict)  # fields that the runs do not know
    code: Path | None = None
    calibration: Path | None = None
    infer: bool = True  # edge: scenarios that may be inferred are
