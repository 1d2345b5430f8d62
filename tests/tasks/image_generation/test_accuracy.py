from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, SutFailure, UsageError
from mlassay.tasks.image_generation import accuracy
from mlassay.tasks.image_generation.accuracy import Moments, clip_score, frechet_distance, score
from mlassay.tasks.image_generation.postprocess import decode, encode

RNG = np.random.default_rng(0)


def test_distance_of_known_clouds() -> None:
    """Of clouds along the axes the root is known: sum of (mean difference)² + (deviation difference)²."""
    a = Moments(np.array([1.0, 2.0]), np.diag([4.0, 9.0]))
    b = Moments(np.array([0.0, 5.0]), np.diag([1.0, 16.0]))
    assert frechet_distance(a, b) == pytest.approx(1 + 9 + (2 - 1) ** 2 + (3 - 4) ** 2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))


def test_equal_to_the_root_by_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    x, y = RNG.normal(size=(200, 12)) @ RNG.normal(size=(12, 12)), RNG.normal(1, 2, size=(150, 12))
    a, b = Moments.of(x), Moments.of(y)
    root = linalg.sqrtm(a.covariance @ b.covariance).real
    wanted = ((a.mean - b.mean) ** 2).sum() + np.trace(a.covariance + b.covariance - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)


def test_fewer_pictures_than_numbers() -> None:
    """A covariance without full rank, as with any set under 2,048 pictures."""
    x, y = RNG.normal(size=(5, 20)), RNG.normal(size=(6, 20))
    assert frechet_distance(Moments.of(x), Moments.of(y)) > 0
    assert frechet_distance(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-6)


def test_clip_score() -> None:
    assert clip_score(np.array([[1.0, 0], [3, 4]]), np.array([[2.0, 0], [4, 3]])) == pytest.approx(100 * (1 + 0.96) / 2)
    assert clip_score(np.array([[1.0, 0]]), np.array([[-1.0, 0]])) == 0.0


def test_shuffled_captions_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    captions = RNG.normal(size=(60, 16))
    pictures = captions + 0.3 * RNG.normal(size=captions.shape)
    seen = RNG.normal(size=(60, 8))
    real = Moments.of(RNG.normal(size=(60, 8)))
    right = clip_score(pictures, captions)
    monkeypatch.setattr(accuracy, "CLIP_RANGE", (right - 1, right + 1))
    monkeypatch.setattr(accuracy, "FID_RANGE", (0.0, 5.0))
    good = score(pictures, captions, seen, real, 60)
    assert good.problems == ()
    assert good.passed is True
    assert good.official_line.startswith("Accuracy Results: {'FID_SCORE': ")
    shuffled = score(pictures[::-1], captions, seen, real, 60)
    assert shuffled.passed is False
    assert shuffled.problems[0].startswith("CLIP_SCORE is ")
    strange = score(pictures, captions, seen + 9, real, 60)
    assert strange.problems[0].startswith("FID_SCORE is ")
    assert score(pictures[:50], captions[:50], seen[:50], real, 60).problems[0] == "10 of 60 samples have no answer"


def test_files_and_shapes(tmp_path: Path) -> None:
    real = Moments.of(RNG.normal(size=(9, 3)))
    np.savez(tmp_path / "val2014.npz", mu=real.mean, sigma=real.covariance)
    assert frechet_distance(Moments.read(tmp_path / "val2014.npz"), real) == pytest.approx(0, abs=1e-12)
    np.savez(tmp_path / "val2014.npz", mu=real.mean, sigma=real.mean)
    with pytest.raises(BadFile, match=r"mu of shape \(3,\) and sigma of shape \(3,\); expected \(D,\) and \(D, D\)"):
        Moments.read(tmp_path / "val2014.npz")
    np.savez(tmp_path / "val2014.npz", mu=real.mean)
    with pytest.raises(BadFile, match=r'expected an \.npz with "mu" and "sigma"'):
        Moments.read(tmp_path / "val2014.npz")
    with pytest.raises(UsageError, match="expected two or more rows"):
        Moments.of(np.zeros((1, 3)))
    with pytest.raises(UsageError, match="expected equal shapes"):
        clip_score(np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(UsageError, match="features of 3 and 2 numbers cannot be compared"):
        frechet_distance(real, Moments(np.zeros(2), np.eye(2)))


def test_encoding() -> None:
    picture = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    assert (decode(0, encode(picture), side=4) == picture).all()
    with pytest.raises(BadFile, match="qsl_idx 7 is 48 bytes; expected 1024 × 1024 × 3 bytes"):
        decode(7, encode(picture))
    with pytest.raises(SutFailure, match=r"an answer is float64 of shape \(4, 4, 3\); expected uint8"):
        encode(picture / 255)
