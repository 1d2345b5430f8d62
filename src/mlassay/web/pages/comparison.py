"""Two or more results side by side: how much, how sure, what else differs, and whether the rules allow it at all.

Among files the page holds a script that sets the same facts side by side; intervals and rulings need the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlassay.core.errors import UsageError
from mlassay.results.compare import Comparison, compare
from mlassay.results.queries import ResultView, by_ids
from mlassay.results.sides import facts, side_of
from mlassay.web.page import Context, Page
from mlassay.web.rows import rows_of
from mlassay.web.slugs import digest

MAX = 6


def comparison_page(context: Context, query: Mapping[str, Sequence[str]]) -> Page:
    """The first result named is what the others are held against."""
    t, links = context.t, context.links
    asked = list(dict.fromkeys(query.get("id") or ()))[:MAX]
    ids = [context.index.results[name] for name in asked if name in context.index.results]
    unknown = len(asked) - len(ids)
    views = by_ids(context.connection, ids)
    rows = rows_of(context.connection, views, links)
    parts = [_pair(context, views[0], other) for other in views[1:]]
    return Page(
        template="compare.html",
        title=t("compare.heading"),
        section="compare",
        data={
            "rows": rows,
            "unknown": unknown,
            "facts": _facts(views),
            "pairs": parts,
            "drop": [links("compare", {"id": [digest(v.key) for v in views if v.id != one.id]}) for one in views],
            "pick_href": links("results"),
            "every": _every(context) if context.static else None,
        },
    )


def _facts(views: Sequence[ResultView]) -> list[dict[str, Any]]:
    """Each fact of each result; whether they agree."""
    every = [facts(v) for v in views]
    if not every:
        return []
    return [
        {
            "name": name,
            "values": ["" if f[name] is None else str(f[name]) for f in every],
            "differs": len({str(f[name]) for f in every}) > 1,
        }
        for name in every[0]
    ]


def _pair(context: Context, a: ResultView, b: ResultView) -> dict[str, Any]:
    found: Comparison | None
    try:
        sides = side_of(context.connection, a.key, [a]), side_of(context.connection, b.key, [b])
        found, problem = compare(*sides), ""
    except UsageError as error:
        found, problem = None, str(error)
    return {"a": a, "b": b, "cells": found.cells if found else (), "problem": problem}


def _every(context: Context) -> list[dict[str, Any]]:
    """Facts of every result, for the script among files."""
    from mlassay.results.queries import results

    out = []
    for v in results(context.connection, limit=5000):
        shown = {k: "" if f is None else str(f) for k, f in facts(v).items()}
        out.append(
            {"id": digest(v.key), "value": v.value, "unit": v.unit, "higher": v.higher_is_better, "facts": shown}
        )
    return out
