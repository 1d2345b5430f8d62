"""What a request asks of a task, made sense of in one way for all: options, profile, model file, data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlassay.core.errors import UsageError
from mlassay.tasks.task import Profile, Task, TaskRequest

OWN = "own"
"""The profile of every task for model files of the user's own."""


def chosen_profile(task: Task, request: TaskRequest, packed: str) -> Profile:
    """The profile that is asked for by name, or by the model's; else `own` for a model file, else the small one.

    `packed`: name of the model of the small profile. Raises UsageError for options and profiles that there are not.
    """
    unknown = [key for key in request.options if key not in task.options]
    if unknown:
        has = ", ".join(task.options) or "none"
        raise UsageError(f"{task.name} has no option {unknown[0]!r}", hint=f"it has {has}")
    known = {profile.name: profile for profile in task.profiles}
    wish = request.profile or (request.model if request.model in known else "")
    if wish and wish not in known:
        raise UsageError(f"{task.name} has no profile {wish!r}", hint=f"it has {', '.join(known)}")
    if wish:
        return known[wish]
    return known[OWN] if request.model and request.model != packed else task.profiles[0]


def model_file(
    profile: Profile, request: TaskRequest, *, hint: str = "give --model FILE.onnx", folders: bool = False
) -> Path:
    """The path that was given with --model: a file that exists or, where the task takes such, a folder."""
    if not request.model or request.model == profile.name:
        raise UsageError(f"{profile.name} needs a model file", hint=hint)
    path = Path(request.model)
    if not path.is_file() and not (folders and path.is_dir()):
        raise UsageError(f"there is no model {request.model!r}", hint="give a path to an ONNX file, or none at all")
    return path


def required_data(who: str, request: TaskRequest, what: str, *, hint: str) -> Path:
    """The path that was given with --data; whoever needs it says what for."""
    if request.data is None:
        raise UsageError(f"{who} needs {what}", hint=hint)
    return request.data


def read_card(path: Path) -> dict[str, Any]:
    """Numbers measured when a packed model was made: accuracy, SHA-256, seed."""
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card
