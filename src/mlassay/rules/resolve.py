"""Round + benchmark + scenario + division + wishes → frozen Settings, each value with the clause that decides it.

In closed and network a wish may tighten a bound and never loosen it. In open it may, and `Settings.deviations` says so.
A shorter run is always allowed: `Settings.required` keeps what the round wants, and the verdict can then be no better
than INDICATIVE. `round="none"` needs no rules at all.
"""

from __future__ import annotations

from types import MappingProxyType

from mlassay.core.enums import Division, SampleOrder, Scenario
from mlassay.core.errors import UnknownName, UsageError
from mlassay.core.settings import (
    AccuracyLog,
    IntervalMultiStream,
    Load,
    MultiStream,
    Offline,
    Required,
    Server,
    Settings,
    SingleStream,
    TokenBounds,
)
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.rules.audit import apply_test
from mlassay.rules.reader import load_round
from mlassay.rules.round import BenchmarkRule, Round, ScenarioRule
from mlassay.rules.unruled import without_rules
from mlassay.rules.wishes import DEFAULT, Deal, Wishes, show_ns

__all__ = ["Wishes", "resolve"]


def resolve(wishes: Wishes) -> Settings:
    """The settings of one run.

    Raises RuleViolation, quoting the clause, when a closed wish loosens a bound; UnknownName for a round, benchmark or
    scenario that there is not, with near names; UsageError for what makes no sense.
    """
    if wishes.round == "none":
        return without_rules(wishes)
    round_ = wishes.round if isinstance(wishes.round, Round) else load_round(wishes.round)
    if not wishes.benchmark:
        raise UsageError(f"round {round_.name} needs a benchmark", hint=f"one of {', '.join(round_.benchmarks)}")
    if wishes.division not in round_.divisions:
        raise UsageError(
            f"round {round_.name} has no {wishes.division} division",
            hint=f"it has {', '.join(sorted(round_.divisions))}",
        )
    benchmark = round_.benchmark(wishes.benchmark)
    rule = _scenario_rule(wishes, round_, benchmark)
    label = f"{round_.name} {benchmark.id} {wishes.scenario.value}"
    deal = Deal(label, closed=wishes.division is not Division.OPEN)
    if wishes.scenario in benchmark.open_scenarios:
        where = round_.sources.get("rules", round_.name)
        deal.deviations.append(f"{wishes.scenario.value} is not a scenario of {benchmark.id} in closed ({where})")
    settings = _settings(wishes, round_, benchmark, rule, deal)
    if wishes.test:
        return apply_test(settings, round_, benchmark, wishes.test)
    return settings


def _scenario_rule(wishes: Wishes, round_: Round, benchmark: BenchmarkRule) -> ScenarioRule:
    scenario = wishes.scenario
    if scenario is Scenario.MULTI_STREAM and not round_.multistream_supported:
        raise UsageError(
            f"round {round_.name} has no multi-stream scenario ({round_.clauses['multistream_supported']})",
            hint="use v1.0 (fixed interval) or v2.0 and later (8 samples a query)",
        )
    if scenario in benchmark.open_scenarios and wishes.division is Division.OPEN:
        return benchmark.open_scenarios[scenario]
    if scenario not in benchmark.scenarios:
        elsewhere = [b.id for b in round_.benchmarks.values() if scenario in b.scenarios]
        near = [s.value for s in benchmark.scenarios]
        error = UnknownName(f"scenario of {benchmark.id} in {round_.name}", scenario.value, near, [])
        if elsewhere:
            error.hint += f"; {scenario.value} is run by {', '.join(elsewhere)}"
        if scenario in benchmark.open_scenarios:
            error.hint += "; in the open division any scenario may be run"
        raise error
    if wishes.suite is not None:
        suite = benchmark.suite(wishes.suite)
        if suite is None or scenario not in suite.allowed:
            allowed = ", ".join(s.value for s in suite.allowed) if suite else "no scenario"
            raise UsageError(
                f"{benchmark.id} is not run as {scenario.value} in the {wishes.suite} suite of {round_.name}",
                hint=f"that suite has {allowed} for it",
            )
    return benchmark.scenarios[scenario]


