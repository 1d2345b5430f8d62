"""One database: a SQLite file by default, PostgreSQL by URL. Opening it brings an older one up to date.

Readers see the last complete import; a writer holds the one write lock, and what it has not committed never was.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlassay._version import __version__
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.results.migrations import LATEST, MIGRATIONS
from mlassay.results.schema import sa

WAIT_MS = 30_000
"""How long one writer waits for another."""
POSTGRES_LOCK = 7_306_202
"""Number of the advisory lock that importers into one PostgreSQL database share."""


def default_place() -> Path:
    """$MLASSAY_DB, else results.db in the user's data directory."""
    said = os.environ.get("MLASSAY_DB")
    if said:
        return Path(said)
    home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(home) / "mlassay" / "results.db"


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `label` is how to name it to people: a path, or a URL without its password."""

    engine: sa.Engine
    label: str

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self, *, seconds: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that cannot write and that sees one state throughout.

        With `seconds`, a query that is still going on that long after the start is stopped: TooSlow.
        """
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                with _at_most(connection, self.is_sqlite, seconds):
                    yield connection
            finally:
                connection.rollback()
                if self.is_sqlite:
                    connection.exec_driver_sql("PRAGMA query_only = OFF")
                    connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The one write transaction: all of it is kept, or nothing."""
        engine = self.engine.execution_options(immediate=True) if self.is_sqlite else self.engine
        try:
            with engine.begin() as connection:
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRES_LOCK})")
                yield connection
        except sa.exc.OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            hint = "see whether another import is running"
            raise MachineProblem(f"{self.label}: {_short(error)}", hint=hint) from error

    def close(self) -> None:
        self.engine.dispose()


class TooSlow(MachineProblem):
    """A question took longer than it was given."""


STEPS_BETWEEN_LOOKS = 20_000
"""SQLite virtual-machine steps between two looks at the clock."""


@contextmanager
def _at_most(connection: sa.Connection, is_sqlite: bool, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    driver: Any = connection.connection.dbapi_connection
    if is_sqlite:
        deadline = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
    try:
        yield
    except sa.exc.OperationalError as error:
        if "interrupted" in str(error.orig) or "statement timeout" in str(error.orig):
            raise TooSlow(f"the question took longer than {seconds:g} s and was stopped", hint="narrow it") from error
        raise
    finally:
        if is_sqlite:
            driver.set_progress_handler(None, 0)


def open_database(place: str | Path | None = None, *, create: bool = True) -> Database:
    """Open (and create or upgrade) a database.

    `place` is a file, or a URL such as postgresql://user@host/name; default: `default_place()`. Raises BadFile for a
    file that is no such database, UsageError when it is absent and `create` is false.
    """
    text = str(place) if place is not None else str(default_place())
    if "://" not in text:
        return _open_file(Path(text), create)
    url = _url(text)
    if url.drivername == "sqlite":
        return _open_file(Path(url.database or "mlassay.db"), create)
    return _open_postgres(url)


def _url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise UsageError(f"{text!r} is no database URL", hint="write postgresql://user@host/name, or a file") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"{url.get_backend_name()} databases are not supported", hint="use a file, or postgresql://…")
    return url


def _open_file(place: Path, create: bool) -> Database:
    if place.is_dir():
        raise BadFile(place, found="a directory", expected="a database file", hint=f"try --db {place / 'results.db'}")
    if not place.exists():
        if not create:
            raise UsageError(f"no results database at {place}", hint="fill one with: mlassay db import PATH")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineProblem(f"{place.parent}: {error.strerror}") from error
    engine = sa.create_engine(f"sqlite:///{place}")
    _teach_sqlite(engine)
    database = Database(engine, str(place))
    try:
        upgrade(database)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        _explain_sqlite(place, error)
    return database


def _teach_sqlite(engine: sa.Engine) -> None:
    """Real transactions (the driver's own hide DDL), foreign keys, write-ahead log."""

    @sa.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _explain_sqlite(place: Path, error: sa.exc.DatabaseError) -> None:
    text = _short(error)
    if "not a database" in text or "malformed" in text:
        raise BadFile(place, found=f"no database ({text})", expected="a file made by mlassay db import") from error
    if "already exists" in text:
        raise BadFile(place, found="somebody else's database", expected="a file made by mlassay db import") from error
    raise MachineProblem(f"{place}: {text}") from error


def _open_postgres(url: sa.URL) -> Database:
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise MissingDependency("psycopg", extra="results", why="PostgreSQL needs it") from error
    database = Database(engine, url.render_as_string(hide_password=True))
    try:
        upgrade(database)
    except sa.exc.OperationalError as error:
        engine.dispose()
        raise MachineProblem(f"{database.label}: {_short(error)}", hint="is the server running?") from error
    return database


def _short(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig is not None else str(error)


def version_of(connection: sa.Connection) -> int:
    """The schema version of a database; 0 when it is empty."""
    if not sa.inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.exec_driver_sql("SELECT COALESCE(MAX(version), 0) FROM schema_version").scalar_one())


def upgrade(database: Database, *, to: int = LATEST) -> int:
    """Apply every missing migration in one transaction; the version that the database had before."""
    with database.engine.connect() as connection:
        before = version_of(connection)
    if before > LATEST:
        raise BadFile(
            database.label,
            found=f"of schema version {before}",
            expected=f"version {LATEST} or older",
            hint="it was written by a newer mlassay: upgrade with pip install -U mlassay",
        )
    if before >= to:
        return before
    with database.writing() as connection:
        before = version_of(connection)  # another process may have been faster
        if before == 0:
            connection.exec_driver_sql(
                "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, "
                'applied_at TEXT NOT NULL, "by" TEXT NOT NULL)'
            )
        raw = "BLOB" if database.is_sqlite else "BYTEA"
        for migration in MIGRATIONS:
            if before < migration.version <= to:
                for statement in migration.statements:
                    connection.exec_driver_sql(statement.replace("{bytes}", raw))
                connection.execute(
                    sa.text('INSERT INTO schema_version (version, applied_at, "by") VALUES (:v, :at, :by)'),
                    {"v": migration.version, "at": now(), "by": f"mlassay {__version__}"},
                )
    return before


def now() -> str:
    """This moment as text: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
