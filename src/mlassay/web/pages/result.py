"""One result: its number, whether it holds, every run behind it, where it was read, how to cite it."""

from __future__ import annotations

from functools import partial

from mlassay.results.cite import cite
from mlassay.results.detail import ResultDetail, RunView
from mlassay.results.detail import result as find
from mlassay.results.labels import benchmark_title
from mlassay.results.store import imported_on
from mlassay.web.charts import Axis, Chart, Mark, Point, Series
from mlassay.web.numbers import number
from mlassay.web.page import Context, Page
from mlassay.web.pages.who import flat
from mlassay.web.slugs import digest

MAX_FINDINGS, MAX_AUDITS, MAX_RUNS, MAX_SETTINGS = 200, 100, 200, 80
PERCENTILES = (("50", "p50"), ("90", "p90"), ("95", "p95"), ("97", "p97"), ("99", "p99"), ("99.9", "p999"))


def result_page(context: Context, result_id: int) -> Page:
    """Everything that is known of one result."""
    found = find(context.connection, result_id)
    v = found.result
    title = " ".join(p for p in (benchmark_title(v.benchmark), v.scenario) if p)
    citation = cite(v, imported_on(context.connection, v.source))
    charts = [c for c in (runs_chart(context, found), percentiles_chart(context, found)) if c is not None]
    return Page(
        template="result.html",
        title=f"{title}, {v.submitter or context.t('word.you')} {v.system}",
        section="results",
        data={
            "heading": title,
            "found": found,
            "v": v,
            "links": _links(context, found),
            "charts": charts,
            "runs": [{"run": r, "href": run_href(context, found, r)} for r in found.runs[:MAX_RUNS]],
            "findings": found.findings[:MAX_FINDINGS],
            "audits": found.audits[:MAX_AUDITS],
            "details": flat(found.details)[:MAX_SETTINGS],
            "settings": _settings(found),
            "below": partial(below, v.path),
            "citation": citation,
        },
    )


def run_href(context: Context, found: ResultDetail, run: RunView) -> str:
    """Where a run has a page of its own: runs of one's own have."""
    if found.result.source_kind != "run":
        return ""
    return context.links(f"run/{digest(found.result.key)}/{run.position}")


def _links(context: Context, found: ResultDetail) -> dict[str, str]:
    v, links = found.result, context.links
    return {
        "task": links.task(v.suite, v.benchmark),
        "system": links.system(v.submitter, v.system),
        "submitter": links.submitter(v.submitter),
        "compare": links("compare", {"id": [digest(v.key)]}),
        "similar": links.results(
            suite=v.suite, benchmark=v.benchmark, scenario=v.scenario, round=v.round, division=v.division
        ),
        "json": "" if links.static else links(f"result/{digest(v.key)}.json"),
        "rank": links.rank(v.suite, v.benchmark, v.scenario, v.round)
        if v.division == "closed" and v.value is not None
        else "",
    }


def _settings(found: ResultDetail) -> list[tuple[str, str]]:
    """What the first run that counts says about itself, without what is switched off."""
    run = next((r for r in found.runs if r.role != "accuracy"), None)
    said = flat(run.details) if run else []
    return [(name, value) for name, value in said if value not in ("0", "False")][:MAX_SETTINGS]


def below(path: str, place: str) -> str:
    """A path as seen from the result's own folder, where it lies in it or beside it."""
    if place.startswith(f"{path}/"):
        return place.removeprefix(f"{path}/")
    return "." if place == path else place


def runs_chart(context: Context, found: ResultDetail) -> Chart | None:
    """Bars: the value of each run; which ones count."""
    t, v = context.t, found.result
    runs = [r for r in found.runs if r.value is not None and r.role != "accuracy"][:MAX_RUNS]
    if len(runs) < 2:
        return None
    used = {True: t("result.used"), False: t("result.not_used"), None: t("result.used")}
    names = list(dict.fromkeys(used[r.used] for r in runs))
    points = {name: [] for name in names}  # type: dict[str, list[Point]]
    for at, run in enumerate(runs):
        points[used[run.used]].append(Point(at, run.value, run.why_not_used or run.name))
    return Chart(
        id="runs",
        title=t("result.runs_chart", n=number(len(runs))),
        about=t("result.runs_about", metric=v.metric),
        x=Axis(t("result.run"), ticks=tuple(r.name for r in runs)),
        y=Axis(f"{v.metric} ({runs[0].unit or v.unit})"),
        series=tuple(Series(n, tuple(points[n]), "bars") for n in names),
        marks=(Mark("y", v.value, t("result.official", value=number(v.value))),) if v.value is not None else (),
        stacked=True,
    )


def percentiles_chart(context: Context, found: ResultDetail) -> Chart | None:
    """Lines: latency at each percentile, one for each run."""
    t = context.t
    runs = [r for r in found.runs if r.latency_p50_ns and r.role != "accuracy"][:6]
    if not runs or found.result.scenario == "Offline":
        return None
    series = []
    for run in runs:
        values = ((at, getattr(run, f"latency_{column}_ns")) for at, (_, column) in enumerate(PERCENTILES))
        series.append(Series(run.name, tuple(Point(at, ns / 1e6) for at, ns in values if ns), "line"))
    return Chart(
        id="percentiles",
        title=t("result.percentiles"),
        about=t("result.percentiles_about"),
        x=Axis(t("result.percentile"), ticks=tuple(f"p{p}" for p, _ in PERCENTILES)),
        y=Axis(t("result.latency_ms")),
        series=tuple(series),
    )
