"""May results of two rounds be compared? The official table, and what changed between the rounds besides."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mlassay.core.enums import Scenario, Suite
from mlassay.core.errors import UnknownName
from mlassay.rules.chain import parse
from mlassay.rules.reader import load_round, official_name, rounds
from mlassay.rules.round import BenchmarkRule, ScenarioRule


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer that is true or false, says why, and lists what a reader must be told if the two are shown together."""

    comparable: bool
    reason: str
    cautions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.comparable


def comparable(
    model: str, round_a: str, round_b: str, suite: Suite | str, scenario: Scenario | None = None
) -> Comparison:
    """Whether results of `model` from two rounds may be compared in one suite.

    `model` is a benchmark id, its configuration name, or the name in the official table. The table says yes or no;
    `scenario` adds the one general exception (MultiStream across v2.0) and what changed in its rules.
    Raises UnknownName for a round or a model that the table does not have.
    """
    first, second = sorted((official_name(round_a), official_name(round_b)), key=rounds().index)
    table = _table()
    name, ids = _model(model, first, second)
    source = str(table["source"])
    groups = table[Suite(suite).value].get(name, [])
    if first == second:
        return Comparison(True, f"both are {first}")
    beyond = [r for r in (first, second) if rounds().index(r) > rounds().index(table["last_column"])]
    if beyond:
        return Comparison(False, f"the table ends with {table['last_column']}: {beyond[-1]} is not in it ({source})")
    if scenario is Scenario.MULTI_STREAM and _before(first, "v2.0") and not _before(second, "v2.0"):
        return Comparison(False, f"{table['general'][1]} ({source})")
    for group in groups:
        start, _, end = group.partition("-")
        if not _before(first, start) and not _before(end, second):
            cautions = list(_cautions(ids, first, second, scenario))
            if name in table["suspect"]:
                cautions.append(f"the table itself looks wrong here: {name} is {table['suspect'][name]}")
            reason = f"{name} is comparable from {start} to {end} in the {suite} suite ({source})"
            return Comparison(True, reason, tuple(cautions))
    if not groups:
        return Comparison(False, f"{name} has no row in the {suite} suite ({source})")
    spans = ", ".join(g.replace("-", " to ") for g in groups)
    return Comparison(False, f"{name} is comparable only within {spans} in the {suite} suite ({source})")


def _cautions(ids: list[str], first: str, second: str, scenario: Scenario | None) -> list[str]:
    """What changed in the rules of the same benchmark between two rounds."""
    old_round, new_round = load_round(first), load_round(second)
    out: list[str] = []
    for id in ids:
        old, new = old_round.benchmarks.get(id), new_round.benchmarks.get(id)
        if old is None or new is None:
            continue
        out += _benchmark_changes(old, new)
        wanted = [scenario] if scenario else [s for s in old.scenarios if s in new.scenarios]
        for each in wanted:
            if each in old.scenarios and each in new.scenarios:
                out += _scenario_changes(old.scenarios[each], new.scenarios[each])
    if old_round.min_duration_ns != new_round.min_duration_ns:
        out.append(
            f"a run lasts at least {old_round.min_duration_ns // 10**9} s in {first}"
            f" and {new_round.min_duration_ns // 10**9} s in {second}"
        )
    return list(dict.fromkeys(out))


def _benchmark_changes(old: BenchmarkRule, new: BenchmarkRule) -> list[str]:
    out = []
    if old.dataset != new.dataset:
        out.append(f"the data set changed from {old.dataset} to {new.dataset}")
    was = {q.metric: (q.minimum, q.maximum) for q in old.quality}
    now = {q.metric: (q.minimum, q.maximum) for q in new.quality}
    if was != now:
        out.append(f"the quality target of {new.id} changed")
    return out


def _scenario_changes(old: ScenarioRule, new: ScenarioRule) -> list[str]:
    where, out = old.scenario.value, []
    if old.metric != new.metric:
        out.append(f"{where} counts {new.metric} samples since, {old.metric} before")
    if old.min_samples != new.min_samples:
        out.append(f"{where} needs {new.min_samples} samples instead of {old.min_samples}")
    if (old.latency_ns, old.ttft_ns, old.tpot_ns) != (new.latency_ns, new.ttft_ns, new.tpot_ns):
        out.append(f"the latency bound of {where} changed")
    if old.percentile != new.percentile:
        out.append(f"{where} is judged at p{new.percentile:g} instead of p{old.percentile:g}")
    return out


def _model(name: str, *round_names: str) -> tuple[str, list[str]]:
    """The table's name of a model, and its benchmark ids."""
    models: dict[str, list[str]] = _table()["models"]
    if name in models:
        return name, models[name]
    ids = {name}
    for round_name in round_names:
        round_ = load_round(round_name)
        ids |= {b.id for b in round_.benchmarks.values() if b.conf_name == name}
        ids |= {round_.model_names[name]} if name in round_.model_names else set()
    for row, known in models.items():
        if ids & set(known):
            return row, [name] if name in known else known
    every = [*models, *(i for known in models.values() for i in known)]
    raise UnknownName("model of the compatibility table", name, every, difflib.get_close_matches(name, every, 3, 0.5))


def _before(a: str, b: str) -> bool:
    return rounds().index(a) < rounds().index(b)


@lru_cache
def _table() -> dict[str, Any]:
    return parse(files("mlassay.rules") / "data" / "inference" / "compatibility.toml", "compatibility.toml")
