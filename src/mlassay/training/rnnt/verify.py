"""Is LibriSpeech whole, with its word pieces? Needs no torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mlassay.core.data_report import DataProblem, DataReport, count_problems, each_checked, problem_in
from mlassay.core.errors import BadFile
from mlassay.training.rnnt.features import LIBRISPEECH
from mlassay.training.rnnt.pieces import WordPieces
from mlassay.training.rnnt.recipe import RnntConfig
from mlassay.training.rnnt.recordings import part_of, read_entries, read_header

RECORDINGS = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2_703,
}
"""Utterances of the parts (Panayotov and others, LibriSpeech, ICASSP 2015)."""

WORD_PIECES = 1_023
"""Of the reference's sentencepiece model."""


def verify(folder: Path, config: RnntConfig) -> DataReport:
    """Reads all transcripts and the header of every recording that they name, but decodes none: the sound of a
    FLAC file that was cut short is missed. Counts recordings of each part and the word pieces."""
    counts: dict[str, int] = {}
    published: dict[str, int] = {}
    problems: list[DataProblem] = []
    for name in (*config.train_sets, config.eval_set):
        try:
            paths = list(dict.fromkeys(entry.path for entry in read_entries(part_of(folder, name))))
        except BadFile as error:
            problems.append(problem_in(folder, error))
            continue
        what = f"recordings of {name}"
        counts[what] = len(paths)
        if name in RECORDINGS:
            published[what] = RECORDINGS[name]
        problems += each_checked([str(path) for path in paths], partial(_look, folder))
    try:
        counts["word pieces"] = WordPieces(folder / config.pieces).n_symbols
        published["word pieces"] = WORD_PIECES
    except BadFile as error:
        problems.append(problem_in(folder, error))
    return DataReport(
        dataset="LibriSpeech",
        folder=folder,
        counts=counts,
        problems=(*problems, *count_problems(counts, published, folder.name)),
        notes=("headers of the recordings were read, the sound was not decoded",),
    )


def _look(folder: Path, name: str) -> DataProblem | None:
    path = Path(name)
    try:
        _check(path)
    except BadFile as error:
        return problem_in(folder, error)
    except OSError as error:
        return problem_in(folder, BadFile(path, found=f"not readable ({error.strerror})", expected="a recording"))
    return None


def _check(path: Path) -> None:
    if not path.is_file():
        raise BadFile(path, found="absent", expected="a recording")
    header = read_header(path)
    if (header.rate_hz, header.n_channels) != (LIBRISPEECH.rate_hz, 1):
        found = f"of {header.rate_hz:,} samples a second, {header.n_channels} channels"
        raise BadFile(path, found=found, expected=f"{LIBRISPEECH.rate_hz:,}, one channel")
    if not header.n_samples:
        raise BadFile(path, found="without sound", expected="a recording")
    if path.suffix == ".wav" and path.stat().st_size < 2 * header.n_samples:
        found = f"{path.stat().st_size:,} bytes long"
        raise BadFile(path, found=found, expected=f"{header.n_samples:,} samples of 16 bits, as its header says")
