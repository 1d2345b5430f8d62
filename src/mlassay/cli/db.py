"""`mlassay db`: fill the results database, look into it, ask it in SQL, take its content away."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option, jsonable

EXAMPLES = """\b
Examples:
  mlassay db import my-runs inference_results_v0.5.tar.xz   run folders, submissions, published repositories
  mlassay db list                                           what is in the database, from where
  mlassay db query "SELECT submitter, COUNT(*) FROM result GROUP BY submitter"
  mlassay db export --to csv --out results.csv
  mlassay db glossary chips                                 what a column means, with its unit
"""


@click.group(epilog=EXAMPLES)
def db() -> None:
    """One database of everything measured: yours and seven years of published rounds."""


@db.command("import", epilog=EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@db_option
@click.option("--round", "round_name", default="auto", help="Round of the tree. Default: recognised.")
@click.option(
    "--check/--no-check", "with_checks", default=False, help="Run the submission checker and keep its findings."
)
@click.option("--force", is_flag=True, help="Read again even when nothing seems to have changed.")
@json_option
def import_(
    paths: tuple[Path, ...], db: str | None, round_name: str, with_checks: bool, force: bool, as_json: bool
) -> int:
    """Read PATHS into the database: run folders, submission trees, public result repositories, or archives of them.

    Importing the same content twice changes nothing; an interrupted import leaves what was there before.
    """
    from mlassay.results.database import open_database
    from mlassay.results.importer import import_path

    database = open_database(db)
    done = []
    for path in paths:
        imported = import_path(database, path, force=force, round=round_name, with_checks=with_checks)
        done += imported
        if not as_json:
            for one in imported:
                click.echo(one.sentence)
    if as_json:
        emit_json(done)
    else:
        click.echo(f"database: {database.label}\nnext: mlassay db list · mlassay report tables · mlassay rank")
    return 0


@db.command("list")
@db_option
@json_option
def list_(db: str | None, as_json: bool) -> int:
    """What is in the database, source by source."""
    from mlassay.results.database import open_database
    from mlassay.results.store import sources
    from mlassay.results.table import Table, plain

    database = open_database(db, create=False)
    rows = sources(database)
    if as_json:
        emit_json({"database": database.label, "sources": rows})
        return 0
    columns = ("source", "suite", "round", "results", "without content", "status", "imported")
    body = tuple(
        (s.name, s.suite, s.round, s.n_results, s.n_absent, "published" if s.published else "unverified", s.imported_at)
        for s in rows
    )
    click.echo(plain(Table(id="sources", title=database.label, columns=columns, rows=body)))
    return 0


@db.command()
@click.argument("names", nargs=-1, required=True)
@db_option
def remove(names: tuple[str, ...], db: str | None) -> int:
    """Take sources out again, with all that was read from them. NAMES as `mlassay db list` shows them."""
    from mlassay.results import store
    from mlassay.results.database import open_database

    database = open_database(db, create=False)
    click.echo(f"removed {store.remove(database, names)} from {database.label}")
    return 0


@db.command()
@click.argument("sql")
@db_option
@click.option("--limit", default=1000, show_default=True, help="At most so many rows.")
@json_option
def query(sql: str, db: str | None, limit: int, as_json: bool) -> int:
    """Ask in SQL. Nothing can be changed; tables and columns are in docs/reference/schema.md."""
    from mlassay.results.ask import ask
    from mlassay.results.database import open_database
    from mlassay.results.table import Table, plain

    answer = ask(open_database(db, create=False), sql, limit=limit)
    if as_json:
        emit_json([dict(zip(answer.columns, jsonable(row), strict=True)) for row in answer.rows])
        return 0
    click.echo(plain(Table(id="query", title="", columns=answer.columns, rows=answer.rows)).lstrip("\n"))
    if answer.more:
        click.echo(f"note: only the first {limit} rows are shown; --limit shows more", err=True)
    return 0


@db.command()
@db_option
@click.option("--to", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--what", "name", default="result", show_default=True, help="Which table.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write. Default: standard output (csv, json).")
def export(db: str | None, kind: str, name: str, out: Path | None) -> int:
    """Write one table to a file that other tools read."""
    from mlassay.results.database import open_database
    from mlassay.results.export import export_table

    text = export_table(open_database(db, create=False), name, kind, out)
    if text is not None:
        click.echo(text, nl=False)
    return 0


@db.command()
@click.argument("words", nargs=-1)
@json_option
def glossary(words: tuple[str, ...], as_json: bool) -> int:
    """What each column means, with its unit; WORDS choose tables or columns."""
    from mlassay.results.glossary import entries

    chosen = entries(words)
    if as_json:
        emit_json(chosen)
        return 0
    for entry in chosen:
        unit = f" [{entry.unit}]" if entry.unit else ""
        click.echo(f"{entry.table}.{entry.column}{unit}: {entry.meaning}")
    return 0
