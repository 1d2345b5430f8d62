"""Whatever the user has, as a system under test."""

from __future__ import annotations

import inspect

from mlassay.backends.batching import BatchingSUT
from mlassay.backends.functions import AsyncFunctionSUT, FunctionSUT, name_of
from mlassay.core.errors import UsageError
from mlassay.core.sut import SUT


def as_sut(thing: object, *, max_batch: int = 0, max_delay_ms: float | None = None) -> SUT:
    """Make a SUT of whatever the user has.

    A SUT stays what it is; an object with `predict`, a function or an async function is wrapped. `max_delay_ms`
    turns on dynamic batching: requests wait up to that long for company, up to `max_batch` samples.
    Raises UsageError when the thing cannot be called.
    """
    if isinstance(thing, SUT):
        return thing
    predict = getattr(thing, "predict", thing)
    if not callable(predict):
        raise UsageError(
            f"a {type(thing).__name__} cannot be a system under test",
            hint="give a function from a list of samples to a list of outputs, an object with predict(), or a SUT",
        )
    if inspect.iscoroutinefunction(predict) or inspect.iscoroutinefunction(type(predict).__call__):
        return AsyncFunctionSUT(predict, name=name_of(thing))
    if max_delay_ms is not None:
        return BatchingSUT(predict, max_batch=max_batch or 32, max_delay_ms=max_delay_ms, name=name_of(thing))
    return FunctionSUT(predict, max_batch=max_batch, name=name_of(thing))
