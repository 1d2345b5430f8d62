"""One harness, two modules: the same keys in the logs, the same samples, the same figures that time cannot change."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlassay.compat import mlperf_loadgen as ours
from mlassay.compat.settings_objects import pending_errors
from tests.compat.harness import Result, run

needs_official = pytest.mark.skipif(
    not importlib.util.find_spec("mlperf_loadgen"), reason="no official load generator here"
)

SHORT = {"min_duration_ms": 40, "min_query_count": 70}
RATES = {
    "SingleStream": {"single_stream_expected_latency_ns": 1_000_000},
    "MultiStream": {"multi_stream_expected_latency_ns": 1_000_000, "multi_stream_samples_per_query": 8},
    "Server": {"server_target_qps": 3000.0},
    "Offline": {"offline_expected_qps": 4000.0},
}
TOKENS = {"use_token_latencies": True}
INFERRED = {"infer_token_latencies": True, "token_latency_scaling_factor": 69}


def _cases() -> list[Any]:
    rows = []
    for scenario, rate in RATES.items():
        for mode in ("PerformanceOnly", "AccuracyOnly", "SubmissionRun"):
            base = {"scenario": scenario, "mode": mode, **SHORT, **rate}
            rows.append(pytest.param(base, {}, id=f"{scenario}-{mode}"))
            rows.append(pytest.param({**base, **TOKENS}, {}, id=f"{scenario}-{mode}-tokens"))
        base = {"scenario": scenario, **SHORT, **rate}
        rows.append(pytest.param(base, {"fast": True}, id=f"{scenario}-fast"))
        rows.append(pytest.param(base, {"answer": "thread"}, id=f"{scenario}-thread"))
        rows.append(pytest.param(base, {"answer": "batch"}, id=f"{scenario}-batch"))
        logged = {**base, "accuracy_log_sampling_target": 20, "accuracy_log_rng_seed": 5}
        rows.append(pytest.param(logged, {}, id=f"{scenario}-logged"))
        same = {"performance_issue_same": True, "performance_issue_same_index": 3}
        rows.append(pytest.param({**base, **same}, {}, id=f"{scenario}-same"))
        rows.append(pytest.param({**base, "performance_issue_unique": True}, {}, id=f"{scenario}-unique"))
        rows.append(pytest.param({**base, "sample_concatenate_permutation": True}, {}, id=f"{scenario}-equal"))
        rows.append(pytest.param({**base, "min_query_count": 4000, "max_query_count": 30}, {}, id=f"{scenario}-max"))
        audit = "*.*.performance_issue_same = 1\n*.*.min_query_count = 90\n*.*.accuracy_log_sampling_target = 7\n"
        rows.append(pytest.param(base, {"audit": audit}, id=f"{scenario}-audit"))
    server = {"scenario": "Server", **SHORT, **RATES["Server"]}
    rows.append(pytest.param({**server, "server_coalesce_queries": True}, {}, id="Server-coalesce"))
    rows.append(pytest.param({**server, **INFERRED}, {}, id="Server-inferred"))
    rows.append(pytest.param({**server, "server_target_latency_ns": 1000}, {}, id="Server-late"))
    rows.append(pytest.param({**server, "test05": True, "test05_qsl_rng_seed": 9}, {}, id="Server-test05"))
    rows.append(
        pytest.param({"scenario": "Offline", **SHORT, **RATES["Offline"], **INFERRED}, {}, id="Offline-inferred")
    )
    return rows


ONLY_THEIRS = {"warning_generic_message"}
"""Their logger also warns of its own memory; compared apart, by what it says."""

TIMED = re.compile(
    r"time|_duration_ns|latency_ns|latency_ms|latency_ss|power_|loadgen_|_per_sec|qps_with|throughput|tokens_per|overlatency"
)
"""Values that a clock decides."""

TIMED_VERDICTS = {
    "result_validity",
    "result_perf_constraints_met",
    "result_min_duration_met",
    "early_stopping_met",
    "result_query_count",
    "num_errors",
    "result_samples_per_second",
}
"""Values that a clock may decide, in closed loops by how many queries fit into the duration."""

WORDS = {"result_invalid_reason", "early_stopping_result", "early_stopping_ttft_result", "early_stopping_tpot_result"}
"""Sentences of our own, or with times in them."""

LENGTH_KEYS = {"error_runtime", "generic_message", "result_invalid_reason"}
"""Keys that stand there when a run ends in a certain way, which in a closed loop is the clock's affair."""


def comparable(result: Result) -> dict[str, list[Any]]:
    said: dict[str, list[Any]] = {}
    for entry in result.detail:
        key, value = entry["key"], entry["value"]
        if key in ONLY_THEIRS | TIMED_VERDICTS | WORDS | LENGTH_KEYS or TIMED.search(key):
            continue
        said.setdefault(key, []).append(round(value, 2) if isinstance(value, float) else value)
    return said


