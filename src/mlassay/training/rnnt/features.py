"""From a waveform to what a recogniser hears: energies of overlapping frames in bands that widen upwards (mel), in
logs.

The steps are those of the rule book's RNN-T: raise the high tones, cut frames, power spectrum, bands, logarithm, some
frames side by side, each band scaled to mean 0 and deviation 1 over the recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRule:
    """How a recording becomes features."""

    rate_hz: int
    bands: int
    fft: int
    splice: int = 3  # frames side by side; only each splice-th is kept
    window_s: float = 0.02
    hop_s: float = 0.01
    raise_high: float = 0.97
    floor: float = 1e-10  # added to the power: the square of the reference's dither, 1e-5

    @property
    def width(self) -> int:
        return self.bands * self.splice

    @property
    def hop(self) -> int:
        return int(self.rate_hz * self.hop_s)

    def count(self, n_samples: int) -> int:
        """Feature rows of a recording."""
        return math.ceil(math.ceil(n_samples / self.hop) / self.splice)

    def apply(self, wave: Waveform) -> NDArray[np.float32]:
        """(samples,) -> (rows, width)."""
        return normalised(self.spliced(self.log_bands(wave))[: self.count(len(wave))])

    def log_bands(self, wave: Waveform) -> NDArray[np.float32]:
        """(samples,) -> (frames, bands): logs of energies, before splicing."""
        raised = np.concatenate([wave[:1], wave[1:] - np.float32(self.raise_high) * wave[:-1]])
        power = self._power(raised) + np.float32(self.floor)  # (frames, fft / 2 + 1)
        return np.asarray(np.log(power @ mel_bands(self.rate_hz, self.fft, self.bands).T + np.float32(1e-20)))

    def _power(self, wave: Waveform) -> NDArray[np.float32]:
        """Frames are centred on every hop-th sample; the recording is mirrored at both ends."""
        half = self.fft // 2
        padded = np.pad(wave, half, mode="reflect" if len(wave) > half else "symmetric")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.fft)[:: self.hop]
        spectrum = np.fft.rfft(frames * _window(int(self.rate_hz * self.window_s), self.fft), axis=1)
        return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)

    def spliced(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """(frames, bands) -> (rows, width): so many frames side by side, each in one row only."""
        later = [np.concatenate([frames[k:], np.zeros_like(frames[:k])]) for k in range(self.splice)]
        return np.concatenate(later, 1)[:: self.splice]


LIBRISPEECH = FeatureRule(rate_hz=16_000, bands=80, fft=512)
"""The rule book's RNN-T: 80 bands, three frames side by side."""

DIGITS = FeatureRule(rate_hz=8_000, bands=40, fft=256, floor=1e-6)
"""The packed recordings; the higher floor drowns what eight bits cannot hold."""


def normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column of (rows, columns) to mean 0 and deviation 1 over the recording."""
    deviation = rows.std(0, ddof=1) if len(rows) > 1 else np.zeros(rows.shape[1], np.float32)
    return np.asarray((rows - rows.mean(0)) / (deviation + 1e-5), np.float32)


@lru_cache(maxsize=8)
def _window(length: int, fft: int) -> NDArray[np.float32]:
    """A raised cosine in the middle of `fft` samples."""
    shape = np.hanning(length).astype(np.float32)
    before = (fft - length) // 2
    return np.pad(shape, (before, fft - length - before))


@lru_cache(maxsize=8)
def mel_bands(rate_hz: int, fft: int, bands: int) -> NDArray[np.float32]:
    """(bands, fft / 2 + 1): triangles of equal area, on Slaney's scale, as librosa makes them."""
    edges = _to_hz(np.linspace(0.0, _to_mel(rate_hz / 2), bands + 2))
    bins = np.linspace(0.0, rate_hz / 2, fft // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], np.float32)


_KNEE_HZ, _PER_MEL_HZ = 1000.0, 200.0 / 3
_LOG_STEP = math.log(6.4) / 27


def _to_mel(hz: float) -> float:
    """Even steps up to 1 kHz, even ratios above."""
    if hz < _KNEE_HZ:
        return hz / _PER_MEL_HZ
    return _KNEE_HZ / _PER_MEL_HZ + math.log(hz / _KNEE_HZ) / _LOG_STEP


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HZ / _PER_MEL_HZ
    return np.where(mels < knee, mels * _PER_MEL_HZ, _KNEE_HZ * np.exp(_LOG_STEP * (mels - knee)))
