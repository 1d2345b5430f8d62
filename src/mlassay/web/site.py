"""The dashboard as files: the same pages, opened from disk with no server and no network."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from mlassay._version import __version__
from mlassay.core.errors import UsageError
from mlassay.results.database import Database
from mlassay.web.index import read_index
from mlassay.web.links import Links
from mlassay.web.page import Context
from mlassay.web.render import render
from mlassay.web.routes import build, every_path
from mlassay.web.texts import load_texts

INDENTED = re.compile(r"\n\s+")
MARKER = "mlassay-site.json"
"""Stands in a folder that may be replaced by a newer site."""


@dataclass(frozen=True, slots=True)
class Site:
    """What was written."""

    path: Path
    n_pages: int
    n_bytes: int


def write_site(
    database: Database, out: Path, *, language: str = "en", shown: Callable[[int], None] = lambda _: None
) -> Site:
    """Write every page below `out`, all or nothing. `shown` is told how many are done.

    Raises UsageError when `out` holds anything but an older site, OSError when the disk refuses.
    """
    _check(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        n_pages = _write_pages(database, work, language, shown)
        _write_assets(work)
        about = {"mlassay": __version__, "pages": n_pages, "language": language}
        (work / MARKER).write_text(json.dumps(about) + "\n", encoding="utf-8")
        n_bytes = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
        work.chmod(0o755)
        _put(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Site(out, n_pages, n_bytes)


def _check(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", hint="name a folder with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} holds other files", hint="name a new folder, or one with an older site in it")


def _write_pages(database: Database, work: Path, language: str, shown: Callable[[int], None]) -> int:
    texts = load_texts(language)
    n_pages = 0
    with database.reading() as connection:
        index = read_index(connection)
        for path in every_path(index):
            context = Context(connection, index, Links(path, static=True), texts)
            place = work / f"{path or 'index'}.html"
            place.parent.mkdir(parents=True, exist_ok=True)
            html = render(build(context, path, {}), context)
            place.write_text(INDENTED.sub("\n", html), encoding="utf-8")
            n_pages += 1
            shown(n_pages)
    return n_pages


def _write_assets(work: Path) -> None:
    folder = work / "static"
    folder.mkdir()
    for place in files("mlassay.web").joinpath("static").iterdir():
        (folder / place.name).write_bytes(place.read_bytes())


def _put(work: Path, out: Path) -> None:
    """Into its place; an older site goes only when the new one stands."""
    if not out.exists():
        work.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / "site")
    work.rename(out)
    shutil.rmtree(old, ignore_errors=True)
