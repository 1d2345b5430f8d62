"""The checker's findings stored beside the results that they speak of."""

from __future__ import annotations

from dataclasses import replace

from mlassay.results.rows import Batch, FindingRow
from mlassay.submission.check import all_checks
from mlassay.submission.checker import Engine, applies, mark_accepted
from mlassay.submission.model import Submission
from mlassay.submission.recognise import Located


def add_findings(submission: Submission, located: Located, batch: Batch, *, jobs: int = 1) -> None:
    """Ask every check of the round; each finding joins the result whose path it stands in, and decides `accepted`."""
    checks = [c for c in all_checks().values() if applies(c, submission.round_name)]
    rows, findings = Engine(submission, checks, located).run(jobs)
    accepted = {row.path: row.accepted for row in mark_accepted(rows, findings, submission)}
    by_path = {row.path: at for at, row in enumerate(batch.results)}
    for found in findings:
        batch.findings.append(
            FindingRow(
                result_at=_result_of(found.where, by_path),
                origin="checker",
                check_id=found.id,
                severity=str(found.severity),
                place=found.where,
                found=found.found,
                expected=found.expected,
                clause=found.clause,
                hint=found.hint,
            )
        )
    batch.results = [replace(row, accepted=accepted.get(row.path)) for row in batch.results]


_BESIDE = ("measurements", "audit", "compliance")


def _result_of(where: str, by_path: dict[str, int]) -> int | None:
    """The result whose directory a path stands in, its measurements and compliance runs included."""
    parts = where.split("/")
    path = "/".join([*parts[:2], "results", *parts[3:]]) if len(parts) > 5 and parts[2] in _BESIDE else where
    while path:
        if path in by_path:
            return by_path[path]
        path = path.rpartition("/")[0]
    return None
