"""Write src/mlassay/rules/data/training/rcp/ from the reference convergence points that `mlperf-logging` ships.

pip install mlperf-logging==4.1.68, then: python scripts/import_rcp.py

Only the facts are taken: batch size, hyperparameters, the runs' convergence, who measured it where. Equal points of
several rounds become one entry.
"""

from __future__ import annotations

import importlib.metadata
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "src/mlassay/rules/data/training/rcp"
PACKAGE = "mlperf_logging.rcp_checker"
BY_SAMPLES = {
    "llama2_70b_lora", "flux1", "llama31_405b", "llama31_8b", "gpt_oss_20b", "deepseekv3_671b", "qwen35_397b_grpo",
    "dlrmv4", "stable_diffusion",
}  # fmt: skip
"""Benchmarks whose logs count convergence in the samples_count of an evaluation; the others in its epoch_num."""


def main() -> None:
    version = importlib.metadata.version("mlperf-logging")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    folders = sorted(f.name for f in (files(PACKAGE)).iterdir() if f.name.startswith("training_"))
    for folder in folders:
        round_name = "v" + folder.removeprefix("training_").removesuffix(".0")
        for file in sorted((files(PACKAGE) / folder).iterdir(), key=lambda f: f.name):
            benchmark = file.name.removeprefix("rcps_").removesuffix(".json")
            for name, record in json.loads(file.read_text(encoding="utf-8")).items():
                point = _point(benchmark, name, record, f"{folder}/{file.name}")
                mark = json.dumps({k: v for k, v in point.items() if k != "source"}, sort_keys=True)
                kept = found.setdefault(benchmark, {}).setdefault(mark, point | {"rounds": []})
                kept["rounds"].append(round_name)
    OUT.mkdir(exist_ok=True)
    for benchmark, points in found.items():
        text = _file(benchmark, list(points.values()), version)
        (OUT / f"{benchmark}.toml").write_text(text, encoding="utf-8")
        print(f"{benchmark}: {len(points)} points, {len(text)} bytes")


def _point(benchmark: str, name: str, record: dict[str, Any], source: str) -> dict[str, Any]:
    values = record.get("Epochs to converge") or record["samples to converge"]
    return {
        "name": name,
        "batch": record["BS"],
        "values": sorted(values),
        "measured_by": record.get("Creator", ""),
        "when": record.get("When", ""),
        "platform": record.get("Platform", ""),
        "precision": record.get("Precision", ""),
        "hyperparameters": record["Hyperparams"],
        "source": source,
    }


def _file(benchmark: str, points: list[dict[str, Any]], version: str) -> str:
    unit = "samples_count" if benchmark in BY_SAMPLES else "epoch_num"
    lines = [
        f"# Reference convergence points of {benchmark}, one for each batch size and round. Numbers as published in",
        f"# mlperf-logging {version} (MLCommons, Apache-2.0); `source` names the file there. Written by",
        "# scripts/import_rcp.py.",
        "",
        f'unit = "{unit}"',
    ]
    if benchmark == "stable_diffusion":
        lines.append('unit_of = { "v3.1" = "step_num" }')
    for point in sorted(points, key=lambda p: (p["rounds"][0], p["batch"])):
        lines += ["", "[[points]]", *(f"{k} = {_toml(v)}" for k, v in point.items() if v not in ("", {}))]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
