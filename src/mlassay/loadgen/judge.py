"""Does a run count? Recording + Settings -> Outcome: the metric, each bound with its clause, and what to change.

VALID: all bounds hold. INDICATIVE: the only thing wrong is that the run is shorter than the rules want. INVALID: a
bound failed, or the SUT broke its contract. A number always comes with how well it is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlassay.core.enums import Mode
from mlassay.core.outcome import BoundCheck, EarlyStopping, Outcome, Verdict
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.trace import Recording
from mlassay.core.units import NS_PER_MS, counted, format_ns
from mlassay.loadgen.measures import Array, Measures, measure, official_numbers, over_latency
from mlassay.loadgen.metric import early_stopping_of, metric_of
from mlassay.stats.percentile import interval, percentile, queries_to_know


def judge(recording: Recording, settings: Settings) -> Outcome:
    """The outcome of one run. Never raises on a broken run: what was measured is reported with what went wrong."""
    trace = recording.trace
    measures = measure(trace, settings)
    numbers = official_numbers(measures, trace, settings)
    stopping: tuple[EarlyStopping, ...] = ()
    checks: list[BoundCheck] = []
    if settings.mode is not Mode.ACCURACY:
        stopping, extra = early_stopping_of(measures, settings)
        numbers |= extra
        checks = [*_length_checks(recording, measures, settings), *_bound_checks(measures, settings, recording)]
        checks += _stopping_checks(stopping, measures, settings)
    checks += _contract_checks(recording, measures)
    metric = metric_of(measures, settings, stopping, numbers) if settings.mode is not Mode.ACCURACY else None
    return Outcome(
        scenario=settings.scenario,
        mode=settings.mode,
        verdict=_verdict(checks),
        metric=metric,
        n_queries=trace.n_queries,
        n_samples=trace.n_samples,
        duration_ns=measures.duration_ns,
        latency_ns=dict(measures.latency),
        ttft_ns=dict(measures.ttft),
        tpot_ns=dict(measures.tpot),
        numbers=numbers,
        checks=tuple(checks),
        early_stopping=stopping,
        faults=recording.faults,
        overhead=recording.overhead,
        warnings=tuple(_warnings(recording, settings)),
        advice=tuple(_advice(checks, measures, settings)),
    )


def _verdict(checks: list[BoundCheck]) -> Verdict:
    failed = [c for c in checks if not c.ok]
    if not failed:
        return Verdict.VALID
    return Verdict.INDICATIVE if all(c.about_length for c in failed) else Verdict.INVALID


# ---- bounds -------------------------------------------------------------------------------------------------------


def _length_checks(recording: Recording, measures: Measures, settings: Settings) -> Iterator[BoundCheck]:
    """Minimum duration, query count and, Offline, samples in the query."""
    required, trace = settings.required, recording.trace
    wanted_ns = max(settings.min_duration_ns, required.min_duration_ns)
    lasted_ns = measures.duration_ns if isinstance(settings.load, Offline) else measures.last_due_ns
    ran_out = trace.n_queries == trace.planned_queries and isinstance(settings.load, SingleStream | MultiStream)
    if wanted_ns:
        hint = f"run for {format_ns(wanted_ns)} (--duration)"
        if ran_out and lasted_ns < settings.min_duration_ns:
            hint = "the SUT is faster than expected and its queries ran out: expect a shorter one (--expected-latency)"
        elif isinstance(settings.load, Offline):
            hint = "raise the expected rate (--target-qps), so that the query holds more samples"
        yield _check("min-duration", lasted_ns >= wanted_ns, lasted_ns, wanted_ns, "ns", settings, hint, length=True)
    queries = max(settings.min_query_count, required.min_query_count) if not isinstance(settings.load, Offline) else 1
    yield _check(
        "min-queries", trace.n_queries >= queries, trace.n_queries, queries, "query", settings,
        f"run at least {counted(queries, 'query')} (--queries)", length=True,
    )  # fmt: skip
    if isinstance(settings.load, Offline):
        samples = max(required.min_sample_count, settings.load.min_sample_count)
        yield _check(
            "min-samples", trace.n_samples >= samples, trace.n_samples, samples, "sample", settings,
            f"put at least {counted(samples, 'sample')} into the query (--samples)", length=True,
        )  # fmt: skip


def _bound_checks(measures: Measures, settings: Settings, recording: Recording) -> Iterator[BoundCheck]:
    """Latency percentiles against their bounds, skipped intervals."""
    load = settings.load
    if isinstance(load, Server):
        if load.tokens is None:
            yield _percentile_check(
                "latency", measures.sample_latency_ns, load.percentile, load.latency_bound_ns, settings,
                "lower the rate (--target-qps), or make the slow queries faster",
            )  # fmt: skip
        else:
            yield _percentile_check(
                "ttft", measures.ttft_ns, load.percentile, load.tokens.ttft_ns, settings,
                "lower the rate (--target-qps), or start answering sooner (prefill, queueing)",
            )  # fmt: skip
            yield _percentile_check(
                "tpot", measures.tpot_ns, load.percentile, load.tokens.tpot_ns, settings,
                "lower the rate (--target-qps), or decode in smaller batches",
            )  # fmt: skip
    elif isinstance(load, IntervalMultiStream):
        yield _percentile_check(
            "latency",
            measures.query_latency_ns,
            load.percentile,
            load.interval_ns,
            settings,
            FEWER_STREAMS,
        )
        yield _skip_check(recording, load, settings)


def _percentile_check(
    name: str, values: Array, wanted: float, bound_ns: int, settings: Settings, hint: str
) -> BoundCheck:
    value = percentile(values, wanted) if len(values) else 0
    return _check(name, len(values) > 0 and value <= bound_ns, value, bound_ns, "ns", settings, hint, at=wanted)


def _skip_check(recording: Recording, load: IntervalMultiStream, settings: Settings) -> BoundCheck:
    skipped = recording.trace.skipped
    share = float((skipped > 0).mean() * 100) if skipped is not None and len(skipped) else 0.0
    allowed = 100 - load.percentile
    return _check(
        "skipped-intervals",
        share <= allowed,
        share,
        allowed,
        "% of queries",
        settings,
        FEWER_STREAMS,
    )


def _stopping_checks(
    stopping: tuple[EarlyStopping, ...], measures: Measures, settings: Settings
) -> Iterator[BoundCheck]:
    """Early stopping: enough queries for what the run claims? Too few queries is a matter of length."""
    for result in stopping:
        needed = float(result.queries_needed or 0)
        length = True
        if isinstance(settings.load, Server):
            allowed = len(measures.sample_latency_ns) * (100 - settings.load.percentile) / 100
            length = over_latency(measures, settings.load) <= allowed
        yield BoundCheck(
            id="early-stopping",
            ok=result.met,
            value=float(len(measures.query_latency_ns)),
            bound=needed,
            unit="queries",
            text=f"{counted(len(measures.query_latency_ns), 'query')} processed, wanted at least {int(needed):,}",
            clause=settings.clauses.get("early_stopping", ""),
            hint=f"run at least {counted(needed, 'query')} (--queries)" if length else TOO_MANY_LATE,
            about_length=length,
        )


def _contract_checks(recording: Recording, measures: Measures) -> Iterator[BoundCheck]:
    """All queries answered, no faults, not cut short."""
    n_samples = recording.trace.n_samples
    answered = n_samples - measures.unanswered
    yield BoundCheck(
        "all-answered", measures.unanswered == 0 and n_samples > 0, answered, n_samples, "samples",
        f"{answered:,} of {counted(n_samples, 'sample')} answered",
        hint="every sample must be completed once; look at the SUT's queues and batch flush",
    )  # fmt: skip
    for fault in recording.faults:
        if fault.kind != "never-answered":
            yield BoundCheck(
                f"sut-{fault.kind}", False, fault.count, 0, "times", f"{fault.kind}: {fault.detail} (×{fault.count})",
                hint="see docs/reference/faults.md",
            )  # fmt: skip
    if not recording.complete:
        yield BoundCheck("complete", False, 0, 1, "", f"the run did not finish: {recording.ended}", hint="run it again")


_TEXTS = {
    "min-duration": "the run lasted {value}, wanted {bound}",
    "min-queries": "{value} issued, wanted {bound}",
    "min-samples": "the query held {value}, wanted {bound}",
    "latency": "p{at:g} latency is {value}, bound {bound}",
    "ttft": "p{at:g} time to first token is {value}, bound {bound}",
    "tpot": "p{at:g} time per output token is {value}, bound {bound}",
    "skipped-intervals": "intervals were skipped by {value}, allowed {bound}",
}

UNITS = {"query": "queries", "sample": "samples"}
"""Of a count, as the record calls it."""

FEWER_STREAMS = "use fewer streams (--samples-per-query)"

TOO_MANY_LATE = "lower the rate (--target-qps): too many queries were late"

_CLAUSE_FIELDS = {
    "min-duration": "required.min_duration_ns",
    "min-queries": "required.min_query_count",
    "min-samples": "required.min_sample_count",
    "latency": "load.latency_bound_ns",
    "ttft": "load.tokens.ttft_ns",
    "tpot": "load.tokens.tpot_ns",
    "skipped-intervals": "load.percentile",
}


def _check(
    name: str, ok: bool, value: float, bound: float, unit: str, settings: Settings, hint: str,
    *, length: bool = False, at: float = 0.0,
) -> BoundCheck:  # fmt: skip
    text = _TEXTS[name].format(value=_amount(value, unit), bound=_amount(bound, unit), at=at)
    field = _CLAUSE_FIELDS[name]
    clause = settings.clauses.get(field) or settings.clauses.get(field.rpartition(".")[2], "")
    return BoundCheck(name, bool(ok), value, bound, UNITS.get(unit, unit), text, clause, "" if ok else hint, length)


def _amount(value: float, unit: str) -> str:
    if unit == "ns":
        return format_ns(value)
    return f"{value:.3g} {unit}" if unit.startswith("%") else counted(value, unit)


# ---- words --------------------------------------------------------------------------------------------------------


def _warnings(recording: Recording, settings: Settings) -> Iterator[str]:
    overhead = recording.overhead
    if overhead.limited_by == "load generator":
        yield f"the load generator limits this result: {overhead.reason}"
    if overhead.gc_pause_ns > 10 * NS_PER_MS:
        yield f"garbage collection took {format_ns(overhead.gc_pause_ns)} in {overhead.gc_pauses} pauses"
    for deviation in settings.deviations:
        yield f"open division: {deviation}"


def _advice(checks: list[BoundCheck], measures: Measures, settings: Settings) -> Iterator[str]:
    """What to change, the most important first; then how well the percentile is known."""
    yield from dict.fromkeys(c.hint for c in checks if not c.ok and c.hint)
    wanted = getattr(settings.load, "percentile", None)
    count = len(measures.query_latency_ns)
    if wanted is None or count == 0 or all(c.ok for c in checks if c.about_length):
        return
    known = interval(measures.query_latency_ns, wanted)
    low = format_ns(known.low) if known.low is not None else "?"
    high = format_ns(known.high) if known.high is not None else "? (too few queries to say)"
    yield f"p{wanted:g} latency is known to lie between {low} and {high} (99 % confidence, {counted(count, 'query')})"
    needed = queries_to_know(wanted)
    if count < needed and measures.duration_ns:
        rest_ns = (needed - count) * measures.duration_ns / count
        rest = format_ns(rest_ns)
        yield f"to know p{wanted:g} to a twentieth of its tail takes {needed:,} queries: {rest} more at this rate"
