"""System description files: written from what was captured, filled in, held against a round's rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, UsageError
from mlassay.records.atomic import atomic_write
from mlassay.rules.reader import load_round
from mlassay.rules.round import Round
from mlassay.submission.check import Finding, Scope, all_checks, finding
from mlassay.submission.layout import SubmitterPlace, layout_for_round
from mlassay.submission.model import Submission, Submitter
from mlassay.submission.schema import SystemField, field_of, system_schema
from mlassay.submission.tree import memory_tree

SET_BY_PACK = ("division", "submitter")


def write_description(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a description whole or not at all."""
    atomic_write(path, json.dumps(dict(fields), indent=2, ensure_ascii=False) + "\n")


def read_description(path: Path) -> dict[str, Any]:
    """Read a description for editing. Raises BadFile."""
    try:
        with open(path, "rb") as stream:
            data = json.loads(stream.read(4 << 20))
    except FileNotFoundError:
        raise BadFile(path, found="absent", expected="a system description", hint="mlassay system capture") from None
    except (ValueError, RecursionError) as error:
        raise BadFile(path, found=f"not JSON ({str(error)[:80]})", expected="a system description") from error
    if not isinstance(data, dict):
        raise BadFile(path, found=f"a JSON {type(data).__name__}", expected="a system description, one JSON object")
    return data


def open_fields(fields: Mapping[str, Any], round_: Round) -> list[SystemField]:
    """Required fields that are missing, or empty where the round wants a word."""
    schema = system_schema(round_)
    return [
        field
        for name, field in schema.required.items()
        if name not in SET_BY_PACK
        and (name not in fields or (name in schema.meaningful and not str(fields[name]).strip()))
    ]


def changed(fields: Mapping[str, Any], changes: Mapping[str, str], round_: Round) -> dict[str, Any]:
    """The fields with some set. Raises UsageError for an unknown name or a value that is none of the choices."""
    known = system_schema(round_).known
    result = dict(fields)
    for name, value in changes.items():
        if name not in known:
            raise UsageError(f"{round_.name} knows no field {name!r}", hint="mlassay system fields lists them")
        check_value(field_of(name), value)
        result[name] = value
    return result


def check_value(field: SystemField, value: str) -> None:
    """Raises UsageError when a value cannot be the field's."""
    if field.choices and value not in field.choices:
        raise UsageError(f"{field.name} cannot be {value!r}", hint=f"one of {', '.join(field.choices)}")
    if field.kind == "count" and not value.isdigit():
        raise UsageError(f"{field.name} cannot be {value!r}", hint="a whole number")


def validate(path: Path, round_name: str) -> list[Finding]:
    """The findings of the checks of system descriptions for one file, as if it lay in a submission."""
    data = path.read_bytes() if path.is_file() else None
    if data is None:
        raise BadFile(path, found="absent", expected="a system description")
    round_ = load_round(round_name)
    content = read_description_tolerantly(data)
    division = str(content.get("division") or "closed")
    submitter = str(content.get("submitter") or "")
    tree = memory_tree({f"systems/{path.name}": data})
    submission = Submission(tree, round_, layout_for_round(round_.name))
    owner = Submitter(submission, SubmitterPlace(division, submitter, ""))
    findings = []
    for system in owner.systems.values():
        for check in all_checks().values():
            if check.scope is Scope.SYSTEM:
                made = check.function(system)
                findings += [finding(check, f, open_division=division == "open", submitter="") for f in made]
    if path.suffix.lower() != ".json":
        raise BadFile(path, found=f"a name ending in {path.suffix!r}", expected="<system>.json")
    return [f for f in findings if not _left_to_pack(f)]


def read_description_tolerantly(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _left_to_pack(found: Finding) -> bool:
    """Division and submitter are set when a submission is packed."""
    return found.id in ("SYS003", "SYS004") and any(found.found.endswith(f" {name}") for name in SET_BY_PACK)
