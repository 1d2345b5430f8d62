"""Several processes for one run, started by torchrun: one group, one seed, one log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """This process among those of its run."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0


def place() -> Place:
    """What torchrun put into the environment; alone when it did not start us."""
    if "TORCHELASTIC_RUN_ID" not in os.environ and "WORLD_SIZE" not in os.environ:
        return Place()
    env = os.environ
    return Place(int(env.get("RANK", 0)), int(env.get("WORLD_SIZE", 1)), int(env.get("LOCAL_RANK", 0)))


@contextmanager
def group(here: Place, device: str) -> Iterator[None]:
    """Join the group for the time of a run: NCCL between GPUs, gloo between CPUs."""
    if here.world_size == 1:
        yield
        return
    import torch.distributed as dist

    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
        dist.barrier()  # torch 2.14's gloo sometimes aborts when one process leaves before another
    finally:
        dist.destroy_process_group()


def shared(value: int, here: Place) -> int:
    """The first process's number, in all of them."""
    if here.world_size == 1:
        return value
    import torch.distributed as dist

    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def agreed(decision: bool, here: Place) -> bool:
    """The first process's decision, in all of them."""
    return bool(shared(int(decision), here))
