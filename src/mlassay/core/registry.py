"""Names to code, imported on first use, so that listing names never loads a runtime."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from mlassay.core.errors import MissingDependency, UnknownName


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name: `target` is "package.module:object"; `extra` is the pip extra that it needs, if any.

    `module`: what must be importable, where that is not named like the extra; `install`: how to get it, where no extra
    brings it.
    """

    name: str
    target: str
    summary: str = ""
    extra: str = ""
    module: str = ""
    install: str = ""

    @property
    def missing(self) -> str:
        """How to install what this needs; nothing where it is there."""
        module = self.module or self.extra
        if not module or importlib.util.find_spec(module) is not None:
            return ""
        return self.install or f"pip install 'mlassay[{self.extra}]'"

    def load(self) -> Any:
        """Import and return the object. Raises MissingDependency when its library is absent."""
        module_name, _, attribute = self.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing.split(".")[0] == "mlassay" or not self.extra:
                raise
            raise MissingDependency(missing, extra=self.extra, why=f"{self.name} needs it") from error
        return getattr(module, attribute)


@dataclass(slots=True)
class Registry:
    """A family of named things (backends, tasks, benchmarks); others join through the entry-point `group`."""

    kind: str
    group: str
    builtin: Mapping[str, Entry]
    _extra: dict[str, Entry] | None = field(default=None, init=False)

    def entries(self) -> dict[str, Entry]:
        """Every known entry by name; a built-in name cannot be taken over by a plug-in."""
        if self._extra is None:
            found = entry_points(group=self.group)
            self._extra = {
                e.name: Entry(e.name, e.value, f"plug-in from {e.dist.name if e.dist else '?'}") for e in found
            }
        return {**self._extra, **self.builtin}

    def names(self) -> list[str]:
        return sorted(self.entries())

    def __iter__(self) -> Iterator[Entry]:
        return iter([e for _, e in sorted(self.entries().items())])

    def entry(self, name: str) -> Entry:
        """Raises UnknownName with the nearest neighbours."""
        known = self.entries()
        if name not in known:
            raise UnknownName(self.kind, name, sorted(known), difflib.get_close_matches(name, known, 3, 0.5))
        return known[name]

    def load(self, name: str) -> Any:
        return self.entry(name).load()


def registry(kind: str, group: str, *entries: Entry) -> Registry:
    return Registry(kind, group, {e.name: e for e in entries})
