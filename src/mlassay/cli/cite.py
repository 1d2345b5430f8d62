"""`mlassay cite`: the citable sentence of a result, with its footnote."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay cite closed/NVIDIA/results/T4x8/resnet/Server
  mlassay cite 17 --date 2026-11-20
"""


@click.command(epilog=EXAMPLES)
@click.argument("result")
@click.option("--date", "retrieved", default="", help="Day on which the source was read. Default: the day of import.")
@db_option
@json_option
def cite(result: str, retrieved: str, db: str | None, as_json: bool) -> int:
    """Write the sentence with which RESULT may be quoted, and its footnote.

    RESULT is a key, an unambiguous end of a key, or an id, as `mlassay rank` shows them.
    """
    from mlassay.core.errors import UsageError
    from mlassay.results.cite import cite as make
    from mlassay.results.database import open_database
    from mlassay.results.detail import result as find
    from mlassay.results.store import sources

    if retrieved:
        try:
            datetime.strptime(retrieved, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise UsageError(f"--date {retrieved!r} is no date", hint="write YYYY-MM-DD") from None
    database = open_database(db, create=False)
    with database.reading() as connection:
        view = find(connection, result).result
    imported = {s.name: s.imported_at[:10] for s in sources(database)}
    citation = make(view, retrieved or imported[view.source])
    if as_json:
        emit_json(citation)
        return 0
    click.echo(citation.text)
    for warning in citation.warnings:
        click.echo(f"warning: {warning}", err=True)
    return 0
