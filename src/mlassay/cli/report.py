"""`mlassay report`: tables, figures and the dashboard as files, from the results database."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option
from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay report tables                        every table of the published history
  mlassay report tables growth --as markdown   one of them, for a page
  mlassay report figures --out figures         the pictures, as SVG and PNG
  mlassay report site --out site               the dashboard as files: open site/index.html
"""


@click.group(epilog=EXAMPLES)
def report() -> None:
    """Tables and pictures of what the database holds, each with its rule and its sources."""


@report.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1)
@db_option
@click.option("--as", "form", type=click.Choice(["text", "markdown", "csv"]), default="text", show_default=True)
@json_option
def tables(names: tuple[str, ...], db: str | None, form: str, as_json: bool) -> int:
    """The tables of the published history; NAMES choose some of them.

    A cell that the data do not give is a dash, and a note under the table says why.
    """
    from mlassay.results.database import open_database
    from mlassay.results.history import TABLES, table
    from mlassay.results.table import as_csv, markdown, plain

    database = open_database(db, create=False)
    with database.reading() as connection:
        found = [table(connection, name) for name in names or TABLES]
    if as_json:
        emit_json(found)
        return 0
    render = {"text": plain, "markdown": markdown, "csv": as_csv}[form]
    click.echo("\n\n".join(render(t).rstrip("\n") for t in found))
    return 0


@report.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1)
@db_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("figures"), show_default=True, help="Folder.")
@json_option
def figures(names: tuple[str, ...], db: str | None, out: Path, as_json: bool) -> int:
    """The figures, as SVG and PNG; NAMES choose some of them. Needs the plot extra."""
    from mlassay.results.database import open_database
    from mlassay.results.figures import draw

    written = draw(open_database(db, create=False), out, names)
    if as_json:
        emit_json(written)
        return 0
    for figure in written:
        click.echo(f"{figure.svg}  {figure.png}  {figure.n_results} results: {figure.title}")
    return 0


@report.command(epilog=EXAMPLES)
@db_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("site"), show_default=True, help="Folder.")
@click.option("--lang", "language", default="en", show_default=True, help="Language of the pages.")
@json_option
def site(db: str | None, out: Path, language: str, as_json: bool) -> int:
    """The dashboard as files that open from disk: nothing is loaded from anywhere. Needs the web extra.

    A folder that holds an older site is replaced; one with other files in it is left alone.
    """
    from mlassay.results.database import open_database
    from mlassay.web.site import write_site

    written = write_site(open_database(db, create=False), out, language=language)
    if as_json:
        emit_json(written)
        return 0
    click.echo(f"{written.n_pages:,} pages, {written.n_bytes / 1e6:.1f} MB: {written.path}")
    click.echo(f"next: open {written.path / 'index.html'} in a browser")
    return 0
