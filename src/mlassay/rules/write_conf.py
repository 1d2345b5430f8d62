"""Writes mlperf.conf of a round, the user.conf of a run and the audit.config of a compliance test."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mlassay.core.enums import Scenario
from mlassay.core.errors import UsageError
from mlassay.core.settings import IntervalMultiStream, MultiStream, Offline, Server, Settings, SingleStream
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.rules.audit import find_test
from mlassay.rules.round import BenchmarkRule, Round, ScenarioRule

LINE_FORMAT = "# model.Scenario.key = value; * stands for every model or scenario; times in milliseconds."


def write_user_conf(path: str | Path, settings: Settings, model: str) -> None:
    """The submitter's file: the load that was wished, and lengths where they differ from the round's."""
    _write(path, user_conf_text(settings, model))


def write_mlperf_conf(path: str | Path, round_: Round) -> None:
    """The round's file, rebuilt from the rules."""
    _write(path, mlperf_conf_text(round_))


def write_audit_config(path: str | Path, round_: Round, test: str, benchmark: str = "") -> None:
    """The file that makes a run a compliance test; only lines that can matter to `benchmark` when one is given."""
    _write(path, audit_config_text(round_, test, benchmark))


def user_conf_text(settings: Settings, model: str) -> str:
    """See `write_user_conf`. Raises UsageError for what the file cannot say: part milliseconds of a Server bound."""
    lines: dict[str, str] = {}
    load = settings.load
    match load:
        case SingleStream() | MultiStream():
            lines["target_latency"] = _number(load.expected_latency_ns / NS_PER_MS)
        case IntervalMultiStream():
            lines["samples_per_query"] = str(load.samples_per_query)
            lines["target_qps"] = _number(NS_PER_S / load.interval_ns)
            lines["max_async_queries"] = "1"
        case Server():
            lines["target_qps"] = _number(load.target_qps)
            if load.coalesce:
                lines["coalesce_queries"] = "1"
            if load.max_async_queries:
                lines["max_async_queries"] = str(load.max_async_queries)
        case Offline():
            lines["target_qps"] = _number(load.expected_qps)
            if load.min_sample_count != settings.required.min_sample_count:
                lines["min_query_count"] = str(load.min_sample_count)
    if settings.min_duration_ns != settings.required.min_duration_ns:
        lines["min_duration"] = str(-(-settings.min_duration_ns // NS_PER_MS))
    if settings.max_duration_ns:
        lines["max_duration"] = str(-(-settings.max_duration_ns // NS_PER_MS))
    if not isinstance(load, Offline) and "min_query_count" in settings.clauses and _wished(settings, "min_query_count"):
        lines["min_query_count"] = str(settings.min_query_count)
    if settings.max_query_count:
        lines["max_query_count"] = str(settings.max_query_count)
    if _wished(settings, "performance_sample_count"):
        lines["performance_sample_count_override"] = str(settings.performance_sample_count)
    lines |= _judged(settings)
    scenario = settings.scenario.loadgen_name
    body = [f"{model}.{scenario}.{key} = {value}" for key, value in lines.items()]
    what = f"{settings.round} {settings.benchmark} {settings.scenario.value} {settings.division.value}".strip()
    return "\n".join([f"# user.conf of a run: {what}", LINE_FORMAT, *body]) + "\n"


def _judged(settings: Settings) -> dict[str, str]:
    """Bounds that the user changed; in a user.conf they mean the open division, or a tightened closed run."""
    load, lines = settings.load, {}
    if not isinstance(load, Offline) and _wished(settings, "load.percentile"):
        lines["target_latency_percentile"] = _number(load.percentile)
    if isinstance(load, MultiStream) and _wished(settings, "load.samples_per_query"):
        lines["samples_per_query"] = str(load.samples_per_query)
    if isinstance(load, Server):
        if _wished(settings, "load.latency_bound_ns"):
            lines["target_latency"] = _whole_ms(load.latency_bound_ns, "latency bound")
        if load.tokens is not None:
            if _wished(settings, "load.tokens.ttft_ns"):
                lines["ttft_latency"] = _whole_ms(load.tokens.ttft_ns, "time to first token")
            if _wished(settings, "load.tokens.tpot_ns"):
                lines["tpot_latency"] = _whole_ms(load.tokens.tpot_ns, "time per output token")
    return lines


def mlperf_conf_text(round_: Round) -> str:
    """See `write_mlperf_conf`. Lines are sorted by subject, as in the official file."""
    seeds = [f"*.*.{name}_rng_seed = {getattr(round_.seeds, name)}" for name in ("qsl", "sample_index", "schedule")]
    if round_.test05_seeds is not None:
        seeds += [
            f"*.*.test05_{name}_rng_seed = {getattr(round_.test05_seeds, name)}"
            for name in ("qsl", "sample_index", "schedule")
        ]
    usual = _usual(round_)
    models: dict[str, BenchmarkRule] = {}
    for benchmark in round_.benchmarks.values():
        models.setdefault(benchmark.conf_name, benchmark)
    parts = [
        f"# mlperf.conf of round {round_.name}, rebuilt from its rules ({round_.sources.get('conf', '')})",
        LINE_FORMAT,
        "",
        "# seeds",
        *seeds,
        "",
        "# every model",
        *_general(round_, usual),
    ]
    for name, benchmark in models.items():
        body = _model(name, benchmark, usual)
        if body:
            parts += ["", f"# {benchmark.reference_model}", *body]
    parts += ["", "# for user.conf to say", "*.SingleStream.target_latency = 10", "*.MultiStream.target_latency = 80",
              "*.Server.target_qps = 1.0", "*.Offline.target_qps = 1.0"]  # fmt: skip
    return "\n".join(parts) + "\n"


def _usual(round_: Round) -> dict[Scenario, tuple[float, int | None]]:
    """Scenario to the (percentile, least queries) that most of its benchmarks share; no count unless nearly all do."""
    out: dict[Scenario, tuple[float, int | None]] = {}
    for scenario in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.SERVER, Scenario.OFFLINE):
        rules = [b.scenarios[scenario] for b in round_.benchmarks.values() if scenario in b.scenarios]
        counts = Counter(r.min_queries.conf for r in rules)
        percentiles = Counter(r.percentile for r in rules)
        if rules:
            count = counts.most_common(1)[0][0] if None not in counts else None
            shared = len(counts) == 1 or scenario is not Scenario.OFFLINE
            out[scenario] = percentiles.most_common(1)[0][0], count if shared else None
    return out


def _general(round_: Round, usual: Mapping[Scenario, tuple[float, int | None]]) -> list[str]:
    out = []
    for scenario, (percentile, count) in usual.items():
        at = f"*.{scenario.loadgen_name}"
        out.append(f"{at}.target_latency_percentile = {_number(percentile)}")
        out.append(f"{at}.min_duration = {round_.min_duration_ns // NS_PER_MS}")
        if count:
            out.append(f"{at}.min_query_count = {count}")
        if scenario is Scenario.SERVER:
            out.append(f"{at}.target_latency = 10")
        samples = {
            b.scenarios[scenario].samples_per_query for b in round_.benchmarks.values() if scenario in b.scenarios
        }
        out += [f"{at}.samples_per_query = {n}" for n in samples if n]
    return out


def _model(name: str, benchmark: BenchmarkRule, usual: Mapping[Scenario, tuple[float, int | None]]) -> list[str]:
    """Lines of one model; Interactive is written as Server of "<model>-interactive"."""
    interactive = benchmark.scenarios.get(Scenario.INTERACTIVE)
    out = _model_flags(name, benchmark)
    for scenario, rule in benchmark.scenarios.items():
        if scenario is not Scenario.INTERACTIVE:
            out += _model_scenario(name, rule, usual[scenario])
    if interactive is not None and interactive.has_tokens:
        other = f"{name}-interactive"
        usually = usual.get(Scenario.SERVER, (99.0, None))
        out += [*_model_flags(other, benchmark), *_model_scenario(other, interactive, usually)]
    return out


def _model_flags(name: str, benchmark: BenchmarkRule) -> list[str]:
    out = []
    if benchmark.performance_samples.conf is not None:
        out.append(f"{name}.*.performance_sample_count_override = {benchmark.performance_samples.conf}")
    if benchmark.accuracy_samples not in (None, benchmark.dataset_size):
        out.append(f"{name}.*.accuracy_sample_count_override = {benchmark.accuracy_samples}")
    if benchmark.equal_issue:
        out.append(f"{name}.*.sample_concatenate_permutation = 1")
    if benchmark.token_latencies:
        out.append(f"{name}.*.use_token_latencies = 1")
    if benchmark.inferred_tokens_per_sample:
        out.append(f"{name}.*.infer_token_latencies = 1")
        out.append(f"{name}.*.token_latency_scaling_factor = {benchmark.inferred_tokens_per_sample}")
    return out


def _model_scenario(name: str, rule: ScenarioRule, usual: tuple[float, int | None]) -> list[str]:
    """What this model does differently from the usual."""
    at, out = f"{name}.{rule.loadgen_scenario.loadgen_name}", []
    if rule.percentile != usual[0]:
        out.append(f"{at}.target_latency_percentile = {_number(rule.percentile)}")
    if rule.min_queries.conf and rule.min_queries.conf != usual[1]:
        out.append(f"{at}.min_query_count = {rule.min_queries.conf}")
    if rule.interval and rule.latency_ns:
        out.append(f"{at}.target_qps = {_number(rule.interval_qps or NS_PER_S / rule.latency_ns)}")
        out.append(f"{at}.max_async_queries = 1")
        out.append(f"{at}.target_latency = {rule.latency_ns // NS_PER_MS}")
    elif rule.ttft_ns and rule.tpot_ns:
        out.append(f"{at}.target_latency = 0")
        out.append(f"{at}.ttft_latency = {rule.ttft_ns // NS_PER_MS}")
        out.append(f"{at}.tpot_latency = {rule.tpot_ns // NS_PER_MS}")
    elif rule.scenario is Scenario.SERVER and rule.latency_ns:
        out.append(f"{at}.target_latency = {rule.latency_ns // NS_PER_MS}")
    return out


def audit_config_text(round_: Round, test: str, benchmark: str = "") -> str:
    """See `write_audit_config`. Raises UnknownName with the tests of the round."""
    found = find_test(round_, test)
    rule = round_.benchmark(benchmark) if benchmark else None
    lines = []
    for selector, values in found.config.items():
        model = selector.rpartition(".")[0]
        if rule is None or model in ("*", rule.conf_name):
            lines += [f"{selector}.{key} = {_number(value)}" for key, value in values.items()]
    if found.test05_seeds and round_.test05_seeds is not None:
        for name in ("qsl", "sample_index", "schedule"):
            lines.append(f"*.*.{name}_rng_seed = {getattr(round_.test05_seeds, name)}")
    if not lines:
        raise UsageError(f"{found.id} of {round_.name} needs no audit.config ({found.verifies})")
    return "\n".join([f"# {found.id} of round {round_.name}: {found.verifies}", LINE_FORMAT, *lines]) + "\n"


def _wished(settings: Settings, place: str) -> bool:
    return settings.clauses.get(place, "").startswith("your wish")


def _whole_ms(ns: int, what: str) -> str:
    if ns % NS_PER_MS:
        raise UsageError(
            f"{what} of {ns / NS_PER_MS:g} ms cannot be written to user.conf",
            hint="the official reader takes whole milliseconds only",
        )
    return str(ns // NS_PER_MS)


def _number(value: float) -> str:
    """The shortest text that reads back as the same number; 64-bit seeds stay whole."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return repr(value)


def _write(path: str | Path, text: str) -> None:
    """All or nothing, so that a reader never meets half a file."""
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, target)
