from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.tasks.image_classification.preprocess import (
    LITE,
    MOBILENET,
    RESNET50,
    RULES,
    TORCH,
    Resample,
    centre,
    read_picture,
    resize,
)
from tests.tasks.image_classification.pictures import photo, save

FLAT = np.full((300, 400, 3), (200, 100, 50), np.uint8)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RESNET50, (200 - 123.68, 100 - 116.78, 50 - 103.94)),
        (MOBILENET, (200 / 127.5 - 1, 100 / 127.5 - 1, 50 / 127.5 - 1)),
        (TORCH, ((200 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (50 / 255 - 0.406) / 0.225)),
        (LITE, ((200 - 127) / 128, (100 - 127) / 128, (50 - 127) / 128)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_scaling_of_each_rule(rule: object, expected: tuple[float, ...]) -> None:
    sample = rule.apply(FLAT, 224)  # type: ignore[attr-defined]
    assert sample.shape == (224, 224, 3)
    assert sample.dtype == np.float32
    assert np.allclose(sample, np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(("height", "width"), [(500, 375), (375, 500), (224, 224), (120, 200), (1000, 257)])
def test_any_size_becomes_the_models_size(rule: object, height: int, width: int) -> None:
    assert rule.apply(photo(1, height, width), 224).shape == (224, 224, 3)  # type: ignore[attr-defined]


def test_area_of_a_whole_ratio_is_the_block_mean() -> None:
    pixels = photo(2, 64, 96)
    blocks = pixels.reshape(32, 2, 48, 2, 3).astype(np.float64).mean((1, 3))
    assert np.abs(resize(pixels, 32, 48, Resample.AREA) - blocks).max() <= 0.5


@pytest.mark.parametrize("how", Resample)
def test_resizing_keeps_a_ramp_a_ramp(how: Resample) -> None:
    ramp = np.repeat(np.linspace(0, 255, 100).astype(np.uint8)[None, :, None], 80, 0).repeat(3, 2)
    row = resize(ramp, 37, 41, how)[5, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[0] < 10
    assert row[-1] > 245


def test_centre_of_the_picture_survives() -> None:
    pixels = np.zeros((300, 500, 3), np.uint8)
    pixels[145:155, 245:255] = 255
    sample = RESNET50.cut(pixels, 224)
    assert sample[112, 112, 0] == 255
    assert centre(pixels, 10).min() == 255


def test_equal_to_recorded_values_of_opencv() -> None:
    """Recorded with OpenCV: shorter side 256, centre 224, on photo(3) at 375 × 500, 300 × 200 and 180 × 240."""
    record = json.loads((Path(__file__).parent / "opencv_resize.json").read_text(encoding="utf-8"))
    for case in record:
        pixels = photo(3, case["height"], case["width"])
        rule = RESNET50 if case["how"] == "area" else MOBILENET
        found = rule.cut(pixels, 224)[:: case["step"], :: case["step"]].astype(int)
        assert np.abs(found - np.asarray(case["pixels"])).max() <= 1, case["how"]


def test_grey_and_transparent_pictures_become_colour(tmp_path: Path) -> None:
    from PIL import Image

    for mode in ("L", "RGBA", "P", "CMYK"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (8, 6)).save(path)
        assert read_picture(path).shape == (6, 8, 3)


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_a_corrupt_picture_is_named(tmp_path: Path, damage: str) -> None:
    path = save(tmp_path / "x.jpg", 1, height=200, width=300)
    content = {"empty": b"", "text": b"not a picture", "cut": path.read_bytes()[:2000]}[damage]
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"x\.jpg is not readable as a picture \(.+\); expected a complete JPEG or PNG"):
        read_picture(path)


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.png", 1)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependency) as caught:
        read_picture(path)
    assert str(caught.value) == "Pillow is not installed (it decodes pictures)\n  next: pip install 'mlassay[onnx]'"
