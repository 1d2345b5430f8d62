"""The official load generator's settings by their own names, and what each key of a configuration file sets.

Works on plain dicts, attribute name to value, so that a drop-in for the official module can use it on its own object:

    values = dict(OFFICIAL_DEFAULTS)
    values = apply(values, [mlperf, user, audit], model="resnet50", scenario="Server")
    settings = settings_from_official(values, scenario="Server")        # mlassay.rules.official_settings

Times are in the unit that the name says, percentiles are fractions: 0.99.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlassay.core.units import NS_PER_MS
from mlassay.rules.conf import Conf, ConfKind, Entry

OFFICIAL_DEFAULTS: Mapping[str, Any] = {
    "scenario": "SingleStream",
    "mode": "PerformanceOnly",
    "single_stream_expected_latency_ns": 1_000_000.0,
    "single_stream_target_latency_percentile": 0.9,
    "multi_stream_expected_latency_ns": 8_000_000.0,
    "multi_stream_target_latency_percentile": 0.99,
    "multi_stream_samples_per_query": 8,
    "server_target_qps": 1.0,
    "server_target_latency_ns": 100_000_000,
    "server_target_latency_percentile": 0.99,
    "server_coalesce_queries": False,
    "server_find_peak_qps_decimals_of_precision": 1,
    "server_find_peak_qps_boundary_step_size": 1.0,
    "server_max_async_queries": 0,
    "server_num_issue_query_threads": 0,
    "offline_expected_qps": 1.0,
    "min_duration_ms": 10_000,
    "max_duration_ms": 0,
    "min_query_count": 100,
    "max_query_count": 0,
    "qsl_rng_seed": 0,
    "sample_index_rng_seed": 0,
    "schedule_rng_seed": 0,
    "accuracy_log_rng_seed": 0,
    "accuracy_log_probability": 0.0,
    "accuracy_log_sampling_target": 0,
    "print_timestamps": False,
    "performance_issue_unique": False,
    "performance_issue_same": False,
    "performance_issue_same_index": 0,
    "performance_sample_count_override": 0,
    "accuracy_sample_count_override": 0,
    "sample_concatenate_permutation": False,
    "test05": False,
    "test05_qsl_rng_seed": 0,
    "test05_sample_index_rng_seed": 0,
    "test05_schedule_rng_seed": 0,
    "use_token_latencies": False,
    "ttft_latency": 100_000_000,
    "tpot_latency": 100_000_000,
    "infer_token_latencies": False,
    "token_latency_scaling_factor": 0,
}
"""As in the package mlcommons-loadgen 6.0."""

MODES = ("SubmissionRun", "AccuracyOnly", "PerformanceOnly", "FindPeakPerformance")
"""The official numbers of the modes are the positions here."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a key in a file sets. `scenario` fixes where it is looked up; "" means the scenario of the run."""

    key: str
    attribute: str
    convert: Callable[[Entry], Any]
    scenario: str = ""
    only_mlperf: bool = False  # ignored in user.conf and audit.config
    open_only: bool = False  # in user.conf: the result is for the open division
    when: str = ""  # only while this attribute is true


def _count(entry: Entry) -> int:
    return entry.whole


def _ms_whole(entry: Entry) -> int:
    return entry.whole * NS_PER_MS


def _ms(entry: Entry) -> float:
    return entry.value * NS_PER_MS


def _percent(entry: Entry) -> float:
    return entry.value * 0.01


def _rate(entry: Entry) -> float:
    return entry.value


def _nonzero(entry: Entry) -> bool:
    return entry.whole != 0


def _exactly_one(entry: Entry) -> bool:
    return entry.whole == 1


