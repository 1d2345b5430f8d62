"""Summary and detail log in the spelling of round v0.5, before the log was JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlassay.core.enums import Mode, SampleOrder
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.units import NS_PER_MS
from mlassay.records.atomic import atomic_open, atomic_write
from mlassay.records.loadgen_log.detail import load_settings
from mlassay.records.loadgen_log.facts import (
    CONTENTION_COUNTERS,
    Level,
    LogFacts,
    Phase,
    iso_utc,
    number,
    percentile,
    power_time,
    target_latency_ns,
)
from mlassay.records.loadgen_log.results import (
    INTERVALS,
    PERCENTILES,
    check_ok,
    constraints_met,
    min_queries_met,
    official_validity,
    outcome_notes,
    recommendations,
    two,
)
from mlassay.records.loadgen_log.summary import (
    RULE,
    latency_block,
    queries_per_second,
    query_latency_ns,
    two_decimals,
    warning_and_error_counts,
    yes,
)

SCENARIOS = {"SingleStream": "Single Stream", "MultiStream": "Multi Stream", "Server": "Server", "Offline": "Offline"}
MODES = {
    Mode.PERFORMANCE: "Performance",
    Mode.ACCURACY: "Accuracy",
    Mode.SUBMISSION: "Submission",
    Mode.FIND_PEAK: "Find Peak Performance",
}


# --- summary ---------------------------------------------------------------------------------------------------------


def write_summary_v05(path: Path | str, settings: Settings, outcome: Outcome, facts: LogFacts) -> None:
    """Write the summary of a judged run in the v0.5 layout, whole or not at all."""
    atomic_write(path, summary_text_v05(settings, outcome, facts))


def summary_text_v05(settings: Settings, outcome: Outcome, facts: LogFacts) -> str:
    lines: list[str] = []
    if outcome.mode is not Mode.ACCURACY:
        lines += [RULE, "MLPerf Results Summary", RULE, *_head(settings, outcome, facts), ""]
        lines += [RULE, "Additional Stats", RULE, *_stats(settings, outcome, facts), ""]
        lines += [RULE, "Test Parameters Used", RULE, *_parameters(settings, facts)]
    return "\n".join([*lines, *warning_and_error_counts(outcome, facts)]) + "\n"


def _head(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[str]:
    yield f"SUT name : {facts.sut_name}"
    yield f"Scenario : {SCENARIOS[settings.scenario.loadgen_name]}"
    yield f"Mode     : {MODES[settings.mode]}"
    numbers = outcome.numbers
    match settings.load:
        case SingleStream() | MultiStream():
            place, latency_ns = f"{percentile(settings):g}", query_latency_ns(settings, outcome)
            if place in latency_ns:
                yield f"{place}th percentile latency (ns) : {latency_ns[place]}"
        case IntervalMultiStream() as load:
            yield f"Samples per query : {load.samples_per_query}"
        case Server():
            yield from two_decimals(numbers, "Scheduled samples per second : ", "result_scheduled_samples_per_sec")
        case Offline():
            if "result_samples_per_second" in numbers:
                yield f"Samples per second: {number(numbers['result_samples_per_second'])}"
    yield f"Result is : {official_validity(outcome)}"
    if isinstance(settings.load, Server | IntervalMultiStream):
        yield f"  Performance constraints satisfied : {yes(constraints_met(outcome))}"
    yield f"  Min duration satisfied : {yes(check_ok(outcome, 'min-duration'))}"
    yield f"  Min queries satisfied : {yes(min_queries_met(outcome))}"
    if outcome.verdict is not Verdict.VALID:
        yield "Recommendations:"
        yield from (f" * {text}" for text in recommendations(outcome))


def _stats(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[str]:
    numbers = outcome.numbers
    match settings.load:
        case SingleStream():
            yield from queries_per_second(numbers)
        case Server():
            yield from two_decimals(numbers, "Completed samples per second    : ", "result_completed_samples_per_sec")
            yield ""
        case MultiStream() | IntervalMultiStream() as load:
            if isinstance(load, IntervalMultiStream):
                yield from _intervals(load, outcome)
                bound = target_latency_ns(settings)
                yield f'Per-query latency:  "target_ns" : {bound}, "target_ms" : {number(bound / NS_PER_MS)}'
            else:
                yield "Per-query latency:  "
            latency_ns = query_latency_ns(settings, outcome)
            yield from latency_block({p: latency_ns[p] for p in PERCENTILES if p in latency_ns})
            yield ""
            yield "Per-sample latency:"
    yield from latency_block(outcome.latency_ns)


def _intervals(load: IntervalMultiStream, outcome: Outcome) -> Iterator[str]:
    rate, period = number(1e9 / load.interval_ns), number(load.interval_ns / NS_PER_MS)
    yield f'Intervals between each IssueQuery:  "qps" : {rate}, "ms" : {period}'
    for p in PERCENTILES:
        key = INTERVALS.format(two(p))
        if key in outcome.numbers:
            yield f"{two(p)} percentile : {number(outcome.numbers[key])}"
    yield ""


def _parameters(settings: Settings, facts: LogFacts) -> Iterator[str]:
    figures = facts.figures
    yield f"samples_per_query : {figures.samples_per_query}"
    yield f"target_qps : {number(figures.target_qps)}"
    yield f"target_latency (ns): {target_latency_ns(settings)}"
    yield f"max_async_queries : {figures.max_async_queries}"
    yield f"min_duration (ms): {settings.min_duration_ns // NS_PER_MS}"
    yield f"max_duration (ms): {settings.max_duration_ns // NS_PER_MS}"
    yield f"min_query_count : {figures.min_query_count}"
    yield f"max_query_count : {settings.max_query_count}"
    yield from _common(settings)
    yield f"performance_sample_count : {figures.performance_sample_count}"


def _common(settings: Settings) -> Iterator[str]:
    yield f"qsl_rng_seed : {settings.seeds.qsl}"
    yield f"sample_index_rng_seed : {settings.seeds.sample_index}"
    yield f"schedule_rng_seed : {settings.seeds.schedule}"
    yield f"accuracy_log_rng_seed : {settings.accuracy_log.seed}"
    yield f"accuracy_log_probability : {number(settings.accuracy_log.probability)}"
    yield "print_timestamps : false"
    yield f"performance_issue_unique : {number(settings.sample_order is SampleOrder.UNIQUE)}"
    yield f"performance_issue_same : {number(settings.sample_order is SampleOrder.SAME)}"
    yield f"performance_issue_same_index : {settings.same_index}"


# --- detail ----------------------------------------------------------------------------------------------------------


def write_detail_v05(path: Path | str, settings: Settings, outcome: Outcome, facts: LogFacts) -> None:
    """Write the detail log of a judged run as v0.5 text, whole or not at all."""
    with atomic_open(path, "w", encoding="utf-8", newline="\n") as file:
        for unix_ns, text in _messages(settings, outcome, facts):
            first, *rest = text.split("\n")
            since_ns = max(unix_ns - facts.opened_unix_ns, 0)
            file.write(f'"pid": {facts.pid}, "tid": {facts.pid}, "ts": {since_ns}ns : {first}\n')
            file.writelines(line + "\n" for line in rest)


def _messages(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[tuple[int, str]]:
    start = facts.opened_unix_ns
    for part in (_versions(facts), _about(facts), _effective(settings, facts), _requested(settings)):
        yield from ((start, text) for text in part)
    mode = None
    for phase in facts.phases:
        if phase.mode is not mode:
            mode = phase.mode
            yield phase.begin_unix_ns, f"Starting {mode.value} mode:"
        yield from _phase(phase)
    for note in outcome_notes(outcome):
        yield facts.judged_unix_ns, _with_level(note.level, note.text)


def _versions(facts: LogFacts) -> Iterator[str]:
    yield "LoadgenVersionInfo:"
    yield f"version : {facts.version}"
    yield "build_date_local : "
    yield "build_date_utc   : "
    yield f"git_commit_date  : {facts.commit_date}"
    yield f"git_log :\n\n{facts.git_log}\n"
    yield f"git_status :\n\n{facts.git_status}\n"
    yield "SHA1 of files :\n\n" + "".join(f"{digest} {name}\n" for name, digest in facts.file_sha1.items())


def _about(facts: LogFacts) -> Iterator[str]:
    yield f"Date + time of test: {iso_utc(facts.opened_unix_ns)}"
    yield f"System Under Test (SUT) name: {facts.sut_name}"
    yield f"Query Sample Library (QSL) name: {facts.qsl_name}"
    yield f"QSL total size: {facts.qsl_total_count}"
    yield f"QSL performance size*: {facts.qsl_performance_count}"
    yield "*TestSettings (performance_sample_count_override) can override"
    yield "*Refer to Effective Settings for actual value"


def _effective(settings: Settings, facts: LogFacts) -> Iterator[str]:
    figures = facts.figures
    yield ""
    yield "Effective Settings:"
    yield f"Scenario : {SCENARIOS[settings.scenario.loadgen_name]}"
    yield f"Test mode : {MODES[settings.mode]}"
    yield f"samples_per_query : {figures.samples_per_query}"
    yield f"target_qps : {number(figures.target_qps)}"
    yield f"target_latency (ns): {target_latency_ns(settings)}"
    yield f"target_latency_percentile : {number(percentile(settings) / 100)}"
    yield f"max_async_queries : {figures.max_async_queries}"
    yield f"target_duration (ms): {figures.target_duration_ns // NS_PER_MS}"
    yield f"min_duration (ms): {settings.min_duration_ns // NS_PER_MS}"
    yield f"max_duration (ms): {settings.max_duration_ns // NS_PER_MS}"
    yield f"min_query_count : {figures.min_query_count}"
    yield f"max_query_count : {settings.max_query_count}"
    yield f"min_sample_count : {figures.min_sample_count}"
    yield from _common(settings)
    yield f"performance_sample_count : {figures.performance_sample_count}"


def _requested(settings: Settings) -> Iterator[str]:
    yield ""
    yield "Requested Settings:"
    yield f"Scenario : {SCENARIOS[settings.scenario.loadgen_name]}"
    yield f"Test mode : {MODES[settings.mode]}"
    for key, value in load_settings(settings):
        if key != "server_num_issue_query_threads" and isinstance(value, int | float):
            yield f"{key} : {number(value)}"
    yield f"min_duration_ms : {settings.min_duration_ns // NS_PER_MS}"
    yield f"max_duration_ms : {settings.max_duration_ns // NS_PER_MS}"
    load = settings.load
    yield f"min_query_count : {load.min_sample_count if isinstance(load, Offline) else settings.min_query_count}"
    yield f"max_query_count : {settings.max_query_count}"
    yield from _common(settings)
    yield f"performance_sample_count_override : {settings.performance_sample_count}"
    yield ""


def _phase(phase: Phase) -> Iterator[tuple[int, str]]:
    begin, end = phase.begin_unix_ns, phase.end_unix_ns
    yield begin, f'Loading QSL : "set" : "[{",".join(map(str, phase.loaded))}]"'
    yield (
        begin,
        (
            f'GeneratedQueries: "queries" : {phase.query_count}, "samples per query" : {phase.samples_per_query}, '
            f'"duration" : {phase.schedule_ns}'
        ),
    )
    for note in phase.notes:
        yield note.unix_ns or end, _with_level(note.level, note.text)
    yield end, "Log Contention Counters:"
    yield from ((end, f"0 : {counter}") for counter in CONTENTION_COUNTERS)
    yield end, f'POWER_BEGIN: "mode" : {MODES[phase.mode]}, "time" : {power_time(begin)}'
    yield end, f'POWER_END: "mode" : {MODES[phase.mode]}, "time" : {power_time(end)}'


def _with_level(level: Level, text: str) -> str:
    return text if level is Level.INFO else f"{level.value.upper()} : {text}"
