"""The checker's findings stored beside the results that they speak of."""

from __future__ import annotations

from dataclasses import replace

from mlassay.results.rows import Batch, FindingRow
from mlassay.submission.check import all_checks
from mlassay.submission.checker import Engine, applies
from mlassay.submission.model import Submission
from mlassay.submission.recognise import Located


def add_findings(submission: Submission, located: Located, batch: Batch, *, jobs: int = 1) -> None:
    """Ask every check of the round; each finding joins the result whose path it stands in, and decides `accepted`."""
    checks = [c for c in all_checks().values() if applies(c, submission.round_name)]
    _, findings = Engine(submission, checks, located).run(jobs)
    by_path = {row.path: at for at, row in enumerate(batch.results)}
    rejected: set[int] = set()
    for found in findings:
        at = _result_of(found.where, by_path)
        if at is not None and found.rejects:
            rejected.add(at)
        batch.findings.append(
            FindingRow(
                result_at=at,
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
    batch.results = [replace(row, accepted=at not in rejected) for at, row in enumerate(batch.results)]


def _result_of(where: str, by_path: dict[str, int]) -> int | None:
    """The result whose directory a path stands in."""
    path = where
    while path:
        if path in by_path:
            return by_path[path]
        path = path.rpartition("/")[0]
    return None
