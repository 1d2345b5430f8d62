"""From a page to HTML. Everything shown is escaped; the words come from `texts`, the numbers from `numbers`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from mlassay._version import __version__
from mlassay.core.errors import MissingDependency
from mlassay.results.labels import benchmark_title
from mlassay.web import numbers
from mlassay.web.page import Context, Page
from mlassay.web.rows import Row

try:
    import jinja2
    from markupsafe import Markup
except ModuleNotFoundError as error:
    raise MissingDependency("Jinja2", extra="web", why="the dashboard's pages need it") from error

NAVIGATION = ("", "results", "tasks", "submitters", "rank", "compare", "history", "glossary")
"""Pages in the navigation; the server adds "live"."""


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(_templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numbers.number,
        "exact": numbers.exact,
        "duration": numbers.duration,
        "seconds": numbers.seconds,
        "percent": numbers.percent,
        "unit": numbers.unit,
        "benchmark": benchmark_title,
        "script_json": script_json,
        "named": named,
        "slug_end": slug_end,
    }
    return environment


def _templates() -> dict[str, str]:
    folder = files("mlassay.web").joinpath("templates")
    return {p.name: p.read_text(encoding="utf-8") for p in folder.iterdir() if p.name.endswith(".html")}


def script_json(value: object) -> Markup:
    """JSON that can stand inside a script element, whatever it holds: no tag, comment or line end gets out."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - nothing that HTML could read is left in it


def named(row: Row) -> str:
    """A result in a few words, for labels that are only heard."""
    v = row.view
    return " ".join(p for p in (v.submitter, v.system, benchmark_title(v.benchmark), v.scenario) if p)


def slug_end(href: str) -> str:
    """The last part of an address, without what files add to it."""
    return href.rpartition("/")[2].removesuffix(".html")


def render(page: Page, context: Context, *, live: bool = False) -> str:
    """The whole HTML document of a page. `live` adds the page of runs in progress to the navigation."""
    t, links = context.t, context.links
    sections = [*NAVIGATION, *(("live",) if live else ())]
    values: dict[str, Any] = {
        **page.data,
        "page": page,
        "t": t,
        "to": links,
        "static": links.static,
        "language": t.language,
        "version": __version__,
        "navigation": [(links(s), t(f"nav.{s or 'front'}"), s == page.section) for s in sections],
        "script_texts": t.under("script"),
    }
    return _environment().get_template(page.template).render(values)
