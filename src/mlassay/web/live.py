"""The page of runs in progress, and the stream of events that keeps it up to date."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mlassay.results.live import LiveRun, LiveRuns
from mlassay.web.numbers import duration, number, seconds
from mlassay.web.page import Context, Page
from mlassay.web.texts import Texts

MAX_LISTENERS = 16
EVERY_S = 1.0


class LiveView:
    """Looks at the runs for everybody who listens; safe to use from several threads."""

    def __init__(self, folder: Path, texts: Texts) -> None:
        self.folder = folder
        self.texts = texts
        self.listeners = 0
        self._runs = LiveRuns(folder)
        self._lock = threading.Lock()

    def look(self) -> list[dict[str, Any]]:
        """The runs as the page shows them."""
        with self._lock:
            return [card(run, self.texts) for run in self._runs.look()]

    def page(self, _context: Context) -> Page:
        """The page as it is now; its script goes on from there."""
        return Page(
            template="live.html",
            title=self.texts("live.heading"),
            section="live",
            data={"runs": self.look(), "folder": str(self.folder)},
        )

    async def events(self) -> AsyncIterator[str]:
        """One server-sent event a second, until the listener leaves."""
        import anyio

        self.listeners += 1
        try:
            while True:
                runs = await anyio.to_thread.run_sync(self.look)
                yield f"data: {json.dumps(runs, separators=(',', ':'))}\n\n"
                await anyio.sleep(EVERY_S)
        finally:
            self.listeners -= 1


def card(run: LiveRun, t: Texts) -> dict[str, Any]:
    """A run in words and numbers; the same for the template and for the script."""
    done = min(1.0, run.elapsed_s / run.min_duration_s) if run.min_duration_s else 0.0
    judged = f"p{run.judged_percentile:g}" if run.judged_percentile is not None else ""
    percentiles = [("p50", run.p50_ns), ("p90", run.p90_ns), ("p99", run.p99_ns)]
    facts = [
        (t("live.elapsed"), t("live.of", now=seconds(run.elapsed_s), bound=seconds(run.min_duration_s))),
        (t("live.queries"), number(run.n_queries)),
        (t("live.rate"), _rate(run.samples_per_s, t)),
        (t("live.recent"), _rate(run.recent_per_s, t)),
        *((name, duration(ns)) for name, ns in percentiles if name != judged),
        *([(judged + t("live.judged"), duration(run.judged_ns))] if judged else []),
        (t("live.lateness"), duration(run.lateness_p99_ns)),
    ]
    return {
        "name": run.name,
        "title": " ".join(p for p in (run.task, run.scenario, run.mode) if p),
        "done": round(done * 100),
        "projection": run.projection.replace(" ", "_"),
        "says": t(f"live.projection_{run.projection.replace(' ', '_')}"),
        "facts": [{"name": name, "value": value} for name, value in facts],
        "wanted": [
            {
                "text": t(f"live.wanted_{w.name}", now=number(w.now), bound=number(w.bound), unit=w.unit),
                "ok": w.ok,
                "word": t("live.open" if w.ok is None else "run.ok" if w.ok else "run.failed"),
            }
            for w in run.wanted
        ],
    }


def _rate(value: float | None, t: Texts) -> str:
    return "–" if value is None else f"{number(value)} {t('live.per_s')}"
