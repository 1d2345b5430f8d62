"""LibriSpeech joined to nearly 30 seconds: which recordings go together, what is written, going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlassay.core.errors import BadFile
from mlassay.tasks.speech.dataset import open_recordings
from mlassay.tasks.speech.repack import LONGEST_S, SILENCE_S, joined, prepare
from mlassay.training.rnnt.recordings import Entry
from tests.tasks.speech.test_dataset import librispeech


def entry(chapter: str, number: int) -> Entry:
    return Entry(Path(f"{chapter}-{number:04d}.flac"), f"words {number}")


def lengths_of(*seconds: float) -> dict[Path, float]:
    return {entry("84-1", n).path: s for n, s in enumerate(seconds)}


def packs(*seconds: float) -> list[list[int]]:
    lengths = lengths_of(*seconds)
    entries = [entry("84-1", n) for n in range(len(seconds))]
    return [[int(e.path.stem[-4:]) for e in parts] for _, parts in joined(entries, lengths.__getitem__)]


def test_as_many_as_fit_with_half_a_second_between() -> None:
    assert packs(10, 10, 9) == [[0, 1, 2]]  # 10 + .5 + 10 + .5 + 9 = 30
    assert packs(10, 10, 9.01) == [[0, 1], [2]]
    assert packs(29.6, 1, 2) == [[0], [1, 2]]
    assert packs(30) == [[0]]
    assert packs(30.01, 4, 31, 5) == [[1, 3]]  # too long: left out, and its neighbours meet
    assert packs() == []


def test_chapters_stay_apart() -> None:
    entries = [entry("84-1", 0), entry("84-1", 1), entry("84-2", 0), entry("85-1", 0)]
    found = [(name, len(parts)) for name, parts in joined(entries, lambda _: 4.0)]
    assert found == [("84-1_0", 2), ("84-2_0", 1), ("85-1_0", 1)]


@given(st.lists(st.floats(0.5, 32), max_size=30))
def test_nothing_is_lost_or_doubled_and_nothing_is_too_long(seconds: list[float]) -> None:
    found = packs(*seconds)
    assert [n for pack in found for n in pack] == [n for n, s in enumerate(seconds) if s <= LONGEST_S]
    whole = [sum(seconds[n] for n in pack) + SILENCE_S * (len(pack) - 1) for pack in found]
    assert all(length <= LONGEST_S + 1e-6 for length in whole)


def test_files_and_manifest(tmp_path: Path) -> None:
    raw = librispeech(tmp_path / "LibriSpeech" / "dev-clean", seconds=(12.0, 10.0, 9.0, 31.0))
    made = prepare(raw.parent, tmp_path / "out")
    assert made == tmp_path / "out" / "dev-all-repack.json"
    first, second = json.loads(made.read_text())
    assert first["transcript"] == "hello world 0 hello world 1"
    assert first["files"][0]["fname"] == "dev-all-repack/84-121123_0.wav"
    assert first["original_duration"] == 22.5
    assert second["original_duration"] == 9.0
    packed, whole = open_recordings(made, 30.1), open_recordings(raw, 40.0)
    assert len(packed) == 2
    sound = packed.read(0)
    np.testing.assert_array_equal(sound[: 12 * 16_000], whole.read(0))
    assert not sound[12 * 16_000 : 12 * 16_000 + 8_000].any()
    np.testing.assert_array_equal(sound[12 * 16_000 + 8_000 :], whole.read(1))


def test_going_on_after_a_stop(tmp_path: Path) -> None:
    raw = librispeech(tmp_path / "dev-clean", seconds=(20.0, 20.0, 20.0))

    def stop_at_the_second(what: str) -> None:
        if what.startswith("84-121123_1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "out", told=stop_at_the_second)
    kept = tmp_path / "out" / "dev-all-repack" / "84-121123_0.wav"
    before = kept.stat().st_mtime_ns
    assert not (tmp_path / "out" / "dev-all-repack.json").exists()
    assert len(json.loads(prepare(raw, tmp_path / "out").read_text())) == 3
    assert kept.stat().st_mtime_ns == before


def test_a_recording_that_is_absent(tmp_path: Path) -> None:
    raw = librispeech(tmp_path / "dev-clean", seconds=(2.0, 2.0))
    (raw / "84" / "121123" / "84-121123-0001.wav").unlink()
    with pytest.raises(BadFile, match=r"is without 1 of 2 recordings: 84-121123-0001\.flac; expected all that"):
        prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()
