from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import MachineProblem
from mlassay.records import lines
from mlassay.records.loadgen_log import Flavour, Kind, read_detail, read_summary
from tests.records.runs import rows_of
from tests.records.samples import RESULTS_V05, cases, needs_results, needs_samples, official, results_v05

GOOD = (
    ':::MLLOG {"key": "result_validity", "value": "VALID", "time_ms": 1.5, "namespace": "mlperf::logging", '
    '"event_type": "POINT_IN_TIME", "metadata": {"is_error": false, "is_warning": false, "file": "results.cc", '
    '"line_no": 674, "pid": 1, "tid": 1}}\n'
)


def line(key: str, value: str, *, error: str = "false", time_ms: str = "2.0") -> str:
    return (
        GOOD.replace("result_validity", key)
        .replace('"VALID"', value)
        .replace("false", error, 1)
        .replace("1.5", time_ms)
    )


# --- detail ----------------------------------------------------------------------------------------------------------


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_official_detail_logs(run: str) -> None:
    content = official()[f"{run}/mlperf_log_detail.txt"]
    log = read_detail(content)
    assert (log.flavour, log.problems) == (Flavour.MLLOG, ())
    rows = rows_of(content)
    assert log.n_lines == len(rows)
    for row in rows:
        if row["key"] not in ("loaded_qsl_set", "loadgen_file_sha1", "loadgen_git_log_message"):
            assert row["value"] in [entry.value for entry in log.all(row["key"])]
    assert (
        read_detail(content, {"loaded_qsl_set"})["loaded_qsl_set"]
        == [row["value"] for row in rows if row["key"] == "loaded_qsl_set"][-1]
    )


@needs_results
def test_published_v05_logs() -> None:
    detail = [read_detail(content) for path, content in results_v05().items() if path.endswith("detail.txt")]
    assert len(detail) > 20
    for log in detail:
        assert (log.flavour, log.problems) == (Flavour.TEXT_V05, ())
        assert log["effective_scenario"] in ("SingleStream", "MultiStream", "Server", "Offline")
        assert isinstance(log["effective_min_query_count"], int)
        assert log["effective_qsl_rng_seed"] > 0
        assert log["qsl_reported_total_count"] > 0
        assert log["power_end"].startswith("10-")
    assert any(log.warnings for log in detail)


def test_the_last_of_equal_keys_counts() -> None:
    log = read_detail((line("a", "1") + line("b", "[1, 2]") + line("a", "2.5")).encode())
    assert (log["a"], log.get("b"), log.get("c", 7), "b" in log, "c" in log) == (2.5, [1, 2], 7, True, False)
    assert [(e.line, e.value, e.time_ms) for e in log.all("a")] == [(1, 1, 2.0), (3, 2.5, 2.0)]


def test_only_wanted_keys_and_errors_are_read() -> None:
    text = line("a", "1") + line("oops", '"bad"', error="true") + line("b", "2")
    log = read_detail(text.encode(), {"b"})
    assert [entry.key for entry in log.entries] == ["oops", "b"]
    assert [entry.value for entry in log.errors] == ["bad"]


def test_any_source(tmp_path: Path) -> None:
    path = tmp_path / "mlperf_log_detail.txt"
    path.write_text(GOOD, encoding="utf-8")
    for source in (path, str(path), GOOD.encode(), io.BytesIO(GOOD.encode())):
        assert read_detail(source)["result_validity"] == "VALID"
    with pytest.raises(MachineProblem, match=r"cannot read .*gone: no such file or directory"):
        read_detail(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("hello\n" + GOOD, "'hello'", "a line that begins with :::MLLOG"),
        (GOOD + "hello\n", "'hello'", "a line that begins with :::MLLOG"),
        (":::MLLOG {\n" + GOOD, "'::MLLOG {', which is not JSON", "one JSON object after :::MLLOG"),
        (":::MLLOG [1]\n" + GOOD, "':::MLLOG [1]'", "an object with a key and a value"),
        (':::MLLOG {"key": 3, "value": 1}\n' + GOOD, '\'::MLLOG {"key": 3, "value": 1}\'', "an object with a key"),
        (line("a", "NaN") + GOOD, "a with an unreadable value (NaN is not JSON)", "a JSON value"),
        (line("a", "1e999") + GOOD, "a with an unreadable value (1e999 is beyond all numbers)", "a JSON value"),
        (line("a", "9" * 5000) + GOOD, "a with an unreadable value (Exceeds the limit", "a JSON value"),
        (line("a", "[" * 100_000) + GOOD, "a with an unreadable value (nested too deeply)", "a JSON value"),
        (line("a", '"x"y"') + GOOD, "a with an unreadable value (Extra data", "a JSON value"),
        (line("a", "1", time_ms='"soon"') + GOOD, "time_ms 'soon' in a", "a number of milliseconds"),
        (GOOD.rstrip(), "a last line without its end", "a newline after each line"),
    ],
)
def test_oddities_of_json_logs_are_named(text: str, found: str, expected: str) -> None:
    log = read_detail(text.encode())
    assert log["result_validity"] == "VALID"
    assert len(log.problems) == 1
    assert found.lstrip("'").lstrip(":") in log.problems[0].found
    assert log.problems[0].expected.startswith(expected)


