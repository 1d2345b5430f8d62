"""Language-model pre-training as a benchmark: next-token loss, log-perplexity over fixed held-out sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.llm.data import Windows, load
from mlassay.training.llm.model import LanguageModel
from mlassay.training.llm.recipe import LlmConfig

EVAL_BATCH = 32


def sharded_layers(net: nn.Module, parallel: str) -> Sequence[nn.Module]:
    """What FSDP gathers one at a time, if it was asked for."""
    assert isinstance(net, LanguageModel)
    return list(net.layers) if parallel == "fsdp" else ()


class Llm(TorchBenchmark[LlmConfig]):
    """AdamW with a cosine to a tenth; weight decay on everything in the GPT-3 shape, on matrices in the Llama shape."""

    drop_last = True
    train_data: Windows
    eval_data: Windows

    def make_model(self) -> nn.Module:
        return LanguageModel(self.config)

    def layers_to_shard(self, net: nn.Module) -> Sequence[nn.Module]:
        return sharded_layers(net, self.config.parallel)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        parameters = list(model.parameters())
        everything = c.shape == "gpt3"
        wide = [p for p in parameters if everything or p.dim() > 1]
        thin = [p for p in parameters if not (everything or p.dim() > 1)]
        groups = [{"params": wide, "weight_decay": c.weight_decay}, {"params": thin, "weight_decay": 0.0}]
        return torch.optim.AdamW([g for g in groups if g["params"]], c.learning_rate, (c.beta1, c.beta2), c.epsilon)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        self.train_data, self.eval_data = load(c.data_format, self.around.data, c.sequence_length, c.n_eval_sequences)
        return self.train_data.n, self.eval_data.n

    def eval_interval(self, per_epoch: int) -> int:
        """Rounded up to whole steps, as the rules say."""
        return -(-self.config.eval_every_samples // self.config.global_batch_size)

    def step_budget(self, per_epoch: int) -> int:
        return min(self.config.max_steps, max(1, round(self.config.max_epochs * per_epoch)))

    def learning_rate(self, step: int) -> float:
        c = self.config
        after = step - c.warmup_steps
        length = c.decay_steps - (c.warmup_steps if c.shape == "gpt3" else 0)
        return (
            c.learning_rate
            * schedules.warmup(step, c.warmup_steps)
            * schedules.cosine(after, max(length, 1), c.end_learning_rate_ratio)
        )

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        return self._loss(model, self.train_data.take(indices))

    def _loss(self, model: nn.Module, windows: Tensor) -> Tensor:
        windows = windows.to(self.device)
        scores = model(windows[:, :-1])
        return F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        total = 0.0
        for indices, counted in self.my_batches(self.eval_data.n, EVAL_BATCH):
            total += float(self._loss(self.net, self.eval_data.take(indices))) * counted
        return {"log_perplexity": self.total(total) / self.eval_data.n}
