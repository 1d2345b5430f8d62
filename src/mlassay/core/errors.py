"""Every exception that mlassay raises on purpose, and the exit code each one becomes.

    MlassayError
    ├── UsageError            2   a wish that cannot be carried out: wrong name, wrong value
    │   ├── RuleViolation     2   a wish that the round's rules forbid; quotes the clause
    │   └── UnknownName       2   not in the registry; carries the nearest names
    ├── BadFile               2   a file that cannot be what it should be; names file, key, found, wanted
    ├── MissingDependency     3   a runtime or library that is not installed; carries the install command
    ├── MachineProblem        3   disk full, permission denied, no such device
    └── SutFailure            4   the system under test broke its contract or died

Findings about a submission are returned, never raised.
"""

from __future__ import annotations

from pathlib import Path


class MlassayError(Exception):
    """Base of every deliberate error: one sentence for the user, an optional next step, an exit code."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class UsageError(MlassayError):
    """The request itself is wrong."""


class RuleViolation(UsageError):
    """The request asks for something that the chosen round and division forbid."""

    def __init__(self, message: str, *, clause: str, hint: str = "") -> None:
        super().__init__(f"{message} ({clause})", hint=hint)
        self.clause = clause


class UnknownName(UsageError):
    """A name that no registry knows."""

    def __init__(self, kind: str, name: str, known: list[str], near: list[str]) -> None:
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}", hint=hint)
        self.kind, self.name, self.known, self.near = kind, name, known, near


class BadFile(MlassayError):
    """A file whose content is not what its reader needs."""

    def __init__(self, path: str | Path, *, found: str, expected: str, key: str = "", hint: str = "") -> None:
        place = f"{path}: {key}" if key else f"{path}"
        super().__init__(f"{place} is {found}; expected {expected}", hint=hint)
        self.path, self.key, self.found, self.expected = str(path), key, found, expected


class MissingDependency(MlassayError):
    """A library that this feature needs and that is not installed."""

    exit_code = 3

    def __init__(self, what: str, *, extra: str = "", why: str = "", install: str = "") -> None:
        """`extra`: of our own package; `install`: what to do instead, where no extra brings it."""
        detail = f" ({why})" if why else ""
        super().__init__(f"{what} is not installed{detail}", hint=install or f"pip install 'mlassay[{extra}]'")
        self.what, self.extra = what, extra


class MachineProblem(MlassayError):
    """The machine said no: disk full, unreadable directory, absent device."""

    exit_code = 3


class SutFailure(MlassayError):
    """The system under test broke its contract; what was measured so far is on disk."""

    exit_code = 4
