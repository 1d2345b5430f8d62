from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from mlassay.core.errors import BadFile, UsageError
from mlassay.tasks.speech import dataset
from mlassay.tasks.speech.dataset import open_recordings, verify
from mlassay.training.rnnt.recordings import duration_s
from mlassay.training.rnnt.sound import from_mu_law, read_sound, to_mu_law


def write_wav(path: Path, seconds: float, rate_hz: int = 16_000, channels: int = 1) -> Path:
    tone = (8000 * np.sin(np.arange(int(seconds * rate_hz)) * 0.1)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(tone, channels).tobytes())
    return path


def librispeech(folder: Path, suffix: str = ".wav", seconds: tuple[float, ...] = (0.2, 0.3, 16.0)) -> Path:
    chapter = folder / "84" / "121123"
    chapter.mkdir(parents=True)
    lines = []
    for number, length in enumerate(seconds):
        name = f"84-121123-{number:04d}"
        lines.append(f"{name} HELLO WORLD {number}")
        path = write_wav(chapter / f"{name}.wav", length)
        if suffix == ".flac":
            soundfile = pytest.importorskip("soundfile")
            samples, rate_hz = soundfile.read(str(path), dtype="float32")
            soundfile.write(str(path.with_suffix(".flac")), samples, rate_hz, subtype="PCM_16")
            path.unlink()
    (chapter / "84-121123.trans.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_librispeech_folder(tmp_path: Path, suffix: str) -> None:
    recordings = open_recordings(librispeech(tmp_path / "dev-clean", suffix))
    assert recordings.transcripts == ("hello world 0", "hello world 1")  # the third is too long
    assert len(recordings.read(0)) == 3200
    assert np.abs(recordings.read(1)).max() == pytest.approx(8000 / 32768, abs=1e-3)
    assert len(open_recordings(tmp_path / "dev-clean", longest_s=20.0)) == 3


def test_manifest(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 0.2)
    records = [
        {"transcript": "One two", "files": [{"fname": "a.wav"}], "original_duration": 0.2},
        {"transcript": "too long", "files": [{"fname": "b.wav"}], "original_duration": 15.5},
    ]
    (tmp_path / "m.json").write_text(json.dumps(records))
    assert open_recordings(tmp_path / "m.json").transcripts == ("one two",)
    (tmp_path / "m.json").write_text(json.dumps([{"transcript": "x"}]))
    with pytest.raises(BadFile, match=r"m\.json: \[0\] is a record of another form; expected transcript, files"):
        open_recordings(tmp_path / "m.json")


def test_missing_recordings_are_listed(tmp_path: Path) -> None:
    folder = librispeech(tmp_path / "dev-clean")
    next(folder.rglob("*0001.wav")).unlink()
    with pytest.raises(BadFile) as caught:
        open_recordings(folder)
    assert "without 1 of 3 recordings: 84-121123-0001.flac; expected all that the transcripts name" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: write_wav(p, 0.1, rate_hz=8000), "is of 8,000 samples a second; expected 16,000"),
        (lambda p: write_wav(p, 0.1, channels=2), "is 16-bit sound of 2 channels; expected 16 bits, one channel"),
        (lambda p: p.write_bytes(write_wav(p, 0.1).read_bytes()[:500]), "is cut short: 228 of 1,600 samples"),
        (lambda p: p.write_bytes(b"RIFFxxxx"), "is not readable as sound"),
        (lambda p: write_wav(p, 0.0), "is without sound; expected a recording"),
    ],
)
def test_bad_sounds(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "x.wav"
    make(path)  # type: ignore[operator]
    with pytest.raises(BadFile) as caught:
        read_sound(path, 16_000)
    assert message in str(caught.value)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        open_recordings(tmp_path / "absent")
    with pytest.raises(BadFile, match=r"without \*\.trans\.txt"):
        open_recordings(tmp_path)
    (tmp_path / "a.trans.txt").write_text("84-1-0001\n")
    with pytest.raises(BadFile, match=r"a\.trans\.txt: line 1 is '84-1-0001'; expected a name and its words"):
        open_recordings(tmp_path)
    (tmp_path / "x.flac").write_bytes(b"no sound at all, but long enough")
    with pytest.raises(BadFile, match="not a FLAC file"):
        duration_s(tmp_path / "x.flac")


def test_verify_lists_every_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = librispeech(tmp_path / "dev-clean")
    monkeypatch.setattr(dataset, "DEV_CLEAN", 3)
    report = verify(folder)
    assert report.complete, report.problems
    assert report.counts == {"recordings": 3, "readable": 3, "under 15 s": 2}
    write_wav(next(folder.rglob("*0000.wav")), 0.2, rate_hz=8000)
    next(folder.rglob("*0001.wav")).unlink()
    (folder / "dev-clean.tar.gz").write_bytes(b"cut")
    report = verify(folder)
    assert [str(p) for p in report.problems] == [
        "84-121123-0000.wav is of 8,000 samples a second; expected 16,000",
        "84-121123-0001.flac is absent; expected a recording",
        f"dev-clean.tar.gz is of MD5 {report.checksums['dev-clean.tar.gz']}; expected {dataset.DEV_CLEAN_MD5}",
    ]
    assert report.counts["readable"] == 1


def test_mu_law_keeps_the_sound() -> None:
    wave_form = np.linspace(-1, 1, 1001, dtype=np.float32)
    back = from_mu_law(to_mu_law(wave_form))
    assert np.abs(back - wave_form).max() < 0.025
    assert np.abs(back - wave_form)[480:521].max() < 0.002  # finer near silence
