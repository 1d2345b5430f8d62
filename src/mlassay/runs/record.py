"""The run folder of an inference run: what is written when, from the first moment to the last."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.core.trace import Recording, Trace
from mlassay.loadgen.plan import Plan
from mlassay.loadgen.supervise import Rows
from mlassay.records.atomic import atomic_write
from mlassay.records.folder import ACCURACY_TXT, RunFolder
from mlassay.records.loadgen_log import TRACE, LogFacts, Phase, read_accuracy, write_logs, write_trace_json
from mlassay.runs.prepare import Prepared
from mlassay.tasks.task import AccuracyResult

HUNG_EXIT = 4


@dataclass(slots=True)
class InferenceRecord:
    """Writes one run folder. `RunFolder` knows names and formats; this knows the order of things."""

    folder: RunFolder
    prepared: Prepared
    settings: Settings
    plans: Sequence[Plan]

    @classmethod
    def create(
        cls,
        path: Path,
        prepared: Prepared,
        settings: Settings,
        plans: Sequence[Plan],
        extra: Mapping[str, Any] | None = None,
    ) -> InferenceRecord:
        request, task = prepared.request, prepared.task
        folder = RunFolder.create(
            path,
            settings,
            command=(request.command,) if request.command else (),
            request={
                "task": task.name,
                "profile": task.profile.name,
                "data": "" if request.data is None else str(request.data.resolve()),
                "model": request.model,
                "official_profile": task.profile.official,
                "backend": request.backend if request.sut is None else "own code",
                "backend_options": dict(request.backend_options),
                "workers": request.workers,
                "max_batch": request.max_batch,
                "max_delay_ms": request.max_delay_ms,
                "performance_count": request.performance_count,
                "task_options": dict(request.task_options),
                "timed": task.timed,
                "probed": list(prepared.probed),
                "warnings": list(prepared.warnings),
            },
            library={
                "name": task.library.name,
                "total_count": task.library.total_count,
                "performance_count": task.library.performance_count,
                "data": dict(task.data),
            },
            sut=prepared.sut.describe(),
            extra=extra,
        )
        return cls(folder, prepared, settings, plans)

    @property
    def accuracy_log(self) -> Path:
        return self.folder.accuracy_log

    def spool(self, rows: Rows) -> None:
        self.folder.spool(rows)

    def give_up(self, text: str) -> None:
        """The SUT holds the issuing thread and nothing frees it: write what there is, say why, and leave."""
        self.folder.fail(f"hung: {text}")
        print(f"error: {text}; what was measured is in {self.folder.path}", file=sys.stderr, flush=True)
        os._exit(HUNG_EXIT)

    def answers(self) -> Iterator[tuple[int, bytes]]:
        """(library index, encoded answer) as the accuracy log holds them, streamed."""
        return ((entry.qsl_idx, entry.data) for entry in read_accuracy(self.accuracy_log))

    def finish(self, recording: Recording, outcome: Outcome, accuracy: AccuracyResult | None) -> None:
        """Logs first, then the trace, then run.json says how it ended."""
        path = self.folder.path
        facts = self._facts(recording.trace, outcome)
        write_logs(path, self.settings, outcome, facts)
        if self.prepared.request.trace_json:
            write_trace_json(path / TRACE, recording.trace)
        if accuracy is not None:
            atomic_write(path / ACCURACY_TXT, accuracy.official_line + "\n")
        self.folder.finish(
            recording,
            outcome,
            accuracy=None if accuracy is None else accuracy_report(accuracy),
            sut=self.prepared.sut.describe(),
        )

    def _facts(self, trace: Trace, outcome: Outcome) -> LogFacts:
        library = self.prepared.task.library
        return LogFacts(
            figures=self.plans[0].effective,
            phases=tuple(_phases(self.plans, trace)),
            opened_unix_ns=self.folder.record.created_unix_ns,
            closed_unix_ns=trace.start_unix_ns + outcome.duration_ns,
            sut_name=str(self.prepared.sut.describe().get("name", "")),
            qsl_name=library.name,
            qsl_total_count=library.total_count,
            qsl_performance_count=library.performance_count,
        )


def _phases(plans: Sequence[Plan], trace: Trace) -> Iterator[Phase]:
    """One per loaded set: from its first issue to its last answer."""
    row, first = 0, 0
    for plan in plans:
        rows, samples = plan.generated_query_count, len(plan.index)
        issued, done = trace.issued_ns[row : row + rows], trace.done_ns[first : first + samples]
        begin = int(issued[0]) if len(issued) else 0
        end = max(begin, int(np.max(done))) if len(done) else begin
        yield Phase(
            mode=plan.mode,
            loaded=plan.load,
            query_count=plan.generated_query_count,
            samples_per_query=plan.samples_per_query,
            schedule_ns=int(plan.due_ns[-1]) if len(plan.due_ns) else 0,
            begin_unix_ns=trace.start_unix_ns + begin,
            end_unix_ns=trace.start_unix_ns + end,
        )
        row, first = row + rows, first + samples


def accuracy_report(result: AccuracyResult) -> dict[str, Any]:
    """The accuracy as JSON: value, target, verdict, problems."""
    return {
        "metric": result.metric,
        "value": result.value,
        "unit": result.unit,
        "target": None if result.target is None else result.target.value,
        "passed": result.passed,
        "n": result.n,
        "expected_n": result.expected_n,
        "problems": list(result.problems),
        "details": dict(result.details),
        "official_line": result.official_line,
    }
