"""The data set of a task or training benchmark, by the name of either: is it whole, and make it ready."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UnknownName, UsageError
from mlassay.runs.training_request import override
from mlassay.tasks import task_registry
from mlassay.tasks.task import TaskRequest
from mlassay.training.benchmark import Recipe
from mlassay.training.catalogue import BENCHMARKS, recipe


def verify(name: str, folder: Path, wishes: Mapping[str, str]) -> DataReport:
    """`wishes`: options of the task, or settings of the benchmark's reference profile. Raises UsageError."""
    owner = _owner(name)
    check = _asked_of(owner, "verify", f"{name} cannot tell whether its data are whole")
    if isinstance(owner, Recipe):
        report: DataReport = check(folder, override(owner.profiles["reference"](), wishes))
    else:
        report = check(TaskRequest(data=folder, options=wishes))
    return report


def prepare(name: str, raw: Path, out: Path, *, told: Callable[[str], None]) -> Path:
    """Convert a raw data set once; what was written. Raises UsageError where runs read the folder as it is."""
    reason = f"the data of {name} need no preparation: runs read the folder as it is"
    made: Path = _asked_of(_owner(name), "prepare", reason)(raw, out, told=told)
    return made


def _owner(name: str) -> Any:
    """The task or the recipe of that name; UnknownName with the nearest names when there is none."""
    tasks, benchmarks = task_registry.names(), BENCHMARKS.names()
    if name not in tasks and name not in benchmarks:
        known = [*tasks, *benchmarks]
        raise UnknownName("task or training benchmark", name, known, difflib.get_close_matches(name, known))
    return task_registry.load(name) if name in tasks else recipe(name)


def _asked_of(owner: Any, what: str, otherwise: str) -> Any:
    method = getattr(owner, what, None)
    if method is None:
        raise UsageError(otherwise, hint="see the task's page in docs/tasks, or docs/training")
    return method
