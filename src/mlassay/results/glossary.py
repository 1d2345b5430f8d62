"""What each column means, with its unit: `mlassay db glossary`, the reference pages, the dashboard's glossary."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mlassay.core.errors import UnknownName
from mlassay.results.oddity import MEANINGS


@dataclass(frozen=True, slots=True)
class Entry:
    """One column. `unit` is empty where there is none."""

    table: str
    column: str
    meaning: str
    unit: str


@cache
def _book() -> dict[str, Any]:
    return tomllib.loads(files("mlassay.results").joinpath("data/glossary.toml").read_text(encoding="utf-8"))


def tables() -> dict[str, str]:
    """What each table is for."""
    return dict(_book()["tables"])


def entries(words: Sequence[str] = ()) -> list[Entry]:
    """Every column, or those whose table, name or "table.column" is one of `words`. Raises UnknownName."""
    every = [
        Entry(table, column, said["meaning"], said.get("unit", ""))
        for table in tables()
        for column, said in _book()[table].items()
    ]
    for word in words:
        if not any(word in (e.table, e.column, f"{e.table}.{e.column}") for e in every):
            near = sorted({e.column for e in every if word.lower() in e.column})[:5]
            raise UnknownName("column", word, sorted(tables()), near)
    return [e for e in every if not words or {e.table, e.column, f"{e.table}.{e.column}"} & set(words)]


def schema_page() -> str:
    """docs/reference/schema.md: the tables with their columns, types and meanings."""
    from mlassay.results import schema
    from mlassay.results.migrations import LATEST, MIGRATIONS

    known = {t.name: t for t in schema.metadata.sorted_tables}
    out = [
        "# The results database",
        "",
        f"Schema version {LATEST}. Made by `scripts/results_reference.py`; do not edit.",
        "",
    ]
    out += ["One SQLite file, or PostgreSQL by URL: the same tables in both. Ask them with `mlassay db query`.", ""]
    for name, about in tables().items():
        out += [f"## {name}", "", about, "", "| column | type | empty | unit | meaning |", "|---|---|---|---|---|"]
        for e in entries((name,)):
            if e.table != name:
                continue
            column = known[name].c[e.column]
            target = next((f" → {k.column.table.name}" for k in column.foreign_keys), "")
            kind = str(column.type).lower() if str(column.type) != "DOUBLE" else "real"
            empty = "may be" if column.nullable else ""
            out.append(f"| {e.column} | {kind}{target} | {empty} | {e.unit} | {e.meaning} |")
        out.append("")
    out += ["## What the reader notes", "", "| id | meaning |", "|---|---|"]
    out += [f"| {id} | {meaning} |" for id, meaning in MEANINGS.items()]
    out += ["", "## Migrations", "", "| version | what |", "|---|---|"]
    out += [f"| {m.version} | {m.about} |" for m in MIGRATIONS]
    return "\n".join(out) + "\n"


def glossary_page() -> str:
    """docs/reference/glossary.md: every column name once, in alphabetical order, with its unit and tables."""
    seen: dict[str, list[Entry]] = {}
    for e in entries():
        seen.setdefault(e.column, []).append(e)
    out = ["# Glossary of columns and units", ""]
    out += ["Made by `scripts/results_reference.py`; do not edit. `mlassay db glossary WORD` shows the same.", ""]
    out += ["| column | unit | meaning | tables |", "|---|---|---|---|"]
    for column in sorted(seen):
        same: dict[tuple[str, str], list[str]] = {}
        for e in seen[column]:
            same.setdefault((e.meaning, e.unit), []).append(e.table)
        out += [f"| {column} | {unit} | {meaning} | {', '.join(t)} |" for (meaning, unit), t in same.items()]
    return "\n".join(out) + "\n"
