"""Plain PyTorch loops over the models of four small profiles: what one would write without mlassay.

Network and files are the benchmark's own, so that the work is the same; batches, loss, optimiser and schedule are
written here from torch.nn and torch.optim alone. SSD's pictures come through the benchmark's augmentation on both
sides. Each loop is a generator: it does one step and yields, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def ncf(config: Any) -> Iterator[None]:
    from mlassay.training.ncf.data import load
    from mlassay.training.ncf.model import NeuMF

    data = load(config.data_format, None, config.min_interactions)
    model = NeuMF(data.n_users, data.n_items, config.mf_dim, config.mlp_dims)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate)
    loss_of, rng = nn.BCEWithLogitsLoss(), np.random.default_rng(1)
    chosen = np.unique(data.users * data.n_items + data.items)
    while True:
        users = np.tile(data.users, config.n_negatives)
        others = rng.integers(0, data.n_items, len(users))
        taken = np.isin(users * data.n_items + others, chosen)
        while taken.any():
            others[taken] = rng.integers(0, data.n_items, int(taken.sum()))
            taken[taken] = np.isin(users[taken] * data.n_items + others[taken], chosen)
        all_users = torch.from_numpy(np.concatenate([data.users, users]))
        all_items = torch.from_numpy(np.concatenate([data.items, others]))
        labels = torch.cat([torch.ones(len(data.users)), torch.zeros(len(users))])
        for batch in torch.randperm(len(labels)).split(config.global_batch_size):
            optimizer.zero_grad()
            loss_of(model(all_users[batch], all_items[batch]), labels[batch]).backward()
            optimizer.step()
            yield


def resnet(config: Any) -> Iterator[None]:
    from mlassay.training.common.idx import FASHION_MNIST, labelled_images
    from mlassay.training.resnet.model import ResNet

    images, labels = (torch.from_numpy(a.copy()) for a in labelled_images(FASHION_MNIST, "train"))
    model = ResNet(config.depths, config.base_width, False, False, config.n_classes, config.in_channels)
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in model.parameters() if p.ndim <= 1]},
        ],
        config.peak_rate,
        momentum=config.momentum,
        nesterov=True,
    )
    steps = 3 * len(labels) // config.global_batch_size + 3
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.peak_rate, total_steps=steps)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(3):
        for batch in torch.randperm(len(labels)).split(config.global_batch_size):
            pixels = (images[batch].float()[:, None] - 73.0) / 90.0
            pixels = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, pixels, pixels.flip(3))
            optimizer.zero_grad()
            loss_of(model(pixels), labels[batch].long()).backward()
            optimizer.step()
            schedule.step()
            yield


def transformer(config: Any) -> Iterator[None]:
    from mlassay.training.translation.data import load
    from mlassay.training.translation.transformer import Transformer

    pairs, _ = load(config, None)
    model = Transformer(config)
    optimizer = torch.optim.Adam(model.parameters(), 1.0, (config.beta1, config.beta2), config.epsilon)

    def rate(step: int) -> float:
        return (
            config.learning_rate * config.hidden**-0.5 * min((step + 1) ** -0.5, (step + 1) * config.warmup_steps**-1.5)
        )

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    loss_of = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=config.label_smoothing)
    sources = [torch.tensor([*row, 3]) for row in pairs.sources]
    targets = [torch.tensor([2, *row, 3]) for row in pairs.targets]
    while True:
        for batch in torch.randperm(len(pairs)).split(config.global_batch_size):
            question = nn.utils.rnn.pad_sequence([sources[i] for i in batch], batch_first=True)
            answer = nn.utils.rnn.pad_sequence([targets[i] for i in batch], batch_first=True)
            optimizer.zero_grad()
            scores = model(question, answer[:, :-1])
            loss_of(scores.flatten(0, 1), answer[:, 1:].flatten()).backward()
            optimizer.step()
            schedule.step()
            yield


def ssd(config: Any) -> Iterator[None]:
    from mlassay.training.common.scenes import Scenes
    from mlassay.training.ssd.augment import augmented
    from mlassay.training.ssd.model import SSD, default_boxes, map_sides

    data = Scenes(None, config.n_train, 1, config.image_size)
    anchors = default_boxes(config, map_sides(config))
    model, rng = SSD(config), np.random.default_rng(1)
    optimizer = torch.optim.SGD(
        model.parameters(), config.peak_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    while True:
        for batch in torch.randperm(config.n_train).split(config.global_batch_size):
            pixels, offsets, labels = [], [], []
            for number in batch.tolist():
                scene = data.train(number)
                picture, boxes, classes = augmented(scene.pixels, scene.boxes, scene.classes, config.image_size, 1, rng)
                offset, label = wanted(boxes, classes, anchors)
                pixels.append(picture), offsets.append(offset), labels.append(label)
            optimizer.zero_grad()
            found, scores = model(torch.stack(pixels))
            multibox(found, scores, torch.stack(offsets), torch.stack(labels)).backward()
            optimizer.step()
            yield


def wanted(boxes: Tensor, classes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets (A, 4) and class (A,) of each default box: the object that overlaps it by more than half."""
    if not len(boxes):
        return torch.zeros_like(anchors), torch.zeros(len(anchors), dtype=torch.long)
    corner = torch.maximum(boxes[:, None, :2], anchors[:, :2])
    opposite = torch.minimum(boxes[:, None, 2:], anchors[:, 2:])
    shared = (opposite - corner).clamp(min=0).prod(2)
    area, anchor_area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (anchors[:, 2:] - anchors[:, :2]).prod(1)
    overlap = shared / (area[:, None] + anchor_area - shared)
    overlap[torch.arange(len(boxes)), overlap.argmax(1)] = 2.0  # every object has one at least
    best, which = overlap.max(0)
    mine, size = boxes[which], anchors[:, 2:] - anchors[:, :2]
    middle = (mine[:, :2] + mine[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2 / size * 10
    offset = torch.cat([middle, ((mine[:, 2:] - mine[:, :2]) / size).log() * 5], 1)
    return offset, torch.where(best > 0.5, classes[which], 0)


def multibox(found: Tensor, scores: Tensor, offsets: Tensor, labels: Tensor) -> Tensor:
    """Box and class loss with three hard negatives for each positive, for each picture by its positives."""
    positive = labels > 0
    count = positive.sum(1)
    place = nn.functional.smooth_l1_loss(found, offsets, reduction="none").sum(2)
    kind = nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    hardest = kind.detach().masked_fill(positive, -1.0).sort(1, descending=True).indices
    chosen = positive.clone()
    for row, (order, n) in enumerate(zip(hardest, count.tolist(), strict=True)):
        chosen[row, order[: 3 * n]] = True
    each = (place * positive).sum(1) + (kind * chosen).sum(1)
    return (each / count.clamp(min=1) * (count > 0)).mean()


LOOPS: dict[str, Callable[[Any], Iterator[None]]] = {
    "ncf": ncf, "ssd": ssd, "resnet": resnet, "transformer": transformer,
}  # fmt: skip
