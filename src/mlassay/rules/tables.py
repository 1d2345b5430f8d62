"""Text and JSON of `mlassay rules`: one function per verb, each giving the data and its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.core.errors import UsageError
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.round import BenchmarkRule, Round
from mlassay.rules.view import (
    Change,
    Row,
    benchmark_rows,
    changes,
    latency_text,
    quality_text,
    round_rows,
    scenario_rows,
    short_clause,
    suite_text,
)


def round_list(suite: str) -> list[tuple[str, str, list[str]]]:
    """(name, date of publication, benchmarks) of every round."""
    return [(n, load_round(n).dates["published"], list(load_round(n).benchmarks)) for n in rounds(suite)]


def show(round_name: str, benchmark: str = "", scenario: str = "", suite: str = "inference") -> tuple[Any, str]:
    """A round, a benchmark of it, or one of its scenarios: (data for JSON, text)."""
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
    return data, text + "\n\n" + _sources(round_)


def diff(old: str, new: str, suite: str = "inference") -> tuple[list[Change], str]:
    """What changed between two rounds."""
    found = changes(old, new)
    before, after = load_round(old), load_round(new)
    title = f"{before.name} → {after.name}: {len(found)} changes (+ new, - gone, ~ changed)"
    rows = [(_change_line(c), short_clause(before if c.new is None else after, c.clause)) for c in found]
    return found, "\n".join([title, *_indented(rows), "", _sources(after)])


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
        _rows_text(round_, round_rows(round_)),
        table(header, body),
        "SS single-stream, MS multi-stream, Srv server, Off offline, Int interactive; [ ] optional; … more metrics",
        _sources(round_),
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
        parts.append(_rows_text(round_, benchmark_rows(rule)))
    for scenario, each in rule.scenarios.items():
        if only in (None, scenario):
            parts.append(f"{scenario.value}\n" + _rows_text(round_, scenario_rows(each)))
    return "\n\n".join(parts)


def _rows_text(round_: Round, rows: Sequence[Row]) -> str:
    return table((), [(f"  {r.what}", r.value, short_clause(round_, r.clause)) for r in rows])


def _sources(round_: Round) -> str:
    return "sources\n" + table((), [(f"  {key}", text) for key, text in round_.sources.items()])


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Columns aligned by spaces, two between; the last column is never padded."""
    rows = [header, *body] if header else list(body)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
