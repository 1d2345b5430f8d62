"""Are the packed rows of GovReport and the base model whole?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mlassay.core.data_report import DataProblem, DataReport, count_problems, problem_in
from mlassay.core.errors import BadFile
from mlassay.training.lora.base import empty_model, located, open_tensors
from mlassay.training.lora.data import Labelled, read_packed
from mlassay.training.lora.recipe import PACKED, RANDOM, LoraConfig

PUBLISHED = {"training rows": 3_901, "validation rows": 173}
"""GovReport joined and cut into rows of 8192 tokens, as the reference hands it out."""

PARTS = {"train": "training rows", "validation": "validation rows"}


def verify(folder: Path, config: LoraConfig) -> DataReport:
    """Every token and label of all rows; of the base the names and shapes of its tensors, not their values."""
    counts: dict[str, int] = {}
    problems: list[DataProblem] = []
    for part, what in PARTS.items():
        try:
            rows = read_packed(folder, part, config.sequence_length, config.vocabulary)
            counts[what] = rows.n
            problems += _unfilled(part, rows)
        except BadFile as error:
            problems.append(problem_in(folder, error))
    published = {what: n for what, n in PUBLISHED.items() if what in counts}
    problems += count_problems(counts, published, folder.name)
    note = "the values of the base's tensors were not read"
    if config.base_weights in (PACKED, RANDOM):
        note = f"base_weights is {config.base_weights!r}: there is no base in the folder to look at"
    else:
        counts["tensors of the base"], faults = _base(folder, config)
        problems += faults
    return DataReport(
        dataset="GovReport in packed rows, and Llama 2",
        folder=folder,
        counts=counts,
        problems=tuple(problems),
        notes=(note,),
    )


def _unfilled(part: str, rows: Labelled) -> Iterator[DataProblem]:
    """A row of one token throughout is no text: a file that was made at full size, but not filled."""
    alike = (rows.tokens == rows.tokens[:, :1]).all(1)
    if alike.any():
        row = int(np.argmax(alike))
        yield DataProblem(f"{part}: row {row:,}", f"all {rows.tokens[row, 0]}", "a text")


def _base(folder: Path, config: LoraConfig) -> tuple[int, list[DataProblem]]:
    """How many of the model's tensors are there, in its own names, and what is wrong with the others."""
    path = folder / config.base_weights
    try:
        tensors = open_tensors(path)
    except BadFile as error:
        return 0, [problem_in(folder, error)]
    n_found, problems = 0, []
    for name, wanted in empty_model(config).state_dict().items():
        try:
            located(path, tensors, name, tuple(wanted.shape))
            n_found += 1
        except BadFile as error:
            problems.append(problem_in(folder, error))
    return n_found, problems
