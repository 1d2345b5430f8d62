"""What a training round says about one run: its target, its clock, its runs, and which values closed forbids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mlassay.core.enums import Division
from mlassay.core.errors import RuleViolation
from mlassay.records.mllog import Flavour
from mlassay.rules.log_keys import problems
from mlassay.rules.training_round import TrainingBenchmark, TrainingRound
from mlassay.training.benchmark import Logged, Recipe, Spec


def rule_of(round_: TrainingRound, recipe: Recipe) -> TrainingBenchmark:
    """The round's rule for this benchmark. Raises UnknownName with those that the round has."""
    return round_.benchmark(recipe.rule_id.get(round_.name, recipe.log_id))


def as_in_round(
    config: Any, recipe: Recipe, round_name: str, rule: TrainingBenchmark, overrides: Mapping[str, str]
) -> Any:
    """A reference configuration as the round has it: its target and its ways, unless the user asked for others."""
    asked = recipe.by_round.get(round_name, {})
    config = dataclasses.replace(config, **{k: v for k, v in asked.items() if k not in overrides})
    fields = {f.name for f in dataclasses.fields(config)}
    if "target" not in fields or "target" in overrides:
        return config
    changes: dict[str, float] = {"target": rule.targets[0].value}
    if len(rule.targets) > 1 and "second_target" in fields:
        changes["second_target"] = rule.targets[1].value
    return dataclasses.replace(config, **changes)


def flavour_of(round_: TrainingRound | None) -> Flavour:
    """Which log lines a round writes."""
    if round_ is None:
        return Flavour.MLLOG
    return {":::MLPv0.5.0": Flavour.V05, ":::MLL": Flavour.V06}.get(round_.log_marker, Flavour.MLLOG)


def check_values(round_: TrainingRound, rule: TrainingBenchmark, spec: Spec) -> None:
    """Refuse the first logged hyperparameter that closed forbids. Raises RuleViolation quoting the clause."""
    if round_.log_rules is None:
        return
    values: dict[str, object] = {
        "submission_division": Division.CLOSED.value,
        "submission_benchmark": rule.id,
        "global_batch_size": spec.global_batch_size,
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        **{k: v.value if isinstance(v, Logged) else v for k, v in spec.hyperparameters.items()},
    }
    for key, key_rule in round_.log_rules.for_log(values).items():
        if key not in values:
            continue
        for check in key_rule.each:
            logged = spec.hyperparameters.get(key)
            about = logged.metadata if isinstance(logged, Logged) else {}
            for problem in problems(check, values[key], about, values):
                raise RuleViolation(
                    f"{key} {problem}",
                    clause=rule.hyperparameters.clause or f"training rules {round_.name}",
                    hint="change it with --set, or use --division open",
                )
