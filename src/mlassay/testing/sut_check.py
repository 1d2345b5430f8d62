"""Does a SUT keep the contract of `mlassay.core.sut`? The conformance test that any package can import."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlassay.core.enums import Mode, Scenario
from mlassay.core.errors import MlassayError
from mlassay.core.settings import Load, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.sut import SUT, Outputs, SampleLibrary
from mlassay.core.trace import Recording
from mlassay.core.units import NS_PER_S
from mlassay.loadgen.drive import drive
from mlassay.loadgen.plan import plan


class SutContractBroken(MlassayError):
    """What the SUT did and what it should have done."""


def check_sut(
    make: Callable[[], SUT],
    samples: SampleLibrary,
    *,
    expected: Callable[[int], Any] | None = None,
    queries: int = 32,
    timeout_s: float = 60.0,
) -> None:
    """Hold a SUT against its contract; raises SutContractBroken at the first breach.

    Every sample of every scenario is answered once, with one output each; two accuracy runs give each sample the same
    output (or `expected(index)`, where given); flush leaves nothing behind; close and open again works; `describe`
    is JSON with a name.
    """
    sut = make()
    try:
        _check_description(sut)
        first = _accuracy_outputs(sut, samples, timeout_s, close=False)
        for scenario, load in _loads(queries):
            _check_run(sut, samples, scenario, load, queries, timeout_s)
        sut.close()
        second = _accuracy_outputs(sut, samples, timeout_s, close=True)
    finally:
        sut.close()
    for index, output in first.items():
        wanted = expected(index) if expected is not None else second[index]
        if not _same(output, wanted):
            what = "expected" if expected is not None else "the second run gave"
            raise SutContractBroken(f"sample {index}: the output is {output!r}; {what} {wanted!r}")


def _check_description(sut: SUT) -> None:
    description = dict(sut.describe())
    try:
        json.dumps(description)
    except TypeError as error:
        raise SutContractBroken(f"describe() is not JSON: {error}") from error
    if not description.get("name"):
        raise SutContractBroken("describe() has no name", hint="return at least {'name': ...}")


def _loads(queries: int) -> list[tuple[Scenario, Load]]:
    return [
        (Scenario.SINGLE_STREAM, SingleStream()),
        (Scenario.MULTI_STREAM, MultiStream()),
        (Scenario.SERVER, Server(target_qps=1000.0, latency_bound_ns=10 * NS_PER_S)),
        (Scenario.SERVER, Server(target_qps=1000.0, latency_bound_ns=10 * NS_PER_S, coalesce=True)),
        (Scenario.OFFLINE, Offline(min_sample_count=4 * queries)),
    ]


def _check_run(
    sut: SUT, samples: SampleLibrary, scenario: Scenario, load: Load, queries: int, timeout_s: float
) -> None:
    settings = Settings(
        scenario=scenario,
        load=load,
        min_duration_ns=0,
        min_query_count=queries,
        stall_timeout_ns=int(timeout_s * NS_PER_S),
    )
    plans = plan(settings, samples.total_count, samples.performance_count)
    _refuse_faults(drive(settings, plans, sut, samples, close=False), scenario)


def _accuracy_outputs(sut: SUT, samples: SampleLibrary, timeout_s: float, *, close: bool) -> dict[int, Any]:
    """Output of every sample, from an accuracy run in the Offline scenario."""
    settings = Settings(
        scenario=Scenario.OFFLINE,
        load=Offline(),
        mode=Mode.ACCURACY,
        stall_timeout_ns=int(timeout_s * NS_PER_S),
    )
    plans = plan(settings, samples.total_count, samples.performance_count)
    index = np.concatenate([p.index for p in plans])
    found: dict[int, Any] = {}

    def keep(ids: Sequence[int], outputs: Outputs) -> None:
        for sample_id, output in zip(ids, outputs, strict=True):
            found[int(index[sample_id])] = output

    _refuse_faults(drive(settings, plans, sut, samples, keep=keep, close=close), Scenario.OFFLINE)
    return found


def _refuse_faults(recording: Recording, scenario: Scenario) -> None:
    for fault in recording.faults:
        raise SutContractBroken(
            f"{scenario.value}: {fault.kind}: {fault.detail} (×{fault.count})", hint="see docs/reference/faults.md"
        )
    if not recording.complete:
        raise SutContractBroken(f"{scenario.value}: the run ended early: {recording.ended}")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
