"""Waivers: data that lets a known finding stand, with its reason, in the open.

A waiver names a finding id (or a family with a star, "TREE*"), a scope (a path pattern; ** crosses directories) and a
reason. It shows in the report beside what it covers; one that covers nothing is itself reported (WAIV001).

    [[waiver]]
    id = "PERF019"
    scope = "closed/ACME/results/**"
    reason = "agreed by the working group on 2026-03-03"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.submission.check import Finding, Severity, waive


@dataclass(frozen=True, slots=True)
class Waiver:
    id: str
    scope: str
    reason: str

    def covers(self, found: Finding) -> bool:
        return fnmatchcase(found.id, self.id) and _matches(found.where, self.scope)


def _matches(path: str, pattern: str) -> bool:
    if pattern in ("", "*", "**"):
        return True
    parts = re.split(r"(\*\*/?|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(meaning.get(p) or re.escape(p) for p in parts), path) is not None


def read_waivers(path: str | Path) -> list[Waiver]:
    """Read a waiver file. Raises BadFile that names the entry and what it lacks."""
    try:
        with open(path, "rb") as stream:
            data = tomllib.load(stream)
    except FileNotFoundError:
        raise BadFile(path, found="absent", expected="a TOML file of [[waiver]] entries") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFile(path, found=f"not TOML ({error})", expected="[[waiver]] entries") from error
    entries = data.get("waiver", [])
    if not isinstance(entries, list) or set(data) - {"waiver"}:
        raise BadFile(path, found=f"keys {', '.join(map(repr, data)) or 'none'}", expected="only [[waiver]] entries")
    return [_waiver(path, number, entry) for number, entry in enumerate(entries, 1)]


def _waiver(path: str | Path, number: int, entry: object) -> Waiver:
    if not isinstance(entry, dict):
        raise BadFile(path, key=f"waiver {number}", found=repr(entry), expected="a table with id, scope and reason")
    for key in ("id", "scope", "reason"):
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            raise BadFile(path, key=f"waiver {number}: {key}", found=repr(value), expected="a non-empty text")
    unknown = sorted(set(entry) - {"id", "scope", "reason"})
    if unknown:
        raise BadFile(path, key=f"waiver {number}: {unknown[0]}", found="an unknown key", expected="id, scope, reason")
    return Waiver(entry["id"], entry["scope"], entry["reason"])


def apply_waivers(findings: Iterable[Finding], waivers: Sequence[Waiver]) -> list[Finding]:
    """Mark what is covered; add a warning for each waiver that covers nothing."""
    used: set[Waiver] = set()
    result = []
    for found in findings:
        waiver = next((w for w in waivers if w.covers(found)), None)
        if waiver is not None:
            used.add(waiver)
            found = waive(found, waiver.reason)
        result.append(found)
    result += [
        Finding(
            id="WAIV001",
            severity=Severity.WARNING,
            where=w.scope,
            found=f"a waiver of {w.id} that covers no finding",
            expected="a finding that it is about",
            hint="remove it from the waiver file, or correct its id and scope",
        )
        for w in waivers
        if w not in used
    ]
    return result
