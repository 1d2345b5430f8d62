from __future__ import annotations

import numpy as np
import pytest

from mlassay.training.rnnt.features import DIGITS, LIBRISPEECH, mel_bands


def test_sizes() -> None:
    assert LIBRISPEECH.width == 240
    for n in (1, 159, 160, 16_000, 16_001):
        assert LIBRISPEECH.apply(np.ones(n, np.float32)).shape == (LIBRISPEECH.count(n), 240)
    assert LIBRISPEECH.count(16_000) == 34


def test_each_band_has_mean_0_and_deviation_1() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    rows = LIBRISPEECH.apply(noise)
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(rows.std(0, ddof=1), 1, atol=1e-3)


def test_bands_have_equal_area_and_widen() -> None:
    bands = mel_bands(16_000, 512, 80)
    assert bands.shape == (80, 257)
    centres = (bands * np.arange(257)).sum(1) / bands.sum(1)
    assert (np.diff(centres) > 0).all()
    assert np.diff(centres)[-1] > 3 * np.diff(centres)[10]
    np.testing.assert_allclose(bands[30:].sum(1) * 16_000 / 512, 1, atol=0.15)


def test_a_tone_is_in_its_band() -> None:
    """1 kHz is mel 15 on Slaney's scale; its band is the loudest before the scaling."""
    bands = mel_bands(8_000, 256, 40)
    assert bands[:, 32].argmax() == np.abs((bands * np.linspace(0, 4000, 129)).sum(1) / bands.sum(1) - 1000).argmin()


def test_the_same_steps_as_torch() -> None:
    """Held against torch's own short-time spectrum, which the reference uses."""
    torch = pytest.importorskip("torch")
    wave = np.random.default_rng(1).normal(0, 0.1, 4000).astype(np.float32)
    raised = np.concatenate([wave[:1], wave[1:] - 0.97 * wave[:-1]])
    window = torch.hann_window(320, periodic=False)
    spectrum = torch.stft(torch.from_numpy(raised), 512, 160, 320, window, center=True, return_complex=True)
    power = spectrum.abs().numpy().T ** 2 + 1e-10
    bands = np.log(power @ mel_bands(16_000, 512, 80).T + 1e-20)
    later = [np.concatenate([bands[k:], np.zeros_like(bands[:k])]) for k in range(3)]
    rows = np.concatenate(later, 1)[::3][: LIBRISPEECH.count(4000)]
    rows = (rows - rows.mean(0)) / (rows.std(0, ddof=1) + 1e-5)
    np.testing.assert_allclose(LIBRISPEECH.apply(wave), rows, atol=2e-3)


def test_one_frame_is_no_problem() -> None:
    assert np.isfinite(DIGITS.apply(np.zeros(50, np.float32))).all()
