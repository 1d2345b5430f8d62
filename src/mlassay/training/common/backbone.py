"""ImageNet weights for a detector's backbone: a state dictionary with torchvision's names, read without pickle."""

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
    path = (folder or Path()) / name
    if not path.is_file():
        raise BadFile(
            path,
            found="absent",
            expected="the backbone's ImageNet weights, a state dictionary with torchvision's names",
            hint="without them: --set backbone=none (open division)",
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnpicklingError) as error:
        raise BadFile(path, found="not a readable state dictionary", expected="a file written by torch.save") from error
    if not isinstance(state, dict):
        raise BadFile(path, found=f"a {type(state).__name__}", expected="a dictionary of tensors")
    ours = backbone.state_dict()
    blocks = stage_starts(state)
    renamed = {own_name(k, blocks): v for k, v in state.items() if isinstance(v, Tensor)}
    for key, tensor in ours.items():
        found = renamed.get(key)
        if found is None or found.shape != tensor.shape:
            shape = "absent" if found is None else f"of shape {tuple(found.shape)}"
            raise BadFile(path, key=key, found=shape, expected=f"shape {tuple(tensor.shape)}")
    backbone.load_state_dict({key: renamed[key] for key in ours})


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
