"""Opening, upgrading, importing twice, being interrupted: on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlassay.core.errors import BadFile, MachineProblem, UnknownName, UsageError
from mlassay.results import schema, store
from mlassay.results.ask import ask
from mlassay.results.database import Database, open_database, upgrade, version_of
from mlassay.results.detail import result
from mlassay.results.importer import import_path
from mlassay.results.migrations import LATEST, MIGRATIONS, V1
from mlassay.results.overview import overview
from mlassay.results.queries import Filter, count, facets, grouped, results
from mlassay.results.schema import sa
from mlassay.results.store import Change, sources
from tests.results.trees import InferenceTree, summary

TABLES = ("source", "system", "result", "run", "accuracy", "audit", "finding", "bound", "trace")


@pytest.fixture
def tree(tmp_path: Path) -> InferenceTree:
    tree = InferenceTree(tmp_path)
    tree.system()
    tree.result()
    tree.result(scenario="Server")
    return tree


def content(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with database.reading() as connection:
        return {
            name: [tuple(r) for r in connection.execute(sa.select(schema.metadata.tables[name]))] for name in TABLES
        }


def test_import_and_import_again(either: Database, tree: InferenceTree) -> None:
    (first,) = import_path(either, tree.root)
    assert (first.change, first.n_results, first.n_runs) == (Change.ADDED, 2, 4)
    before = content(either)
    (second,) = import_path(either, tree.root)
    assert second.change is Change.UNCHANGED
    (third,) = import_path(either, tree.root, force=True)
    assert third.change is Change.UNCHANGED  # read anew, and found to be the same
    assert content(either) == before


def test_changed_content_replaces_the_old(either: Database, tree: InferenceTree) -> None:
    import_path(either, tree.root)
    tree.result(scenario="Offline", logs=summary("Offline", "1234567"))
    (again,) = import_path(either, tree.root)
    assert again.change is Change.REPLACED
    with either.reading() as connection:
        values = {r.scenario: r.value for r in results(connection)}
    assert values == {"Offline": 1234567.0, "Server": 100.0}
    assert len(content(either)["source"]) == 1


def test_an_interrupted_import_leaves_the_old_state(
    either: Database, tree: InferenceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_path(either, tree.root)
    before = content(either)
    tree.result(scenario="Offline", logs=summary("Offline", "7"))
    real: Callable[..., None] = store._bulk

    def stop_at_runs(connection: sa.Connection, table: sa.Table, *args: Any, **kw: Any) -> None:
        if table.name == "run":
            raise KeyboardInterrupt
        real(connection, table, *args, **kw)

    monkeypatch.setattr(store, "_bulk", stop_at_runs)
    with pytest.raises(KeyboardInterrupt):
        import_path(either, tree.root)
    assert content(either) == before
    monkeypatch.undo()
    assert import_path(either, tree.root)[0].change is Change.REPLACED


def test_removing_a_source_takes_everything_with_it(either: Database, tree: InferenceTree) -> None:
    import_path(either, tree.root)
    with pytest.raises(UnknownName, match="unknown source 'nothing'"):
        store.remove(either, ["nothing"])
    assert store.remove(either, ["inference_results_v0.5"]) == 1
    assert all(not rows for rows in content(either).values())


def test_questions_are_answered_alike(either: Database, tree: InferenceTree) -> None:
    tree.result(submitter="Bolt", system="two", logs=summary("Offline", "250"))
    tree.system("two", submitter="Bolt", accelerator_model_name="N/A", accelerators_per_node=0, framework="OpenVINO")
    import_path(either, tree.root)
    with either.reading() as connection:
        assert count(connection) == 3
        offline = results(connection, Filter(scenario=("Offline",)), order=("-value",))
        assert [(r.submitter, r.value, r.processor_class, r.chips) for r in offline] == [
            ("Bolt", 250.0, "CPU", 2),
            ("Acme", 100.0, "GPU", 4),
        ]
        assert offline[1].per_chip == 25
        assert results(connection, Filter(search="bolt"))[0].system == "two"
        assert results(connection, Filter(search="100%_")) == []
        assert facets(connection, Filter(submitter=("Bolt",)))["submitter"] == {"Acme": 2, "Bolt": 1}
        assert grouped(connection, ("submitter", "scenario")) == {
            ("Acme", "Offline"): 1,
            ("Acme", "Server"): 1,
            ("Bolt", "Offline"): 1,
        }
        (line,) = overview(connection)
        assert (line.round, line.n_results, line.n_submitters, line.n_systems) == ("v0.5", 3, 2, 2)
        found = result(connection, "closed/Bolt/results/two/resnet/Offline")
        assert found.result.source == "inference_results_v0.5"
        assert found.result.url == "https://github.com/mlcommons/inference_results_v0.5"
        assert found.system is not None
        assert found.system.description["framework"] == "OpenVINO"
        with pytest.raises(UsageError, match="'Offline' names 2 results"):
            result(connection, "Offline")
        with pytest.raises(UnknownName, match="unknown result 'Onlin'"):
            result(connection, "Onlin")


def test_own_sql_can_read_and_nothing_else(either: Database, tree: InferenceTree) -> None:
    import_path(either, tree.root)
    before = content(either)
    answer = ask(either, "SELECT scenario, value FROM result ORDER BY scenario")
    assert answer.columns == ("scenario", "value")
    assert answer.rows == (("Offline", 100.0), ("Server", 100.0))
    assert ask(either, "SELECT id FROM run ORDER BY id", limit=2).more
    for bad in (
        "DELETE FROM result",
        "DROP TABLE result",
        "UPDATE result SET value = 0",
        "INSERT INTO accuracy VALUES (1, 'x', 1, 1, 1, NULL)",
        "SELECT 1; DELETE FROM result",
        "SELECT 1; COMMIT; DELETE FROM result",
        "PRAGMA query_only = OFF",
        "ATTACH '/tmp/other.db' AS other",
        "",
        "SELECT nonsense FROM nowhere",
    ):
        with pytest.raises(UsageError):
            ask(either, bad)
    assert content(either) == before
    import_path(either, tree.root, force=True)  # the database can still be written to afterwards


def test_an_endless_question_is_stopped(either: Database) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c"
    with pytest.raises(UsageError, match="was stopped"):
        ask(either, endless, seconds=0.3)


def test_the_migrations_lead_to_the_schema(either: Database) -> None:
    inspector = sa.inspect(either.engine)
    for table in schema.metadata.sorted_tables:
        found = {c["name"]: c for c in inspector.get_columns(table.name)}
        assert set(found) == {c.name for c in table.c}, table.name
        for column in table.c:
            assert found[column.name]["nullable"] == column.nullable, f"{table.name}.{column.name}"
            assert found[column.name]["type"]._type_affinity is column.type._type_affinity, column.name
        keys = set(inspector.get_pk_constraint(table.name)["constrained_columns"])
        assert keys == {c.name for c in table.primary_key}, table.name
        foreign = {
            (tuple(k["constrained_columns"]), k["referred_table"]) for k in inspector.get_foreign_keys(table.name)
        }
        assert foreign == {((c.name,), k.column.table.name) for c in table.c for k in c.foreign_keys}, table.name
        indexes = {i["name"] for i in inspector.get_indexes(table.name) if not i.get("duplicates_constraint")}
        assert {i.name for i in table.indexes} <= indexes, table.name


def test_migrations_are_numbered_without_gaps() -> None:
    assert [m.version for m in MIGRATIONS] == list(range(1, LATEST + 1))


def test_a_file_of_the_first_version_is_upgraded_with_its_content(tmp_path: Path) -> None:
    place = tmp_path / "old.db"
    old = Path(__file__).parent / "data" / "version_1.sql"
    connection = sqlite3.connect(place)
    connection.executescript(old.read_text(encoding="utf-8"))
    connection.close()
    database = open_database(place)
    with database.reading() as reading:
        assert version_of(reading) == LATEST
        (row,) = results(reading)
        assert (row.key, row.value, row.unit) == (
            "inference_results_v0.5/closed/Acme/results/one/resnet/Offline",
            100,
            "samples/s",
        )
        assert [v for (v,) in reading.exec_driver_sql("SELECT version FROM schema_version ORDER BY version")] == [1, 2]
    assert [s.name for s in sources(database)] == ["inference_results_v0.5"]
    database.close()


def test_an_upgrade_that_fails_leaves_the_old_version(either: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*MIGRATIONS, type(V1)(LATEST + 1, "broken", ("CREATE TABLE half (id INTEGER)", "CREATE NONSENSE")))
    monkeypatch.setattr("mlassay.results.database.MIGRATIONS", broken)
    with pytest.raises(sa.exc.DBAPIError):
        upgrade(either, to=LATEST + 1)
    with either.reading() as connection:
        assert version_of(connection) == LATEST
        assert not sa.inspect(connection).has_table("half")


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(f"INSERT INTO schema_version VALUES ({LATEST + 1}, 'then', 'mlassay 99')")
    with pytest.raises(BadFile, match=f"is of schema version {LATEST + 1}; expected version {LATEST} or older"):
        open_database(database.label)


@pytest.mark.parametrize("made", ["text", "other database"])
def test_other_files_are_refused(tmp_path: Path, made: str) -> None:
    place = tmp_path / "x.db"
    if made == "text":
        place.write_text("this is a letter, not a database " * 40)
    else:
        other = sqlite3.connect(place)
        other.execute("CREATE TABLE result (a)")
        other.commit()
        other.close()
    with pytest.raises(BadFile, match="expected a file made by mlassay db import"):
        open_database(place)


def test_places_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no results database at"):
        open_database(tmp_path / "none.db", create=False)
    with pytest.raises(BadFile, match="is a directory"):
        open_database(tmp_path)
    with pytest.raises(UsageError, match="mysql databases are not supported"):
        open_database("mysql://u@h/d")
    with pytest.raises(UsageError, match="is no database URL"):
        open_database("://")
    with pytest.raises(MachineProblem, match="postgresql"):
        open_database("postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("MLASSAY_DB", str(tmp_path / "env" / "my.db"))
    assert open_database().label == str(tmp_path / "env" / "my.db")


def test_a_reader_sees_the_old_state_while_somebody_writes(either: Database, tree: InferenceTree) -> None:
    import_path(either, tree.root)
    with either.reading() as reader:
        assert count(reader) == 2
        with either.writing() as writer:
            writer.execute(sa.delete(schema.source))
            assert count(reader) == 2
        assert count(reader) == 2
    with either.reading() as reader:
        assert count(reader) == 0
