"""Train the packed detector on scenes of Fashion-MNIST items, measure it, export it to ONNX and write its data card.

    apt-get install dataset-fashion-mnist           # or download the four idx.gz files into a folder
    python scripts/train_object_detection.py        # some nine minutes on one core; needs the extras torch, onnx, coco

Same seed, same machine and library versions: same weights. `--weights FILE` keeps the trained weights, and takes
them from there when the file exists.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.tasks.image_classification.idx import read_idx
from mlassay.tasks.object_detection.preprocess import SCENE
from mlassay.tasks.object_detection.scene_ssd import CENTRE_SCALE, SIZE_SCALE, SceneSSD
from mlassay.tasks.object_detection.scenes import Scene, SceneSource

HERE = Path(__file__).resolve().parent
PACKED = HERE.parent / "src/mlassay/tasks/object_detection/data"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def main() -> None:
    args = arguments()
    prepare_process(args.seed)
    cpu_s = 0.0
    if args.weights and args.weights.is_file():
        model = SceneSSD().eval()
        kept = torch.load(args.weights, weights_only=True)
        cpu_s = float(kept.pop("cpu_s"))
        model.load_state_dict(kept)
    else:
        started = time.process_time()
        model = train(source(args.data, "train", args.seed), args)
        cpu_s = time.process_time() - started
        if args.weights:
            torch.save({**model.state_dict(), "cpu_s": torch.tensor(cpu_s)}, args.weights)
    print(f"trained in {cpu_s:.0f} s of CPU")
    from object_detection_card import finish

    finish(model, source(args.data, "t10k", args.seed + 1, skip=2000), args, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEBIAN, help="folder with the four usual idx.gz files")
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--steps", type=int, default=2700)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak-rate", type=float, default=0.006)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=20260201)
    return parser.parse_args()


def prepare_process(seed: int) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if sys.platform == "linux":  # keep freed activations instead of returning them to the kernel: a quarter faster
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            libc.mallopt(option, value)


def source(folder: Path, part: str, seed: int, skip: int = 0) -> SceneSource:
    """Scenes of one part of Fashion-MNIST; `skip` leaves out the pictures that the packed scenes use."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[skip:]
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[skip:]
    return SceneSource(images, labels.astype(np.int64), seed)


def train(scenes: SceneSource, args: argparse.Namespace) -> SceneSSD:
    """AdamW with a one-cycle rate, every scene seen once; the weights kept are their exponential moving average."""
    model = SceneSSD().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, weight_decay=args.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.peak_rate, total_steps=args.steps, pct_start=0.15, cycle_momentum=False
    )
    total = np.zeros(2)
    for step in range(args.steps):
        batch = [scenes.scene(step * args.batch + i) for i in range(args.batch)]
        images = torch.from_numpy(np.stack([SCENE.apply(s.pixels) for s in batch])).permute(0, 3, 1, 2)
        offsets, logits = model.raw(images.contiguous(memory_format=torch.channels_last))
        places, kinds = multibox_loss(offsets, logits, *assigned(batch, model.anchors))
        optimiser.zero_grad(set_to_none=True)
        (places + kinds).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        follow(average, model, min(0.998, step / (step + 10)))
        total += (float(places.detach()), float(kinds.detach()))
        if step % 100 == 99:
            print(f"step {step + 1}: boxes {total[0] / 100:.4f}, classes {total[1] / 100:.4f}", end=", ")
            print(f"CPU {time.process_time():.0f} s", flush=True)
            total[:] = 0
    return average.eval().to(memory_format=torch.contiguous_format)  # type: ignore[no-any-return, call-overload]


def assigned(batch: list[Scene], anchors: Tensor) -> tuple[Tensor, Tensor]:
    """For every anchor the class it should say (0: background) and the offsets to its object's box."""
    kinds = torch.zeros(len(batch), len(anchors), dtype=torch.long)
    offsets = torch.zeros(len(batch), len(anchors), 4)
    corners = torch.cat([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1)
    for row, scene in enumerate(batch):
        if not len(scene.boxes):
            continue
        boxes = torch.from_numpy(scene.boxes) / SceneSSD.side
        overlap = iou(boxes, corners)  # (objects, anchors)
        best, whose = overlap.max(0)
        for number, anchor in enumerate(overlap.argmax(1).tolist()):  # each object gets its best anchor at least
            best[anchor], whose[anchor] = 1.0, number
        kinds[row] = torch.where(best >= 0.5, torch.from_numpy(scene.classes)[whose] + 1, 0)
        mine = boxes[whose]
        centres, sizes = (mine[:, :2] + mine[:, 2:]) / 2, mine[:, 2:] - mine[:, :2]
        offsets[row, :, :2] = (centres - anchors[:, :2]) / anchors[:, 2:] / CENTRE_SCALE
        offsets[row, :, 2:] = (sizes / anchors[:, 2:]).log() / SIZE_SCALE
    return offsets, kinds


def iou(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (high - low).clamp(min=0).prod(2)
    return both / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - both)


def multibox_loss(offsets: Tensor, logits: Tensor, wanted: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """SSD's loss: smooth L1 on the objects' boxes; cross-entropy on objects and the three hardest negatives of each."""
    objects = kinds > 0
    n = max(1, int(objects.sum()))
    places = nn.functional.smooth_l1_loss(offsets[objects], wanted[objects], reduction="sum") / n
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), kinds.flatten(), reduction="none").view_as(kinds)
    negatives = loss.detach().masked_fill(objects, -1).flatten()
    hardest = torch.zeros_like(negatives, dtype=torch.bool)
    hardest[negatives.topk(min(3 * n, len(negatives))).indices] = True
    return places, (loss * (objects | hardest.view_as(objects))).sum() / n


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average's weights and batch statistics towards the model's."""
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1 - decay)


if __name__ == "__main__":
    main()
