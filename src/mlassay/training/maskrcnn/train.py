"""Mask R-CNN as a benchmark: COCO's box and mask AP over the whole evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.training.benchmark import Spec, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.backbone import load_backbone
from mlassay.training.common.coco import CocoFolder, average_precision, run_lengths
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.common.pictures import Picture, PictureSource
from mlassay.training.common.scenes import Scenes
from mlassay.training.maskrcnn.data import Prepared, batched, prepared
from mlassay.training.maskrcnn.detect import Detections, detect
from mlassay.training.maskrcnn.masks import pasted, wanted_masks
from mlassay.training.maskrcnn.model import BOX_GRID, MASK_GRID, MaskRCNN, anchors_of, reference_names
from mlassay.training.maskrcnn.recipe import MaskRcnnConfig
from mlassay.training.maskrcnn.targets import mask_loss, proposal_loss, proposals, region_loss, region_sample

EVAL_BATCH = 8
REFERENCE_BATCH = 16  # the decay steps are those of this batch


class MaskRcnn(TorchBenchmark[MaskRcnnConfig]):
    """Proposal, class, box and mask losses, added up for each picture and averaged over pictures.

    The reference averages over all regions of a device's pictures at once; by picture the sum does not depend on how
    pictures are spread over devices.
    """

    find_unused_parameters = True  # a picture without objects leaves the mask head alone

    def __init__(self, config: MaskRcnnConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        self.data: PictureSource
        self._pool = ThreadPoolExecutor(config.n_workers) if config.n_workers > 0 else None

    def make_model(self) -> nn.Module:
        net = MaskRCNN(self.config)
        load_backbone(net.backbone, self.around.data, self.config.backbone)
        return net

    def tensor_names(self, parameter: str) -> tuple[str, ...]:
        return reference_names(parameter)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Biases learn twice as fast and do not decay, as in the reference."""
        c = self.config
        learning = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for n, p in learning if not n.endswith("bias")]},
            {"params": [p for n, p in learning if n.endswith("bias")], "weight_decay": 0.0, "lr_scale": 2.0},
        ]
        return torch.optim.SGD(groups, c.learning_rate, c.momentum, weight_decay=c.weight_decay)

    def load_data(self) -> tuple[int, int]:
        c = self.config
        if c.data_format == "scenes":
            self.data = Scenes(self.around.data, c.n_train, c.n_eval, c.min_image_size)
        else:
            self.data = CocoFolder(self.around.data, crowds=False, masks=True)
        return self.data.n_train, self.data.n_eval

    def learning_rate(self, step: int) -> float:
        c = self.config
        if c.schedule == "one-cycle":
            return c.learning_rate * schedules.one_cycle(step, round(c.max_epochs * self.order.steps_per_epoch), 0.25)
        ramp = schedules.warmup(step, c.warmup_steps, c.warmup_factor)
        return c.learning_rate * ramp * schedules.piecewise(step, c.decay_steps)

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        jobs = list(zip(indices, rng.random(len(indices)) < 0.5, strict=True))
        pictures = list(self._pool.map(self._prepared, jobs) if self._pool else map(self._prepared, jobs))
        loss: Tensor = model(batched(pictures).to(self.device), partial(self._losses, pictures=pictures, rng=rng))
        return loss

    def _prepared(self, job: tuple[int, bool]) -> Prepared:
        return self._at_size(self.data.train(int(job[0])), bool(job[1]))

    def _at_size(self, picture: Picture, mirror: bool) -> Prepared:
        c = self.config
        return prepared(picture, c.min_image_size, c.max_image_size, mirror, c.backbone == "none")

    def _losses(self, net: MaskRCNN, maps: list[Tensor], pictures: list[Prepared], rng: np.random.Generator) -> Tensor:
        c = self.config
        scores, codes, anchors = self._proposal_maps(net, maps)
        every = torch.cat(anchors)
        total = maps[0].new_zeros(())
        regions = []
        for n, picture in enumerate(pictures):
            objects, size = picture.boxes.to(self.device), picture.size
            usable = torch.ones(len(every), dtype=torch.bool, device=self.device)
            if not c.straddling_anchors:
                usable = (every[:, :2] >= 0).all(1) & (every[:, 2] <= size[1]) & (every[:, 3] <= size[0])
            mine, places = [s[n] for s in scores], [x[n] for x in codes]
            total = total + proposal_loss(
                torch.cat(mine), torch.cat(places), every, objects, usable, c.n_anchors_sampled, rng
            )
            found = proposals(mine, places, anchors, size, c.n_before_nms, c.n_proposals)
            regions.append(region_sample(found, objects, picture.classes.to(self.device), c.n_rois, rng))
        cuts = [len(r.boxes) for r in regions]
        kinds, boxes = net.box(net.pooled(maps, [r.boxes for r in regions], BOX_GRID))
        for r, kind, box in zip(regions, kinds.split(cuts), boxes.split(cuts), strict=True):
            total = total + region_loss(kind, box, r)
        positive = [r.classes > 0 for r in regions]
        chances = net.mask(net.pooled(maps, [r.boxes[p] for r, p in zip(regions, positive, strict=True)], MASK_GRID))
        for r, p, chance, picture in zip(
            regions, positive, chances.split([int(p.sum()) for p in positive]), pictures, strict=True
        ):
            wanted = wanted_masks([picture.masks[int(k)] for k in r.objects[p]], r.boxes[p].cpu())
            total = total + mask_loss(chance, r.classes[p], wanted.to(self.device))
        return total / len(pictures)

    def _proposal_maps(self, net: MaskRCNN, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        scores, codes = net.propose(maps)
        sides = [(int(m.shape[2]), int(m.shape[3])) for m in maps]
        anchors = anchors_of(sides, net.strides, self.config.anchor_sizes)
        return scores, codes, [a.to(self.device) for a in anchors]

    @torch.no_grad()
    def evaluate(self) -> Mapping[str, float]:
        self.model.eval()
        mine = self.my_share(self.data.n_eval)
        rows: list[dict[str, Any]] = []
        for start in range(mine.start, mine.stop, EVAL_BATCH):
            pictures = [self.data.eval(n) for n in range(start, min(start + EVAL_BATCH, mine.stop))]
            ready = [self._at_size(p, False) for p in pictures]
            for picture, size, found in zip(pictures, [r.size for r in ready], self._found(ready), strict=True):
                rows += self._rows(picture, size, found)
        everything, truth = self.gathered(rows), self.data.truth()
        return {kind: average_precision(truth, everything, kind) for kind in ("bbox", "segm")}

    def _found(self, ready: list[Prepared]) -> list[Detections]:
        c, net = self.config, self.net
        assert isinstance(net, MaskRCNN)
        maps = net.maps(batched(ready).to(self.device))
        scores, codes, anchors = self._proposal_maps(net, maps)
        regions = [
            proposals(
                [s[n] for s in scores], [x[n] for x in codes], anchors, r.size, c.n_before_nms_eval, c.n_proposals
            )
            for n, r in enumerate(ready)
        ]
        return detect(net, maps, regions, [r.size for r in ready])

    def _rows(self, picture: Picture, size: tuple[int, int], found: Detections) -> list[dict[str, Any]]:
        """COCO's result rows, at the picture's own size."""
        back = found.boxes.new_tensor([picture.width / size[1], picture.height / size[0]] * 2)
        rows = []
        for box, label, score, mask in zip(
            (found.boxes * back).tolist(), found.classes.tolist(), found.scores.tolist(), found.masks, strict=True
        ):
            rows.append(
                {
                    "image_id": picture.image_id,
                    "category_id": self.data.category(label),
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "segmentation": run_lengths(pasted(mask, box, picture.height, picture.width)),
                    "score": score,
                }
            )
        return rows
