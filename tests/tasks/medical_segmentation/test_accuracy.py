"""Dice on a shared fixture equals the official script's arithmetic; the sliding window equals a plain reckoning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.medical_segmentation import accuracy, postprocess
from mlassay.tasks.medical_segmentation.dataset import KITS_CLASSES, VolumeSet
from mlassay.tasks.medical_segmentation.postprocess import infer
from mlassay.training.unet3d.windows import positions, weights


def volumes(n: int = 4, *, official: bool = True) -> VolumeSet:
    def truth(index: int) -> Any:
        marked = np.random.default_rng(index).integers(0, 3, (1, 4, 5, 6 + index)).astype(np.uint8)
        return np.minimum(marked, 1) if index == 3 else marked  # the last patient has no tumour

    return VolumeSet(
        name="fixture",
        cases=[str(i) for i in range(n)],
        classes=KITS_CLASSES,
        sample=lambda _: np.zeros(1),
        truth=truth,
        official=official,
    )


def answers() -> list[tuple[int, bytes]]:
    found = []
    for index in range(4):
        answer = volumes().truth(index).copy()
        flat = answer.reshape(-1)
        flat[:: 3 + index] = (flat[:: 3 + index] + 1) % 3
        found.append((index, postprocess.encode(answer)))
    return found


def official_scores(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """One-hot, in 64 bits, as the reference script does it."""
    one_hot = [np.eye(3)[a.reshape(-1)].reshape(*a.shape, 3).transpose(0, 4, 1, 2, 3)[:, 1:] for a in (found, wanted)]
    both = (one_hot[0] * one_hot[1]).sum((2, 3, 4))
    scores: np.ndarray = (2.0 * both + 1e-6) / (one_hot[0].sum((2, 3, 4)) + one_hot[1].sum((2, 3, 4)) + 1e-6)
    return scores[0]


def test_equals_the_official_arithmetic_to_the_last_digit() -> None:
    per_case = []
    for index, data in answers():
        wanted = volumes().truth(index)
        per_case.append(official_scores(np.frombuffer(data, np.uint8).reshape(wanted.shape), wanted))
    kidney, tumor = np.mean(per_case, 0)
    mean = np.mean([case.mean() for case in per_case])
    line = f"Accuracy: mean = {mean:.5f}, kidney = {kidney:.4f}, tumor = {tumor:.4f}"
    result = accuracy.score(answers(), volumes(), None)
    assert result.official_line == line
    assert result.value == pytest.approx(mean, abs=1e-14)


def test_a_class_that_nobody_marked_scores_one() -> None:
    assert accuracy.dice(np.zeros(9, np.uint8), np.zeros(9, np.uint8), 3).tolist() == [1, 1]
    assert accuracy.dice(np.full(9, 1, np.uint8), np.zeros(9, np.uint8), 3)[0] < 1e-6


def test_wording_of_other_tissues() -> None:
    assert accuracy.score(answers(), volumes(official=False), None).official_line.startswith("Accuracy: mean = 0.")


def test_missing_unfit_and_strange_answers() -> None:
    result = accuracy.score(answers()[:3], volumes(), None)
    assert result.problems == ("1 of 4 samples have no answer",)
    odd = [*answers()[:2], (2, b"\x00"), (3, postprocess.encode(np.full((1, 4, 5, 9), 3)))]
    result = accuracy.score(odd, volumes(), None)
    assert result.problems == ("1 answers have another size than their volume", "1 answers hold classes beyond 2")
    assert result.passed is False
    with pytest.raises(BadFile, match="qsl_idx 4 is not a sample of this data set; expected 0 to 3"):
        accuracy.score([(4, b"")], volumes(), None)


def test_truth_is_perfect_in_any_order() -> None:
    entries = [(i, postprocess.encode(volumes().truth(i))) for i in (2, 0, 3, 1, 0)]
    result = accuracy.score(entries, volumes(), None)
    assert result.official_line == "Accuracy: mean = 1.00000, kidney = 1.0000, tumor = 1.0000"
    assert result.details["repeated"] == 1


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_windows_cover_every_voxel(a: int, b: int, c: int) -> None:
    shape = (4 + 2 * a, 4 + 2 * b, 4 + 2 * c)
    seen = np.zeros(shape, int)
    for i, j, k in positions(shape, 4):
        seen[i : i + 4, j : j + 4, k : k + 4] += 1
    assert seen.min() >= 1
    assert len(list(positions(shape, 4))) == (a + 1) * (b + 1) * (c + 1)


def test_weights_are_a_bell() -> None:
    bell = weights(8)
    assert bell.max() == 1
    assert np.array_equal(bell, bell[::-1])
    assert np.array_equal(bell, bell.transpose(1, 2, 0))
    # exp(-x²/2σ²) a third for each axis: from the middle (0.5 off) to the corner (3.5 off), deviation one
    assert bell[0, 0, 0] == pytest.approx(np.exp(-0.5 * (3.5**2 - 0.5**2)), rel=1e-5)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_sliding_window_equals_a_plain_reckoning(at_once: int) -> None:
    """Against dividing by the summed weights, window by window, as the reference does it."""
    draw = np.random.default_rng(0)
    volume = draw.normal(size=(1, 8, 10, 12)).astype(np.float32)
    kernel = draw.normal(size=(3, 1, 4, 4, 4)).astype(np.float32)
    fed = []

    def run(batch: Any) -> Any:
        fed.append(len(batch[0]))
        return [batch[0] * kernel[None, :, 0] + 0.1 * batch[0].mean((2, 3, 4), keepdims=True)]

    total, norm = np.zeros((3, 8, 10, 12)), np.zeros((3, 8, 10, 12))
    for i, j, k in positions((8, 10, 12), 4):
        place = (slice(None), slice(i, i + 4), slice(j, j + 4), slice(k, k + 4))
        total[place] += run([volume[None][(slice(None), *place)]])[0][0] * weights(4)
        norm[place] += weights(4)
    fed.clear()
    (answer,) = infer([volume], run, window=4, at_once=at_once)
    assert np.array_equal(answer[0], (total / norm).argmax(0))
    assert sum(fed) == 3 * 4 * 5
    assert max(fed) == min(at_once, 60)


def test_volumes_of_different_sizes_in_one_batch() -> None:
    samples = [np.zeros((1, 4, 4, 4), np.float32), np.ones((1, 6, 4, 8), np.float32)]
    found = infer(samples, lambda b: [np.concatenate([1 - b[0], b[0]], 1)], window=4, at_once=2)
    assert [f.shape for f in found] == [(1, 4, 4, 4), (1, 6, 4, 8)]
    assert [int(f.min()) for f in found] == [0, 1]
