"""ResNet as a benchmark: loss, schedule, evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.optim import Lars, decay_groups
from mlassay.training.common.order import Indices
from mlassay.training.resnet.data import IdxImages, ImageFolder, ImageSource
from mlassay.training.resnet.model import ResNet, reference_name
from mlassay.training.resnet.recipe import ResnetConfig

EVAL_BATCH = 500


class Resnet(TorchBenchmark[ResnetConfig]):
    """Cross-entropy, weight decay on filters and dense weights only, top-1 accuracy over the whole validation set."""

    def __init__(self, config: ResnetConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.data: ImageSource

    def make_model(self) -> nn.Module:
        c = self.config
        net = ResNet(c.depths, c.base_width, c.block == "bottleneck", c.stem == "imagenet", c.n_classes, c.in_channels)
        return net.to(memory_format=torch.channels_last)

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return (reference_name(parameter, self.config.depths),)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        if c.optimizer == "lars":
            return Lars(decay_groups(model, skip=True), c.peak_rate, c.momentum, c.weight_decay)
        groups = decay_groups(model, weight_decay=0.0)
        return torch.optim.SGD(groups, c.peak_rate, c.momentum, weight_decay=c.weight_decay, nesterov=c.nesterov)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        if c.data_format == "idx":
            self.data = IdxImages(self.around.data)
        else:
            self.data = ImageFolder(self.around.data, c.image_size, c.n_workers)
        return self.data.n_train, self.data.n_eval

    def learning_rate(self, step: int) -> float:
        c, per_epoch = self.config, self.order.steps_per_epoch
        ramp = schedules.warmup(step, c.warmup_epochs * per_epoch)
        if c.schedule == "steps":
            factor = schedules.piecewise(step, [e * per_epoch for e in (30, 60, 80, 90)])
        elif c.schedule == "poly":
            after = step - c.warmup_epochs * per_epoch
            total = (c.max_epochs - c.warmup_epochs) * per_epoch
            factor = schedules.polynomial(round(after), total, c.end_learning_rate / c.peak_rate, 2.0)
        else:
            total_steps = round(c.max_epochs * per_epoch)
            return c.peak_rate * schedules.one_cycle(step, total_steps, c.warmup_epochs / c.max_epochs)
        return c.peak_rate * factor * ramp

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        images, labels = self.data.train_batch(indices, rng)
        scores = model(self._to_device(images))
        return F.cross_entropy(scores, labels.to(self.device), label_smoothing=self.config.label_smoothing)

    def _to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        mine = self.my_share(self.data.n_eval)
        right = 0
        for start in range(mine.start, mine.stop, EVAL_BATCH):
            images, labels = self.data.eval_batch(np.arange(start, min(start + EVAL_BATCH, mine.stop)))
            right += int((self.net(self._to_device(images)).argmax(1).cpu() == labels).sum())
        return {"accuracy": self.total(float(right)) / self.data.n_eval}
