"""A plan in words and as data."""

from __future__ import annotations

from typing import Any

from mlassay.core.units import format_bytes
from mlassay.submission.pack import Plan


def plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "round": plan.round,
        "refused": bool(plan.refusals),
        "files": {path: file.size for path, file in sorted(plan.files.items())},
        "originals": sorted(plan.originals),
        "notes": plan.notes,
        "findings": [
            {"id": f.id, "severity": f.severity, "where": f.where, "found": f.found, "expected": f.expected}
            for f in plan.findings
        ],
    }


def plan_text(plan: Plan) -> str:
    """The files as a list with sizes, then what the checker says."""
    lines = [f"{format_bytes(file.size):>10}  {path}" for path, file in sorted(plan.files.items())]
    lines += [f"note: {note}" for note in plan.notes]
    lines += [f"whole log kept beside: {path}" for path in sorted(plan.originals)]
    for f in plan.findings:
        lines.append(f"{f.severity.value} {f.id} {f.where}: found {f.found}; expected {f.expected}")
        if f.hint:
            lines.append(f"    next: {f.hint}")
    total = format_bytes(sum(f.size for f in plan.files.values()))
    verdict = "would be refused" if plan.refusals else "would be written"
    lines.append(f"{len(plan.files)} files, {total}: {verdict}")
    return "\n".join(lines) + "\n"
