"""3D U-Net as a benchmark: loss, schedule, sliding-window evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from numpy.typing import NDArray
from torch import Tensor, nn

from mlassay.core.errors import UsageError
from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.unet3d.augment import augmented, crop
from mlassay.training.unet3d.data import BrainBoxes, KitsFolder, Volume, VolumeSource
from mlassay.training.unet3d.dice import SMOOTH, dice
from mlassay.training.unet3d.model import UNet3D, reference_name
from mlassay.training.unet3d.recipe import Unet3dConfig
from mlassay.training.unet3d.windows import fit, positions, weights


class Unet3d(TorchBenchmark[Unet3dConfig]):
    """Half soft Dice, half cross-entropy; mean Dice over all evaluation volumes, each weighing the same."""

    drop_last = True

    def __init__(self, config: Unet3dConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.data: VolumeSource

    def make_model(self) -> nn.Module:
        net = UNet3D(self.config.widths, self.config.n_classes)
        return net.to(memory_format=torch.channels_last_3d)

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return (reference_name(parameter),)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.SGD(
            model.parameters(), c.learning_rate, c.momentum, weight_decay=c.weight_decay, nesterov=True
        )

    def load_data(self) -> tuple[int, int]:
        c = self.config
        if c.data_format == "kits19":
            self.data = KitsFolder(self.around.data, c.patch)
        elif self.around.data is None:
            self.data = BrainBoxes()
        else:
            raise UsageError(
                f"the packed brain is no folder: {self.around.data} would not be read",
                hint="leave --data out, or give --profile reference for KiTS19",
            )
        return self.data.n_train, self.data.n_eval

    def learning_rate(self, step: int) -> float:
        """By whole epochs: linear warm-up from the initial rate, then steps down at the boundaries."""
        c, epoch = self.config, step // self.order.steps_per_epoch
        done = schedules.piecewise(epoch, c.decay_boundary_epochs, c.decay_factor)
        if epoch + 1 > c.warmup_epochs:
            return c.learning_rate * done
        return c.initial_learning_rate + (c.learning_rate - c.initial_learning_rate) * (epoch + 1) / c.warmup_epochs

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        images, labels = zip(*(self._patch(int(index)) for index in indices), strict=True)
        scores = model(torch.from_numpy(np.stack(images))[:, None].to(self.device))
        return dice_and_cross_entropy(scores, torch.from_numpy(np.stack(labels)).to(self.device))

    def _patch(self, index: int) -> Volume:
        """The volume's crop of this step; its random stream is its own, so that processes do not matter."""
        c = self.config
        rng = np.random.default_rng((self.around.seed, self.step_number, index))
        image, labels = self.data.train_volume(index)
        place = crop(image.shape, c.patch, self.data.train_parts(index), c.oversampling, rng)
        return augmented(image[place], labels[place], rng)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        n = self.data.n_eval
        scores = sum((self._judged(*self.data.eval_volume(i)) for i in self.my_share(n)), np.zeros(2))
        return {"mean_dice": sum(self.totals(scores.tolist())) / scores.size / n}

    def _judged(self, image: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The Dice scores of one volume, (classes - 1,)."""
        c = self.config
        how = fit(image.shape, c.patch)
        found = how.unpad(self._marked(how.apply(image, c.padding)))
        return dice(found, how.cut(labels), c.n_classes)

    def _marked(self, image: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Classes (D, H, W) of a volume that the windows fit."""
        c = self.config
        volume = torch.from_numpy(image)[None].to(self.device)
        weight = torch.from_numpy(weights(c.patch)).to(self.device)
        total = torch.zeros(c.n_classes, *image.shape, device=self.device)
        places = [tuple(slice(low, low + c.patch) for low in at) for at in positions(image.shape, c.patch)]
        for begin in range(0, len(places), c.windows_at_once):
            chosen = places[begin : begin + c.windows_at_once]
            scores = self.net(torch.stack([volume[(slice(None), *place)] for place in chosen]))
            for place, score in zip(chosen, scores, strict=True):
                total[(slice(None), *place)] += score * weight
        # every class was weighed alike, so that dividing by the sum of the weights would not change the largest
        return np.asarray(total.argmax(0).cpu().numpy(), np.uint8)

    def first_evaluation(self, per_epoch: int) -> int:
        return self._epochs(self.config.first_eval_epoch, per_epoch) * per_epoch

    def eval_interval(self, per_epoch: int) -> int:
        return self._epochs(self.config.eval_every_epochs, per_epoch) * per_epoch

    def step_budget(self, per_epoch: int) -> int:
        return self._epochs(self.config.max_epochs, per_epoch) * per_epoch

    def _epochs(self, full: float, per_epoch: int) -> int:
        """As many epochs as hold the samples of `full` whole ones: the last batch of each is dropped when short."""
        return math.ceil(full * self.data.n_train / (per_epoch * self.config.global_batch_size))


def dice_and_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of both over the batch. `scores`: (B, classes, D, H, W); `labels`: (B, D, H, W), class numbers.

    Dice is soft, over each volume and each class but background: 1 - (2 Σpq + ε) / (Σp + Σq + ε).
    """
    classes = labels.long()
    wanted = F.one_hot(classes, scores.shape[1]).movedim(-1, 1)[:, 1:].to(scores.dtype)
    likely = scores.softmax(1)[:, 1:]
    both = (likely * wanted).sum((2, 3, 4))
    overlap = (2.0 * both + SMOOTH) / (likely.sum((2, 3, 4)) + wanted.sum((2, 3, 4)) + SMOOTH)
    return ((1.0 - overlap).mean() + F.cross_entropy(scores, classes)) / 2
