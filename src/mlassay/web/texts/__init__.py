"""Every word of the dashboard, by language: one TOML file for each. English is complete; others may leave gaps."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mlassay.core.errors import UnknownName

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Texts:
    """Called with a key, it gives the text with its blanks filled in: t("front.title", n=3)."""

    language: str
    book: dict[str, str]

    def __call__(self, key: str, **blanks: object) -> str:
        text = self.book.get(key)
        if text is None:
            raise KeyError(f"no text {key!r} in texts/{ENGLISH}.toml")
        return text.format(**blanks) if blanks else text

    def many(self, key: str, n: int, shown: str) -> str:
        """A text about n things, in which they are called `shown`: the key with "_one" where there is one of them."""
        return self(f"{key}_one" if n == 1 else key, n=shown)

    def maybe(self, key: str, otherwise: str) -> str:
        """A text that there may be, such as the name of a metric that somebody wrote."""
        return self.book.get(key, otherwise)

    def under(self, prefix: str) -> dict[str, str]:
        """All texts below a prefix, for scripts: {"more": "Show more"}."""
        start = prefix + "."
        return {k.removeprefix(start): v for k, v in self.book.items() if k.startswith(start)}


def languages() -> list[str]:
    """Languages that there are files for."""
    return sorted(p.name.removesuffix(".toml") for p in files(__name__).iterdir() if p.name.endswith(".toml"))


@cache
def load_texts(language: str = ENGLISH) -> Texts:
    """The texts of a language; what it lacks is in English. Raises UnknownName."""
    if language not in languages():
        raise UnknownName("language", language, languages(), [])
    book = _flat(_read(ENGLISH))
    if language != ENGLISH:
        book |= _flat(_read(language))
    return Texts(language, book)


def _read(language: str) -> dict[str, Any]:
    return tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text(encoding="utf-8"))


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in data.items():
        out |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: str(value)}
    return out
