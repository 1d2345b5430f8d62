"""PERF: does a performance run count? Validity, settings, lengths, bounds and the metric itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlassay.core.enums import Scenario
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.metric import read_metric
from mlassay.submission.model import DETAIL, SUMMARY, ResultFolder, Run
from mlassay.submission.schema import at_least

NS_PER_MS = 1_000_000


@check(
    "PERF001",
    Scope.RESULT,
    "performance run missing",
    example="found no performance/run_1",
    official="performance_dir",
    clause="Submission rules, results",
)
def run_present(result: ResultFolder) -> Iterator[Found]:
    """Without a performance run there is no result."""
    if result.bare is None and not result.performance_runs and not result.endpoints:
        yield Found(f"{result.path}/performance/run_1", "absent", "a performance run")


@check(
    "PERF002",
    Scope.RUN,
    "log missing that the result is read from",
    example="found no mlperf_log_detail.txt",
    official="performance_files",
    clause="Submission rules, results",
)
def main_log(run: Run) -> Iterator[Found]:
    """The detail log holds the result since v1.0, the summary before. When it is only listed and its content is
    missing, the result is unknown, not zero."""
    if run.role != "performance" or run.result.endpoints:
        return
    wanted = SUMMARY if run.result.round.log_format == "text" else DETAIL
    have = run.log.has_summary if wanted == SUMMARY else run.log.has_detail
    if not have:
        reason = run.log.absent.get(wanted, "absent")
        yield Found(run.file(wanted), reason, "the log of the run")


@check(
    "PERF003",
    Scope.RUN,
    "second log missing",
    example="found no mlperf_log_summary.txt",
    official="performance_files",
    clause="Submission rules, results",
)
def second_log(run: Run) -> Iterator[Found]:
    """Summary and detail log belong together: each proves the other."""
    if run.role != "performance" or run.result.endpoints or run.result.bare is not None:
        return
    text = run.result.round.log_format == "text"
    wanted = DETAIL if text else SUMMARY
    have = run.log.has_detail if text else run.log.has_summary
    if not have and (run.log.has_summary or run.log.has_detail):
        reason = run.log.absent.get(wanted, "absent")
        severity = Severity.WARNING if text else None
        yield Found(run.file(wanted), reason, "both logs of the run", severity=severity)


@check(
    "PERF004",
    Scope.RUN,
    "run is INVALID",
    example="found result_validity INVALID: Reduce target QPS to improve latency.",
    official="loadgen_result_valid",
    clause="Inference rules: the load generator decides the validity of a run",
)
def valid(run: Run) -> Iterator[Found]:
    """The load generator itself judged the run. The v6 tools read this word and do nothing with it."""
    if run.role == "performance" and run.log.valid is False:
        reason = run.log.get("result_invalid_reason")
        detail = f": {reason.strip()}" if isinstance(reason, str) and reason.strip() else ""
        yield Found(run.where, f"result_validity INVALID{detail}", "VALID", hint="mend the cause and run again")


@check(
    "PERF005",
    Scope.RUN,
    "log says nothing about validity",
    example="found no result_validity",
    official="loadgen_result_valid",
    clause="Inference rules: the load generator decides the validity of a run",
)
def validity_stated(run: Run) -> Iterator[Found]:
    """A performance log without a verdict was cut, or is not of a performance run."""
    if run.role != "performance" or run.log.mode == "AccuracyOnly":
        return
    main = run.log.has_summary if run.result.round.log_format == "text" else run.log.has_detail
    if run.log.valid is None and (main or (run.result.bare is not None and run.log.readable)):
        yield Found(run.where, "no result_validity", "VALID or INVALID")


@check(
    "PERF006",
    Scope.RUN,
    "run in another mode",
    example="found AccuracyOnly; expected PerformanceOnly",
    clause="Load generator, test modes",
)
def mode(run: Run) -> Iterator[Found]:
    """Performance is measured in performance mode. SubmissionRun, which does both, occurs in published v0.5 results and
    is fit for it; a run in accuracy mode, or one that looked for the peak, is not."""
    said = run.log.mode
    if run.role == "performance" and said and said not in ("PerformanceOnly", "Performance"):
        severity = Severity.WARNING if said.startswith("Submission") else None
        yield Found(run.where, said, "PerformanceOnly", severity=severity)


@check(
    "PERF007",
    Scope.RUN,
    "scenario missing from the log",
    example="found no effective_scenario",
    clause="Load generator, logs",
)
def scenario_stated(run: Run) -> Iterator[Found]:
    """Without the scenario nobody knows what the numbers mean."""
    if run.role == "performance" and run.log.readable and run.log.scenario is None:
        said = run.log.get("effective_scenario")
        yield Found(run.where, "no scenario" if said is None else f"scenario {said!r}", "one of the five scenarios")


SEEDS = ("qsl", "sample_index", "schedule")


@check(
    "PERF008",
    Scope.RUN,
    "seed is not the round's",
    example="found qsl_rng_seed 1; expected 1780908523862526354",
    official="seeds",
    clause="Inference rules, seeds of the round (mlperf.conf)",
)
def seeds(run: Run) -> Iterator[Found]:
    """The seeds are published shortly before the deadline, so that nobody can tune to the order of the samples."""
    if run.role != "performance":
        return
    for name in SEEDS:
        said = run.log.integer(f"effective_{name}_rng_seed")
        want = getattr(run.result.round.seeds, name)
        if said is not None and said != want:
            yield Found(run.where, f"{name}_rng_seed {said}", str(want), hint="use the round's mlperf.conf")


@check(
    "PERF009",
    Scope.RUN,
    "too few samples in the performance set",
    example="found performance_sample_count 256; expected at least 1024",
    official="performance_sample_count",
    clause="Inference rules, benchmarks: QSL size",
)
def sample_count(run: Run) -> Iterator[Found]:
    """A small set of samples fits into caches that a real data set does not."""
    if run.role != "performance" or run.result.benchmark is None:
        return
    said = run.log.integer("effective_performance_sample_count")
    triple = run.result.benchmark.performance_samples
    want = next((v for v in (triple.checker, triple.rules, triple.conf) if v is not None), None)
    if said is not None and want is not None and said < want:
        yield Found(run.where, f"performance_sample_count {said}", f"at least {want}")


def _performance(run: Run) -> bool:
    return run.role == "performance" and run.rule is not None and run.log.readable


def _acting(run: Run) -> Scenario | None:
    """The scenario whose bounds hold: the directory's, or the log's when the result is inferred."""
    return run.log.scenario if run.result.inferred else run.result.scenario


@check(
    "PERF010",
    Scope.RUN,
    "latency bound of the run is looser than the round's",
    example="found target latency 20 ms; expected at most 15 ms",
    official="server_latency_bound",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints",
)
def latency_bound(run: Run) -> Iterator[Found]:
    """The bound that the load generator judged by may be tighter than the rules', never looser."""
    rule = run.rule
    if not _performance(run) or rule is None or _acting(run) is not rule.scenario or rule.has_tokens:
        return
    said = run.log.number("effective_target_latency_ns")
    want = rule.latency_ns or rule.latency_ns_checker
    if (
        said is None
        or want is None
        or rule.scenario not in (Scenario.SERVER, Scenario.INTERACTIVE, Scenario.MULTI_STREAM)
    ):
        return
    if rule.scenario is Scenario.MULTI_STREAM and not rule.interval:
        return
    if said > want:
        interval_ns = 1e9 / rule.interval_qps if rule.interval_qps else 0.0
        severity = Severity.WARNING if said <= interval_ns * 1.0001 else None  # mlperf.conf's rate rounds the bound up
        clause = rule.clauses.get("latency_ns", "")
        found = f"target latency {_ms(said)}"
        yield Found(run.where, found, f"at most {_ms(want)}", clause=clause, severity=severity)


