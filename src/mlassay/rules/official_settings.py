"""From the official load generator's attributes to our Settings and back: the same run in both vocabularies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Seeds,
    Server,
    Settings,
    SingleStream,
    StreamVersion,
    TokenBounds,
)
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.rules.conf import Conf
from mlassay.rules.official import MODES, OFFICIAL_DEFAULTS, apply

OUR_MODE = dict(zip(MODES, (Mode.SUBMISSION, Mode.ACCURACY, Mode.PERFORMANCE, Mode.FIND_PEAK), strict=True))


def settings_from_official(
    values: Mapping[str, Any],
    *,
    scenario: str | None = None,
    mode: str | None = None,
    stream: StreamVersion = StreamVersion.V6_0,
    early_stopping: bool = True,
    completed_metric: bool = True,
) -> Settings:
    """Settings that make our load generator do what the official one would. Keys that are absent have their default.

    `scenario` and `mode` are official names; None takes them from `values`.
    """
    v = {**OFFICIAL_DEFAULTS, **values}
    kind = Scenario.parse(scenario or v["scenario"])
    prefix = "test05_" if v["test05"] else ""
    offline = kind is Scenario.OFFLINE
    return Settings(
        scenario=kind,
        load=_load(v, kind, completed_metric),
        mode=OUR_MODE[mode or v["mode"]],
        min_duration_ns=int(v["min_duration_ms"]) * NS_PER_MS,
        max_duration_ns=int(v["max_duration_ms"]) * NS_PER_MS,
        min_query_count=1 if offline else int(v["min_query_count"]),
        max_query_count=int(v["max_query_count"]),
        sample_order=_order(v),
        same_index=int(v["performance_issue_same_index"]),
        performance_sample_count=int(v["performance_sample_count_override"]),
        accuracy_sample_count=int(v["accuracy_sample_count_override"]),
        seeds=Seeds(
            qsl=int(v[f"{prefix}qsl_rng_seed"]),
            sample_index=int(v[f"{prefix}sample_index_rng_seed"]),
            schedule=int(v[f"{prefix}schedule_rng_seed"]),
        ),
        accuracy_log=AccuracyLog(
            probability=float(v["accuracy_log_probability"]),
            sampling_target=int(v["accuracy_log_sampling_target"]),
            seed=int(v["accuracy_log_rng_seed"]),
        ),
        early_stopping=early_stopping,
        token_latencies=bool(v["use_token_latencies"]),
        stream=stream,
    )


def _load(v: Mapping[str, Any], kind: Scenario, completed_metric: bool) -> Load:
    def percentile(name: str) -> float:
        return round(float(v[f"{name}_target_latency_percentile"]) * 100, 9)

    match kind:
        case Scenario.SINGLE_STREAM:
            expected = round(float(v["single_stream_expected_latency_ns"]))
            return SingleStream(expected_latency_ns=expected, percentile=percentile("single_stream"))
        case Scenario.MULTI_STREAM:
            return MultiStream(
                samples_per_query=int(v["multi_stream_samples_per_query"]),
                expected_latency_ns=round(float(v["multi_stream_expected_latency_ns"])),
                percentile=percentile("multi_stream"),
            )
        case Scenario.OFFLINE:
            return Offline(expected_qps=float(v["offline_expected_qps"]), min_sample_count=int(v["min_query_count"]))
        case _:
            tokens = TokenBounds(ttft_ns=int(v["ttft_latency"]), tpot_ns=int(v["tpot_latency"]))
            return Server(
                target_qps=float(v["server_target_qps"]),
                latency_bound_ns=int(v["server_target_latency_ns"]),
                percentile=percentile("server"),
                coalesce=bool(v["server_coalesce_queries"]),
                max_async_queries=int(v["server_max_async_queries"]),
                tokens=tokens if v["use_token_latencies"] else None,
                completed_metric=completed_metric,
            )


def _order(v: Mapping[str, Any]) -> SampleOrder:
    if v["performance_issue_same"]:
        return SampleOrder.SAME
    if v["performance_issue_unique"]:
        return SampleOrder.UNIQUE
    return SampleOrder.EQUAL_ISSUE if v["sample_concatenate_permutation"] else SampleOrder.RANDOM


def apply_to_settings(settings: Settings, confs: Sequence[Conf], model: str) -> Settings:
    """`settings` with configuration files laid over them; each value that a file changed has the file as its clause.

    The files are obeyed, not judged: `mlassay.rules.official.open_only` names the lines that leave closed.
    """
    scenario = settings.scenario.loadgen_name
    before = official_from_settings(settings)
    after = settings_from_official(
        apply(before, confs, model, scenario),
        scenario=settings.scenario.value,
        stream=settings.stream,
        early_stopping=settings.early_stopping,
        completed_metric=getattr(settings.load, "completed_metric", True),
    )
    load: Load = after.load
    if isinstance(settings.load, IntervalMultiStream):
        load = _interval_load(settings.load, confs, model)
    changes: dict[str, Any] = {"load": load}
    for name in ("mode", "min_duration_ns", "max_duration_ns", "min_query_count", "max_query_count", "sample_order",
                 "same_index", "performance_sample_count", "accuracy_sample_count", "seeds", "accuracy_log",
                 "token_latencies"):  # fmt: skip
        changes[name] = getattr(after, name)
    where = ", ".join(conf.path for conf in confs)
    changed = {name: where for name, value in changes.items() if value != getattr(settings, name)}
    return replace(settings, **changes, clauses=MappingProxyType({**settings.clauses, **changed}))


def _interval_load(load: IntervalMultiStream, confs: Sequence[Conf], model: str) -> IntervalMultiStream:
    """The keys of load generators before v2.0: streams and their rate."""
    for conf in confs:
        streams = conf.lookup(model, "MultiStream", "samples_per_query")
        rate = conf.lookup(model, "MultiStream", "target_qps")
        percentile = conf.lookup(model, "MultiStream", "target_latency_percentile")
        if streams is not None:
            load = replace(load, samples_per_query=streams.whole)
        if rate is not None and rate.value > 0:
            load = replace(load, interval_ns=int(NS_PER_S / rate.value))
        if percentile is not None:
            load = replace(load, percentile=percentile.value)
    return load


def official_from_settings(settings: Settings) -> dict[str, Any]:
    """The official attributes that ask for the same run. Sub-millisecond durations round up."""
    load = settings.load
    out: dict[str, Any] = {
        **OFFICIAL_DEFAULTS,
        "scenario": settings.scenario.loadgen_name,
        "mode": next(name for name, mode in OUR_MODE.items() if mode is settings.mode),
        "min_duration_ms": -(-settings.min_duration_ns // NS_PER_MS),
        "max_duration_ms": -(-settings.max_duration_ns // NS_PER_MS),
        "min_query_count": settings.min_query_count,
        "max_query_count": settings.max_query_count,
        "qsl_rng_seed": settings.seeds.qsl,
        "sample_index_rng_seed": settings.seeds.sample_index,
        "schedule_rng_seed": settings.seeds.schedule,
        "accuracy_log_rng_seed": settings.accuracy_log.seed,
        "accuracy_log_probability": settings.accuracy_log.probability,
        "accuracy_log_sampling_target": settings.accuracy_log.sampling_target,
        "performance_issue_unique": settings.sample_order is SampleOrder.UNIQUE,
        "performance_issue_same": settings.sample_order is SampleOrder.SAME,
        "performance_issue_same_index": settings.same_index,
        "performance_sample_count_override": settings.performance_sample_count,
        "accuracy_sample_count_override": settings.accuracy_sample_count,
        "sample_concatenate_permutation": settings.sample_order is SampleOrder.EQUAL_ISSUE,
        "use_token_latencies": settings.token_latencies,
    }
    match load:
        case SingleStream():
            out["single_stream_expected_latency_ns"] = float(load.expected_latency_ns)
            out["single_stream_target_latency_percentile"] = load.percentile / 100
        case MultiStream():
            out["multi_stream_expected_latency_ns"] = float(load.expected_latency_ns)
            out["multi_stream_target_latency_percentile"] = load.percentile / 100
            out["multi_stream_samples_per_query"] = load.samples_per_query
        case IntervalMultiStream():  # names of the load generators before v2.0
            out["multi_stream_target_qps"] = NS_PER_S / load.interval_ns
            out["multi_stream_target_latency_ns"] = load.interval_ns
            out["multi_stream_target_latency_percentile"] = load.percentile / 100
            out["multi_stream_samples_per_query"] = load.samples_per_query
            out["multi_stream_max_async_queries"] = 1
        case Server():
            out["server_target_qps"] = load.target_qps
            out["server_target_latency_ns"] = load.latency_bound_ns
            out["server_target_latency_percentile"] = load.percentile / 100
            out["server_coalesce_queries"] = load.coalesce
            out["server_max_async_queries"] = load.max_async_queries
            if load.tokens is not None:
                out["ttft_latency"], out["tpot_latency"] = load.tokens.ttft_ns, load.tokens.tpot_ns
        case Offline():
            out["offline_expected_qps"] = load.expected_qps
            out["min_query_count"] = load.min_sample_count
    return out
