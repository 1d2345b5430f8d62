"""Boxes, suppression and RoIAlign against slow formulas of their own, and against torchvision where it imports."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from mlassay.training.common import boxes as ours
from mlassay.training.common.roi_align import roi_align, roi_align_of_ours

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch


def some_boxes(n, seed, side=40.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, side * 0.7, (n, 2))
    return torch.tensor(np.concatenate([corner, corner + rng.uniform(1, side * 0.4, (n, 2))], 1), dtype=torch.float32)


def slow_iou(a, b):
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(across, 0) * max(down, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def slow_nms(boxes, scores, threshold):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(slow_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def test_overlap_equals_the_formula_and_is_0_without_area():
    a, b = some_boxes(7, 1), some_boxes(5, 2)
    found = ours.iou(a, b)
    for i in range(7):
        for j in range(5):
            assert found[i, j].item() == pytest.approx(slow_iou(a[i].tolist(), b[j].tolist()), abs=1e-6)
    assert ours.iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 60), seed=st.integers(0, 10_000), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_suppression_equals_the_greedy_loop(n, seed, threshold):
    boxes = some_boxes(n, seed)
    scores = torch.tensor(np.random.default_rng(seed + 1).permutation(n), dtype=torch.float32)
    assert ours.nms_of_ours(boxes, scores, threshold).tolist() == slow_nms(boxes.tolist(), scores.tolist(), threshold)


def test_a_long_chain_is_settled_one_by_one():
    at = torch.arange(50.0)[:, None] * 4
    boxes = torch.cat([at, torch.zeros(50, 1), at + 10, torch.full((50, 1), 10.0)], 1)
    scores = torch.arange(50.0).flip(0)
    assert ours.nms_of_ours(boxes, scores, 0.3).tolist() == list(range(0, 50, 2))  # neighbours overlap by 6/14


def test_suppression_works_within_a_class_only():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 11, 10]])
    kept = ours.nms_by_class(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 2, 1]), 0.5)
    assert kept.tolist() == [0, 1]
    assert ours.nms_by_class(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5).tolist() == []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_decoding_undoes_encoding(seed):
    boxes, anchors = some_boxes(9, seed), some_boxes(9, seed + 1)
    for weights in ((10.0, 5.0), (1.0, 1.0)):
        torch.testing.assert_close(
            ours.decode(ours.encode(boxes, anchors, weights), anchors, weights), boxes, rtol=1e-3, atol=1e-3
        )
    one = ours.encode(torch.tensor([[2.0, 2, 6, 10]]), torch.tensor([[0.0, 0, 4, 4]]), (10.0, 5.0))
    assert one.tolist() == [pytest.approx([5.0, 10.0, 0.0, 5 * math.log(2)])]


def slow_roi_align(features, region, scale, size, samples):
    channels, height, width = features.shape
    left, top, right, bottom = (v * scale for v in region)
    step_x, step_y = max(right - left, 1.0) / size / samples, max(bottom - top, 1.0) / size / samples
    out = np.zeros((channels, size, size))
    for i in range(size * samples):
        for j in range(size * samples):
            y, x = top + (i + 0.5) * step_y, left + (j + 0.5) * step_x
            if y < -1 or y > height or x < -1 or x > width:
                continue
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            y0, x0 = min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            upper = features[:, y0, x0] * (1 - (x - x0)) + features[:, y0, x1] * (x - x0)
            lower = features[:, y1, x0] * (1 - (x - x0)) + features[:, y1, x1] * (x - x0)
            out[:, i // samples, j // samples] += (upper * (1 - (y - y0)) + lower * (y - y0)) / samples**2
    return out


REGIONS = [
    torch.tensor([[1.0, 2.0, 20.0, 17.0], [5.3, 4.4, 5.5, 4.6], [-30.0, -9.0, 60.0, 70.0]]),
    torch.zeros(0, 4),
    torch.tensor([[39.0, 39.0, 48.0, 50.0]]),
]


@pytest.mark.parametrize("shape", [(10, 12), (1, 7)])
def test_roi_align_equals_the_slow_formula(shape):
    features = torch.randn(3, 2, *shape, generator=torch.Generator().manual_seed(1))
    found = roi_align_of_ours(features, REGIONS, 0.25, 3, 2)
    slow = [
        slow_roi_align(f.numpy(), r.tolist(), 0.25, 3, 2)
        for f, rs in zip(features, REGIONS, strict=True) for r in rs
    ]  # fmt: skip
    np.testing.assert_allclose(found.numpy(), np.stack(slow), atol=1e-4)


def test_roi_align_without_regions_and_its_gradient():
    features = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    assert roi_align_of_ours(features, [torch.zeros(0, 4)], 0.5, 7).shape == (0, 2, 7, 7)
    region = torch.tensor([[1.0, 1.0, 7.0, 8.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: roi_align_of_ours(f, [region], 0.5, 2), features)


def test_torchvision_gives_the_same_where_it_imports():
    ops = ours.torchvision_ops()
    if ops is None:
        pytest.skip("torchvision does not import here")
    boxes, scores = some_boxes(200, 3), torch.rand(200)
    assert ours.nms(boxes, scores, 0.5).tolist() == ours.nms_of_ours(boxes, scores, 0.5).tolist()
    features = torch.randn(3, 4, 10, 12)
    torch.testing.assert_close(
        roi_align(features, REGIONS, 0.25, 7), roi_align_of_ours(features, REGIONS, 0.25, 7), rtol=1e-4, atol=1e-4
    )
