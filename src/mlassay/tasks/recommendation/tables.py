"""Shapes of the Criteo benchmark: features, rows per table, ids per row."""

from __future__ import annotations

CRITEO_DENSE = 13

CRITEO_ROWS_PER_TABLE = (
    40_000_000, 39_060, 17_295, 7_424, 20_265, 3, 7_122, 1_543, 63, 40_000_000, 3_067_956, 405_282, 10, 2_209,
    11_938, 155, 4, 976, 14, 40_000_000, 40_000_000, 40_000_000, 590_152, 12_973, 108, 36,
)  # fmt: skip
"""Rows of the 26 tables of Criteo 1TB, capped at forty million: 204,184,588 together."""

CRITEO_HOT = (3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1)
"""Ids per row and table in the synthetic multi-hot data set: 214 together."""

MOST_ROWS = 40_000_000
"""Ids of the one-hot data set are taken modulo this (the reference's --max-ind-range)."""
