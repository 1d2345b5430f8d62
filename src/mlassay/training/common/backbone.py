"""Weights from files, read without pickle: ImageNet's for a detector's backbone, with torchvision's names."""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from mlassay.core.errors import BadFile


def load_backbone(backbone: nn.Module, folder: Path | None, name: str) -> None:
    """Fill a backbone of `stem` and `stages` from FOLDER/NAME; "none" leaves it as it is. Raises BadFile."""
    if name == "none":
        return
    tensors = backbone_tensors(backbone, (folder or Path()) / name)
    backbone.load_state_dict({key: tensors[key] for key in backbone.state_dict()})


def backbone_tensors(backbone: nn.Module, path: Path) -> dict[str, Tensor]:
    """What a file holds, by our names; everything that the backbone wants is there. Raises BadFile.

    Batch norm's count of batches may be absent, as from torchvision's files: PyTorch of their time had none, nothing
    depends on it. It is the backbone's own then.
    """
    wanted = "the backbone's ImageNet weights, a state dictionary with torchvision's names"
    state = read_tensors(path, wanted, "--set backbone=none")
    blocks = stage_starts(state)
    renamed = {own_name(k, blocks): v for k, v in state.items()}
    counts = {k: v for k, v in backbone.state_dict().items() if k.endswith(".num_batches_tracked")}
    renamed = counts | renamed
    check_shapes(path, renamed, backbone)
    return renamed


def read_tensors(path: Path, wanted: str, way_out: str) -> dict[str, Tensor]:
    """The tensors of a state dictionary, or of the model in a checkpoint of a run. Raises BadFile."""
    if not path.is_file():
        raise BadFile(path, found="absent", expected=wanted, hint=f"without them: {way_out} (open division)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnpicklingError) as error:
        raise BadFile(path, found="not a readable state dictionary", expected="a file written by torch.save") from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict):
        raise BadFile(path, found=f"a {type(state).__name__}", expected="a dictionary of tensors")
    return {k: v for k, v in state.items() if isinstance(v, Tensor)}


def check_shapes(path: Path, tensors: dict[str, Tensor], net: nn.Module) -> None:
    """Raises BadFile at the first tensor of the network that a file lacks, or has in another shape."""
    for key, tensor in net.state_dict().items():
        found = tensors.get(key)
        if found is None or found.shape != tensor.shape:
            shape = "absent" if found is None else f"of shape {tuple(found.shape)}"
            raise BadFile(path, key=key, found=shape, expected=f"shape {tuple(tensor.shape)}")


def stage_starts(names: dict[str, Tensor]) -> dict[int, int]:
    """torchvision's stage number to the number of its first block among all blocks."""
    blocks = {(int(m[1]), int(m[2])) for n in names if (m := re.match(r"layer(\d+)\.(\d+)\.", n))}
    return {stage: sum(s < stage for s, _ in blocks) for stage, _ in blocks}


def own_name(name: str, starts: dict[int, int]) -> str:
    """torchvision's name of a parameter to ours: layer2.0.bn1.weight to stages.3.body.1.weight."""
    if m := re.match(r"layer(\d+)\.(\d+)\.(conv|bn)(\d)\.(.*)", name):
        part = 3 * (int(m[4]) - 1) + (m[3] == "bn")
        return f"stages.{starts[int(m[1])] + int(m[2])}.body.{part}.{m[5]}"
    if m := re.match(r"layer(\d+)\.(\d+)\.downsample\.(.*)", name):
        return f"stages.{starts[int(m[1])] + int(m[2])}.shortcut.{m[3]}"
    return name.replace("conv1.", "stem.0.", 1) if name.startswith("conv1.") else re.sub(r"^bn1\.", "stem.1.", name)
