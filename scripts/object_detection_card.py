"""The second half of train_object_detection.py: measure the detector, export it, check the export, write its card."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlassay.tasks.object_detection import accuracy, boxes, dataset, postprocess
from mlassay.tasks.object_detection.dataset import DetectionSet
from mlassay.tasks.object_detection.model import export_scene
from mlassay.tasks.object_detection.preprocess import SCENE
from mlassay.tasks.object_detection.scene_ssd import SceneSSD
from mlassay.tasks.object_detection.scenes import SceneSource, as_coco
from mlassay.tasks.task import AccuracyResult

HERE = Path(__file__).resolve().parent
N_OTHER = 1000
Detector = Callable[[np.ndarray], Sequence[Any]]


def finish(model: SceneSSD, other: SceneSource, args: argparse.Namespace, cpu_s: float) -> None:
    """`other`: scenes of test pictures that the packed scenes do not use."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "scene-ssd.onnx"
    export_scene(model, path)
    if path.stat().st_size > 1_000_000:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes; expected at most 1,000,000")
    packed = dataset.packed_scenes()
    trained, exported = torch_detector(model), onnx_detector(path)
    on_packed = judged(packed, trained)
    on_other = judged(as_set(other), trained)
    by_onnx = judged(packed, exported)
    swapped = judged(packed, lambda images: exported(np.ascontiguousarray(images[:, ::-1])))
    print(f"packed: {on_packed.official_line} (ONNX Runtime {by_onnx.official_line}), others {on_other.official_line}")
    print(f"red and blue swapped: {swapped.official_line}; details {dict(on_packed.details)}")
    if abs(by_onnx.value - on_packed.value) > 0.01:
        raise SystemExit("the exported model detects otherwise than the trained one")
    write_card(args, path, on_packed, on_other, swapped, cpu_s)


def as_set(source: SceneSource) -> DetectionSet:
    scenes = [source.scene(number) for number in range(N_OTHER)]
    return DetectionSet(
        name="other scenes", coco=as_coco(scenes, "other scenes"), read=lambda index: scenes[index].pixels
    )


def judged(pictures: DetectionSet, detect: Detector) -> AccuracyResult:
    answers = []
    for begin in range(0, len(pictures), 50):
        part = range(begin, min(begin + 50, len(pictures)))
        images = np.stack([SCENE.apply(pictures.read(i)).transpose(2, 0, 1) for i in part])
        answers += [(i, postprocess.encode_for(i, one)) for i, one in zip(part, detect(images), strict=True)]
    return accuracy.score(answers, pictures, None)


def torch_detector(model: SceneSSD) -> Detector:
    def detect(images: np.ndarray) -> Sequence[Any]:
        with torch.no_grad():
            return postprocess.finish_dense([o.numpy() for o in model(torch.from_numpy(images))], boxes.SCENE)

    return detect


def onnx_detector(path: Path) -> Detector:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: postprocess.finish_dense(session.run(["boxes", "scores"], {"image": images}), boxes.SCENE)


def write_card(
    args: argparse.Namespace,
    path: Path,
    packed: AccuracyResult,
    other: AccuracyResult,
    swapped: AccuracyResult,
    cpu_s: float,
) -> None:
    numbers = {
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in SceneSSD().parameters()),
        "map_percent_packed": round(packed.value, 4),
        "map50_percent_packed": round(packed.details["mAP50"], 4),
        "map_percent_other": round(other.value, 4),
        "map_percent_swapped": round(swapped.value, 4),
        "other_scenes": N_OTHER,
        "scenes_trained_on": args.steps * args.batch,
        "seed": args.seed,
        "train_cpu_s": round(cpu_s),
        "torch": torch.__version__,
    }
    (args.out / "scene-ssd.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    template = (HERE / "object_detection_card.md").read_text(encoding="utf-8")
    (args.out / "README.md").write_text(template.format(**numbers), encoding="utf-8")
