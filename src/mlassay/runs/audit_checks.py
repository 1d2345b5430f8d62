"""What each compliance test is judged by: pure functions of two runs' records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlassay.core.enums import Scenario
from mlassay.core.outcome import Outcome, Verdict
from mlassay.core.settings import MultiStream, Settings, SingleStream
from mlassay.core.trace import Trace
from mlassay.core.units import NS_PER_S, NS_PER_US
from mlassay.loadgen.measures import measure
from mlassay.records.loadgen_log import read_accuracy
from mlassay.rules.round import ComplianceTest
from mlassay.runs.audit_outputs import compare_answers, subset_accuracies
from mlassay.stats.compliance import Band, Speed, at_percentile, compare_speed, most_that_could_differ, throughput
from mlassay.stats.percentile import CONFIDENCE
from mlassay.tasks.task import OpenTask

Measured = tuple[Settings, Outcome, Trace]

SHORT_NS = {Scenario.SINGLE_STREAM: 200 * NS_PER_US, Scenario.MULTI_STREAM: 1600 * NS_PER_US}
"""Results at or below are noisy: their bands are wider (compliance tests, "short latency")."""

DRIFT, DRIFT_STRICT = 0.01, 0.001
"""Relative difference of accuracy that TEST01 allows where answers are not identical: 99 % and 99.9 % models."""


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """One verdict of a test, in one sentence with its numbers. `kind` says in which file it is written down."""

    id: str
    passed: bool
    text: str
    kind: str  # "performance", "accuracy"
    sure: bool = True  # False: a longer run could turn the verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a test is judged by. `result` is the run under audit (TEST04-B: the run of TEST04-A)."""

    test: ComplianceTest
    task: OpenTask
    result: Measured
    measured: Measured
    test_log: Path
    accuracy_log: Path | None
    official: bool
    strict: bool  # a 99.9 % model
    confidence: float = CONFIDENCE  # percent; a sequential test's looks each need more

    def texts(self, checks: Sequence[AuditCheck]) -> Mapping[str, str]:
        """verify_performance.txt and verify_accuracy.txt, in words that the official checker looks for."""
        files: dict[str, str] = {}
        for kind in ("performance", "accuracy"):
            some = [c for c in checks if c.kind == kind]
            if not some:
                continue
            lines = [c.text for c in some]
            if self.test.id == "TEST06":
                lines += [f"{_TOKEN_NAMES[c.id]} check pass: {c.passed}" for c in some if c.id in _TOKEN_NAMES]
                if not any(c.id == "first-token" for c in some):
                    lines.append("First token check pass: Skipped")
            lines.append("TEST PASS" if all(c.passed for c in some) else "TEST FAIL")
            files[f"verify_{kind}.txt"] = "\n".join(lines) + "\n"
        return files


def checks_of(evidence: Evidence) -> tuple[AuditCheck, ...]:
    """Every check of the test; none is skipped because another failed."""
    found = [_run_counts(evidence)]
    found += _speed(evidence)
    if evidence.test.id in _ANSWERS:
        found += _ANSWERS[evidence.test.id](evidence)
    return tuple(found)


def _run_counts(e: Evidence) -> AuditCheck:
    outcome = e.measured[1]
    failed = "; ".join(c.text for c in outcome.failed if not c.about_length) or "; ".join(
        f.detail for f in outcome.faults
    )
    text = f"the test run is {outcome.verdict.value}" + (f": {failed}" if failed else "")
    counts = outcome.verdict is not Verdict.INVALID
    return AuditCheck("run", counts, text, "performance", sure=counts)


# --- speed -----------------------------------------------------------------------------------------------------------


def speed_of(measured: Measured, *, official: bool = False, confidence: float = CONFIDENCE) -> Speed:
    """How fast a run was, more is faster. `official`: by its figure of merit, as the official scripts do.

    Else Single and MultiStream go by the percentile that was measured: the early-stopping estimate, which is the figure
    of merit, lies further above it the shorter a run is. Server goes by its completed rate in both.
    """
    settings, outcome, trace = measured
    metric = outcome.metric
    assert metric is not None
    if settings.scenario in (Scenario.SERVER, Scenario.INTERACTIVE):
        known = throughput(trace.done_ns, confidence=confidence)
        return replace(known, value=outcome.numbers.get("result_completed_samples_per_sec", 0.0))
    if settings.scenario is Scenario.OFFLINE:
        return throughput(trace.done_ns, confidence=confidence)
    if isinstance(settings.load, SingleStream | MultiStream) and not official:
        return at_percentile(measure(trace, settings).query_latency_ns, settings.load.percentile, confidence)
    if metric.higher_is_better:
        return Speed(metric.value, metric.unit)
    inverse = [NS_PER_S / v if v else None for v in (metric.value, metric.high, metric.low)]
    return Speed(inverse[0] or 0.0, "queries/s at the percentile", inverse[1], inverse[2])


def band_of(e: Evidence) -> Band | None:
    """The test's band for this result; None where the test does not look at speed."""
    bounds = e.test.bounds
    settings, outcome, _ = e.result
    short_ns = SHORT_NS.get(settings.scenario, 0)
    value = outcome.metric.value if outcome.metric and not outcome.metric.higher_is_better else float("inf")
    is_short = value <= short_ns or (e.official and "speed_up" in bounds)

    def allowance(name: str) -> float | None:
        usual = bounds.get(name)
        return bounds.get(f"{name}_short", usual) if is_short else usual

    both, faster, slower = (allowance(n) for n in ("performance_difference", "speed_up", "slow_down"))
    if both is not None:
        return Band(1 - both, 1 + both)
    if faster is not None:
        return Band(None, 1 + faster)
    return None if slower is None else Band(1 - slower, None)


