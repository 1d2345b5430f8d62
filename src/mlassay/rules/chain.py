"""How round files build on each other: parent first, then only what changed, each value remembering its origin."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mlassay.core.errors import BadFile

BOOKKEEPING = ("source", "remove")
"""Keys that speak about a table instead of being values in it."""


class Said(NamedTuple):
    """One value of the merged rule book and where it was said."""

    value: Any
    source: str  # key of [sources] given in its own table, "" when [source_of] decides
    round: str  # the round whose file said it last


Tree = dict[str, "Tree | Said"]


@dataclass(slots=True)
class Book:
    """A round's file merged over all its ancestors."""

    name: str
    extends: str
    path: str
    tree: Tree
    lineage: tuple[str, ...]
    order: list[str] = field(default_factory=list)

    def said(self, *path: str) -> Said | None:
        node: Tree | Said | None = self.tree
        for key in path:
            if not isinstance(node, dict):
                return None
            node = node.get(key)
        return node if isinstance(node, Said) else None

    def table(self, *path: str) -> Tree:
        """The table at `path`; empty when absent."""
        node: Tree | Said | None = self.tree
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {}

    def clause(self, *path: str) -> str:
        """Where the value at `path` is written, and since when it has not changed."""
        said = self.said(*path)
        node: Tree | Said | None = self.tree
        if said is None:  # a table: the newest change within
            for key in path:
                node = node.get(key) if isinstance(node, dict) else None
            leaves = list(_leaves(node)) if isinstance(node, dict) else []
            said = max(leaves, key=lambda leaf: self.lineage.index(leaf.round), default=None)
            if said is None:
                return ""
        source, _, section = (said.source or self._source_key(path)).partition(":")
        cited = self.said("sources", source)
        text = str(cited.value) if cited else source
        if section:
            text += f", section {section.strip()!r}"
        return text if said.round == self.name else f"{text}; unchanged since {said.round}"

    def _source_key(self, path: tuple[str, ...]) -> str:
        for key in reversed(path):
            if self.said("sources", key):
                return key
            named = self.said("source_of", key)
            if named:
                return str(named.value)
        return ""


def _leaves(tree: Tree) -> Iterator[Said]:
    for node in tree.values():
        if isinstance(node, dict):
            yield from _leaves(node)
        else:
            yield node


def parse(path: Path | Any, shown: str) -> dict[str, Any]:
    """The TOML file as plain data. Raises BadFile when it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadFile(shown, found=f"not readable as TOML: {error}", expected="a complete TOML file") from error
    except UnicodeDecodeError as error:
        raise BadFile(shown, found=f"not text: {error.reason} at byte {error.start}", expected="UTF-8 text") from error


def merge(
    parent: Tree, child: dict[str, Any], *, name: str, shown: str, where: str = "", source: str = "", depth: int = 99
) -> Tree:
    """`parent` with what `child` states; tables merge, everything else replaces. Neither argument changes.

    Tables more than `depth` deep are values: they replace as a whole.
    """
    source = child.get("source", source)
    out: Tree = dict(parent)
    for key in child.get("remove", ()):
        if key not in out:
            raise BadFile(
                shown,
                key=f"{where}remove",
                found=f"{key!r}, which {'this table' if where else 'the parent'} does not have",
                expected="names from " + (", ".join(sorted(parent)) or "an empty table"),
                hint=_near(key, parent),
            )
        del out[key]
    for key, value in child.items():
        if key in BOOKKEEPING:
            continue
        if isinstance(value, dict) and depth > 0:
            below = out.get(key)
            out[key] = merge(
                below if isinstance(below, dict) else {},
                value,
                name=name,
                shown=shown,
                where=f"{where}{key}.",
                source=source,
                depth=depth - 1,
            )
        else:
            out[key] = Said(value, source, name)
    return out


def overlay(base: Tree, own: Tree) -> Tree:
    """`base` with the values of `own` on top, for `like`: both are already merged."""
    out: Tree = dict(base)
    for key, node in own.items():
        below = out.get(key)
        out[key] = overlay(below, node) if isinstance(node, dict) and isinstance(below, dict) else node
    return out


def expand_likes(book: Book) -> None:
    """Replace `like = "other"` in each benchmark by the other's values, all but its suites."""
    benchmarks = book.table("benchmarks")
    if not benchmarks:
        return
    done: Tree = {}

    def full(id: str, seen: tuple[str, ...]) -> Tree:
        table = benchmarks[id]
        assert isinstance(table, dict)
        like = table.get("like")
        if not isinstance(like, Said):
            return table
        key = f"benchmarks.{id}.like"
        if like.value in seen:
            ring = " -> ".join((*seen, like.value))
            raise BadFile(book.path, key=key, found=f"a circle ({ring})", expected="another benchmark")
        if like.value not in benchmarks:
            raise BadFile(
                book.path,
                key=key,
                found=repr(like.value),
                expected=f"a benchmark of {book.name}",
                hint=_near(like.value, benchmarks),
            )
        base = {k: v for k, v in full(like.value, (*seen, like.value)).items() if k != "suites"}
        return overlay(base, {k: v for k, v in table.items() if k != "like"})

    for id in benchmarks:
        done[id] = full(id, (id,))
    book.tree["benchmarks"] = done


def build_book(
    find: Callable[[str, str], tuple[Any, str]],
    validate: Callable[[dict[str, Any], str], None],
    name: str,
    depth: int = 99,
) -> Book:
    """Read `name` and its ancestors, oldest first, into one book.

    `find(name, asked_by)` returns a readable path and how to show it; `validate` holds one file against the schema;
    `depth` is that of `merge`.
    """
    chain: list[tuple[dict[str, Any], str, str]] = []
    wanted, asked_by = name, ""
    while wanted:
        path, shown = find(wanted, asked_by)
        raw = parse(path, shown)
        validate(raw, shown)
        own = str(raw.get("round", wanted))
        chain.append((raw, shown, own))
        wanted, asked_by = str(raw.get("extends", "")), shown
        ring = [entry[2] for entry in chain]
        if wanted in ring:
            raise BadFile(
                shown,
                key="extends",
                found=f"a circle ({' -> '.join([*ring, wanted])})",
                expected="an older round",
            )
    tree: Tree = {}
    for raw, shown, own in reversed(chain):
        tree.pop("notes", None)  # notes speak of one round
        tree = merge(tree, raw, name=own, shown=shown, depth=depth)
    raw, shown, own = chain[0]
    book = Book(own, str(raw.get("extends", "")), shown, tree, tuple(e[2] for e in reversed(chain)))
    expand_likes(book)
    return book


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(str(name), [str(k) for k in known], 2, 0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""
