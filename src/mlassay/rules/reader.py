"""Reads round files: by name from the package, or a user's own file by its path.

load_round("v5.1")            a Round, cached
load_round("my-round.toml")   a file of one's own, which may say extends = "v5.1"
rounds()                      every name, oldest first
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, UnknownName
from mlassay.rules.build import build_round
from mlassay.rules.chain import Book, build_book
from mlassay.rules.round import Round
from mlassay.rules.schema import validate

DATA = files("mlassay.rules") / "data"


@lru_cache
def rounds(suite: str = "inference") -> list[str]:
    """Names of the rounds whose rules are known, oldest first. `suite` is "inference" or "training"."""
    folder = DATA / suite
    names = [entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.startswith("v")]
    return sorted((n for n in names if n[1:2].isdigit()), key=_version)


def load_round(name: str | Path) -> Round:
    """The rules of one inference round. `name` is a round ("v5.1", "5.1") or the path of a round file.

    Raises UnknownName with the nearest rounds, or BadFile naming file, key, what stands there and what may.
    """
    if is_path(name):
        path = Path(name)
        return _load_file(str(path), mtime_ns(path))
    return _load_known(official_name(str(name)))


def load_book(name: str | Path) -> Book:
    """The merged values of a round with their origins, before they become a Round: what `rules diff` compares."""
    return _book(str(name) if is_path(name) else official_name(str(name)))


def official_name(name: str, suite: str = "inference") -> str:
    """'5.1' and 'V5.1' are v5.1. Raises UnknownName."""
    known = rounds(suite)
    wanted = name.lower() if name[:1] in "vV" else f"v{name}"
    if wanted not in known:
        kind = "round" if suite == "inference" else f"{suite} round"
        raise UnknownName(kind, name, known, difflib.get_close_matches(wanted, known, 3, 0.5))
    return wanted


@lru_cache
def _load_known(name: str) -> Round:
    return build_round(_book(name))


@lru_cache
def _load_file(path: str, mtime_ns: int) -> Round:
    return build_round(_book(path))


def _book(name: str) -> Book:
    return build_book(finder("inference"), validate, name)


def finder(suite: str) -> Callable[[str, str], tuple[Any, str]]:
    """The function that finds where a round named by the user or by `extends` stands, and how messages call it."""

    def find(name: str, asked_by: str) -> tuple[Any, str]:
        if is_path(name):
            path = Path(asked_by).parent / name if asked_by and not Path(name).is_absolute() else Path(name)
            if not path.is_file():
                raise BadFile(path, found="missing", expected="a round file")
            return path, str(path)
        known = rounds(suite)
        if name not in known:
            near = difflib.get_close_matches(name, known, 2, 0.5)
            raise BadFile(
                asked_by or name,
                key="extends",
                found=repr(name),
                expected="a known round (" + ", ".join(known) + ") or a path that ends in .toml",
                hint=f"did you mean {' or '.join(near)}?" if near else "",
            )
        shown = f"{name}.toml" if suite == "inference" else f"{suite}/{name}.toml"
        return DATA / suite / f"{name}.toml", shown

    return find


def is_path(name: str | Path) -> bool:
    """Whether the user means a file and not a name."""
    return isinstance(name, Path) or name.endswith(".toml") or "/" in name


def mtime_ns(path: Path) -> int:
    """When the file was last changed: part of what cached rounds are remembered by."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        raise BadFile(path, found="missing", expected="a round file") from None


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name[1:].split("."))
