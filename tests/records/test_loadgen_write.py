from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlassay.core.enums import Mode, SampleOrder, Scenario
from mlassay.core.errors import MachineProblem
from mlassay.core.outcome import Verdict
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, SingleStream
from mlassay.core.trace import Fault, FaultKind
from mlassay.records.loadgen_log import DETAIL, SUMMARY, Flavour, Level, Note, read_detail, read_summary, write_logs
from tests.records.runs import facts, failed, outcome, rebuilt, rows_of, server_settings
from tests.records.samples import cases, needs_results, needs_samples, official, results_v05

FREE = {
    "loadgen_version",
    "loadgen_build_date_local",
    "loadgen_build_date_utc",
    "loadgen_git_commit_date",
    "loadgen_git_log_message",
    "loadgen_git_status_message",
    "loadgen_file_sha1",
    "test_datetime",
    "power_begin",
    "power_end",
    "result_invalid_reason",
    "requested_server_find_peak_qps_decimals_of_precision",
}
"""Values that say who measured and when, and our own advice: present in both, not equal."""


def written(folder: Path, settings: Any, result: Any, about: Any) -> tuple[bytes, bytes]:
    write_logs(folder, settings, result, about)
    return (folder / DETAIL).read_bytes(), (folder / SUMMARY).read_bytes()


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_detail_log_equals_the_official_one(run: str, tmp_path: Path) -> None:
    """The same keys in the same order, the same values, the same shape of line: all scenarios, modes and tokens."""
    expected = rows_of(official()[f"{run}/mlperf_log_detail.txt"])
    settings, result, about = rebuilt(official()[f"{run}/mlperf_log_detail.txt"])
    ours = rows_of(written(tmp_path, settings, result, about)[0])
    if "find_peak" in run:  # probes on a set that stays loaded are noted otherwise
        assert {row["key"] for row in ours} == {row["key"] for row in expected}
        return
    assert [row["key"] for row in ours] == [row["key"] for row in expected]
    for mine, theirs in zip(ours, expected, strict=True):
        assert list(mine) == list(theirs)
        assert list(mine["metadata"]) == list(theirs["metadata"])
        assert mine["metadata"]["is_error"] == theirs["metadata"]["is_error"]
        if mine["key"] not in FREE:
            assert mine["value"] == theirs["value"], mine["key"]
            assert type(mine["value"]) is type(theirs["value"]) or isinstance(mine["value"], int), mine["key"]


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_summary_equals_the_official_one(run: str, tmp_path: Path) -> None:
    """Line by line up to the spelling of numbers; recommendations are our own words."""
    settings, result, about = rebuilt(official()[f"{run}/mlperf_log_detail.txt"])
    if settings.mode is Mode.FIND_PEAK:
        pytest.skip("the official summary prints the rate found, which its detail log never names as a setting")
    ours = written(tmp_path, settings, result, about)[1].decode()
    expected = official()[f"{run}/mlperf_log_summary.txt"].decode()
    assert labels(ours) == labels(expected)
    mine, theirs = read_summary(ours.encode()), read_summary(expected.encode())
    assert mine.problems == theirs.problems == ()
    assert (mine.n_warnings, mine.n_errors) == (theirs.n_warnings, theirs.n_errors)
    for key, value in theirs.values.items():
        if key not in ("result_token_throughput", "result_first_token_metric_ns"):
            assert mine[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-5)), key


def labels(text: str) -> list[str]:
    """What stands before the colon, without recommendations, early-stopping texts and warnings about the order."""
    kept = [line for line in text.splitlines() if not line.startswith(" ") or line.startswith("  ")]
    text = re.sub(r"(?s)WARNING: .*?\n\n", "\n", "\n".join(kept) + "\n")
    text = re.sub(r"with the run being .*\n| {3}See the detailed log.*\n|early stopping estimate.*\n", "", text)
    text = re.sub(r"(?:No|\d+) (warning|error)s?", r"n \1s", text, flags=re.IGNORECASE)
    text = re.sub(r"(n (?:warning|error)s).*", lambda match: match[1].lower(), text, flags=re.IGNORECASE)
    return [line.partition(":")[0] for line in text.splitlines() if line]


