"""Where the official module hangs, crashes or corrupts: a clear verdict, in the logs or as an exception."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlassay.compat import mlperf_loadgen as lg
from mlassay.compat.settings_objects import pending_errors
from mlassay.core.errors import MachineProblem, UsageError

Issue = Callable[[list[Any]], None]


def start(
    folder: Path,
    issue: Issue,
    *,
    flush: Callable[[], None] = lambda: None,
    load: Callable[[list[int]], None] = lambda indices: None,
    **wishes: Any,
) -> None:
    settings = lg.TestSettings()
    settings.min_duration_ms = 0
    settings.min_query_count = 8
    settings.server_target_qps = 5000.0
    for name, value in wishes.items():
        setattr(settings, name, value)
    logs = lg.LogSettings()
    logs.log_output.outdir = str(folder)
    sut = lg.ConstructSUT(issue, flush)
    library = lg.ConstructQSL(20, 10, load, lambda indices: None)
    lg.StartTestWithLogSettings(sut, library, settings, logs, str(folder / "no-audit.config"))


def answer(samples: list[Any]) -> None:
    lg.QuerySamplesComplete([lg.QuerySampleResponse(s.id, 0, 0) for s in samples])


def errors(folder: Path) -> list[str]:
    lines = (folder / "mlperf_log_detail.txt").read_text().splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG")) for line in lines]
    return [e["value"] for e in entries if e["metadata"]["is_error"]]


def verdict(folder: Path) -> str:
    return next(
        line.removeprefix("Result is : ")
        for line in (folder / "mlperf_log_summary.txt").read_text().splitlines()
        if line.startswith("Result is : ")
    )


SCENARIOS = (lg.TestScenario.SingleStream, lg.TestScenario.Server)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("mode", [lg.TestMode.PerformanceOnly, lg.TestMode.AccuracyOnly])
def test_answered_twice(scenario: Any, mode: Any, tmp_path: Path) -> None:
    def issue(samples: list[Any]) -> None:
        answer(samples)
        answer(samples)

    start(tmp_path, issue, scenario=scenario, mode=mode)
    (said,) = errors(tmp_path)
    n = 8 if mode is lg.TestMode.PerformanceOnly else 20
    assert said == f"answered-twice: sample 0 was answered again ({n} times)"
    if mode is lg.TestMode.PerformanceOnly:
        assert verdict(tmp_path) == "INVALID"


@pytest.mark.parametrize("scenario", [*SCENARIOS, lg.TestScenario.MultiStream, lg.TestScenario.Offline])
def test_one_batch_names_a_sample_twice(scenario: Any, tmp_path: Path) -> None:
    def issue(samples: list[Any]) -> None:
        answer([*samples, samples[0]])

    start(tmp_path, issue, scenario=scenario, min_query_count=400)
    assert errors(tmp_path)[0].startswith("answered-twice: ")
    assert verdict(tmp_path) == "INVALID"


def test_an_accuracy_log_has_each_sample_once_although_it_was_answered_twice(tmp_path: Path) -> None:
    def issue(samples: list[Any]) -> None:
        answer([*samples, *samples])

    start(tmp_path, issue, scenario=lg.TestScenario.Offline, mode=lg.TestMode.AccuracyOnly)
    logged = [e["qsl_idx"] for e in json.loads((tmp_path / "mlperf_log_accuracy.json").read_text())]
    assert sorted(logged) == list(range(20))


@pytest.mark.parametrize("wrong", [-5, 10**12])
def test_unknown_id(wrong: int, tmp_path: Path) -> None:
    def issue(samples: list[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(wrong, 0, 0)])
        answer(samples)

    start(tmp_path, issue)
    (said,) = errors(tmp_path)
    assert said.startswith("unknown-id: no sample has id ")
    assert said.endswith("(8 times)")
    assert verdict(tmp_path) == "INVALID"


def test_an_answer_to_an_earlier_run_is_none_of_this_one(tmp_path: Path) -> None:
    seen: list[Any] = []

    def first(samples: list[Any]) -> None:
        seen.extend(samples)
        answer(samples)

    def second(samples: list[Any]) -> None:
        answer(seen[:1])
        answer(samples)

    start(tmp_path, first)
    assert errors(tmp_path) == []
    start(tmp_path, second)
    assert errors(tmp_path)[0].startswith("unknown-id: ")


def test_not_yet_issued(tmp_path: Path) -> None:
    def issue(samples: list[Any]) -> None:
        lg.QuerySamplesComplete([lg.QuerySampleResponse(samples[0].id + 3, 0, 0)])
        answer(samples)

    start(tmp_path, issue)
    assert any(text.startswith("not-issued: ") for text in errors(tmp_path))


@pytest.mark.parametrize("scenario", [*SCENARIOS, lg.TestScenario.Offline])
def test_never_answered_ends_within_the_stall_timeout(
    scenario: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLASSAY_STALL_TIMEOUT_S", "0.2")

    def issue(samples: list[Any]) -> None:
        answer(samples[1:])

    begin = time.perf_counter()
    start(tmp_path, issue, scenario=scenario)
    assert time.perf_counter() - begin < 10
    assert any(text.startswith("never-answered: ") for text in errors(tmp_path))
    assert verdict(tmp_path) == "INVALID"


def test_a_stall_timeout_that_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLASSAY_STALL_TIMEOUT_S", "soon")
    with pytest.raises(UsageError, match="MLASSAY_STALL_TIMEOUT_S is 'soon'; expected seconds, such as 60"):
        start(tmp_path, answer)


class Odd(BaseException):
    """What no library should raise."""


@pytest.mark.parametrize(
    "error", [ValueError("boom"), KeyboardInterrupt(), SystemExit(3), UsageError("mine"), Odd("x")]
)
@pytest.mark.parametrize("scenario", [*SCENARIOS, lg.TestScenario.Offline])
def test_what_issue_raises_comes_out_after_the_logs_are_written(
    error: BaseException, scenario: Any, tmp_path: Path
) -> None:
    calls = []

    def issue(samples: list[Any]) -> None:
        calls.append(1)
        if len(calls) == 3 or scenario is lg.TestScenario.Offline:
            raise error
        answer(samples)

    with pytest.raises(type(error)):
        start(tmp_path, issue, scenario=scenario)
    assert verdict(tmp_path) == "INVALID"
    if not isinstance(error, KeyboardInterrupt):
        assert any(text.startswith("raised: ") for text in errors(tmp_path))


def test_what_flush_raises_comes_out_after_the_logs_are_written(tmp_path: Path) -> None:
    def flush() -> None:
        raise ZeroDivisionError("in flush")

    with pytest.raises(ZeroDivisionError, match="in flush"):
        start(tmp_path, answer, flush=flush)
    assert verdict(tmp_path) == "INVALID"


def test_what_load_raises_comes_out(tmp_path: Path) -> None:
    def load(indices: list[int]) -> None:
        raise FileNotFoundError("no pictures")

    with pytest.raises(FileNotFoundError, match="no pictures"):
        start(tmp_path, answer, load=load)
    start(tmp_path, answer)  # and the next run is not disturbed
    assert errors(tmp_path) == []


def test_too_many_open_queries_end_the_run(tmp_path: Path) -> None:
    open_samples: list[Any] = []

    def issue(samples: list[Any]) -> None:
        open_samples.extend(samples)

    def flush() -> None:
        answer(open_samples)

    start(
        tmp_path,
        issue,
        flush=flush,
        scenario=lg.TestScenario.Server,
        server_max_async_queries=3,
        min_query_count=50,
        server_target_qps=100_000.0,
    )
    assert errors(tmp_path) == ["IssueQueryThread 0 Ending early: Too many outstanding queries. issued 4 outstanding 4"]
    assert len(open_samples) == 4


def test_max_duration_ends_the_run(tmp_path: Path) -> None:
    start(tmp_path, answer, scenario=lg.TestScenario.Server, max_duration_ms=30, min_query_count=10_000)
    (said,) = errors(tmp_path)
    assert said.startswith("IssueQueryThread 0 Ending early: Max test duration reached. duration_ns ")
    assert verdict(tmp_path) == "INVALID"


def test_late_answers_are_told_to_the_python_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []

    def issue(samples: list[Any]) -> None:
        kept.extend(samples)
        answer(samples)

    start(tmp_path, issue)
    answer(kept)
    assert "8 answers came while no run was going; they are ignored" in caplog.text


def test_bad_handles(tmp_path: Path) -> None:
    sut = lg.ConstructSUT(answer, lambda: None)
    library = lg.ConstructQSL(4, 4, lambda x: None, lambda x: None)
    with pytest.raises(ValueError, match="17 is not the handle of a SUT"):
        lg.StartTest(17, library, lg.TestSettings())
    with pytest.raises(ValueError, match="is not the handle of a sample library"):
        lg.StartTest(sut, sut, lg.TestSettings())
    lg.DestroySUT(sut)
    lg.DestroySUT(sut)
    with pytest.raises(ValueError, match="is not the handle of a SUT"):
        lg.StartTest(sut, library, lg.TestSettings())
    with pytest.raises(TypeError, match=r"expected mlassay.*TestSettings, not builtins.dict"):
        lg.StartTest(sut, library, {})
    with pytest.raises(TypeError, match="issue is 3; expected a function"):
        lg.ConstructSUT(3, lambda: None)
    with pytest.raises(TypeError, match="the total sample count is -1; expected a whole number"):
        lg.ConstructQSL(-1, 1, lambda x: None, lambda x: None)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match="no such file or directory"):
        start(tmp_path / "nowhere", answer)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    inside: list[BaseException] = []

    def issue(samples: list[Any]) -> None:
        if not inside:
            try:
                start(tmp_path, answer)
            except RuntimeError as error:
                inside.append(error)
        answer(samples)

    start(tmp_path, issue)
    assert str(inside[0]) == "a test is running in this process already; one at a time"


def test_settings_that_no_run_can_satisfy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"target_qps is -3\.0; expected a positive number"):
        start(tmp_path, answer, scenario=lg.TestScenario.Server, server_target_qps=-3.0)


def test_bad_configuration_files_are_errors_in_the_next_log(tmp_path: Path) -> None:
    pending_errors.clear()
    settings = lg.TestSettings()
    assert settings.FromConfig(str(tmp_path / "absent.conf"), "resnet50", "Server", 2) == -2
    bad = tmp_path / "bad.conf"
    bad.write_text("*.Server.target_qps = many\n")
    assert settings.FromConfig(str(bad), "resnet50", "Server", 2) == -22
    start(tmp_path, answer)
    missing, malformed = errors(tmp_path)
    assert missing.startswith(f"{tmp_path}/absent.conf is unreadable")
    assert malformed.endswith("target_qps is 'many'; expected one number")


def test_a_thread_that_answers_after_an_exception_does_no_harm(tmp_path: Path) -> None:
    threads = []

    def issue(samples: list[Any]) -> None:
        thread = threading.Thread(target=lambda: (time.sleep(0.05), answer(samples)))
        thread.start()
        threads.append(thread)
        raise ValueError("too hasty")

    with pytest.raises(ValueError, match="too hasty"):
        start(tmp_path, issue)
    for thread in threads:
        thread.join()
    start(tmp_path, answer)
    assert errors(tmp_path) == []
