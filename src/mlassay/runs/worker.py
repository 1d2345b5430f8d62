"""A task's model inside a worker process: found again there by its names, since runtimes cannot be sent across."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlassay.backends import backend_registry
from mlassay.runs.opened import open_task
from mlassay.runs.request import RunRequest


@dataclass(frozen=True, slots=True)
class PredictFactory:
    """Called in the worker: opens the task's model with the request's backend and returns its `predict`."""

    request: RunRequest

    def __call__(self) -> Callable[[Sequence[Any]], Sequence[Any]]:
        request = replace(self.request, workers=0)
        backend = backend_registry.load(request.backend)(open_task(request).model, **request.backend_options)
        backend.ensure_loaded()
        predict: Callable[[Sequence[Any]], Sequence[Any]] = backend.predict
        return predict
