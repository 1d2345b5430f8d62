"""The first page: what is in the database, what the newest runs say, what needs attention."""

from __future__ import annotations

from mlassay.results.overview import attention, newest, overview
from mlassay.web.page import Context, Page
from mlassay.web.pages.spread import spread_charts
from mlassay.web.rows import rows_of

N_NEWEST, N_ATTENTION = 8, 8


def front(context: Context) -> Page:
    """Counts, newest runs, troubles, rounds, and how far the closed results lie apart."""
    t, links, index = context.t, context.links, context.index
    rounds = overview(context.connection)
    tiles = (
        (t("front.tile_results"), index.n_results, links("results")),
        (t("front.tile_tasks"), len(index.tasks), links("tasks")),
        (t("front.tile_submitters"), len([s for s in index.submitters.values() if s]), links("submitters")),
        (t("front.tile_systems"), len(index.systems), links("submitters")),
    )
    return Page(
        template="front.html",
        title=t("site.name"),
        section="",
        data={
            "n_results": index.n_results,
            "n_absent": sum(r.n_absent for r in rounds if r.published),
            "tiles": tiles,
            "rounds": [{"row": r, "href": links.results(suite=r.suite, round=r.round)} for r in rounds],
            "newest": rows_of(context.connection, newest(context.connection, limit=N_NEWEST), links),
            "attention": rows_of(context.connection, attention(context.connection, limit=N_ATTENTION), links),
            "charts": spread_charts(context)[:1],
        },
    )
