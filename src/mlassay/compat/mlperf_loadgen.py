"""A drop-in for the official Python module `mlperf_loadgen`, over our load generator.

    from mlassay.compat import mlperf_loadgen as lg      # instead of: import mlperf_loadgen as lg

Same names, same settings, same sample order and arrival times, same log files. Where the official module hangs or
crashes (unknown or repeated ids, answers that never come, exceptions in callbacks, bad handles) this one says what
happened, in the detail log or by an exception. docs/how-to/replace-loadgen.md tells the differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlassay.compat import handles
from mlassay.compat.answers import FirstTokenComplete, QuerySamplesComplete
from mlassay.compat.handles import LibraryCallbacks, SutCallbacks
from mlassay.compat.samples import QuerySample, QuerySampleResponse, VectorQuerySample, VectorQuerySampleResponse
from mlassay.compat.settings_objects import (
    LoggingMode,
    LogOutputSettings,
    LogSettings,
    TestMode,
    TestScenario,
    TestSettings,
)
from mlassay.compat.start import start_test

__all__ = [
    "ConstructFastSUT",
    "ConstructQDL",
    "ConstructQSL",
    "ConstructSUT",
    "DestroyFastSUT",
    "DestroyQDL",
    "DestroyQSL",
    "DestroySUT",
    "FirstTokenComplete",
    "LogOutputSettings",
    "LogSettings",
    "LoggingMode",
    "QuerySample",
    "QuerySampleResponse",
    "QuerySamplesComplete",
    "StartTest",
    "StartTestWithLogSettings",
    "TestMode",
    "TestScenario",
    "TestSettings",
    "VectorQuerySample",
    "VectorQuerySampleResponse",
]

# ruff: noqa: N802 - the official names


def ConstructSUT(issue: Callable[[list[QuerySample]], Any], flush: Callable[[], Any], /) -> int:
    """A system under test: `issue` takes a query, `flush` is told that no more will come. Returns its handle."""
    return handles.keep(SutCallbacks(_called("issue", issue), _called("flush", flush), lambda: "PySUT"))


def ConstructFastSUT(issue: Callable[[list[int], list[int]], Any], flush: Callable[[], Any], /) -> int:
    """A SUT whose `issue` takes the ids and the indices of a query's samples as two lists. Returns its handle."""
    callbacks = SutCallbacks(_called("issue", issue), _called("flush", flush), lambda: "PyFastSUT", fast=True)
    return handles.keep(callbacks)


def ConstructQDL(
    issue: Callable[[list[QuerySample]], Any], flush: Callable[[], Any], client_get_name: Callable[[], str], /
) -> int:
    """A query dispatch library: a SUT that forwards queries over a network and says its own name."""
    callbacks = SutCallbacks(
        _called("issue", issue), _called("flush", flush), _called("client_get_name", client_get_name)
    )
    return handles.keep(callbacks)


def ConstructQSL(
    total_sample_count: int,
    performance_sample_count: int,
    load_samples_to_ram: Callable[[list[int]], Any],
    unload_samples_from_ram: Callable[[list[int]], Any],
    /,
) -> int:
    """A query sample library: how many samples there are, how many fit in memory, how to load and unload."""
    for what, count in (("total", total_sample_count), ("performance", performance_sample_count)):
        if not hasattr(count, "__index__") or count < 0:
            raise TypeError(f"the {what} sample count is {count!r}; expected a whole number, zero or more")
    return handles.keep(
        LibraryCallbacks(
            int(total_sample_count),
            int(performance_sample_count),
            _called("load_samples_to_ram", load_samples_to_ram),
            _called("unload_samples_from_ram", unload_samples_from_ram),
        )
    )


def DestroySUT(sut: int, /) -> None:
    """Forget a SUT."""
    handles.forget(sut)


def DestroyFastSUT(sut: int, /) -> None:
    """Forget a SUT."""
    handles.forget(sut)


def DestroyQDL(sut: int, /) -> None:
    """Forget a query dispatch library."""
    handles.forget(sut)


def DestroyQSL(qsl: int, /) -> None:
    """Forget a sample library."""
    handles.forget(qsl)


def StartTest(sut: int, qsl: int, test_settings: TestSettings, audit_config_filename: str = "audit.config") -> None:
    """Run a test and write its logs into the working directory."""
    StartTestWithLogSettings(sut, qsl, test_settings, LogSettings(), audit_config_filename)


def StartTestWithLogSettings(
    sut: int,
    qsl: int,
    test_settings: TestSettings,
    log_settings: LogSettings,
    audit_config_filename: str = "audit.config",
) -> None:
    """Run a test and write its logs where `log_settings` says. Returns when the logs are written.

    Raises what a callback raised (after the logs are written), ValueError for a handle that is none, TypeError for
    settings of another module, UsageError for settings that no run can satisfy.
    """
    for value, kind in ((test_settings, TestSettings), (log_settings, LogSettings)):
        if not isinstance(value, kind):
            raise TypeError(
                f"expected {kind.__module__}.{kind.__name__}, not {type(value).__module__}.{type(value).__name__}"
            )
    start_test(handles.sut(sut), handles.library(qsl), test_settings, log_settings, audit_config_filename)


def _called(name: str, callback: Any) -> Any:
    if not callable(callback):
        raise TypeError(f"{name} is {callback!r}; expected a function")
    return callback
