"""A headless Chromium of this machine, watched: what it asks for, what it complains about. Or a clean skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def chromium() -> Iterator[Any]:
    """A started browser. Skips where playwright or Chromium is not installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium installed (Debian: apt-get install chromium)")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


class Watched:
    """A page whose requests and complaints are written down."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda r: self.requests.append(r.url))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.on("dialog", lambda d: (self.complaints.append(f"dialog: {d.message}"), d.dismiss()))

    def charts(self) -> dict[str, list[int]]:
        """Points in each series of each drawn chart."""
        script = """() => Object.fromEntries([...document.querySelectorAll('canvas')].filter((c) => Chart.getChart(c))
            .map((c) => [c.dataset.chart, Chart.getChart(c).data.datasets.map((d) => d.data.length)]))"""
        self.page.wait_for_load_state("load")
        found: dict[str, list[int]] = self.page.evaluate(script)
        return found

    def rows(self) -> int:
        """Rows of the results table that can be seen."""
        return int(self.page.locator("#rows tr[data-at]:visible").count())

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(script))


@contextmanager
def watched(browser: Any, *allowed: str, width: int = 1280, scheme: str = "light") -> Iterator[Watched]:
    """A fresh page; in the end, nothing was complained about and nothing but `allowed` was asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        page = Watched(context.new_page())
        yield page
        assert page.complaints == []
        strangers = [r for r in page.requests if not r.startswith((*allowed, "data:"))]
        assert strangers == []
    finally:
        context.close()
