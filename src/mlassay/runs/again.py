"""From a run folder back to the request that made it: what `audit` and `replay` run again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, UsageError
from mlassay.records.folder import Run
from mlassay.rules.wishes import Wishes
from mlassay.runs.request import RunRequest

OWN_CODE = "own code"


def request_of(run: Run, *, sut: object | None = None) -> RunRequest:
    """The request behind a run; its settings stand in `run.settings` and are not asked for again.

    `sut`: the code that answered, for runs of own code. Raises UsageError when that is needed and missing, BadFile
    for a record that does not say what ran.
    """
    return request_from(
        run.record.request, Wishes(scenario=run.settings.scenario, mode=run.settings.mode), run.path, sut=sut
    )


def request_from(said: Mapping[str, Any], wishes: Wishes, where: Path, *, sut: object | None = None) -> RunRequest:
    """The request that a record's `request` part describes; `where` it stands is for the errors."""
    task = str(said.get("task", ""))
    if not task:
        raise BadFile(where, key="request.task", found="nothing", expected="the name of a task")
    backend = str(said.get("backend", ""))
    if backend == OWN_CODE and sut is None:
        raise UsageError(
            f"{where} was answered by code of the submitter's own, which the record does not hold",
            hint="call mlassay.audit(run, sut=...) from Python",
        )
    data = str(said.get("data", ""))
    try:
        return RunRequest(
            task=task,
            wishes=wishes,
            sut=sut,
            backend="" if backend == OWN_CODE else backend,
            backend_options=_table(said, "backend_options"),
            workers=int(said.get("workers", 0)),
            max_batch=int(said.get("max_batch", 0)),
            max_delay_ms=said.get("max_delay_ms"),
            profile=str(said.get("profile", "")),
            data=Path(data) if data else None,
            model=str(said.get("model", "")),
            task_options={key: str(value) for key, value in _table(said, "task_options").items()},
            performance_count=int(said.get("performance_count", 0)),
        )
    except (TypeError, ValueError) as error:
        raise BadFile(where, key="request", found=str(error)[:80], expected="what mlassay run asked for") from error


def _table(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = said.get(key, {})
    return value if isinstance(value, Mapping) else {}
