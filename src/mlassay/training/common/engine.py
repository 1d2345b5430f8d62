"""One PyTorch engine under every benchmark: seeds, device, accumulation, DDP or FSDP, checkpoints.

A benchmark subclasses `TorchBenchmark` and says four things: its model, its optimiser, its data, its loss. The global
batch is cut first among processes, then among accumulation pieces, and each piece's loss is weighted by its size, so
that any arrangement computes the same gradient.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mlassay.core.errors import BadFile, MachineProblem
from mlassay.training.benchmark import Schedule, Spec, StepReport, Surroundings
from mlassay.training.common.order import EpochOrder, Indices, eval_batches, micro_batches, share


class CommonConfig(Protocol):
    """The fields that every benchmark's frozen configuration has."""

    @property
    def global_batch_size(self) -> int: ...
    @property
    def gradient_accumulation_steps(self) -> int: ...
    @property
    def max_epochs(self) -> float: ...
    @property
    def eval_every_epochs(self) -> float: ...
    @property
    def clip_norm(self) -> float: ...


C = TypeVar("C", bound=CommonConfig)


class TorchBenchmark(Generic[C]):
    """The part of `Benchmark` that all PyTorch benchmarks share."""

    drop_last = False
    find_unused_parameters = False
    keeps_frozen = True  # checkpoints hold frozen parameters too
    builds_after_data = False  # the model's shape depends on the data: it is then built on the clock

    def __init__(self, config: C, spec: Spec, around: Surroundings) -> None:
        self.config, self._spec, self.around = config, spec, around
        self.device = _device(around.device)
        self.step_number = 0
        self._sharded = self._by_name = False  # cut up among processes; saved so that any number of them can go on
        self.model: nn.Module
        self.optimizer: torch.optim.Optimizer
        self.order: EpochOrder

    # --- what a benchmark says

    @abstractmethod
    def make_model(self) -> nn.Module: ...

    @abstractmethod
    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer: ...

    @abstractmethod
    def load_data(self) -> tuple[int, int]:
        """Read the data; returns the counts of training and evaluation samples."""

    @abstractmethod
    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        """Mean loss over these training samples; random augmentation draws from `rng`."""

    @abstractmethod
    def evaluate(self) -> Mapping[str, float]: ...

    def learning_rate(self, step: int) -> float | None:
        """For the coming step; None leaves the optimiser's own. Parameter groups may scale it by 'lr_scale'."""
        return None

    def layers_to_shard(self, net: nn.Module) -> Sequence[nn.Module]:
        """The parts of a model for FSDP; without any, each process keeps the whole model (DDP)."""
        return ()

    def order_size(self, n_train: int) -> int:
        """How many samples an epoch goes through, where that differs from the data's count."""
        return n_train

    def make_order(self, n_train: int) -> EpochOrder:
        """Which samples each step trains on."""
        return EpochOrder(self.order_size(n_train), self.config.global_batch_size, self.around.seed, self.drop_last)

    def after_step(self) -> None:
        """Called once the optimiser has moved the weights (an average of weights, say)."""

    # --- the contract

    @property
    def spec(self) -> Spec:
        return self._spec

    @property
    def net(self) -> nn.Module:
        """The model itself, outside any wrapper."""
        inner = self.model.module if isinstance(self.model, nn.parallel.DistributedDataParallel) else self.model
        assert isinstance(inner, nn.Module)
        return inner

    def build(self) -> None:
        if not self.builds_after_data:
            self._build()

    def _build(self) -> None:
        torch.manual_seed(self.around.seed)
        net = self.make_model()
        parts = self.layers_to_shard(net)
        self._by_name, self._sharded = bool(parts), bool(parts) and self.around.world_size > 1
        if self._sharded:
            from mlassay.training.common import sharding

            sharding.shard(net, parts, self.device, self.around.world_size)  # goes to the device layer by layer
        else:
            net = net.to(self.device)
        self.optimizer = self.make_optimizer(net)
        self.model = self._wrap(net)

    def _wrap(self, net: nn.Module) -> nn.Module:
        if self.around.world_size == 1 or self._sharded:
            return net
        ids = None if self.device.type == "cpu" else [self.device]
        return nn.parallel.DistributedDataParallel(
            net, device_ids=ids, find_unused_parameters=self.find_unused_parameters
        )

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        """The reference's names, as in the logs of v1.1 to v2.1, for what one of our parameters holds."""
        return ()

    def initialized_tensors(self) -> list[str]:
        if self.builds_after_data:
            return []
        return list(dict.fromkeys(t for p, _ in self.net.named_parameters() for t in self.tensor_names(p)))

    def load(self) -> Schedule:
        n_train, n_eval = self.load_data()
        if self.builds_after_data:
            self._build()
        self.order = self.make_order(n_train)
        torch.manual_seed(self.around.seed * 1_000_003 + self.around.rank)
        per_epoch = self.order.steps_per_epoch
        return Schedule(
            train_samples=n_train,
            eval_samples=n_eval,
            steps_per_epoch=per_epoch,
            max_steps=self.step_budget(per_epoch),
            eval_every_steps=self.eval_interval(per_epoch),
            first_eval_step=self.first_evaluation(per_epoch),
            eval_at_steps=self.evaluation_steps(per_epoch),
        )

    def step_budget(self, per_epoch: int) -> int:
        return max(1, round(self.config.max_epochs * per_epoch))

    def eval_interval(self, per_epoch: int) -> int:
        """Steps between evaluations."""
        return max(1, round(self.config.eval_every_epochs * per_epoch))

    def first_evaluation(self, per_epoch: int) -> int:
        """The first evaluated step; 0 for the first interval's end."""
        return 0

    def evaluation_steps(self, per_epoch: int) -> tuple[int, ...]:
        """All evaluated steps, where they follow no interval."""
        return ()

    def step(self) -> StepReport:
        self.model.train()
        rate = self.learning_rate(self.step_number)
        if rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
        batch = self.order.batch(self.step_number)
        rng = np.random.default_rng((self.around.seed, self.step_number, self.around.rank))
        loss = self._gradients(batch, rng)
        if self.config.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.step_number += 1
        self.after_step()
        return StepReport(loss, len(batch))

    def _gradients(self, batch: Indices, rng: np.random.Generator) -> float:
        """Gradient of the mean loss over the global batch; returns that loss."""
        self.optimizer.zero_grad(set_to_none=True)
        pieces = micro_batches(batch, self.around.rank, self.around.world_size, self.config.gradient_accumulation_steps)
        total = 0.0
        for number, piece in enumerate(pieces):
            with self._without_sync(number < len(pieces) - 1):
                if not len(piece) and self.around.world_size == 1:
                    continue
                part = len(piece) / len(batch)
                # A process without samples must still join the exchange: one sample, weight zero.
                loss = self.loss(self.model, piece if len(piece) else batch[:1], rng)
                (loss * (part * self.around.world_size)).backward()
                total += float(loss.detach()) * part
        return self.total(total)

    @contextlib.contextmanager
    def _without_sync(self, hold: bool) -> Iterator[None]:
        if self._sharded:
            from mlassay.training.common import sharding

            sharding.hold_gradients(self.model, hold)
            yield
        elif hold and isinstance(self.model, nn.parallel.DistributedDataParallel):
            with self.model.no_sync():
                yield
        else:
            yield

    def total(self, value: float) -> float:
        """Sum over all processes."""
        return self.totals([value])[0]

    def totals(self, values: list[float]) -> list[float]:
        if self.around.world_size == 1:
            return values
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(summed)
        return [float(v) for v in summed]

    def gathered(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All processes' rows, in the order of processes."""
        if self.around.world_size == 1:
            return rows
        parts: list[list[dict[str, Any]]] = [[] for _ in range(self.around.world_size)]
        dist.all_gather_object(parts, rows)
        return [row for part in parts for row in part]

    def my_share(self, n: int) -> range:
        """Which of n evaluation samples this process does."""
        return share(n, self.around.rank, self.around.world_size)

    def my_batches(self, n: int, size: int) -> Iterator[tuple[Indices, int]]:
        """The same in batches, equally many in all processes; and how many samples of each count."""
        return eval_batches(n, self.around.rank, self.around.world_size, size)

    # --- checkpoints

    def save(self, path: Path) -> None:
        """All processes must call it; the first writes."""
        model, optimizer = self._states()
        state: dict[str, Any] = {
            "step": self.step_number,
            "model": model,
            "optimizer": optimizer,
            "by_name": self._by_name,
            "random_streams": self.gathered([self._random_streams()]),  # one row for each process
            "more": self.extra_state(),
        }
        if self.around.rank == 0:
            torch.save(state, path)

    def restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self._take_up(state)
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnpicklingError) as error:
            raise BadFile(path, found="not a readable checkpoint", expected="a checkpoint of this benchmark") from error

    def _states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._by_name:
            from mlassay.training.common import sharding

            return sharding.whole_state(self.net, self.optimizer, with_frozen=self.keeps_frozen)
        model = self.net.state_dict()
        if not self.keeps_frozen:
            frozen = {name for name, p in self.net.named_parameters() if not p.requires_grad}
            model = {name: tensor for name, tensor in model.items() if name not in frozen}
        return model, self.optimizer.state_dict()

    def _take_up(self, state: dict[str, Any]) -> None:
        if state["by_name"] != self._by_name:
            raise ValueError("saved by another kind of run")
        if self._by_name:
            from mlassay.training.common import sharding

            sharding.take_up_whole_state(self.net, self.optimizer, state["model"], state["optimizer"])
        else:
            self.net.load_state_dict(state["model"], strict=self.keeps_frozen)
            self.optimizer.load_state_dict(state["optimizer"])
        self.step_number = state["step"]
        if self.around.rank < len(state["random_streams"]):
            self._set_random_streams(state["random_streams"][self.around.rank])
        self.restore_extra(state["more"])

    def _random_streams(self) -> dict[str, Tensor]:
        """Torch's streams in this process: dropout draws from the device's own."""
        streams = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            streams["cuda"] = torch.cuda.get_rng_state(self.device)
        return streams

    def _set_random_streams(self, streams: Mapping[str, Tensor]) -> None:
        torch.set_rng_state(streams["cpu"])
        if self.device.type == "cuda" and "cuda" in streams:
            torch.cuda.set_rng_state(streams["cuda"], self.device)

    def extra_state(self) -> dict[str, Any]:
        return {}

    def restore_extra(self, state: dict[str, Any]) -> None:
        return None


def _device(name: str) -> torch.device:
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise MachineProblem(f"no CUDA device for --device {name}", hint="use --device cpu")
    return torch.device(name)


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
