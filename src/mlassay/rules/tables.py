"""Text and JSON of `mlassay rules`: one function per verb, each giving the data and its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.core.errors import UsageError
from mlassay.rules.reader import load_book, load_round, rounds
from mlassay.rules.round import BenchmarkRule, Round
from mlassay.rules.text import rows_text, short_clause, sources_text, table
from mlassay.rules.training import load_training_book, load_training_round
from mlassay.rules.training_view import training_benchmark_text, training_round_text
from mlassay.rules.values import texts
from mlassay.rules.view import (
    Change,
    benchmark_rows,
    changes,
    latency_text,
    quality_text,
    round_rows,
    scenario_rows,
    suite_text,
)


def round_list(suite: str) -> list[tuple[str, str, list[str]]]:
    """(name, date of publication, benchmarks) of every round."""
    if suite == "training":
        known = [load_training_round(n) for n in rounds(suite)]
        return [(r.name, r.published, list(r.benchmarks)) for r in known]
    return [(n, load_round(n).dates["published"], list(load_round(n).benchmarks)) for n in rounds(suite)]


def show(round_name: str, benchmark: str = "", scenario: str = "", suite: str = "inference") -> tuple[Any, str]:
    """A round, a benchmark of it, or one of its scenarios: (data for JSON, text)."""
    if suite == "training":
        return _show_training(round_name, benchmark, scenario)
    round_ = load_round(round_name)
    if not benchmark:
        if scenario:
            raise UsageError("--scenario needs a benchmark", hint=f"one of {', '.join(round_.benchmarks)}")
        return round_, _round_text(round_)
    only = scenario_named(scenario)
    found = round_.find(benchmark)
    if only is not None:
        for rule in found:
            rule.scenario(only, round_.name)
    text = "\n\n".join(_benchmark_text(round_, rule, only) for rule in found)
    data: Any = found if len(found) > 1 else found[0]
    if only is not None:
        data = [rule.scenarios[only] for rule in found] if len(found) > 1 else found[0].scenarios[only]
    return data, text + "\n\n" + sources_text(round_.sources)


def diff(old: str, new: str, suite: str = "inference") -> tuple[list[Change], str]:
    """What changed between two rounds."""
    load = load_training_book if suite == "training" else load_book
    before, after = load(old), load(new)
    found = changes(before, after)
    title = f"{before.name} → {after.name}: {len(found)} changes (+ new, - gone, ~ changed)"
    sources = texts(before, "sources"), texts(after, "sources")
    rows = [(_change_line(c), short_clause(sources[c.new is not None], c.clause)) for c in found]
    return found, "\n".join([title, *_indented(rows), "", sources_text(sources[1])])


def _show_training(round_name: str, benchmark: str, scenario: str) -> tuple[Any, str]:
    if scenario:
        raise UsageError("training has no scenarios", hint="leave --scenario out")
    round_ = load_training_round(round_name)
    if not benchmark:
        return round_, training_round_text(round_)
    found = round_.benchmark(benchmark)
    return found, training_benchmark_text(round_, found)


def _indented(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Each line with its source; a very long one does not push the column away."""
    width = max((len(line) for line, _ in rows if len(line) <= 90), default=0)
    return [f"{line.ljust(width)}  [{source}]" for line, source in rows]


def scenario_named(text: str) -> Scenario | None:
    """Any usual spelling; "" is None. Raises UsageError."""
    if not text:
        return None
    try:
        return Scenario.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _change_line(change: Change) -> str:
    if change.old is None:
        return f"  + {change.path} = {_plain(change.new)}"
    if change.new is None:
        return f"  - {change.path} (was {_plain(change.old)})"
    return f"  ~ {change.path}: {_plain(change.old)} → {_plain(change.new)}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value) or "none"
    return str(value)


def _round_text(round_: Round) -> str:
    header = ("benchmark", "quality", "datacenter", "edge", "latency bound", "compliance")
    body = [
        (b.id, quality_text(b.quality[:1]) + (" …" if len(b.quality) > 1 else ""),
         suite_text(b.suite("datacenter"), short=True), suite_text(b.suite("edge"), short=True),
         _bounds(b), " ".join(t.removeprefix("TEST") for t in b.compliance) or "–")
        for b in round_.benchmarks.values()
    ]  # fmt: skip
    parts = [
        f"MLPerf inference {round_.name}",
        rows_text(round_.sources, round_rows(round_)),
        table(header, body),
        "SS single-stream, MS multi-stream, Srv server, Off offline, Int interactive; [ ] optional; … more metrics",
        sources_text(round_.sources),
    ]
    if round_.notes:
        parts.append("notes\n" + "\n".join(f"  - {note}" for note in round_.notes))
    return "\n\n".join(parts)


def _bounds(benchmark: BenchmarkRule) -> str:
    bounds = [
        f"{scenario.value} {latency_text(rule)}" for scenario, rule in benchmark.scenarios.items() if latency_text(rule)
    ]
    return "; ".join(bounds).replace("first token", "TTFT").replace("per output token", "TPOT") or "–"


def _benchmark_text(round_: Round, rule: BenchmarkRule, only: Scenario | None) -> str:
    parts = [f"{rule.id} in {round_.name}"]
    if only is None:
        parts.append(rows_text(round_.sources, benchmark_rows(rule)))
    for scenario, each in rule.scenarios.items():
        if only in (None, scenario):
            parts.append(f"{scenario.value}\n" + rows_text(round_.sources, scenario_rows(each)))
    return "\n\n".join(parts)
