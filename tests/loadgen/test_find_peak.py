"""The search for the highest valid load, against systems whose limit is known."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.core.errors import UsageError
from mlassay.loadgen.find_peak import Probe, find_peak


class System:
    """Passes up to `limit`; near it, with `noise`, a coin decides."""

    def __init__(self, limit: float, noise: float = 0.0) -> None:
        self.limit, self.noise, self.calls = limit, noise, 0
        self._coin = random.Random(7)

    def __call__(self, load: float, seed: int) -> Probe:
        self.calls += 1
        pressure = load / self.limit * (1 + self._coin.gauss(0, self.noise))
        return Probe(load, pressure <= 1, pressure, f"p99 at {pressure:.2f} of its bound", seed)


@given(limit=st.floats(0.01, 1e6), start=st.floats(0.01, 1e6))
@settings(max_examples=100, deadline=None)
def test_finds_the_limit_from_anywhere(limit: float, start: float) -> None:
    system = System(limit)
    peak = find_peak(system, system, start=start)
    assert peak.load is not None
    assert peak.failing is not None
    assert peak.confirmed
    assert limit * 0.97 <= peak.load <= limit * 1.001
    assert peak.load <= peak.failing <= peak.load * 1.03
    assert peak.failing_reason
    assert system.calls < 120


@given(limit=st.integers(1, 3000), start=st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_counts_streams_to_the_unit(limit: int, start: int) -> None:
    system = System(limit)
    peak = find_peak(system, system, start=start, integer=True)
    assert (peak.load, peak.failing) == (limit, limit + 1)


def test_a_noisy_system_gets_a_confirmed_answer_near_its_limit() -> None:
    system = System(1000, noise=0.03)
    peak = find_peak(system, system, start=10)
    assert peak.confirmed
    assert peak.load is not None
    assert 800 < peak.load < 1050
    assert "of" in peak.certainty
    assert peak.failing is not None
    assert f"{peak.failing / peak.load - 1:.1%} higher" in peak.certainty


def test_close_calls_are_repeated_and_clear_ones_are_not() -> None:
    system = System(1000)
    find_peak(system, system, start=10, precision=0.5)
    seeds: dict[float, list[int]] = {}

    def spy(load: float, seed: int) -> Probe:
        seeds.setdefault(load, []).append(seed)
        return System(1000)(load, seed)

    find_peak(spy, System(1000), start=10)
    assert seeds[10] == [1]
    assert any(len(s) > 1 for load, s in seeds.items() if abs(load / 1000 - 1) < 0.1)


def test_an_interrupted_search_goes_on_where_it_was() -> None:
    first = System(1000)
    noted: list[Probe] = []
    full = find_peak(first, first, start=10, noted=noted.append)
    again = System(1000)
    resumed = find_peak(again, System(1000), start=10, known=noted[: len(noted) // 2])
    assert again.calls < first.calls
    assert resumed.load == full.load


def test_nothing_is_valid() -> None:
    hopeless = lambda load, seed: Probe(load, False, float("inf"), "never answered in time", seed)  # noqa: E731
    peak = find_peak(hopeless, hopeless, start=8, integer=True)
    assert (peak.load, peak.failing, peak.failing_reason) == (None, 1.0, "never answered in time")
    assert peak.certainty == "no load was valid"


def test_confirmation_steps_down() -> None:
    peak = find_peak(System(1000), System(900), start=100)
    assert peak.confirmed
    assert peak.load is not None
    assert 800 < peak.load <= 900


def test_a_machine_that_became_busy_is_given_much_less() -> None:
    calm, busy = System(1000), lambda load, seed: Probe(load, load < 500, 40.0 if load >= 500 else 0.5, "p99", seed)
    peak = find_peak(calm, busy, start=100)
    assert peak.confirmed
    assert peak.load is not None
    assert 300 < peak.load < 500


def test_a_start_must_be_positive() -> None:
    with pytest.raises(UsageError, match="the search starts at 0; expected a positive load"):
        find_peak(System(1), System(1), start=0)
