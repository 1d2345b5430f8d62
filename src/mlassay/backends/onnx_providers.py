"""ONNX Runtime's execution providers: short names, what to install for each, and honest selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlassay.core.errors import MachineProblem, UsageError

SUFFIX = "ExecutionProvider"

INSTALL = {
    "CPU": "part of every onnxruntime",
    "CUDA": "pip install onnxruntime-gpu (NVIDIA driver, CUDA and cuDNN)",
    "Tensorrt": "pip install onnxruntime-gpu (and TensorRT)",
    "NvTensorRTRTX": "pip install onnxruntime-trt-rtx (NVIDIA RTX card)",
    "OpenVINO": "pip install onnxruntime-openvino",
    "MIGraphX": "pip install onnxruntime-migraphx (AMD card, ROCm)",
    "ROCM": "pip install onnxruntime-rocm, up to version 1.22 (AMD card)",
    "QNN": "pip install onnxruntime-qnn (Qualcomm SoC)",
    "SNPE": "build onnxruntime with --use_snpe (Qualcomm SoC; superseded by QNN)",
    "Dml": "pip install onnxruntime-directml (Windows)",
    "CoreML": "pip install onnxruntime on macOS",
    "VitisAI": "AMD's Ryzen AI or Vitis AI software",
    "CANN": "pip install onnxruntime-cann (Huawei Ascend)",
    "ACL": "build onnxruntime with --use_acl (Arm Compute Library)",
    "ArmNN": "build onnxruntime up to 1.21 with --use_armnn",
    "Dnnl": "build onnxruntime with --use_dnnl",
    "Xnnpack": "build onnxruntime with --use_xnnpack",
    "Rknpu": "build onnxruntime with --use_rknpu (Rockchip)",
    "VSINPU": "build onnxruntime with --use_vsinpu (VeriSilicon)",
    "WebGpu": "pip install onnxruntime-webgpu",
    "Nnapi": "onnxruntime for Android",
    "Azure": "part of onnxruntime; calls a remote service",
}
"""Official name without its suffix: how to get it. Names and packages as ONNX Runtime's documentation gives them."""


def choose(names: str, options: str, ort: Any) -> list[tuple[str, dict[str, str]]]:
    """Providers in the order of preference, for an InferenceSession.

    `names` is a comma-separated list, short ("cuda") or official ("CUDAExecutionProvider"); `options`, "key=value" by
    commas, go to the first. Raises MachineProblem for a provider that this installation does not have.
    """
    available: Sequence[str] = ort.get_available_providers()
    known = dict.fromkeys([*(n.removesuffix(SUFFIX) for n in ort.get_all_providers()), *INSTALL])
    chosen = []
    for wish in filter(None, (part.strip() for part in names.split(","))):
        short = next((n for n in known if n.lower() == wish.removesuffix(SUFFIX).lower()), None)
        if short is None:
            raise UsageError(
                f"ONNX Runtime has no execution provider {wish!r}",
                hint=f"it knows {', '.join(sorted(map(str.lower, known)))}",
            )
        if short + SUFFIX not in available:
            raise MachineProblem(
                f"execution provider {short.lower()} is not in this ONNX Runtime {ort.__version__};"
                f" available: {', '.join(_short(available))}",
                hint=INSTALL.get(short, "install the onnxruntime build of that device's vendor"),
            )
        chosen.append(short + SUFFIX)
    if not chosen:
        raise UsageError("no execution provider was named", hint=f"available: {', '.join(_short(available))}")
    return [(name, _parse(options) if i == 0 else {}) for i, name in enumerate(chosen)]


def confirm(chosen: Sequence[tuple[str, dict[str, str]]], active: Sequence[str]) -> None:
    """ONNX Runtime goes on without a provider that fails to start; a measurement must not."""
    missing = [name for name, _ in chosen if name not in active]
    if missing:
        short = missing[0].removesuffix(SUFFIX)
        raise MachineProblem(
            f"execution provider {short.lower()} did not start; ONNX Runtime offers {', '.join(_short(active))}",
            hint=f"check its driver and libraries: {INSTALL.get(short, 'see its vendor')}",
        )


def _short(names: Sequence[str]) -> list[str]:
    return [name.removesuffix(SUFFIX).lower() for name in names]


def _parse(text: str) -> dict[str, str]:
    parsed = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"provider option {pair!r} has no value", hint="write key=value, several by commas")
        parsed[key.strip()] = value.strip()
    return parsed
