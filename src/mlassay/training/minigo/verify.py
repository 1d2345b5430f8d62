"""Is what judges MiniGo there and readable: games of professionals, or the fixed opponent's checkpoint?"""

from __future__ import annotations

from pathlib import Path

from mlassay.core.data_report import DataReport, counted
from mlassay.training.benchmark import Surroundings
from mlassay.training.minigo.recipe import MinigoConfig, make


def verify(folder: Path, config: MinigoConfig) -> DataReport:
    """Every game is played through on a board; a checkpoint's tensors are held against the network's."""
    by_moves = config.evaluation == "moves"

    def count() -> dict[str, int]:
        benchmark = make(config, "reference", Surroundings(seed=1, data=folder))
        benchmark.build()
        n_eval = benchmark.load().eval_samples
        return {"moves that are asked for": n_eval} if by_moves else {"games against the opponent": n_eval}

    note = "how many games the reference has is not known here" if by_moves else "which checkpoint it is cannot be told"
    name = "games in SGF" if by_moves else f"the fixed opponent {config.opponent}"
    return counted(name, folder, count, {}, notes=(note,))
