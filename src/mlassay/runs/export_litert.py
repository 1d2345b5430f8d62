"""A PyTorch module as a TFLite file, by Google's converter (litert-torch).

The converter has no convolution over volumes that LiteRT could run, so these are taken apart into convolutions over
slices first: the same products, summed in another order. Needs torch; imported only when such a file is made.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mlassay.core.errors import MissingDependency, UsageError


def write_tflite(module: nn.Module, example: tuple[Any, ...], path: Path) -> None:
    """The sizes of `example`, the batch among them, are fixed in the file. UsageError where the converter gives up."""
    with warnings.catch_warnings(), _noise_to_stderr():
        warnings.simplefilter("ignore")  # of the converter and what it imports; the result is compared afterwards
        try:
            import litert_torch
        except ModuleNotFoundError as error:
            raise MissingDependency("litert-torch", extra="export-litert", why="it writes .tflite files") from error
        try:
            litert_torch.convert(InSlices(module).eval(), example).export(str(path))
        except UsageError:
            raise
        except Exception as error:  # whatever a compiler of another project raises
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"litert-torch cannot convert this model: {reason[:300]}",
                hint="--to openvino, onnx and torchscript need no such conversion",
            ) from error


class InSlices(nn.Module):
    """The module with its convolutions over volumes as convolutions over slices."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *given: Tensor) -> Any:
        with _Slicing():
            return self.module(*given)


class _Slicing(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ours = {torch.conv3d: conv3d, torch.conv_transpose3d: conv_transpose3d}.get(func, func)
        return ours(*args, **(kwargs or {}))


def conv3d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    dilation: Sequence[int] = (1, 1, 1),
    groups: int = 1,
) -> Tensor:
    """(B, C, D, H, W) -> (B, O, D', H', W'): each slice with its neighbours as one picture of more channels."""
    if groups != 1:
        raise UsageError("a convolution over volumes in groups cannot be given to LiteRT")
    kernel = w.shape[2]
    x = nn.functional.pad(x, (0, 0, 0, 0, padding[0], padding[0])) if padding[0] else x
    depth = (x.shape[2] - dilation[0] * (kernel - 1) - 1) // stride[0] + 1
    starts = [k * dilation[0] for k in range(kernel)]
    near = torch.cat([x[:, :, k : k + (depth - 1) * stride[0] + 1 : stride[0]] for k in starts], 1)
    flat = w.transpose(1, 2).reshape(w.shape[0], -1, *w.shape[3:])  # (O, k C, kH, kW)
    found = torch.conv2d(_slices(near), flat, b, stride[1:], padding[1:], dilation[1:])
    return _volume(found, depth)


def conv_transpose3d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    output_padding: Sequence[int] = (0, 0, 0),
    groups: int = 1,
    dilation: Sequence[int] = (1, 1, 1),
) -> Tensor:
    """(B, C, D, H, W) -> (B, O, k D, H', W'): each slice becomes as many as the kernel is deep."""
    kernel = w.shape[2]
    if groups != 1 or not (kernel == stride[0] and padding[0] == output_padding[0] == 0 and dilation[0] == 1):
        raise UsageError("a transposed convolution over volumes whose steps overlap in depth cannot be given to LiteRT")
    slices = _slices(x)
    rest = (stride[1:], padding[1:], output_padding[1:], 1, dilation[1:])
    made = torch.stack([torch.conv_transpose2d(slices, w[:, :, k], b, *rest) for k in range(kernel)], 1)
    return _volume(made.flatten(0, 1), x.shape[2] * kernel)


def _slices(x: Tensor) -> Tensor:
    """(B, C, D, H, W) -> (B D, C, H, W)."""
    return x.transpose(1, 2).flatten(0, 1)


def _volume(x: Tensor, depth: int) -> Tensor:
    """(B D, C, H, W) -> (B, C, D, H, W)."""
    return x.unflatten(0, (-1, depth)).transpose(1, 2)


@contextlib.contextmanager
def _noise_to_stderr() -> Iterator[None]:
    """The converter tells its progress on standard output, which is ours."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
