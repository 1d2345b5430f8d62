"""Training logs: the `:::MLLOG` lines of v0.7 and later, and their v0.5 and v0.6 ancestors, written and read.

The writer keeps the official writer's field order and number spelling byte for byte (NaN and Infinity are Python's
JSON words, as there). The reader accepts everything that was published: rank prefixes, doubled and merged lines,
Python dictionaries in place of JSON, CRLF, undecodable bytes. What is odd becomes a `LogProblem`, never a crash.
"""

from mlassay.records.mllog.event import END, POINT, START, Flavour, Log, LogEvent, LogProblem
from mlassay.records.mllog.read import iter_events, read_log
from mlassay.records.mllog.write import LogWriter, format_mllog, format_v05, format_v06

__all__ = [
    "END",
    "POINT",
    "START",
    "Flavour",
    "Log",
    "LogEvent",
    "LogProblem",
    "LogWriter",
    "format_mllog",
    "format_v05",
    "format_v06",
    "iter_events",
    "read_log",
]
