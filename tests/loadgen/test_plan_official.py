"""The plans equal what the official load generator sends: live where it is installed, as recorded everywhere."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.core.enums import Mode
from mlassay.loadgen.plan import Plan, plan
from tests.loadgen.official import CASES, COMPARED, KEPT, ask, ours

RECORDED = json.loads((Path(__file__).parent / "data" / "official_streams.json").read_text())
installed = pytest.mark.skipif(not importlib.util.find_spec("mlperf_loadgen"), reason="no official load generator here")


def planned(case: dict[str, Any]) -> list[Plan]:
    return plan(ours(case), case["total"], case["held"])


def queries_of(plans: list[Plan]) -> list[list[int]]:
    """All queries in order, as lists of library indices."""
    return [row for p in plans for row in p.index.reshape(-1, p.samples_per_query).tolist()]


def figures_of(plans: list[Plan]) -> dict[str, list[float]]:
    """The same figures as the detail log states."""
    e = plans[0].effective
    return {
        "generated_query_count": [p.generated_query_count for p in plans],
        "generated_query_duration": [p.generated_duration_ns for p in plans],
        "generated_samples_per_query": [p.samples_per_query for p in plans],
        "effective_samples_per_query": [e.samples_per_query],
        "effective_target_qps": [float(f"{e.target_qps:.6g}")],
        "effective_target_duration_ms": [e.target_duration_ns // 1_000_000],
        "effective_min_query_count": [e.min_query_count],
        "effective_min_sample_count": [e.min_sample_count],
        "effective_performance_sample_count": [e.performance_sample_count],
        "effective_accuracy_sample_count": [e.accuracy_sample_count],
    }


def logged_of(plans: list[Plan], n_issued: int) -> list[int]:
    """Sequence numbers in the accuracy log: all of an accuracy part, the chosen ones of a performance part."""
    logged = []
    for p in plans:
        mask = p.log_mask if p.log_mask is not None else np.full(len(p.index), p.mode is Mode.ACCURACY)
        logged += (np.flatnonzero(mask) + p.first_sequence_id).tolist()
    return [i for i in logged if i < n_issued]


@pytest.mark.parametrize("name", RECORDED)
def test_equals_the_recording(name: str) -> None:
    plans, said = planned(CASES[name]), RECORDED[name]
    assert [p.load[:KEPT] for p in plans] == said["loads"]
    assert [len(p.load) for p in plans] == said["load_sizes"]
    queries = queries_of(plans)
    assert [q[:KEPT] for q in queries[: len(said["queries"])]] == said["queries"]
    if said["due_ns"]:
        assert plans[-1].due_ns[:KEPT].tolist() == said["due_ns"]
    assert logged_of(plans, said["n_issued_samples"]) == said["logged"]
    assert figures_of(plans) == {key: said[key] for key in COMPARED}


def test_every_case_is_recorded() -> None:
    assert set(RECORDED) == set(CASES)


@installed
@pytest.mark.parametrize("name", CASES)
def test_equals_the_live_tool(name: str) -> None:
    case = CASES[name]
    poisson = case["settings"]["scenario"] == "Server" and "mode" not in case["settings"]
    plans, said = planned(case), ask(case, trace=poisson)
    queries = queries_of(plans)
    assert said["loads"] == [p.load for p in plans]
    assert said["queries"] == queries[: len(said["queries"])]  # a slow machine may stop a closed loop early
    if case["settings"]["scenario"] in ("Server", "Offline"):
        assert len(said["queries"]) == len(queries)
    if poisson:
        assert said["due_ns"] == plans[0].due_ns.tolist()
    assert said["logged"] == logged_of(plans, sum(map(len, said["queries"])))
    assert figures_of(plans) == {key: said["detail"][key] for key in COMPARED}
