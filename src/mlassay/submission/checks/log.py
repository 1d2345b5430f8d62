"""LOG: can the load generator's logs be read and believed, whatever run they belong to?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import Run, number

CLAUSE = "Load generator, logs: unaltered as written"


@check(
    "LOG001",
    Scope.RUN,
    "log that is not clean text",
    severity=Severity.WARNING,
    example="found NUL bytes",
    clause=CLAUSE,
)
def clean_text(run: Run) -> Iterator[Found]:
    """NUL bytes, foreign line ends, other encodings and endless lines are the marks of a log that passed through
    another program. They were accepted in published results, and break official tools."""
    for oddity in run.log.oddities:
        severity = Severity.NOTE if "line ends" in oddity.found else None
        yield Found(oddity.path, oddity.found, "the text as the load generator wrote it", severity=severity)


@check(
    "LOG002",
    Scope.RUN,
    "log line that cannot be read",
    example="found line 12: no JSON after :::MLLOG",
    official="log_lines",
    clause=CLAUSE,
)
def readable_lines(run: Run) -> Iterator[Found]:
    """A line that begins like a record and is none was cut or edited. What it said is lost."""
    if run.log.broken:
        first, more = run.log.broken[0], len(run.log.broken) - 1
        found = first.found + (f", and {more} more lines" if more else "")
        yield Found(first.path, found, "complete records", hint="put back the log as it was written")


@check(
    "LOG003",
    Scope.RUN,
    "log that ends too early",
    example="found no num_errors, which a complete log ends with",
    clause=CLAUSE,
)
def complete(run: Run) -> Iterator[Found]:
    """A performance log ends with its results and the count of errors. One without was cut, or the run died."""
    log = run.log
    if run.role == "accuracy" or not log.has_detail or log.text_format or log.broken:
        return
    if log.get("num_errors") is None and log.get("result_validity") is not None:
        yield Found(run.where, "no num_errors at its end", "a complete log", hint="copy the whole file")


@check(
    "LOG004",
    Scope.RUN,
    "key with contradictory values",
    example="found result_validity VALID and INVALID",
    clause=CLAUSE,
)
def contradictions(run: Run) -> Iterator[Found]:
    """A log states each setting and each result once. Two different values are two logs in one file, or an edit; the
    official tools silently take the last."""
    for key, values in run.log.repeated.items():
        yield Found(run.where, f"{key} {' and '.join(str(v)[:40] for v in values[:3])}", f"one value of {key}")


@check(
    "LOG005",
    Scope.RUN,
    "load generator reported errors",
    example="found 1 error: Ending early: Ran out of generated queries",
    official="loadgen_errors",
    clause="Inference rules: a run with load generator errors is not valid",
)
def errors(run: Run) -> Iterator[Found]:
    """Errors are the load generator's own complaints: queries ran out, answers were missing, settings were refused.
    Some kinds are known to be harmless and were accepted in published results."""
    log = run.log
    harmless = [e for e in log.errors if _tolerated(run, e)]
    serious = [e for e in log.errors if e not in harmless]
    if serious:
        shown = serious[0][:160]
        many = f" and {len(serious) - 1} more" if len(serious) > 1 else ""
        hint = (
            "mend the cause and run again"
            if not log.valid
            else "the run is VALID all the same: explain it in the notes"
        )
        yield Found(run.where, f"{_count(len(serious))}: {shown}{many}", "no errors", hint=hint)
    if harmless:
        yield Found(
            run.where,
            f"{_count(len(harmless))} of a kind that was tolerated: {harmless[0][:120]}",
            "no errors",
            severity=Severity.WARNING,
        )


def _tolerated(run: Run, error: str) -> bool:
    """Known kinds: retries of the logger, a build with changed sources, and in v0.5 a query list that ran out although
    every minimum was met."""
    ran_out = "Ran out of generated queries" in error and run.result.round.name == "v0.5"
    ran_out = ran_out and (run.log.valid is True or run.role.startswith("TEST"))
    return ran_out or any(word in error for word in ("CAS fail", "uncommitted changes", "Multiple conf files"))


def _count(n: int) -> str:
    return f"{n} error" if n == 1 else f"{n} errors"


@check(
    "LOG006",
    Scope.RUN,
    "number of errors disagrees with the log",
    example="found num_errors 0 and 2 error records",
    clause=CLAUSE,
)
def error_count(run: Run) -> Iterator[Found]:
    """The load generator counts its errors at the end; the count and the records are written by the same program and
    cannot differ."""
    log = run.log
    said = log.integer("num_errors")
    if said is None or not log.has_detail or log.broken:
        return
    if log.text_format:
        if said == 0 and log.errors:
            yield Found(run.where, f"a summary without errors and {_count(len(log.errors))} in the log", "one count")
    elif said != len(log.errors):
        yield Found(run.where, f"num_errors {said} and {len(log.errors)} error records", "one count")


_SAME = (
    "result_validity",
    "result_samples_per_second",
    "result_scheduled_samples_per_sec",
    "result_completed_samples_per_sec",
    "result_completed_tokens_per_second",
    "result_tokens_per_second",
    "result_90.00_percentile_latency_ns",
    "result_99.00_percentile_latency_ns",
    "result_mean_latency_ns",
    "effective_min_query_count",
    "effective_min_duration_ms",
    "effective_performance_sample_count",
    "effective_qsl_rng_seed",
    "effective_sample_index_rng_seed",
    "effective_schedule_rng_seed",
)


TWO_DECIMALS = 0.0051
"""Half of the last digit of the Server rates, which the summary rounds to two decimals."""


@check(
    "LOG007",
    Scope.RUN,
    "summary and detail log disagree",
    example="found result_samples_per_second 1000 in the summary and 900 in the detail log",
    clause=CLAUSE,
)
def agreement(run: Run) -> Iterator[Found]:
    """Both logs are written by one program from the same numbers, the summary with six significant digits. If they
    differ, one of them belongs to another run or was edited. No official tool compares them."""
    log = run.log
    if not (log.has_detail and log.has_summary):
        return
    for key in _SAME:
        short, long = log.summary.get(key), log.values.get(key)
        if short is None or long is None or _agree(short, long):
            continue
        yield Found(run.where, f"{key} {short} in the summary and {long} in the detail log", "one value in both")


def _agree(short: object, long: object) -> bool:
    if isinstance(short, int) and isinstance(long, int):
        return short == long
    a, b = number(short), number(long)
    if a is None or b is None:
        return str(short).strip() == str(long).strip()
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=TWO_DECIMALS) or (math.isnan(a) and math.isnan(b))


@check(
    "LOG008",
    Scope.RUN,
    "load generator with changed sources",
    severity=Severity.WARNING,
    example="found uncommitted changes: M loadgen.cc",
    clause="Inference rules: the load generator may not be changed",
)
def sources(run: Run) -> Iterator[Found]:
    """The log carries git's word on the load generator's sources. Changed ones mean that this is not the common load
    generator; build directories are harmless."""
    status = run.log.get("loadgen_git_status_message")
    if not isinstance(status, str) or not status.strip():
        return
    changed = [line.strip() for line in status.splitlines() if line.strip() and line.strip()[:2] in ("M ", "A ", "D ")]
    touched = [c for c in changed if "loadgen" in c or c.endswith((".cc", ".h"))]
    if touched:
        yield Found(run.where, f"uncommitted changes: {'; '.join(touched)[:160]}", "an unchanged load generator")


@check(
    "LOG009",
    Scope.RUN,
    "statistics that contradict themselves",
    example="found a 90th percentile above the 99th",
    clause=CLAUSE,
)
def ordered(run: Run) -> Iterator[Found]:
    """Minimum, percentiles and maximum of one run are in order, and the mean lies between the ends. Anything else was
    not computed from a run."""
    for lead, form in (("latency", "result_{}_latency_ns"), ("first token", "result_first_token_{}_latency_ns")):
        names = ["min", *(f"{p}_percentile" for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")), "max"]
        known = [(n, v) for n in names if (v := run.log.number(form.format(n))) is not None]
        for (name, low), (other, high) in pairwise(known):
            if low > high:
                yield Found(run.where, f"{lead} {name} {low:,.0f} ns above {other} {high:,.0f} ns", "values in order")
                return
        mean = run.log.number(form.format("mean"))
        if mean is not None and len(known) > 1 and known[0][0] == "min" and known[-1][0] == "max":
            low, high = known[0][1], known[-1][1]
            if not low * 0.9999 <= mean <= high * 1.0001:
                yield Found(
                    run.where, f"mean {lead} {mean:,.0f} ns outside of its range", f"{low:,.0f} to {high:,.0f} ns"
                )


@check(
    "LOG010",
    Scope.RUN,
    "number that is no number",
    example="found result_samples_per_second nan",
    clause=CLAUSE,
)
def finite(run: Run) -> Iterator[Found]:
    """NaN, infinite and negative results pass every comparison of the official tools that is written the wrong way
    round."""
    for key, value in run.log.values.items() if run.log.has_detail else run.log.summary.items():
        if not key.startswith(("result_", "early_stopping_latency", "effective_min", "effective_target", "generated_")):
            continue
        if isinstance(value, str | bool | list | dict) and number(value) is None:
            continue
        as_number = number(value)
        if as_number is not None and (not math.isfinite(as_number) or as_number < 0):
            yield Found(run.where, f"{key} {value}", "a finite number that is not negative")
