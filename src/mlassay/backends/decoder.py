"""Decoder-only language models in the form in which they are usually exported to ONNX, on any runtime that reads it.

Inputs: input_ids (B, T), attention_mask (B, P + T), perhaps position_ids (B, T), and per layer past_key_values.N.key
and .value (B, heads, P, size). Outputs: logits (B, T, V) and present.N.key and .value, one position longer per new
token. A model with an encoder (Whisper) is two files: the decoder has inputs heard.N.key and .value besides (B, heads,
S, size), which are the outputs of the encoder. A runtime's own module says how one pass is run.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.beam import BeamGenerator
from mlassay.backends.exported import file_sha256
from mlassay.backends.generation import Cache, Engine, GeneratingSUT, Generator, Listen, Tokens, Work
from mlassay.backends.options import check_bounds, parse_options
from mlassay.core.errors import BadFile, SutFailure, UsageError
from mlassay.core.model import Generation, ModelSpec, TensorSpec

_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
_HEARD = re.compile(r"heard\.\d+\.(key|value)")
_EXPECTED = "input_ids, attention_mask, past_key_values.N.key/value; logits, present.N.key/value"


@dataclass(frozen=True, slots=True)
class DecoderNames:
    """What one pass is fed and gives."""

    has_positions: bool
    past: Mapping[str, tuple[int, int, str]]  # heads, size of a head, numpy's name of the type
    outputs: tuple[str, ...]  # logits, then the present keys and values in the order of `past`
    heard: tuple[str, ...] = ()  # what an encoder gives

    @classmethod
    def of(cls, path: Path, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> DecoderNames:
        """BadFile names what was found where the model is of another form."""
        by_name = {tensor.name: tensor for tensor in inputs}
        found = [match for name in by_name if (match := _PAST.fullmatch(name))]
        found.sort(key=lambda match: (int(match[1]), match[2]))
        ends = ["logits", *(f"present.{match[1]}.{match[2]}" for match in found)]
        if (
            not found
            or not {"input_ids", "attention_mask"} <= set(by_name)
            or not set(ends) <= {t.name for t in outputs}
        ):
            raise BadFile(
                path,
                key="inputs and outputs",
                found="; ".join(map(str, [*inputs, *outputs][:8])),
                expected=_EXPECTED,
                hint="export with past keys and values (mlassay's own export, or Optimum's text-generation-with-past)",
            )
        past = {match[0]: _memory(path, by_name[match[0]]) for match in found}
        return cls("position_ids" in by_name, past, tuple(ends), tuple(filter(_HEARD.fullmatch, by_name)))

    def fed(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> dict[str, NDArray[Any]]:
        """All inputs of one pass by name."""
        given: dict[str, NDArray[Any]] = {"input_ids": tokens, "attention_mask": mask}
        if self.has_positions:
            given["position_ids"] = positions
        for name, (heads, size, dtype) in self.past.items():
            given[name] = cache[name] if name in cache else np.zeros((len(tokens), heads, 0, size), dtype)
        return given | {name: cache[name] for name in self.heard}

    def split(self, found: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], Cache]:
        """Outputs in the order of `outputs` -> logits of the last position, memory for the next pass."""
        return found[0][:, -1], dict(zip(self.past, found[1:], strict=True))


class DecoderBackend(GeneratingSUT):
    """A SUT that answers prompts token by token with a model file of the form above."""

    runtime: str  # as people call it
    formats = ("onnx",)
    OPTIONS: type[Any]

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options: Any = parse_options(self.OPTIONS, self.name, options)
        check_bounds(self.options, self.name)
        self.path, how = generating_file(model, "onnx", self.name)
        self._spec = model if isinstance(model, ModelSpec) else None
        super().__init__(cut(how, self.options.max_new_tokens), self.options.max_batch)
        self._encoder_path = generating_file(model, "encoder", self.name)[0] if how.hear else None
        self._sha256: dict[Path, str] = {}

    @abstractmethod
    def _ready(self, path: Path) -> tuple[Any, Sequence[TensorSpec], Sequence[TensorSpec]]:
        """Load a model; return it, its inputs and its outputs."""

    @abstractmethod
    def _pass(self, model: Any, given: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Sequence[NDArray[Any]]:
        """Run it; an array for each of the wanted outputs."""

    @abstractmethod
    def _about(self) -> Mapping[str, Any]:
        """Version and device, for the record."""

    def load_engine(self) -> Engine:
        self._decoder, inputs, outputs = self._ready(self.path)
        self.names = DecoderNames.of(self.path, inputs, outputs)
        if self.names.heard and self._encoder_path is None:
            raise BadFile(
                self.path,
                key="inputs",
                found=f"with {self.names.heard[0]}, which an encoder gives",
                expected="a model that is given tokens alone",
                hint="mlassay run speech --profile whisper --model FOLDER runs encoder and decoder together",
            )
        kind = Generator if self.how.beams == 1 else BeamGenerator
        return kind(self, self.how, self.max_batch, self._listener() if self._encoder_path else None)

    def _listener(self) -> Listen:
        """The encoder, loaded: samples to what the decoder sees of them."""
        hear, path = self.how.hear, self._encoder_path
        assert hear is not None
        assert path is not None
        encoder, inputs, outputs = self._ready(path)
        given = {tensor.name for tensor in outputs}
        if len(inputs) != 1 or not self.names.heard or not set(self.names.heard) <= given:
            raise BadFile(
                path,
                key="inputs and outputs",
                found="; ".join(map(str, [*inputs, *outputs][:8])),
                expected=f"one input, and all heard.N.key and .value that {self.path.name} is given",
            )

        def listen(works: Sequence[Work]) -> Cache:
            sound = {inputs[0].name: np.stack([hear(work.sample) for work in works])}
            return dict(zip(self.names.heard, self._run(encoder, sound, self.names.heard), strict=True))

        return listen

    def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[NDArray[Any], Cache]:
        """One pass: see generation.StepModel."""
        fed = self.names.fed(tokens, mask, positions, cache)
        return self.names.split(self._run(self._decoder, fed, self.names.outputs))

    def _run(self, model: Any, given: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Sequence[NDArray[Any]]:
        try:
            return self._pass(model, given, wanted)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SutFailure(f"{self.name} could not step: {reason}") from error

    def describe(self) -> Mapping[str, Any]:
        ears = self._encoder_path
        return {
            **super().describe(),
            "runtime": self.runtime,
            **self._about(),
            "model": {
                "name": self._spec.name if self._spec else self.path.name,
                "file": self.path.name,
                "sha256": self._digest(self.path),
                **({"encoder": {"file": ears.name, "sha256": self._digest(ears)}} if ears else {}),
                **({"about": dict(self._spec.about)} if self._spec and self._spec.about else {}),
            },
            "options": asdict(self.options),
        }

    def _digest(self, path: Path) -> str:
        if path not in self._sha256:
            self._sha256[path] = file_sha256(path)
        return self._sha256[path]


def generating_file(model: ModelSpec | Path | str, format_: str, backend: str) -> tuple[Path, Generation]:
    """The model's file of that format, and how it is to be asked; UsageError where it has none."""
    spec = model if isinstance(model, ModelSpec) else None
    if spec and format_ not in spec.files:
        others = ", ".join(spec.files) or "nothing"
        raise UsageError(
            f"{spec.name} has no {format_} file, which backend {backend} needs",
            hint=f"it comes as {others}" + ("; choose --backend llama-cpp" if "gguf" in spec.files else ""),
        )
    path = Path(spec.files[format_] if spec else str(model))
    if not path.is_file():
        raise UsageError(f"there is no model file {path}", hint=f"give the path of a {format_} file")
    if spec is None or spec.generation is None:
        raise UsageError(f"{path.name} is not said to generate", hint="a backend such as onnxruntime runs one pass")
    return path, spec.generation


def cut(how: Generation, most: int) -> Generation:
    """With another limit of new tokens, where one is wished (0: none is)."""
    return replace(how, most=most or how.most, least=min(how.least, most or how.most))


def _memory(path: Path, tensor: TensorSpec) -> tuple[int, int, str]:
    heads, size = (tensor.shape[1], tensor.shape[3]) if len(tensor.shape) == 4 else (None, None)
    if heads is None or size is None or tensor.dtype not in ("float32", "float16"):
        raise BadFile(
            path, key=tensor.name, found=str(tensor), expected="float (batch, heads, past, size), heads fixed"
        )
    return heads, size, tensor.dtype
