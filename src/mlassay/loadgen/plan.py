"""What a run will send and when, decided before the clock starts: Settings to Plans.

One Plan per set of samples that is loaded together: a performance run has one, an accuracy run as many as the
library needs, a submission run the accuracy plans and then the performance plan. Equal settings give equal plans,
equal to the official load generator's (docs/reference/random-streams.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlassay.core.enums import Mode, SampleOrder
from mlassay.core.errors import UsageError
from mlassay.core.settings import (
    IntervalMultiStream,
    MultiStream,
    Offline,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
)
from mlassay.core.units import NS_PER_S
from mlassay.loadgen.arrivals import Arrivals, Constant, Poisson, count_within, grown_minimum, period_ns
from mlassay.loadgen.order import (
    Choice,
    Int32,
    LoadableSet,
    accuracy_log_mask,
    loadable_sets,
    pick,
    pick_offline,
    usual_toolchain,
)
from mlassay.loadgen.streams import Int64, Toolchain

OFFLINE_SLACK = 1.1
"""Offline asks for this much more than the expected rate fills the minimum duration with."""
CLOSED_LOOP_SLACK = 2
"""Where the SUT sets the pace, queries for twice the minimum duration are generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The settings as the generator takes them: the `effective_...` figures of the detail log."""

    samples_per_query: int
    target_qps: float
    target_duration_ns: int
    min_query_count: int
    min_sample_count: int
    max_async_queries: int
    performance_sample_count: int
    accuracy_sample_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything asked of the SUT while one set of samples is loaded: Q queries for N samples in all."""

    mode: Mode  # PERFORMANCE or ACCURACY
    load: list[int]  # library indices to load, repeats at the end included (MultiStream)
    index: Int32  # (N,) library index of each sample; its position is the sample's id
    due_ns: Int64  # (Q,) since the start; multiples of the period where answers set the pace
    samples_per_query: int
    generated_duration_ns: int  # when the query after the last would have been due
    min_query_count: int
    effective: Effective
    first_sequence_id: int = 0  # of the run's samples so far, loaded sets before this one included
    log_mask: NDArray[np.bool_] | None = None  # (N,) whose outputs go to the accuracy log; None: all or none by mode

    @property
    def whole(self) -> bool:
        """Every query is issued, however long it takes: accuracy needs each sample."""
        return self.mode is Mode.ACCURACY

    @property
    def generated_query_count(self) -> int:
        return len(self.due_ns)

    @property
    def first_id(self) -> Int64:
        """(Q + 1,) id of each query's first sample, and N at the end."""
        return np.arange(len(self.due_ns) + 1, dtype=np.int64) * self.samples_per_query


def plan(
    settings: Settings, total_count: int, performance_count: int, *, toolchain: Toolchain | None = None
) -> list[Plan]:
    """The plans of one run on a library of `total_count` samples of which `performance_count` fit in memory.

    A find-peak run is planned as the performance run of its present rate. `toolchain`: reproduce a load generator
    built with another C++ library than the usual one of `settings.stream`. Raises UsageError for settings that no
    plan can satisfy.
    """
    toolchain = toolchain or usual_toolchain(settings.stream)
    _check(settings, total_count, performance_count)
    figures = effective(settings, total_count, performance_count)
    plans: list[Plan] = []
    if settings.mode in (Mode.ACCURACY, Mode.SUBMISSION):
        plans += _plans(settings, total_count, figures, toolchain, accuracy=True)
    if settings.mode is not Mode.ACCURACY:
        plans += _plans(settings, total_count, figures, toolchain, accuracy=False)
    sequence_id, numbered = 0, []
    for part in plans:
        mask = None
        if part.mode is Mode.PERFORMANCE:
            probability = accuracy_log_probability(settings, figures)
            if probability > 0:
                mask = accuracy_log_mask(sequence_id, len(part.index), settings.accuracy_log.seed, probability)
        numbered.append(replace(part, first_sequence_id=sequence_id, log_mask=mask))
        sequence_id += len(part.index)
    return numbered


def effective(settings: Settings, total_count: int, performance_count: int) -> Effective:
    """The figures the official generator works with; some follow from others in ways that no user would guess."""
    load = settings.load
    samples_per_query, max_async = 1, 1
    duration_ns, min_queries = settings.min_duration_ns, settings.min_query_count
    duration_s = duration_ns / NS_PER_S
    set_size = settings.performance_sample_count or performance_count
    match load:
        case SingleStream():
            target_qps = NS_PER_S / load.expected_latency_ns
            if settings.sample_order is SampleOrder.EQUAL_ISSUE:
                min_queries = max(min_queries, int(CLOSED_LOOP_SLACK * duration_s * target_qps))
                min_queries += set_size - min_queries % set_size
        case MultiStream():
            target_qps, samples_per_query = NS_PER_S / load.expected_latency_ns, load.samples_per_query
        case IntervalMultiStream():
            target_qps, samples_per_query = NS_PER_S / load.interval_ns, load.samples_per_query
        case Server():
            target_qps, max_async = load.target_qps, load.max_async_queries
        case Offline():
            target_qps = load.expected_qps
            samples_per_query = max(load.min_sample_count, int(OFFLINE_SLACK * duration_s * target_qps))
            if _once(settings, accuracy=False):
                samples_per_query = min(set_size, total_count)
            duration_ns, min_queries = 0, 1
    return Effective(
        samples_per_query=samples_per_query,
        target_qps=target_qps,
        target_duration_ns=duration_ns,
        min_query_count=min_queries,
        min_sample_count=min_queries * samples_per_query,
        max_async_queries=max_async,
        performance_sample_count=set_size,
        accuracy_sample_count=settings.accuracy_sample_count or total_count,
    )


