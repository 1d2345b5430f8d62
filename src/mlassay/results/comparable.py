"""May two results be compared, by the published rules, and what differs between them besides the number?"""

from __future__ import annotations

from dataclasses import dataclass

from mlassay.core.enums import Scenario
from mlassay.core.errors import MlassayError
from mlassay.results.queries import ResultView
from mlassay.results.sides import facts
from mlassay.rules.compatibility import comparable as rounds_comparable

POLICY = "MLCommons results messaging guidelines"


@dataclass(frozen=True, slots=True)
class Ruling:
    """`allowed`: yes, no, or None where no rule speaks (both sides are unofficial and nothing else differs)."""

    allowed: bool | None
    reasons: tuple[str, ...]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differs:
    """One fact that is not the same on both sides."""

    what: str
    a: str
    b: str


def differences(a: ResultView, b: ResultView) -> tuple[Differs, ...]:
    """Every fact that differs, in the order of importance."""
    left, right = facts(a), facts(b)
    return tuple(Differs(name, _text(left[name]), _text(right[name])) for name in left if left[name] != right[name])


def _text(value: object) -> str:
    return "not known" if value is None or value == "" else str(value)


def ruling(a: ResultView, b: ResultView) -> Ruling:
    """What the rules say of comparing two results."""
    no: list[str] = []
    cautions: list[str] = []
    for name, why in (("suite", "inference and training"), ("benchmark", "different tasks"), ("scenario", "scenarios")):
        if getattr(a, name) != getattr(b, name):
            no.append(f"{name} {getattr(a, name)} and {getattr(b, name)}: {why} have no common scale")
    if a.division != b.division:
        no.append(f"{a.division} and {b.division} division: only results of one division compare ({POLICY})")
    if (a.power_value is None) != (b.power_value is None):
        no.append("one is a power submission: performance and power results do not compare (compatibility table)")
    for side, view in (("A", a), ("B", b)):
        if view.verdict == "INVALID":
            no.append(f"{side} is INVALID")
        if view.verdict == "INDICATIVE":
            cautions.append(f"{side} is INDICATIVE: shorter than the rules want")
        if view.inferred:
            cautions.append(f"{side} is inferred from another scenario's run")
    if a.published != b.published:
        cautions.append("one is unverified: say so beside its number (MLCommons results messaging guidelines)")
    if a.round != b.round and not no:
        allowed, reason, more = _rounds(a, b)
        cautions += more
        if allowed is not True:
            return Ruling(allowed, (reason,), tuple(cautions))
        return Ruling(True, (reason,), tuple(cautions))
    if no:
        return Ruling(False, tuple(no), tuple(cautions))
    if not a.published and not b.published:
        return Ruling(None, ("both are unverified results of your own: no publishing rule applies",), tuple(cautions))
    return Ruling(True, (f"same round, division, task and scenario ({a.round or 'no round'})",), tuple(cautions))


def _rounds(a: ResultView, b: ResultView) -> tuple[bool | None, str, tuple[str, ...]]:
    if "none" in (a.round, b.round) or not a.round or not b.round:
        return None, "one side was measured outside of any round: no rule covers it", ()
    if a.suite == "training":
        why = "targets, timing rules and references of training change from round to round"
        return False, f"{a.round} and {b.round}: no official table of comparable training rounds; {why}", ()
    suites = [s for s in ("datacenter", "edge") if s in a.system_type and s in b.system_type] or ["datacenter", "edge"]
    try:
        scenario = Scenario.parse(a.scenario)
        answers = [rounds_comparable(a.benchmark, a.round, b.round, suite, scenario) for suite in suites]
    except (MlassayError, ValueError) as error:
        return None, f"{a.round} and {b.round}: {error}".split("\n")[0], ()
    best = next((x for x in answers if x.comparable), answers[0])
    return best.comparable, f"{a.round} and {b.round}: {best.reason}", best.cautions
