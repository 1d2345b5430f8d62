"""Samples of any kind, each as its task prepares it: tuples of arrays, texts, arrays of different lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlassay.core.errors import UsageError


class ItemLibrary:
    """A sample library (core.sut.SampleLibrary) that holds whatever `prepare(index)` gives, outside the clock.

    For samples of one shape that are fed as one array, `library.TensorLibrary` saves a copy per batch.
    """

    def __init__(self, name: str, *, total_count: int, performance_count: int, prepare: Callable[[int], Any]) -> None:
        self.name = name
        self.total_count = total_count
        self.performance_count = min(performance_count or total_count, total_count)
        self._prepare = prepare
        self._items: dict[int, Any] = {}

    def load(self, indices: Sequence[int]) -> None:
        for index in map(int, indices):
            if index not in self._items:
                self._items[index] = self._prepare(index)

    def unload(self, indices: Sequence[int]) -> None:
        for index in map(int, indices):
            self._items.pop(index, None)

    def get(self, indices: Sequence[int]) -> Sequence[Any]:
        items = self._items
        try:
            return [items[index] for index in indices]
        except KeyError as error:
            raise UsageError(
                f"sample {error.args[0]} of {self.name} is not loaded", hint="load it before the clock starts"
            ) from None
