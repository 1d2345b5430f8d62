"""One benchmark of a round, from the merged book: its scenarios, targets and suites, spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.core.units import NS_PER_S
from mlassay.rules.chain import Book, Said
from mlassay.rules.round import BenchmarkRule, QualityTarget, ScenarioRule, SuiteRule, Triple
from mlassay.rules.values import as_table, get, need, ns, text, triple, two

LOADGEN_QUERIES = 100
"""Queries that the official load generator asks for when no file says anything."""

CITED = (
    "conf_name",
    "task",
    "reference_model",
    "dataset",
    "dataset_size",
    "performance_samples",
    "quality",
    "suites",
    "compliance",
    "equal_issue",
    "token_latencies",
    "accuracy_files",
)
"""Fields of a benchmark whose clause is kept."""


def build_benchmark(book: Book, id: str) -> BenchmarkRule:
    at = ("benchmarks", id)
    suites = _suites(book, id)
    tree = book.table(*at)
    closed = {s for suite in suites.values() for s in suite.allowed}
    known = {Scenario(name) for name in book.table("scenarios")}
    if not get(book, "scenarios", "multi-stream", "supported"):
        known.discard(Scenario.MULTI_STREAM)
    quality = _quality(book, tree.get("quality"), at)
    size = get(book, *at, "dataset_size")
    return BenchmarkRule(
        id=id,
        conf_name=str(need(book, *at, "conf_name")),
        task=text(book, *at, "task"),
        reference_model=text(book, *at, "reference_model"),
        dataset=text(book, *at, "dataset"),
        dataset_size=size,
        accuracy_samples=get(book, *at, "accuracy_samples") or size,
        performance_samples=triple(tree.get("performance_samples")),
        quality=quality,
        suites=MappingProxyType(suites),
        scenarios=_scenarios(book, id, closed, size, quality),
        open_scenarios=_scenarios(book, id, known - closed, size, quality),
        compliance=tuple(get(book, *at, "compliance") or ()),
        equal_issue=bool(get(book, *at, "equal_issue")),
        token_latencies=bool(get(book, *at, "token_latencies")),
        inferred_tokens_per_sample=get(book, *at, "inferred_tokens_per_sample"),
        accuracy_files={k: tuple(v.value) for k, v in book.table(*at, "accuracy_files").items() if isinstance(v, Said)},
        clauses={key: book.clause(*at, key) for key in CITED if key in tree},
    )


def _scenarios(
    book: Book, id: str, wanted: set[Scenario], size: int | None, quality: tuple[QualityTarget, ...]
) -> Mapping[Scenario, ScenarioRule]:
    return MappingProxyType({s: _scenario(book, id, s, size, quality) for s in Scenario if s in wanted})


def _scenario(
    book: Book, id: str, scenario: Scenario, dataset_size: int | None, quality: tuple[QualityTarget, ...]
) -> ScenarioRule:
    own = ("benchmarks", id, scenario.value)
    general = ("scenarios", scenario.value)
    clauses: dict[str, str] = {}

    def find(key: str, field: str) -> Any:
        """The benchmark's own value, else the round's for the scenario; a node, not yet a number.

        Interactive is a Server run to the load generator, so its result stands where the model's Server result does.
        """
        as_server = [("benchmarks", id, "server")] if key == "metric_field" and scenario is Scenario.INTERACTIVE else []
        for at in (own, *as_server, general):
            if key in book.table(*at):
                clauses[field] = book.clause(*at, key)
                return book.table(*at)[key]
        return None

    def value(key: str, field: str) -> Any:
        node = find(key, field)
        return node.value if isinstance(node, Said) else None

    latency = find("latency_ms", "latency_ns")
    conf_ms, checker_ms = two(latency)
    samples = get(book, *own, "min_samples")
    min_samples = value("min_samples", "min_samples")
    if samples is None and min_samples and dataset_size and get(book, *general, "capped_by_dataset"):
        min_samples = min(min_samples, dataset_size)
    own_quality = book.table(*own, "quality")
    if own_quality:
        base = book.table("benchmarks", id, "quality")
        merged = {k: {**as_table(base.get(k)), **as_table(own_quality.get(k))} for k in {**base, **own_quality}}
        quality = _quality(book, dict(merged), own)
    own_queries = triple(book.table(*own).get("min_queries"))
    min_queries = _overlaid(triple(book.table(*general).get("min_queries")), own_queries)
    if get(book, *general, "capped_by_dataset") and own_queries.conf is None:
        min_queries = replace(min_queries, conf=min_samples)  # mlperf.conf then lists every model's own minimum
    find("min_queries", "min_queries")
    required, default = _query_counts(book, scenario, min_queries, own_queries, clauses)
    minimum_ns = round(need(book, "run", "min_duration_s") * NS_PER_S)
    clauses["min_duration_ns"] = book.clause("run", "min_duration_s")
    accuracy = get(book, *own, "accuracy_samples") or get(book, "benchmarks", id, "accuracy_samples")
    return ScenarioRule(
        scenario=scenario,
        percentile=float(value("percentile", "percentile") or 90.0),
        latency_ns=ns(conf_ms),
        latency_ns_checker=ns(checker_ms),
        ttft_ns=ns(value("ttft_ms", "ttft_ns")),
        tpot_ns=ns(value("tpot_ms", "tpot_ns")),
        min_duration_ns=minimum_ns,
        min_queries=min_queries,
        required_queries=required,
        default_queries=default,
        min_samples=min_samples,
        samples_per_query=value("samples_per_query", "samples_per_query"),
        interval=value("style", "interval") == "interval",
        interval_qps=value("interval_qps", "interval_qps"),
        accuracy_samples=accuracy or dataset_size,
        quality=quality,
        metric=value("metric", "metric") or "",
        metric_field=value("metric_field", "metric_field") or "",
        legacy_metric_field=value("legacy_metric_field", "legacy_metric_field") or "",
        clauses=clauses,
    )


def _query_counts(
    book: Book, scenario: Scenario, stated: Triple, own: Triple, clauses: dict[str, str]
) -> tuple[int, int]:
    """(fewest queries of a valid run, what a run is set to). Offline is one query; its samples are counted instead."""
    if scenario is Scenario.OFFLINE:
        return 1, 1
    clauses["required_queries"] = clauses.get("min_queries", "")
    if not need(book, "run", "early_stopping"):
        count = stated.conf or stated.checker or 0
        return count, count or LOADGEN_QUERIES
    if own.checker:
        return own.checker, stated.conf or own.checker
    key = ("scenarios", scenario.value, "early_stopping_min_queries")
    clauses["required_queries"] = book.clause(*key) if book.said(*key) else book.clause("run", "early_stopping")
    count = get(book, *key) or 0
    return count, stated.conf or max(count, LOADGEN_QUERIES)


def _suites(book: Book, id: str) -> dict[str, SuiteRule]:
    """The stated suites, and "datacenter-edge" as the union of both where it is not stated."""
    stated: dict[str, SuiteRule] = {}
    hidden = False
    for name, said in book.table("benchmarks", id, "suites").items():
        assert isinstance(said, Said)
        if not said.value:
            hidden = True  # stated to be none
            continue
        by_rules = get(book, "benchmarks", id, "suites_by_rules", name) or ()
        plain = [x for x in said.value if "|" not in x]
        stated[name] = SuiteRule(
            required=tuple(Scenario(x) for x in plain if not x.endswith("?")),
            optional=tuple(Scenario(x[:-1]) for x in plain if x.endswith("?")),
            one_of=tuple(Scenario(y) for x in said.value if "|" in x for y in x.split("|")),
            required_by_rules=tuple(Scenario(x) for x in by_rules),
            clause=book.clause("benchmarks", id, "suites", name),
        )
    if "datacenter-edge" not in stated and not hidden and "all" not in stated and stated:
        parts = [stated[k] for k in ("datacenter", "edge") if k in stated]
        required = tuple(dict.fromkeys(s for p in parts for s in p.required))
        one_of = tuple(dict.fromkeys(s for p in parts for s in p.one_of))
        optional = tuple(dict.fromkeys(s for p in parts for s in p.optional if s not in required))
        by_rules = tuple(dict.fromkeys(s for p in parts for s in p.required_by_rules))
        stated["datacenter-edge"] = SuiteRule(
            required=required,
            optional=optional,
            one_of=one_of,
            required_by_rules=by_rules,
            clause="the union of datacenter and edge",
        )
    return stated


def _quality(book: Book, tree: Any, at: tuple[str, ...]) -> tuple[QualityTarget, ...]:
    targets = []
    for metric, node in as_table(tree).items():
        v = {k: said.value for k, said in as_table(node).items() if isinstance(said, Said)}
        reference, factor = v.get("reference"), v.get("factor")
        minimum = v.get("min", reference * factor if reference and factor else None)
        top = v.get("max_reference", reference)
        maximum = v.get("max", top * v["max_factor"] if top and "max_factor" in v else None)
        clause = book.clause(*at, "quality", metric)
        targets.append(QualityTarget(metric=metric, minimum=minimum, maximum=maximum, reference=reference,
                                     factor=factor, clause=clause))  # fmt: skip
    return tuple(targets)


def _overlaid(general: Triple, own: Triple) -> Triple:
    """`own` where it speaks; its conf of 0 says that mlperf.conf has no entry."""
    conf = general.conf if own.conf is None else own.conf or None
    return Triple(general.checker if own.checker is None else own.checker, conf, own.rules or general.rules)
