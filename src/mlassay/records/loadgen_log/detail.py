"""`mlperf_log_detail.txt`: one `:::MLLOG` line of JSON per fact, with the official keys in the official order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlassay.core.enums import Mode, SampleOrder
from mlassay.core.outcome import Outcome
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.units import NS_PER_MS
from mlassay.records.atomic import atomic_open
from mlassay.records.loadgen_log.facts import (
    CONTENTION_COUNTERS,
    MODE_NAMES,
    Level,
    LogFacts,
    Phase,
    Value,
    iso_utc,
    number,
    percentile,
    power_time,
    target_latency_ns,
)
from mlassay.records.loadgen_log.results import outcome_notes, results


class Entry(NamedTuple):
    """One line to be: its key, value, moment and level."""

    key: str
    value: Value
    unix_ns: int
    level: Level = Level.INFO


def write_detail(path: Path | str, settings: Settings, outcome: Outcome, facts: LogFacts) -> None:
    """Write the detail log of a judged run, whole or not at all."""
    with atomic_open(path, "w", encoding="utf-8", newline="\n") as file:
        for entry in entries(settings, outcome, facts):
            file.write(_line(entry, facts))


def entries(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[Entry]:
    """Every line of the log, in order."""
    start = facts.opened_unix_ns
    for part in (_versions(facts), _about(facts), requested(settings), effective(settings, facts)):
        yield from (Entry(key, value, start) for key, value in part)
    yield from (Entry(note.key, note.text, start, note.level) for note in facts.early)
    mode = None
    for phase in facts.phases:
        if phase.mode is not mode:
            mode = phase.mode
            yield Entry("generic_message", f"Starting {mode.value} mode", phase.begin_unix_ns)
        yield from _phase(phase)
    end = facts.judged_unix_ns
    yield from (Entry(note.key, note.text, end, note.level) for note in outcome_notes(outcome))
    if outcome.mode is not Mode.ACCURACY:
        yield from (Entry(key, value, end) for key, value in results(settings, outcome, facts))


def _line(entry: Entry, facts: LogFacts) -> str:
    value = entry.value
    text = number(value) if isinstance(value, int | float) else json.dumps(value, separators=(",", ":"))
    return (
        f':::MLLOG {{"key": {json.dumps(entry.key)}, "value": {text}, "time_ms": {facts.time_ms(entry.unix_ns):.6f}, '
        '"namespace": "mlperf::logging", "event_type": "POINT_IN_TIME", "metadata": {'
        f'"is_error": {number(entry.level is Level.ERROR)}, "is_warning": {number(entry.level is Level.WARNING)}, '
        f'"file": "mlassay", "line_no": 0, "pid": {facts.pid}, "tid": {facts.pid}}}}}\n'
    )


def _versions(facts: LogFacts) -> Iterator[tuple[str, Value]]:
    yield "loadgen_version", facts.version
    yield "loadgen_build_date_local", ""
    yield "loadgen_build_date_utc", ""
    yield "loadgen_git_commit_date", facts.commit_date
    yield "loadgen_git_log_message", facts.git_log
    yield "loadgen_git_status_message", facts.git_status
    yield "loadgen_file_sha1", dict(facts.file_sha1)


def _about(facts: LogFacts) -> Iterator[tuple[str, Value]]:
    yield "test_datetime", iso_utc(facts.opened_unix_ns)
    yield "sut_name", facts.sut_name
    yield "get_sut_name_duration_ns", facts.sut_name_ns
    yield "qsl_name", facts.qsl_name
    yield "qsl_reported_total_count", facts.qsl_total_count
    yield "qsl_reported_performance_count", facts.qsl_performance_count


def requested(settings: Settings) -> Iterator[tuple[str, Value]]:
    """What the user asked for, under the names of the official settings."""
    yield "requested_scenario", settings.scenario.loadgen_name
    yield "requested_test_mode", MODE_NAMES[settings.mode]
    yield from (("requested_" + key, value) for key, value in load_settings(settings))
    yield "requested_min_duration_ms", settings.min_duration_ns // NS_PER_MS
    yield "requested_max_duration_ms", settings.max_duration_ns // NS_PER_MS
    yield "requested_min_query_count", _least(settings)
    yield "requested_max_query_count", settings.max_query_count
    yield from (("requested_" + key, value) for key, value in _common(settings))
    yield "requested_performance_sample_count_override", settings.performance_sample_count
    yield "requested_accuracy_sample_count_override", settings.accuracy_sample_count
    yield "requested_sample_concatenate_permutation", settings.sample_order is SampleOrder.EQUAL_ISSUE
    if settings.token_latencies:
        yield "requested_use_token_latencies", True
        if not isinstance(settings.load, Offline):
            ttft_ns, tpot_ns = token_bounds_ns(settings)
            yield "requested_server_ttft_latency", ttft_ns
            yield "requested_server_tpot_latency", tpot_ns


def load_settings(settings: Settings) -> Iterator[tuple[str, Value]]:
    """The settings of one scenario alone, by official name."""
    match settings.load:
        case SingleStream() as load:
            yield "single_stream_expected_latency_ns", load.expected_latency_ns
            yield "single_stream_target_latency_percentile", load.percentile / 100
        case MultiStream() as load:
            yield "multi_stream_expected_latency_ns", load.expected_latency_ns
            yield "multi_stream_target_latency_percentile", load.percentile / 100
            yield "multi_stream_samples_per_query", load.samples_per_query
        case IntervalMultiStream() as load:
            yield "multi_stream_target_qps", 1e9 / load.interval_ns
            yield "multi_stream_target_latency_ns", load.interval_ns
            yield "multi_stream_target_latency_percentile", load.percentile / 100
            yield "multi_stream_samples_per_query", load.samples_per_query
            yield "multi_stream_max_async_queries", 1
        case Server() as load:
            yield "server_target_qps", load.target_qps
            yield "server_target_latency_ns", load.latency_bound_ns
            yield "server_target_latency_percentile", load.percentile / 100
            yield "server_coalesce_queries", load.coalesce
            yield "server_find_peak_qps_decimals_of_precision", 1
            yield "server_find_peak_qps_boundary_step_size", 1
            yield "server_max_async_queries", load.max_async_queries
            yield "server_num_issue_query_threads", 0
        case Offline() as load:
            yield "offline_expected_qps", load.expected_qps


def effective(settings: Settings, facts: LogFacts) -> Iterator[tuple[str, Value]]:
    """What the generator made of it."""
    figures = facts.figures
    yield "effective_scenario", settings.scenario.loadgen_name
    yield "effective_test_mode", MODE_NAMES[settings.mode]
    yield "effective_samples_per_query", figures.samples_per_query
    yield "effective_target_qps", figures.target_qps
    yield "effective_target_latency_ns", target_latency_ns(settings)
    yield "effective_target_latency_percentile", percentile(settings) / 100
    yield "effective_max_async_queries", figures.max_async_queries
    yield "effective_target_duration_ms", figures.target_duration_ns // NS_PER_MS
    yield "effective_min_duration_ms", settings.min_duration_ns // NS_PER_MS
    yield "effective_max_duration_ms", settings.max_duration_ns // NS_PER_MS
    yield "effective_min_query_count", figures.min_query_count
    yield "effective_max_query_count", settings.max_query_count
    yield "effective_min_sample_count", figures.min_sample_count
    yield from (("effective_" + key, value) for key, value in _common(settings))
    yield "effective_performance_sample_count", figures.performance_sample_count
    yield "effective_accuracy_sample_count", figures.accuracy_sample_count
    yield "effective_sample_concatenate_permutation", settings.sample_order is SampleOrder.EQUAL_ISSUE


def _common(settings: Settings) -> Iterator[tuple[str, Value]]:
    yield "qsl_rng_seed", settings.seeds.qsl
    yield "sample_index_rng_seed", settings.seeds.sample_index
    yield "schedule_rng_seed", settings.seeds.schedule
    yield "accuracy_log_rng_seed", settings.accuracy_log.seed
    yield "accuracy_log_probability", settings.accuracy_log.probability
    yield "accuracy_log_sampling_target", settings.accuracy_log.sampling_target
    yield "print_timestamps", False
    yield "performance_issue_unique", settings.sample_order is SampleOrder.UNIQUE
    yield "performance_issue_same", settings.sample_order is SampleOrder.SAME
    yield "performance_issue_same_index", settings.same_index


def _least(settings: Settings) -> int:
    return settings.load.min_sample_count if isinstance(settings.load, Offline) else settings.min_query_count


def token_bounds_ns(settings: Settings) -> tuple[int, int]:
    """Bounds on first token and time per token; the official default of 100 ms where there are none."""
    tokens = settings.load.tokens if isinstance(settings.load, Server) else None
    return (tokens.ttft_ns, tokens.tpot_ns) if tokens else (100 * NS_PER_MS, 100 * NS_PER_MS)


def _phase(phase: Phase) -> Iterator[Entry]:
    begin, end = phase.begin_unix_ns, phase.end_unix_ns
    yield Entry("loaded_qsl_set", list(phase.loaded), begin)
    yield Entry("generated_query_count", phase.query_count, begin)
    yield Entry("generated_samples_per_query", phase.samples_per_query, begin)
    yield Entry("generated_query_duration", phase.schedule_ns, begin)
    yield from (Entry(note.key, note.text, note.unix_ns or end, note.level) for note in phase.notes)
    yield from (Entry(f"logger_{counter}", 0, end) for counter in CONTENTION_COUNTERS)
    yield Entry("power_begin", power_time(begin), end)
    yield Entry("power_end", power_time(end), end)
