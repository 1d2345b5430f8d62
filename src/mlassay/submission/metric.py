"""The number that a result is about: which field of the log holds it, by round, benchmark and scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlassay.core.enums import Scenario

if TYPE_CHECKING:
    from mlassay.submission.model import ResultFolder, Run


@dataclass(frozen=True, slots=True)
class MetricValue:
    name: str
    field: str
    value: float | None  # in `unit`
    unit: str


_TEXT_FIELDS = {
    "90th percentile latency (ns)": "result_90.00_percentile_latency_ns",
    "Samples per query": "effective_samples_per_query",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "Samples per second": "result_samples_per_second",
}
_DEFAULTS = {
    Scenario.SINGLE_STREAM: "result_90.00_percentile_latency_ns",
    Scenario.MULTI_STREAM: "early_stopping_latency_ms",
    Scenario.SERVER: "result_completed_samples_per_sec",
    Scenario.INTERACTIVE: "result_completed_samples_per_sec",
    Scenario.OFFLINE: "result_samples_per_second",
}


def read_metric(result: ResultFolder, run: Run) -> MetricValue:
    """The metric of one run; `value` is None when the log does not hold it."""
    scenario = result.scenario or run.log.scenario
    if scenario is None:
        return MetricValue("", "", None, "")
    if result.inferred and run.log.scenario is not None:
        return _inferred(scenario, run.log.scenario, run)
    field = result.rule.metric_field if result.rule else ""
    field = _TEXT_FIELDS.get(field, field) or _DEFAULTS[scenario]
    if not result.rule and scenario is Scenario.SINGLE_STREAM and result.round.early_stopping:
        field = "early_stopping_latency_ss"
    value = run.log.number(field)
    name, unit = _describe(field, scenario, result)
    if field.endswith("_ns") or field.startswith("early_stopping_latency"):
        value = None if value is None else value / 1e6
    return MetricValue(name, field, value, unit)


def _describe(field: str, scenario: Scenario, result: ResultFolder) -> tuple[str, str]:
    usual = 90 if scenario is Scenario.SINGLE_STREAM else 99
    percentile = f"p{result.rule.percentile if result.rule else usual:g}"
    if field.endswith("_ns") or field.startswith("early_stopping_latency"):
        return f"{percentile} latency", "ms"
    if field == "effective_samples_per_query":
        return "streams", "streams"
    if "tokens" in field:
        return "tokens per second", "tokens/s"
    if scenario is Scenario.OFFLINE:
        return "samples per second", "samples/s"
    which = "scheduled" if "scheduled" in field else "completed"
    return f"{which} queries per second", "queries/s"


def _inferred(scenario: Scenario, logged: Scenario, run: Run) -> MetricValue:
    """Results of one scenario computed from another's logs (inference rules, inferred results; edge only)."""
    if scenario is Scenario.MULTI_STREAM and logged is Scenario.SINGLE_STREAM:
        field = "early_stopping_latency_ms"
        p99 = run.log.number(field)
        if p99 is None:
            field = "result_99.00_percentile_latency_ns"
            p99 = run.log.number(field)
        return MetricValue("p99 latency (inferred)", field, None if p99 is None else 8 * p99 / 1e6, "ms")
    if scenario is Scenario.OFFLINE and logged is Scenario.SINGLE_STREAM:
        field = "result_qps_without_loadgen_overhead"
        return MetricValue("samples per second (inferred)", field, run.log.number(field), "samples/s")
    if scenario is Scenario.OFFLINE and logged is Scenario.MULTI_STREAM:
        field = "result_mean_query_latency_ns"
        mean = run.log.number(field)
        return MetricValue("samples per second (inferred)", field, 8e9 / mean if mean else None, "samples/s")
    return MetricValue("", "", None, "")
