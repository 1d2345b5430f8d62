"""The judged part of a log: verdict, reasons and figures under their official keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.records.loadgen_log.facts import Level, LogFacts, Note, Value

PERCENTILES = ("50", "90", "95", "97", "99", "99.9")
EXTREMES = ("min", "max", "mean")
CONSTRAINTS = frozenset({"latency", "ttft", "tpot", "skipped-intervals"})
"""Checks of the judge that the official tool calls performance constraints."""
INTERVALS = "result_{}_percentile_num_intervals_between_queries"


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How the log spells a family of latencies: one form for the extremes and the mean, one for percentiles."""

    extreme: str
    percentile: str

    def keys(self) -> list[str]:
        return [self.extreme.format(e) for e in EXTREMES] + [self.percentile.format(two(p)) for p in PERCENTILES]

    def of(self, values: Mapping[str, int]) -> Iterator[tuple[str, Value]]:
        names = (*EXTREMES, *PERCENTILES)
        yield from ((key, values[name]) for key, name in zip(self.keys(), names, strict=True) if name in values)


PER_QUERY = _Spelling("result_{}_query_latency_ns", "result_{}_percentile_per_query_latency_ns")


def results(settings: Settings, outcome: Outcome, facts: LogFacts) -> Iterator[tuple[str, Value]]:
    """The verdict and the figures. What the judge has not computed is left out rather than invented."""
    yield "result_validity", official_validity(outcome)
    if isinstance(settings.load, Server | IntervalMultiStream):
        yield "result_perf_constraints_met", constraints_met(outcome)
    yield "result_min_duration_met", check_ok(outcome, "min-duration")
    yield "result_min_queries_met", min_queries_met(outcome)
    yield "early_stopping_met", early_stopping_met(outcome)
    if reason := invalid_reason(outcome):
        yield "result_invalid_reason", reason
    texts = [one.text.replace("\n", " ") for one in outcome.early_stopping]
    if settings.token_latencies:
        yield "early_stopping_ttft_result", texts[0] if texts else ""
        yield "early_stopping_tpot_result", texts[1] if len(texts) > 1 else ""
    else:
        yield "early_stopping_result", texts[0] if texts else ""
    yield "result_query_count", outcome.n_queries
    yield from _scenario_results(settings, outcome)
    yield from _token_results(settings, outcome)
    for key in ("result_inferred_tokens_per_second", "result_inferred_completed_tokens_per_second"):
        yield from known(outcome, key)
    yield "num_errors", facts.count(Level.ERROR) + len(outcome.faults)


def _scenario_results(settings: Settings, outcome: Outcome) -> Iterator[tuple[str, Value]]:
    latency = _Spelling("result_{}_latency_ns", "result_{}_percentile_latency_ns")
    match settings.load:
        case SingleStream():
            yield from known(outcome, "result_qps_with_loadgen_overhead", "result_qps_without_loadgen_overhead")
            yield from known(outcome, "early_stopping_latency_ss", "early_stopping_latency_ms")
        case MultiStream() | IntervalMultiStream():
            yield from known(outcome, *(INTERVALS.format(two(p)) for p in PERCENTILES))
            yield from known(outcome, *PER_QUERY.keys())
            yield from known(outcome, "early_stopping_latency_ms")
            yield from known(outcome, *latency.keys())
            return
        case Server():
            yield from known(outcome, "result_overlatency_query_count")
            yield from known(outcome, "result_scheduled_samples_per_sec", "result_completed_samples_per_sec")
        case Offline():
            yield from known(outcome, "result_samples_per_second")
    yield from latency.of(outcome.latency_ns)


def _token_results(settings: Settings, outcome: Outcome) -> Iterator[tuple[str, Value]]:
    if not settings.token_latencies:
        return
    if isinstance(settings.load, Offline):
        yield from known(outcome, "result_tokens_per_second")
        return
    first = _Spelling("result_first_token_{}_latency_ns", "result_first_token_{}_percentile_latency_ns")
    yield from first.of(outcome.ttft_ns)
    yield from known(outcome, "result_token_throughput_with_loadgen_overhead", "result_token_throughput")
    each = _Spelling("result_time_to_output_token_{}", "result_time_per_output_token_{}_percentile_ns")
    found = dict(each.of(outcome.tpot_ns))
    yield from ((key, value) for key, value in found.items() if "percentile" in key)
    yield from ((key, value) for key, value in found.items() if "percentile" not in key)
    yield from known(outcome, "result_completed_tokens_per_second")


def known(outcome: Outcome, *keys: str) -> Iterator[tuple[str, Value]]:
    """Those of the official figures that the judge put into `Outcome.numbers`."""
    yield from ((key, outcome.numbers[key]) for key in keys if key in outcome.numbers)


def two(p: str) -> str:
    """'99.9' becomes '99.90', as in the official keys."""
    return f"{float(p):.2f}"


def official_validity(outcome: Outcome) -> str:
    """VALID or INVALID: official files know no INDICATIVE, and one must not be taken for a valid result."""
    return "VALID" if outcome.verdict is Verdict.VALID else "INVALID"


def check_ok(outcome: Outcome, check_id: str) -> bool:
    """Whether a bound held; bounds that were not judged count as held."""
    return all(check.ok for check in outcome.checks if check.id == check_id)


def early_stopping_met(outcome: Outcome) -> bool:
    return all(one.met for one in outcome.early_stopping)


def min_queries_met(outcome: Outcome) -> bool:
    """Enough queries, and in Offline enough samples in the one query."""
    return check_ok(outcome, "min-queries") and check_ok(outcome, "min-samples")


def constraints_met(outcome: Outcome) -> bool:
    """Every bound on latencies and skipped intervals."""
    return all(check.ok for check in outcome.checks if check.id in CONSTRAINTS)


def per_query_ns(outcome: Outcome) -> dict[str, int]:
    """MultiStream latencies of whole queries, under the names of `Outcome.latency_ns`, as far as the judge has them."""
    names = (*EXTREMES, *PERCENTILES)
    found = zip(names, PER_QUERY.keys(), strict=True)
    return {name: int(outcome.numbers[key]) for name, key in found if key in outcome.numbers}


def recommendations(outcome: Outcome) -> list[str]:
    """What to change, one sentence per failed bound; the reason of an indicative result comes first."""
    texts = [check.hint or check.text for check in outcome.failed]
    if outcome.verdict is Verdict.INDICATIVE:
        texts.insert(0, "This result is INDICATIVE: the run is shorter than the rules want.")
    return texts


def invalid_reason(outcome: Outcome) -> str:
    return "" if outcome.verdict is Verdict.VALID else " ".join(recommendations(outcome))


def outcome_notes(outcome: Outcome) -> list[Note]:
    """What the judge has to say beside the figures: warnings, and each breach of the SUT contract as an error."""
    warnings = [Note(text, Level.WARNING) for text in outcome.warnings]
    times = [f" ({fault.count} times)" if fault.count > 1 else "" for fault in outcome.faults]
    return warnings + [
        Note(f"{fault.kind}: {fault.detail}{count}", Level.ERROR)
        for fault, count in zip(outcome.faults, times, strict=True)
    ]
