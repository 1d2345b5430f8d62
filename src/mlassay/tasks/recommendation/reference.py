"""Where this task meets backends: the pairing with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.tasks.recommendation import postprocess


def model_of_file(path: Path, *, dense: int, ids: int) -> ModelSpec:
    """A user's ONNX file with a float and an integer input, in any order and of any names."""
    inputs, outputs = model_tensors(path)
    floats = [t for t in inputs if t.dtype == "float32"]
    whole = [t for t in inputs if t.dtype in ("int32", "int64")]
    wanted = (TensorSpec("dense", (None, dense)), TensorSpec("ids", (None, ids), "int32"))
    fits = len(inputs) == 2 and len(floats) == len(whole) == 1
    if not fits or not all(_fits(t, width) for t, width in ((floats[0], dense), (whole[0], ids))):
        raise BadFile(
            path,
            key="inputs",
            found="; ".join(map(str, inputs)),
            expected=f"{'; '.join(map(str, wanted))} (or int64)",
            hint="mlassay.tasks.recommendation.model.export writes such a file",
        )
    return ModelSpec(
        name=path.name,
        files={"onnx": path},
        inputs=(floats[0], whole[0]),
        outputs=outputs,
        infer=postprocess.infer if whole[0].dtype == "int32" else postprocess.infer_int64,
    )


def _fits(tensor: TensorSpec, width: int) -> bool:
    return len(tensor.shape) == 2 and tensor.shape[1] in (width, None)
