"""COMP: the compliance tests of the round, by what their files say and by what their logs show."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from mlassay.core.enums import Scenario
from mlassay.submission import layout as lay
from mlassay.submission.accuracy_text import read_accuracy_text
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.metric import read_metric
from mlassay.submission.model import ResultFolder, Run
from mlassay.submission.tree import NotReadable

CLAUSE = "Inference rules, compliance tests"
WITHOUT_ACCURACY = ("TEST04", "TEST04-A", "TEST04-B", "TEST05")
TOKEN_TESTS = ("TEST06",)


def _applies(result: ResultFolder) -> bool:
    return result.bare is None and not result.is_open and result.benchmark is not None and not result.endpoints


def tests(result: ResultFolder) -> Iterator[tuple[str, str]]:
    """(test, directory) of the compliance tests that are there."""
    for test in result.tests:
        folder = result.test_folder(test)
        if folder is not None:
            yield test, folder


@check(
    "COMP001",
    Scope.RESULT,
    "compliance test missing",
    example="found no compliance/T4x8/resnet/Offline/TEST01",
    official="compliance_results",
    clause=CLAUSE,
)
def present(result: ResultFolder) -> Iterator[Found]:
    """Closed and network results run the tests of their benchmark, in each scenario; open ones need none."""
    if not _applies(result):
        return
    for test in result.tests:
        if result.test_folder(test) is None:
            yield Found(
                f"{result.compliance_folder}/{test}",
                "absent",
                f"the results of {test}",
                hint="run the test on the same system",
                severity=_first_round(result),
            )


def _first_round(result: ResultFolder) -> Severity | None:
    """Nobody looked at the audits of v0.5, and many that were published lack something: a warning there."""
    return Severity.WARNING if result.round.name == "v0.5" else None


def _verify(result: ResultFolder, folder: str, name: str) -> tuple[str, str]:
    """(path, text) of a verification file; text is '' when it is absent or cannot be read."""
    path = f"{folder}/{name}"
    try:
        return path, result.tree.read(path, 4 << 20).decode("utf-8", "replace") if result.tree.is_file(path) else ""
    except NotReadable:
        return path, ""


_PASS = re.compile(r"TEST\s*\d*\s*(?:-[AB]\s*)?PASS|^\s*PASS\b", re.IGNORECASE | re.MULTILINE)


def _wants_performance(test: str) -> bool:
    return test not in (*TOKEN_TESTS, "TEST07", "TEST08", "TEST09", "TEST03", "TEST04-B")  # -A compares both


@check(
    "COMP002",
    Scope.RESULT,
    "performance verification missing or empty",
    since="v0.7",
    example="found no verify_performance.txt",
    official="compliance_results",
    clause=CLAUSE,
)
def performance_file(result: ResultFolder) -> Iterator[Found]:
    """The verification script's words on the speed of the test run; an empty file once passed for a whole round."""
    if not _applies(result):
        return
    for test, folder in tests(result):
        if _wants_performance(test):
            path, text = _verify(result, folder, "verify_performance.txt")
            if not text.strip():
                yield Found(path, "empty" if result.tree.is_file(path) else "absent", f"the verdict of {test}")


@check(
    "COMP003",
    Scope.RESULT,
    "performance verification does not say PASS",
    since="v0.7",
    example="found no line with TEST PASS",
    official="compliance_results",
    clause=CLAUSE,
)
def performance_passed(result: ResultFolder) -> Iterator[Found]:
    """The test run may not be slower or faster than the result beyond the test's band."""
    if not _applies(result):
        return
    for test, folder in tests(result):
        path, text = _verify(result, folder, "verify_performance.txt")
        if _wants_performance(test) and text.strip() and not _PASS.search(text):
            yield Found(path, _last_line(text), "TEST PASS")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{lines[-1][:120]!r}" if lines else "nothing"


