from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.tasks.medical_segmentation.preprocess import prepared_volume, zoomed
from mlassay.training.unet3d.windows import PADDING

SCIPY = json.loads((Path(__file__).parent / "scipy_zoom.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", SCIPY, ids=lambda c: f"{c['shape']}-{c['order']}")
def test_zoom_equals_scipy(case: dict) -> None:  # type: ignore[type-arg]
    """scipy.ndimage.zoom with mode="constant" and grid_mode=False, recorded."""
    draw = np.random.default_rng(case["seed"])
    volume = draw.integers(0, 200, case["shape"]).astype(np.float32)
    found = zoomed(volume, case["factors"], outside=float(volume.min()), nearest=case["order"] == 0)
    wanted = np.array(case["zoomed"])
    assert found.shape == wanted.shape
    assert found == pytest.approx(wanted, abs=2e-3)


@given(st.tuples(*[st.integers(1, 300)] * 3))
@settings(max_examples=25, deadline=None)
def test_edges_fit_the_window(shape: tuple[int, int, int]) -> None:
    image, labels = prepared_volume(np.zeros(shape, np.float32), np.ones(shape, np.uint8), (1.6, 1.2, 1.2))
    assert image.shape == labels.shape
    for before, after in zip(shape, image.shape, strict=True):
        assert after % 64 == 0
        assert after >= 128
        assert abs(after - max(before, 128)) <= 32


def test_long_edges_are_cut_or_padded_to_the_nearer_multiple() -> None:
    image, labels = prepared_volume(
        np.full((150, 170, 192), 101.0, np.float32), np.ones((150, 170, 192), np.uint8), (1.6, 1.2, 1.2)
    )
    assert image.shape == (128, 192, 192)  # 150 is nearer to 128, 170 to 192
    assert image[0, 0, 0] == np.float32(PADDING)
    assert labels[0, 0, 0] == 0
    assert image[64, 96, 96] == 0  # 101 Hounsfield units are the mean
    assert labels[64, 96, 96] == 1


def test_short_edges_are_continued_by_their_last_voxel() -> None:
    volume = np.zeros((100, 128, 128), np.float32)
    volume[0], volume[-1] = -500, 500
    image, _ = prepared_volume(volume, np.zeros(volume.shape, np.uint8), (1.6, 1.2, 1.2))
    assert image.shape == (128, 128, 128)
    assert image[:15, 5, 5].tolist() == pytest.approx([(-79 - 101) / 76.9] * 15)  # clipped
    assert image[-15:, 5, 5].tolist() == pytest.approx([(304 - 101) / 76.9] * 15)


def test_resampling_to_equal_spacing() -> None:
    image, labels = prepared_volume(
        np.zeros((60, 100, 110), np.float32), np.zeros((60, 100, 110), np.uint8), (3, 1.6, 2.4)
    )
    # 112 x 133 x 220 voxels of 1.6 x 1.2 x 1.2 mm, then fitted
    assert image.shape == (128, 128, 192 + 64 - 64 + (0 if 220 % 64 < 32 else 64))
    assert labels.dtype == np.uint8
