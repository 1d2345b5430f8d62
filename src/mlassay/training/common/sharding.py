"""FSDP: each process keeps a part of every parameter, its gradient and its optimiser state (PyTorch's FSDP2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard


def shard(net: nn.Module, parts: Iterable[nn.Module], device: torch.device, world_size: int) -> None:
    """Cut the parameters of `net` among all processes, in place; each of `parts` is gathered only while it computes.

    Must come before the optimiser is made. What no part holds (embedding, output) is gathered for a whole step.
    """
    mesh = init_device_mesh(device.type, (world_size,))
    for part in parts:
        fully_shard(part, mesh=mesh)
    fully_shard(net, mesh=mesh)


def hold_gradients(net: nn.Module, hold: bool) -> None:
    """While held, gradients add up in each process and are not exchanged."""
    assert isinstance(net, FSDPModule)
    net.set_requires_gradient_sync(not hold)


def whole_state(
    net: nn.Module, optimizer: torch.optim.Optimizer, *, with_frozen: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both states by parameters' names, put together in the first process; empty in others. All must call it."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=not with_frozen)
    return get_model_state_dict(net, options=options), get_optimizer_state_dict(net, optimizer, options=options)


def take_up_whole_state(
    net: nn.Module, optimizer: torch.optim.Optimizer, model_state: dict[str, Any], optimizer_state: dict[str, Any]
) -> None:
    """The reverse: every process gives the whole state and takes its part. Tensors that it lacks stay as they are."""
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(net, model_state, options=options)
    set_optimizer_state_dict(net, optimizer, optimizer_state, options=options)
