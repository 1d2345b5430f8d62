"""Runs of compliance tests: found wherever rounds have put them, kept apart, never counted as results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlassay.records.loadgen_log.read_summary import read_summary
from mlassay.results.labels import benchmark_id, submitter_name
from mlassay.results.rows import ABSENT, UNREADABLE, AuditRow
from mlassay.submission import layout as lay
from mlassay.submission.model import DETAIL, SUMMARY, Submitter
from mlassay.submission.tree import NotReadable, Tree

SUMMARY_LIMIT_BYTES = 4 << 20

PlaceKey = tuple[str, str, str, str, str]
"""division, submitter, system, benchmark, scenario: flattened, so that one spelling finds another."""


def place_key(division: str, submitter: str, system: str, model: str, scenario: str) -> PlaceKey:
    return (division, submitter, flat(system), benchmark_id(model), scenario.lower())


def audit_rows(submitter: Submitter, by_place: Mapping[PlaceKey, int]) -> Iterator[AuditRow]:
    """Compliance runs of a submitter: under audit/ or compliance/, or in a test's directory inside a result."""
    tree, lead = submitter.tree, f"{submitter.place.path}/"
    folders = sorted(
        folder
        for folder, names in tree.folders.items()
        if folder.startswith(lead) and (SUMMARY in names or DETAIL in names)
    )
    for folder in folders:
        parts = folder[len(lead) :].split("/")
        room, below = parts[0].lower(), parts[1:]
        test = next((p for p in below[3:] if lay.is_audit_folder(p)), "")
        if room not in ("audit", "compliance") and not (room == "results" and test):
            continue
        names = [*below, "", "", ""]
        key = place_key(submitter.division, submitter.place.name, names[0], names[1], names[2])
        yield AuditRow(
            result_at=by_place.get(key),
            division=submitter.division,
            submitter=submitter_name(submitter.name),
            test=test or (below[3] if len(below) > 3 else ""),
            path=folder,
            **_verdict(tree, f"{folder}/{SUMMARY}"),
        )


def _verdict(tree: Tree, path: str) -> dict[str, Any]:
    if not tree.is_file(path):
        return {"state": ABSENT, "reason": f"{SUMMARY} is absent", "valid": None}
    try:
        return {"valid": read_summary(tree.read(path, SUMMARY_LIMIT_BYTES)).valid}
    except NotReadable as error:
        return {"state": UNREADABLE, "reason": error.reason, "valid": None}


def flat(name: str) -> str:
    """A name without case and separators, for matching one spelling to another."""
    return "".join(c for c in name.lower() if c.isalnum())
