"""Train the packed 3D U-Net on the rear of the MNI152 template, measure it on the front, export it, write its card.

    pip download --no-deps nilearn==0.14.1 && unzip nilearn-0.14.1-*.whl -d nilearn    # BSD; carries the template
    python scripts/train_medical_segmentation.py --data nilearn/nilearn/datasets/data

Needs the extras torch, onnx and medical; some six minutes on one core. Same seed, machine and versions: same weights.
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

from mlassay.tasks.checkpoint import export_onnx
from mlassay.tasks.medical_segmentation import accuracy, brain, dataset, postprocess
from mlassay.tasks.medical_segmentation.unet import BRAIN_WIDTHS, UNet3D
from mlassay.tasks.task import AccuracyResult

HERE = Path(__file__).resolve().parent
PACKED = HERE.parent / "src/mlassay/tasks/medical_segmentation/data"
TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
BRAIN = (slice(26, 170), slice(27, 208), slice(5, 149))  # the box around the brain, cut to 144 × 181 × 144
REAR, FRONT = slice(0, 93), slice(101, 181)  # along the second axis, eight slices apart
LEAST = 102  # of 255: where neither tissue is likelier than this the voxel belongs to none


def main() -> None:
    args = arguments()
    prepare_process(args.seed)
    image, labels = template(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out / brain.PACKED.name, image=image[:, FRONT], labels=labels[:, FRONT])
    started = time.process_time()
    model = train(image[:, REAR], labels[:, REAR], args)
    cpu_s = time.process_time() - started
    path = args.out / "brain-unet.onnx"
    example = torch.zeros(1, 1, brain.WINDOW, brain.WINDOW, brain.WINDOW)
    export_onnx(model, (example,), path, inputs=("volume",), outputs=("scores",))
    write_card(args, path, measure(model, path), cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the three mni_icbm152 files of nilearn")
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--peak-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=20260401)
    return parser.parse_args()


def prepare_process(seed: int) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if sys.platform == "linux":  # keep freed activations instead of returning them to the kernel: a quarter faster
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            libc.mallopt(option, value)


def template(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """T1 image and labels: 0 outside, 1 grey, 2 white, by the larger of the two tissue maps."""
    import nibabel

    t1, grey, white = (np.asarray(nibabel.load(folder / TEMPLATE.format(k)).dataobj)[BRAIN] for k in ("t1", "gm", "wm"))
    tissue = np.where(grey >= white, 1, 2)
    return t1, np.where((t1 == 0) | (np.maximum(grey, white) < LEAST), 0, tissue).astype(np.uint8)


def train(image: NDArray[np.uint8], labels: NDArray[np.uint8], args: argparse.Namespace) -> UNet3D:
    """AdamW with a one-cycle rate on random windows, mirrored and with noise; averaged weights are kept."""
    volume, wanted = torch.from_numpy(brain.scaled(image)), torch.from_numpy(labels.astype(np.int64))
    model = UNet3D(BRAIN_WIDTHS).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.peak_rate, total_steps=args.steps, pct_start=0.2, cycle_momentum=False
    )
    total = 0.0
    for step in range(args.steps):
        pieces, truth = windows(volume, wanted, args.batch)
        scores = model(pieces)
        loss = nn.functional.cross_entropy(scores, truth) + dice_loss(scores, truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for mine, theirs in zip(average.parameters(), model.parameters(), strict=True):
                mine.lerp_(theirs, 1 - min(0.995, step / (step + 10)))
        total += float(loss.detach())
        if step % 50 == 49:
            print(f"step {step + 1}: loss {total / 50:.4f}, CPU {time.process_time():.0f} s", flush=True)
            total = 0.0
    return average.eval().to(memory_format=torch.contiguous_format)  # type: ignore[no-any-return, call-overload]


def windows(volume: Tensor, wanted: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Windows that hold some brain, mirrored by chance along each axis, brighter or darker, with noise."""
    pieces, truth = [], []
    while len(pieces) < n:
        at = [int(torch.randint(size - brain.WINDOW + 1, ())) for size in volume.shape]
        place = tuple(slice(begin, begin + brain.WINDOW) for begin in at)
        if not (wanted[place] > 0).any():
            continue
        axes = [axis for axis in range(3) if torch.rand(()) < 0.5]
        piece = volume[place].flip(axes) * (0.95 + 0.1 * torch.rand(())) + 0.05 * torch.randn(())
        pieces.append(piece + 0.05 * torch.rand(()) * torch.randn(piece.shape))
        truth.append(wanted[place].flip(axes))
    pieces_b1dhw = torch.stack(pieces)[:, None].contiguous(memory_format=torch.channels_last_3d)
    return pieces_b1dhw, torch.stack(truth)


def dice_loss(scores: Tensor, truth: Tensor) -> Tensor:
    likely = scores.softmax(1)[:, 1:]
    one_hot = nn.functional.one_hot(truth, scores.shape[1]).movedim(-1, 1)[:, 1:]
    both = (likely * one_hot).sum((2, 3, 4))
    return 1 - ((2 * both + 1) / (likely.sum((2, 3, 4)) + one_hot.sum((2, 3, 4)) + 1)).mean()


def measure(model: UNet3D, path: Path) -> AccuracyResult:
    """Mean Dice on the packed boxes, and a check that the exported file marks as the model that was trained."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def by_torch(batch: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            return [model(torch.from_numpy(batch[0])).numpy()]

    volumes = dataset.packed_volumes()
    samples = [volumes.sample(index) for index in range(len(volumes))]
    results = []
    for run in (by_torch, lambda batch: session.run(None, {"volume": batch[0]})):
        answers = postprocess.infer(samples, run, window=brain.WINDOW, at_once=4)
        results.append(accuracy.score(((i, postprocess.encode(a)) for i, a in enumerate(answers)), volumes, None))
    print(results[0].official_line, "| ONNX Runtime:", results[1].official_line)
    if abs(results[0].value - results[1].value) > 1e-4:
        raise SystemExit("the exported model marks otherwise than the trained one")
    return results[0]


def write_card(args: argparse.Namespace, path: Path, result: AccuracyResult, cpu_s: float) -> None:
    data = args.out / brain.PACKED.name
    numbers = {
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_bytes": path.stat().st_size,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "data_bytes": data.stat().st_size,
        "parameters": sum(p.numel() for p in UNet3D(BRAIN_WIDTHS).parameters()),
        "dice": round(result.value, 5),
        "dice_grey": round(result.details["grey matter"], 5),
        "dice_white": round(result.details["white matter"], 5),
        "boxes": result.n,
        "windows_trained_on": args.steps * args.batch,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "brain-unet.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template_text = (HERE / "medical_segmentation_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template_text.format(**numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