def test_bytes_that_are_not_text() -> None:
    log = read_detail(GOOD.encode() + GOOD.replace("VALID", "V\xe4LID").encode("latin-1"))
    assert log["result_validity"] == "V\ufffdLID"
    assert [(p.line, p.found) for p in log.problems] == [(2, "bytes that are not UTF-8 (read as U+FFFD)")]


def test_other_spellings_of_json_are_read() -> None:
    text = ':::MLLOG {"value":5,"key":"a","time_ms":7,"metadata":{"is_error":true}}\r\n' + GOOD.replace("\n", "\r\n")
    log = read_detail(text.encode())
    assert (log["a"], log["result_validity"], log.problems) == (5, "VALID", ())
    assert [entry.key for entry in log.errors] == ["a"]


def test_a_line_without_end_does_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        served = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.served += size
            return b"x" * size if self.served < 200 << 20 else b""

    source = Endless()
    log = read_detail(source)  # type: ignore[arg-type]
    assert log.flavour is Flavour.NONE
    assert log.problems[0].found == "a line longer than 67,108,864 bytes"
    assert source.served >= 200 << 20


def test_an_overlong_line_is_dropped_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", 100)
    problems = lines.Problems()
    text = b"one\n" + b"x" * 1000 + b"\ntwo\nthree"
    blocks = list(lines.chunks_of_lines(io.BytesIO(text), problems, limit=300))
    assert b"".join(block for _, block in blocks) == b"one\ntwo\nthree"
    assert [number for number, _ in blocks][-1] in (3, 4)
    assert [(p.line, p.found) for p in problems] == [(2, "a line longer than 300 bytes")]


def test_problems_do_not_pile_up() -> None:
    log = read_detail(GOOD.encode() + b"nonsense\n" * 50_000)
    assert len(log.problems) == 1001
    assert log.problems[-1].found == "more than 1000 oddities; the rest is not listed"


@pytest.mark.parametrize("junk", [b"", b"\n\n", b"\0\0\0", b"PK\x03\x04 some archive", b"<html>\n</html>\n"])
def test_what_is_no_log(junk: bytes) -> None:
    log = read_detail(junk)
    assert (log.flavour, log.entries) == (Flavour.NONE, ())


@given(st.binary(max_size=300), st.integers(0, 3))
def test_no_bytes_raise(junk: bytes, place: int) -> None:
    pieces = [GOOD.encode(), b":::MLLOG ", b'"pid": 1, "tid": 1, "ts": 5ns : Loading QSL : "set" : "[1,', junk]
    whole = b"".join([*pieces[:place], junk, *pieces[place:]])
    read_detail(whole)
    read_summary(whole)
    read_summary(b"Additional Stats\n" + whole)


def test_speed() -> None:
    """1,400 logs of 110 lines and a loaded set each must take seconds: at least 30 MB and 100,000 lines a second."""
    numbers = ",".join(map(str, range(10_000)))
    text = line("loaded_qsl_set", f"[{numbers}]") + "".join(line(f"key_{k}", str(k)) for k in range(110))
    began = time.process_time()
    for _ in range(100):
        read_detail(text.encode())
    assert time.process_time() - began < 1.0


# --- v0.5 text -------------------------------------------------------------------------------------------------------

TEXT = '"pid": 7, "tid": 7, "ts": {}ns : {}\n'


def test_text_of_v05() -> None:
    messages = [
        "version : .5a1 @ 71940a7a4c",
        "System Under Test (SUT) name: SUT\0",
        "QSL total size: 50000",
        "",
        "Effective Settings:",
        "Scenario : Multi Stream",
        "Test mode : Performance",
        "target_latency (ns): 50000000",
        "target_latency_percentile : 0.99",
        "print_timestamps : false",
        "",
        'Loading QSL : "set" : "[3,1,2]"',
        'GeneratedQueries: "queries" : 3003, "samples per query" : 4, "duration" : 701801100000',
        "ERROR : Ending early: Ran out of generated queries.",
        'POWER_END: "mode" : Performance, "time" : 10-09-2019 07:18:46.601',
    ]
    text = "".join(TEXT.format(k * 1000, message) for k, message in enumerate(messages))
    log = read_detail(text.replace("\n", "\r\n").encode())
    assert (log.flavour, log.problems) == (Flavour.TEXT_V05, ())
    assert {entry.key: entry.value for entry in log.entries} == {
        "loadgen_version": ".5a1 @ 71940a7a4c",
        "sut_name": "SUT",
        "qsl_reported_total_count": 50000,
        "effective_scenario": "MultiStream",
        "effective_test_mode": "PerformanceOnly",
        "effective_target_latency_ns": 50_000_000,
        "effective_target_latency_percentile": 0.99,
        "effective_print_timestamps": False,
        "generated_query_count": 3003,
        "generated_samples_per_query": 4,
        "generated_query_duration": 701801100000,
        "error_runtime": "Ending early: Ran out of generated queries.",
        "power_end": "10-09-2019 07:18:46.601",
    }
    assert log.errors[0].time_ms == 0.013
    assert read_detail(text.encode(), {"loaded_qsl_set"})["loaded_qsl_set"] == [3, 1, 2]


