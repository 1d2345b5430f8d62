"""A few optimiser steps of reference profiles on made-up data of the true format: that they run, and how fast."""

from __future__ import annotations

import dataclasses
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.training.tiny import kits_like, movielens_like
from tests.training.tiny_coco import coco_like
from tests.training.tiny_speech import librispeech

GIB = 2**30
BYTES_PER_PARAMETER = 16  # weight, gradient, two moments


def imagenet_like(folder: Path) -> Path:
    """Two classes of four photographs' size each."""
    import PIL.Image

    rng = np.random.default_rng(1)
    for part, n in (("train", 4), ("val", 1)):
        for name in ("n01440764", "n01443537"):
            (folder / part / name).mkdir(parents=True)
            for k in range(n):
                blocks = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
                picture = PIL.Image.fromarray(blocks).resize((500, 375), PIL.Image.Resampling.BICUBIC)
                picture.save(folder / part / name / f"{name}_{k}.JPEG", quality=90)
    return folder


def sentences_like(folder: Path) -> Path:
    """Parallel files of word pieces, thirty to a sentence."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    words = [f"piece{k}" for k in range(20_000)]
    (folder / "vocab.txt").write_text("\n".join(words))
    for part in ("train", "test"):
        for language in ("en", "de"):
            lines = [" ".join(rng.choice(words, 30)) for _ in range(16)]
            (folder / f"{part}.{language}").write_text("\n".join(lines) + "\n")
    return folder


def examples_like(folder: Path) -> Path:
    """Prepared BERT examples of 512 tokens with 76 predictions."""
    rng = np.random.default_rng(3)
    for part in ("train", "eval"):
        (folder / part).mkdir(parents=True)
        n = 8
        arrays = {
            "input_ids": rng.integers(1000, 30_000, (n, 512)),
            "input_mask": np.ones((n, 512)),
            "segment_ids": np.repeat([[0, 1]], 256, 1).repeat(n, 0),
            "masked_lm_positions": np.sort(rng.permuted(np.tile(np.arange(512), (n, 1)), axis=1)[:, :76]),
            "masked_lm_ids": rng.integers(1000, 30_000, (n, 76)),
            "masked_lm_weights": np.ones((n, 76)),
            "next_sentence_labels": rng.integers(0, 2, (n, 1)),
        }
        for name, values in arrays.items():
            np.save(folder / part / f"{name}.npy", values.astype(np.int32))
    return folder


def games_like(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.sgf").write_text("(;GM[1]SZ[9];B[ee];W[cc];B[gg])")
    return folder


def ratings_like(folder: Path) -> Path:
    folder.mkdir()
    return movielens_like(folder)


def recordings_like(folder: Path) -> Path:
    """Eight recordings of nine seconds to learn from."""
    folder.mkdir()
    return librispeech(folder, ".wav", shortest_s=9.0)


def volumes_like(folder: Path) -> Path:
    folder.mkdir()
    return kits_like(folder, size=64, only=1)


def none_needed(folder: Path) -> Path:
    """For what no machine of this size can hold; where one can, the benchmark says which data are missing."""
    folder.mkdir()
    return folder


PROFILES: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str]] = {
    "ncf": (ratings_like, {"global_batch_size": 256}, ""),
    "resnet": (imagenet_like, {"global_batch_size": 4, "n_workers": 1}, ""),
    "ssd": (coco_like, {"global_batch_size": 2, "n_workers": 1, "backbone": "none"}, ""),
    "minigo": (
        games_like,
        {"games_per_generation": 1, "readouts": 8, "gating_games": 0},
        "self-play cut to one game of 8 readouts a move",
    ),
    "gnmt": (sentences_like, {"global_batch_size": 2}, ""),
    "transformer": (sentences_like, {"global_batch_size": 2}, ""),
    "rnnt": (
        recordings_like,
        {"train_sets": ("train-clean-100", "train-other-500"), "global_batch_size": 4, "n_workers": 1},
        "recordings of nine seconds",
    ),
    "unet3d": (volumes_like, {"global_batch_size": 1, "patch": 64}, "crops of 64 voxels in place of 128"),
    "maskrcnn": (
        coco_like,
        {"global_batch_size": 1, "n_workers": 1, "backbone": "none", "learning_rate": 1e-6},
        "the rate is next to nothing, for the frozen backbone is random",
    ),
    "bert": (examples_like, {"global_batch_size": 1}, ""),
    "dlrm": (none_needed, {}, ""),
    "dlrm_dcnv2": (none_needed, {}, ""),
    "llama31_8b": (none_needed, {}, ""),
    "llama2_70b_lora": (none_needed, {"base_weights": "none"}, ""),
    "gpt3": (none_needed, {}, ""),
    "llama31_405b": (none_needed, {}, ""),
}
"""Data, what is changed in the configuration, and what a reader must know; from the quickest to the slowest."""

QUICK = ("ncf", "resnet", "minigo")


def steps(name: str, n_steps: int) -> None:
    """Print samples per second over some steps behind a first one; the loss must be a number."""
    from mlassay.training.benchmark import Surroundings
    from mlassay.training.catalogue import recipe
    from mlassay.training.common.engine import count_parameters

    made, changes, note = PROFILES[name]
    chosen = recipe(name)
    config = dataclasses.replace(chosen.profiles["reference"](), **changes)
    with tempfile.TemporaryDirectory() as scratch:
        data = made(Path(scratch) / "data")
        benchmark: Any = chosen.make(config, "reference", Surroundings(seed=1, data=data))
        size = _size(benchmark, count_parameters)
        free = _free_bytes()
        if size * BYTES_PER_PARAMETER > 0.8 * free:
            print(f"reference {name}: not measured: {size:,} parameters need more than the {free / GIB:.1f} GiB free")
            return
        benchmark.build()
        benchmark.load()
        losses, seconds = [benchmark.step().loss], []
        for _ in range(n_steps):
            began = time.perf_counter()
            losses.append(benchmark.step().loss)
            seconds.append(time.perf_counter() - began)
    assert np.isfinite(losses).all(), losses
    rate = config.global_batch_size / statistics.median(seconds)
    spread = f"{config.global_batch_size / max(seconds):,.2f} to {config.global_batch_size / min(seconds):,.2f}"
    more = f"; {note}" if note else ""
    print(
        f"reference {name}: {size:,} parameters, batch {config.global_batch_size}, {n_steps} steps: "
        f"{rate:,.2f} samples/s ({spread}){more}"
    )
    del benchmark
    gc.collect()


def _size(benchmark: Any, count: Callable[[Any], int]) -> int:
    import torch

    device, benchmark.device = benchmark.device, torch.device("meta")
    try:
        with benchmark.device:
            return count(benchmark.make_model())
    finally:
        benchmark.device = device


def _free_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no MemAvailable in /proc/meminfo; this benchmark needs Linux")
