"""The task itself: puts data set, model and scoring together for one request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlassay.core.data_report import DataReport
from mlassay.core.errors import UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.item_library import ItemLibrary
from mlassay.tasks.recommendation import accuracy, adult, aggregation, dataset, postprocess
from mlassay.tasks.recommendation.dataset import PairSet
from mlassay.tasks.recommendation.tables import CRITEO_DENSE, CRITEO_HOT
from mlassay.tasks.task import OpenTask, Profile, QualityTarget, TaskRequest
from mlassay.tasks.wishes import chosen_profile, model_file, read_card, required_data

DATA = Path(__file__).parent / "data"

SMALL = Profile(
    name="small",
    summary="16,281 rows of the Adult census table in 600 samples, and our own small DLRM: packed, no download",
    benchmarks=("dlrm-v2-99", "dlrm-99"),
)
DLRM = Profile(
    name="dlrm",
    summary="the rule book's DLRM on Criteo 1TB, one id per table: your model file, your data folder",
    benchmarks=("dlrm-99", "dlrm-99.9"),
    official=True,
    needs=("data", "model"),
)
DLRM_V2 = Profile(
    name="dlrm-v2",
    summary="the rule book's DLRM-DCNv2 on multi-hot Criteo 1TB: your model file, your data folder",
    benchmarks=("dlrm-v2-99", "dlrm-v2-99.9"),
    official=True,
    needs=("data", "model"),
)
OWN = Profile(
    name="own",
    summary="a model file of yours on a data set of yours",
    benchmarks=("dlrm-v2-99", "dlrm-99"),
    needs=("model",),
)

_REFERENCE = {"dlrm": 80.25, "dlrm-v2": 80.31}  # clause: inference rules, table of models; AUC in percent
_IDS = {"dlrm": len(CRITEO_HOT), "dlrm-v2": sum(CRITEO_HOT)}
_PERFORMANCE_COUNT = 204_800  # the least that the rules allow to be held in memory
_TIMED = "timed: joining the pairs of a batch, look-ups, inference, cutting apart; untimed: log, loading into memory"


class Recommendation:
    """How likely is a click? Judged by the area under the ROC curve."""

    name = "recommendation"
    summary = "user-item pairs in, a click probability each out; AUC"
    profiles = (SMALL, DLRM, DLRM_V2, OWN)
    backends = ("onnxruntime",)
    options: Mapping[str, str] = {
        "variant": "99 or 99.9: which share of the reference AUC is the target (default 99)",
        "log": "both: the accuracy log holds probability and label, as the reference's; alone: probabilities only",
    }

    def open(self, request: TaskRequest) -> OpenTask:
        profile = chosen_profile(self, request, "adult-dlrm")
        if profile is SMALL:
            card = packed_card()
            pairs = dataset.open_folder(request.data) if request.data else dataset.packed_rows()
            target = _packed_target(card, pairs, request)
            return self._assemble(request, profile, pairs, packed_model(card), target)
        return self._open_file(request, profile)

    def verify(self, request: TaskRequest) -> DataReport:
        """Look at the data set in request.data: what is missing, damaged or other than published."""
        return dataset.verify(required_data(self.name, request, "rows", hint="give --data FOLDER"))

    def _open_file(self, request: TaskRequest, profile: Profile) -> OpenTask:
        how = "give --model FILE.onnx; docs/tasks/recommendation.md says how to make one"
        path = model_file(profile, request, hint=how)
        if profile.official:
            required_data(profile.name, request, "Criteo's day 23", hint="give --data FOLDER")
        from mlassay.tasks.recommendation import reference

        pairs = dataset.open_folder(request.data) if request.data else dataset.packed_rows()
        dense, ids = pairs.sample(0)
        if profile.official and (dense.shape[1], ids.shape[1]) != (CRITEO_DENSE, _IDS[profile.name]):
            raise UsageError(
                f"{pairs.name} has {ids.shape[1]} ids a row; {profile.name} wants {_IDS[profile.name]}",
                hint="the one-hot data set belongs to dlrm, the multi-hot one to dlrm-v2",
            )
        model = reference.model_of_file(path, dense=dense.shape[1], ids=ids.shape[1])
        target = None
        if profile.official and int(pairs.edges[-1]) == aggregation.CRITEO_ROWS:
            target = QualityTarget(
                metric="AUC",
                reference=_REFERENCE[profile.name],
                factor=_factor(request),
                source=f"inference rules: {profile.name}",
            )
        return self._assemble(request, profile, pairs, model, target)

    def _assemble(
        self, request: TaskRequest, profile: Profile, pairs: PairSet, model: ModelSpec, target: QualityTarget | None
    ) -> OpenTask:
        log = request.options.get("log", "both")
        if log not in ("both", "alone"):
            raise UsageError(f"log={log} is not known", hint="log=both or log=alone")
        library = ItemLibrary(
            pairs.name,
            total_count=len(pairs),
            performance_count=request.performance_count or min(len(pairs), _PERFORMANCE_COUNT),
            prepare=pairs.sample,
        )
        return OpenTask(
            name=self.name,
            profile=profile,
            library=library,
            model=model,
            target=target,
            encode=postprocess.encode,
            encode_for=partial(_encode, pairs=pairs) if log == "both" else None,
            score=partial(accuracy.score, pairs=pairs, target=target),
            truth=pairs.truth,
            timed=_TIMED,
            data={"name": pairs.name, "samples": len(pairs), **pairs.about},
        )


def packed_card() -> dict[str, Any]:
    """Numbers measured when the packed model was made: accuracy, SHA-256, seed."""
    return read_card(DATA / "adult-dlrm.json")


def packed_model(card: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(
        name="adult-dlrm",
        files={"onnx": DATA / "adult-dlrm.onnx"},
        inputs=(
            TensorSpec("dense", (None, len(adult.NUMBERS))),
            TensorSpec("ids", (None, len(adult.CATEGORIES)), "int32"),
        ),
        outputs=(TensorSpec("click", (None,)),),
        infer=postprocess.infer,
        about={"licence": "Apache-2.0", "origin": "scripts/train_recommendation.py", **card},
    )


def _encode(index: int, answer: Any, *, pairs: PairSet) -> bytes:
    return postprocess.encode_with_truth(answer, pairs.truth(index))


def _factor(request: TaskRequest) -> float:
    variant = request.options.get("variant", "99")
    if variant not in ("99", "99.9"):
        raise UsageError(f"variant={variant} is not known", hint="variant=99 or variant=99.9")
    return float(variant) / 100


def _packed_target(card: Mapping[str, Any], pairs: PairSet, request: TaskRequest) -> QualityTarget | None:
    if int(pairs.edges[-1]) != adult.TEST_ROWS:
        return None
    return QualityTarget(
        metric="AUC",
        reference=float(card["auc_percent"]),
        factor=_factor(request),
        source="data card of adult-dlrm",
    )


TASK = Recommendation()
