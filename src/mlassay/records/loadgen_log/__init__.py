"""The load generator's log files, in the official formats: written for a judged run, read from anybody.

mlperf_log_summary.txt    write_summary    read_summary
mlperf_log_detail.txt     write_detail     read_detail
mlperf_log_accuracy.json  AccuracyLogWriter  read_accuracy
mlperf_log_trace.json     write_trace_json   read_trace
"""

from mlassay.records.lines import Problems
from mlassay.records.loadgen_log.accuracy import AccuracyEntry, AccuracyLogWriter, read_accuracy
from mlassay.records.loadgen_log.facts import Level, LogFacts, Note, Phase
from mlassay.records.loadgen_log.read_detail import DetailLog, Flavour, LogEntry, read_detail
from mlassay.records.loadgen_log.read_summary import Kind, SummaryLog, read_summary
from mlassay.records.loadgen_log.trace_json import TraceLog, read_trace, write_trace_json
from mlassay.records.loadgen_log.write import ACCURACY, DETAIL, SUMMARY, TRACE, write_logs
from mlassay.records.mllog import LogProblem

__all__ = [
    "ACCURACY",
    "DETAIL",
    "SUMMARY",
    "TRACE",
    "AccuracyEntry",
    "AccuracyLogWriter",
    "DetailLog",
    "Flavour",
    "Kind",
    "Level",
    "LogEntry",
    "LogFacts",
    "LogProblem",
    "Note",
    "Phase",
    "Problems",
    "SummaryLog",
    "TraceLog",
    "read_accuracy",
    "read_detail",
    "read_summary",
    "read_trace",
    "write_logs",
    "write_trace_json",
]
