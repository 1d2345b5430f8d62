from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends import backend_registry
from mlassay.backends.onnx_providers import confirm
from mlassay.backends.onnxruntime import OnnxRuntime, model_tensors
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, MlassayError, SutFailure, UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.core.query import Query
from mlassay.tasks import task_registry
from mlassay.tasks.task import OpenTask, TaskRequest
from mlassay.testing import check_sut
from tests.backends import tiny_onnx

pytest.importorskip("onnxruntime")


class Collected:
    """A sink that keeps what arrives."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[int], list[Any]]] = []

    def complete_samples(self, ids: Sequence[int], outputs: Sequence[Any] | None = None, **_: object) -> None:
        self.batches.append((list(ids), list(outputs or ()) if not isinstance(outputs, np.ndarray) else list(outputs)))


class Given:
    """A sample library over a list."""

    name = "given"

    def __init__(self, samples: Sequence[Any]) -> None:
        self.samples = samples
        self.total_count = self.performance_count = len(samples)

    def load(self, indices: Sequence[int]) -> None: ...

    def unload(self, indices: Sequence[int]) -> None: ...

    def get(self, indices: Sequence[int]) -> list[Any]:
        return [self.samples[i] for i in indices]


@pytest.fixture(scope="module")
def small() -> OpenTask:
    opened: OpenTask = task_registry.load("image-classification").open(TaskRequest())
    opened.library.load(range(opened.library.total_count))
    return opened


def answers(sut: OnnxRuntime, opened: OpenTask, indices: Sequence[int]) -> dict[int, int]:
    sink = Collected()
    sut.open(sink, opened.library)  # type: ignore[arg-type]
    outputs = sut.issue(Query(0, indices))
    sut.close()
    if outputs is not None:
        return dict(zip(indices, map(int, outputs), strict=True))
    return {indices[i]: int(o) for ids, outs in sink.batches for i, o in zip(ids, outs, strict=True)}


def test_packed_model_is_as_good_as_its_card_says(small: OpenTask) -> None:
    sut = backend_registry.load("onnxruntime")(small.model, intra_threads=1)
    found = answers(sut, small, range(2000))
    result = small.score((i, small.encode(c)) for i, c in found.items())
    assert result.official_line == "accuracy=94.050%, good=1881, total=2000"
    assert result.passed is True


@pytest.mark.parametrize(
    "options",
    [
        {"max_batch": "1"},
        {"max_batch": 7},
        {"io_binding": "yes"},
        {"graph_optimization": "none"},
        {"graph_optimization": "extended", "spinning": "no"},
        {"execution": "parallel", "inter-threads": "2"},
        {"provider": "CPUExecutionProvider", "cpu_fallback": True},
    ],
    ids=str,
)
def test_every_way_to_run_gives_the_same_classes(small: OpenTask, options: dict[str, Any]) -> None:
    some = list(range(0, 2000, 19))
    plain = answers(OnnxRuntime(small.model), small, some)
    assert answers(OnnxRuntime(small.model, **options), small, some) == plain
    right = [plain[i] == small.truth(i) for i in some]
    assert np.mean(right) > 0.85


def test_a_large_query_is_answered_piece_by_piece(small: OpenTask) -> None:
    sut, sink = OnnxRuntime(small.model, max_batch=32), Collected()
    sut.open(sink, small.library)  # type: ignore[arg-type]
    assert sut.issue(Query(100, range(70))) is None
    assert [ids for ids, _ in sink.batches] == [
        list(range(100, 132)),
        list(range(132, 164)),
        list(range(164, 170)),
    ]
    sink.batches.clear()
    outputs = sut.issue(Query(0, range(32)))
    assert outputs is not None
    assert len(outputs) == 32
    assert sink.batches == []
    sut.close()


def test_keeps_the_contract_of_a_sut(small: OpenTask) -> None:
    check_sut(lambda: OnnxRuntime(small.model, intra_threads=1, max_batch=4), small.library, queries=8)
    small.library.load(range(2000))


def test_a_model_with_a_fixed_batch_is_padded(tmp_path: Path) -> None:
    pictures = [np.full((3, 8, 8), 0, np.float32) for _ in range(10)]
    for number, picture in enumerate(pictures):
        picture[number % 3] = 1
    sut, sink = OnnxRuntime(tiny_onnx.brightest_channel(tmp_path / "four.onnx", batch=4)), Collected()
    sut.open(sink, Given(pictures))  # type: ignore[arg-type]
    sut.issue(Query(0, range(10)))
    scores = [row for _, rows in sink.batches for row in rows]
    assert [int(row.argmax()) for row in scores] == [i % 3 for i in range(10)]
    assert sut.describe()["batch"] == {"max": 4, "fixed_by_model": True}


@pytest.mark.parametrize("form", ["mapping", "tuple"])
@pytest.mark.parametrize("n", [1, 3])
def test_several_inputs(tmp_path: Path, form: str, n: int) -> None:
    path = tiny_onnx.difference(tmp_path / "difference.onnx")
    spec = ModelSpec(
        name="difference",
        files={"onnx": path},
        inputs=(TensorSpec("right", (None, 2)), TensorSpec("left", (None, 2))),  # the task's order, not the file's
    )
    left, right = np.float32([5, 7]), np.float32([1, 2])
    sample = {"left": left, "right": right} if form == "mapping" else (right, left)
    sut = OnnxRuntime(spec)
    sut.open(Collected(), Given([sample] * n))  # type: ignore[arg-type]
    assert np.array_equal(sut.issue(Query(0, range(n))), [[4, 5]] * n)  # type: ignore[arg-type]


def test_describe_names_what_ran(small: OpenTask) -> None:
    sut = OnnxRuntime(small.model, intra_threads=1)
    sut.open(Collected(), small.library)  # type: ignore[arg-type]
    record = json.loads(json.dumps(sut.describe()))
    sut.close()
    assert record["name"] == "onnxruntime"
    assert record["providers"] == ["CPUExecutionProvider"]
    assert record["model"]["sha256"] == small.model.about["model_sha256"]
    assert record["model"]["inputs"] == ["image float32 (?, 1, 28, 28)"]
    assert record["options"]["intra_threads"] == 1
    assert record["version"]


def test_own_cost_of_a_query_is_at_most_twenty_microseconds(small: OpenTask) -> None:
    sut = OnnxRuntime(small.model)
    sut.open(Collected(), small.library)  # type: ignore[arg-type]
    answer = [np.zeros((1, 10), np.float32)]
    sut._session = type("Session", (), {"run": staticmethod(lambda names, feed: answer)})()
    queries = [Query(i, [i % 2000]) for i in range(2000)]
    costs = []
    for _ in range(5):
        began = time.perf_counter()
        for query in queries:
            sut.issue(query)
        costs.append((time.perf_counter() - began) / len(queries))
    assert min(costs) < 20e-6


def spec_for(path: Path, name: str = "picture", shape: tuple[int | None, ...] = (None, 3, 8, 8)) -> ModelSpec:
    return ModelSpec(name="m", files={"onnx": path}, inputs=(TensorSpec(name, shape),))


def test_a_single_input_may_bear_any_name(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    sut = OnnxRuntime(spec_for(path, "image"))
    sut.open(Collected(), Given([np.ones((3, 8, 8), np.float32)]))  # type: ignore[arg-type]
    assert np.array_equal(sut.issue(Query(0, [0])), [[1, 1, 1]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "found", "wanted"),
    [
        ([TensorSpec("picture", (None, 1, 28, 28))], "picture float32 (?, 3, 8, 8)", "picture float32 (?, 1, 28, 28)"),
        ([TensorSpec("picture", (None, 8, 8, 3))], "picture float32 (?, 3, 8, 8)", "picture float32 (?, 8, 8, 3)"),
        ([TensorSpec("ids", (None, 384), "int64")], "picture float32 (?, 3, 8, 8)", "ids int64 (?, 384)"),
        (
            [TensorSpec("picture", (None, 3, 8, 8)), TensorSpec("mask", (None, 8))],
            "picture float32 (?, 3, 8, 8)",
            "picture float32 (?, 3, 8, 8); mask float32 (?, 8)",
        ),
    ],
    ids=["size", "layout", "type", "count"],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, inputs: list[TensorSpec], found: str, wanted: str
) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    sut = OnnxRuntime(ModelSpec(name="m", files={"onnx": path}, inputs=tuple(inputs)))
    with pytest.raises(BadFile) as caught:
        sut.open(Collected(), Given([]))  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"{path}: inputs is {found}; expected {wanted}\n"
        "  next: export the model with these names, shapes and types ('?' is any size)"
    )


def test_several_inputs_are_matched_by_name(tmp_path: Path) -> None:
    path = tiny_onnx.difference(tmp_path / "difference.onnx")
    inputs = (TensorSpec("left", (None, 2)), TensorSpec("rihgt", (None, 2)))
    sut = OnnxRuntime(ModelSpec(name="d", files={"onnx": path}, inputs=inputs))
    with pytest.raises(BadFile, match=r"left float32 \(\?, 2\); right .*; expected left .*; rihgt"):
        sut.ensure_loaded()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"thread": 1}, UsageError, "backend onnxruntime has no option 'thread'\n  next: did you mean intra_threads"),
        ({"zzz": 1}, UsageError, "backend onnxruntime has no option 'zzz'\n  next: it has provider, provider_options,"),
        ({"max_batch": "many"}, UsageError, "backend onnxruntime, option max_batch is 'many'; expected a whole number"),
        ({"max_batch": 0}, UsageError, "backend onnxruntime, option max_batch is 0; expected 1 or more"),
        ({"io_binding": "maybe"}, UsageError, "backend onnxruntime, option io_binding is 'maybe'; expected yes or no"),
        (
            {"graph_optimization": "most"},
            UsageError,
            "backend onnxruntime, option graph_optimization is 'most'; expected one of all, extended, basic, none",
        ),
        ({"provider": "gpu"}, UsageError, "ONNX Runtime has no execution provider 'gpu'\n  next: it knows acl, "),
        ({"provider": ""}, UsageError, "no execution provider was named\n  next: available: "),
        ({"provider_options": "fast"}, UsageError, "provider option 'fast' has no value\n  next: write key=value"),
    ],
    ids=str,
)
def test_wrong_options(small: OpenTask, options: dict[str, Any], error: type[MlassayError], message: str) -> None:
    with pytest.raises(error) as caught:
        OnnxRuntime(small.model, **options)
    assert str(caught.value).startswith(message)


def test_a_provider_that_is_not_installed(small: OpenTask) -> None:
    import onnxruntime

    missing = next(
        p for p in ("CANN", "Rknpu", "VSINPU") if f"{p}ExecutionProvider" not in onnxruntime.get_available_providers()
    )
    with pytest.raises(MachineProblem) as caught:
        OnnxRuntime(small.model, provider=f"{missing.lower()},cpu")
    text = str(caught.value)
    assert text.startswith(
        f"execution provider {missing.lower()} is not in this ONNX Runtime {onnxruntime.__version__};"
    )
    assert "available: " in text
    assert "cpu" in text
    assert "next: " in text


def test_a_provider_that_does_not_start_is_not_replaced() -> None:
    with pytest.raises(MachineProblem) as caught:
        confirm([("CUDAExecutionProvider", {})], ["CPUExecutionProvider"])
    assert str(caught.value) == (
        "execution provider cuda did not start; ONNX Runtime offers cpu\n  next: check its driver and libraries:"
        " pip install onnxruntime-gpu (NVIDIA driver, CUDA and cuDNN)"
    )


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no model file .*no\.onnx"):
        OnnxRuntime(tmp_path / "no.onnx")
    with pytest.raises(
        UsageError, match="m has no onnx file, which backend onnxruntime needs\n  next: it comes as tflite"
    ):
        OnnxRuntime(ModelSpec(name="m", files={"tflite": tmp_path / "m.tflite"}, inputs=()))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\x3a\x02"], ids=["empty", "text", "cut"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    for attempt in (lambda: OnnxRuntime(path).ensure_loaded(), lambda: model_tensors(path)):
        with pytest.raises(BadFile) as caught:
            attempt()
        assert str(caught.value).startswith(f"{path} is not a model that ONNX Runtime can load (")


def test_samples_of_a_wrong_shape_are_the_suts_failure(tmp_path: Path) -> None:
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx")
    sut = OnnxRuntime(path, warmup=0)
    sut.open(Collected(), Given([np.ones((3, 9, 9), np.float32)]))  # type: ignore[arg-type]
    with pytest.raises(SutFailure) as caught:
        sut.issue(Query(0, [0]))
    assert str(caught.value).startswith(
        "onnxruntime could not run m.onnx: fed float32 (1, 3, 9, 9), wants picture float32 (?, 3, 8, 8) ("
    )


def test_without_the_library(small: OpenTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency) as caught:
        OnnxRuntime(small.model)
    assert str(caught.value) == "onnxruntime is not installed\n  next: pip install 'mlassay[onnx]'"


def test_tensors_of_a_file(tmp_path: Path) -> None:
    inputs, outputs = model_tensors(tiny_onnx.brightest_channel_bytes(tmp_path / "m.onnx"))
    assert list(map(str, inputs)) == ["picture uint8 (?, 8, 8, 3)"]
    assert list(map(str, outputs)) == ["scores float32 (?, 3)"]


def test_a_fixed_batch_is_kept_for_samples_of_any_size(tmp_path: Path) -> None:
    """A task that runs the model itself, with as many rows as it likes."""
    path = tiny_onnx.brightest_channel(tmp_path / "m.onnx", batch=4)
    pictures = np.random.default_rng(0).random((10, 3, 8, 8), np.float32)
    spec = ModelSpec(
        name="m",
        files={"onnx": path},
        inputs=(TensorSpec("image", (None, 3, 8, 8)),),
        infer=lambda samples, run: [run([np.stack(samples)])[0]],
    )
    backend = OnnxRuntime(spec)
    backend.ensure_loaded()
    (found,) = backend.predict(list(pictures))
    np.testing.assert_allclose(found, pictures.mean((2, 3)), rtol=1e-5)
    backend.close()
