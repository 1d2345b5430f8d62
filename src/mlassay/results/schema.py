"""The tables of the results database as they are now. How older files come to this shape stands in `migrations.py`.

Ids are given by the importer, inside its one transaction, so that the same file means the same rows in SQLite and in
PostgreSQL. What each column means, with its unit, is told by `glossary.py`.
"""

from __future__ import annotations

from typing import Any

from mlassay.core.errors import MissingDependency

try:
    import sqlalchemy as sa
except ModuleNotFoundError as error:
    raise MissingDependency("SQLAlchemy", extra="results", why="the results database needs it") from error

__all__ = [
    "accuracy",
    "audit",
    "bound",
    "finding",
    "metadata",
    "result",
    "run",
    "sa",
    "schema_version",
    "source",
    "system",
    "trace",
]

metadata = sa.MetaData()

Text, Integer, Real, Boolean, BigInteger = sa.Text, sa.Integer, sa.Double, sa.Boolean, sa.BigInteger


def _of(table: str, *, null: bool = False, key: bool = False, index: bool = True) -> sa.Column[int]:
    target = f"{table}.id"
    return sa.Column(
        f"{table}_id",
        Integer,
        sa.ForeignKey(target, ondelete="CASCADE"),
        nullable=null,
        primary_key=key,
        index=index and not key,
    )


def _need(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind)


schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", Integer, primary_key=True, autoincrement=False),
    _need("applied_at", Text),
    _need("by", Text),
)

source = sa.Table(
    "source",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    sa.Column("name", Text, nullable=False, unique=True),
    _need("kind", Text),
    _need("suite", Text),
    _need("round", Text),
    _need("origin", Text),
    _need("url", Text),
    _may("commit_id", Text),
    _need("reader", Text),
    _need("signature", Text),
    _need("digest", Text),
    _need("imported_at", Text),
    _need("published", Boolean),
    _need("n_files", Integer),
    _need("note", Text),
)

system = sa.Table(
    "system",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    _of("source"),
    _need("division", Text),
    _need("submitter", Text),
    _need("name", Text),
    _need("title", Text),
    _need("path", Text),
    _need("state", Text),
    _need("reason", Text),
    _need("status", Text),
    _need("system_type", Text),
    _need("framework", Text),
    _need("operating_system", Text),
    _need("host_processor", Text),
    _may("host_sockets", Integer),
    _may("nodes", Integer),
    _need("accelerator", Text),
    _may("accelerators_per_node", Integer),
    _need("description", Text),
)

result = sa.Table(
    "result",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    _of("source"),
    _of("system", null=True),
    sa.Column("key", Text, nullable=False, unique=True),
    _need("suite", Text),
    _need("round", Text),
    _need("division", Text),
    _need("category", Text),
    _need("submitter", Text),
    _need("submitter_written", Text),
    _need("system", Text),
    _need("benchmark", Text),
    _need("model", Text),
    _need("scenario", Text),
    _need("system_type", Text),
    _need("state", Text),
    _need("reason", Text),
    _need("metric", Text),
    _may("value", Real),
    _need("unit", Text),
    _may("higher_is_better", Boolean),
    _may("quality_met", Boolean),
    _may("valid", Boolean),
    _need("inferred", Boolean),
    _may("accepted", Boolean),
    _need("verdict", Text),
    _need("n_runs", Integer),
    _may("n_used", Integer),
    _may("spread", Real),
    _need("framework", Text),
    _need("framework_label", Text),
    _need("processor_class", Text),
    _need("class_from", Text),
    _need("accelerator", Text),
    _may("nodes", Integer),
    _may("chips", Integer),
    _need("chips_from", Text),
    _need("precision", Text),
    _may("power_value", Real),
    _need("power_unit", Text),
    _need("published", Boolean),
    _need("path", Text),
    _need("details", Text),
    sa.Index("ix_result_what", "suite", "round", "benchmark", "scenario", "division"),
    sa.Index("ix_result_submitter", "submitter"),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    _of("result"),
    _need("role", Text),
    _need("name", Text),
    _need("position", Integer),
    _need("path", Text),
    _need("state", Text),
    _need("reason", Text),
    _may("valid", Boolean),
    _may("used", Boolean),
    _need("why_not_used", Text),
    _may("value", Real),
    _need("unit", Text),
    _need("started_at", Text),
    _may("duration_s", Real),
    _may("n_queries", BigInteger),
    _may("n_samples", BigInteger),
    _may("latency_min_ns", BigInteger),
    _may("latency_mean_ns", BigInteger),
    _may("latency_p50_ns", BigInteger),
    _may("latency_p90_ns", BigInteger),
    _may("latency_p95_ns", BigInteger),
    _may("latency_p97_ns", BigInteger),
    _may("latency_p99_ns", BigInteger),
    _may("latency_p999_ns", BigInteger),
    _may("latency_max_ns", BigInteger),
    _may("quality", Real),
    _may("quality_target", Real),
    _may("converged", Boolean),
    _may("epochs", Real),
    _may("n_errors", Integer),
    _may("n_warnings", Integer),
    _need("details", Text),
)

accuracy = sa.Table(
    "accuracy",
    metadata,
    _of("result", key=True),
    sa.Column("metric", Text, primary_key=True),
    _may("value", Real),
    _may("minimum", Real),
    _may("maximum", Real),
    _may("met", Boolean),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    _of("source"),
    _of("result", null=True),
    _need("division", Text),
    _need("submitter", Text),
    _need("test", Text),
    _need("path", Text),
    _need("state", Text),
    _need("reason", Text),
    _may("valid", Boolean),
)

finding = sa.Table(
    "finding",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=False),
    _of("source"),
    _of("result", null=True),
    _need("origin", Text),
    _need("check_id", Text),
    _need("severity", Text),
    _need("place", Text),
    _need("found", Text),
    _need("expected", Text),
    _need("clause", Text),
    _need("hint", Text),
)

bound = sa.Table(
    "bound",
    metadata,
    _of("run", key=True),
    sa.Column("position", Integer, primary_key=True, autoincrement=False),
    _need("name", Text),
    _need("ok", Boolean),
    _may("value", Real),
    _may("bound", Real),
    _need("unit", Text),
    _need("text", Text),
    _need("clause", Text),
    _need("hint", Text),
)

trace = sa.Table(
    "trace",
    metadata,
    _of("run", key=True),
    _need("n", BigInteger),
    _need("n_unanswered", BigInteger),
    _need("latencies", sa.LargeBinary),
    _need("timeline", Text),
)
