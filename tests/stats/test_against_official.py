"""Our percentiles and early stopping, held against the official tool's: recorded runs, and live where installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlassay.stats.early_stopping import multi_stream, server, single_stream
from mlassay.stats.percentile import latency_summary
from tests.records.samples import needs_samples, official

RUNS = [
    "MultiStream/performance",
    "Server/performance",
    "Server/performance_invalid",
    "Server/performance_max_async",
    "SingleStream/performance",
    "SingleStream/too_few_queries",
]


def detail(lines: bytes) -> dict[str, object]:
    rows = (json.loads(line[9:]) for line in lines.splitlines() if line.startswith(b":::MLLOG "))
    return {row["key"]: row["value"] for row in rows}


def latencies(lines: bytes) -> np.ndarray:
    """Latency per query: that of its slowest sample."""
    slowest: dict[int, int] = {}
    for line in lines.splitlines():
        if line.startswith(b'{"name":"Sample"') and b'"ph":"b"' in line:
            args = json.loads(line.rstrip().rstrip(b","))["args"]
            query = args["query_seq"]
            slowest[query] = max(slowest.get(query, 0), args["complete_ns"])
    return np.array(list(slowest.values()))


def agree(found: np.ndarray, log: dict[str, object], percentile: float, bound_ns: float) -> None:
    ours = latency_summary(found)
    for key in ("min", "mean", "max"):
        assert ours[key] == log[f"result_{key}_latency_ns"]
    for key in ("50", "90", "95", "97", "99", "99.9"):
        assert ours[key] == log[f"result_{float(key):.2f}_percentile_latency_ns"]
    if log["effective_scenario"] == "Server":
        stopping = server(len(found), int((found > bound_ns).sum()), percentile)
    else:
        stopping = {"SingleStream": single_stream, "MultiStream": multi_stream}[str(log["effective_scenario"])](
            found, percentile
        )
    assert stopping.result.text.replace("\n", " ") == log["early_stopping_result"]
    assert stopping.result.met == log["early_stopping_met"]
    for name, value in stopping.numbers.items():
        assert log[name] == value


@needs_samples
@pytest.mark.parametrize("run", RUNS)
def test_recorded_runs(run: str) -> None:
    log = detail(official()[f"{run}/mlperf_log_detail.txt"])
    found = latencies(official()[f"{run}/mlperf_log_trace.json"])
    agree(found, log, 90 if run.startswith("Single") else 99, float(str(log["effective_target_latency_ns"])))


LIVE = """
import json, sys, mlperf_loadgen as lg
scenario, count, percentile, outdir = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
s = lg.TestSettings()
s.scenario, s.mode = getattr(lg.TestScenario, scenario), lg.TestMode.PerformanceOnly
s.min_duration_ms, s.min_query_count, s.max_query_count, s.server_target_qps = 0, count, count, 1e5
s.server_target_latency_ns = 20000
name = {"SingleStream": "single_stream", "MultiStream": "multi_stream", "Server": "server"}[scenario]
setattr(s, name + "_target_latency_percentile", percentile)
log = lg.LogSettings()
log.enable_trace = True
out = lg.LogOutputSettings()
out.outdir = outdir
log.log_output = out
def issue(queries):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(q.id, 0, 0) for q in queries])
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(100, 64, lambda x: None, lambda x: None)
lg.StartTestWithLogSettings(sut, qsl, s, log, "none")
lg.DestroyQSL(qsl)
lg.DestroySUT(sut)
"""


@pytest.mark.parametrize(
    ("scenario", "count", "percentile"),
    [
        ("SingleStream", 1, 90.0),
        ("SingleStream", 10, 90.0),
        ("SingleStream", 64, 90.0),
        ("SingleStream", 3000, 99.9),
        ("SingleStream", 7000, 97.0),
        ("MultiStream", 661, 99.0),
        ("MultiStream", 3000, 97.5),
        ("Server", 2000, 99.0),
    ],
)
def test_live(scenario: str, count: int, percentile: float, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen")
    command = [sys.executable, "-c", LIVE, scenario, str(count), str(round(percentile / 100, 14)), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    log = detail((tmp_path / "mlperf_log_detail.txt").read_bytes())
    found = latencies((tmp_path / "mlperf_log_trace.json").read_bytes())
    assert len(found) == count
    agree(found, log, percentile, 20000)
