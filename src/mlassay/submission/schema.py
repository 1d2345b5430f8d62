"""The system description's fields: what each one means, beside the round's word on which are required."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mlassay.rules.round import Round, SystemFields


def at_least(round_name: str, first: str) -> bool:
    """Is a round the same as, or later than, another? Compared by their numbers."""
    return _key(round_name) >= _key(first)


def _key(name: str) -> tuple[int, int]:
    major, _, minor = name.removeprefix("v").partition(".")
    return (int(major) if major.isdigit() else 0, int(minor) if minor.isdigit() else 0)


@dataclass(frozen=True, slots=True)
class SystemField:
    name: str
    kind: str  # "text", "count", "choice"
    choices: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class SystemSchema:
    """What one round asks of a system description."""

    required: Mapping[str, SystemField]
    filled: frozenset[str]  # may not be empty in this round
    meaningful: frozenset[str]  # may not be empty in rounds that look
    known: frozenset[str]
    network: tuple[str, ...]


@cache
def _book() -> dict[str, Any]:
    return tomllib.loads(files("mlassay.submission").joinpath("data/system_fields.toml").read_text(encoding="utf-8"))


def field_of(name: str) -> SystemField:
    entry = _book()["fields"].get(name, {})
    return SystemField(name, entry.get("kind", "text"), tuple(entry.get("choices", ())), entry.get("meaning", ""))


def system_schema(round_: Round) -> SystemSchema:
    """The round's fields with their meanings."""
    return _schema(round_.system_fields)


@cache
def _schema(said: SystemFields) -> SystemSchema:
    meaningful = frozenset(said.required) - frozenset(said.may_be_empty)
    optional = _book()["optional"]
    extra = frozenset(n for group in optional.values() for n in group)
    return SystemSchema(
        required={name: field_of(name) for name in said.required},
        filled=meaningful if said.filled else frozenset(),
        meaningful=meaningful,
        known=frozenset(_book()["fields"]) | extra | frozenset(said.network) | frozenset(said.required),
        network=said.network,
    )
