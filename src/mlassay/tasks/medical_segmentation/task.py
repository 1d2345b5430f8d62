"""The task itself: puts data set, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.medical_segmentation import accuracy, brain, dataset, postprocess
from mlassay.tasks.medical_segmentation.dataset import VolumeSet
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

DATA = Path(__file__).parent / "data"

SMALL = Profile(
    name="small",
    summary="13 boxes of a brain (MNI152 template) and our own small 3D U-Net: packed, no download",
    benchmarks=("3d-unet-99",),
)
UNET = Profile(
    name="3d-unet",
    summary="the rule book's 3D U-Net on KiTS19: your model file, your data folder",
    benchmarks=("3d-unet-99", "3d-unet-99.9"),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model file of yours on the packed boxes or on KiTS19",
    benchmarks=("3d-unet-99",),
    needs=("model",),
)

REFERENCE_DICE = 0.86170
"""The official checker's since v2.1. The rules' table says 0.86330, the reference and the v2.0 checker 0.86331."""

_TIMED = (
    "timed: sliding window, inference, weighing, arg-max; untimed: resampling, scaling, padding, loading into memory"
)


class MedicalSegmentation:
    """Which tissue is each voxel? Judged by the mean Dice score."""

    name = "medical-segmentation"
    summary = "one volume in, a class for each voxel out; mean Dice"
    profiles = (SMALL, UNET, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "variant": "99 or 99.9: which share of the reference Dice is the target (default 99)",
        "window": "edge of the model's window, where the model file leaves it open",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "brain-unet")
        factor = _factor(request)
        if profile is SMALL:
            if request.data:
                raise UsageError(
                    "the packed model knows brains, not the data folder given",
                    hint="give --profile 3d-unet --model FILE.onnx for KiTS19",
                )
            card = packed_card()
            target = QualityTarget(
                metric="DICE",
                reference=float(card["dice"]),
                factor=factor,
                unit="",
                source="data card of brain-unet",
            )
            return self._assemble(request, profile, dataset.packed_volumes(), packed_model(card), target)
        return self._open_file(request, profile, factor)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the data set in request.data: what is missing, damaged or other than published."""
        return dataset.verify(required_data(self.name, request, "volumes", hint="give --data FOLDER, raw or prepared"))

    def prepare(self, raw: Path, out: Path, *, told: Callable[[str], None]) -> Path:
        """Resample, scale and pad every case of raw KiTS19 once; goes on where it was stopped."""
        return dataset.prepare(raw, out, told=told)

    def _open_file(self, request: TaskRequest, profile: Profile, factor: float) -> OpenTask:
        how = "give --model FILE.onnx; docs/tasks/medical-segmentation.md says how to make one"
        path = model_file(profile, request, hint=how)
        if profile.official:
            required_data(profile.name, request, "KiTS19", hint="give --data FOLDER, raw or prepared")
        window = request.options.get("window", "0")
        if not window.isdigit():
            raise UsageError(f"window={window} is not a number of voxels")
        from mlassay.tasks.medical_segmentation import reference

        volumes = dataset.open_folder(request.data) if request.data else dataset.packed_volumes()
        model = reference.model_of_file(path, classes=len(volumes.classes), window=int(window))
        target = None
        if profile.official and volumes.official:
            target = QualityTarget(
                metric="DICE",
                reference=REFERENCE_DICE,
                factor=factor,
                unit="",
                source="official checker since v2.1: 3d-unet",
            )
        return self._assemble(request, profile, volumes, model, target)

    def _assemble(
        self,
        request: TaskRequest,
        profile: Profile,
        volumes: VolumeSet,
        model: ModelSpec,
        target: QualityTarget | None,
    ) -> OpenTask:
        library = ItemLibrary(
            volumes.name,
            total_count=len(volumes),
            performance_count=request.performance_count or len(volumes),
            prepare=volumes.sample,
        )
        return OpenTask(
            name=self.name,
            profile=profile,
            library=library,
            model=model,
            target=target,
            encode=postprocess.encode,
            score=partial(accuracy.score, volumes=volumes, target=target),
            truth=volumes.truth,
            timed=_TIMED,
            data={"name": volumes.name, **volumes.about},
        )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(DATA / "brain-unet.json")


def packed_model(card: Mapping[str, Any]) -> ModelSpec:
    edge = brain.WINDOW
    return ModelSpec(
        name="brain-unet",
        files={"onnx": DATA / "brain-unet.onnx"},
        inputs=(TensorSpec("volume", (None, 1, edge, edge, edge)),),
        outputs=(TensorSpec("scores", (None, 3, edge, edge, edge)),),
        layout="NCDHW",
        infer=partial(postprocess.infer, window=edge, at_once=4),
        about={"licence": "Apache-2.0", "origin": "scripts/train_medical_segmentation.py", **card},
    )


def _factor(request: TaskRequest) -> float:
    variant = request.options.get("variant", "99")
    if variant not in ("99", "99.9"):
        raise UsageError(f"variant={variant} is not known", hint="variant=99 or variant=99.9")
    return float(variant) / 100


TASK = MedicalSegmentation()
