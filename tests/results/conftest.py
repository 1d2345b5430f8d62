"""Databases for tests: the published history, filled once; an empty file; and the same tests on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from mlassay.results.database import Database, open_database
from mlassay.results.importer import import_path
from mlassay.results.schema import sa
from tests.results.places import REPOSITORIES, archive
from tests.results.servers import postgres_url


@pytest.fixture(scope="session")
def history_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The three archives, imported once for all tests that only read."""
    paths = [archive(name) for name in REPOSITORIES]
    database = open_database(tmp_path_factory.mktemp("history") / "results.db")
    for path in paths:
        import_path(database, path)
    yield database
    database.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database of one test's own."""
    database = open_database(tmp_path / "results.db")
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real server."""
    yield from postgres_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The same test on both databases, each time empty."""
    if request.param == "sqlite":
        database = open_database(tmp_path / "either.db")
    else:
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
        database = open_database(url)
    yield database
    database.close()
