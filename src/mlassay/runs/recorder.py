"""Outputs of a run into its accuracy log: all of them in accuracy mode, the sampled ones in performance mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mlassay.core.sut import Outputs
from mlassay.loadgen.plan import Plan
from mlassay.records.loadgen_log.accuracy import AccuracyLogWriter


class AccuracyRecorder:
    """The `keep` of a drive. Encodes outputs as they come, from any thread, in bounded memory."""

    def __init__(self, path: Path, plans: Sequence[Plan], encode: Callable[[int, Any], bytes]) -> None:
        self._writer = AccuracyLogWriter(path)
        self._encode = encode
        self._index = np.concatenate([p.index for p in plans]) if plans else np.empty(0, np.int32)
        self._offset = plans[0].first_sequence_id if plans else 0
        masks = [p.log_mask if p.log_mask is not None else np.full(len(p.index), p.whole) for p in plans]
        self._mask = np.concatenate(masks) if plans else np.empty(0, np.bool_)
        self.wanted = bool(self._mask.any())
        self._firsts: dict[int, bytes] = {}

    def __enter__(self) -> AccuracyRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def keep_first(self, ids: Sequence[int], outputs: Outputs) -> None:
        """First tokens wait here for their answers."""
        for sample_id, output in zip(ids, outputs, strict=True):
            if 0 <= sample_id < len(self._mask) and self._mask[sample_id]:
                self._firsts[sample_id] = self._encode(int(self._index[sample_id]), output)

    def keep(self, ids: Sequence[int], outputs: Outputs) -> None:
        chosen = np.arange(ids.start, ids.stop, ids.step) if isinstance(ids, range) else np.asarray(ids)
        mask = self._mask[chosen]
        if not mask.all():
            outputs = [output for output, wanted in zip(outputs, mask.tolist(), strict=True) if wanted]
            chosen = chosen[mask]
        if len(chosen):
            indices: Any = self._index[chosen]  # columns stay arrays: only what is encoded needs Python's integers
            payloads = [self._encode(index, output) for index, output in zip(indices.tolist(), outputs, strict=True)]
            firsts = [self._firsts.pop(i, b"") for i in chosen.tolist()] if self._firsts else None
            numbers: Any = chosen + self._offset
            self._writer.write(numbers, indices, payloads, tokens=firsts)
