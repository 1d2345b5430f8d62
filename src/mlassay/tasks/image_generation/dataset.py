"""Captions of COCO 2014 as the rule book's scripts leave them on disk, and the look at whether they are complete.

captions/captions.tsv   columns id, image_id, caption, height, width, file_name and others, separated by tabs
latents/latents.pt      the one noise that every picture starts from
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.data_report import DataProblem, DataReport, file_digest
from mlassay.core.errors import BadFile, MachineProblem, UsageError

CAPTIONS = 5_000
"""Of the rule book's data set (stable-diffusion-xl)."""

CAPTIONS_FILES = ("captions/captions.tsv", "captions.tsv", "captions/captions_source.tsv", "captions_source.tsv")
LATENTS_FILES = ("latents/latents.pt", "latents.pt")


@dataclass(frozen=True, slots=True)
class Caption:
    """One wish."""

    id: str
    image_id: str  # of the photograph that the caption was written for
    text: str


def open_captions(folder: Path) -> tuple[Caption, ...]:
    """Read the captions of a folder, or a file. BadFile names the first line that cannot be used."""
    return tuple(_captions(caption_file(folder)))


def caption_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path} does not exist", hint="name the folder that holds captions/captions.tsv")
    found = next((path / name for name in CAPTIONS_FILES if (path / name).is_file()), None)
    if found is None:
        raise BadFile(path, found=f"a folder without {CAPTIONS_FILES[0]}", expected="the captions as a .tsv file")
    return found


def verify(folder: Path) -> DataReport:
    """Is this the rule book's set of captions, and the noise with it? Every deviation is a finding."""
    problems: list[DataProblem] = []
    checksums: dict[str, str] = {}
    captions: tuple[Caption, ...] = ()
    try:
        file = caption_file(folder)
        checksums[file.name] = file_digest(file)
        captions = tuple(_captions(file))
    except BadFile as error:
        problems.append(DataProblem(error.key or Path(error.path).name, error.found, error.expected))
    if len(captions) != CAPTIONS:
        problems.append(DataProblem("captions", f"{len(captions):,} captions", f"{CAPTIONS:,}"))
    latents = next((folder / name for name in LATENTS_FILES if (folder / name).is_file()), None)
    if latents is None:
        problems.append(DataProblem(LATENTS_FILES[0], "absent", "the noise that every picture starts from"))
    else:
        checksums[latents.name] = file_digest(latents)
    return DataReport(
        dataset="COCO 2014, 5,000 captions",
        folder=folder,
        counts={"captions": len(captions), "photographs": len({c.image_id for c in captions})},
        problems=tuple(problems),
        checksums=checksums,
        notes=("no checksums were found published for these files; those found are listed",),
    )


def _captions(file: Path) -> list[Caption]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines, delimiter="\t"))
    except UnicodeDecodeError as error:
        raise BadFile(file, found="not UTF-8 text", expected="lines of captions") from error
    except OSError as error:
        raise MachineProblem(f"{file} cannot be read: {error.strerror}") from error
    head = rows[0] if rows else []
    missing = [name for name in ("id", "image_id", "caption") if name not in head]
    if missing:
        raise BadFile(file, key="line 1", found=f"without {', '.join(missing)}", expected="id, image_id, caption")
    places = [head.index(name) for name in ("id", "image_id", "caption")]
    found, seen = [], set()
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(places) or not row[places[2]].strip():
            raise BadFile(file, key=f"line {number}", found="without a caption", expected="id, image_id, caption")
        caption = Caption(*(row[place] for place in places))
        if caption.id in seen:
            raise BadFile(file, key=f"line {number}", found=f"id {caption.id} again", expected="a new id")
        seen.add(caption.id)
        found.append(caption)
    if not found:
        raise BadFile(file, found="without captions", expected="one a line")
    return found