def _ms(ns: float) -> str:
    return f"{ns / NS_PER_MS:,.6g} ms"


@check(
    "PERF011",
    Scope.RUN,
    "token latency bound of the run is looser than the round's",
    example="found ttft_latency 3,000 ms; expected at most 2,000 ms",
    official="token_latency",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints of language models",
)
def token_bounds(run: Run) -> Iterator[Found]:
    """Interactive has its own, tighter bounds, although its log says Server; the v6 tools hold it against Server's."""
    rule = run.rule
    if not _performance(run) or rule is None or not rule.has_tokens:
        return
    for key, want in (("ttft", rule.ttft_ns), ("tpot", rule.tpot_ns)):
        said = run.log.number(f"requested_server_{key}_latency")
        if said is not None and want is not None and said > want:
            yield Found(
                run.where, f"{key}_latency {_ms(said)}", f"at most {_ms(want)} in {rule.scenario.official_name}"
            )


@check(
    "PERF012",
    Scope.RUN,
    "measured latency above the bound",
    example="found 99th percentile 16.2 ms; expected at most 15 ms",
    official="server_latency_bound",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints",
)
def latency_measured(run: Run) -> Iterator[Found]:
    """The percentile that was measured must lie under the round's bound, whatever the run was configured with."""
    rule = run.rule
    if not _performance(run) or rule is None or rule.has_tokens or run.log.valid is False:
        return
    if rule.scenario not in (Scenario.SERVER, Scenario.INTERACTIVE) or _acting(run) is not rule.scenario:
        return
    want = rule.latency_ns or rule.latency_ns_checker
    said = run.log.number(f"result_{rule.percentile:.2f}_percentile_latency_ns")
    if said is not None and want is not None and said > want and not _looser(run, "effective_target_latency_ns", want):
        yield Found(run.where, f"{rule.percentile:g}th percentile {_ms(said)}", f"at most {_ms(want)}")


