"""From a merged book to a frozen Round: units converted, shorthand spelled out, each field with its clause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mlassay.core.enums import Division, Scenario
from mlassay.core.errors import BadFile
from mlassay.core.settings import Seeds, StreamVersion
from mlassay.core.units import NS_PER_MS, NS_PER_S
from mlassay.rules.chain import Book, Said, Tree
from mlassay.rules.round import (
    BenchmarkRule,
    ComplianceTest,
    Level,
    PowerRule,
    QualityTarget,
    Round,
    ScenarioRule,
    Severity,
    SuiteRule,
    SystemFields,
    Triple,
)

LOADGEN_QUERIES = 100
"""Queries that the official load generator asks for when no file says anything."""


def build_round(book: Book) -> Round:
    """The typed round. Raises BadFile when a value that every round needs is missing."""
    tests = {id: _test(book, id) for id in book.table("tests")}
    names = {k: str(v.value) for k, v in book.table("model_names").items() if isinstance(v, Said)}
    return Round(
        name=book.name,
        extends=book.extends,
        dates={k: _text(book, "dates", k) for k in ("submission", "published", "note")},
        sources=_texts(book, "sources"),
        seeds=_seeds(book, "seeds"),
        test05_seeds=_seeds(book, "test05_seeds") if book.table("test05_seeds") else None,
        min_duration_ns=round(_need(book, "run", "min_duration_s") * NS_PER_S),
        early_stopping=bool(_need(book, "run", "early_stopping")),
        server_runs=int(_need(book, "run", "server_runs")),
        stream=StreamVersion(_need(book, "run", "stream")),
        benchmarks=MappingProxyType({id: _benchmark(book, id) for id in book.table("benchmarks")}),
        tests=MappingProxyType(tests),
        divisions=tuple(Division(d) for d in _need(book, "submission", "divisions")),
        availability=tuple(_need(book, "submission", "availability")),
        system_types=tuple(_need(book, "submission", "system_types")),
        system_fields=_system_fields(book),
        measurement_files=tuple(_need(book, "submission", "measurement_files")),
        log_format=str(_need(book, "submission", "log_format")),
        layout=str(_need(book, "submission", "layout")),
        truncate_accuracy_log=bool(_need(book, "submission", "truncate_accuracy_log")),
        dataset_size_checked=bool(_need(book, "submission", "dataset_size_checked")),
        severity={k: _severity(node) for k, node in book.table("severity").items()},
        power=_power(book),
        model_names=names,
        multistream_supported=bool(_need(book, "scenarios", "multi-stream", "supported")),
        notes=tuple(_get(book, "notes") or ()),
        clauses={
            "seeds": book.clause("seeds"),
            "test05_seeds": book.clause("test05_seeds"),
            "min_duration_ns": book.clause("run", "min_duration_s"),
            "early_stopping": book.clause("run", "early_stopping"),
            "server_runs": book.clause("run", "server_runs"),
            "stream": book.clause("run", "stream"),
            "severity": book.clause("severity"),
            "measurement_files": book.clause("submission", "measurement_files"),
            "layout": book.clause("submission", "layout"),
            "multistream_supported": book.clause("scenarios", "multi-stream", "supported"),
        },
        path=book.path,
    )


def _benchmark(book: Book, id: str) -> BenchmarkRule:
    at = ("benchmarks", id)
    suites = _suites(book, id)
    tree = book.table(*at)
    scenarios = {s: None for suite in suites.values() for s in suite.allowed}
    quality = _quality(book, tree.get("quality"), at)
    size = _get(book, *at, "dataset_size")
    return BenchmarkRule(
        id=id,
        conf_name=str(_need(book, *at, "conf_name")),
        task=_text(book, *at, "task"),
        reference_model=_text(book, *at, "reference_model"),
        dataset=_text(book, *at, "dataset"),
        dataset_size=size,
        accuracy_samples=_get(book, *at, "accuracy_samples") or size,
        performance_samples=_triple(tree.get("performance_samples")),
        quality=quality,
        suites=MappingProxyType(suites),
        scenarios=MappingProxyType(
            {s: _scenario(book, id, s, size, quality) for s in sorted(scenarios, key=list(Scenario).index)}
        ),
        compliance=tuple(_get(book, *at, "compliance") or ()),
        equal_issue=bool(_get(book, *at, "equal_issue")),
        token_latencies=bool(_get(book, *at, "token_latencies")),
        inferred_tokens_per_sample=_get(book, *at, "inferred_tokens_per_sample"),
        accuracy_files={
            k: tuple(v.value) for k, v in book.table(*at, "accuracy_files").items() if isinstance(v, Said)
        },
        clauses={
            key: book.clause(*at, key)
            for key in ("dataset_size", "performance_samples", "quality", "suites", "compliance", "equal_issue",
                        "token_latencies", "accuracy_files")
            if key in tree
        },
    )  # fmt: skip


def _scenario(
    book: Book, id: str, scenario: Scenario, dataset_size: int | None, quality: tuple[QualityTarget, ...]
) -> ScenarioRule:
    own = ("benchmarks", id, scenario.value)
    general = ("scenarios", scenario.value)
    clauses: dict[str, str] = {}

    def find(key: str, field: str) -> Any:
        """The benchmark's own value, else the round's for the scenario; a node, not yet a number."""
        for at in (own, general):
            if key in book.table(*at):
                clauses[field] = book.clause(*at, key)
                return book.table(*at)[key]
        return None

    def value(key: str, field: str) -> Any:
        node = find(key, field)
        return node.value if isinstance(node, Said) else None

    latency = find("latency_ms", "latency_ns")
    conf_ms, checker_ms = _two(latency)
    samples = _get(book, *own, "min_samples")
    min_samples = value("min_samples", "min_samples")
    if samples is None and min_samples and dataset_size and _get(book, *general, "capped_by_dataset"):
        min_samples = min(min_samples, dataset_size)
    own_quality = book.table(*own, "quality")
    if own_quality:
        base = book.table("benchmarks", id, "quality")
        merged = {k: {**_as_table(base.get(k)), **_as_table(own_quality.get(k))} for k in {**base, **own_quality}}
        quality = _quality(book, dict(merged), own)
    own_queries = _triple(book.table(*own).get("min_queries"))
    min_queries = _overlaid(_triple(book.table(*general).get("min_queries")), own_queries)
    if _get(book, *general, "capped_by_dataset") and own_queries.conf is None:
        min_queries = replace(min_queries, conf=min_samples)  # mlperf.conf then lists every model's own minimum
    find("min_queries", "min_queries")
    required, default = _query_counts(book, scenario, min_queries, own_queries, clauses)
    minimum_ns = round(_need(book, "run", "min_duration_s") * NS_PER_S)
    clauses["min_duration_ns"] = book.clause("run", "min_duration_s")
    accuracy = _get(book, *own, "accuracy_samples") or _get(book, "benchmarks", id, "accuracy_samples")
    return ScenarioRule(
        scenario=scenario,
        percentile=float(value("percentile", "percentile") or 90.0),
        latency_ns=_ns(conf_ms),
        latency_ns_checker=_ns(checker_ms),
        ttft_ns=_ns(value("ttft_ms", "ttft_ns")),
        tpot_ns=_ns(value("tpot_ms", "tpot_ns")),
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
    if not _need(book, "run", "early_stopping"):
        count = stated.conf or stated.checker or 0
        return count, count or LOADGEN_QUERIES
    if own.checker:
        return own.checker, stated.conf or own.checker
    key = ("scenarios", scenario.value, "early_stopping_min_queries")
    clauses["required_queries"] = book.clause(*key) if book.said(*key) else book.clause("run", "early_stopping")
    count = _get(book, *key) or 0
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
        by_rules = _get(book, "benchmarks", id, "suites_by_rules", name) or ()
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
    for metric, node in _as_table(tree).items():
        v = {k: said.value for k, said in _as_table(node).items() if isinstance(said, Said)}
        reference, factor = v.get("reference"), v.get("factor")
        minimum = v.get("min", reference * factor if reference and factor else None)
        top = v.get("max_reference", reference)
        maximum = v.get("max", top * v["max_factor"] if top and "max_factor" in v else None)
        clause = book.clause(*at, "quality", metric)
        targets.append(QualityTarget(metric=metric, minimum=minimum, maximum=maximum, reference=reference,
                                     factor=factor, clause=clause))  # fmt: skip
    return tuple(targets)


def _test(book: Book, id: str) -> ComplianceTest:
    at = ("tests", id)
    config = {
        selector: {
            k: int(s.value) if isinstance(s.value, str) else s.value
            for k, s in _as_table(node).items()
            if isinstance(s, Said)
        }
        for selector, node in book.table(*at, "config").items()
    }
    bounds = {k: float(s.value) for k, s in book.table(*at, "bounds").items() if isinstance(s, Said)}
    return ComplianceTest(
        id=id,
        verifies=_text(book, *at, "verifies"),
        config=config,
        bounds=bounds,
        test05_seeds=bool(_get(book, *at, "test05_seeds")),
        clause=book.clause(*at),
    )


def _system_fields(book: Book) -> SystemFields:
    groups = [_get(book, "system_fields", g) or () for g in ("basic", "detailed", "more")]
    return SystemFields(
        required=tuple(name for group in groups for name in group),
        may_be_empty=tuple(_get(book, "system_fields", "may_be_empty") or ()),
        filled=bool(_get(book, "system_fields", "filled")),
        network=tuple(_get(book, "system_fields", "network") or ()),
        measurements=tuple(_get(book, "measurement_fields", "required") or ()),
        measurements_filled=bool(_get(book, "measurement_fields", "filled")),
    )


def _power(book: Book) -> PowerRule | None:
    if not book.table("power"):
        return None
    return PowerRule(
        directories=tuple(_need(book, "power", "directories")),
        power_files=tuple(_need(book, "power", "power_files")),
        extra_run_files=tuple(_need(book, "power", "extra_run_files")),
        documents=tuple(_need(book, "power", "documents")),
        max_clock_difference_ms=int(_need(book, "power", "max_clock_difference_ms")),
        clause=book.clause("power"),
    )


def _severity(node: Tree | Said) -> Severity:
    if isinstance(node, Said):
        return Severity(Level(node.value))
    level, note = node.get("level"), node.get("note")
    return Severity(
        Level(level.value) if isinstance(level, Said) else Level.ABSENT, note.value if isinstance(note, Said) else ""
    )


def _seeds(book: Book, table: str) -> Seeds:
    return Seeds(**{key: int(_need(book, table, key)) for key in ("qsl", "sample_index", "schedule")})


def _triple(node: Tree | Said | None) -> Triple:
    """A plain number means that checker, mlperf.conf and rules agree."""
    if isinstance(node, Said):
        return Triple(node.value, node.value, node.value)
    values = {k: said.value for k, said in (node or {}).items() if isinstance(said, Said)}
    return Triple(values.get("checker"), values.get("conf"), values.get("rules"))


def _overlaid(general: Triple, own: Triple) -> Triple:
    """`own` where it speaks; its conf of 0 says that mlperf.conf has no entry."""
    conf = general.conf if own.conf is None else own.conf or None
    return Triple(general.checker if own.checker is None else own.checker, conf, own.rules or general.rules)


def _two(node: Any) -> tuple[float | None, float | None]:
    """(conf, checker) of a latency; a plain number stands for both."""
    if isinstance(node, Said):
        return node.value, node.value
    values = {k: said.value for k, said in _as_table(node).items() if isinstance(said, Said)}
    return values.get("conf"), values.get("checker")


def _ns(ms: float | None) -> int | None:
    return None if ms is None else round(ms * NS_PER_MS)


def _as_table(node: Any) -> Tree:
    return node if isinstance(node, dict) else {}


def _get(book: Book, *path: str) -> Any:
    said = book.said(*path)
    return None if said is None else said.value


def _need(book: Book, *path: str) -> Any:
    said = book.said(*path)
    if said is None:
        raise BadFile(book.path, key=".".join(path), found="missing", expected="a value, here or in a parent round")
    return said.value


def _text(book: Book, *path: str) -> str:
    return str(_get(book, *path) or "")


def _texts(book: Book, table: str) -> Mapping[str, str]:
    return {k: str(v.value) for k, v in book.table(table).items() if isinstance(v, Said)}
