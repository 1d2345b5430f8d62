"""The drop-in by itself, without the official module: objects, logs, modes, threads, outputs."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mlassay.compat import mlperf_loadgen as lg
from mlassay.records.loadgen_log import read_trace
from tests.compat.harness import PAYLOAD, run

SERVER = {"scenario": "Server", "server_target_qps": 3000.0, "min_duration_ms": 20, "min_query_count": 50}


# ---- objects


@pytest.mark.parametrize(
    ("name", "good", "stored"),
    [
        ("min_duration_ms", True, 1),
        ("server_target_qps", 3, 3.0),
        ("server_coalesce_queries", 1, True),
        ("server_coalesce_queries", None, False),
        ("qsl_rng_seed", 2**64 - 1, 2**64 - 1),
        ("server_find_peak_qps_decimals_of_precision", -2, -2),
        ("scenario", lg.TestScenario.Offline, lg.TestScenario.Offline),
    ],
)
def test_settings_take(name: str, good: Any, stored: Any) -> None:
    settings = lg.TestSettings()
    setattr(settings, name, good)
    assert getattr(settings, name) == stored
    assert type(getattr(settings, name)) is type(stored)


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("min_duration_ms", 1.5, "TestSettings.min_duration_ms is 1.5 (float); expected a whole number"),
        ("min_duration_ms", -1, "TestSettings.min_duration_ms is -1 (int); expected 0 to 2^64 - 1"),
        ("qsl_rng_seed", 2**64, f"TestSettings.qsl_rng_seed is {2**64} (int); expected 0 to 2^64 - 1"),
        ("server_target_qps", "3", "TestSettings.server_target_qps is '3' (str); expected a number"),
        ("server_coalesce_queries", "a", "TestSettings.server_coalesce_queries is 'a' (str); expected a bool"),
        ("scenario", 2, "TestSettings.scenario is 2 (int); expected a TestScenario"),
        ("mode", "AccuracyOnly", "TestSettings.mode is 'AccuracyOnly' (str); expected a TestMode"),
    ],
)
def test_settings_refuse(name: str, bad: Any, message: str) -> None:
    settings = lg.TestSettings()
    with pytest.raises(TypeError) as caught:
        setattr(settings, name, bad)
    assert str(caught.value) == message


def test_an_unknown_setting() -> None:
    with pytest.raises(AttributeError, match="TestSettings has no attribute 'min_duraton_ms'"):
        lg.TestSettings().min_duraton_ms = 5


def test_samples_and_responses() -> None:
    sample, response = lg.QuerySample(3, 4), lg.QuerySampleResponse(1, 2, 3)
    assert (sample.id, sample.index) == (3, 4)
    assert (response.id, response.data, response.size, response.n_tokens) == (1, 2, 3, 0)
    sample.id = 9
    assert pickle.loads(pickle.dumps(sample)).id == 9
    assert copy.copy(response).size == 3
    assert [s.index for s in lg.VectorQuerySample([sample])] == [4]


def test_log_settings_are_copied_when_assigned() -> None:
    output, logs = lg.LogOutputSettings(), lg.LogSettings()
    output.outdir = "here"
    logs.log_output = output
    output.outdir = "elsewhere"
    assert logs.log_output.outdir == "here"


# ---- runs


@pytest.mark.parametrize("answer", ["inline", "thread", "batch"])
@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_every_scenario_is_answered_from_everywhere(scenario: str, answer: str, tmp_path: Path) -> None:
    wishes = {"scenario": scenario, "min_duration_ms": 0, "min_query_count": 300, "server_target_qps": 1e5}
    result = run(lg, tmp_path, wishes, answer=answer)
    assert result.value("num_errors") == 0
    assert result.value("result_query_count") == (1 if scenario == "Offline" else 300)


def test_outputs_are_read_from_memory_when_the_answer_comes(tmp_path: Path) -> None:
    wishes = {**SERVER, "mode": "AccuracyOnly"}
    result = run(lg, tmp_path, wishes, answer="thread")
    assert [entry["qsl_idx"] for entry in sorted(result.accuracy, key=lambda e: e["seq_id"])] == [
        index for query in result.queries for index in query
    ]
    assert {entry["data"] for entry in result.accuracy} == {PAYLOAD.tobytes().hex().upper()}


def test_token_times_reach_the_log(tmp_path: Path) -> None:
    wishes = {**SERVER, "use_token_latencies": True, "ttft_latency": 10**9, "tpot_latency": 10**9}
    result = run(lg, tmp_path, wishes, slow_s=0.0005, answer="thread")
    assert result.value("num_errors") == 0
    assert result.value("result_first_token_mean_latency_ns") > 400_000
    assert result.value("result_completed_tokens_per_second") == pytest.approx(
        4 * result.value("result_completed_samples_per_sec"), rel=0.1
    )


def test_missing_first_tokens_and_counts_are_errors(tmp_path: Path) -> None:
    settings = lg.TestSettings()
    settings.use_token_latencies, settings.min_duration_ms, settings.min_query_count = True, 0, 5
    logs = lg.LogSettings()
    logs.log_output.outdir = str(tmp_path)

    def issue(samples: list[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(s.id, 0, 0) for s in samples])

    library = lg.ConstructQSL(9, 9, lambda x: None, lambda x: None)
    lg.StartTestWithLogSettings(lg.ConstructSUT(issue, lambda: None), library, settings, logs, "")
    text = (tmp_path / "mlperf_log_detail.txt").read_text()
    assert "Attempted to record a sample latency before its first token latency (5 times)" in text
    assert "n_tokens argument missing or attempted to record 0 as number of tokens (5 times)" in text


def test_names_of_log_files_and_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = lg.TestSettings()
    settings.min_duration_ms, settings.min_query_count = 0, 5
    logs = lg.LogSettings()
    logs.enable_trace = False
    output = logs.log_output
    output.outdir, output.prefix, output.suffix = str(tmp_path), "pre_", "_end"
    output.prefix_with_datetime, output.copy_summary_to_stdout, output.copy_detail_to_stdout = True, True, True

    def issue(samples: list[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(s.id, 0, 0) for s in samples])

    library = lg.ConstructQSL(9, 9, lambda x: None, lambda x: None)
    lg.StartTestWithLogSettings(lg.ConstructSUT(issue, lambda: None), library, settings, logs, "")
    names = sorted(p.name for p in tmp_path.iterdir())
    stamp = names[0].removeprefix("pre_").partition("Z_")[0] + "Z_"
    assert names == [
        f"pre_{stamp}{n}" for n in ("accuracy_end.json", "detail_end.txt", "summary_end.txt", "trace_end.json")
    ]
    assert (tmp_path / names[3]).read_bytes() == b""
    printed = capsys.readouterr().out
    assert "MLPerf Results Summary" in printed
    assert ':::MLLOG {"key": "loadgen_version"' in printed


def test_the_trace_holds_every_sample_of_a_submission_run(tmp_path: Path) -> None:
    result = run(lg, tmp_path, {**SERVER, "mode": "SubmissionRun"})
    trace = read_trace(tmp_path / "mlperf_log_trace.json")
    assert trace.sample_idx.tolist() == [index for query in result.queries for index in query]
    assert trace.sample_seq.tolist() == list(range(len(result.queries)))
    json.loads((tmp_path / "mlperf_log_trace.json").read_text())


def test_find_peak_finds_the_edge(tmp_path: Path) -> None:
    """A SUT that takes 1 ms, one query at a time, keeps a loose bound well below 1000 queries a second only."""
    wishes = {
        "scenario": "Server", "mode": "FindPeakPerformance", "server_target_qps": 100.0, "min_duration_ms": 60,
        "min_query_count": 40, "server_target_latency_ns": 30_000_000, "server_target_latency_percentile": 0.9,
        "server_find_peak_qps_decimals_of_precision": -2,
    }  # fmt: skip
    result = run(lg, tmp_path, wishes, slow_s=0.001)
    said = result.values("generic_message")
    assert said[1] == "FindPeakPerformance: Check validity of the base settings field: 100.000000"
    assert said[2] == "FindBoundaries: Checking fields [100.000000, 200.000000)"
    peak = float(said[-1].removeprefix("FindPeakPerformance: Found peak performance field: "))
    assert 100 <= peak < 3200
    assert "Mode     : FindPeakPerformance" in result.summary


def test_find_peak_starts_from_a_valid_rate(tmp_path: Path) -> None:
    wishes = {**SERVER, "mode": "FindPeakPerformance", "server_target_latency_ns": 10}
    result = run(lg, tmp_path, wishes)
    (said,) = result.values("error_runtime")
    assert said.startswith("FindPeakPerformance: Initial lower bound does not satisfy performance constraints, msg: ")


def test_find_peak_is_for_server(tmp_path: Path) -> None:
    result = run(lg, tmp_path, {"scenario": "SingleStream", "mode": "FindPeakPerformance"})
    assert result.values("error_invalid_config") == ["Finding peak performance is only supported in Server scenarios."]
    assert result.queries == []


def test_contradicting_orders_are_an_error_in_the_log(tmp_path: Path) -> None:
    wishes = {**SERVER, "performance_issue_same": True, "performance_issue_unique": True}
    result = run(lg, tmp_path, wishes)
    (said,) = result.values("error_invalid_test_settings")
    assert said == "performance_issue_unique and performance_issue_same cannot both be true; the same sample is issued"


def test_timestamps_are_printed_when_wished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(lg, tmp_path, {**SERVER, "print_timestamps": True})
    printed = capsys.readouterr().out
    assert printed.startswith("Loadgen :: Perf mode start. system_clock Timestamp = ")
    assert "Loadgen :: PerfClock/system_clock ratio = 1.0" in printed


def test_two_user_files_in_one_process_are_an_error(tmp_path: Path) -> None:
    from mlassay.compat import settings_objects

    settings_objects._user_confs_read.clear()
    settings_objects.pending_errors.clear()
    user = tmp_path / "user.conf"
    user.write_text("*.Server.target_qps = 5000\n")
    for _ in range(2):
        assert lg.TestSettings().FromConfig(str(user), "resnet50", "Server") == 0
    result = run(lg, tmp_path, SERVER)
    assert result.values("error_invalid_config") == [
        "Multiple conf files are used. This is not valid for official submission."
    ]
