"""The reference BERT: published checkpoints into our own definition, and its way to ONNX.

Needs torch; imported only when a model must be made or measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mlassay.tasks.checkpoint import export_onnx, load_weights, read_checkpoint
from mlassay.tasks.language.bert import LARGE, Bert, Recipe, published_key

INPUTS = ("input_ids", "input_mask", "segment_ids")
OUTPUTS = ("output_start_logits", "output_end_logits")
_UNUSED = ("bert.pooler.", "bert.embeddings.position_ids", "cls.")


def load_published(path: Path, recipe: Recipe = LARGE) -> Bert:
    """A checkpoint of BertForQuestionAnswering (Hugging Face's or the one converted from TensorFlow)."""
    network = Bert(recipe)
    load_weights(network, renamed(read_checkpoint(path)), published_key, path)
    return network


def renamed(published: Mapping[str, Any]) -> dict[str, Any]:
    """Older spellings to today's: gamma and beta, the head as "classifier"; parts that answering does not use go."""
    found = {}
    for name, value in published.items():
        if name.startswith(_UNUSED):
            continue
        name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        found[name.replace("classifier.", "qa_outputs.") if name.startswith("classifier.") else name] = value
    return found


def export(network: Bert, path: Path, length: int, opset: int = 13) -> None:
    """Names of inputs and outputs as in the reference's ONNX file; batch size free, `length` fixed."""
    zeros = torch.zeros(1, length, dtype=torch.int64)
    export_onnx(network, (zeros, torch.ones_like(zeros), zeros), path, inputs=INPUTS, outputs=OUTPUTS, opset=opset)
