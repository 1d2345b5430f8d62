"""Recordings with transcripts, in the forms in which people have them on disk. Needs no torch.

a LibriSpeech folder SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac (or .wav) with SPEAKER-CHAPTER.trans.txt beside them
a manifest           JSON as the rule book's scripts write it: [{"transcript", "files": [{"fname"}],
"original_duration"}]
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, MachineProblem, UsageError

SOUNDS = (".flac", ".wav")


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording on disk; `length_s` is what a manifest says, None where only the file knows."""

    path: Path
    transcript: str
    length_s: float | None = None

    @property
    def duration_s(self) -> float:
        return duration_s(self.path) if self.length_s is None else self.length_s


def short_entries(path: Path, longest_s: float) -> list[Entry]:
    """Recordings shorter than `longest_s`; missing ones are listed in the error."""
    entries = [e for e in read_entries(path) if e.length_s is None or e.length_s < longest_s]
    missing = [entry.path.name for entry in entries if not entry.path.is_file()]
    if missing or not entries:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(
            path,
            found=f"without {len(missing)} of {len(entries)} recordings: {shown}" if entries else "without recordings",
            expected="all that the transcripts name",
        )
    return [entry for entry in entries if entry.duration_s < longest_s]


def read_entries(path: Path) -> list[Entry]:
    """All that a folder's transcripts or a manifest names, whether it is there or not; words in small letters."""
    return list(_manifest(path) if path.suffix == ".json" else _tree(path))


@dataclass(frozen=True, slots=True)
class Header:
    """What a sound file says of itself."""

    n_samples: int
    rate_hz: int
    n_channels: int


def duration_s(path: Path) -> float:
    """From the header alone."""
    header = read_header(path)
    return header.n_samples / header.rate_hz


def read_header(path: Path) -> Header:
    """The first bytes of a FLAC or WAV file. BadFile when they are not those of a recording."""
    header = _wav_header(path) if path.suffix == ".wav" else _flac_header(path)
    if not header.rate_hz:
        raise BadFile(path, found="of 0 samples a second", expected="a rate")
    return header


def _wav_header(path: Path) -> Header:
    try:
        with wave.open(str(path)) as file:
            return Header(file.getnframes(), file.getframerate(), file.getnchannels())
    except (wave.Error, EOFError) as error:
        raise BadFile(path, found=f"not readable as sound ({error})", expected="a complete WAV file") from error


def _flac_header(path: Path) -> Header:
    """From the first block (STREAMINFO: 20 bits of rate, 3 of channels less one, 5 of depth, 36 of samples)."""
    with path.open("rb") as file:
        head = file.read(26)
    packed = int.from_bytes(head[18:26], "big")
    if head[:4] != b"fLaC" or len(head) < 26 or not packed >> 44:
        raise BadFile(path, found="not a FLAC file", expected="FLAC")
    return Header(packed & (1 << 36) - 1, packed >> 44, (packed >> 41 & 7) + 1)


def part_of(folder: Path, name: str) -> Path:
    """A part of LibriSpeech: its folder, or the manifest that the reference's scripts write for it."""
    manifest = folder / f"librispeech-{name}-wav.json"
    if not (folder / name).is_dir() and not manifest.is_file():
        raise BadFile(folder / name, found="absent", expected=f"a folder of recordings, or {manifest.name} beside it")
    return manifest if manifest.is_file() else folder / name


def _tree(folder: Path) -> Iterator[Entry]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name LibriSpeech's dev-clean folder or a manifest .json")
    lists = sorted(folder.rglob("*.trans.txt"))
    if not lists:
        raise BadFile(folder, found="without *.trans.txt", expected="SPEAKER/CHAPTER/ folders as LibriSpeech has them")
    for file in lists:
        for number, line in enumerate(_text(file).splitlines(), 1):
            name, space, words = line.partition(" ")
            if not space or not words.strip():
                raise BadFile(file, key=f"line {number}", found=repr(line[:40]), expected="a name and its words")
            yield Entry(_sound_of(file.parent, name), words.strip().lower())


def _sound_of(folder: Path, name: str) -> Path:
    found = next((folder / (name + end) for end in SOUNDS if (folder / (name + end)).is_file()), None)
    return found or folder / (name + SOUNDS[0])


def _manifest(path: Path) -> Iterator[Entry]:
    try:
        records: Any = json.loads(_text(path))
    except ValueError as error:
        raise BadFile(path, found=f"not JSON ({error})", expected="a list of recordings") from error
    if not isinstance(records, list):
        raise BadFile(path, found="not a list", expected="a list of recordings")
    for number, record in enumerate(records):
        try:
            words, name = record["transcript"], record["files"][-1]["fname"]
            length_s = float(record["original_duration"])
        except (TypeError, KeyError, IndexError, ValueError) as error:
            raise BadFile(
                path,
                key=f"[{number}]",
                found="a record of another form",
                expected="transcript, files[].fname, original_duration",
            ) from error
        yield Entry(path.parent / name, str(words).lower(), length_s)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not UTF-8 text", expected="transcripts") from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
