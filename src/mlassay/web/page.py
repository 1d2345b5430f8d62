"""What a page is before it is HTML: a template's name, a title, and the values that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlassay.core.errors import UsageError
from mlassay.results.schema import sa
from mlassay.web.index import Index
from mlassay.web.links import Links
from mlassay.web.texts import Texts


class NoSuchPage(UsageError):
    """Nothing stands at an address."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a page builder may ask: one state of the database, its index, addresses, words."""

    connection: sa.Connection
    index: Index
    links: Links
    t: Texts

    @property
    def static(self) -> bool:
        return self.links.static


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`section` is the entry of the navigation that is lit."""

    template: str
    title: str
    section: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
