"""The task itself: puts data set, preprocessing, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.library import TensorLibrary
from mlassay.tasks.object_detection import accuracy, boxes, dataset, postprocess
from mlassay.tasks.object_detection.boxes import Floats, Selection
from mlassay.tasks.object_detection.dataset import DetectionSet
from mlassay.tasks.object_detection.preprocess import RULES, DetectionRule, squeeze
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

DATA = Path(__file__).parent / "data"

SMALL = Profile(
    name="small",
    summary="500 scenes of clothing (Fashion-MNIST) and our own small SSD: packed, no download",
    benchmarks=("ssd-small", "retinanet"),
)
RESNET34 = Profile(
    name="ssd-resnet34",
    summary="the rule book's SSD-ResNet34 at 1200×1200 on COCO 2017: your model file, your data folder",
    benchmarks=("ssd-large",),
    official=True,
    needs=("data", "model"),
)
MOBILENET = Profile(
    name="ssd-mobilenet",
    summary="the rule book's SSD-MobileNet-v1 at 300×300 on COCO 2017: your model file, your data folder",
    benchmarks=("ssd-small",),
    official=True,
    needs=("data", "model"),
)
RETINANET = Profile(
    name="retinanet",
    summary="the rule book's RetinaNet at 800×800 on OpenImages: your model file, your data folder",
    benchmarks=("retinanet",),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model file of yours on a data set of yours",
    benchmarks=("retinanet", "ssd-large"),
    needs=("model", "data"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """What distinguishes one profile with a model file from another."""

    side: int
    rule: str
    selection: Selection
    target: QualityTarget | None = None
    pictures: int = 0  # of the published data set, for which alone the target holds
    gapless: bool = False  # labels count COCO's categories from 1 without gaps


_RECIPES = {
    # targets: inference rules, table of models
    "ssd-resnet34": _Recipe(
        side=1200,
        rule="ssd-resnet34",
        selection=boxes.SSD_RESNET34,
        target=QualityTarget(metric="mAP", reference=20.0, factor=0.99, source="inference rules v0.5: ssd-large"),
        pictures=dataset.COCO_2017.counts["pictures"],
        gapless=True,
    ),
    "ssd-mobilenet": _Recipe(
        side=300,
        rule="scene",
        selection=boxes.SSD_MOBILENET,
        target=QualityTarget(metric="mAP", reference=22.0, factor=0.99, source="inference rules v0.5: ssd-small"),
        pictures=dataset.COCO_2017.counts["pictures"],
    ),
    "retinanet": _Recipe(
        side=800,
        rule="retinanet",
        selection=boxes.RETINANET,
        target=QualityTarget(metric="mAP", reference=37.55, factor=0.99, source="inference rules v2.1: retinanet"),
        pictures=dataset.OPENIMAGES.counts["pictures"],
    ),
    "own": _Recipe(side=0, rule="scene", selection=boxes.SSD_MOBILENET),
}
_PERFORMANCE_COUNTS = {1200: 64, 300: 256, 800: 64}  # the least that the rules allow to be held in memory, by size
_HINT = "give --data FOLDER (with annotations/)"
_TIMED = "timed: inference and non-maximum suppression; untimed: decoding, resizing, scaling, loading into memory"


class ObjectDetection:
    """What is in a picture, and where? Judged by COCO mean average precision."""

    name = "object-detection"
    summary = "one picture in, boxes with classes and scores out; COCO mAP"
    profiles = (SMALL, RESNET34, MOBILENET, RETINANET, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "annotations": "COCO annotation file, instead of the one in the data folder",
        "preprocess": f"how pixels are scaled: {', '.join(RULES)}",
        "labels": "gapless: the model counts the annotations' categories from 1; ids: it answers their ids",
        "size": "height and width of the model's input, where the model file leaves them open",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "scene-ssd")
        return self._open_small(request) if profile is SMALL else self._open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the data set in request.data: what is missing, damaged or other than published."""
        folder = required_data(self.name, request, "pictures with COCO annotations", hint=_HINT)
        annotations = request.options.get("annotations")
        return dataset.verify(folder, Path(annotations) if annotations else None)

    def _open_small(self, request: TaskRequest) -> OpenTask:
        card = packed_card()
        pictures = _pictures(request) if request.data else dataset.packed_scenes()
        target = None
        if not request.data:
            target = QualityTarget(
                metric="mAP",
                reference=float(card["map_percent_packed"]),
                factor=0.99,
                source="data card of scene-ssd",
            )
        recipe = _Recipe(side=96, rule="scene", selection=boxes.SCENE, target=target, pictures=len(pictures))
        return self._assemble(request, SMALL, pictures, packed_model(card), recipe)

    def _open_file(self, request: TaskRequest, profile: Profile) -> OpenTask:
        how = "give --model FILE.onnx; docs/tasks/object-detection.md says how to make one from a checkpoint"
        path = model_file(profile, request, hint=how)
        required_data(profile.name, request, "pictures with COCO annotations", hint=_HINT)
        from mlassay.tasks.object_detection import reference

        recipe = _RECIPES[profile.name]
        pictures = _pictures(request)
        model = reference.model_of_file(path, recipe.selection, side=recipe.side or 1)
        warnings: tuple[str, ...] = ()
        if not profile.official and "preprocess" not in request.options:
            warnings = (f"preprocess={recipe.rule} was assumed; give the one that the model was trained with",)
        return self._assemble(request, profile, pictures, model, recipe, warnings)

    def _assemble(
        self,
        request: TaskRequest,
        profile: Profile,
        pictures: DetectionSet,
        model: ModelSpec,
        recipe: _Recipe,
        warnings: tuple[str, ...] = (),
    ) -> OpenTask:
        side, layout, dtype = picture_input(model, recipe.side, request.options.get("size", ""))
        rule = _rule(request.options.get("preprocess", recipe.rule))
        target = recipe.target if len(pictures) == recipe.pictures else None
        label_of = _labels(request.options.get("labels", "gapless" if recipe.gapless else "ids"), pictures)
        library = TensorLibrary(
            pictures.name,
            total_count=len(pictures),
            performance_count=request.performance_count or _performance_count(pictures, side, dtype),
            shape=(3, side, side) if layout == "NCHW" else (side, side, 3),
            dtype=dtype,
            prepare=partial(_prepared, pictures=pictures, rule=rule, side=side, layout=layout, dtype=dtype),
            workers=1 if profile is SMALL and not request.data else 0,
        )
        return OpenTask(
            name=self.name,
            profile=profile,
            library=library,
            model=replace(model, layout=layout),
            target=target,
            encode=postprocess.encode,
            encode_for=postprocess.encode_for,
            score=partial(accuracy.score, pictures=pictures, target=target, label_of=label_of),
            truth=_Truth(pictures, label_of),
            timed=_TIMED,
            data={"name": pictures.name, **pictures.about},
            warnings=warnings,
        )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(DATA / "scene-ssd.json")


