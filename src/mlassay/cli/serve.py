"""`mlassay serve`: the dashboard, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.db_option import db_option

EXAMPLES = """\b
Examples:
  mlassay serve                              the default database, on http://127.0.0.1:8017/
  mlassay serve --db team.db --port 0        any free port
  mlassay serve --runs runs --open           with the runs in progress below ./runs; opens the browser
"""


@click.command(epilog=EXAMPLES)
@db_option
@click.option("--port", type=click.IntRange(0, 65535), default=8017, show_default=True, help="0: any free one.")
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder whose runs in progress are shown live.",
)
@click.option("--lang", "language", default="en", show_default=True, help="Language of the pages.")
@click.option("--open", "open_browser", is_flag=True, help="Open the first page in the browser.")
def command(db: str | None, port: int, runs: Path, language: str, open_browser: bool) -> int:
    """Show the results database in the browser, until Ctrl-C.

    Only programs on this machine can reach it, nothing can be changed through it, and it loads nothing from elsewhere.
    """
    from mlassay.results.database import open_database
    from mlassay.web.serve import serve

    def ready(address: str) -> None:
        click.echo(f"dashboard of {database.label}: {address}  (Ctrl-C ends it)")
        if open_browser:
            click.launch(address)

    database = open_database(db, create=False)
    serve(database, port=port, language=language, runs=runs, ready=ready)
    return 0
