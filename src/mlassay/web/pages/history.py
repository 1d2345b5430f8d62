"""The published history: every table that is written about it, recomputed, and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlassay.results.history import TABLES
from mlassay.results.history import table as find
from mlassay.results.history_inference import SCENARIOS, TASKS
from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import closed_results
from mlassay.results.table import Table, cell_text
from mlassay.web.charts import Axis, Chart, Point, Series
from mlassay.web.page import Context, Page
from mlassay.web.pages.spread import spread_chart

LONG = ("training-v0.5", "training-v0.6", "hyperparameters", "inference-v0.5")
"""Tables with pages of their own; the others stand on the first page."""
SHOWN_HERE = tuple(name for name in TABLES if name not in LONG)


def history(context: Context) -> Page:
    """Tables and pictures of the first rounds; a cell that the data do not give says why."""
    t, links = context.t, context.links
    tables = {name: find(context.connection, name) for name in SHOWN_HERE}
    empty = not any(cell for row in tables["shares"].rows for cell in row[1:] if cell)
    charts: dict[str, Chart | None] = {name: draw(context, tables[name]) for name, draw in PICTURES.items()}
    closed = [v for v in closed_results(context.connection, "v0.5") if v.value]
    charts["spread"] = spread_chart(context, "v0.5", closed) if closed else None
    return Page(
        template="history.html",
        title=t("history.heading"),
        section="history",
        data={
            "empty": empty,
            "sections": [{"table": tables[n], "cells": cells(tables[n]), "chart": charts.get(n)} for n in SHOWN_HERE],
            "others": [(links(f"history/{n}"), t.maybe(f"history.{n.replace('.', '-')}", n)) for n in LONG],
            "extra": training_chart(context),
        },
    )


def history_table(context: Context, name: str) -> Page:
    """One of the long tables."""
    found = find(context.connection, name)
    return Page(
        template="history_table.html",
        title=found.title,
        section="history",
        data={"table": found, "cells": cells(found), "chart": training_chart(context) if "training" in name else None},
    )


def cells(table: Table) -> dict[str, Any]:
    """The table's cells as texts, and which columns hold numbers."""
    digits = table.digits or (2,) * len(table.columns)
    return {
        "rows": [[cell_text(c, d) for c, d in zip(row, digits, strict=True)] for row in table.rows],
        "right": [_numeric(table, i) for i in range(len(table.columns))],
    }


def _numeric(table: Table, at: int) -> bool:
    values = [row[at] for row in table.rows if row[at] not in (None, "")]
    return bool(values) and all(isinstance(v, int | float) for v in values)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def task_scenario(context: Context, table: Table) -> Chart:
    names = [benchmark_title(task) for task in TASKS]
    series = tuple(
        Series(s, tuple(Point(at, _number(table.cell(n, s)), n) for at, n in enumerate(names)), "bars")
        for s in SCENARIOS
    )
    return Chart(id="chart-task-scenario", title=table.title, about=context.t("history.task_scenario_about"),
                 x=Axis(context.t("column.task"), ticks=tuple(names)), y=Axis(context.t("history.closed_results")),
                 series=series, stacked=True)  # fmt: skip


def shares(context: Context, table: Table) -> Chart:
    names = [str(row[0]) for row in table.rows]
    points = tuple(Point(at, _number(row[2]), names[at]) for at, row in enumerate(table.rows))
    return Chart(id="chart-shares", title=table.title, about=context.t("history.shares_about"),
                 x=Axis(context.t("history.model"), ticks=tuple(names)), y=Axis(context.t("history.share")),
                 series=(Series(context.t("history.share"), points, "bars"),))  # fmt: skip


def classes(context: Context, table: Table) -> Chart:
    kinds = [str(row[0]) for row in table.rows]
    series = tuple(
        Series(name, tuple(Point(i, _number(row[at]), kinds[i]) for i, row in enumerate(table.rows)), "bars")
        for at, name in enumerate(table.columns[1:-1], 1)
    )
    return Chart(id="chart-classes", title=table.title, about=context.t("history.classes_about"),
                 x=Axis(context.t("facet.processor_class"), ticks=tuple(kinds)),
                 y=Axis(context.t("history.closed_results")), series=series, stacked=True)  # fmt: skip


def server_offline(context: Context, table: Table) -> Chart:
    tasks = list(dict.fromkeys(str(row[0]) for row in table.rows))
    points = tuple(Point(_number(row[5]), tasks.index(str(row[0])), f"{row[1]} {row[2]}") for row in table.rows)
    return Chart(id="chart-server-offline", title=table.title, about=context.t("history.server_offline_about"),
                 x=Axis(context.t("history.kept")), y=Axis("", ticks=tuple(tasks), reverse=True),
                 series=(Series(context.t("history.kept"), points),))  # fmt: skip


def growth(context: Context, table: Table) -> Chart:
    rows = [row for row in table.rows if row[7] is not None and row[3] is not None]
    return _pairs(context, table, rows, (3, 6), context.t("history.chips_axis"), "growth")


def same_chips(context: Context, table: Table) -> Chart:
    rows = [row for row in table.rows if row[5] is not None]
    return _pairs(context, table, rows, (2, 4), context.t("history.minutes_axis"), "same_chips")


def _pairs(
    context: Context, table: Table, rows: Sequence[Sequence[object]], columns: tuple[int, int], axis: str, name: str
) -> Chart:
    ticks = tuple(str(row[0]) for row in rows)
    series = tuple(
        Series(r, tuple(Point(at, _number(row[c]), ticks[at]) for at, row in enumerate(rows)), "bars")
        for r, c in zip(("v0.5", "v0.6"), columns, strict=True)
    )
    return Chart(id=f"chart-{table.id}", title=table.title, about=context.t(f"history.{name}_about"),
                 x=Axis(context.t("column.task"), ticks=ticks), y=Axis(axis, log=True), series=series)  # fmt: skip


def training_chart(context: Context) -> Chart:
    """Minutes against chips of every readable closed training entry, one series per task and round."""
    t = context.t
    series = []
    found = {name: closed_results(context.connection, name, "training") for name in ("v0.5", "v0.6")}
    for benchmark in ("resnet", "ssd", "maskrcnn", "gnmt", "transformer"):
        for name, views in found.items():
            points = tuple(
                Point(v.chips, v.value, f"{v.submitter} {v.system}", context.links.result(v.key))
                for v in views
                if v.benchmark == benchmark and v.value and v.chips
            )
            if points:
                series.append(Series(f"{benchmark_title(benchmark)} {name}", points))
    return Chart(id="chart-training", title=t("history.training_title"), about=t("history.training_about"),
                 x=Axis(t("history.chips_log"), log=True), y=Axis(t("history.minutes_axis"), log=True),
                 series=tuple(series), tall=True)  # fmt: skip


PICTURES: dict[str, Callable[[Context, Table], Chart]] = {
    "task-scenario": task_scenario,
    "shares": shares,
    "classes": classes,
    "server-offline": server_offline,
    "growth": growth,
    "same-chips": same_chips,
}
