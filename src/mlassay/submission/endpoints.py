"""The HTTP variant of v6.1 ("endpoints"): its own summaries in place of the load generator's logs.

<scenario>/config.yaml, measurements.json, README.md, performance/result_summary.json,
accuracy/accuracy_results.json, audit/audit_<name>.json
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlassay.core.enums import Scenario
from mlassay.submission.metric import MetricValue

if TYPE_CHECKING:
    from mlassay.submission.model import JsonFile, ResultFolder

MODELS = (
    "wan-2.2-t2v-a14b",
    "qwen3-vl-235b-a22b",
    "qwen3.6-27b",
    "llama3.1-8b",
    "llama3.1-8b-edge",
    "gpt-oss-120b",
    "deepseek-r1",
)
"""Models that may be submitted so (v6.1)."""

AUDITS = {
    "TEST01": "accuracy_in_performance_test",
    "TEST04": "output_caching_test",
    "TEST06": "consistency_output_test",
    "TEST07": "accuracy_in_performance_full_test",
    "TEST08": "accuracy_in_performance_dlrmv3_test",
}
MANDATORY_AUDITS = {"wan-2.2-t2v-a14b": ("TEST04",)}


def summary(result: ResultFolder) -> JsonFile:
    from mlassay.submission.model import read_json

    return read_json(result.tree, f"{result.path}/performance/result_summary.json")


def accuracy(result: ResultFolder) -> JsonFile:
    from mlassay.submission.model import read_json

    return read_json(result.tree, f"{result.path}/accuracy/accuracy_results.json")


_QPS = ("qps", "queries_per_second", "request_throughput", "throughput_qps")
_TPS = ("tps", "tokens_per_second", "output_throughput", "output_tokens_per_second")


def find_number(data: Mapping[str, Any], names: tuple[str, ...], depth: int = 3) -> tuple[str, float] | None:
    """The first of some keys that holds a number, here or in tables below."""
    for key, value in data.items():
        if key.lower() in names and isinstance(value, int | float) and not isinstance(value, bool):
            return key, float(value)
    if depth:
        for value in data.values():
            if isinstance(value, dict) and (found := find_number(value, names, depth - 1)):
                return found
    return None


def endpoints_metric(result: ResultFolder) -> MetricValue:
    """Tokens per second where they are stated, else queries per second, under its own name."""
    data = summary(result).data
    if result.scenario is Scenario.SINGLE_STREAM and (
        found := find_number(data, ("p90", "latency_p90", "p90_latency_ms"))
    ):
        return MetricValue("p90 latency", found[0], found[1], "ms")
    if found := find_number(data, _TPS):
        return MetricValue("tokens per second", found[0], found[1], "tokens/s")
    found = find_number(data, _QPS)
    return MetricValue("queries per second", found[0] if found else "qps", found[1] if found else None, "queries/s")
