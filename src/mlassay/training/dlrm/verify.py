"""Is Criteo 1TB, as arrays, whole?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlassay.core.data_report import DataReport, counted
from mlassay.core.errors import BadFile
from mlassay.training.common.ends import both_ends
from mlassay.training.dlrm.data import load
from mlassay.training.dlrm.recipe import DlrmConfig

PUBLISHED = {"evaluation rows": 89_137_319}
"""Half of the last of 24 days; the other 23 are trained on."""

LOOKED_AT = 1 << 20
"""Rows of either end of a table whose values are looked at: the whole is hundreds of gigabytes."""


def verify(folder: Path, config: DlrmConfig) -> DataReport:
    """Shapes and numbers of rows of all six arrays, and the values of their first and last million rows."""

    def count() -> dict[str, int]:
        train, evaluation = load("criteo", folder, config.n_dense, config.rows, config.hots)
        for part, table in (("train", train), ("eval", evaluation)):
            for rows in both_ends(len(table), LOOKED_AT):
                dense, _, labels = table.take(np.arange(rows.start, rows.stop))
                if not np.isfinite(dense).all():
                    raise BadFile(folder / f"{part}_dense.npy", found="not finite somewhere", expected="numbers")
                if not np.isin(labels, (0, 1)).all():
                    raise BadFile(folder / f"{part}_labels.npy", found="not only 0 and 1", expected="0 or 1")
        return {"training rows": len(train), "evaluation rows": len(evaluation)}

    return counted("Criteo 1TB", folder, count, PUBLISHED)
