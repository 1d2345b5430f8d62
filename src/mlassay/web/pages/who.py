"""Submitters and systems: who they are, what they have measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlassay.results.detail import SystemView, systems_named
from mlassay.results.queries import Filter, count, grouped, results
from mlassay.web.numbers import number
from mlassay.web.page import Context, Page
from mlassay.web.rows import rows_of

MAX_ROWS = 100
MAX_FACTS = 120


def submitters(context: Context) -> Page:
    """A card for each organisation."""
    t, links = context.t, context.links
    counted = grouped(context.connection, ("submitter", "suite", "round"))
    cards: dict[str, dict[str, Any]] = {}
    for (name, suite, round_name), n in counted.items():
        card = cards.setdefault(name, {"n": 0, "lines": []})
        card["n"] += n
        card["lines"].append(t("who.in_round", suite=t.maybe(f"word.{suite}", suite), round=round_name, n=number(n)))
    entries = [
        {"title": name or t("word.you"), "href": links.submitter(name), "lines": card["lines"][:8], "links": ()}
        for name, card in sorted(cards.items(), key=lambda c: (-c[1]["n"], c[0]))
    ]
    return Page(
        template="list.html",
        title=t("who.heading"),
        section="submitters",
        data={"groups": [{"title": "", "entries": entries}] if entries else [], "lead": t("who.lead")},
    )


def submitter(context: Context, name: str) -> Page:
    """One organisation: its systems, then its results."""
    t, links = context.t, context.links
    systems = grouped(context.connection, ("system",), Filter(submitter=(name,)))
    views = results(context.connection, Filter(submitter=(name,)), limit=MAX_ROWS)
    return Page(
        template="submitter.html",
        title=name or t("word.you"),
        section="submitters",
        data={
            "systems": [(links.system(name, s), s, n) for (s,), n in systems.items()],
            "rows": rows_of(context.connection, views, links),
            "all_href": links.results(submitter=name),
            "n": sum(systems.values()),
            "own": not name,
        },
    )


def system(context: Context, submitter_name: str, name: str) -> Page:
    """One system: how it was described, and every result of it."""
    links = context.links
    wanted = Filter(submitter=(submitter_name,), system=(name,))
    views = results(context.connection, wanted, limit=MAX_ROWS)
    descriptions = systems_named(context.connection, [v.system_id for v in views if v.system_id is not None])
    return Page(
        template="system.html",
        title=name,
        section="submitters",
        data={
            "submitter": submitter_name,
            "submitter_href": links.submitter(submitter_name),
            "rows": rows_of(context.connection, views, links),
            "n": count(context.connection, wanted),
            "all_href": links.results(submitter=submitter_name, system=name),
            "descriptions": [_described(context, d) for d in descriptions[:6]],
            "title_written": next((d.title for d in descriptions if d.title), ""),
        },
    )


def _described(context: Context, d: SystemView) -> dict[str, Any]:
    t = context.t
    facts = [
        (t("system.processor"), d.host_processor),
        (t("system.sockets"), number(d.host_sockets) if d.host_sockets else ""),
        (t("system.accelerator"), d.accelerator),
        (t("system.per_node"), number(d.accelerators_per_node) if d.accelerators_per_node else ""),
        (t("system.nodes"), number(d.nodes) if d.nodes else ""),
        (t("system.framework"), d.framework),
        (t("system.os"), d.operating_system),
        (t("system.status"), d.status),
    ]
    return {
        "path": d.path,
        "division": d.division,
        "reason": d.reason,
        "facts": [(name, value) for name, value in facts if value],
        "more": flat(d.description)[:MAX_FACTS],
    }


def flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested description as (place, text) pairs."""
    out: list[tuple[str, str]] = []
    for name, value in data.items():
        place = f"{prefix}{name}"
        if isinstance(value, Mapping):
            out += flat(value, f"{place}.")
        elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
            for at, one in enumerate(value[:20]):
                out += flat(one, f"{place}[{at}].") if isinstance(one, Mapping) else [(f"{place}[{at}]", str(one))]
        elif value not in ("", None):
            out.append((place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return out
