"""A backend's options: from text or values to one frozen, typed object, with errors that name what is accepted."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from mlassay.core.errors import UsageError

T = TypeVar("T")

_BOOL = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def parse_options(cls: type[T], backend: str, given: Mapping[str, Any]) -> T:
    """An instance of the frozen dataclass `cls`. Its fields are bool, int, float, str or Literal of strings."""
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    types = typing.get_type_hints(cls)
    values = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 2, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(fields)}"
            raise UsageError(f"backend {backend} has no option {key!r}", hint=hint)
        values[name] = _convert(f"backend {backend}, option {name}", types[name], value)
    return cls(**values)


def option_help(cls: type[Any]) -> list[tuple[str, str, str]]:
    """(name, default, explanation) of each option; the explanation is the field's metadata "help"."""
    return [(f.name, str(f.default), str(f.metadata.get("help", ""))) for f in dataclasses.fields(cls)]


def option(default: Any, explanation: str, *, at_least: int | None = None) -> Any:
    """A documented field of an options class."""
    return dataclasses.field(default=default, metadata={"help": explanation, "at_least": at_least})


def check_bounds(options: Any, backend: str) -> None:
    """Raise UsageError for a number below its field's `at_least`."""
    for field in dataclasses.fields(options):
        least, value = field.metadata.get("at_least"), getattr(options, field.name)
        if least is not None and value < least:
            raise UsageError(f"backend {backend}, option {field.name} is {value}; expected {least} or more")


def _convert(place: str, wanted: Any, value: Any) -> Any:
    if get_origin(wanted) is Literal:
        if value in get_args(wanted):
            return value
        raise UsageError(f"{place} is {value!r}; expected one of {', '.join(get_args(wanted))}")
    if wanted is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _BOOL:
            return _BOOL[value.lower()]
        raise UsageError(f"{place} is {value!r}; expected yes or no")
    if wanted in (int, float):
        try:
            return wanted(value)
        except (TypeError, ValueError) as error:
            kind = "a whole number" if wanted is int else "a number"
            raise UsageError(f"{place} is {value!r}; expected {kind}") from error
    if wanted is str and isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
