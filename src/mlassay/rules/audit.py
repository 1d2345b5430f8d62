"""Compliance tests: what a test changes in the settings of a run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from mlassay.core.enums import Mode, SampleOrder
from mlassay.core.errors import UnknownName
from mlassay.core.settings import AccuracyLog, Offline, Settings
from mlassay.core.units import NS_PER_MS
from mlassay.rules.round import BenchmarkRule, ComplianceTest, Round


def find_test(round_: Round, name: str) -> ComplianceTest:
    """Raises UnknownName with the tests of the round."""
    id = name.upper()
    if id not in round_.tests:
        near = difflib.get_close_matches(id, round_.tests, 2, 0.6)
        raise UnknownName(f"compliance test of {round_.name}", name, list(round_.tests), near)
    return round_.tests[id]


def selectors(model: str, scenario: str) -> tuple[str, ...]:
    """The places where a configuration file can speak of a run, the first that has a key wins."""
    return (f"{model}.{scenario}", f"*.{scenario}", f"{model}.*", "*.*")


def test_config(test: ComplianceTest, model: str, scenario: str) -> dict[str, int | float]:
    """Key to value for one run, by the official precedence."""
    chosen: dict[str, int | float] = {}
    for selector in reversed(selectors(model, scenario)):
        chosen.update(test.config.get(selector, {}))
    return chosen


def apply_test(settings: Settings, round_: Round, benchmark: BenchmarkRule, name: str) -> Settings:
    """The settings of the test run: those of the normal run with what audit.config says on top."""
    test = find_test(round_, name)
    values = test_config(test, benchmark.conf_name, settings.scenario.loadgen_name)
    changes: dict[str, object] = {"mode": Mode.PERFORMANCE}
    if test.test05_seeds and round_.test05_seeds is not None:
        changes["seeds"] = round_.test05_seeds
    log = _accuracy_log(settings.accuracy_log, values)
    if log != settings.accuracy_log:
        changes["accuracy_log"] = log
    order = _order(settings.sample_order, values)
    if order != settings.sample_order:
        changes["sample_order"] = order
    if order is SampleOrder.SAME:
        changes["same_index"] = int(values.get("performance_issue_same_index", 0))
    required = settings.required
    if "min_duration" in values:
        changes["min_duration_ns"] = int(values["min_duration"] * NS_PER_MS)
        required = replace(required, min_duration_ns=int(values["min_duration"] * NS_PER_MS))
    if "min_query_count" in values:
        count = int(values["min_query_count"])
        if isinstance(settings.load, Offline):
            changes["load"] = replace(settings.load, min_sample_count=count)
            required = replace(required, min_sample_count=count)
        else:
            changes["min_query_count"] = count
            required = replace(required, min_query_count=count)
    changes["required"] = required
    clauses = {**settings.clauses, **dict.fromkeys(changes, f"{test.id}: {test.clause}")}
    return replace(settings, **changes, clauses=MappingProxyType(clauses))  # type: ignore[arg-type]


def _accuracy_log(log: AccuracyLog, values: Mapping[str, int | float]) -> AccuracyLog:
    """In files the probability is a percentage."""
    if "accuracy_log_probability" in values:
        log = replace(log, probability=values["accuracy_log_probability"] / 100)
    if "accuracy_log_sampling_target" in values:
        log = replace(log, sampling_target=int(values["accuracy_log_sampling_target"]))
    if "accuracy_log_rng_seed" in values:
        log = replace(log, seed=int(values["accuracy_log_rng_seed"]))
    return log


def _order(order: SampleOrder, values: Mapping[str, int | float]) -> SampleOrder:
    if values.get("performance_issue_same"):
        return SampleOrder.SAME
    if values.get("performance_issue_unique"):
        return SampleOrder.UNIQUE
    if values.get("sample_concatenate_permutation") == 0 and order is SampleOrder.EQUAL_ISSUE:
        return SampleOrder.RANDOM
    return order
