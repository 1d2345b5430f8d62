"""How far results of one task and scenario lie apart: each over the slowest, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence

from mlassay.results.labels import benchmark_title
from mlassay.results.queries import Filter, ResultView, results
from mlassay.web.charts import Axis, Chart, Point, Series
from mlassay.web.numbers import number
from mlassay.web.page import Context

MAX_ROWS = 40


def spread_charts(context: Context) -> list[Chart]:
    """One chart per round of inference, the newest first."""
    wanted = Filter(suite=("inference",), division=("closed",), published=True)
    by_round: dict[str, list[ResultView]] = {}
    for view in results(context.connection, wanted):
        if view.value and view.verdict != "INVALID":
            by_round.setdefault(view.round, []).append(view)
    return [spread_chart(context, name, by_round[name]) for name in reversed(by_round)]


def spread_chart(context: Context, round_name: str, views: Sequence[ResultView]) -> Chart:
    """Dots: one row per task and scenario, one dot per closed result, slowest = 1."""
    t = context.t
    groups: dict[tuple[str, str], list[ResultView]] = {}
    for view in views:
        groups.setdefault((view.benchmark, view.scenario), []).append(view)
    groups = dict(list(groups.items())[:MAX_ROWS])
    ticks: list[str] = []
    points: dict[str, list[Point]] = {}
    widest = ("", 0.0)
    for at, ((benchmark, scenario), some) in enumerate(groups.items()):
        name = f"{benchmark_title(benchmark)} {scenario}"
        ticks.append(f"{name} ({len(some)})")
        speeds = [(v.value or 1) if v.higher_is_better else 1 / (v.value or 1) for v in some]
        slowest = min(speeds)
        widest = max(widest, (name, max(speeds) / slowest), key=lambda w: w[1])
        for view, speed in zip(some, speeds, strict=True):
            label = f"{view.submitter} {view.system}: {number(view.value)} {view.unit}"
            point = Point(speed / slowest, at, label, context.links.result(view.key))
            points.setdefault(view.processor_class or t("word.unknown"), []).append(point)
    return Chart(
        id=f"spread-{round_name}".replace(".", "-"),
        title=t("spread.title", round=round_name),
        about=t("spread.about", task=widest[0], factor=number(widest[1])),
        x=Axis(t("spread.x"), log=True),
        y=Axis(t("spread.y"), ticks=tuple(ticks), reverse=True),
        series=tuple(Series(kind, tuple(points[kind])) for kind in sorted(points)),
        tall=True,
        foot=(t("spread.foot", n=number(sum(len(s) for s in groups.values()))),),
    )
