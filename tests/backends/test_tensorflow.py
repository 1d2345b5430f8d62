"""TensorFlow on models made by TensorFlow itself, in each of its formats. Skipped where it is absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, about NumPy and itself

from mlassay.backends.tensorflow import TensorFlow  # noqa: E402 - after the check
from mlassay.core.errors import BadFile, MachineProblem, SutFailure, UsageError  # noqa: E402
from mlassay.core.model import ModelSpec, TensorSpec  # noqa: E402

PICTURES = np.random.default_rng(0).random((7, 8, 8, 3), np.float32)
KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
WANTED = PICTURES.mean((1, 2)) @ KERNEL


class Brightness(tf.Module):  # type: ignore[misc]
    """Mean of each channel, then a matrix."""

    def __init__(self) -> None:
        self.kernel = tf.Variable(KERNEL)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32, name="picture")])
    def serve(self, picture: Any) -> dict[str, Any]:
        return {"scores": tf.reduce_mean(picture, [1, 2]) @ self.kernel}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name=name) for name in ("left", "right")])
    def subtract(self, left: Any, right: Any) -> dict[str, Any]:
        return {"difference": left - right}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model as SavedModel, Keras file and TFLite file."""
    folder = tmp_path_factory.mktemp("models")
    module = Brightness()
    signatures = {"serving_default": module.serve, "subtract": module.subtract}
    tf.saved_model.save(module, str(folder / "saved"), signatures=signatures)
    layers = tf.keras.layers
    picture = layers.Input((8, 8, 3), name="picture")
    dense = layers.Dense(4, use_bias=False, name="scores")
    model = tf.keras.Model(picture, dense(layers.GlobalAveragePooling2D()(picture)))
    dense.set_weights([KERNEL])
    model.save(folder / "m.keras")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    (folder / "m.tflite").write_bytes(converter.convert())
    return {"savedmodel": folder / "saved", "keras": folder / "m.keras", "tflite": folder / "m.tflite"}


def opened(path: Path, **options: Any) -> TensorFlow:
    backend = TensorFlow(path, **options)
    backend.ensure_loaded()
    return backend


@pytest.mark.parametrize("kind", ["savedmodel", "keras", "tflite"])
def test_every_format_gives_the_same(kind: str, files: dict[str, Path]) -> None:
    wanted = TensorSpec("picture", (None, 8, 8, 3))
    backend = opened(ModelSpec(name="m", files={kind: files[kind]}, inputs=(wanted,)))  # type: ignore[arg-type]
    np.testing.assert_allclose(backend.predict(PICTURES), WANTED, rtol=1e-5)
    np.testing.assert_allclose(backend.predict(list(PICTURES[:1])), WANTED[:1], rtol=1e-5)
    record = json.loads(json.dumps(backend.describe()))
    assert record["runtime"] == "TensorFlow"
    assert record["version"] == tf.__version__
    assert len(record["model"]["sha256"]) == 64
    backend.close()


def test_several_inputs_and_another_signature(files: dict[str, Path]) -> None:
    inputs = (TensorSpec("right", (None, 2)), TensorSpec("left", (None, 2)))
    spec = ModelSpec(name="m", files={"savedmodel": files["savedmodel"]}, inputs=inputs)
    backend = TensorFlow(spec, signature="subtract")
    right, left = np.ones(2, np.float32), np.full(2, 3, np.float32)
    backend.ensure_loaded()
    assert np.asarray(backend.predict([(right, left)])).tolist() == [[2.0, 2.0]]
    with pytest.raises(BadFile, match="signatures is serving_default, subtract; expected other"):
        opened(files["savedmodel"], signature="other")


def test_xla_gives_the_same(files: dict[str, Path]) -> None:
    np.testing.assert_allclose(opened(files["savedmodel"], xla=True).predict(PICTURES), WANTED, rtol=1e-5)


def test_what_does_not_fit(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"no model")
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("broken.keras", "not a model that Keras can load"),
        ("broken.tflite", "not a model that TensorFlow can load"),
        ("folder", "not a model that TensorFlow can load"),
    ):
        with pytest.raises(BadFile, match=message):
            opened(tmp_path / name)
    other = ModelSpec(
        name="m", files={"savedmodel": files["savedmodel"]}, inputs=(TensorSpec("picture", (None, 3, 224, 224)),)
    )
    with pytest.raises(BadFile, match=r"float32 \(\?, 8, 8, 3\); expected picture float32 \(\?, 3, 224, 224\)"):
        opened(other)  # type: ignore[arg-type]
    with pytest.raises(MachineProblem, match="TensorFlow has no device GPU:3; it finds CPU:0"):
        opened(files["savedmodel"], device="GPU:3")
    with pytest.raises(UsageError, match="option max_batch is 0; expected 1 or more"):
        TensorFlow(files["savedmodel"], max_batch=0)
    with pytest.raises(SutFailure, match=r"tensorflow could not run saved: fed float32 \(1, 8, 8\)"):
        opened(files["savedmodel"]).predict(np.ones((1, 8, 8), np.float32))
