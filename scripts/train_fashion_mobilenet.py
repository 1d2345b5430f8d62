"""Train the packed MobileNet-v1 on Fashion-MNIST, measure it, export it to ONNX and write its data card.

    apt-get install dataset-fashion-mnist          # or download the four idx.gz files into a folder
    python scripts/train_fashion_mobilenet.py      # eleven minutes on one core; needs the extras torch and onnx

Same seed, same machine and library versions: same weights. The ONNX model, the first 2,000 official test images and
labels, and the card are written into the package (`--out`).
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlassay.tasks.image_classification.idx import read_idx, write_idx
from mlassay.tasks.image_classification.mobilenet import FASHION, MobileNetV1
from mlassay.tasks.image_classification.model import export_onnx
from mlassay.tasks.image_classification.preprocess import FASHION_SCALE

HERE = Path(__file__).resolve().parent
PACKED = HERE.parent / "src/mlassay/tasks/image_classification/data"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
N_PACKED = 2000


def main() -> None:
    args = arguments()
    prepare_process(args.seed)
    train_x, train_y = load(args.data, "train")
    test_x, test_y = load(args.data, "t10k")
    started = time.process_time()
    model = train(train_x, train_y, args)
    cpu_s = time.process_time() - started
    accuracy = float((predict(model, test_x) == test_y).float().mean())
    packed = float((predict(model, test_x[:N_PACKED]) == test_y[:N_PACKED]).float().mean())
    print(f"test images right: all 10,000 {accuracy:.4f}, first {N_PACKED} {packed:.4f}; CPU {cpu_s:.0f} s")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "fashion-mobilenet.onnx"
    export(model, path)
    pack_images(args.data, args.out)
    check_export(path, model, test_x, test_y)
    write_card(args, path, accuracy, packed, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEBIAN, help="folder with the four usual idx.gz files")
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--epochs", type=int, default=11)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--peak-rate", type=float, default=0.008)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--smoothing", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=20260101)
    return parser.parse_args()


def prepare_process(seed: int) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if sys.platform == "linux":  # keep freed activations instead of returning them to the kernel: a quarter faster
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            libc.mallopt(option, value)


def load(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Normalised images (N, 1, 28, 28) and labels (N,) of one part, "train" or "t10k"."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return torch.from_numpy(FASHION_SCALE.apply(images))[:, None], torch.from_numpy(labels.astype(np.int64))


def train(images: Tensor, labels: Tensor, args: argparse.Namespace) -> nn.Module:
    """AdamW with a one-cycle rate; the weights kept are their exponential moving average."""
    model = MobileNetV1(FASHION).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, weight_decay=args.weight_decay)
    steps = args.epochs * (len(images) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.peak_rate, total_steps=steps, pct_start=0.2, cycle_momentum=False
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=args.smoothing)
    for epoch in range(args.epochs):
        total = 0.0
        order = torch.randperm(len(images))[: len(images) // args.batch * args.batch]
        for chosen in order.split(args.batch):
            loss = criterion(model(augment(images[chosen])), labels[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            follow(average, model, 0.998)
            total += float(loss.detach())
        print(
            f"epoch {epoch + 1}: loss {total / (len(order) // args.batch):.4f}, CPU {time.process_time():.0f} s",
            flush=True,
        )
    return average.eval()


def augment(images: Tensor) -> Tensor:
    """Mirror half of the images and shift each batch by up to two pixels."""
    batch = len(images)
    mirrored = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, images.flip(3), images)
    background = float(FASHION_SCALE.apply(np.zeros(1, np.uint8))[0])
    padded = nn.functional.pad(mirrored, (2, 2, 2, 2), value=background)
    down, right = (torch.randint(5, (batch, 1)) + torch.arange(28) for _ in range(2))
    shifted = padded[torch.arange(batch)[:, None, None], 0, down[:, :, None], right[:, None, :]]
    return shifted[:, None].contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average's weights and batch statistics towards the model's."""
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs, 1 - decay)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([model(part).argmax(1) for part in images.split(500)])


def export(model: nn.Module, path: Path) -> None:
    plain = model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    export_onnx(plain, (FASHION.in_channels, FASHION.size, FASHION.size), path)
    if path.stat().st_size > 1_000_000:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes; expected at most 1,000,000")


def check_export(path: Path, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """The exported file must classify exactly as the model that was trained."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = model(images[:N_PACKED]).numpy()
    found = session.run(None, {"image": images[:N_PACKED].numpy()})[0]
    print(f"export: largest difference {np.abs(found - wanted).max():.2e}")
    if (found.argmax(1) != wanted.argmax(1)).any():
        raise SystemExit("the exported model classifies some images otherwise than the trained one")
    right = int((found.argmax(1) == labels[:N_PACKED].numpy()).sum())
    print(f"ONNX Runtime: {right} of the first {N_PACKED} right")


def pack_images(source: Path, out: Path) -> None:
    """The first official test images and labels, in the original file format."""
    for kind in ("images-idx3", "labels-idx1"):
        whole: NDArray[np.uint8] = read_idx(source / f"t10k-{kind}-ubyte.gz")
        write_idx(out / f"fashion-mnist-t10k-first{N_PACKED}-{kind}-ubyte.gz", whole[:N_PACKED])


def write_card(args: argparse.Namespace, path: Path, accuracy: float, packed: float, cpu_s: float) -> None:
    numbers = {
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in MobileNetV1(FASHION).parameters()),
        "accuracy_percent_10000": round(100 * accuracy, 3),
        "accuracy_percent_packed": round(100 * packed, 3),
        "packed_images": N_PACKED,
        "images_sha256": _sha256(args.out, "images-idx3"),
        "labels_sha256": _sha256(args.out, "labels-idx1"),
        "epochs": args.epochs,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "fashion-mobilenet.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "fashion_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


def _sha256(out: Path, kind: str) -> str:
    file = out / f"fashion-mnist-t10k-first{N_PACKED}-{kind}-ubyte.gz"
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
