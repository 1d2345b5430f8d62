"""Two results, systems, rounds or sets of runs side by side: how much faster, how sure, what differs, comparable?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlassay.core.errors import UsageError
from mlassay.results.comparable import Differs, Ruling, differences, ruling
from mlassay.results.gate import Condition, Gated, GateVerdict, judge
from mlassay.results.labels import benchmark_title
from mlassay.results.per_query import Int64, tail_ratio
from mlassay.results.sides import Item, Side
from mlassay.stats.difference import compare as compare_runs

SHOWN = ("value", "p50", "p90", "p99", "p99.9", "mean", "accuracy")
TAILS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p97": 97.0, "p99": 99.0, "p99.9": 99.9}
MIN_QUERIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric on both sides. `ratio` is b / a; `low` and `high` its interval, None where none can be given."""

    metric: str
    unit: str
    a: float
    b: float
    ratio: float
    low: float | None
    high: float | None
    higher_is_better: bool | None
    method: str
    sure: bool | None  # whether noise can be ruled out; None where nothing tells

    @property
    def better(self) -> bool | None:
        """Whether B is better; None when equal or when neither direction is."""
        if self.higher_is_better is None or self.ratio == 1:
            return None
        return (self.ratio > 1) == self.higher_is_better


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One task and scenario in which both sides have something."""

    name: str
    a: str
    b: str
    keys_a: tuple[str, ...]  # the results behind each side, as `mlassay cite` takes them
    keys_b: tuple[str, ...]
    measured: tuple[Measured, ...]
    ruling: Ruling
    differs: tuple[Differs, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything about A and B. `gate` is empty without conditions."""

    a: str
    b: str
    confidence: float
    cells: tuple[Cell, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    gate: tuple[Gated, ...] = ()

    def failed(self, *, strict: bool = False) -> bool:
        """Whether the gate is shut; `strict` shuts it for changes that may be noise as well."""
        shut = (GateVerdict.FAIL, GateVerdict.UNSURE) if strict else (GateVerdict.FAIL,)
        return any(g.verdict in shut for g in self.gate)


def compare(a: Side, b: Side, *, confidence: float = 95.0, fail_on: Sequence[Condition] = ()) -> Comparison:
    """Compare two sides, task by task and scenario by scenario. Raises UsageError when they share none."""
    left, right = _by_cell(a), _by_cell(b)
    shared = [k for k in left if k in right]
    if not shared:
        kinds = [", ".join(sorted({_title(k) for k in side}))[:200] or "nothing" for side in (left, right)]
        raise UsageError("A and B have no task and scenario in common", hint=f"A holds {kinds[0]}; B holds {kinds[1]}")
    cells = tuple(cell for k in shared for cell in _cells(_title(k), left[k], right[k], confidence))
    return Comparison(
        a=a.label,
        b=b.label,
        confidence=confidence,
        cells=cells,
        only_a=tuple(sorted(_title(k) for k in left if k not in right)),
        only_b=tuple(sorted(_title(k) for k in right if k not in left)),
        gate=tuple(g for condition in fail_on for g in _gated(condition, cells)),
    )


_Key = tuple[str, str, str]


def _by_cell(side: Side) -> dict[_Key, list[Item]]:
    out: dict[_Key, list[Item]] = {}
    for item in side.items:
        if item.view.value is not None or item.latencies:
            out.setdefault((item.view.suite, item.view.benchmark, item.view.scenario), []).append(item)
    return out


def _title(key: _Key) -> str:
    return " ".join(p for p in (benchmark_title(key[1]), key[2] or key[0]) if p)


def _cells(title: str, a: list[Item], b: list[Item], confidence: float) -> list[Cell]:
    """Runs of one system pool; sets of systems are matched by name, or by their best where no name matches."""
    if _one_system(a) and _one_system(b):
        return [_cell(title, a, b, confidence)]
    names = {_who(i) for i in a} & {_who(i) for i in b}
    if names:
        return [
            _cell(f"{title} · {name}", [i for i in a if _who(i) == name], [i for i in b if _who(i) == name], confidence)
            for name in sorted(names)
        ]
    note = f"no system stands on both sides: the best of {len(a)} against the best of {len(b)}"
    return [_cell(title, [_best(a)], [_best(b)], confidence, note)]


def _who(item: Item) -> str:
    return f"{item.view.submitter} {item.view.system}".strip()


def _one_system(items: list[Item]) -> bool:
    return len({(_who(i), i.view.division, i.view.model) for i in items}) == 1


def _best(items: list[Item]) -> Item:
    read = [i for i in items if i.view.value is not None] or items
    higher = read[0].view.higher_is_better
    return min(read, key=lambda i: (i.view.value or 0.0) * (-1 if higher else 1))


def _cell(title: str, a: list[Item], b: list[Item], confidence: float, note: str = "") -> Cell:
    first, second = a[0].view, b[0].view
    comparing_units = first.unit == second.unit and first.metric == second.metric
    shown = ("value", "accuracy") if first.scenario == "Offline" else SHOWN  # Offline is one query: it has no tail
    measured = [_measure(m, a, b, confidence) for m in shown if m != "value" or comparing_units]
    if not comparing_units:
        note = "; ".join(n for n in (note, f"{first.metric} ({first.unit}) and {second.metric} ({second.unit})") if n)
    return Cell(
        name=title,
        a=_name(a),
        b=_name(b),
        keys_a=tuple(i.view.key for i in a),
        keys_b=tuple(i.view.key for i in b),
        measured=tuple(m for m in measured if m is not None),
        ruling=ruling(first, second),
        differs=differences(first, second),
        note=note,
    )


def _name(items: list[Item]) -> str:
    view = items[0].view
    who = " ".join(p for p in (view.submitter, view.system) if p)
    return f"{who or view.key} ({view.round or 'no round'}{f', {len(items)} runs' if len(items) > 1 else ''})"


def _measure(metric: str, a: list[Item], b: list[Item], confidence: float) -> Measured | None:
    left = [v for i in a for v in i.values(metric) if v > 0]
    right = [v for i in b for v in i.values(metric) if v > 0]
    if metric == "value" and _sharing_runs(a) and _sharing_runs(b):
        left, right = [a[0].view.value or 0.0], [b[0].view.value or 0.0]  # the official number is one of its runs
    if not left or not right or not all((left[0], right[0])):
        return None
    view = a[0].view
    unit = view.unit if metric == "value" else "" if metric == "accuracy" else "ms"
    higher = view.higher_is_better if metric == "value" else metric == "accuracy"
    centre = (_centre(left, a, metric), _centre(right, b, metric))
    ratio, low, high, method, sure = _ratio(metric, left, right, a, b, confidence, centre)
    return Measured(
        metric=metric,
        unit=unit,
        a=centre[0],
        b=centre[1],
        ratio=ratio,
        low=low,
        high=high,
        higher_is_better=higher,
        method=method,
        sure=sure,
    )


def _sharing_runs(items: list[Item]) -> bool:
    """Several runs behind one published number (v0.5 Server: the slowest of five): they are no sample of it."""
    return len(items) == 1 and items[0].view.suite == "inference"


def _centre(values: list[float], items: list[Item], metric: str) -> float:
    if metric == "value" and len(items) == 1 and items[0].view.value is not None:
        return items[0].view.value
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _ratio(
    metric: str,
    left: list[float],
    right: list[float],
    a: list[Item],
    b: list[Item],
    confidence: float,
    centre: tuple[float, float],
) -> tuple[float, float | None, float | None, str, bool | None]:
    if len(left) > 1 and len(right) > 1:
        found = compare_runs(left, right, confidence)
        method = f"exact rank test, {len(left)} and {len(right)} runs, p = {found.p_value:.3g}"
        if found.low is None:
            method += f"; an interval needs {found.runs_wanted} runs of each"
        return found.ratio, found.low, found.high, method, found.sure
    queries = _queries(a), _queries(b)
    tail = _tail(metric, a)
    if tail is not None and queries[0] is not None and queries[1] is not None:
        found_tail = tail_ratio(queries[0], queries[1], tail, confidence=confidence)
        method = f"bootstrap over {len(queries[0]):,} and {len(queries[1]):,} queries of one run each"
        # An official latency may be early stopping's estimate, above the percentile: the interval moves with it.
        shift = centre[1] / centre[0] / found_tail.ratio if metric == "value" else 1.0
        low, high = found_tail.low * shift, found_tail.high * shift
        return found_tail.ratio * shift, low, high, method, not low <= 1 <= high
    return centre[1] / centre[0], None, None, "one number each: no interval can be given", None


def _tail(metric: str, items: list[Item]) -> float | None:
    """The percentile that a metric is, when it is one: also the value of SingleStream ("p90 latency")."""
    if metric == "value":
        words = items[0].view.metric.split()
        metric = words[0] if len(words) == 2 and words[1] == "latency" else ""
    return TAILS.get(metric)


def _queries(items: list[Item]) -> Int64 | None:
    if len(items) != 1 or len(items[0].latencies) != 1 or len(items[0].latencies[0]) < MIN_QUERIES:
        return None
    return items[0].latencies[0]


def _gated(condition: Condition, cells: Sequence[Cell]) -> list[Gated]:
    out = []
    for cell in cells:
        found = next((m for m in cell.measured if _is(condition.metric, m)), None)
        if found is not None:
            interval = (found.low, found.high) if found.low is not None and found.high is not None else None
            out.append(judge(condition, cell.name, ratio=found.ratio, interval=interval, sure=found.sure, b=found.b))
    if not out:
        known = sorted({m.metric for c in cells for m in c.measured})
        raise UsageError(
            f"--fail-on {condition.text!r}: nothing to hold it against", hint=f"both sides have {', '.join(known)}"
        )
    return out


def _is(wanted: str, measured: Measured) -> bool:
    if wanted == "throughput":
        return measured.metric == "value" and bool(measured.higher_is_better)
    if wanted == "latency":
        return measured.metric == "value" and measured.unit == "ms"
    return measured.metric == wanted
