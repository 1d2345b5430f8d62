"""Training rounds: reads them by name, or a file of one's own by its path.

load_training_round("v5.1")      a TrainingRound, cached
rounds("training")               every name (mlassay.rules.reader)
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlassay.rules.build_training import build_training_round
from mlassay.rules.chain import Book, Said, build_book
from mlassay.rules.log_keys import Check, KeyRule, LogRules
from mlassay.rules.reader import DATA, finder, is_path, mtime_ns, official_name
from mlassay.rules.schema import validate
from mlassay.rules.training_round import TrainingRound
from mlassay.rules.training_schema import CHECK_KEYS, LOG_KEYS, TRAINING_ROUND
from mlassay.rules.values import as_table


def load_training_round(name: str | Path) -> TrainingRound:
    """The rules of one training round; errors as for `mlassay.rules.reader.load_round`."""
    if is_path(name):
        return _load_file(str(name), mtime_ns(Path(name)))
    return _load_known(official_name(str(name), "training"))


def load_training_book(name: str | Path) -> Book:
    """The merged values of a round with their origins: what `rules diff` compares."""
    wanted = str(name) if is_path(name) else official_name(str(name), "training")
    return build_book(finder("training"), lambda raw, shown: validate(raw, shown, TRAINING_ROUND), wanted)


@lru_cache
def _load_known(name: str) -> TrainingRound:
    book = load_training_book(name)
    return build_training_round(book, _log_rules(book))


@lru_cache
def _load_file(path: str, mtime: int) -> TrainingRound:
    book = load_training_book(path)
    return build_training_round(book, _log_rules(book))


def _log_rules(book: Book) -> LogRules | None:
    """The rules of the newest official round in the book's line that has any."""
    official = [n for n in book.lineage if (DATA / "training" / "keys" / f"{n}.toml").is_file()]
    return _key_tables(official[-1]) if official else None


@lru_cache
def _key_tables(name: str) -> LogRules:
    def find(wanted: str, asked_by: str) -> tuple[Any, str]:
        return DATA / "training" / "keys" / f"{wanted}.toml", f"keys/{wanted}.toml"

    book = build_book(find, lambda raw, shown: validate(raw, shown, LOG_KEYS), name, depth=2)
    tables = {
        table: {key: _key_rule(key, node.value) for key, node in as_table(rules).items() if isinstance(node, Said)}
        for table, rules in book.table("keys").items()
    }
    return LogRules(MappingProxyType(tables))


def _key_rule(key: str, said: Any) -> KeyRule:
    if isinstance(said, str):
        return KeyRule(key, said)
    own: Check = {word: argument for word, argument in said.items() if word in CHECK_KEYS}
    return KeyRule(
        key=key,
        count=said.get("count", "once"),
        instead=said.get("or", ""),
        each=tuple(said["each"]) if "each" in said else ((own,) if own else ()),
        some=said.get("some", {}),
        first=said.get("first", {}),
        tensors=tuple(name for pattern in said.get("tensors", ()) for name in _expanded(pattern)),
        load=said.get("load", ""),
    )


_CHOICE = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*))\}")


def _expanded(pattern: str) -> list[str]:
    """'conv{0..1}_{weight,bias}' as the four names that it stands for."""
    match = _CHOICE.search(pattern)
    if not match:
        return [pattern]
    parts = match[3].split(",") if match[3] is not None else map(str, range(int(match[1]), int(match[2]) + 1))
    return [name for part in parts for name in _expanded(pattern[: match.start()] + part + pattern[match.end() :])]
