"""The highest load that is still valid: bracket, bisect, repeat what is close, confirm with a fresh schedule.

Pure search: `probe` carries out one attempt. The same search finds a Server rate and a v0.5 MultiStream's streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from mlassay.core.errors import UsageError
from mlassay.core.units import counted

GROWTH = 2.0
"""The bracket doubles until a load fails, or halves until one passes."""

CLOSE = 0.15
"""A probe within this fraction of its bound is repeated with another seed before it is believed."""

MAJORITY_OF = 3

FAR_OVER = 2.0
"""A latency of so many times its bound is no near miss."""

LONGEST_BRACKET = 40
"""Doublings before the search gives up: from one query per second to more than any machine can issue."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt. `pressure` is the deciding figure over its bound: at most 1 passes; infinity when abandoned."""

    load: float
    passed: bool
    pressure: float
    reason: str
    seed: int
    queries: int = 0


@dataclass(frozen=True, slots=True)
class Peak:
    """What the search found. `confirmed`: the final long run at `load` was valid too."""

    load: float | None
    failing: float | None
    failing_reason: str
    probes: tuple[Probe, ...]
    confirmed: bool
    certainty: str


ProbeRun = Callable[[float, int], Probe]
"""(load, schedule seed) -> what happened."""


def find_peak(
    probe: ProbeRun,
    confirm: ProbeRun,
    *,
    start: float,
    precision: float = 0.02,
    integer: bool = False,
    known: Sequence[Probe] = (),
    noted: Callable[[Probe], None] = lambda probe: None,
    max_confirmations: int = 6,
) -> Peak:
    """Search upwards from `start` to within `precision` (a fraction; with `integer`, to the unit).

    `known` are probes of an interrupted search: they are not run again. `noted` is told every new probe. The
    confirming run steps down, by the precision at first, until one is valid. Raises UsageError for a start that is
    not positive.
    """
    if start <= 0:
        raise UsageError(f"the search starts at {start}; expected a positive load")
    search = _Search(probe, list(known), noted, integer)
    low, high = _bracket(search, search.rounded(start))
    while low is not None and high is not None and not _narrow(low, high, precision, integer):
        middle = search.rounded(math.sqrt(low * high) if not integer else (low + high) / 2)
        if middle in (low, high):
            break
        if search.passes(middle):
            low = middle
        else:
            high = middle
    if low is None:
        return Peak(None, high, search.reason(high), tuple(search.probes), False, "no load was valid")
    return _confirm(search, confirm, low, high, precision, max_confirmations)


def _bracket(search: _Search, start: float) -> tuple[float | None, float | None]:
    """(highest that passes, lowest that fails), within a factor of two; None where there is none."""
    load = start
    if search.passes(load):
        for _ in range(LONGEST_BRACKET):
            higher = search.rounded(load * GROWTH)
            if not search.passes(higher):
                return load, higher
            load = higher
        return load, None
    for _ in range(LONGEST_BRACKET):
        lower = search.rounded(load / GROWTH)
        if lower <= 0 or lower == load:
            return None, load
        if search.passes(lower):
            return lower, load
        load = lower
    return None, load


def _narrow(low: float, high: float, precision: float, integer: bool) -> bool:
    return high - low <= 1 if integer else high / low <= 1 + precision


def _confirm(
    search: _Search, confirm: ProbeRun, low: float, high: float | None, precision: float, attempts: int
) -> Peak:
    load = low
    for attempt in range(attempts):
        final = confirm(load, 1_000_003 + attempt)
        search.note(final)
        if final.passed:
            return Peak(load, high, search.reason(high), tuple(search.probes), True, _certainty(search, load, high))
        high = load
        step = load * _retreat(precision, attempt, final.pressure)
        smaller = search.rounded(load - max(1.0, step) if search.integer else load - step)
        if smaller <= 0 or smaller >= load:
            break
        load = smaller
    certainty = f"no confirming run was valid in {attempts} attempts"
    return Peak(None, high, search.reason(high), tuple(search.probes), False, certainty)


def _retreat(precision: float, attempt: int, pressure: float) -> float:
    """How much of the load to give up after a confirming run that failed.

    Small steps near the bound. A run that was far over it says that the machine is not what it was during the search
    (something else runs on it now): then a quarter at a time finds what it can still bear.
    """
    return 0.25 if attempt >= 1 and pressure > FAR_OVER else precision * (attempt + 1)


def _certainty(search: _Search, load: float, failing: float | None) -> str:
    at_load = [p for p in search.probes if p.load == load]
    passed = sum(p.passed for p in at_load)
    share = _at_least(passed, len(at_load))
    runs = f"{counted(len(at_load), 'run')} at this load {'was' if len(at_load) == 1 else 'were'} valid"
    text = f"{passed} of {runs}: so would at least {share:.0%} of further ones be, with 95 % confidence"
    return text if failing is None else f"{text}; the next load tried, {failing / load - 1:.1%} higher, failed"


def _at_least(passed: int, count: int) -> float:
    """Wilson's lower bound of a share, 95 % one-sided."""
    if not count:
        return 0.0
    z = NormalDist().inv_cdf(0.95)
    share = passed / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt((share * (1 - share) + z * z / (4 * count)) / count)
    return max(0.0, (centre - spread) / (1 + z * z / count))


class _Search:
    """Remembers every probe and decides by majority where one is not enough."""

    def __init__(self, probe: ProbeRun, known: list[Probe], noted: Callable[[Probe], None], integer: bool) -> None:
        self._probe = probe
        self._noted = noted
        self._known = known
        self.probes: list[Probe] = []
        self.integer = integer

    def rounded(self, load: float) -> float:
        return float(max(0, round(load))) if self.integer else float(f"{load:.4g}")

    def note(self, probe: Probe) -> None:
        self.probes.append(probe)
        self._noted(probe)

    def passes(self, load: float) -> bool:
        votes = [self._attempt(load, 0)]
        while len(votes) < MAJORITY_OF and self._undecided(votes):
            votes.append(self._attempt(load, len(votes)))
        return sum(v.passed for v in votes) * 2 > len(votes)

    def _undecided(self, votes: list[Probe]) -> bool:
        passed = sum(v.passed for v in votes)
        if max(passed, len(votes) - passed) * 2 > MAJORITY_OF:
            return False
        return abs(votes[-1].pressure - 1) < CLOSE or len(votes) > 1

    def _attempt(self, load: float, number: int) -> Probe:
        seed = number + 1
        for earlier in self._known:
            if earlier.load == load and earlier.seed == seed:
                self.probes.append(earlier)
                return earlier
        found = self._probe(load, seed)
        self.note(found)
        return found

    def reason(self, load: float | None) -> str:
        failed = [p for p in self.probes if p.load == load and not p.passed]
        return failed[-1].reason if failed else ""
