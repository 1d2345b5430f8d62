"""What a submission made by mlassay keeps of each run, so that `mlassay replay` can run it again.

One JSON file a run below `replay/` in the submission's code: what was asked for, the settings, what it came to, and the
software and machine in words. Nothing of the machine's own paths or processes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.records.plain import Unfit
from mlassay.records.run_json import RunRecord, outcome_from_json, outcome_to_json, settings_from_json, settings_to_json

SCHEMA = 1
FOLDER = "replay"
MAX_BYTES = 4 << 20
_MACHINE = ("os", "machine", "cpu", "cpus_usable", "memory_bytes", "python", "versions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One run of a submission. `accuracy`: the value that its accuracy run reached."""

    path: Path
    request: Mapping[str, Any]
    settings: Settings
    outcome: Outcome
    accuracy: float | None
    machine: Mapping[str, Any]


def machine_of(system: Mapping[str, Any]) -> dict[str, Any]:
    """What of a machine's description is worth comparing."""
    return {key: system[key] for key in _MACHINE if key in system}


def is_path(model: str) -> bool:
    """Whether a request names a model by its file, and not by a name that the task knows."""
    return "/" in model or "\\" in model or Path(model).exists()


def _public(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without the paths of this machine: only that data was given, and the model file's name."""
    kept = {key: value for key, value in request.items() if key != "warnings"}
    model = str(kept.get("model", ""))
    kept |= {"data": "", "data_given": bool(kept.get("data")), "model_file": ""}
    if is_path(model):
        kept |= {"model": "", "model_file": Path(model).name}
    return kept


def kept_text(record: RunRecord) -> bytes:
    """The file's content for one finished run."""
    assert record.outcome is not None
    accuracy = record.accuracy or {}
    data = {
        "schema": SCHEMA,
        "mlassay": record.mlassay,
        "request": _public(record.request),
        "settings": settings_to_json(record.settings),
        "outcome": outcome_to_json(record.outcome),
        "accuracy": accuracy.get("value"),
        "machine": machine_of(record.system),
    }
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def read_kept(path: Path) -> Kept:
    """Raises BadFile for what is no such file, with the field; MachineProblem when it cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MachineProblem(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    wanted = "a run kept by mlassay pack"
    try:
        data = json.loads(content) if len(content) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise BadFile(path, found="no JSON object of schema 1", expected=wanted)
    request, machine, accuracy = data.get("request"), data.get("machine"), data.get("accuracy")
    if not isinstance(request, dict) or not isinstance(machine, dict):
        raise BadFile(path, key="request", found="no object", expected=wanted)
    if accuracy is not None and not isinstance(accuracy, int | float):
        raise BadFile(path, key="accuracy", found=repr(accuracy)[:40], expected="a number")
    try:
        settings, outcome = settings_from_json(data.get("settings")), outcome_from_json(data.get("outcome"))
    except Unfit as error:
        raise BadFile(path, key=error.where, found=error.found, expected=error.expected) from error
    return Kept(path=path, request=request, settings=settings, outcome=outcome, accuracy=accuracy, machine=machine)
