"""Reference profiles log every hyperparameter that closed asks for in their rounds, with allowed values."""

from __future__ import annotations

import pytest

from mlassay.core.errors import RuleViolation
from mlassay.rules.training_scoring import round_or_none
from mlassay.runs.training_request import override
from mlassay.runs.training_rules import as_in_round, check_values, rule_of
from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import BENCHMARKS, recipe

pytest.importorskip("torch")

pytestmark = pytest.mark.torch

ROUNDS = [
    ("resnet", "v0.7"), ("resnet", "v4.0"), ("gnmt", "v0.7"), ("transformer", "v0.7"), ("bert", "v0.7"),
    ("bert", "v5.0"), ("dlrm", "v2.1"), ("dlrm_dcnv2", "v5.1"), ("llama31_8b", "v5.1"),
    ("llama31_405b", "v5.1"), ("ssd", "v0.7"), ("ssd", "v1.1"), ("maskrcnn", "v0.7"), ("maskrcnn", "v3.1"),
    ("unet3d", "v1.0"), ("unet3d", "v2.0"), ("unet3d", "v4.0"),
    ("rnnt", "v1.0"), ("rnnt", "v1.1"), ("rnnt", "v3.1"),
]  # fmt: skip

LOOP_LOGS = (
    "submission_",
    "eval_",
    "init_",
    "run_",
    "block_",
    "epoch_",
    "train_samples",
    "cache_clear",
    "seed",
    "weights_init",
)
"""Written by the loop and the log's header, not by the benchmark. Nobody writes weights_initialization (v1.1-v2.1)."""


@pytest.mark.parametrize(("name", "round_name"), ROUNDS)
def test_reference_values_are_allowed_and_complete(name, round_name):
    chosen, rules = recipe(name), round_or_none(round_name)
    rule = rule_of(rules, chosen)
    config = as_in_round(chosen.profiles["reference"](), chosen, round_name, rule, {})
    spec = chosen.make(config, "reference", Surroundings(seed=0)).spec
    assert spec.targets[0].value == rule.targets[0].value
    check_values(rules, rule, spec)
    values = {"submission_division": "closed", "submission_benchmark": rule.id, **spec.hyperparameters}
    values |= {"global_batch_size": 1, "gradient_accumulation_steps": 1}
    asked = rules.log_rules.for_log(values)
    missing = [
        key
        for key, r in asked.items()
        if r.count in ("once", "some") and not r.instead and key not in values and not key.startswith(LOOP_LOGS)
    ]
    assert missing == []


def test_gpt3_is_refused_in_closed_because_it_starts_from_nothing():
    rules = round_or_none("v4.1")
    spec = recipe("gpt3").make(recipe("gpt3").profiles["reference"](), "reference", Surroundings(seed=0)).spec
    with pytest.raises(RuleViolation, match="init_checkpoint_step is 0; expected more than 0"):
        check_values(rules, rule_of(rules, recipe("gpt3")), spec)


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_every_profile_as_it_comes_is_accepted(name):
    """A configuration that the request's own checks refuse could never be trained."""
    for profile in recipe(name).profiles.values():
        assert override(profile(), {}) == profile()