@check(
    "COMP004",
    Scope.RESULT,
    "accuracy verification missing or empty",
    since="v0.7",
    example="found no verify_accuracy.txt",
    official="compliance_results",
    clause=CLAUSE,
)
def accuracy_file(result: ResultFolder) -> Iterator[Found]:
    """Tests that look at outputs leave verify_accuracy.txt."""
    if not _applies(result):
        return
    for test, folder in tests(result):
        if test in WITHOUT_ACCURACY or test == "TEST03":
            continue
        path, text = _verify(result, folder, "verify_accuracy.txt")
        if not text.strip():
            yield Found(path, "empty" if result.tree.is_file(path) else "absent", f"the verdict of {test}")


@check(
    "COMP005",
    Scope.RESULT,
    "accuracy verification failed",
    since="v0.7",
    example="found 'TEST FAIL'",
    official="compliance_results",
    clause=CLAUSE,
)
def accuracy_passed(result: ResultFolder) -> Iterator[Found]:
    """TEST01 compares outputs byte by byte; when they differ, the accuracies of both runs are compared instead, within
    1 per cent (0.1 for the 99.9 models), all metrics, not only the last one."""
    if not _applies(result) or result.benchmark is None:
        return
    for test, folder in tests(result):
        path, text = _verify(result, folder, "verify_accuracy.txt")
        if test in WITHOUT_ACCURACY or not text.strip() or test in TOKEN_TESTS:
            continue
        if _PASS.search(text):
            continue
        if test == "TEST01":
            yield from _fallback(result, folder, path, text)
        else:
            yield Found(path, _last_line(text), "TEST PASS")


def _fallback(result: ResultFolder, folder: str, path: str, text: str) -> Iterator[Found]:
    below = lay.child(result.tree, folder, "accuracy") or f"{folder}/accuracy"
    base = read_accuracy_text(result.tree, f"{below}/baseline_accuracy.txt")
    test = read_accuracy_text(result.tree, f"{below}/compliance_accuracy.txt")
    if base.problem or test.problem:
        yield Found(
            path, _last_line(text), "TEST PASS, or baseline_accuracy.txt and compliance_accuracy.txt that agree"
        )
        return
    band = 0.001 if result.benchmark and result.benchmark.id.endswith("-99.9") else 0.01
    compared = 0
    for target in result.benchmark.quality if result.benchmark else ():
        one, other = base.value(target.metric), test.value(target.metric)
        if one is None or other is None:
            continue
        compared += 1
        limit = 0.02 if target.metric == "FID_SCORE" else band
        if not one or not math.isclose(one, other, rel_tol=limit):
            yield Found(
                test.path, f"{target.metric} {other:g} against {one:g}", f"a difference of at most {limit * 100:g} %"
            )
    if not compared:
        yield Found(test.path, "no metric in both files", "the benchmark's metrics in both")


_TEST06 = (
    ("first token", re.compile(r"First token check pass:\s*True", re.IGNORECASE)),
    ("end of sequence", re.compile(r"EOS check pass:\s*True", re.IGNORECASE)),
    ("length", re.compile(r"(?:Sample )?length check pass:\s*True", re.IGNORECASE)),
)


@check(
    "COMP006",
    Scope.RESULT,
    "token consistency test failed",
    since="v4.0",
    example="found no passed first token check",
    official="compliance_results",
    clause=CLAUSE,
)
def tokens(result: ResultFolder) -> Iterator[Found]:
    """TEST06 has three verdicts: the first token is the first of the answer, at most one end mark follows, and the
    length is the one that was reported. Only Offline, which reports no first tokens, may skip the first; the official
    tool lets every scenario skip it."""
    if not _applies(result):
        return
    for test, folder in tests(result):
        path, text = _verify(result, folder, "verify_accuracy.txt")
        if test in TOKEN_TESTS and text.strip():
            if result.scenario is Scenario.OFFLINE or result.submitter.submission.as_official:
                text = re.sub(r"(First token check pass:\s*)Skipped", r"\1True", text, flags=re.IGNORECASE)
            missing = [name for name, pattern in _TEST06 if not pattern.search(text)]
            if missing:
                yield Found(path, f"no passed check of {' and '.join(missing)}", "three passed checks")


@check(
    "COMP007",
    Scope.RUN,
    "compliance run is INVALID",
    example="found result_validity INVALID",
    official="compliance_results",
    clause=CLAUSE,
)
def run_valid(run: Run) -> Iterator[Found]:
    """A test that was not a valid run proves nothing. v0.5 shows 251 such runs in closed; the v6 tools accept them."""
    if run.role.startswith("TEST") and run.log.valid is False and not run.result.is_open:
        yield Found(run.where, "result_validity INVALID", "a VALID run", severity=_first_round(run.result))