def _looser(run: Run, key: str, want: int) -> bool:
    """The configured bound is looser than the rule's: PERF010 or PERF011 says that already."""
    said = run.log.number(key)
    return said is not None and said > want


@check(
    "PERF013",
    Scope.RUN,
    "measured token latency above the bound",
    example="found 99th percentile of the first token 2,400 ms; expected at most 2,000 ms",
    official="token_latency",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints of language models",
)
def tokens_measured(run: Run) -> Iterator[Found]:
    """Time to the first token and time per output token are both held at their percentile."""
    rule = run.rule
    if not _performance(run) or rule is None or not rule.has_tokens or run.log.valid is False:
        return
    p = f"{rule.percentile:.2f}"
    for name, short, key, want in (
        ("first token", "ttft", f"result_first_token_{p}_percentile_latency_ns", rule.ttft_ns),
        ("time per output token", "tpot", f"result_time_per_output_token_{p}_percentile_ns", rule.tpot_ns),
    ):
        said = run.log.number(key)
        if said is None or want is None or said <= want or _looser(run, f"requested_server_{short}_latency", want):
            continue
        yield Found(run.where, f"{rule.percentile:g}th percentile of {name} {_ms(said)}", f"at most {_ms(want)}")


@check(
    "PERF014",
    Scope.RUN,
    "language model without token latencies",
    since="v4.0",
    example="found use_token_latencies absent",
    official="token_latency",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints of language models",
)
def tokens_used(run: Run) -> Iterator[Found]:
    """Without use_token_latencies the load generator judges the whole answer, not its first and following tokens."""
    rule = run.rule
    if not _performance(run) or rule is None or not rule.has_tokens:
        return
    if run.log.get("requested_use_token_latencies") is not True:
        yield Found(run.where, "use_token_latencies absent or false", "true")


@check(
    "PERF015",
    Scope.RUN,
    "early stopping not met",
    since="v2.0",
    example="found early_stopping_met false",
    official="early_stopping_met",
    clause="Inference rules, early stopping",
)
def early_stopping(run: Run) -> Iterator[Found]:
    """Since v2.0 a run is long enough when early stopping says so. Until v5.1 the official tool only logged it."""
    if run.role != "performance" or not run.result.round.early_stopping or run.log.valid is False:
        return
    if run.log.get("early_stopping_met") is False:
        yield Found(run.where, "early_stopping_met false", "true", hint="run longer, or at a lower rate")


@check(
    "PERF016",
    Scope.RUN,
    "configured query count below the minimum",
    example="found min_query_count 3003; expected at least 90112",
    official="min_query_count",
    clause="Inference rules, number of queries",
)
def queries_configured(run: Run) -> Iterator[Found]:
    """The minimum is set in mlperf.conf and may be raised, not lowered. When the run issued enough queries all the same
    this is a warning where the round's tool did not reject it."""
    rule = run.rule
    if not _performance(run) or rule is None or _acting(run) is not rule.scenario:
        return
    want = _least_queries(run)
    said = run.log.integer("effective_min_query_count")
    if want is None or said is None or said >= want:
        return
    done = run.log.queries
    enough = done is not None and done >= want
    lenient = enough and _official_level(run, "min_query_count") != "reject"
    extra = f" ({done:,} were issued)" if enough else ""
    yield Found(
        run.where,
        f"min_query_count {said}{extra}",
        f"at least {want}",
        severity=Severity.WARNING if lenient else None,
        clause=rule.clauses.get("min_queries", ""),
    )


