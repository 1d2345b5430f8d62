"""Everything about one result, one system, one run: what a page of its own shows.

Like `queries`, every function takes an open connection, and every list is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mlassay.core.errors import UnknownName, UsageError
from mlassay.results import schema as tables
from mlassay.results.per_query import histogram, unpack
from mlassay.results.queries import MAX_ROWS, ResultView, columns, joined
from mlassay.results.schema import sa


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run behind a result."""

    id: int
    role: str
    name: str
    position: int
    path: str
    state: str
    reason: str
    valid: bool | None
    used: bool | None
    why_not_used: str
    value: float | None
    unit: str
    started_at: str
    duration_s: float | None
    n_queries: int | None
    n_samples: int | None
    latency_min_ns: int | None
    latency_mean_ns: int | None
    latency_p50_ns: int | None
    latency_p90_ns: int | None
    latency_p95_ns: int | None
    latency_p97_ns: int | None
    latency_p99_ns: int | None
    latency_p999_ns: int | None
    latency_max_ns: int | None
    quality: float | None
    quality_target: float | None
    converged: bool | None
    epochs: float | None
    n_errors: int | None
    n_warnings: int | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyView:
    metric: str
    value: float | None
    minimum: float | None
    maximum: float | None
    met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    origin: str
    check_id: str
    severity: str
    place: str
    found: str
    expected: str
    clause: str
    hint: str
    result_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    test: str
    path: str
    state: str
    reason: str
    valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    id: int
    division: str
    submitter: str
    name: str
    title: str
    path: str
    state: str
    reason: str
    status: str
    system_type: str
    framework: str
    operating_system: str
    host_processor: str
    host_sockets: int | None
    nodes: int | None
    accelerator: str
    accelerators_per_node: int | None
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDetail:
    """Everything about one result."""

    result: ResultView
    details: Mapping[str, Any]
    system: SystemView | None
    runs: tuple[RunView, ...]
    accuracies: tuple[AccuracyView, ...]
    audits: tuple[AuditView, ...]
    findings: tuple[FindingView, ...]


def result(connection: sa.Connection, key: str | int) -> ResultDetail:
    """One result by its id, its key, or an unambiguous end of its key. Raises UnknownName."""
    view = _one(connection, key)
    r = tables.result.c
    details = connection.execute(sa.select(r.details).where(r.id == view.id)).scalar_one()
    mine = tables.run.c.result_id == view.id
    return ResultDetail(
        result=view,
        details=json.loads(details),
        system=system(connection, view.system_id) if view.system_id is not None else None,
        runs=tuple(views(connection, tables.run, RunView, mine, order=(tables.run.c.position, tables.run.c.id))),
        accuracies=tuple(views(connection, tables.accuracy, AccuracyView, tables.accuracy.c.result_id == view.id)),
        audits=tuple(views(connection, tables.audit, AuditView, tables.audit.c.result_id == view.id)),
        findings=tuple(views(connection, tables.finding, FindingView, tables.finding.c.result_id == view.id)),
    )


def _one(connection: sa.Connection, key: str | int) -> ResultView:
    r = tables.result.c
    text = str(key).strip().rstrip("/")
    query = sa.select(*columns()).select_from(joined())
    if text.isdecimal():
        found = connection.execute(query.where(r.id == int(text[:9]))).mappings().all()
    else:
        found = connection.execute(query.where(r.key == text)).mappings().all()
        if not found:
            end = "%/" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
            found = connection.execute(query.where(r.key.like(end, escape="\\")).limit(6)).mappings().all()
    if len(found) == 1:
        return ResultView(**found[0])
    if found:
        raise UsageError(f"{text!r} names {len(found)} results", hint="one of: " + ", ".join(f["key"] for f in found))
    raise UnknownName("result", text, ["see mlassay db list and mlassay rank"], _near_keys(connection, text))


def _near_keys(connection: sa.Connection, text: str) -> list[str]:
    last = text.rpartition("/")[2] or text
    c = tables.result.c.key
    query = sa.select(c).where(c.ilike("%" + last.replace("%", "").replace("_", "") + "%")).order_by(c).limit(3)
    return [row[0] for row in connection.execute(query)]