@check(
    "COMP008",
    Scope.RUN,
    "compliance run without logs",
    example="found no mlperf_log_detail.txt in TEST01/performance/run_1",
    official="compliance_results",
    clause=CLAUSE,
)
def run_logged(run: Run) -> Iterator[Found]:
    """The raw logs of the test run are submitted, so that its verdict can be worked out again."""
    if run.role.startswith("TEST") and not run.log.readable and not run.result.is_open:
        severity = _first_round(run.result)
        yield Found(run.path, "no log of the load generator", "summary and detail log", severity=severity)


@check(
    "COMP009",
    Scope.RUN,
    "compliance run without its audit setting",
    example="found performance_issue_same false in TEST04",
    clause=CLAUSE,
)
def audited(run: Run) -> Iterator[Found]:
    """Each test has its settings in audit.config. A run without them is a plain run under another name. No official
    tool looks."""
    if not run.role.startswith("TEST") or not run.log.has_detail or run.result.is_open:
        return
    log, round_ = run.log, run.result.round
    if run.role in ("TEST04", "TEST04-B") and log.get("effective_performance_issue_same") is False:
        yield Found(run.where, f"performance_issue_same false in {run.role}", "true")
    if run.role == "TEST04-A" and log.get("effective_performance_issue_unique") is False:
        yield Found(run.where, "performance_issue_unique false in TEST04-A", "true")
    if run.role == "TEST01" and not log.text_format:
        chance, target = (log.number(f"effective_accuracy_log_{n}") for n in ("probability", "sampling_target"))
        if not chance and not target and (chance is not None or target is not None):
            yield Found(run.where, "no sampling of outputs in TEST01", "accuracy_log_sampling_target of the test")
    if run.role == "TEST05" and round_.test05_seeds is not None:
        said = log.integer("effective_sample_index_rng_seed")
        if said is not None and said == round_.seeds.sample_index:
            yield Found(
                run.where, "the round's own seeds in TEST05", f"sample_index {round_.test05_seeds.sample_index}"
            )


_BANDS = {"TEST01": (0.9, 1.1), "TEST04": (None, 1.1), "TEST04-B": (None, 1.1), "TEST05": (0.95, None)}


@check(
    "COMP010",
    Scope.RUN,
    "compliance run as fast as it may not be",
    since="v0.7",
    example="found 1.176 times the result in TEST04; expected at most 1.1",
    clause=CLAUSE,
)
def speed(run: Run) -> Iterator[Found]:
    """The test's speed is compared with the result's, with the bands of the tests and not with the text that a script
    left: TEST01 within 10 %, TEST04 at most 10 % faster (TEST04-B than TEST04-A), TEST05 at most 5 % slower; 20 %
    where latencies are very short (0.2 ms, 1.6 ms for MultiStream)."""
    low, high = _BANDS.get(run.role, (None, None))
    result = run.result
    base = result.test_runs.get("TEST04-A") if run.role == "TEST04-B" else result.run
    if (low, high) == (None, None) or result.is_open or base is None or result.inferred:
        return
    if run.log.valid is None or run.log.scenario is not base.log.scenario:
        return
    mine, theirs = read_metric(result, run).value, read_metric(result, base).value
    if not mine or not theirs or mine < 0 or theirs < 0:
        return
    latency = (
        result.scenario in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM) and read_metric(result, run).unit == "ms"
    )
    ratio = theirs / mine if latency else mine / theirs
    if latency and theirs <= (0.2 if result.scenario is Scenario.SINGLE_STREAM else 1.6):
        low, high = low and 0.8, high and 1.2
    against = "TEST04-A" if run.role == "TEST04-B" else "the result"
    if low is not None and ratio < low:
        yield Found(run.where, f"{ratio:.3f} times {against} in {run.role}", f"at least {low:g}")
    if high is not None and ratio > high:
        yield Found(run.where, f"{ratio:.3f} times {against} in {run.role}", f"at most {high:g}")
