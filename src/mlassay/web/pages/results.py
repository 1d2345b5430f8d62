"""The table of all results: filtered, sorted, grouped, drawn; every state of it is an address.

On the server the database filters and sorts, fifty rows a page. Among files the page holds every row, and
`static/results.js` does the same to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlassay.results.labels import benchmark_title
from mlassay.results.plotted import plotted
from mlassay.results.queries import FACETS as QUERY_FACETS
from mlassay.results.queries import Filter, ResultView, count, facets, results
from mlassay.web.page import Context, Page
from mlassay.web.rows import AXES, FACETS, chosen_texts, rows_of, script_plot, script_rows

PER_PAGE = 50
MAX_POINTS = 2000
MAX_STATIC = 5000
SORTS = ("benchmark", "scenario", "round", "submitter", "system", "value")
GROUPS = ("", "benchmark", "scenario", "round", "submitter", "system", "framework_label", "processor_class", "division")
DEFAULT_ORDER = ("round", "benchmark", "scenario", "submitter", "system")
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of the table; anything that it cannot mean falls back to the plain table."""

    wanted: Filter
    sort: str
    group: str
    view: str
    axes: Mapping[str, str]
    page: int
    kept: Mapping[str, Sequence[str]]  # what stands in the address, without what says nothing


def read_query(query: Query) -> Asked:
    """From an address to a filter, an order, a grouping and a view."""

    def one(name: str, allowed: Sequence[str], otherwise: str) -> str:
        said = (query.get(name) or [""])[0]
        return said if said in allowed else otherwise

    chosen = chosen_texts(query)
    search = (query.get("search") or [""])[0][:200].strip()
    both = {"yes", "no"} <= set(query.get("published") or ())  # is as good as neither
    flags = {"published": "" if both else one("published", ("yes", "no"), ""), "power": one("power", ("yes",), "")}
    published = {"yes": True, "no": False}.get(flags["published"])
    power = True if flags["power"] else None
    sorts = [*SORTS, *(f"-{s}" for s in SORTS)]
    sort, group, view = one("sort", sorts, ""), one("group", GROUPS, ""), one("view", ("table", "chart"), "table")
    axes = {"x": one("x", AXES, "chips"), "y": one("y", AXES, "value")}
    axes |= {name: one(name, ("0", "1"), "1") for name in ("xlog", "ylog")}
    said = (query.get("page") or ["1"])[0]
    page = int(said) if said.isdecimal() and 0 < len(said) < 6 else 1
    kept: dict[str, Sequence[str]] = dict(chosen)
    kept |= {n: [v] for n, v in (("search", search), ("sort", sort), ("group", group)) if v}
    kept |= {n: [v] for n, v in flags.items() if v}
    if view == "chart":
        kept |= {"view": ["chart"], **{n: [v] for n, v in axes.items()}}
    wanted = Filter(published=published, has_power=power, search=search, **chosen)
    return Asked(wanted, sort, group, view, axes, max(page, 1), kept)