def _speed(e: Evidence) -> Iterator[AuditCheck]:
    band = band_of(e)
    if band is None:
        return
    test, result = (speed_of(m, official=e.official, confidence=e.confidence) for m in (e.measured, e.result))
    against = "the run of TEST04-A" if e.test.id == "TEST04-B" else "the result"
    if not (test.value > 0 and result.value > 0):
        text = f"no speed to compare: {test.value:g} and {result.value:g}"
        yield AuditCheck("speed", False, text, "performance", sure=False)
        return
    found = compare_speed(test, result, band)
    text = f"{found.ratio:.3f} times as fast as {against}; allowed: {found.band}"
    if found.low is not None and found.high is not None:
        text += f" ({e.confidence:.3g} % sure: {found.low:.3f} to {found.high:.3f})"
    else:
        text += " (how sure cannot be told from these runs)"
    if found.sure is False:
        text += "; not sure: longer runs would tell"
    yield AuditCheck("speed", found.passed, text, "performance", sure=found.sure is True)


# --- answers ---------------------------------------------------------------------------------------------------------


def _same_answers(e: Evidence) -> Iterator[AuditCheck]:
    """TEST01: identical answers; else both runs score alike on the samples that were logged."""
    assert e.accuracy_log is not None
    found = compare_answers(e.test_log, e.accuracy_log, first_byte_only=e.official)
    limit = DRIFT_STRICT if e.strict else DRIFT
    if found.identical:
        share = most_that_could_differ(found.n_logged, e.confidence / 100)
        text = f"all {found.n_logged:,} logged answers equal those of the accuracy run"
        text += f" ({e.confidence:.3g} % sure: at most {100 * share:.2g} % of all could differ)"
        yield AuditCheck("answers", True, text, "accuracy", sure=share <= limit)
        return
    if not found.n_logged:
        text = "no answer was logged; expected a sample of them"
        yield AuditCheck("answers", False, text, "accuracy", sure=False)
        return
    what = f"{found.n_differing:,} of {found.n_logged:,} logged answers differ from the accuracy run"
    if found.n_unknown or found.problems:
        damage = "; ".join(found.problems) or f"{found.n_unknown:,} samples have no answer there"
        yield AuditCheck("answers", False, f"{what}; {damage}", "accuracy")
        return
    base, test = subset_accuracies(e.task, e.test_log, e.accuracy_log)
    drift = abs(test.value - base.value) / abs(base.value) if base.value else float("inf")
    samples = ", ".join(map(str, found.differing))
    more = ", …" if found.n_differing > len(found.differing) else ""
    text = (
        f"{what} (samples {samples}{more}); on the same samples {base.metric} is {test.value:.5g} against "
        f"{base.value:.5g}, {100 * drift:.3g} % apart; allowed: {100 * limit:g} %"
    )
    yield AuditCheck("answers", drift <= limit, text, "accuracy", sure=False)


def _other_answers(e: Evidence) -> Iterator[AuditCheck]:
    """TEST03: answers to changed samples are not all the old ones."""
    assert e.accuracy_log is not None
    found = compare_answers(e.test_log, e.accuracy_log)
    changed = found.n_differing > 0
    text = f"{found.n_differing:,} of {found.n_logged:,} answers changed with the data"
    if not changed:
        text += ": they were there before the data"
    sure = changed or most_that_could_differ(found.n_logged, e.confidence / 100) <= DRIFT
    yield AuditCheck("answers", changed, text, "accuracy", sure=sure)


_TOKEN_NAMES = {"first-token": "First token", "eos": "EOS", "length": "Sample length"}


def _tokens(e: Evidence) -> Iterator[AuditCheck]:
    """TEST06: the first token is the answer's first, one end mark at most, and the length is what was reported."""
    settings, _, trace = e.measured
    if e.task.model.generation is None:
        yield AuditCheck("tokens", False, f"{e.task.name} does not generate tokens", "accuracy")
        return
    ends = set(e.task.model.generation.ends)
    n, early, long, wrong = 0, 0, 0, 0
    first_known = 0
    for entry in read_accuracy(e.test_log):
        tokens = np.frombuffer(entry.data[: len(entry.data) // 8 * 8], "<i8").tolist()
        n += 1
        trailing = 0
        while trailing < len(tokens) and tokens[-1 - trailing] in ends:
            trailing += 1
        long += trailing > e.test.bounds.get("trailing_eos", 1) and not e.official
        wrong += trace.n_tokens is None or len(tokens) != int(trace.n_tokens[entry.seq_id])
        if entry.token_data:
            first_known += 1
            early += entry.token_data != entry.data[: len(entry.token_data)]
    enough = n >= settings.accuracy_log.sampling_target

    def told(id: str, n_bad: int, text: str) -> AuditCheck:
        """One bad answer is enough to fail by; to pass, as many as the test wants must have been looked at."""
        return AuditCheck(id, n > 0 and not n_bad, f"{n_bad} of {n} {text}", "accuracy", sure=enough or n_bad > 0)

    yield told("eos", long, "answers end in more than one end mark")
    yield told("length", wrong, "answers are not as long as was reported")
    if settings.scenario is Scenario.OFFLINE:
        return
    if first_known < n:
        yield told("first-token", n - first_known, "answers came without their first token; expected each to report it")
    else:
        yield told("first-token", early, "first tokens are not the first of their answer")


_ANSWERS: Mapping[str, Callable[[Evidence], Iterator[AuditCheck]]] = {
    "TEST01": _same_answers,
    "TEST03": _other_answers,
    "TEST06": _tokens,
}
