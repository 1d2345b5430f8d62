"""Read `mlperf_log_summary.txt` of any round into the keys of the detail log.

Nothing in the file is trusted: what is odd becomes a LogProblem, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlassay.records.lines import Problems, Source, chunks_of_lines, opened
from mlassay.records.loadgen_log.read_text_v05 import MODES, SCENARIOS, number_of
from mlassay.records.mllog import LogProblem

MAX_LINE_BYTES = 1 << 20


class Kind(StrEnum):
    PERFORMANCE = "performance"
    ACCURACY = "accuracy"  # only the counts of warnings and errors
    NONE = "none"  # not one line of a summary


@dataclass(frozen=True, slots=True)
class SummaryLog:
    """A summary in memory. `values` holds what was understood, by the keys of the detail log."""

    kind: Kind
    values: Mapping[str, Any]
    recommendations: tuple[str, ...]
    early_stopping: tuple[str, ...]  # one text, or two: first token, then time per token
    n_warnings: int | None  # None: the file does not say
    n_errors: int | None
    problems: tuple[LogProblem, ...]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    @property
    def valid(self) -> bool | None:
        """What the file claims; None where it claims nothing."""
        claim = self.values.get("result_validity")
        return None if claim is None else claim == "VALID"


def read_summary(source: Source) -> SummaryLog:
    """Read a summary from a path, bytes or an open binary file. Raises MachineProblem when it cannot be opened."""
    reader = _Reader()
    with opened(source) as file:
        for number, block in chunks_of_lines(file, reader.problems, limit=MAX_LINE_BYTES):
            text = block.decode("utf-8", "replace")
            if "\ufffd" in text:
                reader.problems.note(number, "bytes that are not UTF-8 (read as U+FFFD)", "UTF-8 text")
            lines = text.split("\n")
            for offset, line in enumerate(lines if lines[-1] else lines[:-1]):
                reader.feed(number + offset, line.replace("\0", "").rstrip())
    return reader.summary()


_SIMPLE = {
    "SUT name": "sut_name",
    "Scenario": "effective_scenario",
    "Mode": "effective_test_mode",
    "Result is": "result_validity",
    "Performance constraints satisfied": "result_perf_constraints_met",
    "Min duration satisfied": "result_min_duration_met",
    "Min queries satisfied": "result_min_queries_met",
    "Early stopping satisfied": "early_stopping_met",
    "Samples per second": "result_samples_per_second",
    "Samples per query": "result_samples_per_query",
    "Tokens per second": "result_tokens_per_second",
    "Tokens per second (inferred)": "result_inferred_tokens_per_second",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "Completed samples per second": "result_completed_samples_per_sec",
    "Completed tokens per second": "result_completed_tokens_per_second",
    "Completed tokens per second (inferred)": "result_inferred_completed_tokens_per_second",
    "QPS w/ loadgen overhead": "result_qps_with_loadgen_overhead",
    "QPS w/o loadgen overhead": "result_qps_without_loadgen_overhead",
    "TPS w/ loadgen overhead": "result_token_throughput_with_loadgen_overhead",
    "TPS w/o loadgen overhead": "result_token_throughput",
}
_YES_NO = {"Yes": True, "NO": False, "No": False}
_UNIT = re.compile(r"(.*?) \((ns|ms)\)")
_EXTREME = re.compile(r"(Min|Max|Mean) (latency|First Token latency|Time per Output Token)")
_PLACE = re.compile(r"(\d{1,2}\.\d\d) (percentile(?: latency| first token latency| time to output token)?)")
_METRIC = re.compile(r"(\d{1,3}(?:\.\d+)?)th (first token )?percentile latency")
_COUNT = re.compile(r"(No|\d{1,12}) (warnings?|errors?) encountered(?: during test)?\..*", re.IGNORECASE)

_EXTREMES = {
    "latency": "result_{}_latency_ns",
    "First Token latency": "result_first_token_{}_latency_ns",
    "Time per Output Token": "result_time_to_output_token_{}",
}
_PLACES = {
    "percentile": "result_{}_percentile_num_intervals_between_queries",
    "percentile latency": "result_{}_percentile_latency_ns",
    "percentile first token latency": "result_first_token_{}_percentile_latency_ns",
    "percentile time to output token": "result_time_per_output_token_{}_percentile_ns",
}


class _Reader:
    def __init__(self) -> None:
        self.problems = Problems()
        self._values: dict[str, Any] = {}
        self._recommendations: list[str] = []
        self._stopping: list[list[str]] = []
        self._counts: dict[str, int] = {}
        self._section = ""
        self._list: list[str] | None = None  # where indented lines belong
        self._per_query = False
        self._warning = False

    def feed(self, number: int, line: str) -> None:
        if match := _COUNT.fullmatch(line):
            self._counts[match[2].lower().rstrip("s")] = 0 if match[1] == "No" else int(match[1])
        elif line in ("MLPerf Results Summary", "Additional Stats", "Test Parameters Used"):
            self._section, self._list = line, None
        elif line == "Recommendations:":
            self._list = self._recommendations
        elif line.endswith("Early Stopping Result:"):
            self._stopping.append([])
            self._list = self._stopping[-1]
        elif line.startswith(("Per-query latency:", "Per-sample latency:")):
            self._per_query = line.startswith("Per-query")
        elif self._list is not None and line.startswith(" "):
            self._list.append(line)
        elif line.startswith("WARNING:") or (self._warning and line):
            self._warning = True  # free text, up to an empty line
        elif not line:
            self._warning = False
        elif set(line) != {"="} and not line.startswith("Intervals between each IssueQuery:"):
            self._fact(number, line)

    def _fact(self, number: int, line: str) -> None:
        label, colon, text = (part.strip() for part in line.partition(":"))
        if not colon or not self._section:
            self.problems.note(number, repr(line[:60]), "a line of a LoadGen summary")
            return
        unit = _UNIT.fullmatch(label)
        name = unit[1] if unit else label
        if self._section == "Test Parameters Used":
            self._put(number, f"effective_{name}_{unit[2]}" if unit else f"effective_{name}", text)
        elif label in _SIMPLE:
            self._put(number, _SIMPLE[label], text)
        elif match := _METRIC.fullmatch(name):
            self._put(number, "result_first_token_metric_ns" if match[2] else "result_metric_ns", text)
            if not match[2]:
                self._values["effective_target_latency_percentile"] = round(float(match[1]) / 100, 14)
        elif match := _EXTREME.fullmatch(name):
            key = _EXTREMES[match[2]].format(match[1].lower())
            self._put(number, key.replace("_latency_ns", "_query_latency_ns") if self._query(key) else key, text)
        elif match := _PLACE.fullmatch(name):
            key = _PLACES[match[2]].format(match[1])
            self._put(number, key.replace("_latency_ns", "_per_query_latency_ns") if self._query(key) else key, text)
        else:
            self.problems.note(number, repr(line[:60]), "a line of a LoadGen summary")

    def _query(self, key: str) -> bool:
        return self._per_query and "first_token" not in key and key.endswith("_latency_ns")

    def _put(self, number: int, key: str, text: str) -> None:
        value: Any = number_of(text)
        if key == "effective_scenario":
            value = SCENARIOS.get(text, text)
        elif key == "effective_test_mode":
            value = MODES.get(text, text)
        elif key in ("sut_name", "result_validity"):
            value = text
        elif key.endswith("_met"):
            value = _YES_NO.get(text, text)
        if isinstance(value, str) and key not in ("sut_name", "effective_scenario", "effective_test_mode"):
            expected = "VALID or INVALID" if key == "result_validity" else "a number"
            expected = "Yes or NO" if key.endswith("_met") else expected
            if text not in ("VALID", "INVALID"):
                self.problems.note(number, f"{text[:60]!r} for {key}", expected)
        self._values[key] = value

    def summary(self) -> SummaryLog:
        kind = Kind.PERFORMANCE if self._section else Kind.ACCURACY if self._counts else Kind.NONE
        if kind is Kind.NONE:
            self.problems.note(1, "no line of a summary", "an mlperf_log_summary.txt")
        elif kind is Kind.PERFORMANCE and "result_validity" not in self._values:
            self.problems.note(1, "no line 'Result is'", "VALID or INVALID")
        return SummaryLog(
            kind,
            self._values,
            _items(self._recommendations),
            tuple("\n".join(lines) for lines in self._stopping),
            self._counts.get("warning"),
            self._counts.get("error"),
            tuple(self.problems),
        )


def _items(lines: list[str]) -> tuple[str, ...]:
    """Lines of a list: ' * ' begins an item, deeper lines go on with it."""
    joined = "".join(f"\n{line[3:]}" if line.startswith(" * ") else f" {line.strip()}" for line in lines)
    return tuple(joined.strip("\n").split("\n")) if lines else ()
