"""Rounds as rows for people: what `mlassay rules` and the generated reference print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlassay.core.enums import Scenario
from mlassay.core.units import format_ns
from mlassay.rules.chain import Book, Said, Tree
from mlassay.rules.round import BenchmarkRule, QualityTarget, Round, ScenarioRule, SuiteRule, Triple

SHORT = {"single-stream": "SS", "multi-stream": "MS", "server": "Srv", "offline": "Off", "interactive": "Int"}
"""Scenario names in narrow tables."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact: what, how much, and where it is written."""

    what: str
    value: str
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two rounds. `old` or `new` is None where only the other round has the value."""

    path: str
    old: object
    new: object
    clause: str


def quality_text(targets: tuple[QualityTarget, ...]) -> str:
    """'F1 ≥ 89.9653 (99 % of 90.874)'."""
    return "; ".join(_target(t) for t in targets)


def _target(target: QualityTarget) -> str:
    low = "" if target.minimum is None else f" ≥ {target.minimum:.6g}"
    high = "" if target.maximum is None else f" ≤ {target.maximum:.6g}"
    of = f" ({target.factor * 100:g} % of {target.reference:g})" if target.factor and target.reference else ""
    return f"{target.metric}{low}{high}{of}"


def suite_text(rule: SuiteRule | None, *, short: bool = False) -> str:
    """'SS + Off [MS]': needed, then optional in brackets, then alternatives."""
    if rule is None:
        return "–"

    def name(scenario: Scenario) -> str:
        return SHORT[scenario.value] if short else scenario.value

    needed = [name(s) for s in rule.required]
    if rule.one_of:
        needed.append("(" + " or ".join(name(s) for s in rule.one_of) + ")")
    optional = f"[{', '.join(name(s) for s in rule.optional)}]" if rule.optional else ""
    return " ".join(part for part in (" + ".join(needed), optional) if part)


def latency_text(rule: ScenarioRule) -> str:
    """The bound of a scenario, in words; empty when it has none."""
    if rule.ttft_ns is not None and rule.tpot_ns is not None:
        return f"first token {_ms(rule.ttft_ns)}, per output token {_ms(rule.tpot_ns)}"
    limit = rule.latency_ns if rule.latency_ns is not None else rule.latency_ns_checker
    if limit is None:
        return ""
    if rule.latency_ns_checker not in (None, limit):
        return f"{_ms(limit)} (checker {_ms(rule.latency_ns_checker or 0)})"
    return _ms(limit)


def triple_text(triple: Triple) -> str:
    """One number when all agree, else each with its origin."""
    values = {"checker": triple.checker, "conf": triple.conf, "rules": triple.rules}
    if len(set(values.values())) == 1:
        return "–" if triple.checker is None else f"{triple.checker:,}"
    return ", ".join(f"{k} {v:,}" for k, v in values.items() if v is not None) or "–"


def round_rows(round_: Round) -> list[Row]:
    """What holds for the whole round."""
    seeds = round_.seeds
    rows = [
        Row("submitted / published", f"{round_.dates['submission'] or '?'} / {round_.dates['published'] or '?'}",
            round_.dates["note"]),
        Row("shortest run", format_ns(round_.min_duration_ns), round_.clauses["min_duration_ns"]),
        Row("early stopping", "yes" if round_.early_stopping else "no", round_.clauses["early_stopping"]),
        Row("seeds qsl / sample index / schedule", f"{seeds.qsl} / {seeds.sample_index} / {seeds.schedule}",
            round_.clauses["seeds"]),
    ]  # fmt: skip
    other = round_.test05_seeds
    if other is not None:
        triple = f"{other.qsl} / {other.sample_index} / {other.schedule}"
        rows.append(Row("seeds of TEST05", triple, round_.clauses["test05_seeds"]))
    rows += [
        Row("random streams", f"as LoadGen {round_.stream.value}", round_.clauses["stream"]),
        Row("Server runs", str(round_.server_runs), round_.clauses["server_runs"]),
        Row("divisions", ", ".join(round_.divisions)),
        Row("layout / logs", f"{round_.layout} / {round_.log_format}", round_.clauses["layout"]),
        Row("compliance tests", ", ".join(round_.tests)),
    ]
    return rows


def benchmark_rows(rule: BenchmarkRule) -> list[Row]:
    """What holds for a benchmark in every scenario."""
    size = "?" if rule.dataset_size is None else f"{rule.dataset_size:,} samples"
    clauses = rule.clauses
    rows = [
        Row("name in configuration files", rule.conf_name, clauses.get("conf_name", "")),
        Row("task", rule.task, clauses.get("task", "")),
        Row("reference model", rule.reference_model, clauses.get("reference_model", "")),
        Row("data set", f"{rule.dataset}, {size}", clauses.get("dataset_size", "")),
        Row("performance samples", triple_text(rule.performance_samples), clauses.get("performance_samples", "")),
    ]
    if rule.accuracy_samples not in (None, rule.dataset_size):
        rows.append(Row("accuracy samples", f"{rule.accuracy_samples:,}"))
    rows += [Row("quality", _target(t), t.clause) for t in rule.quality]
    rows += [Row(f"scenarios, {name}", suite_text(suite), suite.clause) for name, suite in rule.suites.items()]
    rows += [Row(f"rules ask, {name}", " + ".join(suite.required_by_rules)) for name, suite in rule.suites.items()
             if suite.required_by_rules and name != "datacenter-edge"]  # fmt: skip
    rows.append(Row("sample order", "equal issue" if rule.equal_issue else "random", clauses.get("equal_issue", "")))
    if rule.token_latencies:
        rows.append(Row("token latencies", "reported", clauses.get("token_latencies", "")))
    if rule.inferred_tokens_per_sample:
        rows.append(Row("tokens per sample", f"{rule.inferred_tokens_per_sample}, inferred"))
    rows.append(Row("compliance", ", ".join(rule.compliance) or "none", clauses.get("compliance", "")))
    return rows


def scenario_rows(rule: ScenarioRule) -> list[Row]:
    """What one scenario adds."""
    clauses = rule.clauses
    rows = []
    if latency_text(rule):
        clause = clauses.get("ttft_ns") if rule.has_tokens else clauses.get("latency_ns")
        rows.append(Row("latency bound", latency_text(rule), clause or ""))
        if rule.has_tokens and rule.latency_ns_checker:
            rows.append(Row("whole latency", _ms(rule.latency_ns_checker), clauses.get("latency_ns", "")))
    if rule.scenario is not Scenario.OFFLINE:
        rows.append(Row("percentile", f"p{rule.percentile:g}", clauses.get("percentile", "")))
        queries = f"{rule.required_queries:,}" if rule.required_queries else "as early stopping decides"
        rows.append(Row("queries", queries, clauses.get("required_queries", "")))
    if rule.samples_per_query:
        rows.append(Row("samples per query", str(rule.samples_per_query), clauses.get("samples_per_query", "")))
    elif rule.interval:
        rows.append(Row("samples per query", "as many streams as hold", clauses.get("interval", "")))
    if rule.min_samples is not None and rule.scenario is Scenario.OFFLINE:
        rows.append(Row("samples", f"{rule.min_samples:,}", clauses.get("min_samples", "")))
    rows.append(Row("shortest run", format_ns(rule.min_duration_ns), clauses.get("min_duration_ns", "")))
    rows.append(Row("result is read from", rule.metric_field, clauses.get("metric_field", "")))
    return rows


def changes(old: Book, new: Book) -> list[Change]:
    """Every value that differs between two rounds; a benchmark that came or went is one change."""
    out = []
    for id in sorted(set(old.table("benchmarks")) ^ set(new.table("benchmarks"))):
        here = id in new.table("benchmarks")
        book = new if here else old
        name = book.said("benchmarks", id, "reference_model") or book.said("benchmarks", id, "model")
        label = str(name.value) if name else id
        clause = book.clause("benchmarks", id, "suites") or book.clause("benchmarks", id, "model")
        out.append(Change(f"benchmarks.{id}", None if here else label, label if here else None, clause))
    was, now = dict(_values(old)), dict(_values(new))
    for path in sorted(set(was) | set(now)):
        if path[0] == "benchmarks" and (
            path[1] not in old.table("benchmarks") or path[1] not in new.table("benchmarks")
        ):
            continue
        if was.get(path) != now.get(path):
            book = new if path in now else old
            out.append(Change(".".join(path), was.get(path), now.get(path), book.clause(*path)))
    return out


def _values(book: Book) -> Iterator[tuple[tuple[str, ...], object]]:
    def walk(tree: Tree, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
        for key, node in tree.items():
            if isinstance(node, Said):
                yield (*at, key), node.value
            else:
                yield from walk(node, (*at, key))

    skipped = ("round", "dates", "extends", "notes", "sources", "source_of")
    yield from walk({k: v for k, v in book.tree.items() if k not in skipped}, ())


def _ms(ns: int) -> str:
    return format_ns(ns)
