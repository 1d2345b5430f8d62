"""The official verdict of a round's tool, faults included, beside the correct one."""

from __future__ import annotations

from typing import Any

import pytest

from mlassay.rules.reader import load_round
from mlassay.submission.checker import check
from mlassay.submission.official import level
from tests.submission.maker import Made, make
from tests.submission.mutations import MUTATIONS


@pytest.mark.parametrize(
    ("mutation", "round_name", "official", "why"),
    [
        ("invalid_in_v6", "v6.0", "pass", "the v6 tools read result_validity and do nothing with it"),
        ("invalid", "v5.1", "fail", "the classic tool rejects INVALID"),
        ("wrong_qsl_seed", "v5.1", "fail", "seeds reject since v3.1"),
        ("wrong_seed_in_v05", "v0.5", "pass", "seeds were only logged before v3.1"),
        ("early_stopping_not_met", "v5.1", "pass", "only logged until v6.0"),
        ("accuracy_too_low", "v5.1", "fail", "closed targets always reject"),
        ("accuracy_too_low_in_open", "v5.1", "pass", "open takes any value"),
        ("summary_of_another_run", "v5.1", "pass", "nobody compares the two logs"),
        ("hidden_file", "v5.1", "fail", "file hygiene rejects"),
        ("short_run", "v5.1", "pass", "only the configured duration is looked at"),
        ("test04_without_its_setting", "v5.1", "pass", "nobody looks at the audit setting"),
        ("part_of_the_data_set", "v5.1", "pass", "the data set's size was only logged in v5.1"),
    ],
)
def test_official_verdicts(mutation: str, round_name: str, official: str, why: str) -> None:
    tree = MUTATIONS[mutation].tree()
    assert check(tree, as_official=round_name).verdict == official, why


def test_hygiene_was_dropped_in_v6() -> None:
    made = make("v6.0")
    made.files[f"{made.base}/.DS_Store"] = b"x"
    assert check(made.tree()).verdict == "fail"
    assert check(made.tree(), as_official="v6.0").verdict == "pass"


def _change(made: Made, scenario: str, **values: Any) -> None:
    made.log(scenario).update(values)


def test_v6_holds_interactive_against_servers_bounds() -> None:
    made = make("v6.0", "llama2-70b-99", suite="datacenter", scenarios=("Offline", "Interactive"))
    _change(made, "Interactive", **{"result_first_token_99.00_percentile_latency_ns": 1_000_000_000})
    _change(made, "Interactive", **{"result_first_token_99.90_percentile_latency_ns": 1_000_000_000})
    assert [f.id for f in check(made.tree()).findings] == ["PERF013"]
    assert check(made.tree(), as_official="v6.0").verdict == "pass"


def test_v6_takes_a_worse_entropy_for_a_better_one() -> None:
    tree = MUTATIONS["entropy_too_high"].tree()
    assert check(tree).verdict == "fail"
    assert check(tree, as_official="v6.0").verdict == "pass"


def test_levels_come_from_the_round_first() -> None:
    assert level(load_round("v2.0"), "seeds") == "log"
    assert level(load_round("v3.1"), "seeds") == "reject"
    assert level(load_round("v0.5"), "system_unknown_field") == "reject"
    assert level(load_round("v1.0"), "system_unknown_field") == "warn"
    assert level(load_round("v1.0"), "no such row") == "absent"
