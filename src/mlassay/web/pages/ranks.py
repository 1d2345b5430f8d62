"""Rankings of one task in one scenario and round: the official metric, or per chip, or per watt. No summary score."""

from __future__ import annotations

from typing import Any

from mlassay.core.errors import UsageError
from mlassay.results.labels import benchmark_title
from mlassay.results.queries import Filter
from mlassay.results.rank import NO_SUMMARY, Per, Ranking, rank
from mlassay.web.charts import Axis, Chart, Point, Series
from mlassay.web.numbers import number
from mlassay.web.page import Context, Page

PERS = (Per.SYSTEM, Per.CHIP, Per.WATT)
"""Prices are the user's own file: `mlassay rank --per currency`."""
MAX_PLACES = 200
N_DRAWN = 25


def rank_index(context: Context) -> Page:
    """Every ranking that there is, and why there is none of all tasks."""
    t, links = context.t, context.links
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for suite, benchmark, scenario, round_name in context.index.rankings.values():
        group = groups.setdefault((suite, round_name), {})
        card = group.setdefault(benchmark, [])
        card.append((links.rank(suite, benchmark, scenario, round_name), scenario or t("rank.minutes")))
    return Page(
        template="rank_index.html",
        title=t("rank.heading"),
        section="rank",
        data={
            "lead": t("rank.lead"),
            "why": NO_SUMMARY.split(" Rank one task")[0],
            "groups": [
                {
                    "title": f"{t.maybe(f'word.{suite}', suite)} {round_name}",
                    "entries": [
                        {"title": benchmark_title(b), "href": some[0][0], "lines": (), "links": some}
                        for b, some in group.items()
                    ],
                }
                for (suite, round_name), group in groups.items()
            ],
        },
    )


def rank_page(context: Context, what: tuple[str, str, str, str], per: Per) -> Page:
    """One ranking of closed results; whatever is not the official metric says so."""
    suite, benchmark, scenario, round_name = what
    t, links = context.t, context.links
    wanted = Filter(
        suite=(suite,), benchmark=(benchmark,), scenario=(scenario,), round=(round_name,), division=("closed",)
    )
    problem, found = "", None
    try:
        found = rank(context.connection, wanted, per=per)
    except UsageError as error:
        problem = str(error)
    name = f"{benchmark_title(benchmark)} {scenario or t('word.training')} {round_name}".strip()
    return Page(
        template="rank.html",
        title=t("rank.title", name=name),
        section="rank",
        data={
            "found": found,
            "places": found.places[:MAX_PLACES] if found else (),
            "problem": problem,
            "per": per.value,
            "pers": [(p.value, links.rank(*what, per=p.value)) for p in PERS],
            "task_href": links.task(suite, benchmark),
            "chart": _chart(context, found, name) if found and found.places else None,
            "why": NO_SUMMARY.split(" Rank one task")[0],
        },
    )


def _chart(context: Context, found: Ranking, name: str) -> Chart:
    t = context.t
    best = found.places[:N_DRAWN]
    ticks = tuple(f"{r.view.submitter} {r.view.system}" for r in best)
    points = tuple(Point(r.score, at, ticks[at], context.links.result(r.view.key)) for at, r in enumerate(best))
    unit = found.unit if found.official else f"{found.unit}, {t('word.unofficial')}"
    return Chart(
        id="ranking",
        title=t("rank.chart", name=name),
        about=t("rank.about", n=number(len(best)), first=ticks[0]),
        x=Axis(f"{unit} (log)", log=True),
        y=Axis("", ticks=ticks, reverse=True),
        series=(Series(unit, points),),
        tall=True,
    )
