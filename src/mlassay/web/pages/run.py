"""One run of your own, query by query: verdict with bounds and advice, latencies, the course of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlassay.results.detail import BoundView, RunDetail, run_detail
from mlassay.results.detail import result as find
from mlassay.results.labels import benchmark_title
from mlassay.web.charts import Axis, Chart, Mark, Point, Series
from mlassay.web.numbers import duration, number
from mlassay.web.page import Context, NoSuchPage, Page
from mlassay.web.pages.who import flat
from mlassay.web.slugs import digest

NS_PER_MS = 1e6
MAX_SETTINGS = 80


def run_page(context: Context, result_id: int, position: int) -> Page:
    """The page of the run at a position of a result. Raises NoSuchPage."""
    of = find(context.connection, result_id)
    run = next((r for r in of.runs if r.position == position), None)
    if run is None:
        raise NoSuchPage(f"the result has no run {position}")
    found = run_detail(context.connection, run.id)
    v = found.result
    details = of.details
    charts = [c for c in (distribution(context, found), *timelines(context, found)) if c is not None]
    return Page(
        template="run.html",
        title=f"{benchmark_title(v.benchmark)} {v.scenario}, {run.name}",
        section="results",
        data={
            "v": v,
            "run": run,
            "found": found,
            "charts": charts,
            "result_href": context.links.result(v.key),
            "compare_href": context.links("compare", {"id": [digest(v.key)]}),
            "warnings": _texts(details.get("warnings")),
            "advice": _texts(details.get("advice")),
            "limited": [str(details.get(k) or "") for k in ("limited_by", "limited_because")],
            "settings": flat(run.details)[:MAX_SETTINGS],
            "command": _texts(run.details.get("command")),
            "findings": of.findings[:50],
        },
    )


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [_sentence(v) for v in value[:20]]
    return [value] if isinstance(value, str) and value else []


def _sentence(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(v) for v in value.values() if isinstance(v, str | int | float))
    return str(value)


def distribution(context: Context, found: RunDetail) -> Chart | None:
    """How many samples took how long, with the percentile that is judged and the bound."""
    t, edges, counts = context.t, found.histogram.get("edges_ns", ()), found.histogram.get("counts", ())
    if not counts:
        return None
    middles = [(a * b) ** 0.5 / NS_PER_MS for a, b in pairwise(edges)]
    points = tuple(Point(x, n) for x, n in zip(middles, counts, strict=True))
    run = found.run
    marks = [Mark("x", ns / NS_PER_MS, f"{name} {duration(ns)}") for name, ns in _percentiles(found) if ns]
    bound = latency_bound(found.bounds)
    if bound is not None:
        marks.append(Mark("x", bound, t("run.bound", value=f"{number(bound)} ms")))
    return Chart(
        id="distribution",
        title=t("run.distribution"),
        about=t(
            "run.distribution_about",
            n=number(found.n_answered),
            p50=duration(run.latency_p50_ns),
            p99=duration(run.latency_p99_ns),
        ),
        x=Axis(t("run.latency_axis"), log=True),
        y=Axis(t("run.samples")),
        series=(Series(t("run.samples"), points, "steps"),),
        marks=tuple(marks),
        foot=(t("run.latency_foot"),),
    )


def _percentiles(found: RunDetail) -> tuple[tuple[str, int | None], ...]:
    return (("p50", found.run.latency_p50_ns), ("p99", found.run.latency_p99_ns))


def latency_bound(bounds: Sequence[BoundView]) -> float | None:
    """The latency bound that the run was held against, in ms."""
    for b in bounds:
        if b.bound is not None and "latency" in b.name and b.unit in ("ns", "ms"):
            return b.bound / NS_PER_MS if b.unit == "ns" else b.bound
    return None


def timelines(context: Context, found: RunDetail) -> list[Chart]:
    """Throughput, latency and lateness of issue over the run."""
    t, line = context.t, found.timeline
    if not line or not line.get("done_per_s"):
        return []
    width = float(line["bucket_s"])
    time_axis = Axis(t("run.time"))

    def series(name: str, column: str, scale: float = 1.0) -> Series:
        return Series(name, tuple(_along(line[column], width, scale)), "line")

    bound = latency_bound(found.bounds)
    marks = (Mark("y", bound, t("run.bound", value=f"{number(bound)} ms")),) if bound is not None else ()
    return [
        Chart(
            id="throughput",
            title=t("run.throughput"),
            about=t("run.throughput_about", width=number(width)),
            x=time_axis,
            y=Axis(t("run.per_s")),
            series=(series(t("run.issued"), "issued_per_s"), series(t("run.answered"), "done_per_s")),
        ),
        Chart(
            id="latency-over-time",
            title=t("run.latency_time"),
            about=t("run.latency_time_about"),
            x=time_axis,
            y=Axis(t("run.latency_axis"), log=True),
            series=(series("p50", "p50_ns", NS_PER_MS), series("p99", "p99_ns", NS_PER_MS)),
            marks=marks,
        ),
        Chart(
            id="lateness",
            title=t("run.lateness"),
            about=t("run.lateness_about"),
            x=time_axis,
            y=Axis(t("run.lateness_axis")),
            series=(series("p99", "lateness_p99_ns", 1e3),),
        ),
    ]


def _along(values: Sequence[Any], width: float, scale: float) -> list[Point]:
    return [Point((at + 0.5) * width, None if v is None else v / scale) for at, v in enumerate(values)]
