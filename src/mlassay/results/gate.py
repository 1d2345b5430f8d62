"""`--fail-on "p99>3%"`: a condition on a comparison that turns it into a gate for continuous integration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mlassay.core.errors import UsageError
from mlassay.core.units import parse_duration_ns
from mlassay.results.sides import PERCENTILES

METRICS = ("value", "throughput", "latency", "accuracy", *PERCENTILES)
_CONDITION = re.compile(r"\s*([a-z]+[\d.]*)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*(%|[a-zµ]*)\s*")


class GateVerdict(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNSURE = "unsure"  # beyond the threshold, but no more than noise can do


@dataclass(frozen=True, slots=True)
class Condition:
    """`p99 > 3 %`: fails when B's p99 is more than 3 % above A's. Without %: a bound on B itself, in `unit`."""

    text: str
    metric: str
    operator: str
    threshold: float
    relative: bool

    def holds(self, number: float) -> bool:
        """Whether a change in per cent (or B's value) meets the condition, so that the gate must fail."""
        return {
            ">": number > self.threshold,
            "<": number < self.threshold,
            ">=": number >= self.threshold,
            "<=": number <= self.threshold,
        }[self.operator]


def parse_condition(text: str) -> Condition:
    """Raises UsageError that shows how a condition is written."""
    match = _CONDITION.fullmatch(text.lower())
    if not match or match[1] not in METRICS:
        raise UsageError(
            f"--fail-on {text!r} cannot be read",
            hint=f'write it like "p99>3%" or "value<-5%"; metrics: {", ".join(METRICS)}',
        )
    number, unit = float(match[3]), match[4]
    if unit and unit != "%":
        if match[1] not in PERCENTILES and match[1] != "latency":
            raise UsageError(
                f"--fail-on {text!r}: {match[1]} has no unit {unit!r}", hint="leave the unit away, or use %"
            )
        try:
            number = parse_duration_ns(f"{abs(number)}{unit}") / 1e6 * (1 if number >= 0 else -1)
        except ValueError as error:
            raise UsageError(f"--fail-on {text!r}: {error}") from None
    return Condition(text.strip(), match[1], match[2], number, unit == "%")


@dataclass(frozen=True, slots=True)
class Gated:
    """What became of one condition in one cell of the comparison."""

    condition: Condition
    cell: str
    verdict: GateVerdict
    sentence: str


def judge(
    condition: Condition,
    cell: str,
    *,
    ratio: float,
    interval: tuple[float, float] | None,
    sure: bool | None,
    b: float,
) -> Gated:
    """Hold a measured ratio against a condition. A change that noise can explain (`sure` is False) is UNSURE."""
    if not condition.relative:
        verdict = GateVerdict.FAIL if condition.holds(b) else GateVerdict.PASS
        return Gated(condition, cell, verdict, f"{condition.metric} of B is {b:,.4g}, condition {condition.text}")
    change = (ratio - 1) * 100
    shown = f"{condition.metric} changed by {change:+.2f} %"
    if interval is not None:
        shown += f" ({(interval[0] - 1) * 100:+.2f} to {(interval[1] - 1) * 100:+.2f} %)"
    if not condition.holds(change):
        return Gated(condition, cell, GateVerdict.PASS, f"{shown}, condition {condition.text}")
    if sure is False:
        return Gated(condition, cell, GateVerdict.UNSURE, f"{shown}: meets {condition.text}, but noise can explain it")
    noise = "" if sure else "; one number each, so the noise is not known"
    return Gated(condition, cell, GateVerdict.FAIL, f"{shown}, condition {condition.text}{noise}")
