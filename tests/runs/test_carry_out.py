"""What a run folder says when the SUT misbehaves at the run's very beginning or end."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlassay
from mlassay.backends.null import NullSUT
from mlassay.core.errors import SutFailure
from mlassay.core.query import Query
from mlassay.core.sut import Outputs, SampleLibrary, Sink
from mlassay.core.trace import FaultKind
from mlassay.records.folder import open_run

pytest.importorskip("PIL")


def test_a_sut_that_cannot_open_leaves_a_folder_that_says_so(tmp_path: Path) -> None:
    class Broken(NullSUT):
        def open(self, sink: Sink, samples: SampleLibrary) -> None:
            raise RuntimeError("no such device")

    with pytest.raises(SutFailure, match="no such device"):
        mlassay.run(
            "image-classification", sut=Broken(), scenario="server", target_qps=10, duration="100ms", out=tmp_path / "r"
        )
    run = open_run(tmp_path / "r")
    assert not run.complete
    assert "no such device" in run.incomplete_because


def test_an_answer_after_the_end_is_seen(tmp_path: Path) -> None:
    class Late(NullSUT):
        held: Query | None = None

        def open(self, sink: Sink, samples: SampleLibrary) -> None:
            self.sink = sink

        def issue(self, query: Query) -> Outputs:
            self.held = query
            return [None]

        def close(self) -> None:
            if self.held is not None:
                self.sink.complete(self.held)
                self.held = None

    result = mlassay.run(
        "image-classification", sut=Late(), scenario="server", target_qps=50, duration="100ms", out=tmp_path / "r"
    )
    assert [f.kind for f in result.outcome.faults] == [FaultKind.LATE]
