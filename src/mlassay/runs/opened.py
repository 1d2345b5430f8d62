"""The task that a request names, with its data and model found."""

from __future__ import annotations

from dataclasses import replace

from mlassay.core.errors import UsageError
from mlassay.runs.request import RunRequest
from mlassay.tasks import task_registry
from mlassay.tasks.task import OpenTask, Task, TaskRequest


def with_backend(request: RunRequest) -> RunRequest:
    """The request with a backend named: that of the profile or task, where the user names none and brings no SUT."""
    if request.backend or request.sut is not None:
        return request
    task: Task = task_registry.load(request.task)
    if not task.backends:
        raise UsageError(
            f"no backend of mlassay runs {task.name}: bring a system of your own",
            hint="call mlassay.run(…, sut=…), or name the backend of your package with --backend",
        )
    usual = next((profile.backend for profile in task.profiles if profile.name == request.profile), "")
    return replace(request, backend=usual or task.backends[0])


def open_task(request: RunRequest) -> OpenTask:
    task: Task = task_registry.load(request.task)
    return task.open(
        TaskRequest(
            profile=request.profile,
            data=request.data,
            model=request.model,
            performance_count=request.performance_count,
            options=request.task_options,
        )
    )
