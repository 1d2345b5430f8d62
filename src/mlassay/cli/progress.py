"""Live progress of a run: a bar on a terminal, a plain line every few seconds elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mlassay.core.units import format_ns, format_rate

if TYPE_CHECKING:
    from mlassay.loadgen.supervise import Progress

PLAIN_EVERY_S = 5.0


class RunProgress:
    """Shows one phase at a time; `phase` starts a new one. Quiet: shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._task: Any = None
        self._label = ""
        self._last_s = 0.0

    def __enter__(self) -> RunProgress:
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bars

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
            self._bar = Bars(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, label: str) -> None:
        """Name what happens now."""
        self._label = label
        self._last_s = time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(label, total=1.0, told="")
            self._bar.refresh()
        elif not self._quiet:
            print(f"{label} …", file=sys.stderr, flush=True)

    def __call__(self, progress: Progress) -> None:
        share, text = _share(progress), _text(progress)
        if self._bar is not None:
            self._bar.update(self._task, completed=share, told=text)
            self._bar.refresh()
        elif not self._quiet and time.monotonic() - self._last_s >= PLAIN_EVERY_S:
            self._last_s = time.monotonic()
            print(f"{self._label}: {share:.0%}, {text}", file=sys.stderr, flush=True)


def _share(progress: Progress) -> float:
    """Of the time or the queries, whichever is further from done; accuracy runs have only queries."""
    by_count = progress.answered_samples / max(progress.planned_samples, 1)
    if progress.planned == 1:
        return min(1.0, by_count)
    by_time = progress.elapsed_ns / progress.min_duration_ns if progress.min_duration_ns else by_count
    return min(1.0, max(by_count, by_time))


def _text(progress: Progress) -> str:
    seconds = progress.elapsed_ns / 1e9
    single = progress.planned == 1
    count, what = (progress.answered_samples, "samples") if single else (progress.answered, "queries")
    parts = [format_rate(count / max(seconds, 1e-9), what)]
    if progress.p50_ns >= 0:
        parts.append(f"p50 {format_ns(progress.p50_ns)}, p99 {format_ns(progress.p99_ns)}")
    share = _share(progress)
    if share > 0.01:
        parts.append(f"{seconds * (1 - share) / share:.0f} s left")
    return ", ".join(parts)
