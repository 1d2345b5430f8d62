"""CLIP score and Fréchet inception distance from features that networks outside mlassay have seen in the pictures.

CLIP score: does the picture show what its caption says? FID: are the pictures as a whole like real ones? Both need
large published networks (CLIP ViT-B/32, Inception-v3), whose outputs come in here as arrays: one row per picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.metrics import significant
from mlassay.tasks.task import AccuracyResult, QualityTarget

Features = NDArray[np.floating[Any]]

CLIP_RANGE = (31.68631873, 31.81331801)
FID_RANGE = (23.01085758, 23.95007626)
"""Between these the rule book wants both (inference rules: stable-diffusion-xl, 5,000 captions)."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean (D,) and covariance (D, D) of features."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, features: Features) -> Moments:
        """(n, D), two rows or more."""
        if features.ndim != 2 or len(features) < 2:
            raise UsageError(f"features have shape {features.shape}; expected two or more rows, one per picture")
        wide = features.astype(np.float64)
        return cls(wide.mean(0), np.atleast_2d(np.cov(wide, rowvar=False)))

    @classmethod
    def read(cls, path: Path) -> Moments:
        """An .npz with "mu" and "sigma", as FID tools write it (the rule book's val2014.npz)."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                mean, covariance = archive["mu"], archive["sigma"]
        except (OSError, ValueError, KeyError) as error:
            raise BadFile(path, found=f"not usable ({error})", expected='an .npz with "mu" and "sigma"') from error
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            found = f"mu of shape {mean.shape} and sigma of shape {covariance.shape}"
            raise BadFile(path, found=found, expected="(D,) and (D, D)")
        return cls(mean.astype(np.float64), covariance.astype(np.float64))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean difference|² + trace(A + B - 2 (A B)^½): 0 for equal clouds (Heusel et al., arXiv:1706.08500).

    The root of A B has the trace of the root of A^½ B A^½, which is symmetric.
    """
    if a.mean.shape != b.mean.shape:
        raise UsageError(f"features of {len(a.mean)} and {len(b.mean)} numbers cannot be compared")
    root = _root(a.covariance)
    shared = np.linalg.eigvalsh(root @ b.covariance @ root)
    trace = np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return float(((a.mean - b.mean) ** 2).sum() + trace)


def clip_score(pictures: Features, captions: Features) -> float:
    """100 × mean cosine between each picture and its own caption, never below 0: (n, D) and (n, D)."""
    if pictures.shape != captions.shape or pictures.ndim != 2 or not len(pictures):
        raise UsageError(f"pictures {pictures.shape} and captions {captions.shape}: expected equal shapes (n, D)")
    a, b = (
        x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (pictures, captions)
    )
    return max(float(100.0 * (a * b).sum(1).mean()), 0.0)


def score(
    seen_by_clip: Features, captions: Features, seen_by_inception: Features, real: Moments, expected: int
) -> AccuracyResult:
    """Both numbers for one run, in the official wording; it passes when both lie in their ranges.

    `expected`: pictures that the data set asks for; the rows of all three arrays are in its order.
    """
    clip = clip_score(seen_by_clip, captions)
    fid = frechet_distance(Moments.of(seen_by_inception), real)
    n = len(seen_by_clip)
    problems = [f"{expected - n} of {expected} samples have no answer"] if n < expected else []
    for name, value, bounds in (("CLIP_SCORE", clip, CLIP_RANGE), ("FID_SCORE", fid, FID_RANGE)):
        if not significant(bounds[0]) <= significant(value) <= significant(bounds[1]):
            problems.append(f"{name} is {value:.5g}; expected {bounds[0]:.5g} to {bounds[1]:.5g}")
    return AccuracyResult(
        metric="CLIP score",
        value=clip,
        unit="",
        n=n,
        expected_n=expected,
        official_line=f"Accuracy Results: {{'FID_SCORE': {fid}, 'CLIP_SCORE': {clip}}}",
        target=QualityTarget(
            metric="CLIP score",
            reference=CLIP_RANGE[0],
            factor=1.0,
            unit="",
            source="inference rules: stable-diffusion-xl",
        ),
        problems=tuple(problems),
        details={"CLIP_SCORE": clip, "FID_SCORE": fid, "within_ranges": not problems},
    )


def unscored(n: int, expected: int, missing: Sequence[str], why: str = "") -> AccuracyResult:
    """For a log whose pictures could not be looked at: it does not pass, and says what to give."""
    why = why or f"give --task-option {' '.join(f'{name}=FILE' for name in missing)}, and score the same log again"
    return AccuracyResult(
        metric="CLIP score",
        value=0.0,
        unit="",
        n=n,
        expected_n=expected,
        official_line="Accuracy Results: not scored",
        problems=(f"the pictures were not scored: {why}",),
    )


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a symmetric matrix without negative directions."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
