"""Questions in the user's own SQL: read-only, bounded in time and rows, whatever the text says."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlassay.core.errors import UsageError
from mlassay.results.database import Database
from mlassay.results.schema import sa
from mlassay.results.table import Cell

MAX_SECONDS = 60.0
_STEPS = 20_000  # SQLite virtual-machine steps between two looks at the clock
_ALLOWED = {
    getattr(sqlite3, name)
    for name in ("SQLITE_SELECT", "SQLITE_READ", "SQLITE_FUNCTION", "SQLITE_RECURSIVE")
    if hasattr(sqlite3, name)
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a question; `more` when the limit cut some off."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: bool


def ask(database: Database, sql: str, *, limit: int = 1000, seconds: float = MAX_SECONDS) -> Answer:
    """Run one SELECT. Raises UsageError for anything else, for bad SQL, and when it takes too long."""
    if not sql.strip():
        raise UsageError("an empty question", hint="for example: mlassay db query 'SELECT name, round FROM source'")
    with database.reading() as connection:
        if database.is_sqlite:
            return _ask_sqlite(connection, sql, limit, seconds)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        return _ask_postgres(connection, sql, limit)


def _ask_sqlite(connection: sa.Connection, sql: str, limit: int, seconds: float) -> Answer:
    driver: Any = connection.connection.dbapi_connection
    deadline = time.monotonic() + seconds
    connection.exec_driver_sql("SELECT 1")  # the transaction begins before the guard stands
    driver.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        return _run(connection, sql, limit)
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def _ask_postgres(connection: sa.Connection, sql: str, limit: int) -> Answer:
    """As a prepared statement, which can hold one command only: no COMMIT slips in behind the question."""
    import psycopg

    driver: Any = connection.connection.dbapi_connection
    try:
        with driver.cursor() as cursor:
            cursor.execute(sql, prepare=True)
            if cursor.description is None:
                raise _only_questions()
            columns = tuple(c.name for c in cursor.description)
            rows = cursor.fetchmany(limit + 1)
    except psycopg.Error as error:
        raise _explained(str(error)) from error
    return _answer(columns, rows, limit)


def _only_questions() -> UsageError:
    return UsageError("only questions can be asked here, with SELECT", hint="fill the database with mlassay db import")


def _answer(columns: tuple[str, ...], rows: Sequence[Sequence[object]], limit: int) -> Answer:
    return Answer(columns, tuple(tuple(_cell(v) for v in row) for row in rows[:limit]), len(rows) > limit)


def _run(connection: sa.Connection, sql: str, limit: int) -> Answer:
    try:
        result = connection.exec_driver_sql(sql)
        if not result.returns_rows:
            raise _only_questions()
        return _answer(tuple(result.keys()), result.fetchmany(limit + 1), limit)
    except sa.exc.DBAPIError as error:
        raise _explained(str(error.orig)) from error


def _explained(said: str) -> UsageError:
    text = said.strip().splitlines()[0]
    if any(word in text for word in ("not authorized", "read-only", "prohibited", "readonly")):
        return UsageError("the database can only be read here, with SELECT", hint="fill it with mlassay db import")
    if "interrupted" in text or "statement timeout" in text:
        return UsageError(f"the question took longer than {MAX_SECONDS:.0f} s and was stopped", hint="narrow it down")
    return UsageError(f"SQL: {text}", hint="tables and columns: mlassay db glossary")


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, str | int | float):
        return value
    return f"{len(value)} bytes" if isinstance(value, bytes | memoryview) else str(value)
