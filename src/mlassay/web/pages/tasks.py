"""Every task, and the page of one: its results over the rounds, with the breaks in what may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlassay.results.labels import benchmark_title
from mlassay.results.overview import RoundPoint, across_rounds
from mlassay.results.queries import Filter, ResultView, grouped, results
from mlassay.web.charts import Axis, Chart, Point, Series
from mlassay.web.numbers import number, unit
from mlassay.web.page import Context, Page
from mlassay.web.rows import rows_of

N_BEST = 10
SHIFT = 0.16
"""How far apart the divisions stand within one round's column."""


def tasks(context: Context) -> Page:
    """A card for each task of each suite."""
    t, links = context.t, context.links
    counted = grouped(context.connection, ("suite", "benchmark", "scenario", "round"))
    suites: dict[str, dict[str, dict[str, Any]]] = {}
    for (suite, benchmark, scenario, round_name), n in counted.items():
        card = suites.setdefault(suite, {}).setdefault(benchmark, {"n": 0, "scenarios": {}, "rounds": {}})
        card["n"] += n
        card["scenarios"][scenario] = card["scenarios"].get(scenario, 0) + n
        card["rounds"][round_name] = None
    groups = [
        {
            "title": t.maybe(f"word.{suite}", suite),
            "entries": [
                {
                    "title": benchmark_title(name),
                    "href": links.task(suite, name),
                    "lines": (
                        t("tasks.count", n=number(card["n"]), rounds=", ".join(r for r in card["rounds"] if r)),
                        ", ".join(f"{s} {number(n)}" for s, n in card["scenarios"].items() if s),
                    ),
                    "links": (),
                }
                for name, card in cards.items()
            ],
        }
        for suite, cards in suites.items()
    ]
    return Page(
        template="list.html",
        title=t("tasks.heading"),
        section="tasks",
        data={"groups": groups, "lead": t("tasks.lead")},
    )


def task(context: Context, suite: str, benchmark: str) -> Page:
    """One task: a chart over the rounds for each scenario, and its best closed results."""
    t, links = context.t, context.links
    views = results(context.connection, Filter(suite=(suite,), benchmark=(benchmark,)))
    scenarios = sorted({v.scenario for v in views})
    title = benchmark_title(benchmark)
    ranks = {(v.scenario, v.round): None for v in views if v.division == "closed" and v.value is not None}
    return Page(
        template="task.html",
        title=f"{title} · {t.maybe(f'word.{suite}', suite)}",
        section="tasks",
        data={
            "lead": t("task.lead", submitters=number(len({v.submitter for v in views}))),
            "n": len(views),
            "all_href": links.results(suite=suite, benchmark=benchmark),
            "rank_links": [(links.rank(suite, benchmark, s, r), f"{s} {r}".strip()) for s, r in list(ranks)[:12]],
            "parts_of_task": [
                _part(context, suite, benchmark, s, [v for v in views if v.scenario == s]) for s in scenarios
            ],
        },
    )


def _part(context: Context, suite: str, benchmark: str, scenario: str, views: Sequence[ResultView]) -> dict[str, Any]:
    usable = [v for v in views if v.value is not None and v.verdict != "INVALID"]
    points = across_rounds(context.connection, benchmark, scenario, Filter(suite=(suite,)))
    closed = [v for v in usable if v.division == "closed"] or usable
    newest = points[-1].round if points else ""
    best = sorted((v for v in closed if not newest or v.round == newest), key=_worst_last)[:N_BEST]
    return {
        "title": scenario or context.t("word.training"),
        "chart": rounds_chart(context, benchmark, scenario, usable, points),
        "breaks": points[1:],
        "best": rows_of(context.connection, best, context.links),
    }


def _worst_last(view: ResultView) -> float:
    value = view.value or 0.0
    return -value if view.higher_is_better else value


def rounds_chart(
    context: Context, benchmark: str, scenario: str, views: Sequence[ResultView], best: Sequence[RoundPoint]
) -> Chart:
    """Every result as a dot in its round's column; the best closed ones joined where the rules let them be compared."""
    t = context.t
    rounds = [p.round for p in best]
    rounds += sorted({v.round for v in views} - set(rounds))
    metrics = list(dict.fromkeys((v.metric, v.unit) for v in views))
    dots: dict[str, list[Point]] = {}
    for view in views:
        shift = 0.0 if view.division == "closed" else SHIFT
        label = (
            f"{view.submitter} {view.system} ({view.model})"
            if view.model != benchmark
            else f"{view.submitter} {view.system}"
        )
        at = Point(rounds.index(view.round) + shift, view.value, label, context.links.result(view.key))
        dots.setdefault(view.division or t("word.not_stated"), []).append(at)
    series = [Series(name, tuple(dots[name])) for name in sorted(dots)]
    if len(best) > 1:
        series.append(Series(t("task.best_line"), tuple(_line(context, best, rounds)), "line"))
    name = f"{benchmark_title(benchmark)} {scenario or t('word.training')}"
    higher = bool(views) and bool(views[0].higher_is_better)
    said = ", ".join(f"{metric} ({unit(u)})" for metric, u in metrics) or t("axis.value")
    return Chart(
        id=f"rounds-{(scenario or 'training').lower()}",
        title=t("task.chart", name=name),
        about=t("task.about_higher" if higher else "task.about_lower", n=number(len(views))),
        x=Axis(t("column.round"), ticks=tuple(r if r not in ("", "none") else t("word.no_round") for r in rounds)),
        y=Axis(said, log=True),
        series=tuple(series),
        foot=(t("task.metrics_differ"),) if len({u for _, u in metrics}) > 1 else (),
    )


def _line(context: Context, best: Sequence[RoundPoint], rounds: Sequence[str]) -> list[Point]:
    out: list[Point] = []
    for p in best:
        at = rounds.index(p.round)
        if out and p.comparable is not True:
            out.append(Point(at - 0.5, None))
        label = f"{p.best.submitter} {p.best.system}"
        out.append(Point(at, p.best.value, label, context.links.result(p.best.key)))
    return out
