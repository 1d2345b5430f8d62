"""Decoder-only language models on ONNX Runtime, in the form in which they are usually exported.

Inputs: input_ids (B, T), attention_mask (B, P + T), perhaps position_ids (B, T), and per layer past_key_values.N.key
and .value (B, heads, P, size). Outputs: logits (B, T, V) and present.N.key and .value, one position longer per new
token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.exported import file_sha256
from mlassay.backends.generation import Cache, GeneratingSUT, StepModel, Tokens
from mlassay.backends.onnx_providers import choose, confirm
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MissingDependency, SutFailure, UsageError
from mlassay.core.model import Generation, ModelSpec

_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is to be run."""

    provider: str = option("cpu", "execution providers in order of preference, by commas: cuda,cpu")
    provider_options: str = option("", "options of the first provider: device_id=0")
    max_batch: int = option(8, "most prompts that step together", at_least=1)
    max_new_tokens: int = option(0, "tokens after which an answer is cut; 0: as the task says", at_least=0)
    intra_threads: int = option(0, "threads within one operator; 0: one per physical core", at_least=0)
    spinning: bool = option(True, "idle threads spin; 'no' leaves the cores to others, at some latency")


class OnnxGeneration(GeneratingSUT):
    """A SUT that answers prompts token by token with ONNX Runtime."""

    name = "onnx-generation"
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        self._spec = model if isinstance(model, ModelSpec) else None
        self.path = _file(model)
        how = self._spec.generation if self._spec else None
        if how is None:
            raise UsageError(
                f"{self.path.name} is not said to generate", hint="backend onnxruntime runs models of one pass"
            )
        most = self.options.max_new_tokens or how.most
        super().__init__(Generation(ends=how.ends, most=most, least=min(how.least, most)), self.options.max_batch)
        self._providers = choose(self.options.provider, self.options.provider_options, _ort())
        self._sha256 = ""

    def load_model(self) -> StepModel:
        return OnnxStep(self.path, self.options, self._providers)

    def describe(self) -> Mapping[str, Any]:
        self._sha256 = self._sha256 or file_sha256(self.path)
        return {
            **super().describe(),
            "runtime": "ONNX Runtime",
            "version": _ort().__version__,
            "providers": [name for name, _ in self._providers],
            "model": {
                "name": self._spec.name if self._spec else self.path.name,
                "file": self.path.name,
                "sha256": self._sha256,
                **({"about": dict(self._spec.about)} if self._spec and self._spec.about else {}),
            },
            "options": asdict(self.options),
        }


class OnnxStep:
    """One session; the remembered keys and values go out and in again as they are."""

    def __init__(self, path: Path, options: Options, providers: Any) -> None:
        ort = _ort()
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = options.intra_threads
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
        try:
            self._session = ort.InferenceSession(str(path), settings, providers=list(providers))
        except Exception as error:  # ONNX Runtime has many kinds of error for a bad file
            reason = str(error).strip().splitlines()[0]
            raise BadFile(
                path, found=f"not a model that ONNX Runtime can load ({reason})", expected="an ONNX model file"
            ) from error
        confirm(providers, self._session.get_providers())
        self._read_names(path)

    def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[NDArray[Any], Cache]:
        fed: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask}
        if self._positions:
            fed["position_ids"] = positions
        for name, (heads, size, dtype) in self._past.items():
            fed[name] = cache[name] if cache else np.zeros((len(tokens), heads, 0, size), dtype)
        try:
            logits, *present = self._session.run(self._outputs, fed)
        except Exception as error:
            raise SutFailure(f"onnx-generation could not step: {str(error).strip().splitlines()[0]}") from error
        return logits[:, -1], dict(zip(self._past, present, strict=True))

    def _read_names(self, path: Path) -> None:
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        outputs = {tensor.name for tensor in self._session.get_outputs()}
        self._positions = "position_ids" in inputs
        found = [match for name in inputs if (match := _PAST.fullmatch(name))]
        found.sort(key=lambda match: (int(match[1]), match[2]))
        wanted = {"logits", *(f"present.{match[1]}.{match[2]}" for match in found)}
        if not found or not {"input_ids", "attention_mask"} <= set(inputs) or not wanted <= outputs:
            raise BadFile(
                path,
                key="inputs and outputs",
                found=", ".join([*inputs, *outputs][:8]),
                expected="input_ids, attention_mask, past_key_values.N.key/value; logits, present.N.key/value",
                hint="export with past keys and values (mlassay's own export, or Optimum's text-generation-with-past)",
            )
        self._past = {}
        for match in found:
            tensor = inputs[match[0]]
            _, heads, _, size = tensor.shape
            if not isinstance(heads, int) or not isinstance(size, int) or tensor.type not in _TYPES:
                raise BadFile(
                    path, key=match[0], found=f"{tensor.type} {tensor.shape}", expected="fixed heads and size, float"
                )
            self._past[match[0]] = (heads, size, _TYPES[tensor.type])
        self._outputs = ["logits", *(f"present.{match[1]}.{match[2]}" for match in found)]


def _file(model: ModelSpec | Path | str) -> Path:
    if isinstance(model, ModelSpec):
        if "onnx" not in model.files:
            raise UsageError(f"{model.name} has no onnx file, which backend onnx-generation needs")
        path = Path(model.files["onnx"])
    else:
        path = Path(model)
    if not path.is_file():
        raise UsageError(f"there is no model file {path}", hint="give the path of an onnx file")
    return path


def _ort() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingDependency("onnxruntime", extra="onnx") from error
    return onnxruntime
