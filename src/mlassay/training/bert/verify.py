"""Are the arrays of BERT's prepared examples whole?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.data_report import DataProblem, DataReport, count_problems, problem_in
from mlassay.core.errors import BadFile
from mlassay.training.bert.data import FIELDS, read_field
from mlassay.training.bert.recipe import BertConfig
from mlassay.training.common.ends import both_ends, out_of_range

PUBLISHED = {"evaluation examples": 10_000}
"""Picked evenly from the shard held out."""

LOOKED_AT = 10_000
"""Rows of either end of an array whose values are looked at: the whole is hundreds of gigabytes."""

Fields = dict[str, np.ndarray[tuple[int, ...], np.dtype[Any]]]


def verify(folder: Path, config: BertConfig) -> DataReport:
    """Types, widths and numbers of rows of all fourteen arrays, and the values of their first and last 10,000 rows."""
    counts: dict[str, int] = {}
    problems: list[DataProblem] = []
    for part, what in (("train", "training examples"), ("eval", "evaluation examples")):
        fields: Fields = {}
        if not (folder / part).is_dir():
            problems.append(DataProblem(f"{part}/", "absent", "a folder of arrays"))
            continue
        for name in FIELDS:
            try:
                fields[name] = read_field(folder / part, name)
            except BadFile as error:
                problems.append(problem_in(folder, error))
        faults = list(_faults(part, fields, config))
        problems += faults
        if len(fields) == len(FIELDS) and not faults:
            problems += _strays(part, fields)
        if "input_ids" in fields:
            counts[what] = len(fields["input_ids"])
    published = {what: n for what, n in PUBLISHED.items() if what in counts}
    return DataReport(
        dataset="masked examples of Wikipedia",
        folder=folder,
        counts=counts,
        problems=(*problems, *count_problems(counts, published, folder.name)),
        notes=("no published number of training examples is known here: it was not compared",),
    )


def _faults(part: str, fields: Fields, c: BertConfig) -> Iterator[DataProblem]:
    """Arrays of another type or width, of fewer or more rows than `input_ids`, or with values out of range."""
    t, p, v = c.sequence_length, c.n_predictions, c.vocabulary
    forms = {  # width, and how many values there are, from 0
        "input_ids": (t, v), "input_mask": (t, 2), "segment_ids": (t, 2), "masked_lm_positions": (p, t),
        "masked_lm_ids": (p, v), "masked_lm_weights": (p, 2), "next_sentence_labels": (1, 2),
    }  # fmt: skip
    n = len(fields["input_ids"]) if "input_ids" in fields else None
    for name, array in fields.items():
        (width, n_values), where = forms[name], f"{part}/{name}.npy"
        kinds = "iuf" if name == "masked_lm_weights" else "iu"
        widths = ((1,), ()) if width == 1 else ((width,),)
        if array.dtype.kind not in kinds or array.shape[1:] not in widths:
            yield DataProblem(where, f"{array.shape} of {array.dtype}", f"({n or 'rows'}, {width}) of whole numbers")
        elif n is not None and len(array) != n:
            yield DataProblem(where, f"{len(array):,} rows long", f"{n:,}, as input_ids.npy")
        elif not len(array):
            yield DataProblem(where, "without rows", "an example a row")
        else:
            yield from out_of_range(where, "rows", array, n_values, LOOKED_AT)


def _strays(part: str, fields: Fields) -> Iterator[DataProblem]:
    """An example has tokens, and a prediction that counts stands at one of them, not at padding."""
    for rows in both_ends(len(fields["input_ids"]), LOOKED_AT):
        is_token = fields["input_mask"][rows] == 1
        bare = ~is_token.any(1)
        if bare.any():
            where = f"{part}/input_mask.npy: row {rows.start + int(np.argmax(bare)):,}"
            yield DataProblem(where, "without a token", "an example")
            return
        at_token = np.take_along_axis(is_token, fields["masked_lm_positions"][rows], 1)
        stray = ((fields["masked_lm_weights"][rows] != 0) & ~at_token).any(1)
        if stray.any():
            where = f"{part}/masked_lm_positions.npy: row {rows.start + int(np.argmax(stray)):,}"
            yield DataProblem(where, "at padding", "positions of tokens")
            return
