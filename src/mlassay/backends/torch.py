"""PyTorch: ONNX files rebuilt as PyTorch modules, TorchScript and exported programs; eager or compiled."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlassay.backends.model_backend import Array, ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.core.model import ModelSpec, TensorSpec

SHAPES_FILE = "mlassay.json"
"""Inside a TorchScript archive: names, shapes and types of inputs and outputs, which the format itself leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How PyTorch is to run the model."""

    device: str = option("cpu", "PyTorch's device: cpu, cuda, cuda:1, mps, xpu, ...")
    mode: Literal["eager", "compile"] = option("eager", "compile: torch.compile, for batches of 1 and of max_batch")
    compile_mode: Literal["default", "reduce-overhead", "max-autotune"] = option("default", "torch.compile's own mode")
    precision: Literal["f32", "bf16", "f16", "int8"] = option(
        "f32", "bf16, f16: automatic mixed precision; int8: weights beforehand, activations as they come (processor)"
    )
    threads: int = option(0, "processor threads within one operator; 0: PyTorch's choice", at_least=0)
    file: str = option("", "a model file instead of the task's: a quantised or converted version of it")
    max_batch: int = option(32, "most samples in one inference; a model with a fixed batch keeps its own", at_least=1)
    warmup: int = option(3, "untimed inferences of each batch size when opened", at_least=0)


class Torch(ModelBackend):
    """A SUT that answers with PyTorch, on the thread that asks."""

    name = "torch"
    formats = ("torchscript", "pt2", "onnx")
    export_to = "torchscript"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        if chosen.precision == "int8" and chosen.device != "cpu":
            raise UsageError(f"backend torch: int8 runs on cpu, not on {chosen.device}", hint="use bf16 or f16 there")
        if chosen.mode == "compile" and isinstance(model, ModelSpec) and model.infer is not None:
            raise UsageError(
                f"backend torch: mode=compile is for models fed in whole batches; {model.name} is run by its task",
                hint="use mode=eager",
            )
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        device_named(chosen.device)

    def _file(self, model: ModelSpec | Path | str, instead: str) -> Path:
        path = super()._file(model, instead)
        if self.options.precision == "int8" and path.suffix != ".onnx":
            if isinstance(model, ModelSpec) and not instead and "onnx" in model.files:
                return Path(model.files["onnx"])
            raise UsageError(f"backend torch: int8 needs an ONNX file, not {path.name}")
        return path

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        torch = torch_module()
        self._device = device_named(self.options.device)
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        module, inputs, outputs = self._module()
        if self.options.mode == "compile" and getattr(module, "has_flow", False):
            raise UsageError(
                f"backend torch: {self.path.name} has loops or branches, which mode=compile cannot take",
                hint="use mode=eager",
            )
        self._module_ = module.to(self._device)
        self._compiled: dict[tuple[Any, ...], Any] = {}
        return inputs or (self._spec.inputs if self._spec else ()), outputs

    def _module(self) -> tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        if self.path.suffix == ".onnx":
            from mlassay.backends.onnx_torch import module_of

            module, graph = module_of(self.path)
            if self.options.precision == "int8":
                from mlassay.backends.torch_int8 import quantise

                self._quantised = quantise(module)
            return module, graph.inputs, graph.outputs
        return _loaded(self.path)

    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        torch = torch_module()
        n = len(batch[0])
        compiled = self.options.mode == "compile"
        if compiled and n not in (1, self._chunk):  # only these two sizes are compiled
            batch = [np.concatenate([a, np.repeat(a[-1:], self._chunk - n, 0)]) for a in batch]
        ordered = [batch[at] for at in self._order]
        try:
            with torch.inference_mode(), self._precision():
                given = [torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for a in ordered]
                found = (self._compile(given) if compiled else self._module_)(*given)
        except Exception as error:
            raise self._failed(error, batch) from error
        outputs = [_array(t) for t in (found if isinstance(found, tuple | list) else (found,))]
        return [a[:n] for a in outputs] if compiled else outputs

    def _compile(self, given: list[Any]) -> Any:
        torch = torch_module()
        key = tuple(tuple(t.shape) for t in given)
        if key not in self._compiled:
            plain = self._module_
            if self.path.suffix == ".onnx":  # shapes are known now: only tensors remain in the trace
                from torch.fx.experimental.proxy_tensor import make_fx

                plain = make_fx(self._module_)(*given)
            self._compiled[key] = torch.compile(plain, mode=self.options.compile_mode, dynamic=False)
        return self._compiled[key]

    def _precision(self) -> Any:
        kinds = {"bf16": "bfloat16", "f16": "float16"}
        if self.options.precision not in kinds:
            return nullcontext()
        torch = torch_module()
        return torch.autocast(self._device.type, dtype=getattr(torch, kinds[self.options.precision]))

    def _release(self) -> None:
        del self._module_, self._compiled

    def _about(self) -> Mapping[str, Any]:
        torch = torch_module()
        about: dict[str, Any] = {
            "runtime": "PyTorch",
            "version": torch.__version__,
            "device": self.options.device,
            "threads": torch.get_num_threads(),
            "options": asdict(self.options),
        }
        if self.options.device.startswith("cuda"):
            about["device_name"] = torch.cuda.get_device_name(self.options.device)
        if self.options.precision == "int8":
            about["int8_layers"] = getattr(self, "_quantised", 0)
        return about


def _loaded(path: Path) -> tuple[Any, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """A TorchScript archive, or a program saved by torch.export (.pt2)."""
    torch = torch_module()
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise ValueError("it is no archive")
        if path.suffix == ".pt2":
            program = torch.export.load(str(path))
            return program.module(), _program_inputs(program), ()
        extra = {SHAPES_FILE: ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript's own: the file is what it is
            module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BadFile(
            path,
            found=f"not a model that PyTorch can load ({lines[0][:160]})",
            expected="an ONNX file, a TorchScript archive or a program saved by torch.export (.pt2)",
        ) from error
    if not extra[SHAPES_FILE]:
        return module, (), ()
    shapes = json.loads(extra[SHAPES_FILE])
    return module, _specs(shapes["inputs"]), _specs(shapes["outputs"])


def shapes_text(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> str:
    """What `mlassay export --to torchscript` writes into the archive."""
    return json.dumps({"inputs": [asdict(t) for t in inputs], "outputs": [asdict(t) for t in outputs]})


def _specs(rows: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(row["name"], tuple(row["shape"]), row["dtype"]) for row in rows)


def _program_inputs(program: Any) -> tuple[TensorSpec, ...]:
    wanted = set(program.graph_signature.user_inputs)
    found = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in wanted:
            value = node.meta["val"]
            sizes = tuple(s if isinstance(s, int) else None for s in value.shape)
            found.append(TensorSpec(node.name, sizes, str(value.dtype).removeprefix("torch.")))
    return tuple(found)


def _array(found: Any) -> Array:
    if found.dtype.is_floating_point and found.dtype.itemsize < 4:
        found = found.float()
    array: Array = found.cpu().numpy()
    return array


def device_named(name: str) -> Any:
    torch = torch_module()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"PyTorch has no device {name!r}", hint="cpu, cuda, cuda:0, mps or xpu") from error
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, getattr(getattr(torch, device.type, None), "is_available", lambda: False)()):
        raise MachineProblem(
            f"this PyTorch {torch.__version__} finds no {device.type} device",
            hint="install the PyTorch build and the driver of that device, or choose -b device=cpu",
        )
    return device


def torch_module() -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingDependency("torch", extra="torch") from error
    return torch
