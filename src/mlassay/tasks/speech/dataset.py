"""Recordings with transcripts, checked before anything runs: the packed digits, LibriSpeech's folder, or a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataProblem, DataReport, each_checked, file_digest, problem_of
from mlassay.core.errors import BadFile
from mlassay.training.rnnt.digits import FOLDER, packed_digits
from mlassay.training.rnnt.features import DIGITS, LIBRISPEECH, FeatureRule, Waveform
from mlassay.training.rnnt.labels import CHARACTERS, SPOKEN_DIGITS, Labels
from mlassay.training.rnnt.recordings import Entry, duration_s, read_entries, short_entries
from mlassay.training.rnnt.sound import read_sound

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


def packed_recordings(folder: Path = FOLDER) -> Recordings:
    """The spoken digits in the wheel."""
    digits = packed_digits(folder)
    seconds = sum(len(part) for part in digits.parts) / DIGITS.rate_hz
    return Recordings(
        name="150 recordings of spoken digits",
        transcripts=digits.transcripts,
        read=digits.read,
        rule=DIGITS,
        labels=SPOKEN_DIGITS,
        about={"recordings": len(digits.transcripts), "seconds": round(seconds, 1), "voice": "espeak-ng"},
    )


def open_recordings(path: Path, longest_s: float = LONGEST_S) -> Recordings:
    """LibriSpeech, or recordings in its form. Longer ones are left out, as the rules do; missing ones are listed."""
    entries = short_entries(path, longest_s)
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
        entries = read_entries(path)
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


def _look(path: Path) -> DataProblem | None:
    if not path.is_file():
        return DataProblem(path.name, "absent", "a recording")
    try:
        read_sound(path, LIBRISPEECH.rate_hz)
    except BadFile as error:
        return problem_of(path.name, error)
    return None
