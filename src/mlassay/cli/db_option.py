"""`--db`: which results database, the same on every verb that reads or fills one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

HELP = "Database: a file, or postgresql://user@host/name. Default: $MLASSAY_DB, else results.db in your data directory."


def db_option(function: F) -> F:
    """Add `--db` to a command; the value arrives as `db`."""
    return click.option("--db", "db", default=None, metavar="URL_OR_FILE", help=HELP)(function)
