from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.tasks.object_detection.preprocess import RULES, squeeze


def test_known_values() -> None:
    """Centres of pixels are aligned and edges repeat, as OpenCV's INTER_LINEAR has it; by hand."""
    picture = np.repeat(np.array([[0, 100], [200, 40]], np.uint8)[..., None], 3, 2)
    found = squeeze(picture, 4)[..., 0]
    assert found[0].tolist() == [0, 25, 75, 100]
    assert found[1].tolist() == [50, 58.75, 76.25, 85]
    assert found[:, 0].tolist() == [0, 50, 150, 200]
    assert found[3].tolist() == [200, 160, 80, 40]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_a_plain_picture_stays_plain(height: int, width: int, side: int) -> None:
    found = squeeze(np.full((height, width, 3), 77, np.uint8), side)
    assert found.shape == (side, side, 3)
    assert np.allclose(found, 77)


@given(st.integers(2, 20), st.integers(2, 20))
def test_a_ramp_is_squeezed_evenly(width: int, side: int) -> None:
    """Inside, linear resampling of a linear ramp gives the ramp."""
    ramp = np.repeat(np.arange(width, dtype=np.uint8)[None, :, None], 3, 2)
    found = squeeze(np.repeat(ramp, 3, 0), side)[0, :, 0]
    wanted = np.clip((np.arange(side) + 0.5) * width / side - 0.5, 0, width - 1)
    assert found == pytest.approx(wanted, abs=1e-5)


def test_scales() -> None:
    white = np.full((1, 1, 3), 255, np.float32)
    assert RULES["scene"].apply(white).tolist() == [[[1, 1, 1]]]
    assert RULES["retinanet"].apply(white).tolist() == [[[1, 1, 1]]]
    assert RULES["ssd-resnet34"].apply(white)[0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-4)
    assert RULES["ssd-resnet34-tf"].apply(white)[0, 0].tolist() == pytest.approx([131.32, 138.22, 151.06], abs=1e-4)