def _official_level(run: Run, name: str) -> str:
    severity = run.result.round.severity.get(name)
    return severity.level.value if severity else ""


def _least_queries(run: Run) -> int | None:
    """Fewest queries that the round wants, where it wants a number; Offline is judged by samples."""
    rule = run.rule
    if rule is None or rule.scenario in (Scenario.OFFLINE, Scenario.INTERACTIVE):
        return None
    if run.result.round.early_stopping:
        return rule.required_queries if rule.scenario is Scenario.MULTI_STREAM and not rule.interval else None
    return rule.required_queries or None


@check(
    "PERF017",
    Scope.RUN,
    "too few queries were issued",
    example="found 3,003 queries; expected at least 90,112",
    clause="Inference rules, number of queries",
)
def queries_measured(run: Run) -> Iterator[Found]:
    """What counts is what ran: the number of queries in the log, not the one in the settings."""
    rule = run.rule
    if not _performance(run) or rule is None or _acting(run) is not rule.scenario or run.log.valid is False:
        return
    done = run.log.queries
    want = rule.required_queries
    if rule.scenario in (Scenario.OFFLINE, Scenario.INTERACTIVE) or done is None or done >= want:
        return
    said = run.log.integer("effective_min_query_count")
    if said is not None and said < want and not run.result.round.early_stopping:
        return  # PERF016 says it
    yield Found(run.where, f"{done:,} queries", f"at least {want:,}")


@check(
    "PERF018",
    Scope.RUN,
    "too few samples in the Offline query",
    example="found 10,000 samples per query; expected at least 24,576",
    official="offline_samples_per_query",
    open_severity=Severity.WARNING,
    clause="Inference rules, Offline: number of samples",
)
def offline_samples(run: Run) -> Iterator[Found]:
    """The one Offline query holds at least 24,576 samples, or the whole data set where that is smaller (v4.0 on)."""
    rule = run.rule
    if not _performance(run) or rule is None or rule.scenario is not Scenario.OFFLINE or run.result.inferred:
        return
    said = run.log.integer("effective_samples_per_query")
    if said is None or said == 1:
        said = run.log.integer("generated_samples_per_query") or said
    if said is not None and rule.min_samples is not None and said < rule.min_samples:
        yield Found(run.where, f"{said:,} samples per query", f"at least {rule.min_samples:,}")


@check(
    "PERF019",
    Scope.RUN,
    "configured duration below the minimum",
    example="found min_duration 60,000 ms; expected at least 600,000 ms",
    official="min_duration",
    clause="Inference rules, duration",
)
def duration_configured(run: Run) -> Iterator[Found]:
    """A run lasts at least a minute (v0.5, v0.7) or ten (since v1.0), so that clocks and temperatures settle."""
    rule = run.rule
    if not _performance(run) or rule is None:
        return
    said, want = run.log.integer("effective_min_duration_ms"), rule.min_duration_ns // NS_PER_MS
    if said is not None and said < want:
        lenient = _official_level(run, "min_duration") != "reject"
        lasted = run.log.duration_ms
        enough = lasted is not None and lasted >= want
        extra = f" (the run lasted {lasted:,.0f} ms)" if enough and lasted is not None else ""
        severity = Severity.WARNING if enough and lenient else None
        yield Found(run.where, f"min_duration {said:,} ms{extra}", f"at least {want:,} ms", severity=severity)


@check(
    "PERF020",
    Scope.RUN,
    "run was too short",
    example="found 41,200 ms; expected at least 60,000 ms",
    clause="Inference rules, duration",
)
def duration_measured(run: Run) -> Iterator[Found]:
    """The time between begin and end that the log itself states. The official tools look at the setting only."""
    rule = run.rule
    if not _performance(run) or rule is None or run.log.valid is False:
        return
    said, want = run.log.duration_ms, rule.min_duration_ns / NS_PER_MS
    setting = run.log.integer("effective_min_duration_ms")
    if said is None or said >= want * 0.999 or (setting is not None and setting < want):
        return
    yield Found(run.where, f"{said:,.0f} ms", f"at least {want:,.0f} ms")


