"""RNN-T as a benchmark: loss, schedule, average of weights, greedy evaluation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.core.errors import BadFile
from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.optim import Lamb
from mlassay.training.common.order import EpochOrder, Indices
from mlassay.training.rnnt.augment import Augmentation
from mlassay.training.rnnt.data import Batches, Corpus, open_corpus
from mlassay.training.rnnt.greedy import Greedy
from mlassay.training.rnnt.loss import transducer_loss
from mlassay.training.rnnt.model import Rnnt, Shape
from mlassay.training.rnnt.order import BucketOrder
from mlassay.training.rnnt.recipe import RnntConfig
from mlassay.training.rnnt.wer import errors

PIECES = 1_023
"""Of the reference's sentencepiece model; digits have ten symbols."""

LOG_NAMES = {
    "encoder.before.": "pre_rnn",
    "encoder.after.": "post_rnn",
    "prediction.embed.": "pred_embed",
    "prediction.rnn.": "dec_rnn",
    "joint.heard.": "joint_enc",
    "joint.said.": "joint_pred",
    "joint.net.": "joint_net",
}
"""The network's parts as the logs of rounds v1.0 to v2.1 call them."""


class RnntTraining(TorchBenchmark[RnntConfig]):
    """Transducer loss, LAMB over all tensors alike, word error rate of the averaged weights over the whole set."""

    def __init__(self, config: RnntConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.batches: Batches
        self.average: nn.Module

    @property
    def corpus(self) -> Corpus:
        return self.batches.corpus

    def make_model(self) -> nn.Module:
        net = Rnnt(shape_of(self.config))
        net.scale_lstms(self.config.init_scale)
        self.average = copy.deepcopy(net).to(self.device).requires_grad_(False).eval()
        return net

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return tuple(name for part, name in LOG_NAMES.items() if parameter.startswith(part))

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        return Lamb(model.parameters(), c.learning_rate, (c.beta1, c.beta2), c.epsilon, c.weight_decay)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        corpus = open_corpus(c, self.around.data)
        wanted = shape_of(c).symbols
        if corpus.n_symbols != wanted:
            raise BadFile(c.pieces, found=f"a model of {corpus.n_symbols:,} word pieces", expected=f"{wanted:,}")
        if len(corpus.train) < c.global_batch_size:
            raise BadFile(
                self.around.data or "--data",
                found=f"{len(corpus.train):,} recordings under {c.max_duration_s:g} s",
                expected=f"one batch of {c.global_batch_size:,} at least (--set global_batch_size=N)",
            )
        self.batches = Batches(corpus, augmentation_of(c), c.n_workers)
        return len(corpus.train), len(corpus.evaluation)

    def make_order(self, n_train: int) -> EpochOrder:
        c = self.config
        return BucketOrder(self.corpus.train.durations_s, c.global_batch_size, self.around.seed, c.n_buckets)

    def learning_rate(self, step: int) -> float:
        c, per_epoch = self.config, self.order.steps_per_epoch
        factor = schedules.warmup(step, c.warmup_epochs * per_epoch)
        if step >= (c.warmup_epochs + c.hold_epochs) * per_epoch:
            factor = c.decay_gamma ** (step // per_epoch + 1 - c.warmup_epochs - c.hold_epochs)
        return max(c.learning_rate * factor, c.min_learning_rate)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        heard = self.batches.train(indices, rng)
        said = heard.said.to(self.device)
        torch.manual_seed(int(rng.integers(2**62)))  # dropout, too, is a function of seed and step
        logits, rows = model(heard.features.to(self.device), heard.rows.to(self.device), said)
        return transducer_loss(logits, rows, said, heard.n_said.to(self.device))

    @torch.no_grad()
    def after_step(self) -> None:
        for ours, p in zip(self.average.parameters(), self.net.parameters(), strict=True):
            ours.lerp_(p, 1 - self.config.ema)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        c, wanted = self.config, self.corpus.evaluation.transcripts
        search = Greedy(self.average, longest=c.max_symbols, per_row=c.max_symbols_a_row)
        mine = self.my_share(len(wanted))
        wrong = words = 0
        for start in range(mine.start, mine.stop, c.eval_batch_size):
            chosen = range(start, min(start + c.eval_batch_size, mine.stop))
            heard = self.batches.evaluation(chosen)
            rows = search(heard.features.to(self.device), heard.rows.to(self.device)).tolist()
            for index, row in zip(chosen, rows, strict=True):
                found = self.corpus.symbols.text([symbol for symbol in row if symbol >= 0])
                wrong += errors(found.split(), wanted[index].split())
                words += len(wanted[index].split())
        all_wrong, all_words = self.totals([float(wrong), float(words)])
        return {"WER": all_wrong / all_words}

    def extra_state(self) -> dict[str, Any]:
        return {"average": self.average.state_dict()}

    def restore_extra(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])


def shape_of(c: RnntConfig) -> Shape:
    digits = c.data_format == "digits"
    return Shape(
        features=120 if digits else 240,
        symbols=10 if digits else PIECES,
        encoder=c.encoder,
        before=c.layers_before,
        after=c.layers_after,
        stack=c.stack,
        prediction=c.prediction,
        prediction_layers=c.prediction_layers,
        joint=c.joint,
        split_joint=True,
        encoder_dropout=c.encoder_dropout,
        prediction_dropout=c.prediction_dropout,
        joint_dropout=c.joint_dropout,
    )


def augmentation_of(c: RnntConfig) -> Augmentation:
    return Augmentation(
        speed_min=c.speed_min,
        speed_max=c.speed_max,
        n_band_masks=c.n_band_masks,
        widest_band_mask=c.widest_band_mask,
        n_time_masks=c.n_time_masks,
        longest_time_mask=c.longest_time_mask,
        dither=c.dither,
    )
