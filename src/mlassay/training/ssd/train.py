"""SSD as a benchmark: COCO's box AP over the whole evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.backbone import load_backbone
from mlassay.training.common.boxes import decode, survivors
from mlassay.training.common.coco import CocoFolder, average_precision
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.common.pictures import PictureSource
from mlassay.training.common.scenes import Scenes
from mlassay.training.ssd.augment import augmented, plain
from mlassay.training.ssd.model import CODING, SSD, default_boxes, map_sides, matched, multibox_loss, reference_name
from mlassay.training.ssd.recipe import SsdConfig

EVAL_BATCH = 32
LEAST_SCORE = 0.05
OVERLAP = 0.5
MOST_BOXES = 200  # of a class before suppression, and of a picture after it


class Ssd(TorchBenchmark[SsdConfig]):
    """Multibox loss over default boxes."""

    def __init__(self, config: SsdConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.data: PictureSource
        self.anchors = default_boxes(config, map_sides(config))
        self._pool = ThreadPoolExecutor(config.n_workers) if config.n_workers > 0 else None

    def make_model(self) -> nn.Module:
        net = SSD(self.config)
        load_backbone(net.backbone, self.around.data, self.config.backbone)
        return net

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return (reference_name(parameter, self.config.depths),)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        return torch.optim.SGD(model.parameters(), c.peak_rate, c.momentum, weight_decay=c.weight_decay)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        if c.data_format == "scenes":
            self.data = Scenes(self.around.data, c.n_train, c.n_eval, c.image_size)
        else:
            # Crowd regions count as objects in training: the reference's reader does not look at the mark.
            self.data = CocoFolder(self.around.data, crowds=True, masks=False)
        return self.data.n_train, self.data.n_eval

    def evaluation_steps(self, per_epoch: int) -> tuple[int, ...]:
        c = self.config
        if c.first_eval_epoch <= 0:
            return ()
        epochs = np.arange(c.first_eval_epoch, c.max_epochs + 1e-6, c.eval_every_epochs)
        return tuple(round(e * per_epoch) for e in epochs if e not in c.skipped_eval_epochs)

    def learning_rate(self, step: int) -> float:
        c, per_epoch = self.config, self.order.steps_per_epoch
        if c.schedule == "one-cycle":
            return c.peak_rate * schedules.one_cycle(step, round(c.max_epochs * per_epoch), 0.25)
        ramp = schedules.warmup(step, c.warmup_steps, c.warmup_factor)
        return c.peak_rate * ramp * schedules.piecewise(step, [e * per_epoch for e in c.decay_boundary_epochs])

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        seeds = rng.integers(0, 2**63, len(indices))
        jobs = list(zip(indices, seeds, strict=True))
        samples = list(self._pool.map(self._sample, jobs) if self._pool else map(self._sample, jobs))
        pictures, codes, labels = (torch.stack(part).to(self.device) for part in zip(*samples, strict=True))
        found_codes, scores = model(pictures)
        return multibox_loss(found_codes, scores, codes, labels)

    def _sample(self, job: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels and what each default box should say."""
        picture, rng = self.data.train(int(job[0])), np.random.default_rng(int(job[1]))
        if not len(picture.boxes):
            return plain(picture.pixels, self.config.image_size), *matched(picture.boxes, picture.classes, self.anchors)
        pixels, shares, classes = augmented(
            picture.pixels, picture.boxes, picture.classes, self.config.image_size, self.config.crop_attempts, rng
        )
        return pixels, *matched(shares, classes, self.anchors)

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        mine = self.my_share(self.data.n_eval)
        rows: list[dict[str, Any]] = []
        for start in range(mine.start, mine.stop, EVAL_BATCH):
            pictures = [self.data.eval(n) for n in range(start, min(start + EVAL_BATCH, mine.stop))]
            batch = torch.stack([plain(p.pixels, self.config.image_size) for p in pictures]).to(self.device)
            codes, scores = self.net(batch)
            boxes = decode(codes, self.anchors.to(codes), CODING).clamp(0, 1).cpu()
            for picture, b, s in zip(pictures, boxes, scores.softmax(-1).cpu(), strict=True):
                size = b.new_tensor([picture.width, picture.height] * 2)
                for box, label, score in zip(*detections(b, s), strict=True):
                    left, top, right, bottom = (box * size).tolist()
                    rows.append(
                        {
                            "image_id": picture.image_id,
                            "category_id": self.data.category(int(label)),
                            "bbox": [left, top, right - left, bottom - top],
                            "score": float(score),
                        }
                    )
        return {"mAP": average_precision(self.data.truth(), self.gathered(rows), "bbox")}


def detections(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One picture's boxes (A, 4) and class probabilities (A, C) to the best of it: boxes, classes from 1, scores.

    Suppression works within each class, over its 200 likeliest boxes of more than 0.05.
    """
    by_class = scores[:, 1:].T  # (C-1, A)
    best, which = by_class.topk(min(MOST_BOXES, len(boxes)), dim=1)
    candidates = boxes[which]  # (C-1, K, 4)
    likely = best > LEAST_SCORE
    # Boxes too unlikely to count come last in their row, so they cannot suppress one that counts.
    kept = survivors(candidates, OVERLAP) & likely
    labels = torch.arange(1, len(by_class) + 1)[:, None].expand_as(best)
    chosen, place = best[kept].topk(min(MOST_BOXES, int(kept.sum())))
    return candidates[kept][place], labels[kept][place], chosen