KEYS: tuple[Key, ...] = (
    Key("qsl_rng_seed", "qsl_rng_seed", _count, only_mlperf=True),
    Key("sample_index_rng_seed", "sample_index_rng_seed", _count, only_mlperf=True),
    Key("schedule_rng_seed", "schedule_rng_seed", _count, only_mlperf=True),
    Key("test05_qsl_rng_seed", "test05_qsl_rng_seed", _count, only_mlperf=True),
    Key("test05_sample_index_rng_seed", "test05_sample_index_rng_seed", _count, only_mlperf=True),
    Key("test05_schedule_rng_seed", "test05_schedule_rng_seed", _count, only_mlperf=True),
    Key("accuracy_log_probability", "accuracy_log_probability", _percent, only_mlperf=True),
    Key("accuracy_log_rng_seed", "accuracy_log_rng_seed", _count),
    Key("accuracy_log_sampling_target", "accuracy_log_sampling_target", _count),
    Key("print_timestamps", "print_timestamps", _nonzero),
    Key("min_duration", "min_duration_ms", _count),
    Key("max_duration", "max_duration_ms", _count),
    Key("min_query_count", "min_query_count", _count),
    Key("max_query_count", "max_query_count", _count),
    Key("performance_issue_unique", "performance_issue_unique", _nonzero),
    Key("performance_issue_same", "performance_issue_same", _nonzero),
    Key("performance_issue_same_index", "performance_issue_same_index", _count),
    Key("performance_sample_count_override", "performance_sample_count_override", _count),
    Key("accuracy_sample_count_override", "accuracy_sample_count_override", _count),
    Key("sample_concatenate_permutation", "sample_concatenate_permutation", _exactly_one),
    Key("use_token_latencies", "use_token_latencies", _exactly_one, open_only=True),
    Key("ttft_latency", "ttft_latency", _ms_whole, "Server", open_only=True, when="use_token_latencies"),
    Key("tpot_latency", "tpot_latency", _ms_whole, "Server", open_only=True, when="use_token_latencies"),
    Key("infer_token_latencies", "infer_token_latencies", _exactly_one, open_only=True),
    Key("token_latency_scaling_factor", "token_latency_scaling_factor", _count, open_only=True,
        when="infer_token_latencies"),
    Key("target_latency", "single_stream_expected_latency_ns", _ms, "SingleStream"),
    Key("target_latency_percentile", "single_stream_target_latency_percentile", _percent, "SingleStream",
        open_only=True),
    Key("target_latency", "multi_stream_expected_latency_ns", _ms, "MultiStream"),
    Key("target_latency_percentile", "multi_stream_target_latency_percentile", _percent, "MultiStream",
        open_only=True),
    Key("samples_per_query", "multi_stream_samples_per_query", _count, "MultiStream", open_only=True),
    Key("target_qps", "server_target_qps", _rate, "Server"),
    Key("target_latency", "server_target_latency_ns", _ms_whole, "Server", open_only=True),
    Key("target_latency_percentile", "server_target_latency_percentile", _percent, "Server", open_only=True),
    Key("coalesce_queries", "server_coalesce_queries", _nonzero, "Server"),
    Key("max_async_queries", "server_max_async_queries", _count, "Server"),
    Key("target_qps", "offline_expected_qps", _rate, "Offline"),
)  # fmt: skip
"""In the order in which a file is worked through."""


def apply(
    values: Mapping[str, Any],
    confs: Iterable[Conf],
    model: str,
    scenario: str,
    *,
    seeds_from_any_file: bool = False,
) -> dict[str, Any]:
    """`values` (official names) with the files laid over them, in the order given; a new dict.

    `scenario` is the official spelling, "Server" for Interactive. `seeds_from_any_file`: as load generators before
    v5.0 did, when mlperf.conf was a file beside user.conf.
    """
    out = dict(values)
    for conf in confs:
        mode = conf.lookup(model, scenario, "mode")
        if mode is not None and mode.whole < len(MODES):
            out["mode"] = MODES[mode.whole]
        for key in KEYS:
            if key.only_mlperf and conf.kind is not ConfKind.MLPERF and not seeds_from_any_file:
                continue
            if key.when and not out.get(key.when):
                continue
            entry = conf.lookup(model, key.scenario or scenario, key.key)
            if entry is not None:
                out[key.attribute] = key.convert(entry)
    return out


def open_only(conf: Conf, model: str, scenario: str) -> list[Entry]:
    """Lines of a user.conf that make the result one for the open division: they change what is judged."""
    if conf.kind is not ConfKind.USER:
        return []
    found = [conf.lookup(model, k.scenario or scenario, k.key) for k in KEYS if k.open_only and
             k.scenario in ("", scenario)]  # fmt: skip
    return [entry for entry in found if entry is not None]


def ignored(conf: Conf) -> list[Entry]:
    """Lines that the official load generator ignores in this kind of file: seeds and the log probability."""
    if conf.kind is ConfKind.MLPERF:
        return []
    names = {k.key for k in KEYS if k.only_mlperf} | {"test05"}
    return [e for e in conf.entries if e.key in names]
