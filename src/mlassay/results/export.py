"""One table of the database as a file for other tools: CSV, JSON, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mlassay.core.errors import MissingDependency, UnknownName, UsageError
from mlassay.records.atomic import atomic_write
from mlassay.results import schema as tables
from mlassay.results.database import Database
from mlassay.results.queries import ResultView
from mlassay.results.schema import sa


def export_table(database: Database, name: str, kind: str, out: Path | None) -> str | None:
    """Write a table to `out`, or return it as text. Raw bytes are left out. Raises UnknownName for other tables."""
    known = {t.name: t for t in tables.metadata.sorted_tables}
    if name not in known:
        raise UnknownName("table", name, sorted(known), [n for n in known if n.startswith(name[:3])])
    columns = [c for c in known[name].c if not isinstance(c.type, sa.LargeBinary)]
    if kind == "parquet":
        if out is None:
            raise UsageError("Parquet is not text", hint="name a file with --out")
        _parquet(database, columns, out)
        return None
    text = _csv(database, columns) if kind == "csv" else _json(database, columns)
    if out is None:
        return text
    atomic_write(out, text)
    return None


def _rows(database: Database, columns: list[sa.Column[Any]]) -> Iterator[tuple[Any, ...]]:
    with database.reading() as connection:
        for row in connection.execute(sa.select(*columns).order_by(*columns[:2])):
            yield tuple(row)


def _csv(database: Database, columns: list[sa.Column[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c.name for c in columns])
    writer.writerows(["" if v is None else v for v in row] for row in _rows(database, columns))
    return out.getvalue()


def _json(database: Database, columns: list[sa.Column[Any]]) -> str:
    names = [c.name for c in columns]
    nested = [n in ("details", "description") for n in names]
    rows = [
        {n: json.loads(v) if is_json else v for n, v, is_json in zip(names, row, nested, strict=True)}
        for row in _rows(database, columns)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def _parquet(database: Database, columns: list[sa.Column[Any]], out: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingDependency("pyarrow", extra="parquet", why="Parquet files need it") from error
    kinds = {"INTEGER": pyarrow.int64(), "BIGINT": pyarrow.int64(), "BOOLEAN": pyarrow.bool_()}
    names = [c.name for c in columns]
    rows = list(_rows(database, columns))
    data = {n: [row[i] for row in rows] for i, n in enumerate(names)}
    types = [
        kinds.get(str(c.type), pyarrow.float64() if "DOUBLE" in str(c.type) else pyarrow.string()) for c in columns
    ]
    table = pyarrow.table(data, schema=pyarrow.schema(list(zip(names, types, strict=True))))
    pyarrow.parquet.write_table(table, out)


def results_csv(views: Sequence[ResultView]) -> str:
    """Results as a list shows them. Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f.name for f in fields(ResultView) if f.name != "id"]
    writer.writerow(names)
    writer.writerows([_harmless(getattr(view, n)) for n in names] for view in views)
    return out.getvalue()


def _harmless(value: object) -> object:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