@check(
    "PERF021",
    Scope.RUN,
    "equal-issue mode not used",
    since="v4.1",
    example="found sample_concatenate_permutation false",
    official="equal_issue_mode",
    open_severity=Severity.NOTE,
    clause="Inference rules, equal issue",
)
def equal_issue(run: Run) -> Iterator[Found]:
    """Where samples differ in length, each must be asked equally often, or luck decides. The v6 tools test this the
    wrong way round and never."""
    benchmark = run.result.benchmark
    if not _performance(run) or benchmark is None or not benchmark.equal_issue or run.result.round.name == "v4.0":
        return
    said = run.log.get("effective_sample_concatenate_permutation")
    if said is False:
        yield Found(run.where, "sample_concatenate_permutation false", "true", hint="use the round's mlperf.conf")


@check(
    "PERF022",
    Scope.RUN,
    "metric missing from the log",
    example="found no result_samples_per_second",
    official="metric",
    clause="Inference rules, metrics",
)
def metric_present(run: Run) -> Iterator[Found]:
    """Without the number that it is about, a result cannot be ranked or published."""
    if not _performance(run) or run.log.valid is None or run.log.scenario is None:
        return
    metric = read_metric(run.result, run)
    if metric.value is None and metric.field:
        yield Found(run.where, f"no {metric.field}", f"{metric.name} in {metric.field}")


@check(
    "PERF023",
    Scope.RUN,
    "metric of zero",
    example="found result_samples_per_second 0",
    clause="Inference rules, metrics",
)
def metric_positive(run: Run) -> Iterator[Found]:
    """Zero samples per second, or a latency of zero, was not measured. Early stopping writes zero when a run was too
    short to estimate its percentile."""
    if not _performance(run) or run.log.scenario is None or run.log.valid is False:
        return
    metric = read_metric(run.result, run)
    if metric.value == 0:
        yield Found(run.where, f"{metric.field} 0", "a number above zero")


@check(
    "PERF024",
    Scope.RUN,
    "metric does not follow from the run",
    example="found 1,000 samples/s; expected about 500 from 300,000 samples in 600 s",
    clause="Inference rules, metrics",
)
def metric_plausible(run: Run) -> Iterator[Found]:
    """Samples, time and rate are three numbers of which two give the third. A rate that does not follow from the other
    two was not measured in this run."""
    log = run.log
    if not _performance(run) or log.valid is not True:
        return
    said, samples, seconds = None, None, None
    if log.scenario is Scenario.OFFLINE:
        said, samples = log.number("result_samples_per_second"), log.integer("generated_samples_per_query")
        longest = log.number("result_max_latency_ns")
        seconds = longest / 1e9 if longest else None
    elif log.scenario is Scenario.SERVER:
        said, samples = log.number("result_completed_samples_per_sec"), log.queries
        seconds = log.duration_ms / 1000 if log.duration_ms else None
    elif log.scenario is Scenario.SINGLE_STREAM:
        said, samples = log.number("result_qps_without_loadgen_overhead"), 1
        mean = log.number("result_mean_latency_ns")
        seconds = mean / 1e9 if mean else None
    if not said or not samples or not seconds or not math.isfinite(said):
        return
    expected = samples / seconds
    slack = 0.02 if log.scenario is not Scenario.SERVER else 0.1
    if not math.isclose(said, expected, rel_tol=slack):
        yield Found(run.where, f"{said:,.6g} samples/s", f"about {expected:,.6g} from the log's own counts and times")


@check(
    "PERF025",
    Scope.RESULT,
    "number of runs is not the round's",
    example="found 1 run; expected 5",
    official="performance_runs",
    clause="Inference rules, number of runs",
)
def runs(result: ResultFolder) -> Iterator[Found]:
    """v0.5 wanted five Server runs, of which the slowest counts; everywhere else one run is the result."""
    if result.bare is not None or not result.performance_runs:
        return
    want = result.round.server_runs if result.scenario is Scenario.SERVER else 1
    have = len(result.performance_runs)
    if have != want:
        severity = Severity.WARNING if have > want else None
        where = result.performance_folder or result.path
        yield Found(where, f"{have} run{'s' * (have != 1)}", f"{want}", severity=severity)


@check(
    "PERF026",
    Scope.RUN,
    "percentile is not the scenario's",
    example="found target_latency_percentile 0.97; expected 0.99",
    open_severity=Severity.WARNING,
    clause="Inference rules, latency constraints",
)
def percentile(run: Run) -> Iterator[Found]:
    """Judging by a lower percentile lets more late answers pass."""
    rule = run.rule
    if not _performance(run) or rule is None or rule.scenario is Scenario.OFFLINE or _acting(run) is not rule.scenario:
        return
    said = run.log.number("effective_target_latency_percentile")
    if said is not None and said * 100 < rule.percentile - 1e-9:
        yield Found(run.where, f"target_latency_percentile {said:g}", f"{rule.percentile / 100:g}")