def results_page(context: Context, query: Query) -> Page:
    """The table for a query; among files, the table of everything."""
    asked = read_query({} if context.static else query)
    connection, links = context.connection, context.links
    n = count(connection, asked.wanted)
    last_page = max(1, -(-n // PER_PAGE))
    at = min(asked.page, last_page) - 1
    limit, offset = (MAX_STATIC, 0) if context.static else (PER_PAGE, at * PER_PAGE)
    order = [o for o in (asked.group, asked.sort) if o]
    views = results(connection, asked.wanted, order=(*order, *DEFAULT_ORDER), limit=limit, offset=offset)
    rows = rows_of(connection, views, links)
    held, n_held = None, n
    if context.static:
        held, n_held = script_rows(rows, links), len(rows)
    elif asked.view == "chart":
        points = plotted(connection, asked.wanted, limit=MAX_POINTS)
        held, n_held = script_plot(connection, points, links), len(points)
    return Page(
        template="results.html",
        title=context.t("results.heading"),
        section="results",
        data={
            "count": n,
            "rows": _grouped(context, rows, asked.group),
            "search": asked.wanted.search,
            "sort": asked.sort,
            "group": asked.group,
            "groups": GROUPS,
            "view": asked.view,
            "axes": asked.axes,
            "axis_names": AXES,
            "facets": FACETS,
            "filters": _filters(context, asked.wanted),
            "flags": _flags(query),
            "published": asked.wanted.published is not None,
            "power": asked.wanted.has_power is not None,
            "chosen": _chosen(context, asked),
            "columns": _columns(context, asked),
            "view_hrefs": {
                "table": links("results", {k: v for k, v in asked.kept.items() if k not in ("view", *asked.axes)}),
                "chart": links("results", {**asked.kept, "view": ["chart"], **{k: [v] for k, v in asked.axes.items()}}),
            },
            "csv_href": links("results.csv", asked.kept),
            "pages": _pages(context, asked, at, last_page, n) if not context.static else None,
            "script_rows": {**held, "titles": _titles(context, held)} if held else None,
            "cut_off": n_held if n_held < n else 0,
        },
    )


def title_of(facet: str, value: str, context: Context) -> str:
    """A facet's value for people."""
    if facet == "benchmark":
        return benchmark_title(value)
    if facet == "scenario" and not value:
        return context.t("word.training")
    if facet == "submitter" and not value:
        return context.t("word.you")
    if facet in ("suite", "state"):
        return context.t.maybe(f"word.{value}", value)
    return value or context.t("word.not_stated")


def _titles(context: Context, held: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the script shows in place of a facet's value, where that differs."""
    out: dict[str, dict[str, str]] = {}
    for name, column in held["facets"].items():
        shown = ((value, title_of(name, value, context)) for value in column["values"])
        out[name] = {value: title for value, title in shown if title != value}
    return out


def _filters(context: Context, wanted: Filter) -> dict[str, Any]:
    found = facets(context.connection, wanted, FACETS)
    out = {}
    for name in FACETS:
        picked = getattr(wanted, name)
        counts = {**dict.fromkeys(picked, 0), **found[name]}
        options = [
            {"value": v, "title": title_of(name, v, context), "n": n, "picked": v in picked}
            for v, n in counts.items()
            if v or name == "scenario"
        ]
        if name in ("round", "scenario", "suite", "division"):
            options.sort(key=lambda o: str(o["value"]))
        out[name] = {"options": options, "picked": len(picked)}
    return out


def _flags(query: Query) -> list[tuple[str, str, bool]]:
    flags = (("published", "yes"), ("published", "no"), ("power", "yes"))
    return [(name, value, value in query.get(name, ())) for name, value in flags]


def _chosen(context: Context, asked: Asked) -> list[tuple[str, dict[str, str], str]]:
    """Each thing that is chosen, with the address without it."""
    out = []
    for name, values in asked.kept.items():
        if name not in QUERY_FACETS and name not in ("search", "published", "power"):
            continue
        for value in values:
            rest = {k: [v for v in some if (k, v) != (name, value)] for k, some in asked.kept.items()}
            if name in QUERY_FACETS:
                title = f"{context.t(f'facet.{name}')}: {title_of(name, value, context)}"
            else:
                title = f"“{value}”" if name == "search" else context.t(f"facet.{name}_{value}")
            href = context.links("results", {k: v for k, v in rest.items() if v})
            out.append((name, {"value": value, "title": title}, href))
    return out


def _columns(context: Context, asked: Asked) -> list[dict[str, Any]]:
    names = ("benchmark", "scenario", "round", "submitter", "system", "framework", "value", "verdict")
    titles = {"benchmark": "task"}
    out = []
    for name in names:
        sortable = name in SORTS
        down = asked.sort == name
        href = context.links("results", {**asked.kept, "sort": [f"-{name}" if down else name]})
        direction = {name: "ascending", f"-{name}": "descending"}.get(asked.sort, "")
        out.append(
            {
                "name": name,
                "title": context.t(f"column.{titles.get(name, name)}"),
                "href": href if sortable else "",
                "sorted": direction,
                "right": name == "value",
            }
        )
    return out


def _grouped(context: Context, rows: Sequence[Any], group: str) -> list[dict[str, Any]]:
    """Rows with the heading of their group before its first."""
    out: list[dict[str, Any]] = []
    before: str | None = None
    for at, row in enumerate(rows):
        name = title_of(group, getattr(row.view, group), context) if group else None
        out.append({"row": row, "at": at, "group": name if name != before else None})
        before = name
    return out


def _pages(context: Context, asked: Asked, at: int, last_page: int, n: int) -> dict[str, Any] | None:
    if last_page == 1:
        return None

    def href(page: int) -> str:
        return context.links("results", {**asked.kept, "page": [str(page)]})

    return {
        "before": href(at) if at else "",
        "after": href(at + 2) if at + 1 < last_page else "",
        "first": at * PER_PAGE + 1,
        "last": min(n, (at + 1) * PER_PAGE),
    }


def matching(context: Context, query: Query, limit: int) -> list[ResultView]:
    """The results that an address asks for, for a download."""
    asked = read_query(query)
    return results(context.connection, asked.wanted, limit=limit)
