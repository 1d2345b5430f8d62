"""What training does to a recording before the network hears it: silence off, speed changed, parts of the sound hidden.

Facts from the reference's configuration (training rules, RNN-T); masks are SpecAugment's (arXiv:1904.08779). Needs no
torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlassay.training.rnnt.features import FeatureRule, Waveform, normalised

SILENCE = 1e-6
"""Of the loudest window's power: -60 dB."""
SILENCE_WINDOW_S = 0.128
"""2,048 samples of LibriSpeech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far training recordings may be changed."""

    speed_min: float
    speed_max: float
    n_band_masks: int
    widest_band_mask: int  # bands
    n_time_masks: int
    longest_time_mask: float  # share of the recording
    dither: float  # deviation of the noise added to the samples


def plain_features(wave: Waveform, rule: FeatureRule) -> NDArray[np.float32]:
    """(samples,) -> (rows, width) as evaluation hears it: silence off, each band scaled over time, frames spliced."""
    return rule.spliced(normalised(rule.log_bands(trimmed(wave, rule.rate_hz))))


def augmented_features(
    wave: Waveform, rule: FeatureRule, how: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(samples,) -> (rows, width) as training hears it."""
    wave = trimmed(wave, rule.rate_hz)
    if how.speed_max > how.speed_min:
        wave = faster(wave, rng.uniform(how.speed_min, how.speed_max))
    if how.dither:
        wave = wave + np.float32(how.dither) * rng.standard_normal(len(wave), np.float32)
    return rule.spliced(masked(normalised(rule.log_bands(wave)), how, rng))


def trimmed(wave: Waveform, rate_hz: int) -> Waveform:
    """Without the silence at both ends: windows of less than a millionth of the loudest one's power."""
    width = min(int(SILENCE_WINDOW_S * rate_hz), len(wave))
    sums = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    power = sums[width:] - sums[:-width]  # of the window that begins at each sample
    loud = np.flatnonzero(power > SILENCE * power.max())
    return wave[loud[0] : loud[-1] + width] if len(loud) else wave


def faster(wave: Waveform, factor: float) -> Waveform:
    """Resampled to 1/factor of the samples (pitch changes along), through the spectrum."""
    n = max(1, round(len(wave) / factor))
    spectrum = np.fft.rfft(wave)[: n // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, n) * (n / len(wave)), np.float32)


def masked(bands: NDArray[np.float32], how: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    """(frames, bands) with stripes of zeros, the mean, across all frames and across all bands. May overlap."""
    out = bands.copy()
    n_frames, n_bands = bands.shape
    for _ in range(how.n_band_masks):
        at, width = _stripe(n_bands, how.widest_band_mask, rng)
        out[:, at : at + width] = 0.0
    for _ in range(how.n_time_masks):
        at, width = _stripe(n_frames, int(how.longest_time_mask * n_frames), rng)
        out[at : at + width] = 0.0
    return out


def _stripe(length: int, widest: int, rng: np.random.Generator) -> tuple[int, int]:
    """Where a stripe of 0 to `widest` begins in `length`, and how wide it is."""
    width = int(rng.integers(0, min(widest, length) + 1))
    return int(rng.integers(0, length - width + 1)), width
