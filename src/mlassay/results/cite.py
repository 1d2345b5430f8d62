"""The sentence with which a result may be quoted, and the footnote that must go with it.

Follows the results messaging guidelines of MLCommons: submitter, benchmark with version, system, scenario, division;
"unverified" beside every number that did not pass review; a footnote with source, entry and retrieval date.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlassay.results.labels import benchmark_title
from mlassay.results.queries import ResultView

TRADEMARK = (
    "The MLPerf name and logo are registered and unregistered trademarks of MLCommons Association in the United States "
    "and other countries. All rights reserved. Unauthorized use strictly prohibited. See www.mlcommons.org for more "
    "information."
)
UNVERIFIED = "Result not verified by MLCommons Association."


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """`sentence` carries the mark [1]; `footnote` answers it. `warnings` say what a reader should still check."""

    sentence: str
    footnote: str
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{self.sentence}\n\n[1] {self.footnote}"


def cite(view: ResultView, retrieved: str) -> Citation:
    """Cite one result; `retrieved` is the date (YYYY-MM-DD) on which its source was read."""
    suite = view.suite.capitalize()
    benchmark = f"MLPerf® {suite} {view.round}" if _in_round(view) else f"MLPerf® {suite} (no round)"
    task = benchmark_title(view.benchmark)
    who, verb = view.submitter or "The author", "submitted" if view.published else "measured"
    what = f"{task} {view.scenario}".strip()
    number = _number(view) if view.published else f"{_number(view)} (unverified)"
    machine = _machine(view)
    sentence = f"{who} {verb} {number} on {what} in {benchmark}, {view.division} division, with {machine}.[1]"
    return Citation(sentence=sentence, footnote=_footnote(view, what, retrieved), warnings=_warnings(view))


def _in_round(view: ResultView) -> bool:
    return bool(view.round) and view.round != "none"


def _number(view: ResultView) -> str:
    if view.value is None:
        return f"no number ({view.reason or view.state})"
    value = f"{view.value:,.2f}" if view.value < 1000 else f"{view.value:,.0f}"
    unit = {"min": "minutes", "ms": "ms"}.get(view.unit, view.unit)
    return f"{value} {unit} ({view.metric})" if view.metric else f"{value} {unit}"


def _machine(view: ResultView) -> str:
    parts = [view.system]
    if view.accelerator and view.chips:
        parts.append(f"{view.chips} × {view.accelerator}")
    elif view.chips:
        parts.append(f"{view.chips} processor {'socket' if view.chips == 1 else 'sockets'}")
    if view.framework:
        parts.append(view.framework)
    return ", ".join(p for p in parts if p)


def _footnote(view: ResultView, what: str, retrieved: str) -> str:
    kind = (
        f"MLPerf® {view.round} {view.suite.capitalize()}" if _in_round(view) else f"MLPerf® {view.suite.capitalize()}"
    )
    lead = f"{kind} {view.division.capitalize()}; {what}"
    if view.published:
        commit = f" at commit {view.commit_id}" if view.commit_id else ""
        place = f"{view.url}{commit}, entry {view.path}"
        status = f"Result verified by MLCommons Association; its value was read from the logs by {view.reader}."
    else:
        place, status = view.path, UNVERIFIED
    power = f" Power: {view.power_value:,.1f} {view.power_unit}." if view.power_value is not None else ""
    return f"{lead}. Retrieved from {place}, {retrieved}. {status}{power} {TRADEMARK}"


def _warnings(view: ResultView) -> tuple[str, ...]:
    out = []
    if not view.published:
        out.append("unverified: the word must stand beside the number wherever it is shown")
    if view.published and not view.commit_id:
        out.append("the copy that was imported does not say its commit; the guidelines ask for the result's id")
    if view.verdict in ("INVALID", "INDICATIVE"):
        out.append(f"the run is {view.verdict}: it may not be presented as an MLPerf result")
    if view.value is None:
        out.append("there is no number to cite")
    if view.inferred:
        out.append("the result is inferred from another scenario's run")
    return tuple(out)
