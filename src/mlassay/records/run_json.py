"""`run.json`: everything that one run was and came to, with a schema version; Settings and Outcome both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlassay._version import __version__
from mlassay.core.errors import BadFile, MachineProblem
from mlassay.core.outcome import Outcome
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.records.atomic import atomic_write
from mlassay.records.plain import Unfit, plain, tag, typed

SCHEMA = 1
HISTORY = {1: "first version"}
"""What each schema version changed. A reader takes every version up to its own."""

MAX_BYTES = 64 << 20

tag(SingleStream, MultiStream, IntervalMultiStream, Server, Offline)


class State(StrEnum):
    """How far a run got."""

    RUNNING = "running"  # also what a killed run leaves behind
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"  # by the user; what was measured is there
    FAILED = "failed"  # by the SUT or the machine; what was measured is there


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the run folder, as it was when the run ended."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The content of run.json. Free-form parts hold plain JSON."""

    state: State
    settings: Settings
    outcome: Outcome | None = None
    reason: str = ""  # why the state is not "complete"
    mlassay: str = __version__
    created_unix_ns: int = 0
    finished_unix_ns: int = 0
    pid: int = 0
    command: tuple[str, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    library: Mapping[str, Any] = field(default_factory=dict)
    sut: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Every field, the clauses included."""
    data: dict[str, Any] = plain(settings)
    return data


def settings_from_json(data: object, where: str = "settings") -> Settings:
    """Raises Unfit with the path of what is wrong."""
    return typed(Settings, data, where)


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    data: dict[str, Any] = plain(outcome)
    return data


def outcome_from_json(data: object, where: str = "outcome") -> Outcome:
    """Raises Unfit with the path of what is wrong."""
    return typed(Outcome, data, where)


def write_record(path: Path | str, record: RunRecord) -> None:
    """Write run.json whole or not at all. Raises Unfit for free-form parts that JSON cannot hold."""
    data = {"schema": SCHEMA, "schema_history": {str(k): v for k, v in HISTORY.items()}, **plain(record)}
    atomic_write(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path | str) -> RunRecord:
    """Read run.json. Raises BadFile when it is truncated, foreign or from a newer mlassay."""
    path = Path(path)
    data = _document(path)
    schema = data.pop("schema", None)
    data.pop("schema_history", None)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise BadFile(path, key="schema", found=repr(schema)[:60], expected=f"a whole number from 1 to {SCHEMA}")
    if schema > SCHEMA:
        raise BadFile(
            path,
            key="schema",
            found=f"{schema}, from a newer mlassay ({data.get('mlassay', '?')!s:.20})",
            expected=f"at most {SCHEMA}",
            hint="pip install --upgrade mlassay",
        )
    try:
        return typed(RunRecord, data, "run")
    except Unfit as error:
        key = error.where.removeprefix("run").lstrip(".")
        raise BadFile(path, key=key, found=error.found, expected=error.expected) from error


def _document(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MachineProblem(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    if len(content) > MAX_BYTES:
        raise BadFile(path, found=f"longer than {MAX_BYTES:,} bytes", expected="the record of one run")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        hint = "the file is cut off or was edited; the other files of the folder can still be read"
        raise BadFile(path, found=f"no JSON ({why[:80]})", expected="the record of a run", hint=hint) from error
    if not isinstance(data, dict):
        raise BadFile(path, found=f"a JSON {type(data).__name__}", expected="the record of a run, a JSON object")
    return data
