"""Round and tree to findings: asks every check of every thing it applies to, and survives whatever happens.

Work is cut by result, because reading logs is what costs time; on machines with fork several processes share it. One
bad submitter never hides another: each thing is examined by itself, and a check that fails becomes a finding.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mlassay.core.errors import MlassayError, UnknownName
from mlassay.rules.reader import load_round
from mlassay.submission import layout as lay
from mlassay.submission.check import Check, Finding, Found, Scope, Severity, all_checks, clean, finding
from mlassay.submission.layout import ResultPlace, SubmitterPlace
from mlassay.submission.metric import MetricValue, read_metric
from mlassay.submission.model import ResultFolder, Run, Submission, Submitter, read_json
from mlassay.submission.official import as_official as weigh_officially
from mlassay.submission.power import power_of
from mlassay.submission.recognise import Located, locate, recognise_round, submitter_alone
from mlassay.submission.report import Report, Result
from mlassay.submission.schema import at_least
from mlassay.submission.training import holds_training
from mlassay.submission.training_checker import open_training, run_training, without_round
from mlassay.submission.tree import Tree
from mlassay.submission.waivers import Waiver, apply_waivers

POOL_FROM_RESULTS = 48
CHUNK_RESULTS = 8


def check(
    path: str | Path | Tree,
    *,
    suite: str = "auto",
    round: str = "auto",
    as_official: str = "",
    only: Sequence[str] = (),
    waivers: Sequence[Waiver] = (),
    benchmark: str = "",
    jobs: int = 1,
) -> Report:
    """Check whatever lies at `path`. Findings are returned; only what cannot be read at all raises.

    `round` and `suite` are recognised when "auto". `as_official` names a round whose official tool's verdict is wanted.
    `only` keeps the checks whose ids match one of the patterns. `jobs` processes share the work (0: one per core).
    """
    begin = time.perf_counter()
    located = locate(path)
    if suite == "training" or (suite == "auto" and _is_training(located)):
        return _check_training(path, located.tree, round, as_official, only, waivers, begin)
    submission = open_submission(located, round=as_official or round, benchmark=benchmark)
    submission.as_official = bool(as_official)
    checks = select(all_checks(), only, submission.round_name)
    engine = Engine(submission, checks, located)
    results, findings = engine.run(jobs if jobs > 0 else (os.cpu_count() or 1))
    findings = sorted(apply_waivers(findings, waivers), key=_order)
    return Report(
        path=path.label if isinstance(path, Tree) else str(path),
        suite=submission.suite,
        round=submission.round_name,
        results=tuple(mark_accepted(results, findings, submission)),
        findings=tuple(findings),
        as_official=as_official,
        n_files=len(submission.tree.nodes),
        seconds=time.perf_counter() - begin,
    )


def _check_training(
    path: str | Path | Tree,
    tree: Tree,
    round: str,
    as_official: str,
    only: Sequence[str],
    waivers: Sequence[Waiver],
    begin: float,
) -> Report:
    known = open_training(tree, round=as_official or round)
    known.as_official = bool(as_official)
    checks = select(all_checks(), only, known.round.name)
    if known.roundless:
        checks = without_round(checks)
    rows, findings = run_training(known, checks)
    findings = sorted(apply_waivers(findings, waivers), key=_order)
    return Report(
        path=path.label if isinstance(path, Tree) else str(path),
        suite="training",
        round=known.round_name,
        results=tuple(rows),
        findings=tuple(findings),
        n_files=len(tree.nodes),
        seconds=time.perf_counter() - begin,
        as_official=as_official,
    )


def _is_training(located: Located) -> bool:
    """Training logs, and no result of an inference division around them."""
    if located.kind == "submitter" and any(lay.results(located.tree, submitter_alone(located.tree))):
        return False
    return located.kind != "submission" and holds_training(located.tree)


def _order(f: Finding) -> tuple[int, str, str, str]:
    return (list(Severity).index(f.severity), f.id, f.where, f.found)


def select(checks: dict[str, Check], only: Sequence[str], round_name: str) -> list[Check]:
    """The checks of a round, all or those asked for. Raises UnknownName for a pattern that names none."""
    for pattern in only:
        if not any(fnmatchcase(i, pattern) for i in checks):
            raise UnknownName("check", pattern, list(checks), [i for i in checks if i.startswith(pattern[:3])][:3])
    chosen = [c for i, c in checks.items() if not only or any(fnmatchcase(i, p) for p in only)]
    return [c for c in chosen if applies(c, round_name)]


def applies(check: Check, round_name: str) -> bool:
    late_enough = not check.since or at_least(round_name, check.since)
    return late_enough and (not check.until or at_least(check.until, round_name))


def open_submission(located: Located, *, round: str = "auto", benchmark: str = "") -> Submission:
    """The typed view of a tree, with its round recognised or given."""
    tree = located.tree
    if located.kind == "submitter":
        submitters = [submitter_alone(tree)]
    elif located.kind == "submission":
        submitters = [s for s in lay.submitters(tree) if _in_focus(s.path, located.focus)]
    else:
        submitters = []
    places = [p for s in submitters for p in lay.results(tree, s)]
    guess = ""
    if round == "auto":
        round, guess = recognise_round(tree, places, located.runs)
        if not places and not located.runs:
            guess = ""
    rules = load_round(round)
    submission = Submission(tree, rules, lay.layout_for_round(rules.name), round_guess=guess)
    submission.submitters = [Submitter(submission, s) for s in submitters]
    if located.runs:
        submission.submitters = [_bare_submitter(submission, located.runs, benchmark)]
    return submission


def _in_focus(path: str, focus: str) -> bool:
    return not focus or path == focus or path.startswith(f"{focus}/") or focus.startswith(f"{path}/")


def _bare_submitter(submission: Submission, runs: Iterable[tuple[str, str]], benchmark: str) -> Submitter:
    """Single runs dressed as results, so that the same checks look at them."""
    place = SubmitterPlace("", "", "")
    submitter = Submitter(submission, place)
    results = []
    for folder, role in runs:
        named = benchmark or _benchmark_of_run(submission.tree, folder)
        result = ResultFolder(submitter, ResultPlace(place, "", named, "", folder))
        result.bare = BareRun(result, folder, role)
        scenario = result.bare.log.scenario
        if scenario is not None:
            result.place = replace(result.place, scenario=scenario.official_name)
        results.append(result)
    submitter.__dict__["results"] = results
    return submitter


def _benchmark_of_run(tree: Tree, folder: str) -> str:
    """What run.json says when the directory is one of our own run folders; '' otherwise."""
    settings = read_json(tree, f"{folder}/run.json" if folder else "run.json").data.get("settings")
    name = settings.get("benchmark") if isinstance(settings, dict) else None
    return name if isinstance(name, str) else ""


class BareRun(Run):
    """A run whose log may have any name."""

    @property
    def log(self) -> Any:
        from mlassay.submission.recognise import run_log

        if "log" not in self.__dict__:
            self.__dict__["log"] = run_log(self.tree, self.path)
        return self.__dict__["log"]


@dataclass
class Engine:
    """Asks the checks. Findings of a result are gathered where its logs are read, the rest in the parent process."""

    submission: Submission
    checks: Sequence[Check]
    located: Located

    def __post_init__(self) -> None:
        self._by_scope = {scope: [c for c in self.checks if c.scope is scope] for scope in Scope}

    def run(self, jobs: int) -> tuple[list[Result], list[Finding]]:
        submission = self.submission
        if self.located.runs:
            return self._results(jobs)
        findings = list(self._ask(Scope.SUBMISSION, submission, None))
        for submitter in submission.submitters:
            findings += self._ask(Scope.SUBMITTER, submitter, submitter)
            for system in submitter.systems.values():
                findings += self._ask(Scope.SYSTEM, system, submitter)
        if self.located.focus:
            findings = [f for f in findings if _in_focus(f.where, self.located.focus)]
        results, more = self._results(jobs)
        return results, findings + more

    def _results(self, jobs: int) -> tuple[list[Result], list[Finding]]:
        work = [
            (s, r)
            for s, submitter in enumerate(self.submission.submitters)
            for r, result in enumerate(submitter.results)
            if _in_focus(result.path, self.located.focus) or result.bare is not None
        ]
        results: list[Result] = []
        findings: list[Finding] = []
        for row, found in self._examined(work, jobs):
            results.append(row)
            findings += found
        return results, findings

    def _examined(self, work: list[tuple[int, int]], jobs: int) -> Iterator[tuple[Result, list[Finding]]]:
        if jobs < 2 or len(work) < POOL_FROM_RESULTS or "fork" not in multiprocessing.get_all_start_methods():
            yield from (self.examine(*item) for item in work)
            return
        chunks = [work[at : at + CHUNK_RESULTS] for at in range(0, len(work), CHUNK_RESULTS)]
        _SHARED.append(self)
        try:
            with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
                for rows in pool.map(_examine_chunk, chunks):
                    yield from rows
        finally:
            _SHARED.pop()

    def examine(self, submitter_at: int, result_at: int) -> tuple[Result, list[Finding]]:
        """Everything about one result. Nothing that was read is kept afterwards."""
        submitter = self.submission.submitters[submitter_at]
        known = submitter.results[result_at]
        result = known if known.bare is not None else ResultFolder(submitter, known.place)
        findings = list(self._ask(Scope.RESULT, result, submitter))
        runs = [*result.performance_runs, *([result.accuracy_run] if result.accuracy_run else [])]
        for run in (*runs, *result.test_runs.values()):
            findings += self._ask(Scope.RUN, run, submitter, run.role)
        return self._row(result), findings

    def _row(self, result: ResultFolder) -> Result:
        try:
            return result_row(result)
        except Exception:  # noqa: BLE001 - a row must appear for every result; CHECK001 tells of the fault elsewhere
            place = result.place
            return Result(
                round=result.round.name,
                division=place.submitter.division,
                submitter=place.submitter.name,
                system=place.system,
                benchmark=place.benchmark,
                model=place.benchmark,
                scenario=place.scenario,
                metric="",
                value=None,
                unit="",
                path=place.path,
            )

    def _ask(self, scope: Scope, thing: Any, submitter: Submitter | None, role: str = "") -> Iterator[Finding]:
        label = submitter.label if submitter and submitter.name else ""
        is_open = submitter is not None and submitter.is_open
        for check in self._by_scope[scope]:
            try:
                for found in check.function(thing):
                    made = finding(check, found, open_division=is_open, submitter=label)
                    if self.submission.as_official:
                        made = weigh_officially(made, check, self.submission.round, open_division=is_open, role=role)
                    yield made
            except Exception as error:  # noqa: BLE001 - a fault in one check must not hide what the others find
                yield _failed(check, thing, error, label)


_SHARED: list[Engine] = []
"""The engine that forked workers find in the memory they inherit."""


def _examine_chunk(items: list[tuple[int, int]]) -> list[tuple[Result, list[Finding]]]:
    return [_SHARED[-1].examine(*item) for item in items]


def _failed(check: Check, thing: object, error: Exception, submitter: str) -> Finding:
    reason = error.message if isinstance(error, MlassayError) else f"{type(error).__name__}: {error}"
    return Finding(
        id="CHECK001",
        severity=Severity.ERROR,
        where=clean(str(getattr(thing, "path", "") if not callable(getattr(thing, "path", "")) else "")),
        found=clean(f"{reason} in {check.id}"),
        expected="a check that copes with any input",
        hint="this is a fault of mlassay: report it with the file",
        submitter=submitter,
    )


# results


def read_submission(tree: Tree, round: str = "auto") -> Iterator[Result]:
    """Every result of a tree as a row, without judging anything: what the results database imports."""
    root = lay.find_root(tree)
    located = Located(tree.below(root), "submission") if root is not None else Located(tree, "submitter")
    submission = open_submission(located, round=round)
    for submitter in submission.submitters:
        for place in lay.results(submitter.tree, submitter.place):
            result = ResultFolder(submitter, place)
            yield describe(result_row(result), submitter)


def describe(row: Result, submitter: Submitter) -> Result:
    """A row with its system's description, which is read once per system and not carried between processes."""
    system = submitter.system(row.system)
    return replace(row, system_description=system.data) if system else row


