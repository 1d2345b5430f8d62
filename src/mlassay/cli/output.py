"""How every verb speaks: one JSON document or text for people, and errors that name the next step."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from mlassay.core.errors import MlassayError

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else."
)


def emit_json(data: object) -> None:
    """Print one JSON document: dataclasses, enums, paths and numpy values included."""
    json.dump(jsonable(data), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def jsonable(value: object) -> Any:
    """Plain JSON types for our frozen values; NaN and infinities become strings, never invalid JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    return str(value)


def explain(error: Exception) -> int:
    """Say what went wrong on standard error; the result is the exit code."""
    if os.environ.get("MLASSAY_DEBUG"):
        raise error
    if isinstance(error, MlassayError):
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return 3
    print(
        f"error: unexpected {type(error).__name__}: {error}\n"
        "  next: this is a fault of mlassay; run again with MLASSAY_DEBUG=1 and report the traceback",
        file=sys.stderr,
    )
    return 3