def accuracy_log_probability(settings: Settings, figures: Effective) -> float:
    """The share of a performance run's samples to log: wanted samples over samples expected, or as given."""
    wanted = settings.accuracy_log.sampling_target
    if not wanted:
        return settings.accuracy_log.probability
    by_time = int(figures.target_qps * (figures.target_duration_ns / NS_PER_S))
    return wanted / (max(by_time, figures.min_query_count) * figures.samples_per_query)


def _check(settings: Settings, total_count: int, performance_count: int) -> None:
    if total_count < 1 or performance_count < 1:
        raise UsageError(
            f"the sample library has {total_count} samples, {performance_count} of them in memory;"
            " expected at least one of each"
        )
    if settings.sample_order is SampleOrder.EQUAL_ISSUE and settings.stream is StreamVersion.V0_5:
        raise UsageError("equal-issue order is not part of the v0.5 streams", hint="choose another sample order")
    set_size = min(settings.performance_sample_count or performance_count, total_count)
    if settings.sample_order is SampleOrder.SAME and not 0 <= settings.same_index < set_size:
        raise UsageError(f"same_index is {settings.same_index}; expected 0 to {set_size - 1}, a loaded sample")
    for name in ("target_qps", "expected_qps", "expected_latency_ns", "interval_ns", "samples_per_query"):
        if getattr(settings.load, name, 1) <= 0:
            raise UsageError(f"{name} is {getattr(settings.load, name)}; expected a positive number")


def _plans(
    settings: Settings, total_count: int, figures: Effective, toolchain: Toolchain, *, accuracy: bool
) -> list[Plan]:
    multi_stream = isinstance(settings.load, MultiStream | IntervalMultiStream)
    sets = loadable_sets(
        n_used=figures.accuracy_sample_count if accuracy else figures.performance_sample_count,
        n_library=total_count,
        set_size=figures.performance_sample_count,
        padding=figures.samples_per_query - 1 if multi_stream else 0,
        seed=settings.seeds.qsl,
        stream=settings.stream,
        toolchain=toolchain,
        whole=accuracy,
    )
    return [_plan_of_set(settings, figures, loaded, toolchain, accuracy=accuracy) for loaded in sets]


def _plan_of_set(
    settings: Settings, figures: Effective, loaded: LoadableSet, toolchain: Toolchain, *, accuracy: bool
) -> Plan:
    load = settings.load
    size, per_query = len(loaded.samples), figures.samples_per_query
    equal = settings.sample_order is SampleOrder.EQUAL_ISSUE and not accuracy
    if isinstance(load, Offline):
        if accuracy:
            per_query = size
        elif equal:
            per_query += -per_query % size
    n_min, duration_ns = _least(settings, figures, size, per_query, accuracy=accuracy)
    arrivals = _arrivals(settings, figures)
    if equal and not isinstance(load, Offline):
        n_queries = grown_minimum(arrivals, duration_ns, n_min, size)
    else:
        n_queries = count_within(arrivals, duration_ns, n_min)
    choice = Choice(
        n_queries=n_queries,
        min_queries=n_min,
        samples_per_query=per_query,
        consecutive=isinstance(load, MultiStream | IntervalMultiStream),
        order=settings.sample_order,
        same_index=settings.same_index,
        accuracy=accuracy,
        seed=settings.seeds.sample_index,
        stream=settings.stream,
        toolchain=toolchain,
    )
    due_ns = arrivals.first(n_queries + 1)
    return Plan(
        mode=Mode.ACCURACY if accuracy else Mode.PERFORMANCE,
        load=loaded.samples,
        index=pick_offline(loaded, choice) if isinstance(load, Offline) else pick(loaded, choice),
        due_ns=due_ns[:-1].copy(),
        generated_duration_ns=int(due_ns[-1]),
        samples_per_query=per_query,
        min_query_count=figures.min_query_count,
        effective=figures,
    )


def _least(settings: Settings, figures: Effective, size: int, per_query: int, *, accuracy: bool) -> tuple[int, int]:
    """(queries, duration) that the list must reach."""
    if _once(settings, accuracy=accuracy):
        return size // per_query, 0
    slack = 1 if isinstance(settings.load, Server) else CLOSED_LOOP_SLACK
    return figures.min_query_count, slack * figures.target_duration_ns


def _once(settings: Settings, *, accuracy: bool) -> bool:
    """Is the run one walk through the loaded set? In v0.5 the same-sample order was as short as the unique one."""
    same_in_v05 = settings.sample_order is SampleOrder.SAME and settings.stream is StreamVersion.V0_5
    return accuracy or settings.sample_order is SampleOrder.UNIQUE or same_in_v05


def _arrivals(settings: Settings, figures: Effective) -> Arrivals:
    if isinstance(settings.load, Server):
        return Poisson(figures.target_qps, settings.seeds.schedule)
    if isinstance(settings.load, IntervalMultiStream):
        return Constant(settings.load.interval_ns)
    return Constant(period_ns(figures.target_qps))
