"""Are Megatron's indexed files whole, and of the model's vocabulary?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlassay.core.data_report import DataProblem, DataReport, problem_in
from mlassay.core.errors import BadFile
from mlassay.training.common.ends import all_alike, both_ends, out_of_range
from mlassay.training.llm.data import Index, Windows, read_index, read_indexed
from mlassay.training.llm.recipe import LlmConfig

LOOKED_AT = 1 << 20
"""Entries of either end of an index, and tokens of either end of a .bin file, that are looked at."""


def verify(folder: Path, config: LlmConfig) -> DataReport:
    """All lengths of both indexes against the sizes of the files; starts, documents and tokens of both ends."""
    counts: dict[str, int] = {}
    problems: list[DataProblem] = []
    for part, what, n_wanted in (("train", "training", 1), ("valid", "evaluation", config.n_eval_sequences)):
        try:
            index, tokens = read_index(folder / f"{part}.idx"), read_indexed(folder / part)
        except BadFile as error:
            problems.append(problem_in(folder, error))
            continue
        n_sequences = Windows(tokens, config.sequence_length).n
        counts[f"{what} documents"] = len(index.documents) - 1
        counts[f"{what} tokens"] = len(tokens)
        counts[f"{what} sequences"] = n_sequences
        problems += _index_faults(f"{part}.idx", index)
        problems += out_of_range(f"{part}.bin", "tokens", tokens, config.vocabulary, LOOKED_AT)
        problems += all_alike(f"{part}.bin", "tokens", tokens, LOOKED_AT)
        if n_sequences < n_wanted:
            found = f"{n_sequences:,} sequences of {config.sequence_length:,} tokens"
            problems.append(DataProblem(f"{part}.bin", found, f"{n_wanted:,} or more"))
    return DataReport(
        dataset="C4 as Megatron's indexed files",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        notes=("no published number of tokens is known here: it was not compared",),
    )


def _index_faults(name: str, index: Index) -> Iterator[DataProblem]:
    """Sequences must follow each other without a gap, and documents be made of whole sequences."""
    if index.token_type.kind not in "iu":
        yield DataProblem(name, f"of {index.token_type} tokens", "whole numbers")
    if index.starts_bytes[0]:
        yield DataProblem(f"{name}: sequence 0", f"at byte {index.starts_bytes[0]:,}", "0")
        return
    for entries in both_ends(len(index.lengths), LOOKED_AT):
        starts = index.starts_bytes[entries]
        due = starts[:-1] + index.lengths[entries][:-1].astype(np.int64) * index.token_type.itemsize
        if not np.array_equal(starts[1:], due):
            at = int(np.argmax(starts[1:] != due)) + 1
            where, before = f"{name}: sequence {entries.start + at:,}", f"after sequence {entries.start + at - 1:,}"
            yield DataProblem(where, f"at byte {starts[at]:,}", f"{due[at - 1]:,}, {before}")
            return
    first, last = index.documents[0], index.documents[-1]
    if first != 0 or last != len(index.lengths):
        yield DataProblem(f"{name}: documents", f"from {first:,} to {last:,}", f"from 0 to {len(index.lengths):,}")
    elif any((np.diff(index.documents[part]) < 0).any() for part in both_ends(len(index.documents), LOOKED_AT)):
        yield DataProblem(f"{name}: documents", "in disorder", "rising starts")
