"""Reference networks: published checkpoints loaded into our own definitions, and their way to ONNX.

Needs torch; imported only when a model must be made. The networks stand in mobilenet.py and efficientnet.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from mlassay.core.errors import BadFile

OPSET = 13
"""Old enough that every runtime reads it."""


def load_checkpoint(network: nn.Module, path: Path, key_of: Callable[[str], str]) -> nn.Module:
    """Fill the network from a state dictionary whose names are `key_of(our name)`; every tensor must be used."""
    published = torch.load(path, map_location="cpu", weights_only=True)
    wanted = {ours: key_of(ours) for ours in network.state_dict()}
    absent = [theirs for theirs in wanted.values() if theirs not in published]
    left = sorted(set(published) - set(wanted.values()))
    if absent or left:
        raise BadFile(
            path,
            found=f"without {', '.join(absent[:3]) or 'nothing'} and with {', '.join(left[:3]) or 'nothing'} left over",
            expected=f"exactly the {len(wanted)} tensors of {type(network).__name__}",
        )
    network.load_state_dict({ours: published[theirs] for ours, theirs in wanted.items()})
    return network.eval()


def export_onnx(network: nn.Module, sample_shape: tuple[int, ...], path: Path) -> None:
    """One input "image", one output "logits", batch size free, batch normalisation folded into the convolutions."""
    with warnings.catch_warnings():
        # the older exporter is said to be on its way out; it alone still writes this opset
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding")  # of a padding's shape: nothing is lost
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, *sample_shape),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
