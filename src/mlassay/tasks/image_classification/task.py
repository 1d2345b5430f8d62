"""The task itself: puts data set, preprocessing, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.data_report import DataReport
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.image_classification import accuracy, dataset, postprocess
from mlassay.tasks.image_classification.dataset import LabelledPictures
from mlassay.tasks.image_classification.feed import PictureInput, picture_input
from mlassay.tasks.image_classification.preprocess import GREY_SCALES, RULES
from mlassay.tasks.library import TensorLibrary
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

SMALL = Profile(
    name="small",
    summary="2,000 photographs of clothing (Fashion-MNIST) and our own MobileNet-v1: packed, no download",
    benchmarks=("mobilenet", "resnet"),
)
LITE0 = Profile(
    name="efficientnet-lite0",
    summary="EfficientNet-Lite0, fetched once (17 MB), on 20 labelled photos or your ImageNet folder",
    benchmarks=("resnet",),
    needs=("network",),
)
RESNET50 = Profile(
    name="resnet50",
    summary="the rule book's ResNet-50 v1.5 on ImageNet: your model file, your validation folder",
    benchmarks=("resnet",),
    official=True,
    needs=("data", "model"),
)
MOBILENET = Profile(
    name="mobilenet",
    summary="the v0.5 rule book's MobileNet-v1 on ImageNet: your model file, your validation folder",
    benchmarks=("mobilenet",),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model file of yours on a data set of yours",
    benchmarks=("resnet",),
    needs=("model",),
)

_REFERENCE = {
    # clause: inference rules, table of models; ImageNet 2012 validation set
    "resnet50": QualityTarget(metric="accuracy", reference=76.46, factor=0.99, source="inference rules: resnet"),
    "mobilenet": QualityTarget(
        metric="accuracy", reference=71.68, factor=0.98, source="inference rules v0.5: mobilenet"
    ),
}
_IMAGENET_PERFORMANCE_COUNT = 1024  # the least that the rules allow to be held in memory
_HINT = "give --data FOLDER (with val_map.txt or class folders)"
_MODEL_HINT = "give --model FILE.onnx, a torchvision checkpoint (.pth), or random: random weights, for speed alone"
_TIMED = "timed: inference and arg-max; untimed: decoding, resizing, scaling, loading into memory"


class ImageClassification:
    """Which of the classes does a picture show? Judged by top-1 accuracy."""

    name = "image-classification"
    summary = "one picture in, one class out; top-1 accuracy"
    profiles = (SMALL, LITE0, RESNET50, MOBILENET, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "labels": 'file of "picture class" lines, classes counted from 0, instead of what lies in the data folder',
        "preprocess": f"how pictures become samples: {', '.join(RULES)}; grey pictures: {', '.join(GREY_SCALES)}",
        "background": "yes: class 0 of the model is a background class (told by itself where there are 1,001 scores)",
        "size": "height and width of the model's input, where the model file leaves them open",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "fashion-mobilenet")
        if profile is SMALL:
            return self._open_small(request)
        if profile is LITE0:
            return self._open_lite0(request)
        return self._open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the pictures in request.data: what is missing, damaged or other than published."""
        from mlassay.tasks.image_classification.verify import verify

        labels = request.options.get("labels")
        return verify(required_data(self.name, request, "pictures", hint=_HINT), Path(labels) if labels else None)

    def _open_small(self, request: TaskRequest) -> OpenTask:
        card = packed_card()
        model = packed_model(card)
        pictures = _pictures(request) if request.data else dataset.packed_pictures()
        reference = _packed_reference(card, pictures)
        target = None
        if reference:
            target = QualityTarget(
                metric="accuracy", reference=reference, factor=0.99, source="data card of fashion-mobilenet"
            )
        return self._assemble(request, SMALL, pictures, model, target, "fashion")

    def _open_lite0(self, request: TaskRequest) -> OpenTask:
        from mlassay.tasks.image_classification import demo

        pictures = _pictures(request) if request.data else demo.photos()
        target = None if request.data else demo.TARGET
        return self._assemble(request, LITE0, pictures, demo.efficientnet_lite0(), target, "lite")

    def _open_file(self, request: TaskRequest, profile: Profile) -> OpenTask:
        if profile is RESNET50 and (request.model == "random" or request.model.endswith((".pt", ".pth"))):
            return self._open_resnet50(request)
        path = model_file(profile, request, hint=_MODEL_HINT if profile is RESNET50 else "give --model FILE.onnx")
        if profile.official:
            required_data(profile.name, request, "the ImageNet validation set", hint=_HINT)
        from mlassay.tasks.image_classification import reference

        pictures = _pictures(request) if request.data else dataset.packed_pictures()
        rule = profile.name if profile.official else ("fashion" if pictures.shape else "torch")
        warnings: tuple[str, ...] = ()
        if not profile.official and "preprocess" not in request.options:
            warnings = (f"preprocess={rule} was assumed; give the one that the model was trained with",)
        background = request.options.get("background", "no") == "yes"
        model = reference.model_of_file(path, background=background)
        target = _REFERENCE.get(profile.name) if len(pictures) == dataset.IMAGENET_VAL else None
        return self._assemble(request, profile, pictures, model, target, rule, warnings)

    def _open_resnet50(self, request: TaskRequest) -> OpenTask:
        """Our own network: a checkpoint of torchvision's names, or random weights, which know nothing."""
        from mlassay.tasks.image_classification import resnet50_files

        if request.model == "random":
            pictures = _pictures(request) if request.data else resnet50_files.noise()
            model, warnings = resnet50_files.random_weights(), (resnet50_files.RANDOM,)
            profile = replace(RESNET50, official=False)  # no entry for the closed division
            return self._assemble(request, profile, pictures, model, None, "torch", warnings)
        required_data(RESNET50.name, request, "the ImageNet validation set", hint=_HINT)
        pictures, model = _pictures(request), resnet50_files.converted(model_file(RESNET50, request))
        target = _REFERENCE[RESNET50.name] if len(pictures) == dataset.IMAGENET_VAL else None
        return self._assemble(request, RESNET50, pictures, model, target, "torch")

    def _assemble(
        self,
        request: TaskRequest,
        profile: Profile,
        pictures: LabelledPictures,
        model: ModelSpec,
        target: QualityTarget | None,
        rule: str,
        warnings: tuple[str, ...] = (),
    ) -> OpenTask:
        wanted = picture_input(model, pictures, request.options.get("size", ""))
        prepare = wanted.preparation(pictures, request.options.get("preprocess", rule))
        library = TensorLibrary(
            pictures.name,
            total_count=len(pictures),
            performance_count=request.performance_count or _performance_count(pictures, wanted),
            shape=wanted.shape,
            dtype=wanted.dtype,
            prepare=prepare,
            workers=1 if pictures.shape else 0,
        )
        labels = pictures.labels
        return OpenTask(
            name=self.name,
            profile=profile,
            library=library,
            model=replace(model, layout=wanted.layout),
            target=target,
            encode=postprocess.encode,
            score=partial(accuracy.score, labels=labels, target=target),
            truth=lambda index: int(labels[index]),
            timed=_TIMED,
            data={"name": pictures.name, **pictures.about},
            warnings=warnings,
        )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(dataset.PACKED / "fashion-mobilenet.json")


