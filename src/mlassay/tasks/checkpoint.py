"""Reference networks of any task: published weights into our own definitions, their size and work counted, ONNX made.

Needs torch; imported only when a model must be made or measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlassay.core.errors import BadFile, MachineProblem

OPSET = 13
"""Old enough that every runtime reads it."""

Key = Callable[[str], str]
_COUNTERS = "num_batches_tracked"  # of batch normalisation: training keeps it, some checkpoints do not


def load_checkpoint(network: nn.Module, path: Path, key_of: Key) -> nn.Module:
    """Fill the network from a file of weights whose names are `key_of(our name)`; every tensor must be used and fit."""
    return load_weights(network, read_checkpoint(path), key_of, path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state dictionary in a file, bare or under "model", "state_dict" or a like name."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise MachineProblem(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # torch reports foreign files by many kinds of error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadFile(
            path, found=f"not a PyTorch file of weights ({reason[:120]})", expected="a saved state dictionary"
        ) from error
    for name in ("model", "state_dict", "model_state_dict", "best_model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not content:
        raise BadFile(path, found=f"a {type(content).__name__}", expected="a saved state dictionary")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def load_weights(network: nn.Module, published: Mapping[str, Any], key_of: Key, path: Path) -> nn.Module:
    """As load_checkpoint, from a dictionary that is read already."""
    ours = network.state_dict()
    wanted = {name: key_of(name) for name in ours}
    absent = [theirs for name, theirs in wanted.items() if theirs not in published and not name.endswith(_COUNTERS)]
    left = sorted(name for name in set(published) - set(wanted.values()) if not name.endswith(_COUNTERS))
    if absent or left:
        raise BadFile(
            path,
            found=f"without {', '.join(absent[:3]) or 'nothing'} and with {', '.join(left[:3]) or 'nothing'} left over",
            expected=f"exactly the {len(wanted)} tensors of {type(network).__name__}",
        )
    for name, theirs in wanted.items():
        if theirs in published and tuple(published[theirs].shape) != tuple(ours[name].shape):
            raise BadFile(
                path,
                key=theirs,
                found=f"of shape {tuple(published[theirs].shape)}",
                expected=f"{tuple(ours[name].shape)}",
            )
    network.load_state_dict({name: published.get(theirs, ours[name]) for name, theirs in wanted.items()})
    return network.eval()


def parameter_count(network: nn.Module) -> int:
    """Trained numbers; running means and variances are not among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def operation_count(network: nn.Module, *shapes: Sequence[int], dtypes: Sequence[Any] = ()) -> int:
    """Operations of convolutions and matrix products for inputs of the given shapes: two per multiply-add.

    Runs on torch's meta device: nothing is computed, no memory is taken.
    """
    from torch.utils.flop_counter import FlopCounterMode

    kinds = list(dtypes) or [torch.float32] * len(shapes)
    inputs = [torch.empty(tuple(s), dtype=kind, device="meta") for s, kind in zip(shapes, kinds, strict=True)]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.to("meta").eval()(*inputs)
    return int(counter.get_total_flops())


def export_onnx(
    network: nn.Module,
    example: Sequence[torch.Tensor],
    path: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int = OPSET,
    free: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write the network as ONNX, the first dimension of every input and output free (`free` says otherwise)."""
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)} if free is None else free
    with warnings.catch_warnings():
        # the older exporter is said to be on its way out; it alone still writes this opset
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding")  # of a padding's shape: nothing is lost
        warnings.filterwarnings("ignore", "ONNX export mode is set to TrainingMode.EVAL")  # of instance normalisation,
        # which takes its statistics from the input in either mode
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # shapes are fixed on purpose
        torch.onnx.export(
            network.eval(),
            tuple(example),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(one) for name, one in axes.items()},
        )
