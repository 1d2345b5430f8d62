"""`mlperf_log_summary.txt`: the result of one run for people, in the official layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlassay.core.enums import Mode, SampleOrder
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.units import NS_PER_MS
from mlassay.records.atomic import atomic_write
from mlassay.records.loadgen_log.detail import token_bounds_ns
from mlassay.records.loadgen_log.facts import MODE_NAMES, Level, LogFacts, number, percentile, target_latency_ns
from mlassay.records.loadgen_log.results import (
    PERCENTILES,
    check_ok,
    constraints_met,
    early_stopping_met,
    min_queries_met,
    official_validity,
    per_query_ns,
    recommendations,
)

RULE = "=" * 48


def write_summary(path: Path | str, settings: Settings, outcome: Outcome, facts: LogFacts) -> None:
    """Write the summary of a judged run, whole or not at all."""
    atomic_write(path, summary_text(settings, outcome, facts))


def summary_text(settings: Settings, outcome: Outcome, facts: LogFacts) -> str:
    """The file's text. An accuracy run has no figures: only the counts of warnings and errors."""
    lines: list[str] = []
    if outcome.mode is not Mode.ACCURACY:
        lines += [*_head(settings, outcome, facts), "", *_title("Additional Stats"), *_stats(settings, outcome), ""]
        lines += [*_title("Test Parameters Used"), *_parameters(settings, facts)]
    return "\n".join([*lines, *warning_and_error_counts(outcome, facts)]) + "\n"


def warning_and_error_counts(outcome: Outcome, facts: LogFacts) -> list[str]:
    """The last lines of every summary."""
    warnings, errors = (
        facts.count(Level.WARNING) + len(outcome.warnings),
        facts.count(Level.ERROR) + len(outcome.faults),
    )
    return ["", _count(warnings, "warning", "warnings"), "", _count(errors, "ERROR", "ERRORS")]


def _title(text: str) -> list[str]:
    return [RULE, text, RULE]


def _count(n: int, one: str, many: str) -> str:
    if not n:
        return f"No {many.lower()} encountered during test."
    return f"{n} {one if n == 1 else many} encountered. See detailed log."


