"""Compliance tests: the same SUT runs again as each test wants it, and what it then does is held against the result.

A test run differs from the run under audit in what the round's audit.config says, and in nothing else. Its folder has
the official verify_*.txt files, so that `mlassay pack` finds it by its record and puts it where the round wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mlassay.core.enums import Mode
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.outcome import Verdict
from mlassay.core.settings import Offline, Settings
from mlassay.records.atomic import atomic_write
from mlassay.records.folder import TEST_KEY, Run, open_run
from mlassay.records.loadgen_log import ACCURACY
from mlassay.rules.audit import apply_test, find_test
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.round import BenchmarkRule, ComplianceTest, Round
from mlassay.runs.again import request_of
from mlassay.runs.audit_checks import AuditCheck, Evidence, Measured, checks_of
from mlassay.runs.audit_modified import ModifiedLibrary
from mlassay.runs.carry_out import Shown, Silent, carry_out
from mlassay.runs.opened import open_task
from mlassay.runs.prepare import Prepared, make_sut
from mlassay.stats.compliance import LOOKS, confidence_of_a_look
from mlassay.tasks.task import OpenTask

NEEDS_ANSWERS = ("TEST01", "TEST03")
"""Tests that look at what the accuracy run answered."""

CANNOT = {
    "TEST07": "it scores GPQA answers of gpt-oss-120b, which is not among the tasks",
    "TEST08": "it needs the streaming recommender DLRMv3, which is not among the tasks",
    "TEST09": "it counts the tokens of gpt-oss-120b or e2e-rag-qna, which are not among the tasks",
}
"""Tests that the rules have for models that no task here has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """A run to audit. `tests` empty: those that the round wants of its benchmark."""

    run: Path
    tests: tuple[str, ...] = ()
    round: str = ""  # whose tests; "": the run's round, and the newest for a run without rules
    accuracy: Path | None = None  # an accuracy run of the same SUT; None: it is made
    sut: object | None = None  # the code that answered, for runs of own code
    out: Path | None = None
    official: bool = False  # verdicts by the official scripts' arithmetic, flaws included
    until_sure: bool = False  # begin with short tests, lengthen them only until each verdict is sure


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """What one compliance test found."""

    __test__ = False  # not a test of pytest's

    test: str
    verifies: str
    path: Path
    checks: tuple[AuditCheck, ...]
    length: float = 1.0  # of the run under audit's; less where a short test was enough

    @property
    def passed(self) -> bool:
        return all(c.passed for c in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResults:
    """All tests of one audit."""

    path: Path
    run: Path
    round: str
    benchmark: str
    accuracy: Path | None
    official: bool
    reports: tuple[TestReport, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(r.passed for r in self.reports)


def audit_run(request: AuditRequest, *, progress: Shown | None = None) -> AuditResults:
    """Run and verify the tests. Raises UsageError for what cannot be audited, and the errors of a run."""
    shown = progress or Silent()
    shown.phase("preparing")
    run, beside = _performance_run(request.run)
    wish = request_of(run, sut=request.sut)
    task = open_task(wish)
    round_ = _round(request, run)
    benchmark = _benchmark(round_, run, task)
    tests, notes = _tests(request.tests, round_, benchmark)
    prepared = Prepared(request=wish, task=task, sut=make_sut(wish, task.model), settings=run.settings)
    out = request.out or _new_folder(run)
    try:
        log = None
        if any(t.id in NEEDS_ANSWERS for t in tests):
            log = _accuracy_log(request.accuracy or beside, prepared, out, shown)
        subject = _Subject(run, prepared, round_, benchmark, log, request.official, request.until_sure)
        reports = _carry_out(tests, subject, out, shown)
    finally:
        prepared.sut.close()
    return AuditResults(
        path=out,
        run=run.path,
        round=round_.name,
        benchmark=benchmark.id,
        accuracy=log,
        official=request.official,
        reports=reports,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Subject:
    run: Run
    prepared: Prepared
    round: Round
    benchmark: BenchmarkRule
    accuracy_log: Path | None
    official: bool
    until_sure: bool


def _carry_out(tests: Sequence[ComplianceTest], on: _Subject, out: Path, shown: Shown) -> tuple[TestReport, ...]:
    assert on.run.outcome is not None
    base = (on.run.settings, on.run.outcome, on.run.trace())
    unique = base
    reports = []
    for test in tests:
        report, measured = _verify(test, on, unique if test.id == "TEST04-B" else base, out, shown)
        if test.id == "TEST04-A":
            unique = measured
        reports.append(report)
    return tuple(reports)


def _verify(
    test: ComplianceTest, on: _Subject, against: Measured, out: Path, shown: Shown
) -> tuple[TestReport, Measured]:
    """One test in one or several looks; the last one's verdict is the report. TEST04-A is a yardstick: always whole."""
    whole = apply_test(on.run.settings, on.round, on.benchmark, test.id)
    prepared = on.prepared
    if test.id == "TEST03":  # every answer on the modified data is looked at
        prepared = replace(prepared, task=replace(prepared.task, library=ModifiedLibrary(prepared.task.library)))
        whole = replace(whole, accuracy_log=replace(whole.accuracy_log, probability=1.0, sampling_target=0))
    looks = LOOKS if on.until_sure and test.id != "TEST04-A" else (1.0,)
    for number, length in enumerate(looks, 1):
        path = out / (test.id if len(looks) == 1 else f"{test.id}-look-{number}")
        part = carry_out(prepared, shortened(whole, length), path, shown, extra={TEST_KEY: test.id})
        measured = (part.settings, part.outcome, open_run(part.path).trace())
        evidence = Evidence(
            test=test,
            task=prepared.task,
            result=against,
            measured=measured,
            test_log=part.path / ACCURACY,
            accuracy_log=on.accuracy_log,
            official=on.official,
            strict=on.benchmark.id.endswith("-99.9"),
            confidence=confidence_of_a_look(len(looks)),
        )
        checks = checks_of(evidence)
        for name, text in evidence.texts(checks).items():
            atomic_write(part.path / name, text)
        if all(c.sure for c in checks):
            break
    report = TestReport(test=test.id, verifies=test.verifies, path=part.path, checks=checks, length=length)
    return report, measured


def shortened(settings: Settings, share: float) -> Settings:
    """The same run for a share of the time and of the queries; what the round requires stays, so that it is said."""
    if share == 1:
        return settings
    least = int(settings.min_query_count * share)
    load = settings.load
    if isinstance(load, Offline):
        load = replace(load, min_sample_count=max(1, int(load.min_sample_count * share)))
    return replace(
        settings, load=load, min_duration_ns=int(settings.min_duration_ns * share), min_query_count=max(1, least)
    )


def _performance_run(path: Path) -> tuple[Run, Path | None]:
    """(performance run, accuracy run of the same submission run where there is one)."""
    beside = None
    if (path / "performance" / "run_1").is_dir():
        beside, path = path / "accuracy", path / "performance" / "run_1"
    run = open_run(path)
    if run.settings.mode is not Mode.PERFORMANCE:
        raise UsageError(
            f"{path} is a run in {run.settings.mode.value} mode",
            hint="audit a performance run; give the other one with --accuracy",
        )
    if run.outcome is None or run.outcome.verdict is Verdict.INVALID:
        why = run.incomplete_because or "its result is INVALID"
        raise UsageError(f"{path} has no result to audit: {why}", hint="make a valid run first")
    return run, beside


def _round(request: AuditRequest, run: Run) -> Round:
    if request.round:
        return load_round(request.round)
    return load_round(run.settings.round if run.settings.round != "none" else rounds("inference")[-1])


def _benchmark(round_: Round, run: Run, task: OpenTask) -> BenchmarkRule:
    known = (run.settings.benchmark, *task.profile.benchmarks)
    match = next((b for b in known if b in round_.benchmarks), "")
    if not match:
        raise UsageError(
            f"round {round_.name} has no benchmark for {task.name} ({task.profile.name})",
            hint="choose a round that has one with --tests-of; mlassay rules show ROUND lists them",
        )
    return round_.benchmarks[match]


def _tests(
    wanted: Sequence[str], round_: Round, benchmark: BenchmarkRule
) -> tuple[list[ComplianceTest], tuple[str, ...]]:
    """The tests to run, and what is left out with its reason."""
    if wanted:
        found = [find_test(round_, name) for name in wanted]
        names = [test.id for test in found]
        if "TEST04-B" in names and "TEST04-A" not in names[: names.index("TEST04-B")]:
            first = find_test(round_, "TEST04-A")  # what TEST04-B is compared with
            found = [first, *(test for test in found if test is not first)]
        for test in found:
            if test.id in CANNOT:
                raise UsageError(f"{test.id} cannot be run: {CANNOT[test.id]}")
        return found, ()
    left_out = tuple(f"{t} is left out: {CANNOT[t]}" for t in benchmark.compliance if t in CANNOT)
    found = [find_test(round_, t) for t in benchmark.compliance if t not in CANNOT]
    if not found:
        raise UsageError(
            f"{round_.name} wants no compliance test of {benchmark.id}",
            hint=f"name one with --test: {', '.join(round_.tests)}",
        )
    return found, left_out


def _accuracy_log(given: Path | None, prepared: Prepared, out: Path, shown: Shown) -> Path:
    if given is not None:
        log = given / ACCURACY
        if not log.is_file() or open_run(given).settings.mode is not Mode.ACCURACY:
            raise BadFile(given, found="no accuracy run with its log", expected="the folder of a run in accuracy mode")
        return log
    settings = replace(prepared.settings, mode=Mode.ACCURACY)
    return carry_out(prepared, settings, out / "accuracy", shown).path / ACCURACY


def _new_folder(run: Run) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return run.path.parent / f"{run.path.name}-audit-{stamp}"
