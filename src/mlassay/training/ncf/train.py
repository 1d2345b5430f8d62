"""NCF as a benchmark: negatives drawn anew each epoch, hit rate at ten over every user."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.optim import LazyAdam
from mlassay.training.common.order import Indices
from mlassay.training.ncf.data import Interactions, draw_negatives, load
from mlassay.training.ncf.model import NeuMF
from mlassay.training.ncf.recipe import NcfConfig

EVAL_USERS = 1024  # scored together


class Ncf(TorchBenchmark[NcfConfig]):
    """Binary cross-entropy over positives and their negatives."""

    def __init__(self, config: NcfConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.builds_after_data = config.n_users == 0
        self.data: Interactions
        self._drawn_epoch = -1
        self._negatives: Indices

    def make_model(self) -> nn.Module:
        c = self.config
        n_users, n_items = (self.data.n_users, self.data.n_items) if self.builds_after_data else (c.n_users, c.n_items)
        return NeuMF(n_users, n_items, c.mf_dim, c.mlp_dims)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        kind = LazyAdam if c.optimizer == "lazy-adam" else torch.optim.Adam
        return kind(model.parameters(), c.learning_rate, (c.beta1, c.beta2), c.epsilon)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        self.data = load(c.data_format, self.around.data, c.min_interactions)
        self._codes = self.data.codes()
        # The clock of v0.5 started at the making of these: they are drawn within the run, from the run's seed.
        rng = np.random.default_rng((self.around.seed, 999))
        users = np.repeat(np.arange(self.data.n_users), c.n_eval_negatives)
        self._eval_negatives = draw_negatives(self.data, users, self._codes, rng).reshape(self.data.n_users, -1)
        return len(self.data.users), self.data.n_users

    def order_size(self, n_train: int) -> int:
        return n_train * (1 + self.config.n_negatives)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        n_positives = len(self.data.users)
        self._draw_for_epoch(self.step_number // self.order.steps_per_epoch)
        users = self.data.users[indices % n_positives]
        positive = indices < n_positives
        items = np.where(positive, self.data.items[indices % n_positives], 0)
        items[~positive] = self._negatives[indices[~positive] - n_positives]
        u, i, y = (torch.from_numpy(x).to(self.device) for x in (users, items, positive.astype(np.float32)))
        return F.binary_cross_entropy_with_logits(model(u, i), y)

    def _draw_for_epoch(self, epoch: int) -> None:
        """Four negatives for each positive, with replacement, drawn anew each epoch: the same in all processes."""
        if epoch == self._drawn_epoch:
            return
        rng = np.random.default_rng((self.around.seed, 4, epoch))
        users = np.tile(self.data.users, self.config.n_negatives)
        self._negatives = draw_negatives(self.data, users, self._codes, rng)
        self._drawn_epoch = epoch

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        mine = self.my_share(self.data.n_users)
        hits = 0
        for start in range(mine.start, mine.stop, EVAL_USERS):
            users = np.arange(start, min(start + EVAL_USERS, mine.stop))
            hits += int(self._hits(users))
        return {"hr_at_10": self.total(float(hits)) / self.data.n_users}

    def _hits(self, users: Indices) -> int:
        """How many users find their held-out item among the first ten.

        Two quirks of the reference are normative: items are de-duplicated, and ties favour the negatives, because the
        positive stands last in its list (v0.6 FAQ).
        """
        negatives = self._eval_negatives[users]  # (U, N)
        positives = self.data.test_items[users][:, None]
        scores = self._scores(users, np.concatenate([negatives, positives], 1))
        counted = torch.from_numpy(first_of_each(negatives) & (negatives != positives))
        better = (scores[:, :-1] >= scores[:, -1:]) & counted
        return int((better.sum(1) < 10).sum())

    def _scores(self, users: Indices, items: Indices) -> Tensor:
        u = torch.from_numpy(users).to(self.device)[:, None].expand(-1, items.shape[1])
        scores: Tensor = self.net(u, torch.from_numpy(items).to(self.device))
        return scores.cpu()


def first_of_each(items: Indices) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """True at one occurrence of each item in its row."""
    order = np.argsort(items, axis=1, kind="stable")
    ranked = np.take_along_axis(items, order, 1)
    fresh = np.concatenate([np.ones((len(items), 1), bool), ranked[:, 1:] != ranked[:, :-1]], 1)
    out = np.zeros_like(fresh)
    np.put_along_axis(out, order, fresh, 1)
    return out
