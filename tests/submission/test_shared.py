"""The published inference v0.5 results, read from their archive: nothing crashes, and the numbers are theirs."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from mlassay.submission.check import Severity
from mlassay.submission.checker import check
from mlassay.submission.report import Report

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "inference_results_v0.5.tar.xz"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ARCHIVE.exists(), reason="the archive of published results is not here"),
]
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
CLOSED = {
    "gnmt": (2, 0, 6, 11),
    "mobilenet": (18, 3, 5, 11),
    "resnet": (19, 5, 10, 20),
    "ssd-small": (8, 3, 5, 13),
    "ssd-large": (4, 4, 7, 12),
}


@pytest.fixture(scope="module")
def report() -> Report:
    return check(ARCHIVE)


def test_every_result_is_read_and_valid(report: Report) -> None:
    assert (report.suite, report.round) == ("inference", "v0.5")
    assert Counter(r.division for r in report.results) == {"closed": 166, "open": 429}
    assert all(r.valid is True and r.value for r in report.results)


def test_counts_per_task_and_scenario(report: Report) -> None:
    counts = Counter((r.benchmark, r.scenario) for r in report.results if r.division == "closed")
    for benchmark, wanted in CLOSED.items():
        assert tuple(counts[benchmark, s] for s in SCENARIOS) == wanted
    assert sum(counts.values()) == 166


def test_shares_per_model(report: Report) -> None:
    counts = Counter(r.benchmark for r in report.results if r.division == "closed")
    shares = {name: round(100 * n / 166, 1) for name, n in counts.items()}
    assert shares == {"ssd-large": 16.3, "ssd-small": 17.5, "gnmt": 11.4, "mobilenet": 22.3, "resnet": 32.5}


def test_open_models_by_their_beginnings(report: Report) -> None:
    counts = Counter(r.benchmark for r in report.results if r.division == "open")
    assert (counts["mobilenet"], counts["ssd-small"]) == (371, 48)
    assert sum(1 for r in report.results if r.division == "open" and r.submitter == "dividiti") == 418


def test_spread_per_task_and_scenario(report: Report) -> None:
    values = defaultdict(list)
    for r in report.results:
        if r.division == "closed" and r.value:
            values[r.benchmark, r.scenario].append(r.value)
    spread = {key: max(v) / min(v) for key, v in values.items()}
    assert round(spread["resnet", "SingleStream"]) == 11151
    assert round(spread["mobilenet", "SingleStream"]) == 1200
    assert round(spread["gnmt", "Server"], 2) == 4.56


def test_known_shortfalls_are_reported(report: Report) -> None:
    runs = [f for f in report.findings if f.id == "PERF016"]
    assert len(runs) == 27  # NVIDIA and Google GNMT, Intel ResNet: below the minimum query count
    durations = [f for f in report.findings if f.id == "PERF019"]
    assert len(durations) == 10  # below 60 s
    absent = [f for f in report.findings if f.id == "ACC002"]
    assert {f.where.split("/")[1] for f in absent} == {"Hailo"}
    low = [f for f in report.findings if f.id == "ACC004" and f.severity is Severity.ERROR]
    assert low == []  # every readable closed accuracy meets its target
    assert not [f for f in report.findings if f.id in ("CHECK001", "PERF004", "PERF008")]


def test_the_era_tool_would_reject_some(report: Report) -> None:
    official = check(ARCHIVE, as_official="v0.5")
    assert official.verdict == "fail"
    assert len(official.results) == 595
