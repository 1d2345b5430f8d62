"""LoRA fine-tuning as a benchmark: adapters learn, the base stays; quality is the loss on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.llm.train import sharded_layers
from mlassay.training.lora.base import base_model
from mlassay.training.lora.data import IGNORED, Labelled, load
from mlassay.training.lora.model import adapt
from mlassay.training.lora.recipe import LoraConfig


class Lora(TorchBenchmark[LoraConfig]):
    """AdamW on the adapters, a cosine to zero over `max_steps`. Each row counts alike, however many labels it has."""

    drop_last = True
    keeps_frozen = False  # the base is an input: checkpoints hold the adapters
    train_data: Labelled
    eval_data: Labelled

    def make_model(self) -> nn.Module:
        return adapt(base_model(self.config, self.around.data), self.config)

    def layers_to_shard(self, net: nn.Module) -> Sequence[nn.Module]:
        return sharded_layers(net, self.config.parallel)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        adapters = [p for p in model.parameters() if p.requires_grad]
        return torch.optim.AdamW(adapters, c.learning_rate, (c.beta1, c.beta2), c.epsilon, c.weight_decay)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        self.train_data, self.eval_data = load(
            c.data_format, self.around.data, c.sequence_length, c.vocabulary, c.n_eval_sequences
        )
        return self.train_data.n, self.eval_data.n

    def eval_interval(self, per_epoch: int) -> int:
        """Rounded up to whole steps, as the rules say."""
        return -(-self.config.eval_every_samples // self.config.global_batch_size)

    def first_evaluation(self, per_epoch: int) -> int:
        return (self.config.skipped_evaluations + 1) * self.eval_interval(per_epoch)

    def step_budget(self, per_epoch: int) -> int:
        return min(self.config.max_steps, max(1, round(self.config.max_epochs * per_epoch)))

    def learning_rate(self, step: int) -> float:
        c = self.config
        warm = c.warmup_ratio * c.max_steps
        length = max(c.max_steps - warm, 1)
        return c.learning_rate * schedules.warmup(step, warm) * schedules.cosine(round(step - warm), length)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        return self._losses(model, self.train_data, indices).mean()

    def _losses(self, model: nn.Module, data: Labelled, indices: Indices) -> Tensor:
        """Mean loss of each row over what it asks for: (B,)."""
        tokens, labels = (t.to(self.device) for t in data.take(indices))
        scores, wanted = model(tokens[:, :-1]).float(), labels[:, 1:]
        each = F.cross_entropy(scores.transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none")  # (B, T)
        return each.sum(1) / (wanted != IGNORED).sum(1)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        total = 0.0
        for indices, counted in self.my_batches(self.eval_data.n, self.config.eval_batch_size):
            total += float(self._losses(self.net, self.eval_data, indices)[:counted].sum())
        return {"eval_loss": self.total(total) / self.eval_data.n}
