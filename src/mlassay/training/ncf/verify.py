"""Is MovieLens-20M whole?"""

from __future__ import annotations

from pathlib import Path

from mlassay.core.data_report import DataReport, counted
from mlassay.training.ncf.data import from_ratings
from mlassay.training.ncf.recipe import NcfConfig

PUBLISHED = {"users": 138_493, "items": 26_744, "training pairs": 19_861_770}
"""All users have at least 20 ratings; of each, the last is held out."""


def verify(folder: Path, config: NcfConfig) -> DataReport:
    """Reads every rating, as the benchmark does."""

    def count() -> dict[str, int]:
        data = from_ratings(folder, config.min_interactions)
        return {"users": data.n_users, "items": data.n_items, "training pairs": len(data.users)}

    return counted("MovieLens-20M", folder, count, PUBLISHED)
