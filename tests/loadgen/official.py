"""Ask the official load generator what it sends: the oracle of our streams, and the maker of the recorded sequences.

    python -m tests.loadgen.official tests/loadgen/data/official_streams.json

writes the beginning of what it sends for every case below (package mlcommons-loadgen).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.settings import AccuracyLog, Load, MultiStream, Offline, Seeds, Server, Settings, SingleStream

SEEDS = {
    "qsl_rng_seed": 2085463073848966840,
    "sample_index_rng_seed": 2747215439041700203,
    "schedule_rng_seed": 16159082839903944936,
}
KEPT = 24
"""Queries kept of each recorded case."""

RATES = {
    "SingleStream": {"single_stream_expected_latency_ns": 110_000},
    "MultiStream": {"multi_stream_expected_latency_ns": 530_000, "multi_stream_samples_per_query": 8},
    "Server": {"server_target_qps": 4321.5},
    "Offline": {"offline_expected_qps": 21_000.7},
}
ORDERS: dict[str, dict[str, Any]] = {
    "random": {},
    "unique": {"performance_issue_unique": True},
    "same": {"performance_issue_same": True, "performance_issue_same_index": 5},
    "equal": {"sample_concatenate_permutation": True},
}
LIBRARIES = ((100, 32), (777, 77), (33, 33), (9, 4))


def _cases() -> dict[str, dict[str, Any]]:
    cases: dict[str, dict[str, Any]] = {}

    def add(name: str, total: int, held: int, **settings: Any) -> None:
        cases[name] = {"total": total, "held": held, "settings": settings}

    for scenario, rate in RATES.items():
        base = {"scenario": scenario, "min_duration_ms": 33, "min_query_count": 70, **rate}
        for total, held in LIBRARIES:
            for order, options in ORDERS.items():
                if options.get("performance_issue_same_index", 0) < held:
                    name = f"{scenario} performance {order} {held} of {total}"
                    add(name, total, held, **base, **options)
            add(f"{scenario} accuracy {held} of {total}", total, held, mode="AccuracyOnly", **base)
        add(f"{scenario} accuracy 60 used", 100, 32, mode="AccuracyOnly", accuracy_sample_count_override=60, **base)
        add(f"{scenario} performance 20 used", 100, 32, performance_sample_count_override=20, **base)
        add(f"{scenario} performance 200 wanted", 100, 32, performance_sample_count_override=200, **base)
        add(f"{scenario} submission", 100, 32, mode="SubmissionRun", accuracy_log_sampling_target=25, **base)
        for seed, more in ((0, {"accuracy_log_sampling_target": 16}), (99, {"accuracy_log_probability": 0.1})):
            add(f"{scenario} logged {more} {seed}", 100, 32, accuracy_log_rng_seed=seed, **more, **base)
        few = {**base, "min_query_count": 2, "min_duration_ms": 9}
        add(f"{scenario} few queries", 64, 64, accuracy_log_sampling_target=3, **few)
        add(f"{scenario} few queries equal", 64, 64, sample_concatenate_permutation=True, **few)
        add(f"{scenario} no duration", 64, 64, **{**base, "min_duration_ms": 0})
    server = {"scenario": "Server", "min_query_count": 3000, "min_duration_ms": 0}
    add("Server slow arrivals", 10, 10, **{**server, "min_query_count": 3, "server_target_qps": 200.0})
    add("Server large library", 70001, 70001, server_target_qps=1e6, **server)
    add("Server many refused words", 65000, 65000, server_target_qps=1e6, **server)
    add(
        "Server many refused words equal",
        3001,
        3001,
        sample_concatenate_permutation=True,
        server_target_qps=1e6,
        **server,
    )
    return cases


CASES = _cases()


def ours(case: dict[str, Any]) -> Settings:
    """The same wishes in our words."""
    wish = {**SEEDS, "mode": "PerformanceOnly", **case["settings"]}
    loads: dict[str, Load] = {
        "SingleStream": SingleStream(expected_latency_ns=wish.get("single_stream_expected_latency_ns", 1)),
        "MultiStream": MultiStream(
            samples_per_query=wish.get("multi_stream_samples_per_query", 8),
            expected_latency_ns=wish.get("multi_stream_expected_latency_ns", 1),
        ),
        "Server": Server(target_qps=wish.get("server_target_qps", 1.0)),
        "Offline": Offline(
            expected_qps=wish.get("offline_expected_qps", 1.0), min_sample_count=wish["min_query_count"]
        ),
    }
    modes = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY, "SubmissionRun": Mode.SUBMISSION}
    order = SampleOrder.RANDOM
    if wish.get("performance_issue_unique"):
        order = SampleOrder.UNIQUE
    elif wish.get("performance_issue_same"):
        order = SampleOrder.SAME
    elif wish.get("sample_concatenate_permutation"):
        order = SampleOrder.EQUAL_ISSUE
    return Settings(
        scenario=Scenario.parse(wish["scenario"]),
        load=loads[wish["scenario"]],
        mode=modes[wish["mode"]],
        min_duration_ns=wish["min_duration_ms"] * 1_000_000,
        min_query_count=wish["min_query_count"],
        sample_order=order,
        same_index=wish.get("performance_issue_same_index", 0),
        performance_sample_count=wish.get("performance_sample_count_override", 0),
        accuracy_sample_count=wish.get("accuracy_sample_count_override", 0),
        seeds=Seeds(
            qsl=wish["qsl_rng_seed"], sample_index=wish["sample_index_rng_seed"], schedule=wish["schedule_rng_seed"]
        ),
        accuracy_log=AccuracyLog(
            probability=wish.get("accuracy_log_probability", 0.0),
            sampling_target=wish.get("accuracy_log_sampling_target", 0),
            seed=wish.get("accuracy_log_rng_seed", 0),
        ),
    )


def ask(case: dict[str, Any], *, trace: bool = False) -> dict[str, Any]:
    """What the official tool sends: {"queries", "loads", "detail", "logged", "due_ns" (with trace, in order)}."""
    import mlperf_loadgen as official

    settings = official.TestSettings()
    for key, value in {**SEEDS, "mode": "PerformanceOnly", **case["settings"]}.items():
        kind = {"scenario": official.TestScenario, "mode": official.TestMode}.get(key)
        setattr(settings, key, getattr(kind, value) if kind else value)
    queries: list[list[int]] = []
    loads: list[list[int]] = []

    def issue(samples: Any) -> None:
        queries.append([s.index for s in samples])
        official.QuerySamplesComplete([official.QuerySampleResponse(s.id, 0, 0) for s in samples])

    with tempfile.TemporaryDirectory() as folder:
        output = official.LogOutputSettings()
        output.outdir = folder
        logs = official.LogSettings()
        logs.log_output, logs.enable_trace = output, trace
        sut = official.ConstructSUT(issue, lambda: None)
        library = official.ConstructQSL(case["total"], case["held"], lambda x: loads.append(list(x)), lambda x: None)
        official.StartTestWithLogSettings(sut, library, settings, logs, f"{folder}/no-audit.config")
        official.DestroyQSL(library)
        official.DestroySUT(sut)
        path = Path(folder)
        detail: dict[str, list[Any]] = {}
        for line in (path / "mlperf_log_detail.txt").read_text().splitlines():
            if line.startswith(":::MLLOG"):
                entry = json.loads(line.removeprefix(":::MLLOG"))
                detail.setdefault(entry["key"], []).append(entry["value"])
        logged = [entry["seq_id"] for entry in json.loads((path / "mlperf_log_accuracy.json").read_text())]
        due = _scheduled(path / "mlperf_log_trace.json") if trace else []
    return {"queries": queries, "loads": loads, "detail": detail, "logged": sorted(logged), "due_ns": due}


def _scheduled(trace: Path) -> list[int]:
    """Scheduled times of the samples, from the first one on; the file is read by line, for it is not valid JSON."""
    moments = {}
    for line in trace.read_text().splitlines():
        if line.startswith('{"name":"Sample"') and '"ph":"b"' in line:
            event = json.loads(line.rstrip().rstrip(","))
            moments[event["args"]["sample_seq"]] = round(event["ts"] * 1000)
    return [moments[i] - moments[0] for i in sorted(moments)]


def record() -> dict[str, Any]:
    """The beginning of every case, small enough to keep."""
    kept = {}
    for name, case in CASES.items():
        server = case["settings"]["scenario"] == "Server" and "mode" not in case["settings"]
        said = ask(case, trace=server)
        kept[name] = {
            "loads": [loaded[:KEPT] for loaded in said["loads"]],
            "load_sizes": [len(loaded) for loaded in said["loads"]],
            "queries": [query[:KEPT] for query in said["queries"][:KEPT]],
            "due_ns": said["due_ns"][:KEPT],
            "logged": said["logged"],
            "n_issued_samples": sum(map(len, said["queries"])),
            **{key: said["detail"][key] for key in COMPARED},
        }
    return kept


COMPARED = (
    "generated_query_count",
    "generated_query_duration",
    "generated_samples_per_query",
    "effective_samples_per_query",
    "effective_target_qps",
    "effective_target_duration_ms",
    "effective_min_query_count",
    "effective_min_sample_count",
    "effective_performance_sample_count",
    "effective_accuracy_sample_count",
)

if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(said)}" for name, said in record().items()]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n")
