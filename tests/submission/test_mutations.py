"""Each check has a failing example with its exact finding, and every valid submission passes in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlassay.rules.reader import load_round, rounds
from mlassay.submission.check import all_checks
from mlassay.submission.checker import check
from tests.submission.golden import GOLDEN, findings_of
from tests.submission.maker import add_power, make, to_endpoints
from tests.submission.mutations import MUTATIONS

EXPECTED: dict[str, list[dict[str, Any]]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
MADE_BY_THE_ENGINE = {"CHECK001", "WAIV001"}


@pytest.mark.parametrize("name", MUTATIONS)
def test_one_change_gives_exactly_its_finding(name: str) -> None:
    findings = findings_of(name)
    assert [f["id"] for f in findings] == [MUTATIONS[name].id]
    assert findings == EXPECTED[name]


def test_the_list_is_long_and_complete() -> None:
    assert len(MUTATIONS) >= 100
    assert set(EXPECTED) == set(MUTATIONS)
    tried = {m.id for m in MUTATIONS.values()} | MADE_BY_THE_ENGINE
    inference = {i for i in all_checks() if not i.startswith(("TRN", "RCP"))}  # those are tried in test_training.py
    assert sorted(inference - tried) == []


def every_kind() -> list[tuple[str, str, str]]:
    kinds = []
    for name in rounds():
        round_ = load_round(name)
        for benchmark, rule in round_.benchmarks.items():
            for key in rule.suites:
                suite = "edge" if key == "all" else key.replace("-", ",") if key == "datacenter-edge" else key
                if not round_.system_types or suite in round_.system_types:
                    kinds.append((name, benchmark, suite))
    return kinds


@pytest.mark.parametrize("round_name", rounds())
def test_valid_submissions_pass_in_silence(round_name: str) -> None:
    for name, benchmark, suite in every_kind():
        if name == round_name:
            report = check(make(name, benchmark, suite=suite).tree())
            assert (report.round, report.verdict) == (name, "pass")
            assert report.findings == (), (benchmark, suite)
            assert report.results
            assert all(r.accepted and r.valid and r.value for r in report.results)


@pytest.mark.parametrize("division", ["closed", "open", "network"])
def test_valid_in_every_division(division: str) -> None:
    suite = "datacenter"
    report = check(make("v4.1", "resnet", suite=suite, division=division).tree())
    assert report.findings == ()
    assert {r.division for r in report.results} == {division}


def test_power_and_endpoints_pass_and_show_their_metric() -> None:
    made = make("v5.1")
    add_power(made)
    report = check(made.tree())
    assert report.findings == ()
    offline = next(r for r in report.results if r.scenario == "Offline")
    assert (offline.power, offline.power_unit) == (400.0, "watts")
    made = make("v6.1", "llama3.1-8b-edge")
    to_endpoints(made)
    report = check(made.tree())
    assert report.findings == ()
    assert [(r.metric, r.value) for r in report.results if r.scenario == "Offline"] == [("tokens per second", 2400.0)]


def test_one_bad_submitter_hides_no_other() -> None:
    good, bad = make("v5.1"), make("v5.1", submitter="OTHER")
    bad.systems = {}
    bad.files[f"{bad.base}/systems/box.json"] = b"\xff\x00{"
    good.files |= bad.files
    good.logs |= bad.logs
    report = check(good.tree())
    assert {f.submitter for f in report.findings} == {"closed/OTHER"}
    assert [r.accepted for r in report.results if r.submitter == "ACME"] == [True, True, True]
    assert [r.accepted for r in report.results if r.submitter == "OTHER"] == [False, False, False]


def test_a_check_that_fails_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from mlassay.submission import checker

    broken = {**all_checks()}
    broken["PERF004"] = replace(broken["PERF004"], function=lambda run: iter([1 / 0]))  # type: ignore[list-item]
    monkeypatch.setattr(checker, "all_checks", lambda: broken)
    report = check(make("v5.1", "rgat", suite="datacenter").tree())
    assert {(f.id, f.found) for f in report.findings} == {
        ("CHECK001", "ZeroDivisionError: division by zero in PERF004")
    }


def test_inferred_edge_results_are_marked_and_computed() -> None:
    made = make("v5.1")
    for folder in (made.run("MultiStream"), made.accuracy("MultiStream")):
        made.logs[folder] = dict(made.logs[folder.replace("MultiStream", "SingleStream")])
    made.log("MultiStream")["early_stopping_latency_ms"] = made.log("SingleStream")["early_stopping_latency_ms"]
    report = check(made.tree())
    assert report.findings == ()
    result = next(r for r in report.results if r.scenario == "MultiStream")
    assert result.inferred
    assert result.value == 80.0  # eight samples of 10 ms, one after the other


def test_interactive_is_not_inferred() -> None:
    made = make("v5.1", "llama2-70b-99", suite="datacenter", scenarios=("Offline", "Interactive"))
    report = check(made.tree())
    assert [(r.scenario, r.inferred) for r in report.results] == [("Interactive", False), ("Offline", False)]