def test_whole_detail_log_is_json_lines(tmp_path: Path) -> None:
    detail, _ = written(tmp_path, server_settings(), outcome(), facts())
    first = detail.splitlines()[0].decode()
    assert first.startswith(':::MLLOG {"key": "loadgen_version", "value": "mlassay ')
    assert '"time_ms": 0.000000, "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME"' in first
    log = {row["key"]: row for row in rows_of(detail)}
    assert log["loaded_qsl_set"]["value"] == [3, 1, 2]
    assert log["power_begin"]["value"] == "11-21-2026 22:32:01.724"
    assert log["result_validity"]["time_ms"] == 1005.0
    assert log["effective_target_latency_percentile"]["value"] == 0.99


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    result = outcome(
        verdict=Verdict.INVALID,
        checks=(failed("latency", "Lower the target rate."), failed("min-duration", "Run longer.")),
        faults=(Fault(FaultKind.TWICE, "sample 7 was answered twice", 3, 7),),
        warnings=("the clock jumped",),
    )
    detail, summary = written(tmp_path, server_settings(), result, facts(Note("too slow", Level.ERROR)))
    log = read_detail(detail)
    assert log["result_validity"] == "INVALID"
    assert log["result_perf_constraints_met"] is False
    assert log["result_min_duration_met"] is False
    assert log["result_min_queries_met"] is True
    assert log["result_invalid_reason"] == "Lower the target rate. Run longer."
    assert [e.value for e in log.errors] == ["too slow", "answered-twice: sample 7 was answered twice (3 times)"]
    assert [e.value for e in log.warnings] == ["the clock jumped"]
    assert log["num_errors"] == 2
    assert summary.decode().endswith(
        "\n1 warning encountered. See detailed log.\n\n2 ERRORS encountered. See detailed log.\n"
    )
    assert "Recommendations:\n * Lower the target rate.\n * Run longer.\n" in summary.decode()


def test_an_indicative_result_is_never_called_valid(tmp_path: Path) -> None:
    result = outcome(verdict=Verdict.INDICATIVE, checks=(replace(failed("min-queries", ""), about_length=True),))
    detail, summary = written(tmp_path, server_settings(), result, facts())
    assert read_detail(detail)["result_validity"] == "INVALID"
    assert read_summary(summary).recommendations == (
        "This result is INDICATIVE: the run is shorter than the rules want.",
        "min-queries: 1 is not 2",
    )


def test_figures_that_nobody_computed_are_left_out(tmp_path: Path) -> None:
    detail, summary = written(tmp_path, server_settings(), outcome(numbers={}, latency_ns={}), facts())
    assert "result_completed_samples_per_sec" not in read_detail(detail)
    assert b"samples per second" not in summary


def test_no_number_breaks_the_json(tmp_path: Path) -> None:
    numbers = {"result_scheduled_samples_per_sec": float("nan"), "result_completed_samples_per_sec": float("inf")}
    detail, _ = written(tmp_path, server_settings(), outcome(numbers=numbers), facts(sut_name='a "b"\n\u2028é'))
    log = read_detail(detail)
    assert log.problems == ()
    assert log["result_scheduled_samples_per_sec"] is None
    assert log["sut_name"] == 'a "b"\n\u2028é'


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match=r"cannot write .*mlperf_log_summary\.txt: no such file or directory"):
        write_logs(tmp_path / "gone", server_settings(), outcome(), facts())


# --- the text of v0.5 ------------------------------------------------------------------------------------------------

LOADS = {
    Scenario.SINGLE_STREAM: SingleStream(),
    Scenario.MULTI_STREAM: IntervalMultiStream(samples_per_query=4),
    Scenario.SERVER: server_settings().load,
    Scenario.OFFLINE: Offline(expected_qps=10.0, min_sample_count=24_576),
}
NUMBERS = {
    "result_samples_per_second": 1.5,
    "result_qps_with_loadgen_overhead": 1.0,
    "result_qps_without_loadgen_overhead": 2.0,
    "result_scheduled_samples_per_sec": 3.0,
    "result_completed_samples_per_sec": 4.0,
    **{f"result_{p}_percentile_num_intervals_between_queries": 1 for p in ("50.00", "90.00", "95.00", "97.00")},
    **{f"result_{p}_percentile_num_intervals_between_queries": 2 for p in ("99.00", "99.90")},
    **{f"result_{p}_percentile_per_query_latency_ns": 7 for p in ("50.00", "90.00", "95.00", "97.00")},
    **{f"result_{p}_percentile_per_query_latency_ns": 8 for p in ("99.00", "99.90")},
    **{f"result_{p}_query_latency_ns": 7 for p in ("min", "max", "mean")},
    **{f"result_{p}_percentile_latency_ns": 9 for p in ("50.00", "90.00", "95.00", "97.00", "99.00", "99.90")},
    **{f"result_{p}_latency_ns": 9 for p in ("min", "max", "mean")},
}


