"""The frozen base of a fine-tuning run: Hugging Face's Llama files, a state dictionary of ours, or the packed one.

Weights are inputs here, read tensor by tensor and never written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlassay.core.errors import BadFile, MachineProblem, MissingDependency
from mlassay.training.llm.model import LanguageModel, turns
from mlassay.training.lora.recipe import PACKED, RANDOM, LoraConfig

PACKED_BASE = Path(__file__).parent / "weights" / "english-llama.npz"

WANTED = "a folder of Llama .safetensors files, or a .safetensors, .npz or .pt file"
WITHOUT = "without a base: --set base_weights=none (open division)"


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor on disk: its shape is known, its values are read when asked for."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


Tensors = Mapping[str, Stored]
"""By name. Read one by one, so that only one tensor need be in memory twice."""


def base_model(c: LoraConfig, data: Path | None) -> LanguageModel:
    """The model that will be adapted. Raises BadFile naming the first tensor that is absent or of another shape."""
    dtype = getattr(torch, c.base_dtype)
    if c.base_weights == RANDOM:
        random = LanguageModel(c)
        random.to(dtype)
        return random
    path = PACKED_BASE if c.base_weights == PACKED else (data or Path()) / c.base_weights
    tensors = open_tensors(path)
    net = empty_model(c)
    state = {
        name: fitting(path, tensors, name, tuple(wanted.shape)).to(dtype) for name, wanted in net.state_dict().items()
    }
    net.load_state_dict(state, assign=True)
    net.register_buffer("turn", turns(c.hidden // c.n_heads, c.sequence_length, c.rope_theta), persistent=False)
    return net


def empty_model(c: LoraConfig) -> LanguageModel:
    """Names and shapes without memory for the values."""
    with torch.device("meta"):
        return LanguageModel(c)


def fitting(path: Path, tensors: Tensors, name: str, shape: tuple[int, ...]) -> Tensor:
    """Our tensor of this name: stored under it, or put together from Hugging Face's."""
    read = [part.read() for part in located(path, tensors, name, shape)]
    return read[0] if len(read) == 1 else torch.cat(read)


def located(path: Path, tensors: Tensors, name: str, shape: tuple[int, ...]) -> list[Stored]:
    """The stored tensor of this name, or the parts that make it when stacked by rows. Reads no values."""
    for names in (name,), *published_names(name):
        if not all(part in tensors for part in names):
            continue
        parts = [tensors[part] for part in names]
        if _stacked([part.shape for part in parts]) != shape:
            found = " and ".join(str(part.shape) for part in parts)
            raise BadFile(path, key=name, found=f"of shape {found}", expected=f"shape {shape}")
        return parts
    also = " or ".join(" + ".join(names) for names in published_names(name))
    raise BadFile(path, key=name, found="absent", expected=f"this tensor, or {also}", hint=WITHOUT)


def _stacked(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The shape of tensors joined by rows; None when they do not join."""
    if len(shapes) == 1:
        return shapes[0]
    if not all(shapes) or len({shape[1:] for shape in shapes}) > 1:
        return None
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def published_names(name: str) -> tuple[tuple[str, ...], ...]:
    """Hugging Face's names for a tensor of ours: fused where the file has it so, else its parts, stacked by rows."""
    top = {"embedding.weight": "model.embed_tokens", "norm.weight": "model.norm", "head.weight": "lm_head"}
    if name in top:
        return ((f"{top[name]}.weight",),)
    _, number, rest = name.split(".", 2)
    within: dict[str, tuple[tuple[str, ...], ...]] = {
        "norm_1.weight": (("input_layernorm",),),
        "norm_2.weight": (("post_attention_layernorm",),),
        "attention.qkv.weight": (("self_attn.qkv_proj",), ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
        "attention.out.weight": (("self_attn.o_proj",),),
        "feed_forward.up.weight": (("mlp.gate_proj", "mlp.up_proj"),),
        "feed_forward.down.weight": (("mlp.down_proj",),),
    }
    return tuple(tuple(f"model.layers.{number}.{part}.weight" for part in parts) for parts in within[rest])


def open_tensors(path: Path) -> Tensors:
    if path.is_dir():
        return _sharded(path)
    if not path.is_file():
        raise BadFile(path, found="absent", expected=WANTED, hint=WITHOUT)
    readers = {".safetensors": _safetensors, ".npz": _npz, ".pt": _state, ".pth": _state}
    if path.suffix not in readers:
        raise BadFile(path, found=f"a {path.suffix or 'nameless'} file", expected=WANTED)
    return readers[path.suffix](path)


def _sharded(folder: Path) -> Tensors:
    """The files that the index names, or all there are."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BadFile(index, found="without a weight_map", expected="the index of a sharded model") from error
        if any(Path(str(name)).name != name for name in names):
            raise BadFile(index, found="a name that leads out of its folder", expected="names of files beside it")
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BadFile(folder, found="without .safetensors files", expected=WANTED)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BadFile(folder, found=f"without {shown}", expected=f"all {len(files)} files that {index.name} names")
    return {name: read for file in files for name, read in _safetensors(file).items()}


def _safetensors(path: Path) -> Tensors:
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise MissingDependency("safetensors", extra="training-data", why="it reads .safetensors files") from error
    try:
        with safe_open(path, framework="numpy") as file:  # maps the file without asking for memory, as torch does
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise BadFile(path, found=f"unreadable ({error})", expected="a complete .safetensors file") from error

    @cache
    def opened() -> Any:
        try:
            return safe_open(path, framework="pt")
        except RuntimeError as error:
            raise MachineProblem(f"{path} cannot be mapped: {error}", hint="more memory, or smaller files") from error

    return {name: Stored(shape, partial(_tensor, opened, name)) for name, shape in shapes.items()}


def _tensor(opened: Callable[[], Any], name: str) -> Tensor:
    tensor: Tensor = opened().get_tensor(name)
    return tensor


def _npz(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (ValueError, OSError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(path, found="unreadable", expected="an .npz file of plain arrays") from error
    return {name: _held(tensor) for name, tensor in found.items()}


def _state(path: Path) -> Tensors:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnpicklingError) as error:
        raise BadFile(path, found="not a readable state dictionary", expected="a file written by torch.save") from error
    if not isinstance(state, dict):
        raise BadFile(path, found=f"a {type(state).__name__}", expected="a dictionary of tensors")
    return {str(k): _held(v) for k, v in state.items() if isinstance(v, Tensor)}


def _held(tensor: Tensor) -> Stored:
    return Stored(tuple(tensor.shape), lambda: tensor)