def packed_model(card: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(
        name="fashion-mobilenet",
        files={suffix: dataset.PACKED / f"fashion-mobilenet.{suffix}" for suffix in ("onnx", "tflite")},
        inputs=(TensorSpec("image", (None, 1, 28, 28)),),
        outputs=(TensorSpec("logits", (None, 10)),),
        finish=postprocess.finish,
        about={"licence": "Apache-2.0", "origin": "scripts/train_fashion_mobilenet.py", **card},
    )


def _pictures(request: TaskRequest) -> LabelledPictures:
    assert request.data is not None
    labels = request.options.get("labels")
    return dataset.open_pictures(request.data, Path(labels) if labels else None)


def _packed_reference(card: Mapping[str, Any], pictures: LabelledPictures) -> float | None:
    """What the packed model is known to reach on these pictures: the packed ones or the whole official test set."""
    packed: NDArray[np.int64] = dataset.packed_pictures().labels
    if len(pictures) not in (len(packed), 10_000) or (pictures.labels[: len(packed)] != packed).any():
        return None
    return float(card["accuracy_percent_packed" if len(pictures) == len(packed) else "accuracy_percent_10000"])


def _performance_count(pictures: LabelledPictures, wanted: PictureInput) -> int:
    """All, if they take less than a gigabyte; else what the rules ask for."""
    return len(pictures) if len(pictures) * wanted.sample_bytes < 2**30 else _IMAGENET_PERFORMANCE_COUNT


TASK = ImageClassification()
