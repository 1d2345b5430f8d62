"""Keys of training logs: which rules apply, and each word of the vocabulary with a good and a bad example."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mlassay.rules.log_keys import METADATA_WORDS, VALUE_WORDS, Check, KeyRule, problems
from mlassay.rules.training import load_training_round
from mlassay.rules.training_schema import CHECK_KEYS

ORDER_WORDS = {"after", "before", "init_minutes", "init_minutes_open", "order", "epoch", "schedule"}
ARGUMENT_WORDS = {"or_fraction_below_batch", "ge_from_batch", "if_metadata_has"}


def test_the_vocabulary_is_complete() -> None:
    assert set(CHECK_KEYS) == set(VALUE_WORDS) | set(METADATA_WORDS) | ORDER_WORDS | ARGUMENT_WORDS


@pytest.mark.parametrize(
    ("check", "good", "bad", "log", "message"),
    [
        ({"eq": 0.9}, 0.9, 0.8, {}, "is 0.8; expected 0.9"),
        ({"eq": True}, True, 1, {}, "is 1; expected True"),
        ({"eq": "adamw"}, "adamw", "sgd", {}, "is 'sgd'; expected 'adamw'"),
        ({"in": [1, "inf"]}, math.inf, 2, {}, "is 2; expected one of 1, 'inf'"),
        ({"ge": 1}, 1, 0, {}, "is 0; expected at least 1"),
        ({"gt": 0}, 0.1, 0, {}, "is 0; expected more than 0"),
        ({"le": 1}, 1, math.nan, {}, "is nan; expected at most 1"),
        ({"lt": 1}, 0.9, "x", {}, "is 'x'; expected less than 1"),
        ({"integral": True}, 3.0, 3.5, {}, "is 3.5; expected a whole number"),
        ({"type": "bool"}, True, 1, {}, "is 1; expected a value of type bool"),
        ({"non_empty": True}, "x", "", {}, "is ''; expected a value that is not empty"),
        ({"has_value": True}, 0, None, {}, "is None; expected a value"),
        ({"len_eq": 2}, [1, 2], [1], {}, "is [1]; expected a list of 2"),
        ({"len_ge": 1}, [1], 5, {}, "is 5; expected a list of at least 1"),
        ({"value_has": ["FID"]}, {"FID": 1}, {"CLIP": 1}, {}, "is {'CLIP': 1}; expected keys FID"),
        ({"fields": {"BBOX": {"ge": 0.377}}}, {"BBOX": 0.4}, {"BBOX": 0.3}, {},
         "is {'BBOX': 0.3}; expected BBOX with {'ge': 0.377}"),
        ({"multiple_of": 0.02}, 0.16, 0.03, {}, "is 0.03; expected a multiple of 0.02"),
        ({"multiple_of": 0.02, "or_fraction_below_batch": 16}, 0.005, 0.006, {"global_batch_size": 4},
         "is 0.006; expected a multiple of 0.02"),
        ({"multiple_of": 0.02, "or_fraction_below_batch": 16}, 0.04, 0.005, {"global_batch_size": 16},
         "is 0.005; expected a multiple of 0.02"),
        ({"power_of_two_times": 0.0001}, 0.0008, 0.0003, {}, "is 0.0003; expected 0.0001 times a power of two"),
        ({"power_of_two_times": 0.0001}, 0.00005, 0, {}, "is 0; expected 0.0001 times a power of two"),
        ({"stretched": {"index": 1, "base": 50, "step": 0.1}}, [44, 55], [44, 56], {},
         "is [44, 56]; expected a schedule stretched in steps of 0.1"),
        ({"rest_of": {"total": 1200000, "key": "w"}}, 1199488, 1200000, {"w": 512},
         "is 1200000; expected 1200000 less w"),
        ({"rest_of": {"total": 1200000, "at_batch": 1152, "key": "w"}}, 599_000, 1_199_000,
         {"w": 1000, "global_batch_size": 2304}, "is 1199000; expected 1200000 less w"),
        ({"by_batch": {"value": 8e-5, "at_batch": 1152, "power": 1, "tolerance": 0.0}}, 8e-5 * 2304 / 1152, 8e-5,
         {"global_batch_size": 2304}, "is 8e-05; expected 8e-05 at batch 1152, scaled to the batch"),
        ({"by_batch": {"value": 2.4e-5, "at_batch": 16384, "power": 0.5, "tolerance": 1e-9}}, 2.4e-5 * 2, 2.4e-5,
         {"global_batch_size": 65536}, "is 2.4e-05; expected 2.4e-05 at batch 16384, scaled to the batch"),
        ({"by_batch": {"value": 1e-6, "at_batch": 8192, "power": 1, "low": 0.5, "high": 1.5, "tolerance": 1e-9}},
         1.5e-6, 1.6e-6, {"global_batch_size": 8192},
         "is 1.6e-06; expected 1e-06 at batch 8192, scaled to the batch"),
        ({"ge": 0.712, "ge_from_batch": {"batch": 8192, "ge": 0.706}}, 0.707, 0.705, {"global_batch_size": 8192},
         "is 0.705; expected at least 0.706"),
        ({"ge": 0.712, "ge_from_batch": {"batch": 8192, "ge": 0.706}}, 0.712, 0.707, {"global_batch_size": 8000},
         "is 0.707; expected at least 0.712"),
        ({"batch_is_product_with": "p"}, 16, 8, {"p": 32, "global_batch_size": 512},
         "is 8; expected global_batch_size divided by p"),
        ({"eq_key": "lr"}, 0.1, 0.2, {"lr": 0.1}, "is 0.2; expected the value of lr"),
        ({"rounded_up_to_batches": 262144}, 265_000, 262_144, {"global_batch_size": 5000},
         "is 262144; expected 262144 rounded up to whole batches"),
    ],
)  # fmt: skip
def test_words_about_the_value(check: Check, good: object, bad: object, log: dict[str, Any], message: str) -> None:
    assert problems(check, good, {}, log) == []
    assert problems(check, bad, {}, log) == [message]


@pytest.mark.parametrize(
    ("check", "good", "bad", "message"),
    [
        ({"metadata_has": ["epoch_num"]}, {"epoch_num": 1}, {}, "has no epoch_num in its metadata"),
        ({"metadata_has_any": ["epoch_num", "samples_count"]}, {"samples_count": 1}, {},
         "has none of epoch_num, samples_count in its metadata"),
        ({"metadata_eq": {"status": "success"}}, {"status": "success"}, {"status": "aborted"},
         "has status 'aborted' in its metadata; expected 'success'"),
        ({"metadata_gt": {"epoch_count": 0}}, {"epoch_count": 1}, {"epoch_count": 0},
         "has epoch_count 0 in its metadata; expected more than 0"),
        ({"metadata_ge": {"samples_count": 0}}, {"samples_count": 0}, {"samples_count": -1},
         "has samples_count -1 in its metadata; expected at least 0"),
        ({"metadata_in": {"method": ["truncate", "discard"]}}, {"method": "discard"}, {"method": "x"},
         "has method 'x' in its metadata; expected one of ['truncate', 'discard']"),
        ({"if_metadata_has": "epoch_count", "metadata_has": ["first_epoch_num"]}, {}, {"epoch_count": 1},
         "has no first_epoch_num in its metadata"),
    ],
)  # fmt: skip
def test_words_about_the_metadata(check: Check, good: dict[str, Any], bad: dict[str, Any], message: str) -> None:
    assert problems(check, 0, good, {}) == []
    assert problems(check, 0, bad, {}) == [message]


def test_what_needs_an_absent_key_is_not_judged() -> None:
    assert problems({"eq_key": "lr"}, 1, {}, {}) == []
    assert problems({"rest_of": {"total": 5, "key": "w"}}, 1, {}, {}) == []


@pytest.mark.parametrize(
    ("rule", "lines", "others", "problem"),
    [
        (KeyRule("a"), 1, {}, ""),
        (KeyRule("a"), 0, {}, "a: no lines; expected exactly one line"),
        (KeyRule("a"), 2, {}, "a: 2 lines; expected exactly one line"),
        (KeyRule("a", "some"), 0, {}, "a: no lines; expected at least 1"),
        (KeyRule("a", "some", "b"), 0, {"b": 1}, ""),
        (KeyRule("a", "twice"), 1, {}, "a: 1 line; expected at least 2"),
        (KeyRule("a", "optional"), 0, {}, ""),
        (KeyRule("a", "any"), 7, {}, ""),
    ],
)
def test_how_often_a_key_comes(rule: KeyRule, lines: int, others: dict[str, int], problem: str) -> None:
    assert rule.count_problem(lines, others) == problem


def test_tables_load_each_other() -> None:
    rules = load_training_round("v1.0").log_rules
    assert rules is not None
    values = {"submission_division": "closed", "submission_benchmark": "resnet", "opt_name": "lars"}
    closed = rules.for_log(values)
    assert closed["lars_opt_end_learning_rate"].each == ({"eq": 0.0001},)
    assert closed["eval_accuracy"].some == {"ge": 0.759, "lt": 1.0}
    assert "gradient_accumulation_steps" in closed
    opened = rules.for_log({"submission_division": "open", "submission_benchmark": "resnet"})
    assert "lars_opt_end_learning_rate" not in opened
    assert "run_stop" in rules.for_log({})


def test_a_changed_key_replaces_the_older_one_whole() -> None:
    old, new = load_training_round("v0.6").log_rules, load_training_round("v0.7").log_rules
    assert old is not None
    assert new is not None
    assert old.tables["common"]["cache_clear"].each == ({"eq": True, "before": ["init_start"]},)
    assert new.tables["common"]["cache_clear"].each == ({"has_value": True},)
    assert "minigo" not in new.tables


@pytest.mark.parametrize(
    ("round_name", "benchmark"), [("v0.7", "bert"), ("v2.0", "ssd"), ("v5.1", "flux1"), ("v6.1", "dlrmv4")]
)
def test_every_closed_benchmark_has_its_target_among_its_keys(round_name: str, benchmark: str) -> None:
    round_ = load_training_round(round_name)
    assert round_.log_rules is not None
    rules = round_.log_rules.for_log({"submission_division": "closed", "submission_benchmark": benchmark})
    assert rules["eval_accuracy"].some