def test_oddities_of_text_logs_are_named() -> None:
    log = read_detail((TEXT.format(1, "Effective Settings:") + "stray\n" + TEXT.format(1, "a : 1")).encode())
    assert [(p.line, p.found, p.expected) for p in log.problems] == [
        (2, "'stray'", "a line that begins with its pid, tid and ts")
    ]


# --- summary ---------------------------------------------------------------------------------------------------------


@needs_samples
@pytest.mark.parametrize("run", cases())
def test_official_summaries(run: str) -> None:
    short = read_summary(official()[f"{run}/mlperf_log_summary.txt"])
    log = read_detail(official()[f"{run}/mlperf_log_detail.txt"])
    assert short.problems == ()
    assert short.n_errors == len(log.errors)
    assert short.n_warnings == len(log.warnings)
    assert short.get("result_validity") == log.get("result_validity")
    assert short.kind is (Kind.PERFORMANCE if "result_validity" in log else Kind.ACCURACY)
    texts = [e.value for e in log.entries if e.key.startswith("early_stopping_") and e.key.endswith("_result")]
    assert [t.replace("\n", " ") for t in short.early_stopping if t] == [t for t in texts if t]


@pytest.mark.skipif(not RESULTS_V05.exists(), reason="the archive of published results is not here")
@pytest.mark.shared
def test_published_v05_summaries() -> None:
    shorts = [read_summary(content) for path, content in results_v05().items() if path.endswith("summary.txt")]
    assert len(shorts) > 20
    assert all(short.problems == () for short in shorts)
    assert {short.get("effective_scenario") for short in shorts} >= {"SingleStream", "Server", "MultiStream"}
    multi = next(short for short in shorts if short.get("effective_scenario") == "MultiStream")
    assert isinstance(multi["result_samples_per_query"], int)
    assert isinstance(multi["result_99.00_percentile_per_query_latency_ns"], int)
    assert multi["result_99.00_percentile_per_query_latency_ns"] != multi["result_99.00_percentile_latency_ns"]


SUMMARY = """\
================================================
MLPerf Results Summary
================================================
SUT name : a : b
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 843.28
Result is : INVALID
  Performance constraints satisfied : Yes
  Min duration satisfied : NO
Recommendations:
 * Increase the target QPS.
 * The test exited early.
   See the detailed log.
Early Stopping Result:
 * Run unsuccessful.
 query were under latency.

================================================
Additional Stats
================================================
99.00 percentile latency (ns)   : 42

================================================
Test Parameters Used
================================================
target_qps : 1000
min_duration (ms): 500

2 warnings encountered. See detailed log.

No errors encountered during test.
"""


def test_summary_of_a_failed_run() -> None:
    short = read_summary(SUMMARY.encode())
    assert short.problems == ()
    assert short.values == {
        "sut_name": "a : b",
        "effective_scenario": "Server",
        "effective_test_mode": "PerformanceOnly",
        "result_completed_samples_per_sec": 843.28,
        "result_validity": "INVALID",
        "result_perf_constraints_met": True,
        "result_min_duration_met": False,
        "result_99.00_percentile_latency_ns": 42,
        "effective_target_qps": 1000,
        "effective_min_duration_ms": 500,
    }
    assert short.recommendations == ("Increase the target QPS.", "The test exited early. See the detailed log.")
    assert short.early_stopping == (" * Run unsuccessful.\n query were under latency.",)
    assert (short.valid, short.n_warnings, short.n_errors) == (False, 2, 0)


@pytest.mark.parametrize(
    ("old", "new", "found", "expected"),
    [
        ("INVALID", "MAYBE", "'MAYBE' for result_validity", "VALID or INVALID"),
        ("843.28", "fast", "'fast' for result_completed_samples_per_sec", "a number"),
        ("843.28", "nan", "'nan' for result_completed_samples_per_sec", "a number"),
        (": NO", ": perhaps", "'perhaps' for result_min_duration_met", "Yes or NO"),
        ("99.00 percentile", "12 monkeys", "'12 monkeys latency (ns)   : 42'", "a line of a LoadGen summary"),
        ("target_qps : 1000", "hello", "'hello'", "a line of a LoadGen summary"),
        ("Result is : INVALID\n", "", "no line 'Result is'", "VALID or INVALID"),
    ],
)
def test_oddities_of_summaries_are_named(old: str, new: str, found: str, expected: str) -> None:
    short = read_summary(SUMMARY.replace(old, new).encode())
    assert [(p.found, p.expected) for p in short.problems] == [(found, expected)]


def test_what_is_no_summary() -> None:
    short = read_summary(b"")
    assert (short.kind, short.valid, short.n_errors) == (Kind.NONE, None, None)
    assert [p.found for p in short.problems] == ["no line of a summary"]