def result_row(result: ResultFolder) -> Result:
    """One result as data: metric of the run, or of the slowest of several (v0.5 Server), accuracy, power."""
    metric = _slowest(result)
    place, system = result.place, result.system
    power = power_of(result)
    verdicts = [r.log.valid for r in result.performance_runs]
    valid = None if not verdicts or None in verdicts else all(verdicts)
    scenario = result.scenario.official_name if result.scenario else place.scenario
    return Result(
        round=result.round.name,
        division=place.submitter.division,
        submitter=place.submitter.name,
        system=place.system,
        benchmark=result.benchmark.id if result.benchmark else place.benchmark,
        model=place.benchmark,
        scenario=scenario,
        metric=metric.name,
        value=metric.value,
        unit=metric.unit,
        accuracy=dict(result.accuracy.metrics) if result.bare is None else {},
        valid=valid,
        inferred=result.inferred,
        power=power.value if power else None,
        power_unit=power.unit if power else "",
        path=place.path,
        availability=system.json.text("status") if system else "",
        system_type=system.json.text("system_type") if system else "",
        measurements=dict(result.measurements.data) if result.bare is None else {},
    )


def _slowest(result: ResultFolder) -> MetricValue:
    from mlassay.submission.endpoints import endpoints_metric

    if result.endpoints:
        return endpoints_metric(result)
    metrics = [read_metric(result, run) for run in result.performance_runs]
    known = [m for m in metrics if m.value is not None]
    if not known:
        return metrics[0] if metrics else MetricValue("", "", None, "")
    if len(known) > 1 and "latency" not in known[0].name:
        return min(known, key=lambda m: m.value or 0.0)
    return max(known, key=lambda m: m.value or 0.0) if len(known) > 1 else known[0]


def mark_accepted(rows: Iterable[Result], findings: Iterable[Finding], submission: Submission) -> Iterator[Result]:
    """Rows with their systems' descriptions, and with the verdict of the findings that touch them."""
    findings = list(findings)
    exact = {f.where for f in findings if f.rejects and f.where}
    everything = any(f.rejects for f in findings)
    above = {w for where in exact for w in _with_parents(where)}
    places = {r.path: r for s in submission.submitters for r in s.results}
    by_label = {s.label: s for s in submission.submitters}
    for row in rows:
        result = places.get(row.path)
        touched = (not row.path and everything) or row.path in above or any(w in exact for w in _with_parents(row.path))
        if result is not None and result.bare is None and not touched:
            touched = result.measurements_folder in above or result.compliance_folder in above
            touched = touched or (result.system is not None and result.system.path in exact)
            touched = touched or result.submitter.path(f"systems/{row.system}.json") in exact
        submitter = by_label.get(f"{row.division}/{row.submitter}")
        row = describe(row, submitter) if submitter and row.system else row
        yield replace(row, accepted=not touched)


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


__all__ = ["Engine", "Found", "check", "read_submission"]
