"""BERT as a benchmark: LAMB, linear warm-up that may start at a negative step, accuracy at masked positions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.bert.data import IGNORED, Examples, Masked, load
from mlassay.training.bert.model import BertModel, reference_names
from mlassay.training.bert.recipe import BertConfig
from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.optim import Lamb, decay_groups
from mlassay.training.common.order import Indices

EVAL_BATCH = 64
EVAL_SEED = 12345  # the reference's data seed: the evaluation masks are the same in every run


class Bert(TorchBenchmark[BertConfig]):
    """Masked-token loss as a mean over predicted tokens, plus the next-sentence loss."""

    drop_last = True
    train_data: Examples
    eval_data: Examples

    def make_model(self) -> nn.Module:
        return BertModel(self.config)

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return reference_names(parameter)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        groups = decay_groups(model, skip=True)
        return Lamb(groups, c.learning_rate, (c.beta1, c.beta2), c.epsilon, c.weight_decay)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        self.train_data, self.eval_data = load(c.data_format, self.around.data, c.sequence_length, c.masked_share)
        return self.train_data.n, self.eval_data.n

    def eval_interval(self, per_epoch: int) -> int:
        return max(1, self.config.eval_interval_samples // self.config.global_batch_size)

    def step_budget(self, per_epoch: int) -> int:
        return min(self.config.training_steps, max(1, round(self.config.max_epochs * per_epoch)))

    def learning_rate(self, step: int) -> float:
        """Linear up from `start_warmup_step`, then linear down to zero at the last step."""
        c = self.config
        shifted = step - c.start_warmup_step
        if shifted < c.warmup_steps:
            return c.learning_rate * (shifted + 1) / (c.warmup_steps + 1)
        return c.learning_rate * schedules.polynomial(step, c.training_steps + 1)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        batch = self.train_data.take(indices, rng)
        scores, sentence = self._apply(model, batch)
        answers = batch.answers.to(self.device)
        loss = F.cross_entropy(scores.flatten(0, 1), answers.flatten(), ignore_index=IGNORED)
        if sentence is not None and batch.is_next is not None:
            loss = loss + F.cross_entropy(sentence, batch.is_next.to(self.device))
        return loss

    def _apply(self, model: nn.Module, batch: Masked) -> tuple[Tensor, Tensor | None]:
        padding = None if batch.padding is None else batch.padding.to(self.device)
        out: tuple[Tensor, Tensor | None] = model(
            batch.tokens.to(self.device), batch.segments.to(self.device), padding, batch.wanted.to(self.device)
        )
        return out

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        mine = self.my_share(self.eval_data.n)
        right = asked = 0
        for start in range(mine.start, mine.stop, EVAL_BATCH):
            indices = np.arange(start, min(start + EVAL_BATCH, mine.stop))
            batch = self.eval_data.take(indices, np.random.default_rng((EVAL_SEED, start)))
            scores, _ = self._apply(self.net, batch)
            counted = batch.answers != IGNORED
            right += int(((scores.argmax(-1).cpu() == batch.answers) & counted).sum())
            asked += int(counted.sum())
        total_right, total_asked = self.totals([float(right), float(asked)])
        return {"masked_lm_accuracy": total_right / total_asked}
