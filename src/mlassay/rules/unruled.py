"""A run without any rules: every wish as it is, every other value the load generator's default."""

from __future__ import annotations

from types import MappingProxyType

from mlassay.core.enums import Division, Scenario
from mlassay.core.errors import UsageError
from mlassay.core.settings import (
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Server,
    Settings,
    SingleStream,
    TokenBounds,
)
from mlassay.core.units import NS_PER_MS
from mlassay.rules.wishes import Deal, Wishes


def without_rules(wishes: Wishes) -> Settings:
    """Every wish as it is, every other value the load generator's default."""
    deal = Deal("a run without rules", closed=False)
    load = _free_load(wishes, deal)
    plain = Settings(scenario=wishes.scenario, load=load)
    offline = wishes.scenario is Scenario.OFFLINE

    def free(name: str) -> object:
        return deal.free(name, getattr(wishes, name), getattr(plain, name))

    names = (
        "min_duration_ns", "max_duration_ns", "max_query_count", "sample_order", "same_index", "seeds", "stream",
        "performance_sample_count", "accuracy_sample_count", "accuracy_log", "early_stopping", "stall_timeout_ns",
    )  # fmt: skip
    values = {name: free(name) for name in names}
    tokens = isinstance(load, Server) and load.tokens is not None
    values["min_query_count"] = 1 if offline else free("min_query_count")
    values["token_latencies"] = deal.free("token_latencies", wishes.token_latencies, tokens)
    return Settings(
        scenario=wishes.scenario,
        load=load,
        mode=wishes.mode,
        benchmark=wishes.benchmark,
        division=Division.OPEN,
        clauses=MappingProxyType(deal.clauses),
        **values,  # type: ignore[arg-type]  # each value has the type of the field it is named for
    )


def _free_load(wishes: Wishes, deal: Deal) -> Load:
    def free(name: str, wish: float | None, default: float) -> float:
        return deal.free(f"load.{name}", wish, default)

    match wishes.scenario:
        case Scenario.SINGLE_STREAM:
            return SingleStream(
                expected_latency_ns=int(free("expected_latency_ns", wishes.expected_latency_ns, NS_PER_MS)),
                percentile=free("percentile", wishes.percentile, 90.0),
            )
        case Scenario.MULTI_STREAM if wishes.interval:
            return IntervalMultiStream(
                samples_per_query=int(free("samples_per_query", wishes.samples_per_query, 1)),
                interval_ns=int(free("interval_ns", wishes.latency_bound_ns, 50 * NS_PER_MS)),
                percentile=free("percentile", wishes.percentile, 99.0),
            )
        case Scenario.MULTI_STREAM:
            samples = int(free("samples_per_query", wishes.samples_per_query, 8))
            return MultiStream(
                samples_per_query=samples,
                expected_latency_ns=int(free("expected_latency_ns", wishes.expected_latency_ns, samples * NS_PER_MS)),
                percentile=free("percentile", wishes.percentile, 99.0),
            )
        case Scenario.OFFLINE:
            return Offline(
                expected_qps=free("expected_qps", wishes.target_qps, 1.0),
                min_sample_count=int(free("min_sample_count", wishes.min_sample_count, 1)),
            )
        case _:
            return _free_server(wishes, deal)


def _free_server(wishes: Wishes, deal: Deal) -> Server:
    if (wishes.ttft_ns is None) is not (wishes.tpot_ns is None):
        raise UsageError("token bounds come in pairs", hint="give both the time to first token and per output token")
    if wishes.scenario is Scenario.INTERACTIVE and wishes.ttft_ns is None:
        raise UsageError(
            "an interactive run without rules needs bounds on its tokens",
            hint="give the time to first token and per output token (--ttft, --tpot)",
        )
    tokens = None
    if wishes.ttft_ns is not None and wishes.tpot_ns is not None:
        tokens = TokenBounds(
            ttft_ns=deal.free("load.tokens.ttft_ns", wishes.ttft_ns, 0),
            tpot_ns=deal.free("load.tokens.tpot_ns", wishes.tpot_ns, 0),
        )
    return Server(
        target_qps=deal.free("load.target_qps", wishes.target_qps, 1.0),
        latency_bound_ns=deal.free("load.latency_bound_ns", wishes.latency_bound_ns, 100 * NS_PER_MS),
        percentile=deal.free("load.percentile", wishes.percentile, 99.0),
        coalesce=deal.free("load.coalesce", wishes.coalesce, False),
        max_async_queries=deal.free("load.max_async_queries", wishes.max_async_queries, 0),
        tokens=tokens,
    )
