"""Pre-train the packed base of the small LoRA benchmark, store it in 16 bits and write its data card.

    nice -n 19 python scripts/train_lora_base.py     # some minutes on one core; needs the extra training and, once, the
    network

It is the small profile of `mlassay train llama31_8b`, with its own code, data and schedule, trained to the end of its
budget of steps whatever the target. What is kept is the last step's weights.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch

from mlassay.training.benchmark import Surroundings
from mlassay.training.catalogue import recipe
from mlassay.training.common.engine import TorchBenchmark, count_parameters
from mlassay.training.lora.base import PACKED_BASE

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PACKED_BASE)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--steps", type=int, help="stop after so many (a trial)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = recipe("llama31_8b")
    benchmark = chosen.make(chosen.profiles["small"](), "small", Surroundings(seed=args.seed))
    assert isinstance(benchmark, TorchBenchmark)
    benchmark.build()
    steps = args.steps or benchmark.load().max_steps
    began = time.process_time()
    for step in range(steps):
        report = benchmark.step()
        if step % 50 == 49:
            print(f"step {step + 1} of {steps}: loss {report.loss:.4f}", flush=True)
    cpu_s = time.process_time() - began
    quality = benchmark.evaluate()["log_perplexity"]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, **{k: v.half().numpy() for k, v in benchmark.net.state_dict().items()})
    card = (HERE / "lora_base_card.md").read_text(encoding="utf-8").format(
        file=args.out.name,
        parameters=count_parameters(benchmark.net),
        sha256=hashlib.sha256(args.out.read_bytes()).hexdigest(),
        size=args.out.stat().st_size,
        steps=steps,
        seed=args.seed,
        log_perplexity=quality,
        cpu_s=cpu_s,
        torch=torch.__version__,
    )  # fmt: skip
    (args.out.parent / "README.md").write_text(card, encoding="utf-8")
    print(f"log-perplexity {quality:.4f}, {cpu_s:.0f} s of CPU")


if __name__ == "__main__":
    main()
