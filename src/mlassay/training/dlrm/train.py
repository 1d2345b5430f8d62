"""DLRM and DCNv2 as one benchmark: binary cross-entropy, area under the ROC curve over all evaluation rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.dlrm.data import Table, load
from mlassay.training.dlrm.model import DlrmNet
from mlassay.training.dlrm.recipe import DlrmConfig

EVAL_BATCH = 8192


class Dlrm(TorchBenchmark[DlrmConfig]):
    """The last short batch of an epoch is dropped, as the rules allow here."""

    drop_last = True
    train_data: Table
    eval_data: Table

    def make_model(self) -> nn.Module:
        return DlrmNet(self.config)

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        part, number = parameter.split(".")[:2]
        return ("embeddings" if part == "tables" else f"{part}_mlp_dense{int(number) // 2 + 1}",)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        if c.optimizer == "adagrad":
            return torch.optim.Adagrad(model.parameters(), c.learning_rate, eps=1e-8)
        return torch.optim.SGD(model.parameters(), c.learning_rate)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        self.train_data, self.eval_data = load(c.data_format, self.around.data, c.n_dense, c.rows, c.hots)
        return len(self.train_data), len(self.eval_data)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up; from `decay_start` on a square falling to zero (SGD)."""
        c = self.config
        rate = c.learning_rate * schedules.warmup(step, c.warmup_steps)
        if c.decay_start and step >= c.decay_start:
            rate *= schedules.polynomial(step - c.decay_start, c.decay_steps, 0.0, 2.0)
        return rate

    def _scores(self, model: nn.Module, data: Table, rows: Indices) -> tuple[Tensor, Tensor]:
        dense, ids, labels = (torch.from_numpy(x).to(self.device) for x in data.take(rows))
        return model(dense, ids), labels

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        scores, labels = self._scores(model, self.train_data, indices)
        return F.binary_cross_entropy_with_logits(scores, labels)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        """Every process scores all rows: the area is a figure of the whole, not a mean of parts."""
        self.model.eval()
        n = len(self.eval_data)
        scores, labels = [], []
        for start in range(0, n, EVAL_BATCH):
            s, y = self._scores(self.net, self.eval_data, np.arange(start, min(start + EVAL_BATCH, n)))
            scores.append(s.cpu().numpy())
            labels.append(y.cpu().numpy())
        return {"auc": area_under_curve(np.concatenate(scores), np.concatenate(labels))}


def area_under_curve(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> float:
    """The chance that a positive scores above a negative, ties counting half; NaN when a class is missing."""
    positive = labels > 0.5
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((middle_ranks[where][positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
