"""What Whisper hears; RNN-T's features are shared with its training (`mlassay.training.rnnt.features`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlassay.training.rnnt.features import Waveform, mel_bands


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMel:
    """What Whisper hears: 30 seconds, longer ones cut and shorter ones filled with silence, as energies in bands.

    Radford et al. (arXiv:2212.04356), section 2.2, and the published code: windows of 25 ms every 10 ms, logarithms to
    the base 10, no band more than 8 below the loudest, scaled to about -1 to 1.
    """

    bands: int = 80  # 128 for large-v3
    rate_hz: int = 16_000
    fft: int = 400
    hop: int = 160
    frames: int = 3_000

    def __call__(self, wave: Waveform) -> NDArray[np.float32]:
        """(samples,) -> (bands, frames)."""
        length = self.frames * self.hop
        heard = np.zeros(length, np.float32)
        heard[: min(length, len(wave))] = wave[:length]
        padded = np.pad(heard, self.fft // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.fft)[:: self.hop][: self.frames]
        falling_off = np.hanning(self.fft + 1)[:-1]
        spectrum = np.fft.rfft(windows * falling_off, axis=1)
        power = spectrum.real**2 + spectrum.imag**2  # (frames, fft / 2 + 1)
        logs = np.log10(np.maximum(mel_bands(self.rate_hz, self.fft, self.bands) @ power.T, 1e-10))
        return np.asarray((np.maximum(logs, logs.max() - 8) + 4) / 4, np.float32)