def _head(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[str]:
    yield from _title("MLPerf Results Summary")
    yield f"SUT name : {facts.sut_name}"
    yield f"Scenario : {settings.scenario.loadgen_name}"
    yield f"Mode     : {MODE_NAMES[settings.mode]}"
    yield from _metric(settings, outcome)
    yield f"Result is : {official_validity(outcome)}"
    if isinstance(settings.load, Server | IntervalMultiStream):
        yield f"  Performance constraints satisfied : {yes(constraints_met(outcome))}"
    yield f"  Min duration satisfied : {yes(check_ok(outcome, 'min-duration'))}"
    yield f"  Min queries satisfied : {yes(min_queries_met(outcome))}"
    yield f"  Early stopping satisfied: {yes(early_stopping_met(outcome))}"
    if outcome.verdict is not Verdict.VALID:
        yield "Recommendations:"
        yield from (f" * {text}" for text in recommendations(outcome))
    titles = ["TTFT Early", "TPOT Early"] if settings.token_latencies else ["Early"]
    if not isinstance(settings.load, Offline):
        for title, one in zip(titles, outcome.early_stopping, strict=False):
            yield f"{title} Stopping Result:"
            yield one.text


def _metric(settings: Settings, outcome: Outcome) -> Iterator[str]:
    numbers = outcome.numbers
    match settings.load:
        case SingleStream() | MultiStream():
            place = percentile(settings)
            latency_ns = query_latency_ns(settings, outcome)
            if f"{place:g}" in latency_ns:
                yield f"{place:.1f}th percentile latency (ns) : {latency_ns[f'{place:g}']}"
            if f"{place:g}" in outcome.ttft_ns:
                yield f"{place:.1f}th first token percentile latency (ns) : {outcome.ttft_ns[f'{place:g}']}"
        case IntervalMultiStream() as load:
            yield f"Samples per query : {load.samples_per_query}"
        case Server() as load:
            label, key = "Completed samples per second    : ", "result_completed_samples_per_sec"
            if not load.completed_metric:
                label, key = "Scheduled samples per second : ", "result_scheduled_samples_per_sec"
            yield from two_decimals(numbers, label, key)
            yield from two_decimals(numbers, "Completed tokens per second: ", "result_completed_tokens_per_second")
            yield from two_decimals(
                numbers,
                "Completed tokens per second (inferred): ",
                "result_inferred_completed_tokens_per_second",
            )
        case Offline():
            for label, key in (
                ("Samples per second: ", "result_samples_per_second"),
                ("Tokens per second: ", "result_tokens_per_second"),
                ("Tokens per second (inferred): ", "result_inferred_tokens_per_second"),
            ):
                if key in numbers:
                    yield label + number(numbers[key])


def query_latency_ns(settings: Settings, outcome: Outcome) -> Mapping[str, int]:
    """Latencies of whole queries; where a query is one sample they are those of the samples."""
    many = isinstance(settings.load, MultiStream | IntervalMultiStream)
    return per_query_ns(outcome) if many else outcome.latency_ns


def two_decimals(numbers: Mapping[str, float], label: str, key: str) -> Iterator[str]:
    """One line, when the judge knows the figure."""
    if key in numbers:
        yield f"{label}{numbers[key]:.2f}"


def _stats(settings: Settings, outcome: Outcome) -> Iterator[str]:
    numbers = outcome.numbers
    match settings.load:
        case SingleStream():
            yield from two_decimals(numbers, "QPS w/ loadgen overhead         : ", "result_qps_with_loadgen_overhead")
            yield from two_decimals(
                numbers, "QPS w/o loadgen overhead        : ", "result_qps_without_loadgen_overhead"
            )
            yield ""
        case MultiStream() | IntervalMultiStream():
            yield "Per-query latency:  "
        case Server() as load:
            label, key = "Scheduled samples per second : ", "result_scheduled_samples_per_sec"
            if not load.completed_metric:
                label, key = "Completed samples per second    : ", "result_completed_samples_per_sec"
            yield from two_decimals(numbers, label, key)
    yield from latency_block(query_latency_ns(settings, outcome))
    if settings.token_latencies and not isinstance(settings.load, Offline):
        yield ""
        yield from _token_rates(settings, numbers)
        yield from latency_block(outcome.ttft_ns, "First Token latency", "percentile first token latency")
        yield ""
        yield from latency_block(outcome.tpot_ns, "Time per Output Token", "percentile time to output token")


def _token_rates(settings: Settings, numbers: Mapping[str, float]) -> Iterator[str]:
    match settings.load:
        case SingleStream():
            key = "result_token_throughput"
            yield from two_decimals(numbers, "TPS w/ loadgen overhead         : ", f"{key}_with_loadgen_overhead")
            yield from two_decimals(numbers, "TPS w/o loadgen overhead        : ", key)
        case Server():
            label = "Completed tokens per second                 : "
            yield from two_decimals(numbers, label, "result_completed_tokens_per_second")


def queries_per_second(numbers: Mapping[str, float]) -> Iterator[str]:
    """Rates of a SingleStream run: by the wall clock, and as if the generator took no time."""
    key = "result_qps_{}_loadgen_overhead"
    yield from two_decimals(numbers, "QPS w/ loadgen overhead         : ", key.format("with"))
    yield from two_decimals(numbers, "QPS w/o loadgen overhead        : ", key.format("without"))
    yield ""


def latency_block(values: Mapping[str, int], name: str = "latency", place: str = "percentile latency") -> Iterator[str]:
    """Minimum, maximum, mean and percentiles, one line each, aligned as the official tool aligns them."""
    width = len(f"Min {name} (ns)") + 16
    for key, label in (("min", "Min"), ("max", "Max"), ("mean", "Mean")):
        if key in values:
            yield f"{f'{label} {name} (ns)':<{width}}: {values[key]}"
    for p in PERCENTILES:
        if p in values:
            yield f"{float(p):.2f} {place} (ns)   : {values[p]}"


def _parameters(settings: Settings, facts: LogFacts) -> Iterator[str]:
    figures = facts.figures
    yield f"samples_per_query : {figures.samples_per_query}"
    yield f"target_qps : {number(figures.target_qps)}"
    if settings.token_latencies:
        ttft_ns, tpot_ns = token_bounds_ns(settings)
        yield f"ttft_latency (ns): {ttft_ns}"
        yield f"tpot_latency (ns): {tpot_ns}"
    else:
        yield f"target_latency (ns): {target_latency_ns(settings)}"
    yield f"max_async_queries : {figures.max_async_queries}"
    yield f"min_duration (ms): {settings.min_duration_ns // NS_PER_MS}"
    yield f"max_duration (ms): {settings.max_duration_ns // NS_PER_MS}"
    yield f"min_query_count : {figures.min_query_count}"
    yield f"max_query_count : {settings.max_query_count}"
    yield f"qsl_rng_seed : {settings.seeds.qsl}"
    yield f"sample_index_rng_seed : {settings.seeds.sample_index}"
    yield f"schedule_rng_seed : {settings.seeds.schedule}"
    yield f"accuracy_log_rng_seed : {settings.accuracy_log.seed}"
    yield f"accuracy_log_probability : {number(settings.accuracy_log.probability)}"
    yield f"accuracy_log_sampling_target : {settings.accuracy_log.sampling_target}"
    yield "print_timestamps : 0"
    yield f"performance_issue_unique : {int(settings.sample_order is SampleOrder.UNIQUE)}"
    yield f"performance_issue_same : {int(settings.sample_order is SampleOrder.SAME)}"
    yield f"performance_issue_same_index : {settings.same_index}"
    yield f"performance_sample_count : {figures.performance_sample_count}"
    yield f"accuracy_sample_count : {figures.accuracy_sample_count}"
    if settings.sample_order is SampleOrder.EQUAL_ISSUE:
        yield "WARNING: sample_concatenate_permutation was set to true."
        yield "Whole permutations were issued: a query can hold more samples than the samples_per_query above;"
        yield "the detail log says how many under generated_samples_per_query."


def yes(met: bool) -> str:
    return "Yes" if met else "NO"
