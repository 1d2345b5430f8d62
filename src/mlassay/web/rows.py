"""Results as rows of a table: what a reader sees, and what a script filters, sorts and draws by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlassay.results.extras import Extras, extras_of
from mlassay.results.plotted import PlotView
from mlassay.results.queries import ResultView
from mlassay.results.schema import sa
from mlassay.web.links import Links

FACETS = (
    "suite",
    "round",
    "division",
    "category",
    "benchmark",
    "scenario",
    "submitter",
    "processor_class",
    "accelerator",
    "framework_label",
    "precision",
    "system_type",
    "verdict",
    "state",
    "system",
)
"""Columns that the table filters by, in the order in which they are shown."""

AXES = ("value", "per_chip", "chips", "nodes", "accuracy", "p50", "p90", "p99", "power", "duration")
"""What a scatter plot can have on its axes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One result with what stands beside it, and its addresses."""

    view: ResultView
    extras: Extras
    href: str
    system_href: str
    submitter_href: str
    task_href: str

    @property
    def status(self) -> str:
        return "published" if self.view.published else "unverified"


def rows_of(connection: sa.Connection, views: Sequence[ResultView], links: Links) -> list[Row]:
    """Rows of some results, with accuracy and latencies from one further query each."""
    extras = extras_of(connection, [v.id for v in views])
    return [
        Row(
            v,
            extras[v.id],
            links.result(v.key),
            links.system(v.submitter, v.system),
            links.submitter(v.submitter),
            links.task(v.suite, v.benchmark),
        )
        for v in views
    ]


def axis_values(view: ResultView | PlotView, extras: Extras) -> dict[str, float | None]:
    """One number per axis that a plot may have; latencies in ms."""
    return {
        "value": view.value,
        "per_chip": view.per_chip,
        "chips": view.chips,
        "nodes": view.nodes,
        "accuracy": extras.accuracy,
        "p50": _ms(extras.p50_ns),
        "p90": _ms(extras.p90_ns),
        "p99": _ms(extras.p99_ns),
        "power": view.power_value,
        "duration": extras.duration_s,
    }


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6


PLOT_FACETS = ("suite", "benchmark", "scenario", "submitter", "system", "processor_class", "framework_label")


def script_plot(connection: sa.Connection, views: Sequence[PlotView], links: Links) -> dict[str, Any]:
    """Columns that the scatter plot is drawn from."""
    extras = extras_of(connection, [v.id for v in views])
    return _columns(views, [extras[v.id] for v in views], PLOT_FACETS, links)


def script_rows(rows: Sequence[Row], links: Links) -> dict[str, Any]:
    """Columns for the script among files, which filters and sorts by them besides."""
    columns = _columns([r.view for r in rows], [r.extras for r in rows], FACETS, links)
    return {
        **columns,
        "published": [r.view.published for r in rows],
        "search": [_searched(r.view) for r in rows],
    }


def _columns(
    views: Sequence[ResultView | PlotView], extras: Sequence[Extras], names: Sequence[str], links: Links
) -> dict[str, Any]:
    """Each facet as a list of its values and, for each row, which; each axis that has any numbers."""
    facets: dict[str, Any] = {}
    for name in names:
        values: dict[str, int] = {}
        at = [values.setdefault(getattr(v, name), len(values)) for v in views]
        facets[name] = {"values": list(values), "at": at}
    axes: dict[str, list[float | None]] = {name: [] for name in AXES}
    for view, extra in zip(views, extras, strict=True):
        for name, value in axis_values(view, extra).items():
            axes[name].append(None if value is None else float(f"{value:.7g}"))
    return {
        "facets": facets,
        "axes": {name: values for name, values in axes.items() if any(v is not None for v in values)},
        "units": [v.unit for v in views],
        "links": [links.result(v.key) for v in views],
    }


def _searched(v: ResultView) -> str:
    """What the search looks in: the same columns as `queries.Filter.search`."""
    named = (v.submitter, v.system, v.benchmark, v.model, v.accelerator, v.framework, v.path)
    return "\n".join(named).lower()


def chosen_texts(query: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The facets that an address chooses, bounded: at most 50 values each, of at most 300 letters."""
    return {n: tuple(v[:300] for v in query[n][:50] if v or n == "scenario") for n in FACETS if query.get(n)}
