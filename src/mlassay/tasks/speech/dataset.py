"""Recordings with transcripts, in the forms in which people have them on disk, checked before anything runs.

packed               150 recordings of spoken digits, in the wheel
a LibriSpeech folder SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac (or .wav) with SPEAKER-CHAPTER.trans.txt beside them
a manifest           JSON as the rule book's scripts write it: [{"transcript", "files": [{"fname"}],
"original_duration"}]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.tasks.data_report import DataProblem, DataReport, each_checked, file_digest, problem_of
from mlassay.tasks.speech.features import DIGITS, LIBRISPEECH, FeatureRule, Waveform
from mlassay.tasks.speech.labels import CHARACTERS, SPOKEN_DIGITS, Labels
from mlassay.tasks.speech.sound import from_mu_law, read_sound

PACKED = Path(__file__).parent / "data"
DEV_CLEAN = 2_703
"""Recordings of LibriSpeech dev-clean."""
DEV_CLEAN_SHORT = 2_513
"""Those under 15 seconds: the rule book's set for RNN-T."""
PACKED_30_S = 1_633
"""Recordings of dev-clean and dev-other put together to nearly 30 seconds each: the rule book's set for Whisper."""
LONGEST_S = 15.0
DEV_CLEAN_MD5 = "42e2234ba48799c1f50f24a7926300a1"
"""Of dev-clean.tar.gz, as OpenSLR publishes it (resource 12)."""

SOUNDS = (".flac", ".wav")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """A data set: `read(i)` gives the samples of recording i."""

    name: str
    transcripts: tuple[str, ...]
    read: Callable[[int], Waveform]
    rule: FeatureRule
    labels: Labels
    about: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.transcripts)


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording on disk."""

    path: Path
    transcript: str


def packed_recordings(folder: Path = PACKED) -> Recordings:
    """The spoken digits in the wheel."""
    with np.load(folder / "digits.npz", allow_pickle=False) as archive:
        sound, ends = archive["mu_law"], archive["ends"]
    transcripts = tuple((folder / "digits.txt").read_text(encoding="utf-8").split("\n")[: len(ends)])
    parts = np.split(sound, ends[:-1])
    return Recordings(
        name="150 recordings of spoken digits",
        transcripts=transcripts,
        read=lambda index: from_mu_law(parts[index]),
        rule=DIGITS,
        labels=SPOKEN_DIGITS,
        about={"recordings": len(transcripts), "seconds": round(len(sound) / DIGITS.rate_hz, 1), "voice": "espeak-ng"},
    )


def entries_of(path: Path) -> Iterator[Entry]:
    """All recordings that the transcripts of a folder, or a manifest, name; they need not be there."""
    return _manifest(path, float("inf")) if path.suffix == ".json" else _tree(path)


def open_recordings(path: Path, longest_s: float = LONGEST_S) -> Recordings:
    """LibriSpeech, or recordings in its form. Longer ones are left out, as the rules do; missing ones are listed."""
    entries = list(_manifest(path, longest_s) if path.suffix == ".json" else _tree(path))
    missing = [entry.path.name for entry in entries if not entry.path.is_file()]
    if missing or not entries:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(
            path,
            found=f"without {len(missing)} of {len(entries)} recordings: {shown}" if entries else "without recordings",
            expected="all that the transcripts name",
        )
    if path.suffix != ".json":
        entries = [entry for entry in entries if duration_s(entry.path) < longest_s]
    return Recordings(
        name=path.name,
        transcripts=tuple(entry.transcript for entry in entries),
        read=lambda index: read_sound(entries[index].path, LIBRISPEECH.rate_hz),
        rule=LIBRISPEECH,
        labels=CHARACTERS,
        about={"folder": str(path), "recordings": len(entries), "longest_s": longest_s},
    )


def verify(path: Path) -> DataReport:
    """Is this LibriSpeech dev-clean, every recording readable? Every deviation is a finding."""
    problems: list[DataProblem] = []
    checksums: dict[str, str] = {}
    entries: list[Entry] = []
    try:
        entries = list(entries_of(path))
    except BadFile as error:
        problems.append(DataProblem(error.key or Path(error.path).name, error.found, error.expected))
    by_name = {str(entry.path): entry for entry in entries}
    problems += each_checked(list(by_name), lambda name: _look(by_name[name].path))
    archive = (path if path.is_dir() else path.parent) / "dev-clean.tar.gz"
    if archive.is_file():
        checksums[archive.name] = file_digest(archive, "md5")
        if checksums[archive.name] != DEV_CLEAN_MD5:
            problems.append(DataProblem(archive.name, f"of MD5 {checksums[archive.name]}", DEV_CLEAN_MD5))
    bad = {problem.where for problem in problems}
    good = [entry for entry in entries if entry.path.name not in bad]
    counts = {
        "recordings": len(entries),
        "readable": len(good),
        f"under {LONGEST_S:g} s": sum(duration_s(entry.path) < LONGEST_S for entry in good),
    }
    sizes = (DEV_CLEAN, DEV_CLEAN_SHORT, PACKED_30_S) if path.suffix == ".json" else (DEV_CLEAN,)
    if len(entries) not in sizes:
        problems.append(DataProblem(path.name, f"{len(entries):,} recordings", " or ".join(f"{n:,}" for n in sizes)))
    return DataReport(
        dataset="LibriSpeech, packed to 30 s" if len(entries) == PACKED_30_S else "LibriSpeech dev-clean",
        folder=path,
        counts=counts,
        problems=tuple(problems),
        checksums=checksums,
        notes=()
        if checksums
        else ("dev-clean.tar.gz is not beside the recordings: its published MD5 was not compared",),
    )


def duration_s(path: Path) -> float:
    """From the header alone."""
    if path.suffix == ".wav":
        import wave

        with wave.open(str(path)) as file:
            return float(file.getnframes() / file.getframerate())
    samples_hz = _flac_header(path)
    return samples_hz[0] / samples_hz[1]


def _flac_header(path: Path) -> tuple[int, int]:
    """Samples and rate from a FLAC file's first block (STREAMINFO: 20 bits of rate, 36 bits of samples)."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:4] != b"fLaC" or len(head) < 26:
        raise BadFile(path, found="not a FLAC file", expected="FLAC")
    packed = int.from_bytes(head[18:26], "big")
    return packed & (1 << 36) - 1, packed >> 44


def _look(path: Path) -> DataProblem | None:
    if not path.is_file():
        return DataProblem(path.name, "absent", "a recording")
    try:
        read_sound(path, LIBRISPEECH.rate_hz)
    except BadFile as error:
        return problem_of(path.name, error)
    return None


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


def _manifest(path: Path, longest_s: float) -> Iterator[Entry]:
    try:
        records: Sequence[Any] = json.loads(_text(path))
    except ValueError as error:
        raise BadFile(path, found=f"not JSON ({error})", expected="a list of recordings") from error
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
        if length_s < longest_s:
            yield Entry(path.parent / name, str(words).lower())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, found="not UTF-8 text", expected="transcripts") from error
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror}") from error
