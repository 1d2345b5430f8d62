"""Every runtime that is installed, on the same models: outputs like ONNX Runtime's, the contract, clear errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends import backend_registry
from mlassay.backends.model_backend import ModelBackend
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, MlassayError, SutFailure, UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.task import OpenTask, TaskRequest
from mlassay.testing import check_sut
from tests.backends import tiny_onnx
from tests.backends.runtimes import TOLERANCE, WAYS, Way, params

pytest.importorskip("onnxruntime")

SAMPLES = 200
ONNX_READERS = [Way("openvino"), Way("torch"), Way("opencv")]


class Sink:
    """Keeps what arrives, by sample id."""

    wants_outputs = True

    def __init__(self) -> None:
        self.got: dict[int, Any] = {}

    def complete_samples(self, ids: Sequence[int], outputs: Sequence[Any] | None = None, **_: object) -> None:
        self.got.update(zip(ids, outputs or () if not isinstance(outputs, np.ndarray) else outputs, strict=True))

    def fail(self, error: Any, **_: object) -> None:
        raise AssertionError(error)


@pytest.fixture(scope="module")
def small() -> OpenTask:
    opened: OpenTask = task_registry.load("image-classification").open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened


def made(way: Way, model: Any, **more: Any) -> ModelBackend:
    backend: ModelBackend = backend_registry.load(way.backend)(model, **{**way.options, **more})
    return backend


def logits(backend: ModelBackend, opened: OpenTask) -> np.ndarray[Any, Any]:
    sink = Sink()
    backend.open(sink, opened.library)  # type: ignore[arg-type]
    outputs = backend.issue(Query(0, range(SAMPLES)))
    backend.flush()
    backend.close()
    rows = dict(enumerate(outputs)) if outputs is not None else sink.got
    return np.stack([np.asarray(rows[i]) for i in range(SAMPLES)])


@pytest.fixture(scope="module")
def bare(small: OpenTask) -> ModelSpec:
    """The model without the arg-max."""
    return replace(small.model, finish=None)


@pytest.fixture(scope="module")
def reference(small: OpenTask, bare: ModelSpec) -> np.ndarray[Any, Any]:
    return logits(made(Way("onnxruntime"), bare), small)


@pytest.mark.parametrize("way", params(WAYS))
def test_outputs_are_those_of_onnx_runtime(
    way: Way, small: OpenTask, bare: ModelSpec, reference: np.ndarray[Any, Any]
) -> None:
    found = logits(made(way, bare), small)
    assert np.abs(found - reference).max() < TOLERANCE
    assert (found.argmax(1) == reference.argmax(1)).all()


@pytest.mark.parametrize("way", params([way for way in WAYS if way.options.get("xnnpack") != "no"]))
def test_keeps_the_contract_of_a_sut(way: Way, small: OpenTask) -> None:
    check_sut(lambda: made(way, small.model), small.library, queries=6)
    small.library.load(range(small.library.total_count))


@pytest.mark.parametrize("way", params(WAYS))
def test_describe_names_what_ran(way: Way, small: OpenTask) -> None:
    backend = made(way, small.model)
    before = json.loads(json.dumps(backend.describe()))
    backend.ensure_loaded()
    record = json.loads(json.dumps(backend.describe()))
    backend.close()
    assert before["name"] == record["name"] == way.backend
    assert record["runtime"]
    assert record["version"]
    assert len(record["model"]["sha256"]) == 64
    assert {k: str(v) for k, v in record["options"].items()} | {k: str(v) for k, v in way.options.items()}


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_torch_with_less_precision_is_still_good(precision: str, small: OpenTask) -> None:
    pytest.importorskip("torch")
    backend = made(Way("torch"), small.model, precision=precision)
    backend.ensure_loaded()
    found = [
        int(c) for begin in range(0, 600, 30) for c in backend.predict(small.library.get(range(begin, begin + 30)))
    ]
    right = np.mean([small.truth(i) == c for i, c in enumerate(found)])
    assert right > 0.92
    if precision == "int8":
        assert backend.describe()["int8_layers"] == 16


@pytest.mark.slow
def test_torch_compiled(small: OpenTask, bare: ModelSpec, reference: np.ndarray[Any, Any]) -> None:
    pytest.importorskip("torch")
    found = logits(made(Way("torch"), bare, mode="compile", max_batch=8), small)
    assert np.abs(found - reference).max() < TOLERANCE


@pytest.mark.parametrize("way", params(ONNX_READERS))
def test_a_model_with_a_fixed_batch_is_padded(way: Way, tmp_path: Path) -> None:
    backend = made(way, tiny_onnx.brightest_channel(tmp_path / "four.onnx", batch=4))
    backend.ensure_loaded()
    picture = np.zeros((10, 3, 8, 8), np.float32)
    picture[range(10), [i % 3 for i in range(10)]] = 1
    found = [row for begin in (0, 4, 8) for row in backend.predict(picture[begin : begin + 4])]
    assert [int(np.argmax(row)) for row in found] == [i % 3 for i in range(10)]
    assert backend.describe()["batch"] == {"max": 4, "fixed_by_model": True}


@pytest.mark.parametrize("way", params([Way("openvino"), Way("torch"), Way("opencv")]))
def test_several_inputs_come_in_the_tasks_order(way: Way, tmp_path: Path) -> None:
    spec = ModelSpec(
        name="difference",
        files={"onnx": tiny_onnx.difference(tmp_path / "difference.onnx")},
        inputs=(TensorSpec("right", (None, 2)), TensorSpec("left", (None, 2))),
    )
    backend = made(way, spec)
    backend.ensure_loaded()
    assert np.array_equal(backend.predict([(np.float32([1, 2]), np.float32([5, 7]))] * 3), [[4, 5]] * 3)


@pytest.mark.parametrize("way", params(ONNX_READERS))
def test_a_model_that_does_not_fit_is_refused(way: Way, tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    wanted = (TensorSpec("picture", (None, 1, 28, 28)),)
    with pytest.raises(BadFile) as caught:
        made(way, ModelSpec(name="m", files={"onnx": path}, inputs=wanted)).ensure_loaded()
    assert str(caught.value).startswith(
        f"{path}: inputs is picture float32 (?, 3, 8, 8); expected picture float32 (?, 1, 28, 28)"
    )


@pytest.mark.parametrize("way", params([Way("openvino"), Way("torch"), Way("litert"), Way("opencv")]))
@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x3a\x02"], ids=["empty", "text", "cut"])
def test_a_damaged_file(way: Way, content: bytes, tmp_path: Path) -> None:
    for suffix in {"openvino": (".onnx", ".xml"), "torch": (".onnx", ".pt", ".pt2"), "litert": (".tflite",)}.get(
        way.backend, (".onnx",)
    ):
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(content)
        with pytest.raises(BadFile, match=r"broken\.[a-z0-9]+ is not a "):
            made(way, path).ensure_loaded()


@pytest.mark.parametrize("way", params([Way("openvino"), Way("torch")]))
def test_samples_of_a_wrong_shape_are_the_suts_failure(way: Way, tmp_path: Path) -> None:
    backend = made(way, tiny_onnx.brightest_channel(tmp_path / "m.onnx"), warmup=0)
    backend.ensure_loaded()
    with pytest.raises(SutFailure) as caught:
        backend.predict(np.ones((1, 3, 8), np.float32))
    assert str(caught.value).startswith(
        f"{way.backend} could not run m.onnx: fed float32 (1, 3, 8), wants picture float32 (?, 3, 8, 8) ("
    )


@pytest.mark.parametrize(
    ("name", "module", "package", "extra"),
    [
        ("openvino", "openvino", "openvino", "openvino"),
        ("torch", "torch", "torch", "torch"),
        ("litert", "ai_edge_litert", "ai-edge-litert", "litert"),
        ("opencv", "cv2", "opencv-python-headless", "opencv"),
        ("tensorflow", "tensorflow", "tensorflow", "tensorflow"),
    ],
)
def test_without_the_library(
    name: str, module: str, package: str, extra: str, small: OpenTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency) as caught:
        made(Way(name), small.model)
    assert str(caught.value) == f"{package} is not installed\n  next: pip install 'mlassay[{extra}]'"


@pytest.mark.parametrize(
    ("way", "error", "message"),
    [
        (Way("openvino", {"device": "GPU.7"}), MachineProblem, "OpenVINO has no device GPU.7; it finds CPU"),
        (Way("openvino", {"hint": "fast"}), UsageError, "backend openvino, option hint is 'fast'; expected one of"),
        (Way("torch", {"device": "gpu"}), UsageError, "PyTorch has no device 'gpu'"),
        (Way("torch", {"precision": "int8", "device": "cuda"}), UsageError, "backend torch: int8 runs on cpu, not on"),
        (Way("litert", {"delegate": "no.so"}), BadFile, "no.so is not usable ("),
        (Way("litert", {"threads": 0}), UsageError, "backend litert, option threads is 0; expected 1 or more"),
        (Way("opencv", {"target": "cuda"}), MachineProblem, "this OpenCV "),
    ],
    ids=lambda v: str(v) if isinstance(v, Way) else "",
)
def test_wrong_options(way: Way, error: type[MlassayError], message: str, small: OpenTask) -> None:
    pytest.importorskip({"litert": "ai_edge_litert", "opencv": "cv2"}.get(way.backend, way.backend))
    with pytest.raises(error) as caught:
        made(way, small.model).ensure_loaded()
    assert str(caught.value).startswith(message)


def test_a_format_that_the_task_does_not_have(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    spec = ModelSpec(name="m", files={"onnx": tiny_onnx.brightest_channel(tmp_path / "m.onnx")}, inputs=())
    with pytest.raises(UsageError) as caught:
        made(Way("litert"), spec)
    assert str(caught.value) == (
        "m has no tflite file, which backend litert needs\n"
        "  next: it comes as onnx; mlassay export TASK --to litert makes one"
    )


def test_an_exported_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlassay.backends.exported import exported, place_of

    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path / "cache"))
    source = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    spec = ModelSpec(name="m", files={"onnx": source}, inputs=())
    assert exported(spec, "tflite") is None
    place = place_of(source, "tflite")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x")
    assert exported(spec, "tflite") == place
    tiny_onnx.brightest_channel(source, channels=1)  # another model under the same name
    assert exported(spec, "tflite") is None


def test_a_file_instead_of_the_tasks(small: OpenTask, tmp_path: Path) -> None:
    copy = tmp_path / "other.onnx"
    copy.write_bytes(Path(small.model.files["onnx"]).read_bytes())
    backend = made(Way("onnxruntime"), small.model, file=str(copy))
    backend.ensure_loaded()
    assert backend.describe()["model"]["file"] == "other.onnx"
    with pytest.raises(UsageError, match=r"there is no model file .*absent\.onnx"):
        made(Way("onnxruntime"), small.model, file=str(tmp_path / "absent.onnx"))
