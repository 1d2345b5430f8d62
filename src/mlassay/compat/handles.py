"""The SUTs and sample libraries that a harness constructed, behind the integer handles of the official interface."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SutCallbacks:
    """A SUT as its harness gave it. `fast`: takes (ids, indices) instead of QuerySamples."""

    issue: Callable[..., Any]
    flush: Callable[[], Any]
    name: Callable[[], str]
    fast: bool = False


@dataclass(frozen=True, slots=True)
class LibraryCallbacks:
    """A sample library (QSL) as its harness gave it."""

    total_count: int
    performance_count: int
    load_samples: Callable[[list[int]], Any]
    unload_samples: Callable[[list[int]], Any]
    name: str = "PyQSL"

    def load(self, indices: Sequence[int]) -> None:
        self.load_samples(list(indices))

    def unload(self, indices: Sequence[int]) -> None:
        self.unload_samples(list(indices))

    def get(self, indices: Sequence[int]) -> Sequence[Any]:
        return indices


_things: dict[int, SutCallbacks | LibraryCallbacks] = {}
_numbers = itertools.count(0x1000, 0x10)


def keep(thing: SutCallbacks | LibraryCallbacks) -> int:
    """A handle that no other thing of this process has or had."""
    handle = next(_numbers)
    _things[handle] = thing
    return handle


def forget(handle: int) -> None:
    """Destroying twice, or what never was, does nothing."""
    if not isinstance(handle, int):
        raise TypeError(f"a handle is an int, not {type(handle).__name__}")
    _things.pop(handle, None)


def sut(handle: int) -> SutCallbacks:
    """Raises ValueError for a handle that is none (the official tool crashes)."""
    thing = _things.get(handle)
    if not isinstance(thing, SutCallbacks):
        raise ValueError(f"{handle!r} is not the handle of a SUT; ConstructSUT returns one, DestroySUT ends it")
    return thing


def library(handle: int) -> LibraryCallbacks:
    """Raises ValueError for a handle that is none (the official tool crashes)."""
    thing = _things.get(handle)
    if not isinstance(thing, LibraryCallbacks):
        raise ValueError(f"{handle!r} is not the handle of a sample library; ConstructQSL returns one")
    return thing
