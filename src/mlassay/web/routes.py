"""From a path to the page that stands there, and every path that there is: one list for the server and the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mlassay.results.history import TABLES
from mlassay.results.rank import Per
from mlassay.web.index import Index
from mlassay.web.page import Context, NoSuchPage, Page
from mlassay.web.pages import glossary, history, ranks, tasks, who
from mlassay.web.pages.comparison import comparison_page
from mlassay.web.pages.front import front
from mlassay.web.pages.result import result_page
from mlassay.web.pages.results import results_page
from mlassay.web.pages.run import run_page

Query = Mapping[str, Sequence[str]]

ALONE: dict[str, Callable[[Context, Query], Page]] = {
    "": lambda context, _: front(context),
    "results": results_page,
    "tasks": lambda context, _: tasks.tasks(context),
    "submitters": lambda context, _: who.submitters(context),
    "rank": lambda context, _: ranks.rank_index(context),
    "compare": comparison_page,
    "history": lambda context, _: history.history(context),
    "glossary": lambda context, _: glossary.glossary(context),
}
"""Pages whose path is one word."""


def build(context: Context, path: str, query: Query) -> Page:
    """The page at a path such as "result/0a1b2c3d4e5f". Raises NoSuchPage."""
    if path in ALONE:
        return ALONE[path](context, query)
    kind, _, rest = path.partition("/")
    index = context.index
    match kind:
        case "result" if rest in index.results:
            return result_page(context, index.results[rest])
        case "task" if rest in index.tasks:
            return tasks.task(context, *index.tasks[rest])
        case "submitter" if rest in index.submitters:
            return who.submitter(context, index.submitters[rest])
        case "system" if rest in index.systems:
            return who.system(context, *index.systems[rest])
        case "history" if rest in TABLES:
            return history.history_table(context, rest)
        case "rank" | "run":
            return _numbered(context, kind, rest)
    raise NoSuchPage(context.t("error.no_page", path=path[:200]))


def _numbered(context: Context, kind: str, rest: str) -> Page:
    """Paths of three parts: rank/<what>/<per> and run/<result>/<position>."""
    name, _, last = rest.partition("/")
    index = context.index
    if kind == "rank" and name in index.rankings and last in {p.value for p in ranks.PERS}:
        return ranks.rank_page(context, index.rankings[name], Per(last))
    if kind == "run" and name in index.results and last.isdecimal() and len(last) < 6:
        return run_page(context, index.results[name], int(last))
    raise NoSuchPage(context.t("error.no_page", path=f"{kind}/{rest}"[:200]))


def every_path(index: Index) -> Iterator[str]:
    """Every page that can be written as a file."""
    yield from ALONE
    yield from (f"history/{name}" for name in TABLES)
    yield from (f"task/{name}" for name in index.tasks)
    yield from (f"submitter/{name}" for name in index.submitters)
    yield from (f"system/{name}" for name in index.systems)
    yield from (f"rank/{name}/{per}" for name in index.rankings for per in ranks.PERS)
    yield from (f"result/{name}" for name in index.results)
    yield from (f"run/{name}/{position}" for name, position in index.runs)
