"""The reference GNMT: the published TensorFlow variables into our own definition, and its way to ONNX.

Needs torch; imported only when a model must be made or measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlassay.core.errors import BadFile
from mlassay.tasks.checkpoint import OPSET
from mlassay.tasks.translation.beam import BeamSearch
from mlassay.tasks.translation.gnmt import REFERENCE, Gnmt, Recipe

INPUTS = ("source", "source_length")
OUTPUT = "target"
_CELL = "basic_lstm_cell"
_ROOT = "dynamic_seq2seq/"


def published_names(recipe: Recipe) -> dict[str, str]:
    """Our modules and tensors to the variables of the published TensorFlow checkpoint (translate.ckpt)."""
    names = {
        "encoder.words.weight": "embeddings/encoder/embedding_encoder",
        "encoder.forth": f"encoder/bidirectional_rnn/fw/{_CELL}",
        "encoder.back": f"encoder/bidirectional_rnn/bw/{_CELL}",
        "decoder.words.weight": "embeddings/decoder/embedding_decoder",
        "decoder.key.weight": "decoder/memory_layer/kernel",
        "decoder.out.weight": "decoder/output_projection/kernel",
    }
    for k in range(recipe.encoder_layers - 1):
        names[f"encoder.layers.{k}"] = f"encoder/rnn/multi_rnn_cell/cell_{k}/{_CELL}"
    attention = "decoder/multi_rnn_cell/cell_0_attention/attention"
    names["decoder.layers.0"] = f"{attention}/{_CELL}"
    for k in range(1, recipe.decoder_layers):
        names[f"decoder.layers.{k}"] = f"decoder/multi_rnn_cell/cell_{k}/{_CELL}"
    for ours, theirs in (("query.weight", "query_layer/kernel"), ("score", "attention_v")):
        names[f"decoder.{ours}"] = f"{attention}/bahdanau_attention/{theirs}"
    for ours, theirs in (("scale", "attention_g"), ("shift", "attention_b")):
        names[f"decoder.{ours}"] = f"{attention}/bahdanau_attention/{theirs}"
    return {ours: _ROOT + theirs if "embedding" not in theirs else theirs for ours, theirs in names.items()}


def load_published(path: Path, recipe: Recipe = REFERENCE) -> Gnmt:
    """The variables of the published checkpoint, saved as .npz by name (docs/tasks/translation.md says how)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            published = {name.split(":")[0].removeprefix(_ROOT): archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise BadFile(path, found=f"not an .npz of arrays ({error})", expected="GNMT's variables by name") from error
    return fill(Gnmt(recipe), published, recipe, path)


def fill(network: Gnmt, published: Mapping[str, Any], recipe: Recipe, path: Path) -> Gnmt:
    """Kernels are transposed; the gates i, j, f, o of TensorFlow become i, f, j, o, the forget bias is added."""
    state: dict[str, torch.Tensor] = {}
    missing: list[str] = []
    for ours, full in published_names(recipe).items():
        theirs = full.removeprefix(_ROOT).removeprefix("embeddings/")
        candidates = {name.removeprefix("embeddings/"): name for name in published}

        def take(suffix: str, theirs: str = theirs, known: Mapping[str, str] = candidates) -> Any:
            name = theirs + suffix
            short = name.replace("encoder/embedding_encoder", "encoder/embedding_encoder")
            if short not in known:
                missing.append(name)
                return None
            return np.asarray(published[known[short]], np.float32)

        if full.endswith(_CELL):
            kernel, bias = take("/kernel"), take("/bias")
            if kernel is not None and bias is not None:
                state.update(_cell(ours, kernel, bias, recipe.units))
            continue
        value = take("")
        if value is not None:
            turned = value.T if theirs.endswith("kernel") else value
            state[ours] = torch.from_numpy(np.array(turned, np.float32))
    wanted = network.state_dict()
    wrong = [n for n, v in state.items() if tuple(v.shape) != tuple(wanted[n].shape)]
    if missing or wrong:
        found = f"without {', '.join(missing[:3])}" if missing else f"with {wrong[0]} of {tuple(state[wrong[0]].shape)}"
        raise BadFile(path, found=found, expected="every variable of the published GNMT")
    network.load_state_dict(state)
    network.eval()
    return network


def _cell(ours: str, kernel: Any, bias: Any, units: int) -> dict[str, torch.Tensor]:
    i, j, f, o = (torch.from_numpy(part.T.copy()) for part in np.split(kernel, 4, axis=1))  # each (D, inputs + D)
    whole = torch.cat([i, f, j, o])
    bi, bj, bf, bo = np.split(bias, 4)
    inputs = kernel.shape[0] - units
    return {
        f"{ours}.input_weight": whole[:, :inputs].contiguous(),
        f"{ours}.hidden_weight": whole[:, inputs:].contiguous(),
        f"{ours}.bias": torch.from_numpy(np.concatenate([bi, bf + 1.0, bj, bo]).astype(np.float32)),
    }


def export(
    network: Gnmt, path: Path, *, beams: int = 10, alpha: float = 1.0, beta: float = 0.1, longest: int = 160
) -> None:
    """Write network and beam search as one ONNX file; batch and source length free."""
    example = (torch.full((2, 5), 3), torch.tensor([5, 4]))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter of scripted loops talks of its age, and of shapes that it cannot tell
        search = torch.jit.script(BeamSearch(network.eval(), beams=beams, alpha=alpha, beta=beta, longest=longest))
        torch.onnx.export(
            search,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={"source": {0: "batch", 1: "pieces"}, "source_length": {0: "batch"}, "target": {0: "batch"}},
        )
