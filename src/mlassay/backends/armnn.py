"""Arm NN: TFLite models on Arm's Neon kernels (CpuAcc), Mali graphics (GpuAcc), or plain reference code (CpuRef).

Through pyarmnn, which Debian packages for its own Python; Debian's build for other processors than Arm's has CpuRef
alone, which is right and slow.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.core.model import ModelSpec, TensorSpec

KNOWN = ("CpuAcc", "GpuAcc", "CpuRef", "EthosNAcc")
_KINDS = {0: "float16", 1: "float32", 2: "uint8", 3: "int32", 4: "bool", 5: "int16", 6: "int8", 7: "int8"}
"""armnn.DataType to numpy's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How Arm NN is to run the model."""

    devices: str = option("", "Arm NN's backends in order of preference: CpuAcc,CpuRef; empty: the best that is there")
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(1, "most samples in one inference; a TFLite file's own batch size holds", at_least=1)
    warmup: int = option(1, "untimed inferences of each batch size when opened", at_least=0)


class ArmNn(ModelBackend):
    """A SUT that answers with Arm NN, on the thread that asks."""

    name = "armnn"
    formats = ("tflite",)
    export_to = "litert"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        super().__init__(model, max_batch=self.options.max_batch, warmup=self.options.warmup, file=self.options.file)
        _armnn()
        self._devices: list[str] = []

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        arm = _armnn()
        parser = arm.ITfLiteParser()
        try:
            network = parser.CreateNetworkFromBinaryFile(str(self.path))
        except RuntimeError as error:
            raise BadFile(
                self.path, found=f"not a model that Arm NN can load ({_reason(error)})", expected="a .tflite file"
            ) from error
        names = parser.GetSubgraphInputTensorNames(0), parser.GetSubgraphOutputTensorNames(0)
        self._ins = [parser.GetNetworkInputBindingInfo(0, name) for name in names[0]]
        self._outs = [parser.GetNetworkOutputBindingInfo(0, name) for name in names[1]]
        self._runtime = arm.IRuntime(arm.CreationOptions())
        self._devices = self._chosen(arm)
        self._network = self._optimised(arm, network)
        self._results = arm.make_output_tensors(self._outs)
        inputs, outputs = (
            tuple(_spec(name, info) for name, (_, info) in zip(part, bound, strict=True))
            for part, bound in zip(names, (self._ins, self._outs), strict=True)
        )
        return inputs, outputs

    def _chosen(self, arm: Any) -> list[str]:
        """The devices to use, each of which must be there."""
        there = [str(device) for device in self._runtime.GetDeviceSpec().GetSupportedBackends()]
        wishes = [w.strip() for w in self.options.devices.split(",") if w.strip()]
        names = {name.lower(): name for name in KNOWN}
        for wish in wishes:
            if wish.lower() not in names:
                raise UsageError(f"Arm NN has no backend {wish!r}", hint=f"it knows {', '.join(KNOWN)}")
            if names[wish.lower()] not in there:
                raise MachineProblem(
                    f"this Arm NN {arm.GetVersion()} has no {names[wish.lower()]}; it has {', '.join(there)}",
                    hint="install Arm NN's build for that device, or choose another of -b devices",
                )
        return [names[w.lower()] for w in wishes] or [name for name in KNOWN if name in there]

    def _optimised(self, arm: Any, network: Any) -> int:
        try:
            better, _ = arm.Optimize(
                network,
                [arm.BackendId(name) for name in self._devices],
                self._runtime.GetDeviceSpec(),
                arm.OptimizerOptions(),
            )
            number, _ = self._runtime.LoadNetwork(better)
        except RuntimeError as error:
            raise BadFile(
                self.path,
                found=f"not a model that Arm NN can run on {', '.join(self._devices)} ({_reason(error)})",
                expected="operators that it has",
            ) from error
        return int(number)

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        arm = _armnn()
        try:
            ordered = [np.ascontiguousarray(batch[at]) for at in self._order]
            fed = arm.make_input_tensors(self._ins, ordered)
            self._runtime.EnqueueWorkload(self._network, fed, self._results)
            return [np.array(array) for array in arm.workload_tensors_to_ndarray(self._results)]
        except (RuntimeError, TypeError, ValueError) as error:
            raise self._failed(error, batch) from error

    def _release(self) -> None:
        self._runtime.UnloadNetwork(self._network)
        del self._results, self._runtime

    def _about(self) -> Mapping[str, Any]:
        return {
            "runtime": "Arm NN",
            "version": _armnn().GetVersion(),
            "devices": self._devices,
            "options": asdict(self.options),
        }


def _spec(name: str, info: Any) -> TensorSpec:
    shape = info.GetShape()
    sizes = tuple(int(shape[axis]) for axis in range(shape.GetNumDimensions()))
    return TensorSpec(name, sizes, _KINDS.get(int(info.GetDataType()), str(info.GetDataType())))


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _armnn() -> Any:
    logger = logging.getLogger("pyarmnn")
    before = logger.level
    logger.setLevel(logging.ERROR)  # it warns of each parser that the build lacks
    try:
        return importlib.import_module("pyarmnn")
    except ModuleNotFoundError as error:
        from mlassay.backends import backend_registry

        raise MissingDependency("pyarmnn", install=backend_registry.entry("armnn").install) from error
    finally:
        logger.setLevel(before)
