"""How a database file of any age becomes today's: a list of steps, applied in order inside one transaction.

A step is frozen once it has been released: it is the history of files that people already have. `{bytes}` stands for
the dialect's type of raw bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    about: str
    statements: tuple[str, ...]


V1 = Migration(
    1,
    "published rounds: sources, systems, results, runs, accuracy, audit runs, findings",
    (
        """CREATE TABLE source (
            id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, suite TEXT NOT NULL,
            round TEXT NOT NULL, origin TEXT NOT NULL, url TEXT NOT NULL, commit_id TEXT, reader TEXT NOT NULL,
            signature TEXT NOT NULL, digest TEXT NOT NULL, imported_at TEXT NOT NULL, published BOOLEAN NOT NULL,
            n_files INTEGER NOT NULL, note TEXT NOT NULL)""",
        """CREATE TABLE system (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            division TEXT NOT NULL, submitter TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
            path TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
            system_type TEXT NOT NULL, framework TEXT NOT NULL, operating_system TEXT NOT NULL,
            host_processor TEXT NOT NULL, host_sockets INTEGER, nodes INTEGER, accelerator TEXT NOT NULL,
            accelerators_per_node INTEGER, description TEXT NOT NULL)""",
        "CREATE INDEX ix_system_source_id ON system (source_id)",
        """CREATE TABLE result (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            system_id INTEGER REFERENCES system (id) ON DELETE CASCADE, key TEXT NOT NULL UNIQUE,
            suite TEXT NOT NULL, round TEXT NOT NULL, division TEXT NOT NULL, category TEXT NOT NULL,
            submitter TEXT NOT NULL, submitter_written TEXT NOT NULL, system TEXT NOT NULL, benchmark TEXT NOT NULL,
            model TEXT NOT NULL, scenario TEXT NOT NULL, system_type TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, metric TEXT NOT NULL, value DOUBLE PRECISION, unit TEXT NOT NULL,
            higher_is_better BOOLEAN, quality_met BOOLEAN, valid BOOLEAN, inferred BOOLEAN NOT NULL,
            accepted BOOLEAN, verdict TEXT NOT NULL, n_runs INTEGER NOT NULL, n_used INTEGER,
            spread DOUBLE PRECISION, framework TEXT NOT NULL, framework_label TEXT NOT NULL,
            processor_class TEXT NOT NULL, class_from TEXT NOT NULL, accelerator TEXT NOT NULL, nodes INTEGER,
            chips INTEGER, chips_from TEXT NOT NULL, precision TEXT NOT NULL, power_value DOUBLE PRECISION,
            power_unit TEXT NOT NULL, published BOOLEAN NOT NULL, path TEXT NOT NULL, details TEXT NOT NULL)""",
        "CREATE INDEX ix_result_source_id ON result (source_id)",
        "CREATE INDEX ix_result_system_id ON result (system_id)",
        "CREATE INDEX ix_result_what ON result (suite, round, benchmark, scenario, division)",
        "CREATE INDEX ix_result_submitter ON result (submitter)",
        """CREATE TABLE run (
            id INTEGER NOT NULL PRIMARY KEY, result_id INTEGER NOT NULL REFERENCES result (id) ON DELETE CASCADE,
            role TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, path TEXT NOT NULL,
            state TEXT NOT NULL, reason TEXT NOT NULL, valid BOOLEAN, used BOOLEAN, why_not_used TEXT NOT NULL,
            value DOUBLE PRECISION, unit TEXT NOT NULL, started_at TEXT NOT NULL, duration_s DOUBLE PRECISION,
            n_queries BIGINT, n_samples BIGINT, latency_min_ns BIGINT, latency_mean_ns BIGINT,
            latency_p50_ns BIGINT, latency_p90_ns BIGINT, latency_p95_ns BIGINT, latency_p97_ns BIGINT,
            latency_p99_ns BIGINT, latency_p999_ns BIGINT, latency_max_ns BIGINT, quality DOUBLE PRECISION,
            quality_target DOUBLE PRECISION, converged BOOLEAN, epochs DOUBLE PRECISION, n_errors INTEGER,
            n_warnings INTEGER, details TEXT NOT NULL)""",
        "CREATE INDEX ix_run_result_id ON run (result_id)",
        """CREATE TABLE accuracy (
            result_id INTEGER NOT NULL REFERENCES result (id) ON DELETE CASCADE, metric TEXT NOT NULL,
            value DOUBLE PRECISION, minimum DOUBLE PRECISION, maximum DOUBLE PRECISION, met BOOLEAN,
            PRIMARY KEY (result_id, metric))""",
        """CREATE TABLE audit (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            result_id INTEGER REFERENCES result (id) ON DELETE CASCADE, division TEXT NOT NULL,
            submitter TEXT NOT NULL, test TEXT NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, valid BOOLEAN)""",
        "CREATE INDEX ix_audit_source_id ON audit (source_id)",
        "CREATE INDEX ix_audit_result_id ON audit (result_id)",
        """CREATE TABLE finding (
            id INTEGER NOT NULL PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
            result_id INTEGER REFERENCES result (id) ON DELETE CASCADE, origin TEXT NOT NULL,
            check_id TEXT NOT NULL, severity TEXT NOT NULL, place TEXT NOT NULL, found TEXT NOT NULL,
            expected TEXT NOT NULL, clause TEXT NOT NULL, hint TEXT NOT NULL)""",
        "CREATE INDEX ix_finding_source_id ON finding (source_id)",
        "CREATE INDEX ix_finding_result_id ON finding (result_id)",
    ),
)

V2 = Migration(
    2,
    "run folders: the bounds that a run was held against, and its latencies, query by query",
    (
        """CREATE TABLE bound (
            run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE, position INTEGER NOT NULL,
            name TEXT NOT NULL, ok BOOLEAN NOT NULL, value DOUBLE PRECISION, bound DOUBLE PRECISION,
            unit TEXT NOT NULL, text TEXT NOT NULL, clause TEXT NOT NULL, hint TEXT NOT NULL,
            PRIMARY KEY (run_id, position))""",
        """CREATE TABLE trace (
            run_id INTEGER NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE, n BIGINT NOT NULL,
            n_unanswered BIGINT NOT NULL, latencies {bytes} NOT NULL, timeline TEXT NOT NULL)""",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (V1, V2)

LATEST = MIGRATIONS[-1].version
