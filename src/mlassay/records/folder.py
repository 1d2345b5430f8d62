"""The run folder: names, layout, and its life from the first moment of a run to the last.

run.json                  what ran, how, and what it came to; says "running" until the end
trace.npz                 four times per query, as columns
trace.part                rows spooled while the run goes on; gone when trace.npz is there
mlperf_log_summary.txt    the official logs
mlperf_log_detail.txt
mlperf_log_accuracy.json  what the SUT answered, where it was asked for
mlperf_log_trace.json     a time line for a trace viewer, when asked for
accuracy.txt              the score's official line
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlassay.core.errors import BadFile, MachineProblem, UsageError
from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.core.trace import Recording, Trace
from mlassay.records.atomic import machine_problems
from mlassay.records.loadgen_log.write import ACCURACY, DETAIL, SUMMARY, TRACE
from mlassay.records.plain import plain
from mlassay.records.run_json import FileEntry, RunRecord, State, read_record, write_record
from mlassay.records.spool import Rows, SpoolWriter, read_spool
from mlassay.records.system import describe_system, is_running
from mlassay.records.trace_file import read_trace_file, write_trace

RUN_JSON = "run.json"
TRACE_FILE = "trace.npz"
SPOOL = "trace.part"
ACCURACY_TXT = "accuracy.txt"
TEST_KEY = "compliance_test"
"""In `extra` of a run record: the compliance test that the run was made for."""
LOGS = (SUMMARY, DETAIL, ACCURACY, TRACE)
KEPT = (TRACE_FILE, *LOGS, ACCURACY_TXT)
"""Files that a record lists with their checksums, where they exist."""


class RunFolder:
    """A run folder that is being written."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self.record = record
        self.spool_problem = ""  # why spooling stopped, if it did
        self._spool: SpoolWriter | None = None

    @classmethod
    def create(
        cls,
        path: Path | str,
        settings: Settings,
        *,
        command: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
        library: Mapping[str, Any] | None = None,
        sut: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> RunFolder:
        """Make the folder and its run.json, which says "running" from now on.

        Raises UsageError when the folder holds a run already, MachineProblem when it cannot be written to.
        """
        path = Path(path)
        with machine_problems(path):
            path.mkdir(parents=True, exist_ok=True)
        if (path / RUN_JSON).exists():
            raise UsageError(f"{path} holds a run already", hint="give another folder, or move that one away")
        record = RunRecord(
            state=State.RUNNING,
            settings=settings,
            created_unix_ns=time.time_ns(),
            pid=os.getpid(),
            command=command or tuple(sys.argv),
            request=plain(request or {}),
            library=plain(library or {}),
            sut=plain(sut or {}),
            system=describe_system(),
            extra=plain(extra or {}),
        )
        folder = cls(path, record)
        write_record(path / RUN_JSON, record)
        return folder

    def file(self, name: str) -> Path:
        return self.path / name

    @property
    def accuracy_log(self) -> Path:
        return self.path / ACCURACY

    def spool(self, rows: Rows) -> None:
        """Append finished rows to trace.part. Never raises for the disk's sake: the run is worth more than its spool.

        A full disk ends the spooling; `spool_problem` says so.
        """
        if self.spool_problem:
            return
        try:
            if self._spool is None:
                self._spool = SpoolWriter(self.path / SPOOL, start_unix_ns=self.record.created_unix_ns)
            self._spool.write(rows)
        except OSError as error:
            self.spool_problem = f"spooling stopped: {(error.strerror or str(error)).lower()}"

    def finish(
        self,
        recording: Recording,
        outcome: Outcome | None,
        *,
        state: State | None = None,
        reason: str = "",
        accuracy: Mapping[str, Any] | None = None,
        sut: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Write trace.npz, note every file with its checksum, and let run.json say how the run ended.

        Write the logs first. The state follows from how the recording ended unless it is given. Raises MachineProblem
        when the disk is full; run.json then still says "running", and trace.part still holds what was spooled.
        """
        write_trace(self.path / TRACE_FILE, recording.trace)
        self._close_spool()
        record = replace(
            self.record,
            state=state or _state_of(recording),
            reason=reason or ("" if recording.complete else recording.ended),
            outcome=outcome,
            accuracy=plain(accuracy) if accuracy is not None else None,
            sut=plain(sut) if sut is not None else self.record.sut,
            extra=plain({**self.record.extra, **(extra or {})}),
        )
        self._close_with(record)
        (self.path / SPOOL).unlink(missing_ok=True)

    def fail(self, reason: str, *, state: State = State.FAILED) -> None:
        """Let run.json say that the run ended without a recording; what was spooled stays readable."""
        self._close_spool()
        self._close_with(replace(self.record, state=state, reason=reason))

    def _close_with(self, record: RunRecord) -> None:
        files = {name: _entry(self.path / name) for name in KEPT if (self.path / name).is_file()}
        self.record = replace(record, files=files, finished_unix_ns=time.time_ns())
        write_record(self.path / RUN_JSON, self.record)

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def _state_of(recording: Recording) -> State:
    if recording.complete:
        return State.COMPLETE
    return State.INTERRUPTED if recording.ended == "interrupted" else State.FAILED


def _entry(path: Path) -> FileEntry:
    with machine_problems(path), open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(file.tell(), digest)


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that is read. The trace is loaded only when asked for."""

    path: Path
    record: RunRecord

    @property
    def settings(self) -> Settings:
        return self.record.settings

    @property
    def outcome(self) -> Outcome | None:
        """None for a run that never ended."""
        return self.record.outcome

    @property
    def complete(self) -> bool:
        return self.record.state is State.COMPLETE

    @property
    def incomplete_because(self) -> str:
        """One sentence, or nothing for a complete run."""
        record = self.record
        if record.state is State.COMPLETE:
            return ""
        if record.state is State.INTERRUPTED:
            return "the run was interrupted"
        if record.state is State.FAILED:
            return f"the run failed: {record.reason}"
        if is_running(record.pid, since_unix_ns=record.created_unix_ns):
            return f"the run is still going on: process {record.pid}"
        return f"the run was cut off: its process {record.pid} is gone"

    def trace(self) -> Trace:
        """Everything measured; of a run that was cut off, what was spooled.

        Raises BadFile for damaged files, MachineProblem when nothing was left behind.
        """
        if (self.path / TRACE_FILE).exists():
            return read_trace_file(self.path / TRACE_FILE)
        if (self.path / SPOOL).exists():
            return read_spool(self.path / SPOOL).trace
        raise MachineProblem(f"{self.path} holds no trace", hint="the run ended before its first answers were written")

    def changed_files(self) -> list[str]:
        """What no longer is as the record says: one sentence per file."""
        found = []
        for name, entry in self.record.files.items():
            path = self.path / name
            if not path.is_file():
                found.append(f"{name} is missing")
            elif path.stat().st_size != entry.bytes or _entry(path) != entry:
                found.append(f"{name} was changed after the run")
        return found


def runs_within(path: Path) -> list[Path]:
    """The run folders that a folder stands for: itself, or those of a submission run, an audit, a set of scenarios.

    No run within: the folder itself, so that opening it names what is wrong.
    """
    if (path / RUN_JSON).is_file() or path.name == RUN_JSON:
        return [path]
    found = (p.parent for depth in ("*", "*/*", "*/*/*") for p in path.glob(f"{depth}/{RUN_JSON}"))
    return sorted(found) or [path]


def open_run(path: Path | str) -> Run:
    """Open a run folder, or the run.json in it. Raises BadFile for what is none."""
    path = Path(path)
    folder = path.parent if path.name == RUN_JSON else path
    if not (folder / RUN_JSON).is_file():
        found = "no run folder" if folder.is_dir() else "absent" if not folder.exists() else "a file"
        raise BadFile(
            folder, found=found, expected=f"a folder with a {RUN_JSON}", hint="mlassay run writes such folders"
        )
    return Run(folder, read_record(folder / RUN_JSON))
