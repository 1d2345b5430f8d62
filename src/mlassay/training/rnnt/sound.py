"""Recordings on disk: WAV with the standard library, FLAC with soundfile, and eight-bit µ-law for the packed ones."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MissingDependency
from mlassay.training.rnnt.features import Waveform

_MU = 255.0


def read_sound(path: Path, rate_hz: int) -> Waveform:
    """Samples of one channel, -1 to 1; BadFile where the rate is another or the file is damaged."""
    if path.suffix == ".wav":
        samples, found_hz = _wav(path)
    else:
        samples, found_hz = _with_soundfile(path)
    if found_hz != rate_hz:
        raise BadFile(path, found=f"of {found_hz:,} samples a second", expected=f"{rate_hz:,}")
    if not len(samples):
        raise BadFile(path, found="without sound", expected="a recording")
    return samples


def _wav(path: Path) -> tuple[Waveform, int]:
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                found = f"{8 * file.getsampwidth()}-bit sound of {file.getnchannels()} channels"
                raise BadFile(path, found=found, expected="16 bits, one channel")
            data, n = file.readframes(file.getnframes()), file.getnframes()
            rate_hz = file.getframerate()
    except (wave.Error, EOFError, OSError) as error:
        raise BadFile(path, found=f"not readable as sound ({error})", expected="a complete WAV file") from error
    if len(data) != 2 * n:
        raise BadFile(path, found=f"cut short: {len(data) // 2:,} of {n:,} samples", expected="a complete WAV file")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0, rate_hz


def _with_soundfile(path: Path) -> tuple[Waveform, int]:
    try:
        import soundfile
    except ModuleNotFoundError as error:
        raise MissingDependency("soundfile", extra="audio", why=f"it reads {path.suffix} files") from error
    try:
        samples, rate_hz = soundfile.read(str(path), dtype="float32")
    except (RuntimeError, OSError) as error:
        raise BadFile(path, found=f"not readable as sound ({error})", expected="a complete recording") from error
    if samples.ndim != 1:
        raise BadFile(path, found=f"of {samples.shape[1]} channels", expected="one")
    return samples, int(rate_hz)


def to_mu_law(samples: Waveform) -> NDArray[np.uint8]:
    """Eight bits a sample, finer near silence: round(127.5 (1 + sign(x) log(1 + 255 |x|) / log 256))."""
    pressed = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    return np.asarray(np.clip(np.rint((pressed + 1) * 127.5), 0, 255), np.uint8)


def from_mu_law(data: NDArray[np.uint8]) -> Waveform:
    pressed = data.astype(np.float32) / np.float32(127.5) - 1
    return np.asarray(np.sign(pressed) * np.expm1(np.abs(pressed) * np.log1p(_MU)) / _MU, np.float32)
