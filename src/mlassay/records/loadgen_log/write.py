"""Write the log files of one judged run into a folder, in the flavour of its round."""

from __future__ import annotations

from pathlib import Path

from mlassay.core.outcome import Outcome
from mlassay.core.settings import Settings
from mlassay.records.loadgen_log.detail import write_detail
from mlassay.records.loadgen_log.facts import LogFacts
from mlassay.records.loadgen_log.summary import write_summary
from mlassay.records.loadgen_log.text_v05 import write_detail_v05, write_summary_v05

SUMMARY = "mlperf_log_summary.txt"
DETAIL = "mlperf_log_detail.txt"
ACCURACY = "mlperf_log_accuracy.json"
TRACE = "mlperf_log_trace.json"

TEXT_ROUNDS = frozenset({"v0.5", "v0.7"})
"""Rounds whose detail log is text; it is JSON since v1.0."""


def write_logs(folder: Path | str, settings: Settings, outcome: Outcome, facts: LogFacts) -> None:
    """Write summary and detail log; the accuracy log is streamed by AccuracyLogWriter, the trace is asked for apart."""
    text = settings.round in TEXT_ROUNDS
    summarise, detail = (write_summary_v05, write_detail_v05) if text else (write_summary, write_detail)
    summarise(Path(folder) / SUMMARY, settings, outcome, facts)
    detail(Path(folder) / DETAIL, settings, outcome, facts)