def published(scenario: str, name: str) -> bytes:
    """A published v0.5 log of a valid closed run."""
    path = next(
        path
        for path in sorted(results_v05())
        if re.search(f"/closed/[^/]*/results/.*/{scenario}/performance/run_./{name}", path)
    )
    return results_v05()[path]


@needs_results
@pytest.mark.parametrize("scenario", list(LOADS))
def test_v05_logs_have_the_published_lines(scenario: Scenario, tmp_path: Path) -> None:
    settings = server_settings(scenario=scenario, load=LOADS[scenario], round="v0.5")
    result = outcome(scenario=scenario, numbers=NUMBERS)
    detail, summary = written(tmp_path, settings, result, facts())
    text = published(scenario.official_name, "mlperf_log_summary.txt").decode()
    assert labels(summary.decode()) == labels(text)
    ours = message_labels(detail.decode())
    theirs = message_labels(published(scenario.official_name, "mlperf_log_detail.txt").decode())
    happenings = ("WARNING", "ERROR", "Please update", "Ending naturally")
    assert [label for label in theirs if not label.startswith(happenings)] == ours


def message_labels(text: str) -> list[str]:
    messages = [line.partition("ns : ")[2] for line in text.splitlines() if line.startswith('"pid": ')]
    return [re.split(r" ?:", message)[0] for message in messages if not re.match(r"\d+ : ", message)]


@pytest.mark.parametrize("scenario", list(LOADS))
@pytest.mark.parametrize("mode", [Mode.PERFORMANCE, Mode.ACCURACY])
def test_v05_round_trip(scenario: Scenario, mode: Mode, tmp_path: Path) -> None:
    settings = server_settings(scenario=scenario, load=LOADS[scenario], round="v0.5", mode=mode)
    result = outcome(scenario=scenario, mode=mode, numbers=NUMBERS)
    about = facts(Note("Ending naturally."), git_log="abc one\ndef two", file_sha1={"/a.py": "0" * 40})
    detail, summary = written(tmp_path, settings, result, about)
    log = read_detail(detail)
    assert (log.flavour, log.problems) == (Flavour.TEXT_V05, ())
    assert log["effective_scenario"] == scenario.official_name
    assert log["effective_test_mode"] == {"performance": "PerformanceOnly", "accuracy": "AccuracyOnly"}[mode.value]
    assert log["power_end"] == "11-21-2026 22:32:02.724"
    assert log["generated_query_count"] == 1036
    assert read_detail(detail, {"loaded_qsl_set"})["loaded_qsl_set"] == [3, 1, 2]
    heavy = read_detail(detail, {"loadgen_git_log_message", "loadgen_file_sha1"})
    assert heavy["loadgen_git_log_message"] == "abc one\ndef two"
    assert heavy["loadgen_file_sha1"] == {"/a.py": "0" * 40}
    assert read_summary(summary).problems == ()
    assert read_summary(summary).valid is (True if mode is Mode.PERFORMANCE else None)


@pytest.mark.parametrize("order", list(SampleOrder))
@pytest.mark.parametrize("scenario", [*LOADS, "sequential"])
def test_every_setting_can_be_written_and_read(order: SampleOrder, scenario: Scenario | str, tmp_path: Path) -> None:
    load = MultiStream() if scenario == "sequential" else LOADS[Scenario(scenario)]
    scenario = Scenario.MULTI_STREAM if scenario == "sequential" else Scenario(scenario)
    settings = server_settings(scenario=scenario, load=load, sample_order=order)
    detail, summary = written(tmp_path, settings, outcome(scenario=scenario, numbers=NUMBERS), facts())
    log, short = read_detail(detail), read_summary(summary)
    assert log.problems == short.problems == ()
    assert log["requested_performance_issue_same"] is (order is SampleOrder.SAME)
    assert short["effective_performance_issue_unique"] == (order is SampleOrder.UNIQUE)
    shared = [key for key in short.values if key in log and key != "sut_name"]
    assert len(shared) > 25
    for key in shared:
        assert short[key] == log[key], key
    assert json.dumps(log.get("loadgen_version"))
