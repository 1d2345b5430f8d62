"""One side of a comparison: a path, a result, or every result that fits "round=v0.5,submitter=NVIDIA"."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path

from mlassay.core.errors import UnknownName, UsageError
from mlassay.results import schema as tables
from mlassay.results.database import Database, open_database
from mlassay.results.detail import RunView, result, runs_of
from mlassay.results.importer import import_path
from mlassay.results.labels import benchmark_id
from mlassay.results.per_query import Int64, unpack
from mlassay.results.queries import FACETS, Filter, ResultView, results
from mlassay.results.schema import sa

MAX_LATENCIES = 50
"""Per-query data of at most so many runs are unpacked for one side."""

PERCENTILES = {
    "p50": "latency_p50_ns",
    "p90": "latency_p90_ns",
    "p95": "latency_p95_ns",
    "p97": "latency_p97_ns",
    "p99": "latency_p99_ns",
    "p99.9": "latency_p999_ns",
    "mean": "latency_mean_ns",
    "max": "latency_max_ns",
}
"""Metrics that every run's latencies give, in ms."""


@dataclass(frozen=True, slots=True)
class Item:
    """One result with its runs. `latencies` are the runs' per-query columns, in order of issue, in ns."""

    view: ResultView
    runs: tuple[RunView, ...]
    accuracy: Mapping[str, float]
    latencies: tuple[Int64, ...] = ()

    def values(self, metric: str) -> list[float]:
        """One number per run that counts: "value", "accuracy", or a latency in ms."""
        if metric == "value":
            counted = [r.value for r in self.runs if r.used and r.value is not None]
            return counted or ([self.view.value] if self.view.value is not None else [])
        if metric == "accuracy":
            return list(self.accuracy.values())[:1]
        column = PERCENTILES[metric]
        found = (getattr(r, column) for r in self.runs if r.used is not False and r.role != "accuracy")
        return [ns / 1e6 for ns in found if ns]


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on one side: how the user called it, and what it is."""

    label: str
    items: tuple[Item, ...]
    paths: tuple[str, ...] = field(default=())


def load_side(text: str, database: Callable[[], Database]) -> Side:
    """Find what `text` names: an existing path first, then a selection, then a result's key or id.

    `database` is only called when the text is no path. Raises UsageError when nothing is found.
    """
    place = Path(text)
    if place.exists():
        return _from_path(text, place)
    opened = database()
    with opened.reading() as connection:
        if "=" in text:
            views = results(connection, parse_selection(text))
            if not views:
                raise UsageError(f"no result fits {text!r}", hint="see what there is with mlassay db list")
        else:
            views = [result(connection, text).result]
        return Side(text, _items(connection, views))


def side_of(connection: sa.Connection, label: str, views: list[ResultView]) -> Side:
    """Results that are at hand as one side; nothing is looked for on disk."""
    return Side(label, _items(connection, views))


def parse_selection(text: str) -> Filter:
    """ "round=v0.5,submitter=NVIDIA|Google" as a filter. Raises UnknownName for other columns."""
    chosen: dict[str, tuple[str, ...]] = {}
    for part in text.split(","):
        name, _, value = (p.strip() for p in part.partition("="))
        name = {"task": "benchmark", "framework": "framework_label", "class": "processor_class"}.get(name, name)
        if name not in FACETS:
            raise UnknownName("column", name, list(FACETS), [n for n in FACETS if n.startswith(name[:3])])
        values = tuple(v.strip() for v in value.split("|"))
        chosen[name] = tuple(benchmark_id(v) for v in values) if name == "benchmark" else values
    return Filter(**chosen)  # type: ignore[arg-type]


def _from_path(text: str, place: Path) -> Side:
    """Read files without touching the user's database."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlassay-compare-"))
        database = open_database(Path(folder) / "side.db")
        stack.callback(database.close)
        import_path(database, place)
        with database.reading() as connection:
            return Side(text, _items(connection, results(connection)), (text,))


def _items(connection: sa.Connection, views: list[ResultView]) -> tuple[Item, ...]:
    ids = [v.id for v in views]
    runs = runs_of(connection, ids)
    accuracies = _accuracies(connection, ids)
    latencies = _latencies(connection, [r.id for some in runs.values() for r in some])
    return tuple(
        Item(
            view,
            tuple(runs[view.id]),
            accuracies.get(view.id, {}),
            tuple(latencies[r.id] for r in runs[view.id] if r.id in latencies),
        )
        for view in views
    )


def _accuracies(connection: sa.Connection, ids: list[int]) -> dict[int, dict[str, float]]:
    out: dict[int, dict[str, float]] = {}
    c = tables.accuracy.c
    for at in range(0, len(ids), 500):
        query = sa.select(c.result_id, c.metric, c.value).where(c.result_id.in_(ids[at : at + 500])).order_by(c.metric)
        for result_id, metric, value in connection.execute(query):
            if value is not None:
                out.setdefault(result_id, {})[metric] = value
    return out


def _latencies(connection: sa.Connection, run_ids: list[int]) -> dict[int, Int64]:
    c = tables.trace.c
    out: dict[int, Int64] = {}
    for run_id in run_ids:
        if len(out) >= MAX_LATENCIES:
            break
        data = connection.execute(sa.select(c.latencies).where(c.run_id == run_id)).scalar_one_or_none()
        if data is not None:
            out[run_id] = unpack(data)
    return out


def facts(view: ResultView) -> dict[str, object]:
    """What a reader must be told when two results stand side by side."""
    shown = ("suite", "round", "division", "category", "submitter", "system", "benchmark", "model", "scenario",
             "system_type", "precision", "accelerator", "processor_class", "chips", "nodes", "framework", "verdict",
             "inferred")  # fmt: skip
    known = {f.name for f in fields(ResultView)}
    out: dict[str, object] = {name: getattr(view, name) for name in shown if name in known}
    out["verified"] = "published" if view.published else "unverified"
    return out