AUDIT_FLAGS = ("performance_issue_unique", "performance_issue_same", "accuracy_log_probability",
               "accuracy_log_sampling_target")  # fmt: skip


@check(
    "PERF027",
    Scope.RUN,
    "audit setting in a result",
    example="found performance_issue_same true",
    clause="Load generator, audit.config belongs to compliance runs only",
)
def audit_settings(run: Run) -> Iterator[Found]:
    """Repeating one sample is how caching is looked for, not how performance is measured. Such a run was made with an
    audit.config and lies in the wrong directory."""
    if run.role != "performance":
        return
    for name in AUDIT_FLAGS:
        value = run.log.get(f"effective_{name}")
        if value not in (None, False, 0, 0.0, "false", "0"):
            severity = Severity.WARNING if name.startswith("accuracy_log") else None
            yield Found(run.where, f"{name} {value}".lower(), "off in a result", severity=severity)


@check(
    "PERF028",
    Scope.RUN,
    "samples per query is not the scenario's",
    example="found 4 samples per query in MultiStream; expected 8",
    clause="Inference rules, scenarios",
)
def samples_per_query(run: Run) -> Iterator[Found]:
    """SingleStream and Server ask one sample at a time, MultiStream eight since v2.0; before, its number of streams was
    the metric."""
    rule = run.rule
    if not _performance(run) or rule is None or _acting(run) is not rule.scenario:
        return
    want = {Scenario.SINGLE_STREAM: 1, Scenario.SERVER: 1, Scenario.INTERACTIVE: 1}.get(rule.scenario)
    if rule.scenario is Scenario.MULTI_STREAM and not rule.interval:
        want = rule.samples_per_query or 8
    said = run.log.integer("effective_samples_per_query")
    if want is not None and said is not None and said != want:
        yield Found(run.where, f"{said} samples per query in {rule.scenario.official_name}", str(want))


@check(
    "PERF029",
    Scope.RUN,
    "verdict contradicts the log's own bounds",
    example="found VALID with result_min_duration_met false",
    clause="Load generator, validity of a run",
)
def verdict_agrees(run: Run) -> Iterator[Found]:
    """VALID means that every bound below it was met. A log that says VALID above and 'not met' below was edited."""
    if run.role != "performance" or run.log.valid is not True:
        return
    for key in ("result_min_duration_met", "result_min_queries_met", "result_perf_constraints_met"):
        value = run.log.get(key)
        if value is False or (isinstance(value, str) and value.strip().lower() in ("no", "false")):
            yield Found(run.where, f"VALID with {key} false", "a verdict that follows from its parts")


@check(
    "PERF030",
    Scope.RUN,
    "unexpected file beside the logs",
    since="v3.0",
    severity=Severity.WARNING,
    example="found model.onnx",
    official="performance_files",
    clause="Submission rules, results",
)
def extra_files(run: Run) -> Iterator[Found]:
    """A run's directory holds the logs of the load generator, and spl.txt when power was measured."""
    if run.role != "performance" or run.result.bare is not None or run.result.endpoints:
        return
    if not at_least(run.result.round.name, "v3.0") or run.path == run.result.path:
        return
    known = {DETAIL, SUMMARY, "mlperf_log_accuracy.json", "mlperf_log_trace.json", "spl.txt"}
    for name in run.tree.filenames(run.path):
        if name not in known and not name.startswith(".") and " " not in name:
            yield Found(run.file(name), "an unknown file", ", ".join(sorted(known)))


@check(
    "PERF031",
    Scope.RUN,
    "accuracy log in a performance run is not empty",
    severity=Severity.WARNING,
    example="found 84,000 bytes in mlperf_log_accuracy.json",
    clause="Load generator, logs",
)
def accuracy_log_empty(run: Run) -> Iterator[Found]:
    """In performance mode nothing is logged for accuracy, unless an audit asked for it."""
    if run.role == "performance" and run.result.bare is None and run.log.mode == "PerformanceOnly":
        size = run.tree.size(run.file("mlperf_log_accuracy.json"))
        if size > 16:
            yield Found(run.file("mlperf_log_accuracy.json"), f"{size:,} bytes", "an empty list")
