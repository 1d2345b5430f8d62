"""The reference pages, the glossary, exports, figures and verbs."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlassay.cli.cite import cite
from mlassay.cli.db import db
from mlassay.cli.rank import rank
from mlassay.cli.report import report
from mlassay.core.errors import MissingDependency, UnknownName, UsageError
from mlassay.results import schema
from mlassay.results.database import Database
from mlassay.results.export import export_table
from mlassay.results.figures import FIGURES, draw
from mlassay.results.glossary import entries, glossary_page, schema_page, tables
from mlassay.results.importer import import_path
from mlassay.results.oddity import MEANINGS
from mlassay.results.schema import sa
from tests.results.trees import InferenceTree

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture
def filled(database: Database, tmp_path: Path) -> Database:
    tree = InferenceTree(tmp_path)
    tree.system()
    tree.result()
    import_path(database, tree.root)
    return database


def invoke(command: object, *words: str) -> Result:
    found = CliRunner().invoke(command, list(words), standalone_mode=False)  # type: ignore[arg-type]
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def test_the_glossary_explains_every_column_and_no_other() -> None:
    real = {(t.name, c.name) for t in schema.metadata.sorted_tables for c in t.c}
    assert {(e.table, e.column) for e in entries()} == real
    assert set(tables()) == set(schema.metadata.tables)


def test_the_pages_are_up_to_date() -> None:
    assert (REFERENCE / "schema.md").read_text(encoding="utf-8") == schema_page(), "run scripts/results_reference.py"
    assert (REFERENCE / "glossary.md").read_text(encoding="utf-8") == glossary_page(), (
        "run scripts/results_reference.py"
    )
    assert all(id in schema_page() for id in MEANINGS)


def test_an_unknown_word_is_answered_with_its_neighbours() -> None:
    with pytest.raises(UnknownName, match="unknown column 'chip'\n  next: did you mean chips"):
        entries(("chip",))


def test_columns_of_time_name_their_unit() -> None:
    for e in entries():
        if e.column.endswith("_ns"):
            assert e.unit == "ns", e.column
        if e.column.endswith("_s"):
            assert e.unit == "s", e.column


def test_export_as_csv_and_json(filled: Database, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(export_table(filled, "result", "csv", None) or "")))
    assert (rows[0]["value"], rows[0]["chips"], rows[0]["power_value"]) == ("100.0", "4", "")
    assert export_table(filled, "system", "json", tmp_path / "s.json") is None
    (system,) = json.loads((tmp_path / "s.json").read_text())
    assert system["description"]["framework"] == "TensorRT 6.0"
    with pytest.raises(UnknownName, match="unknown table 'resul'"):
        export_table(filled, "resul", "csv", None)


def test_export_as_parquet(filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="Parquet is not text"):
        export_table(filled, "result", "parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"pip install 'mlassay\[parquet\]'"):
        export_table(filled, "result", "parquet", tmp_path / "r.parquet")
    monkeypatch.undo()
    parquet = pytest.importorskip("pyarrow.parquet")
    export_table(filled, "result", "parquet", tmp_path / "r.parquet")
    table = parquet.read_table(tmp_path / "r.parquet")
    assert table.column("value").to_pylist() == [100.0]


def test_figures_are_drawn_twice_alike(filled: Database, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = draw(filled, tmp_path / "a", ("shares", "spread"))
    second = draw(filled, tmp_path / "b", ("shares", "spread"))
    assert [f.n_results for f in first] == [1, 1]
    for one, two in zip(first, second, strict=True):
        assert one.svg.read_bytes() == two.svg.read_bytes()
        assert one.png.read_bytes().startswith(b"\x89PNG")
    text = first[0].svg.read_text(encoding="utf-8")
    for part in ("1 results. Rule:", "Source: https://github.com/mlcommons/inference_results_v0.5", "share of closed"):
        assert part in text
    with pytest.raises(UnknownName, match="unknown figure 'share'"):
        draw(filled, tmp_path, ("share",))


@pytest.mark.shared
@pytest.mark.slow
def test_every_figure_of_the_published_history(history_db: Database, tmp_path: Path) -> None:
    counts = {f.name: f.n_results for f in draw(history_db, tmp_path)}
    assert set(counts) == set(FIGURES)
    assert (counts["task-scenario"], counts["spread"], counts["frameworks"]) == (166, 166, 595)


def test_verbs(filled: Database, tmp_path: Path) -> None:
    where = ("--db", filled.label)
    listed = invoke(db, "list", *where)
    assert "inference_results_v0.5" in listed.output
    assert json.loads(invoke(db, "list", *where, "--json").output)["sources"][0]["n_results"] == 1
    asked = invoke(db, "query", "SELECT submitter, value FROM result", *where, "--json")
    assert json.loads(asked.output) == [{"submitter": "Acme", "value": 100.0}]
    assert "result.chips: chips that did the work" in invoke(db, "glossary", "chips").output
    shown = invoke(report, "tables", "shares", *where, "--as", "markdown")
    assert shown.output.startswith("### Inference v0.5: share of each model")
    ranked = invoke(rank, "resnet", "--scenario", "offline", *where, "--json")
    assert json.loads(ranked.output)["places"][0]["score"] == 100.0
    with pytest.raises(UsageError, match="There is no summary score"):
        invoke(rank, "all", *where)
    assert "[1] MLPerf® v0.5 Inference Closed" in invoke(cite, "1", *where).output
    with pytest.raises(UsageError, match=r"--date '22\.11\.' is no date"):
        invoke(cite, "1", *where, "--date", "22.11.")
    assert "removed 1" in invoke(db, "remove", "inference_results_v0.5", *where).output


def test_import_with_the_checkers_findings(database: Database, tmp_path: Path) -> None:
    tree = InferenceTree(tmp_path)
    tree.system()
    path = tree.result()
    output = invoke(db, "import", str(tree.root), "--db", database.label, "--check").output
    assert "inference_results_v0.5 (round v0.5): added, 1 inference results" in output
    with database.reading() as connection:
        f = schema.finding.c
        found = connection.execute(sa.select(f.check_id, f.severity, f.result_id).where(f.origin == "checker")).all()
        accepted = connection.execute(
            sa.select(schema.result.c.accepted).where(schema.result.c.path == path)
        ).scalar_one()
    assert any(r.severity == "error" and r.result_id is not None for r in found)
    assert accepted is False
