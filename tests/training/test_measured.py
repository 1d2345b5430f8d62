"""The measured convergence belongs to the profiles as they are now."""

from __future__ import annotations

import pytest

from mlassay.training.catalogue import BENCHMARKS, recipe
from mlassay.training.measured import Convergence, measured


def test_each_measurement_is_of_the_present_target_and_says_how_many_runs_it_has():
    assert measured()
    for name, found in measured().items():
        assert found.target == recipe(name).profiles["small"]().target, name
        assert len(found.seeds) == found.n
        assert len(set(found.seeds)) == found.n
        assert len(found.cpu_s) in (0, found.n)
        assert all(0 < s <= (1800 if name == "minigo" else 600) for s in found.cpu_s), name  # 15 and 5 minutes, 2 cores
        assert found.command.startswith(f"mlassay train {name} --runs 5 --seed 1")
        assert found.n >= 5 or f"{found.n} of 5 seeds" in found.note
        assert max(found.epochs) <= recipe(name).profiles["small"]().max_epochs


def test_measurements_are_of_known_benchmarks():
    assert set(measured()) <= set(BENCHMARKS.names())


def test_mean_and_spread():
    c = Convergence(0.9, "", (1, 2, 3), (2.0, 3.0, 4.0))
    assert (c.n, c.mean_epochs, c.spread) == (3, 3.0, pytest.approx(1 / 3))
    assert Convergence(0.9, "", (1,), (2.0,)).spread is None
