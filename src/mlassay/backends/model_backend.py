"""What every runtime does alike: gather a batch, run it, finish it, split what is too big, describe itself.

A runtime's own module says how to load, run and release; the load generator sees a SUT that answers at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.exported import exported, file_sha256
from mlassay.core.errors import BadFile, SutFailure, UsageError
from mlassay.core.model import ModelSpec, TensorSpec
from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink

Array = NDArray[Any]


class ModelBackend(ABC):
    """A SUT that runs one model file synchronously.

    Samples are arrays (models with one input), or mappings or tuples of arrays (several inputs), without the batch
    dimension. `predict` may also be handed to a batching wrapper.
    """

    name: str  # in the registry
    formats: tuple[str, ...]  # keys of ModelSpec.files that it can run, the best first
    export_to: str = ""  # what `mlassay export --to` must make, where the task's own file is of another format

    def __init__(self, model: ModelSpec | Path | str, *, max_batch: int, warmup: int, file: str = "") -> None:
        self._spec = model if isinstance(model, ModelSpec) else None
        self.path = self._file(model, file)
        self._wish_batch = max_batch
        self._warmup = warmup
        self._finish = (self._spec.finish if self._spec else None) or _first_output
        self._infer = self._spec.infer if self._spec else None
        self._inputs: tuple[TensorSpec, ...] = ()  # in the order in which the task feeds them
        self._names: list[str] = []  # of the inputs
        self._order: list[int] = []  # for each input in the model's own order, where it stands among those fed
        self._outputs: tuple[TensorSpec, ...] = ()
        self._fixed_batch = 0  # the model's own batch size, 0 where it is free
        self._chunk = max_batch
        self._loaded = False
        self._sha256 = ""

    # What a runtime must say.

    @abstractmethod
    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Make the model ready; return its inputs and outputs."""

    @abstractmethod
    def _run(self, batch: Sequence[Array]) -> Sequence[Array]:
        """One inference: an array per input, in the order of the inputs; an array per output."""

    @abstractmethod
    def _release(self) -> None: ...

    @abstractmethod
    def _about(self) -> Mapping[str, Any]:
        """Versions, devices and options, for the record."""

    # The SUT protocol.

    def open(self, sink: Sink, samples: SampleLibrary) -> None:
        self._sink, self._get = sink, samples.get
        self.ensure_loaded()

    def ensure_loaded(self) -> None:
        """Load, check against what the task wants, warm up with zeros. Does nothing when already done."""
        if self._loaded:
            return
        inputs, self._outputs = self._load()
        self._inputs = inputs
        if self._spec and self._spec.inputs:
            self._inputs = fitting(self.path, found=inputs, wanted=self._spec.inputs)
        batch = {tensor.shape[0] for tensor in self._inputs if tensor.shape and tensor.shape[0] is not None}
        self._fixed_batch = batch.pop() or 0 if len(batch) == 1 else 0
        self._chunk = self._fixed_batch or self._wish_batch
        self._names = [tensor.name for tensor in self._inputs]
        self._order = [self._names.index(tensor.name) for tensor in inputs]
        self._loaded = True
        for size in dict.fromkeys((1, self._chunk)):
            for _ in range(self._warmup):
                self._warm_up(size)

    def issue(self, query: Query) -> Outputs | None:
        first_id, indices = query
        n = len(indices)
        if n <= self._chunk:
            return self.predict(self._get(indices))
        for begin in range(0, n, self._chunk):
            part = indices[begin : begin + self._chunk]
            outputs = self.predict(self._get(part))
            self._sink.complete_samples(range(first_id + begin, first_id + begin + len(part)), outputs)
        return None

    def predict(self, samples: Any) -> Sequence[Any]:
        """Answers for at most `max_batch` samples, as the sample library gives them."""
        if self._infer is not None:
            return self._infer(samples, self.infer)
        n = len(samples)
        if n != self._fixed_batch != 0:
            return self._finish([o[:n] for o in self._run(self._batch(samples))])
        return self._finish(self._run(self._gather(samples)))

    def infer(self, batch: Sequence[Array]) -> Sequence[Array]:
        """The model alone: an array per input of `inputs`, to an array per output; a fixed batch is padded and cut."""
        n = len(batch[0]) if len(batch) else 0
        if n != self._fixed_batch != 0:
            parts = []
            for begin in range(0, n, self._fixed_batch):
                part = [array[begin : begin + self._fixed_batch] for array in batch]
                found = self._run([_padded(array, self._fixed_batch) for array in part])
                parts.append([output[: len(part[0])] for output in found])
            return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
        return self._run(batch)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """In the order in which the task feeds them; known once loaded."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._outputs

    def flush(self) -> None:  # noqa: B027 - nothing waits: every query is answered before `issue` returns
        pass

    def close(self) -> None:
        if self._loaded:
            self._release()
            self._loaded = False

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "model": {
                "name": self._spec.name if self._spec else self.path.name,
                "file": self.path.name,
                "sha256": self._digest(),
                "inputs": [str(t) for t in self._inputs],
                "outputs": [str(t) for t in self._outputs],
                **({"layout": self._spec.layout} if self._spec and self._spec.layout else {}),
                **({"about": dict(self._spec.about)} if self._spec and self._spec.about else {}),
            },
            "batch": {"max": self._chunk, "fixed_by_model": bool(self._fixed_batch)},
            "warmup_runs": self._warmup,
            **self._about(),
        }

    # Helpers.

    def _digest(self) -> str:
        """SHA-256 of the model file, computed once."""
        if not self._sha256:
            self._sha256 = file_sha256(self.path)
        return self._sha256

    def _batch(self, samples: Any) -> Sequence[Array]:
        """One array per input, of the batch size that the model wants."""
        batch = self._gather(samples)
        if len(samples) != self._fixed_batch != 0:
            return [_padded(array, self._fixed_batch) for array in batch]
        return batch

    def _gather(self, samples: Any) -> Sequence[Array]:
        """One array per input. An array of samples is a batch already."""
        if type(samples) is np.ndarray:
            return (samples,)
        if len(self._inputs) == 1 and not isinstance(samples[0], Mapping | tuple):
            return (np.asarray(samples[0])[None] if len(samples) == 1 else np.stack(samples),)
        if isinstance(samples[0], Mapping):
            return [np.stack([sample[tensor.name] for sample in samples]) for tensor in self._inputs]
        return [np.stack([sample[i] for sample in samples]) for i in range(len(self._inputs))]

    def _warm_up(self, n: int) -> None:
        if self._infer is None:
            self.predict(self._zeros(n))
        else:  # what its samples look like only the task knows
            sizes = [[t.shape[0] or n, *(size or 1 for size in t.shape[1:])] for t in self._inputs]
            self._run([np.zeros(size, tensor.dtype) for size, tensor in zip(sizes, self._inputs, strict=True)])

    def _zeros(self, n: int) -> Any:
        """n samples of zeros; open dimensions become 1."""
        arrays = [np.zeros([n, *(s or 1 for s in tensor.shape[1:])], tensor.dtype) for tensor in self._inputs]
        if len(arrays) == 1:
            return arrays[0]
        return [tuple(array[i] for array in arrays) for i in range(n)]

    def _failed(self, error: Exception, batch: Sequence[Array]) -> SutFailure:
        """The runtime's complaint, with what was fed and what it wants."""
        fed = "; ".join(f"{a.dtype} {a.shape}" for a in batch)
        return SutFailure(
            f"{self.name} could not run {self.path.name}: fed {fed}, wants {'; '.join(map(str, self._inputs))}"
            f" ({str(error).strip().splitlines()[0]})"
        )

    def _file(self, model: ModelSpec | Path | str, instead: str) -> Path:
        """The file to run: what the user puts instead, else the task's, else one that was exported from the task's."""
        if instead or not isinstance(model, ModelSpec):
            path = Path(instead or str(model))
        else:
            own = next((model.files[name] for name in self.formats if name in model.files), None)
            path = own or next(filter(None, (exported(model, name) for name in self.formats)), None)  # type: ignore[assignment]
            if path is None:
                raise UsageError(
                    f"{model.name} has no {self.formats[0]} file, which backend {self.name} needs",
                    hint=f"it comes as {', '.join(model.files) or 'nothing'}"
                    + (f"; mlassay export TASK --to {self.export_to} makes one" if self.export_to else ""),
                )
        if not path.exists():
            raise UsageError(f"there is no model file {path}", hint=f"give the path of a {self.formats[0]} file")
        return path


def fitting(path: Path, *, found: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The model's own inputs in the order that the task feeds them; BadFile when they do not fit.

    A single input may bear any name; several are matched by name.
    """
    if len(found) == len(wanted) == 1:
        chosen = list(found)
    else:
        by_name = {tensor.name: tensor for tensor in found}
        chosen = [by_name[tensor.name] for tensor in wanted if tensor.name in by_name]
    if len(chosen) != len(found) or len(found) != len(wanted) or not all(map(TensorSpec.accepts, chosen, wanted)):
        raise BadFile(
            path,
            key="inputs",
            found="; ".join(map(str, found)),
            expected="; ".join(map(str, wanted)),
            hint="export the model with these names, shapes and types ('?' is any size)",
        )
    return tuple(chosen)


def _padded(array: Array, n: int) -> Array:
    """The last sample repeated until there are n."""
    return np.concatenate([array, np.repeat(array[-1:], n - len(array), 0)])


def _first_output(outputs: Sequence[Array]) -> Sequence[Any]:
    return outputs[0] if len(outputs) == 1 else list(zip(*outputs, strict=True))  # type: ignore[return-value]