def packed_model(card: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(
        name="scene-ssd",
        files={"onnx": DATA / "scene-ssd.onnx"},
        inputs=(TensorSpec("image", (None, 3, 96, 96)),),
        outputs=(TensorSpec("boxes", (None, 1080, 4)), TensorSpec("scores", (None, 1080, 11))),
        finish=partial(postprocess.finish_dense, rule=boxes.SCENE),
        about={"licence": "Apache-2.0", "origin": "scripts/train_object_detection.py", **card},
    )


def picture_input(model: ModelSpec, side: int, size: str) -> tuple[int, str, str]:
    """Side, layout and type that the model's one input wants; UsageError says what does not fit a detector."""
    wants = f"{model.name} wants {'; '.join(map(str, model.inputs))}"
    expected = "expected one input of 4 dimensions, batch first, with 3 channels first or last"
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
        raise UsageError(f"{wants}; {expected}", hint="this does not look like a detector")
    only = model.inputs[0]
    if only.dtype not in ("float32", "float16", "uint8"):
        raise UsageError(f"{wants}; expected float32, float16 or uint8")
    _, second, third, fourth = only.shape
    layout = "NCHW" if second == 3 else "NHWC"
    if second != 3 and fourth not in (3, None):
        raise UsageError(f"{wants}; {expected}", hint="export the model with a fixed number of channels")
    sides = (third, fourth) if layout == "NCHW" else (second, third)
    if size and not (size.isdigit() and int(size) > 0):
        raise UsageError(f"size={size} is not a number of pixels")
    known = {s for s in sides if s is not None} | ({int(size)} if size else set()) or ({side} if side else set())
    if len(known) != 1:
        raise UsageError(f"{wants}: height and width are not clear", hint="say which with the task option size=300")
    return known.pop(), layout, only.dtype


class _Truth:
    """The boxes that the annotations give for a picture, as a perfect detector would answer them."""

    def __init__(self, pictures: DetectionSet, label_of: Mapping[int, int] | None) -> None:
        self._pictures = pictures
        self._logged = {category: label for label, category in label_of.items()} if label_of else None
        self._of: dict[Any, list[Mapping[str, Any]]] | None = None

    def __call__(self, index: int) -> Floats:
        if self._of is None:
            self._of = {}
            for one in self._pictures.coco["annotations"]:
                self._of.setdefault(one["image_id"], []).append(one)
        image = self._pictures.coco["images"][index]
        height, width = image["height"], image["width"]
        rows = []
        for one in self._of.get(image["id"], []):
            if not one["iscrowd"]:
                x, y, w, h = one["bbox"]
                label = self._logged[one["category_id"]] if self._logged else one["category_id"]
                rows.append([y / height, x / width, (y + h) / height, (x + w) / width, 1.0, label])
        return np.asarray(rows, np.float32).reshape(-1, 6)


def _prepared(
    index: int, *, pictures: DetectionSet, rule: DetectionRule, side: int, layout: str, dtype: str
) -> NDArray[Any]:
    sample = squeeze(pictures.read(index), side)
    if dtype == "uint8":
        whole: NDArray[Any] = sample.astype(np.uint8)  # cut off, as the reference does
    else:
        whole = rule.apply(sample)
    return whole.transpose(2, 0, 1) if layout == "NCHW" else whole


def _pictures(request: TaskRequest) -> DetectionSet:
    assert request.data is not None
    annotations = request.options.get("annotations")
    return dataset.open_folder(request.data, Path(annotations) if annotations else None)


def _rule(name: str) -> DetectionRule:
    if name not in RULES:
        raise UsageError(f"there is no preprocess={name}", hint=f"known: {', '.join(RULES)}")
    return RULES[name]


def _labels(wish: str, pictures: DetectionSet) -> dict[int, int] | None:
    """From logged label to category id; None where they are the same."""
    if wish not in ("gapless", "ids"):
        raise UsageError(f"labels={wish} is not known", hint="labels=gapless or labels=ids")
    return dict(enumerate(pictures.category_ids, 1)) if wish == "gapless" else None


def _performance_count(pictures: DetectionSet, side: int, dtype: str) -> int:
    """All, if they take less than half a gigabyte; else what the rules ask for."""
    size_bytes = len(pictures) * side * side * 3 * np.dtype(dtype).itemsize
    return len(pictures) if size_bytes < 2**29 else _PERFORMANCE_COUNTS.get(side, 64)


TASK = ObjectDetection()