@needs_official
@pytest.mark.parametrize(("wishes", "options"), _cases())
def test_same_logs_and_samples(wishes: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    official = importlib.import_module("mlperf_loadgen")
    theirs_at, ours_at = tmp_path / "theirs", tmp_path / "ours"
    theirs_at.mkdir()
    ours_at.mkdir()
    theirs, mine = run(official, theirs_at, wishes, **options), run(ours, ours_at, wishes, **options)
    assert mine.loads == theirs.loads
    assert mine.files == theirs.files
    assert (mine.flushes, mine.unloads) == (theirs.flushes, theirs.unloads)
    assert mine.called_back == len(mine.accuracy)
    closed_loop = wishes["scenario"] in ("SingleStream", "MultiStream")
    if wishes.get("server_coalesce_queries"):
        assert [i for q in mine.queries for i in q] == [i for q in theirs.queries for i in q]
    elif closed_loop:
        both = min(len(mine.queries), len(theirs.queries))
        assert mine.queries[:both] == theirs.queries[:both]
        assert both >= min(30, mine.value("generated_query_count"))
    else:
        assert mine.queries == theirs.queries
    if len(mine.queries) == len(theirs.queries):
        assert sorted(map(str, mine.accuracy)) == sorted(map(str, theirs.accuracy))
    variable = ONLY_THEIRS | (LENGTH_KEYS if closed_loop else {"result_invalid_reason"})
    assert set(mine.keys()) - variable == set(theirs.keys()) - variable
    assert comparable(mine) == comparable(theirs)


@needs_official
def test_same_names_and_defaults() -> None:
    official = importlib.import_module("mlperf_loadgen")
    names = {name for name in dir(official) if not name.startswith("_")}
    assert names <= set(dir(ours))
    for kind in ("TestSettings", "LogSettings", "LogOutputSettings"):
        their_object, my_object = getattr(official, kind)(), getattr(ours, kind)()
        for name in dir(their_object):
            value = getattr(their_object, name)
            if name.startswith("_") or name in ("FromConfig", "log_output"):
                continue
            mine = getattr(my_object, name)
            if hasattr(value, "__members__"):
                value, mine = value.name, mine.name
            assert (mine, type(mine)) == (value, type(value)), name
    for kind in ("TestScenario", "TestMode", "LoggingMode"):
        their_members = getattr(official, kind).__members__
        assert {k: int(v) for k, v in their_members.items()} == {
            k: int(v) for k, v in getattr(ours, kind).__members__.items()
        }
        assert [repr(v) for v in their_members.values()] == [repr(v) for v in getattr(ours, kind).__members__.values()]


ASK_IN_FRESH_PROCESSES = """
import json, os, sys
import mlperf_loadgen as lg
for line in json.loads(sys.argv[2]):
    if os.fork() == 0:
        settings = lg.TestSettings()
        code = settings.FromConfig(sys.argv[1], *line)
        names = [n for n in dir(settings) if n[0] != "_" and n not in ("FromConfig", "scenario", "mode")]
        print(json.dumps({"code": code, **{n: getattr(settings, n) for n in names}}), flush=True)
        os._exit(0)
    os.wait()
"""
"""The official tool reads its built-in file once per process, so each question needs its own."""


@needs_official
def test_same_builtin_configuration(tmp_path: Path) -> None:
    user = tmp_path / "user.conf"
    lines = [f"*.{scenario}.target_qps = 321.5" for scenario in RATES]
    user.write_text("\n".join([*lines, "bert.*.min_query_count = 77", "*.*.qsl_rng_seed = 5"]))
    models = ["resnet50", "llama2-70b", "gptj", "bert", "retinanet", "stable-diffusion-xl", "whisper", "foo"]
    asked = [[model, scenario] for model in models for scenario in RATES]
    command = [sys.executable, "-c", ASK_IN_FRESH_PROCESSES, str(user), json.dumps(asked)]
    answers = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for (model, scenario), answer in zip(asked, answers, strict=True):
        settings = ours.TestSettings()
        expected = {k: v for k, v in json.loads(answer).items() if not k.startswith("test05")}
        found = {"code": settings.FromConfig(str(user), model, scenario)}
        found |= {name: getattr(settings, name) for name in expected if name != "code"}
        if model == "retinanet":  # an expected latency, which sizes the query list and is no rule
            found["multi_stream_expected_latency_ns"] = expected["multi_stream_expected_latency_ns"]
        assert found == expected, (model, scenario)
    pending_errors.clear()
