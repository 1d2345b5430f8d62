"""Our frozen values as plain JSON and back again, checked: what does not fit is named by its path.

A dataclass becomes an object of its fields; one that stands in a union also carries "kind", its class's name. NaN and
the infinities, which JSON does not know, become the words "nan", "inf" and "-inf".
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
KIND = "kind"
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Unfit(ValueError):
    """A value that is not what its place wants: `where` is the path to it, such as "settings.load.percentile"."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where} is {found}; expected {expected}")
        self.where, self.found, self.expected = where, found, expected


def plain(value: object) -> Any:
    """The value in JSON types only. Raises Unfit for what has no such form."""
    return _plain(value, "value")


def _plain(value: object, where: str) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else "nan" if value != value else "inf" if value > 0 else "-inf"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        tagged = {KIND: type(value).__name__} if _in_union(type(value)) else {}
        fields = {f.name: _plain(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
        return tagged | fields
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, f"{where}[{k}]") for k, item in enumerate(value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), where)
    if hasattr(value, "__fspath__"):
        return str(value)
    raise Unfit(where, f"a {type(value).__name__}", "a number, text, list, mapping or dataclass")


_TAGGED: set[type] = set()


def tag(*classes: type) -> None:
    """Declare the members of a union of dataclasses: they carry their class's name."""
    _TAGGED.update(classes)


def _in_union(cls: type) -> bool:
    return cls in _TAGGED


def typed(hint: type[T], data: object, where: str) -> T:
    """Build a value of the type `hint` from plain JSON. Raises Unfit with the path of the first thing that is wrong.

    Fields that have a default may be absent; fields that the type does not know are refused.
    """
    built: T = _typed(hint, data, where)
    return built


def _typed(hint: Any, data: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return data
    if origin in (Union, types.UnionType):
        return _one_of(args, data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise Unfit(where, _shown(data), "a list")
        return tuple(_typed(args[0], item, f"{where}[{k}]") for k, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise Unfit(where, _shown(data), "an object")
        return MappingProxyType({key: _typed(args[1], item, f"{where}.{key}") for key, item in data.items()})
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(data)
        except ValueError:
            raise Unfit(where, _shown(data), " or ".join(repr(m.value) for m in hint)) from None
    return _scalar(hint, data, where)


def _scalar(hint: type, data: Any, where: str) -> Any:
    if hint is bool and isinstance(data, bool):
        return data
    if hint is int and isinstance(data, int) and not isinstance(data, bool):
        return data
    if hint is float and isinstance(data, int | float) and not isinstance(data, bool):
        return data
    if hint is float and isinstance(data, str) and data in _WORDS:
        return _WORDS[data]
    if hint is str and isinstance(data, str):
        return data
    if hint is type(None) and data is None:
        return None
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}
    raise Unfit(where, _shown(data), names.get(hint, hint.__name__))


def _one_of(choices: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in choices:
        return None
    rest = [choice for choice in choices if choice is not type(None)]
    if len(rest) == 1:
        return _typed(rest[0], data, where)
    kinds = {choice.__name__: choice for choice in rest}
    kind = data.get(KIND) if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise Unfit(f"{where}.{KIND}", _shown(kind), " or ".join(kinds))
    return _typed(kinds[kind], {key: item for key, item in data.items() if key != KIND}, where)


@cache
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """Name to (type, has a default)."""
    hints = get_type_hints(cls)
    missing = dataclasses.MISSING
    fields = dataclasses.fields(cls)
    return {f.name: (hints[f.name], f.default is not missing or f.default_factory is not missing) for f in fields}


def _dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise Unfit(where, _shown(data), "an object")
    fields = _fields(cls)
    for key in data:
        if key not in fields and not (key == KIND and _in_union(cls)):
            raise Unfit(f"{where}.{key}", "a key that this version does not know", f"one of {', '.join(fields)}")
    for name, (_, has_default) in fields.items():
        if name not in data and not has_default:
            raise Unfit(f"{where}.{name}", "absent", "a value")
    values = {name: _typed(hint, data[name], f"{where}.{name}") for name, (hint, _) in fields.items() if name in data}
    try:
        return cls(**values)
    except ValueError as error:
        raise Unfit(where, str(error), f"a consistent {cls.__name__}") from error


def _shown(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."
