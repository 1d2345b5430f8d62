"""Optimisers against the published formulas, written out again in numpy float64; orders and schedules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import UsageError
from mlassay.training.common import schedules
from mlassay.training.common.order import EpochOrder, eval_batches, micro_batches


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def run_torch(torch, make, start, grads, groups=None):
    p = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = make([{"params": [p], **(groups or {})}])
    for g in grads:
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
    return p.detach().numpy()


RNG = np.random.default_rng(3)
W = RNG.normal(size=(4, 3))
GRADS = [RNG.normal(size=(4, 3)) for _ in range(5)]


@pytest.mark.torch
def test_lars_equals_its_formula(torch):
    from mlassay.training.common.optim import Lars

    w, v = W.copy(), np.zeros_like(W)
    for g in GRADS:
        norm = np.linalg.norm(w)
        trust = 0.001 * norm / (np.linalg.norm(g) + 2e-4 * norm + 1e-9)
        v = 0.9 * v + 8.5 * trust * (g + 2e-4 * w)
        w = w - v
    ours = run_torch(torch, lambda p: Lars(p, 8.5, 0.9, 2e-4, eps=1e-9), W, GRADS)
    np.testing.assert_allclose(ours, w, rtol=1e-12)


@pytest.mark.torch
def test_lars_leaves_norms_and_biases_to_plain_momentum(torch):
    from mlassay.training.common.optim import Lars

    w, v = W.copy(), np.zeros_like(W)
    for g in GRADS:
        v = 0.9 * v + 0.1 * g
        w = w - v
    ours = run_torch(torch, lambda p: Lars(p, 0.1, 0.9, 2e-4), W, GRADS, {"skip": True})
    np.testing.assert_allclose(ours, w, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("skip", [False, True])
def test_lamb_equals_its_formula(torch, skip):
    from mlassay.training.common.optim import Lamb

    w, m, v = W.copy(), np.zeros_like(W), np.zeros_like(W)
    for t, g in enumerate(GRADS, 1):
        m = 0.88 * m + 0.12 * g
        v = 0.95 * v + 0.05 * g * g
        update = (m / (1 - 0.88**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
        ratio = 1.0
        if not skip:
            update = update + 0.0166 * w
            ratio = np.linalg.norm(w) / np.linalg.norm(update)
        w = w - 2.8e-3 * ratio * update
    ours = run_torch(torch, lambda p: Lamb(p, 2.8e-3, (0.88, 0.95), 1e-6, 0.0166), W, GRADS, {"skip": skip})
    np.testing.assert_allclose(ours, w, rtol=1e-10)


@pytest.mark.torch
def test_lazy_adam_equals_adam_when_every_row_has_a_gradient(torch):
    from mlassay.training.common.optim import LazyAdam

    plain = run_torch(torch, lambda p: torch.optim.Adam(p, 0.01, eps=1e-12), W, GRADS)
    lazy = run_torch(torch, lambda p: LazyAdam(p, 0.01, eps=1e-12), W, GRADS)
    np.testing.assert_allclose(lazy, plain, rtol=1e-8)


@pytest.mark.torch
def test_lazy_adam_leaves_untouched_rows_and_their_moments_alone(torch):
    from mlassay.training.common.optim import LazyAdam

    first, second = GRADS[0].copy(), GRADS[1].copy()
    second[2] = 0.0
    after_one = run_torch(torch, lambda p: LazyAdam(p, 0.01), W, [first])
    after_two = run_torch(torch, lambda p: LazyAdam(p, 0.01), W, [first, second])
    adam_two = run_torch(torch, lambda p: torch.optim.Adam(p, 0.01), W, [first, second])
    assert np.array_equal(after_two[2], after_one[2])
    assert not np.allclose(adam_two[2], after_one[2])
    assert not np.allclose(after_two[1], after_one[1])


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_each_sample_exactly_once_an_epoch(n, batch, seed):
    order = EpochOrder(n, batch, seed)
    for epoch in range(2):
        steps = range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)
        seen = np.concatenate([order.batch(s) for s in steps])
        assert sorted(seen) == list(range(n))


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4))
def test_processes_and_pieces_share_a_batch_without_loss(n, world, pieces):
    batch = np.arange(n)
    parts = [p for rank in range(world) for p in micro_batches(batch, rank, world, pieces)]
    assert list(np.concatenate(parts)) == list(batch)


@given(st.integers(1, 70), st.integers(1, 5), st.integers(1, 9))
def test_evaluation_batches_cover_everything_once_and_all_processes_get_equally_many(n, world, size):
    parts = [list(eval_batches(n, rank, world, size)) for rank in range(world)]
    counted = np.concatenate([indices[:k] for part in parts for indices, k in part])
    assert counted.tolist() == list(range(n))
    assert len({len(part) for part in parts}) == 1
    assert all(1 <= len(indices) <= size for part in parts for indices, _ in part)


def test_the_order_is_a_function_of_seed_and_step():
    a, b = EpochOrder(50, 8, 3), EpochOrder(50, 8, 3)
    b.batch(20)
    assert np.array_equal(a.batch(9), b.batch(9))
    assert not np.array_equal(EpochOrder(50, 8, 4).batch(9), a.batch(9))


def test_an_order_without_a_full_batch_is_refused():
    with pytest.raises(UsageError, match="3 samples do not fill one batch of 4"):
        EpochOrder(3, 4, 0, drop_last=True)


def test_schedules_at_their_corners():
    assert schedules.warmup(9, 9) == 1.0
    assert 0 < schedules.warmup(0, 9) < schedules.warmup(8, 9) < 1.0
    assert schedules.piecewise(60, [30, 60, 80]) == pytest.approx(0.01)
    assert schedules.polynomial(0, 10, 0.1, 2) == 1.0
    assert schedules.polynomial(5, 10, 0.0, 2) == 0.25
    assert schedules.polynomial(99, 10, 0.1, 2) == 0.1
    assert schedules.cosine(10, 10, 0.1) == pytest.approx(0.1)
    peak = schedules.inverse_square_root(15999, 16000, 1024)
    assert peak == pytest.approx(1024**-0.5 / math.sqrt(16000))
    assert schedules.gnmt(0, 200, 1000, 100, 4, 0.5) == pytest.approx(0.01)
    assert schedules.gnmt(1000, 200, 1000, 100, 4, 0.5) == 0.5
    assert schedules.gnmt(9999, 200, 1000, 100, 4, 0.5) == 0.5**4
