"""Full-length closed-division runs on a virtual clock: VALID by the round's own rules, and the checker agrees.

The official data sets are not needed for that: what is judged is when queries were asked and answered. A system that
takes a known time stands in for the model; the settings, the plan, the loops, the judge, the logs and the checker are
those of a real run. What only the real data can show, the accuracy, is not claimed here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mlassay.core.enums import Division, Scenario
from mlassay.core.outcome import Verdict
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.records.folder import open_run
from mlassay.submission.checker import check
from tests.submission.simulated import run_folder

SS, MS, OFF, SRV = Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE, Scenario.SERVER

RUNS = [
    # round, benchmark, scenario, ms a query, wishes
    ("v5.1", "resnet", SS, 20, {"expected_latency_ns": 19 * NS_PER_MS}),
    ("v5.1", "resnet", MS, 50, {"expected_latency_ns": 49 * NS_PER_MS}),
    ("v5.1", "resnet", OFF, 650_000, {"target_qps": 100.0}),
    ("v5.1", "resnet", SRV, 3, {"target_qps": 30.0}),
    ("v5.1", "retinanet", SS, 30, {"expected_latency_ns": 29 * NS_PER_MS}),
    ("v4.1", "bert-99", SRV, 5, {"target_qps": 30.0}),
    ("v5.1", "3d-unet-99", OFF, 700_000, {"target_qps": 0.1}),
    ("v4.0", "rnnt", SS, 40, {"expected_latency_ns": 39 * NS_PER_MS}),
    ("v0.7", "ssd-large", OFF, 700_000, {"target_qps": 50.0}),
]


@pytest.mark.parametrize(("round_name", "benchmark", "scenario", "ms", "wishes"), RUNS)
def test_a_full_closed_run_is_valid_and_passes_the_checker(
    round_name: str, benchmark: str, scenario: Scenario, ms: int, wishes: dict[str, float], tmp_path: Path
) -> None:
    path = run_folder(
        tmp_path / "run", round_name, benchmark, scenario, division=Division.CLOSED, latency_ns=ms * NS_PER_MS, **wishes
    )
    run = open_run(path)
    assert run.outcome is not None
    assert run.outcome.verdict is Verdict.VALID
    assert run.settings.division is Division.CLOSED
    assert run.settings.deviations == ()
    assert run.outcome.duration_ns >= run.settings.required.min_duration_ns > 0
    assert run.outcome.n_queries >= run.settings.required.min_query_count
    report = check(path)
    assert (report.verdict, report.findings) == ("pass", ())
    assert [(r.benchmark, r.scenario, r.valid) for r in report.results] == [(benchmark, scenario.loadgen_name, True)]


def test_a_second_too_short_is_not_valid(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="min-duration"):
        run_folder(
            tmp_path / "run", "v5.1", "resnet", OFF, division=Division.CLOSED,
            latency_ns=599 * NS_PER_S, target_qps=100.0,
        )  # fmt: skip
