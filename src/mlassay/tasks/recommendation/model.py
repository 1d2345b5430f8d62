"""Reference recommenders: published weights loaded into our own definitions, and their way to ONNX.

Needs torch; imported only when a model must be made. At full size the tables alone take 104 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from mlassay.core.errors import MachineProblem
from mlassay.tasks.checkpoint import Key, export_onnx, load_checkpoint
from mlassay.tasks.recommendation.networks import DLRM, DLRM_DCNV2, ClickNetwork, Recipe, dlrm_key, torchrec_key

REFERENCES: Mapping[str, tuple[Recipe, Key]] = {"dlrm": (DLRM, dlrm_key), "dlrm-v2": (DLRM_DCNV2, torchrec_key)}


def reference_network(name: str, checkpoint: Path | None = None, *, most_rows: int = 0, seed: int = 0) -> ClickNetwork:
    """The network with the checkpoint's weights; with random ones (same seed, same weights) where none is given.

    `most_rows` cuts the tables, for machines without 104 GB; such a network is not the reference any more.
    """
    recipe, key_of = REFERENCES[name]
    if most_rows:
        recipe = replace(recipe, rows=tuple(min(rows, most_rows) for rows in recipe.rows))
    torch.manual_seed(seed)
    try:
        network = ClickNetwork(recipe)
    except RuntimeError as error:  # torch's allocator
        raise MachineProblem(
            f"{name} does not fit into memory: its tables have {sum(recipe.rows):,} rows of {recipe.width} floats",
            hint="give most_rows to cut the tables, for a try that is not the reference",
        ) from error
    if checkpoint is not None:
        load_checkpoint(network, checkpoint, key_of)
    network.eval()
    return network


def export(network: ClickNetwork, path: Path) -> None:
    """As ONNX: inputs "dense" (pairs, features) and "ids" (pairs, all ids, int32), output "click" (pairs,)."""
    recipe = network.recipe
    example = (torch.zeros(2, recipe.dense), torch.zeros(2, sum(recipe.hot), dtype=torch.int32))
    export_onnx(network, example, path, inputs=("dense", "ids"), outputs=("click",))
