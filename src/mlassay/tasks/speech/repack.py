"""LibriSpeech joined to recordings of nearly 30 seconds, as the rule book's Whisper is asked.

Recordings of one speaker's chapter follow each other in order, half a second of silence between two, as long as the
whole stays within 30 seconds; then the next one begins. A recording of more than 30 seconds is left out. dev-clean and
dev-other together give 1,633.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.errors import BadFile
from mlassay.core.fetch import make_once
from mlassay.training.rnnt.recordings import Entry, duration_s, read_entries
from mlassay.training.rnnt.sound import read_sound

LONGEST_S, SILENCE_S, RATE_HZ = 30.0, 0.5, 16_000
MANIFEST = "dev-all-repack.json"
FOLDER = "dev-all-repack"


def prepare(raw: Path, out: Path, *, told: Callable[[str], None] = lambda _: None) -> Path:
    """Write out/dev-all-repack/*.wav and, when all are there, the manifest out/dev-all-repack.json; returns that.

    `raw` holds LibriSpeech's folders: dev-clean and dev-other. Interrupted, it goes on where it stopped.
    """
    entries = sorted(read_entries(raw), key=lambda entry: entry.path.name)
    missing = [entry.path.name for entry in entries if not entry.path.is_file()]
    if missing:
        raise BadFile(
            raw,
            found=f"without {len(missing)} of {len(entries)} recordings: {', '.join(missing[:5])}",
            expected="all that the transcripts name",
        )
    records = []
    for name, parts in joined(entries, duration_s):
        path = out / FOLDER / f"{name}.wav"
        made = make_once(path, lambda fresh, parts=parts: _write(fresh, parts))  # type: ignore[misc]
        records.append(_record(made, parts))
        told(f"{path.name}: {len(parts)} recordings")
    text = json.dumps(records, indent=2) + "\n"
    (out / MANIFEST).unlink(missing_ok=True)
    return make_once(out / MANIFEST, lambda fresh: _put(fresh, text))


def joined(entries: Iterable[Entry], length_s: Callable[[Path], float]) -> Iterator[tuple[str, Sequence[Entry]]]:
    """Name and parts of each new recording; `entries` in the order of their names, SPEAKER-CHAPTER-NNNN."""
    for chapter, group in groupby(entries, key=lambda entry: entry.path.name.rpartition("-")[0]):
        packs: list[list[Entry]] = []
        together = 0.0
        for entry in group:
            length = length_s(entry.path)
            if length > LONGEST_S:
                continue
            if packs and together + SILENCE_S + length <= LONGEST_S:
                packs[-1].append(entry)
                together += SILENCE_S + length
            else:
                packs.append([entry])
                together = length
        yield from ((f"{chapter}_{number}", pack) for number, pack in enumerate(packs))


def _write(path: Path, parts: Sequence[Entry]) -> None:
    silence = np.zeros(int(SILENCE_S * RATE_HZ), np.float32)
    pieces = [piece for entry in parts for piece in (silence, read_sound(entry.path, RATE_HZ))][1:]
    samples = np.clip(np.rint(np.concatenate(pieces) * 32768), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def _record(path: Path, parts: Sequence[Entry]) -> dict[str, Any]:
    """As the rule book's scripts write it."""
    with wave.open(str(path)) as file:
        n = file.getnframes()
    about = {
        "channels": 1,
        "sample_rate": float(RATE_HZ),
        "bitdepth": 16,
        "bitrate": 16.0 * RATE_HZ,
        "duration": n / RATE_HZ,
        "num_samples": n,
        "encoding": "Signed Integer PCM",
        "silent": False,
        "fname": f"{FOLDER}/{path.name}",
        "speed": 1,
    }
    words = " ".join(entry.transcript for entry in parts)
    return {"transcript": words, "files": [about], "original_duration": n / RATE_HZ, "original_num_samples": n}


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
