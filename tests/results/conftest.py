"""One database with the published history, filled once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("sqlalchemy")

from mlassay.results.database import Database, open_database
from mlassay.results.importer import import_path
from tests.results.places import REPOSITORIES, archive


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
def database(tmp_path) -> Iterator[Database]:
    """An empty database of one test's own."""
    database = open_database(tmp_path / "results.db")
    yield database
    database.close()