def views(
    connection: sa.Connection,
    table: sa.Table,
    view: Any,
    where: sa.ColumnElement[bool],
    *,
    order: Sequence[sa.ColumnElement[Any]] = (),
    limit: int = MAX_ROWS,
) -> list[Any]:
    names = [f.name for f in fields(view)]
    query = sa.select(*(table.c[n] for n in names)).where(where).order_by(*order).limit(limit)
    out = []
    for row in connection.execute(query).mappings():
        values = dict(row)
        for name in ("details", "description"):
            if name in values:
                values[name] = json.loads(values[name])
        out.append(view(**values))
    return out


def system(connection: sa.Connection, id: int) -> SystemView:
    """One described system. Raises UnknownName."""
    found = views(connection, tables.system, SystemView, tables.system.c.id == id)
    if not found:
        raise UnknownName("system", str(id), ["see mlassay db query 'SELECT id, name FROM system'"], [])
    view: SystemView = found[0]
    return view


def systems_named(connection: sa.Connection, ids: Sequence[int]) -> list[SystemView]:
    """Several described systems, each once, in the order of their numbers."""
    chosen = sorted(set(ids))[:500]
    return views(connection, tables.system, SystemView, tables.system.c.id.in_(chosen), order=(tables.system.c.id,))


def runs_of(connection: sa.Connection, result_ids: Sequence[int], role: str = "") -> dict[int, list[RunView]]:
    """The runs of many results at once."""
    t = tables.run
    out: dict[int, list[RunView]] = {i: [] for i in result_ids}
    for at in range(0, len(result_ids), 500):
        some = list(result_ids[at : at + 500])
        names = [f.name for f in fields(RunView)]
        query = sa.select(t.c.result_id, *(t.c[n] for n in names)).where(t.c.result_id.in_(some))
        query = (query.where(t.c.role == role) if role else query).order_by(t.c.result_id, t.c.position)
        for row in connection.execute(query).mappings():
            values = {n: row[n] for n in names}
            out[row["result_id"]].append(RunView(**{**values, "details": json.loads(values["details"])}))
    return out


def findings(connection: sa.Connection, source: str = "", *, limit: int = 1000) -> list[FindingView]:
    """What was odd or against the rules, of one source or of all."""
    where: sa.ColumnElement[bool] = sa.true()
    if source:
        s = tables.source.c
        where = tables.finding.c.source_id.in_(sa.select(s.id).where(s.name == source))
    order = (tables.finding.c.check_id, tables.finding.c.id)
    return views(connection, tables.finding, FindingView, where, order=order, limit=min(limit, MAX_ROWS))


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundView:
    """One bound that a run was held against."""

    name: str
    ok: bool
    value: float | None
    bound: float | None
    unit: str
    text: str
    clause: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """A run of your own, query by query. `histogram` and `timeline` as in `per_query`; empty without a trace."""

    run: RunView
    result: ResultView
    bounds: tuple[BoundView, ...]
    n_answered: int
    n_unanswered: int
    histogram: Mapping[str, Sequence[float]]
    timeline: Mapping[str, Any]

    @property
    def failed(self) -> tuple[BoundView, ...]:
        return tuple(b for b in self.bounds if not b.ok)


def run_detail(connection: sa.Connection, run_id: int) -> RunDetail:
    """One run with its bounds, latency distribution and time line. Raises UnknownName."""
    found = views(connection, tables.run, RunView, tables.run.c.id == run_id)
    if not found:
        raise UnknownName("run", str(run_id), ["see mlassay db query 'SELECT id, name FROM run'"], [])
    result_id = connection.execute(sa.select(tables.run.c.result_id).where(tables.run.c.id == run_id)).scalar_one()
    t = tables.trace.c
    trace = connection.execute(
        sa.select(t.n, t.n_unanswered, t.latencies, t.timeline).where(t.run_id == run_id)
    ).first()
    bounds = views(
        connection, tables.bound, BoundView, tables.bound.c.run_id == run_id, order=(tables.bound.c.position,)
    )
    return RunDetail(
        run=found[0],
        result=_one(connection, result_id),
        bounds=tuple(bounds),
        n_answered=trace.n if trace else 0,
        n_unanswered=trace.n_unanswered if trace else 0,
        histogram=histogram(unpack(trace.latencies)) if trace else {},
        timeline=json.loads(trace.timeline) if trace else {},
    )