def _settings(wishes: Wishes, round_: Round, benchmark: BenchmarkRule, rule: ScenarioRule, deal: Deal) -> Settings:
    offline = wishes.scenario is Scenario.OFFLINE
    load = _load(wishes, round_, rule, deal)
    count_clause = rule.clauses.get("required_queries", DEFAULT)
    order = SampleOrder.EQUAL_ISSUE if benchmark.equal_issue else SampleOrder.RANDOM
    order_clause = benchmark.clauses.get("equal_issue", round_.sources.get("rules", ""))
    deal.clauses["required"] = rule.clauses["min_duration_ns"]
    return Settings(
        scenario=wishes.scenario,
        load=load,
        mode=wishes.mode,
        min_duration_ns=deal.length(
            "min_duration_ns", wishes.min_duration_ns, rule.min_duration_ns, rule.clauses["min_duration_ns"], show_ns
        ),
        max_duration_ns=deal.free("max_duration_ns", wishes.max_duration_ns, 0),
        min_query_count=1
        if offline
        else deal.length("min_query_count", wishes.min_query_count, rule.default_queries, count_clause),
        max_query_count=deal.free("max_query_count", wishes.max_query_count, 0),
        sample_order=deal.fixed("sample_order", "the sample order", wishes.sample_order, order, order_clause),
        same_index=deal.free("same_index", wishes.same_index, 0),
        performance_sample_count=_performance_samples(wishes, benchmark, deal),
        accuracy_sample_count=_accuracy_samples(wishes, benchmark, rule, deal),
        seeds=deal.fixed("seeds", "the triple of seeds", wishes.seeds, round_.seeds, round_.clauses["seeds"]),
        accuracy_log=deal.free("accuracy_log", wishes.accuracy_log, AccuracyLog()),
        early_stopping=deal.fixed(
            "early_stopping",
            "early stopping",
            wishes.early_stopping,
            round_.early_stopping,
            round_.clauses["early_stopping"],
            lambda on: "on" if on else "off",
        ),
        token_latencies=deal.fixed(
            "token_latencies",
            "the judging of token latencies",
            wishes.token_latencies,
            benchmark.token_latencies,
            benchmark.clauses.get("token_latencies", round_.sources.get("conf", "")),
            lambda on: "on" if on else "off",
        ),
        stream=deal.fixed(
            "stream", "the version of the random streams", wishes.stream, round_.stream, round_.clauses["stream"]
        ),
        required=Required(
            min_duration_ns=rule.min_duration_ns,
            min_query_count=rule.required_queries,
            min_sample_count=rule.min_samples or 0 if offline else 0,
            runs=round_.server_runs if wishes.scenario is Scenario.SERVER else 1,
        ),
        stall_timeout_ns=deal.free("stall_timeout_ns", wishes.stall_timeout_ns, 300 * NS_PER_S),
        round=round_.name,
        benchmark=benchmark.id,
        division=wishes.division,
        clauses=MappingProxyType(deal.clauses),
        deviations=tuple(deal.deviations),
    )


