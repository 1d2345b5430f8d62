"""Everything that decides one inference run, frozen. The rule book makes one; the load generator obeys it.

Durations are integer nanoseconds, percentiles run 0-100, rates are per second. Field names that official files spell
otherwise are mapped in `mlassay.rules.official_settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mlassay.core.enums import Division, Mode, SampleOrder, Scenario
from mlassay.core.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleStream:
    """The next query is issued when the previous one is answered."""

    expected_latency_ns: int = NS_PER_MS  # sizes the query list; never judged
    percentile: float = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiStream:
    """Since v2.0: queries of `samples_per_query` samples, one after the other."""

    samples_per_query: int = 8
    expected_latency_ns: int = 8 * NS_PER_MS
    percentile: float = 99.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalMultiStream:
    """v0.5 to v1.0: a query of `samples_per_query` (the number of streams) every `interval_ns`.

    An interval that finds the SUT busy is skipped, counted, and delays the rest; at most `100 - percentile` percent
    of the queries may skip. The interval is also the latency bound.
    """

    samples_per_query: int = 1
    interval_ns: int = 50 * NS_PER_MS
    percentile: float = 99.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBounds:
    """Bounds on time to first token and time per output token, at the scenario's percentile."""

    ttft_ns: int
    tpot_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Poisson arrivals of one-sample queries at `target_qps`. Interactive is this with `tokens` set tighter."""

    target_qps: float = 1.0
    latency_bound_ns: int = 100 * NS_PER_MS
    percentile: float = 99.0
    coalesce: bool = False  # hand all queries that are due to the SUT as one
    max_async_queries: int = 0  # stop issuing while that many are in flight; 0: no limit
    tokens: TokenBounds | None = None
    completed_metric: bool = True  # v4.1+: completed per second; before: scheduled per second


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """One query that holds every sample, at least `min_sample_count` of them."""

    expected_qps: float = 1.0
    min_sample_count: int = 1


Load = SingleStream | MultiStream | IntervalMultiStream | Server | Offline


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """Seeds of the three random streams; a round publishes its own shortly before submission."""

    qsl: int = 0
    sample_index: int = 0
    schedule: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyLog:
    """Sampling of outputs into the accuracy log during a performance run (TEST01)."""

    probability: float = 0.0  # 0-1
    sampling_target: int = 0  # wanted number of logged samples; overrides the probability when positive
    seed: int = 0


class StreamVersion(StrEnum):
    """Which LoadGen's random streams to reproduce."""

    V0_5 = "v0.5"  # division with rejection, no equal-issue, whole library shuffled
    V0_7 = "v0.7"  # multiply-shift draws; whole library shuffled, then cut to the performance set
    V6_0 = "v6.0"  # only the performance set is shuffled


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """What the round wants before a result may be called VALID; shorter runs are INDICATIVE. Zero: nothing wanted."""

    min_duration_ns: int = 0
    min_query_count: int = 0
    min_sample_count: int = 0  # Offline: samples in the query
    runs: int = 1  # v0.5 Server: five, the result is their minimum


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run. `scenario` and the type of `load` agree (checked)."""

    scenario: Scenario
    load: Load
    mode: Mode = Mode.PERFORMANCE
    min_duration_ns: int = 10 * NS_PER_S
    max_duration_ns: int = 0  # 0: no limit
    min_query_count: int = 100
    max_query_count: int = 0  # 0: no limit
    sample_order: SampleOrder = SampleOrder.RANDOM
    same_index: int = 0
    performance_sample_count: int = 0  # 0: what the library says
    accuracy_sample_count: int = 0  # 0: the whole library
    seeds: Seeds = field(default_factory=Seeds)
    accuracy_log: AccuracyLog = field(default_factory=AccuracyLog)
    early_stopping: bool = True
    token_latencies: bool = False  # the SUT reports first tokens and token counts
    stream: StreamVersion = StreamVersion.V6_0
    required: Required = field(default_factory=Required)
    stall_timeout_ns: int = 300 * NS_PER_S  # longest wait without any completion while queries are open
    round: str = "none"
    benchmark: str = ""
    division: Division = Division.OPEN
    clauses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where each value comes from: field path ("load.latency_bound_ns") to clause or file."""
    deviations: tuple[str, ...] = ()
    """Open division: each rule value that the user changed, in words."""

    def __post_init__(self) -> None:
        wanted: dict[Scenario, tuple[type, ...]] = {
            Scenario.SINGLE_STREAM: (SingleStream,),
            Scenario.MULTI_STREAM: (MultiStream, IntervalMultiStream),
            Scenario.SERVER: (Server,),
            Scenario.INTERACTIVE: (Server,),
            Scenario.OFFLINE: (Offline,),
        }
        if not isinstance(self.load, wanted[self.scenario]):
            raise ValueError(
                f"scenario {self.scenario.value} needs {' or '.join(t.__name__ for t in wanted[self.scenario])},"
                f" not {type(self.load).__name__}"
            )
        for name in ("min_duration_ns", "max_duration_ns", "min_query_count", "max_query_count", "stall_timeout_ns"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected zero or more")
