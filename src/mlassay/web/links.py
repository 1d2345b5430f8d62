"""Addresses of pages: absolute on the server, relative between files, so that pages need not know which they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from mlassay.web.slugs import digest, slug

Query = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Links:
    """`here` is the path of the page that links stand on, such as "result/0a1b2c"; `static` means files on disk."""

    here: str
    static: bool = False

    def __call__(self, path: str, query: Query | None = None) -> str:
        """The address of a page; "" is the front page."""
        asked = "?" + urlencode(query, doseq=True) if query else ""
        if not self.static:
            return f"/{path}{asked}"
        return f"{self._up}{path or 'index'}.html{asked}"

    def file(self, path: str) -> str:
        """The address of a file that is no page: a style sheet, a script, a download."""
        return f"{self._up}{path}" if self.static else f"/{path}"

    @property
    def _up(self) -> str:
        return "../" * self.here.count("/")

    def result(self, key: str) -> str:
        return self(f"result/{digest(key)}")

    def system(self, submitter: str, system: str) -> str:
        return self(f"system/{slug(submitter, system)}")

    def submitter(self, name: str) -> str:
        return self(f"submitter/{slug(name)}")

    def task(self, suite: str, benchmark: str) -> str:
        return self(f"task/{slug(suite, benchmark)}")

    def rank(self, suite: str, benchmark: str, scenario: str, round_name: str, per: str = "system") -> str:
        return self(f"rank/{slug(suite, benchmark, scenario.lower() or 'all', round_name)}/{per}")

    def results(self, **chosen: str | Sequence[str]) -> str:
        """The table of results, filtered."""
        return self("results", chosen)
