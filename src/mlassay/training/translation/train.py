"""GNMT and Transformer as one benchmark: label-smoothed loss, beam search, BLEU over the whole test set."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.optim import LazyAdam
from mlassay.training.common.order import Indices
from mlassay.training.translation.beam import beam_search
from mlassay.training.translation.bleu import corpus_bleu
from mlassay.training.translation.data import PAD, Pairs, load
from mlassay.training.translation.gnmt import Gnmt
from mlassay.training.translation.recipe import TranslationConfig
from mlassay.training.translation.transformer import Transformer

EVAL_BATCH = 100


class Translation(TorchBenchmark[TranslationConfig]):
    """Loss as a mean over pieces that are not padding."""

    train_data: Pairs
    eval_data: Pairs

    def make_model(self) -> nn.Module:
        return Gnmt(self.config) if self.config.model == "gnmt" else Transformer(self.config)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        kind = LazyAdam if c.optimizer == "lazy-adam" else torch.optim.Adam
        return kind(model.parameters(), c.learning_rate, (c.beta1, c.beta2), c.epsilon)

    def load_data(self) -> tuple[int, int]:
        self.train_data, self.eval_data = load(self.config, self.around.data)
        return len(self.train_data), len(self.eval_data)

    def learning_rate(self, step: int) -> float:
        c = self.config
        if c.model == "transformer":
            return c.learning_rate * schedules.inverse_square_root(step, c.warmup_steps, c.hidden)
        total = self.step_budget(self.order.steps_per_epoch)
        start = round(c.decay_start * total)
        interval = max(1, (total - start) // c.decay_times)
        return c.learning_rate * schedules.gnmt(step, c.warmup_steps, start, interval, c.decay_times, c.decay_factor)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        sources, targets = (x.to(self.device) for x in self.train_data.batch(indices))
        scores = model(sources, targets[:, :-1])
        return smoothed_loss(scores, targets[:, 1:], self.config.label_smoothing, self.config.model == "transformer")

    def evaluate(self) -> Mapping[str, float]:
        """Every process answers the whole test: BLEU is a figure of the corpus, not a mean of its sentences."""
        self.model.eval()
        c, pieces = self.config, self.eval_data.pieces
        answers: list[list[str]] = []
        for start in range(0, len(self.eval_data), EVAL_BATCH):
            sources, _ = self.eval_data.batch(np.arange(start, min(start + EVAL_BATCH, len(self.eval_data))))
            found = beam_search(self.net, sources.to(self.device), c.beam, c.length_penalty, c.extra_pieces)
            answers += [[pieces[p] if p < len(pieces) else "<?>" for p in row] for row in found]
        truths = [[pieces[p] for p in row] for row in self.eval_data.targets]
        return {"bleu": corpus_bleu(answers, truths)}


def smoothed_loss(scores: Tensor, answers: Tensor, smoothing: float, over_others: bool) -> Tensor:
    """Cross-entropy against softened answers, a mean over what is not padding.

    Transformer spreads the smoothing over the other V−1 pieces and subtracts the constant that remains at a perfect
    answer; GNMT mixes (1−s)·NLL with s·mean over all pieces.
    """
    logs = scores.log_softmax(-1)
    hit = logs.gather(-1, answers[..., None])[..., 0]
    n = scores.shape[-1]
    if over_others:
        low = smoothing / (n - 1)
        losses = -((1 - smoothing - low) * hit + low * logs.sum(-1))
        least = (1 - smoothing) * math.log(1 - smoothing) if smoothing < 1 else 0.0
        losses = losses + least + (smoothing * math.log(low) if smoothing else 0.0)
    else:
        losses = -(1 - smoothing) * hit - smoothing * logs.mean(-1)
    real = answers != PAD
    return (losses * real).sum() / real.sum()
