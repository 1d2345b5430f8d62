"""Small steps from a merged book to plain values: look up, insist, convert the unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlassay.core.errors import BadFile
from mlassay.core.units import NS_PER_MS
from mlassay.rules.chain import Book, Said, Tree
from mlassay.rules.round import Triple


def get(book: Book, *path: str) -> Any:
    said = book.said(*path)
    return None if said is None else said.value


def need(book: Book, *path: str) -> Any:
    said = book.said(*path)
    if said is None:
        raise BadFile(book.path, key=".".join(path), found="missing", expected="a value, here or in a parent round")
    return said.value


def text(book: Book, *path: str) -> str:
    return str(get(book, *path) or "")


def texts(book: Book, table: str) -> Mapping[str, str]:
    return {k: str(v.value) for k, v in book.table(table).items() if isinstance(v, Said)}


def as_table(node: Any) -> Tree:
    return node if isinstance(node, dict) else {}


def ns(ms: float | None) -> int | None:
    return None if ms is None else round(ms * NS_PER_MS)


def two(node: Any) -> tuple[float | None, float | None]:
    """(conf, checker) of a latency; a plain number stands for both."""
    if isinstance(node, Said):
        return node.value, node.value
    values = {k: said.value for k, said in as_table(node).items() if isinstance(said, Said)}
    return values.get("conf"), values.get("checker")


def triple(node: Tree | Said | None) -> Triple:
    """A plain number means that checker, mlperf.conf and rules agree."""
    if isinstance(node, Said):
        return Triple(node.value, node.value, node.value)
    values = {k: said.value for k, said in (node or {}).items() if isinstance(said, Said)}
    return Triple(values.get("checker"), values.get("conf"), values.get("rules"))


def plain(book: Book, *path: str) -> Mapping[str, Any]:
    """The values of a table, without their origins."""
    return {k: said.value for k, said in book.table(*path).items() if isinstance(said, Said)}