def _load(wishes: Wishes, round_: Round, rule: ScenarioRule, deal: Deal) -> Load:
    def percentile() -> float:
        clause = rule.clauses["percentile"]
        value = deal.bound(
            "load.percentile", "percentile", wishes.percentile, rule.percentile, clause,
            higher_is_tighter=True, show=lambda p: f"{p:g}",
        )  # fmt: skip
        return rule.percentile if value is None else value

    def latency(place: str, default_ns: int) -> int:
        limit = rule.latency_ns if rule.latency_ns is not None else rule.latency_ns_checker
        clause = rule.clauses.get("latency_ns", DEFAULT)
        value = deal.bound(place, "latency bound", wishes.latency_bound_ns, limit, clause, show=show_ns)
        return default_ns if value is None else value

    match wishes.scenario:
        case Scenario.SINGLE_STREAM:
            expected = deal.free("load.expected_latency_ns", wishes.expected_latency_ns, NS_PER_MS)
            return SingleStream(expected_latency_ns=expected, percentile=percentile())
        case Scenario.MULTI_STREAM if rule.interval:
            streams = deal.free("load.samples_per_query", wishes.samples_per_query, 1)
            interval = latency("load.interval_ns", 50 * NS_PER_MS)
            return IntervalMultiStream(samples_per_query=streams, interval_ns=interval, percentile=percentile())
        case Scenario.MULTI_STREAM:
            clause = rule.clauses.get("samples_per_query", DEFAULT)
            samples = deal.fixed(
                "load.samples_per_query", "the number of samples per query", wishes.samples_per_query,
                rule.samples_per_query or 8, clause,
            )  # fmt: skip
            expected = deal.free("load.expected_latency_ns", wishes.expected_latency_ns, samples * NS_PER_MS)
            return MultiStream(samples_per_query=samples, expected_latency_ns=expected, percentile=percentile())
        case Scenario.OFFLINE:
            qps = deal.free("load.expected_qps", wishes.target_qps, 1.0)
            wanted = max(rule.min_samples or 1, rule.min_queries.conf or 1)
            clause = rule.clauses.get("min_samples", DEFAULT)
            samples = deal.length("load.min_sample_count", wishes.min_sample_count, wanted, clause)
            return Offline(expected_qps=qps, min_sample_count=samples)
        case _:
            completed = rule.metric != "scheduled"
            deal.clauses["load.completed_metric"] = rule.clauses.get("metric", DEFAULT)
            return Server(
                target_qps=deal.free("load.target_qps", wishes.target_qps, 1.0),
                latency_bound_ns=latency("load.latency_bound_ns", 100 * NS_PER_MS),
                percentile=percentile(),
                coalesce=deal.free("load.coalesce", wishes.coalesce, False),
                max_async_queries=deal.free("load.max_async_queries", wishes.max_async_queries, 0),
                tokens=_tokens(wishes, rule, deal),
                completed_metric=completed,
            )


def _tokens(wishes: Wishes, rule: ScenarioRule, deal: Deal) -> TokenBounds | None:
    if not rule.has_tokens and (wishes.ttft_ns is None or wishes.tpot_ns is None):
        return None
    ttft = deal.bound(
        "load.tokens.ttft_ns", "time to first token", wishes.ttft_ns, rule.ttft_ns,
        rule.clauses.get("ttft_ns", DEFAULT), show=show_ns,
    )  # fmt: skip
    tpot = deal.bound(
        "load.tokens.tpot_ns", "time per output token", wishes.tpot_ns, rule.tpot_ns,
        rule.clauses.get("tpot_ns", DEFAULT), show=show_ns,
    )  # fmt: skip
    assert ttft is not None
    assert tpot is not None
    return TokenBounds(ttft_ns=ttft, tpot_ns=tpot)


def _performance_samples(wishes: Wishes, benchmark: BenchmarkRule, deal: Deal) -> int:
    """mlperf.conf's number; 0 there means the whole library. The checker's number is the least that counts."""
    stated = benchmark.performance_samples
    clause = benchmark.clauses.get("performance_samples", DEFAULT)
    if wishes.performance_sample_count is None:
        deal.clauses["performance_sample_count"] = clause
        return stated.conf if stated.conf is not None else stated.checker or 0
    value = deal.bound(
        "performance_sample_count", "performance sample count", wishes.performance_sample_count, stated.checker,
        clause, higher_is_tighter=True,
    )  # fmt: skip
    return value or 0


def _accuracy_samples(wishes: Wishes, benchmark: BenchmarkRule, rule: ScenarioRule, deal: Deal) -> int:
    """0 (the whole library) unless the round wants another number than the data set's size."""
    clause = benchmark.clauses.get("dataset_size", DEFAULT)
    if not wishes.accuracy_sample_count:
        deal.clauses["accuracy_sample_count"] = clause
        return 0 if rule.accuracy_samples == benchmark.dataset_size else rule.accuracy_samples or 0
    value = deal.bound(
        "accuracy_sample_count", "accuracy sample count", wishes.accuracy_sample_count, rule.accuracy_samples,
        clause, higher_is_tighter=True,
    )  # fmt: skip
    return value or 0
