"""Official configuration files of the user's, laid over a run's wishes and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlassay.core.enums import Division, Scenario
from mlassay.core.errors import RuleViolation
from mlassay.core.settings import Settings
from mlassay.core.units import NS_PER_MS
from mlassay.rules.conf import Conf, ConfKind, read_confs
from mlassay.rules.official import open_only
from mlassay.rules.official_settings import apply_to_settings
from mlassay.rules.reader import load_round
from mlassay.rules.wishes import Wishes
from mlassay.runs.request import RunRequest


def confs_of(request: RunRequest) -> list[Conf]:
    """The request's user.conf and audit.config, read; none where none is given. Raises BadFile with the line."""
    given = ((request.user_conf, ConfKind.USER), (request.audit_config, ConfKind.AUDIT))
    return read_confs([(path, kind) for path, kind in given if path is not None])


def model_of(wishes: Wishes) -> str:
    """The name that configuration files call the benchmark: "resnet50" for resnet."""
    if wishes.round == "none" or not isinstance(wishes.round, str):
        return wishes.benchmark or "*"
    return load_round(wishes.round).benchmark(wishes.benchmark).conf_name


def with_expectations(wishes: Wishes, confs: Sequence[Conf]) -> Wishes:
    """The rate or latency that a file expects, so that nothing needs to be probed."""
    scenario, model = wishes.scenario, model_of(wishes)
    for conf in confs:
        rate = conf.lookup(model, scenario.loadgen_name, "target_qps")
        latency = conf.lookup(model, scenario.loadgen_name, "target_latency")
        if rate is not None and scenario not in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM):
            wishes = replace(wishes, target_qps=rate.value)
        if latency is not None and scenario in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM):
            wishes = replace(wishes, expected_latency_ns=max(1, round(latency.value * NS_PER_MS)))
    return wishes


def overruled(asked: Wishes, laid: Wishes) -> tuple[str, ...]:
    """What the user asked for and a file said otherwise, in words: the file wins, but not in silence."""
    said = []
    if asked.target_qps is not None and asked.target_qps != laid.target_qps:
        said.append(f"user.conf's target_qps {laid.target_qps:g} is taken, not the {asked.target_qps:g} asked for")
    if asked.expected_latency_ns is not None and asked.expected_latency_ns != laid.expected_latency_ns:
        ms = [(w.expected_latency_ns or 0) / NS_PER_MS for w in (laid, asked)]
        said.append(f"user.conf's target_latency {ms[0]:g} ms is taken, not the {ms[1]:g} ms asked for")
    return tuple(said)


def laid_over(settings: Settings, wishes: Wishes, confs: Sequence[Conf]) -> Settings:
    """The settings with the files on top. Raises RuleViolation for a line that closed does not allow."""
    if not confs:
        return settings
    model, scenario = model_of(wishes), wishes.scenario.loadgen_name
    for conf in confs:
        lines = open_only(conf, model, scenario) if wishes.division is not Division.OPEN else []
        if lines and wishes.round != "none":
            raise RuleViolation(
                f"{conf.path}, line {lines[0].line}: {lines[0].name} changes what is judged",
                clause=f"{wishes.round}, closed division: user.conf",
                hint="take the line out, or use --division open",
            )
    return apply_to_settings(settings, confs, model)
