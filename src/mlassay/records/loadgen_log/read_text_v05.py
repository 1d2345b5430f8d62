"""The v0.5 detail log, line by line, translated to the keys that later rounds use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mlassay.records.lines import Problems

_LINE = re.compile(r'"pid": (\d{1,10}), "tid": (\d{1,20}), "ts": (-?\d{1,20})ns : (.*)')
_FIELD = re.compile(r"([A-Za-z_0-9 ]{1,60}?)(?: \((ns|ms)\))? ?: ?(.*)")
_SHA1 = re.compile(r"([0-9a-f]{40}) (/.*)")
_GENERATED = re.compile(r'GeneratedQueries: "queries" : (\d+), "samples per query" : (\d+), "duration" : (-?\d+)')
_POWER = re.compile(r'POWER_(BEGIN|END): "mode" : .*?, "time" : (.*)')
_LOADED = re.compile(r'Loading QSL : "set" : "(\[[0-9,]*\])"')
_COUNTER = re.compile(r"(\d+) : (\w+)")

_HEADERS = {
    "version": "loadgen_version",
    "build_date_local": "loadgen_build_date_local",
    "build_date_utc": "loadgen_build_date_utc",
    "git_commit_date": "loadgen_git_commit_date",
    "Date + time of test": "test_datetime",
    "System Under Test (SUT) name": "sut_name",
    "Query Sample Library (QSL) name": "qsl_name",
    "QSL total size": "qsl_reported_total_count",
    "QSL performance size*": "qsl_reported_performance_count",
}
_SECTIONS = {"Effective Settings:": "effective_", "Requested Settings:": "requested_"}
_TEXTS = {"git_log :": "loadgen_git_log_message", "git_status :": "loadgen_git_status_message"}
SCENARIOS = {"Single Stream": "SingleStream", "Multi Stream": "MultiStream"}
MODES = {
    "Performance": "PerformanceOnly",
    "Accuracy": "AccuracyOnly",
    "Submission": "SubmissionRun",
    "Find Peak Performance": "FindPeakPerformance",
}

Fields = tuple[int, str, Any, float, bool, bool]
"""line, key, value, time in ms, is an error, is a warning."""


class TextEntries:
    """Collects the entries of a v0.5 log from its lines. `strays` are lines before the first one that it knows."""

    def __init__(self, wanted: frozenset[str] | None, problems: Problems) -> None:
        self.strays: list[tuple[int, str]] = []
        self.recognised = False
        self._wanted, self._problems = wanted, problems
        self._found: list[Fields] = []
        self._section = ""
        self._text: list[str] | None = None  # lines of a git message, or of the list of checksums
        self._text_at: tuple[int, str, float] = (0, "", 0.0)

    def feed(self, number: int, line: str) -> None:
        line = line.rstrip("\r").replace("\0", "")
        match = _LINE.fullmatch(line)
        if match:
            self.recognised = True
            self._end_text()
            self._message(number, match[4], int(match[3]) / 1e6)
        elif self._text is not None:
            self._text.append(line)
        elif line.strip():
            if self.recognised:
                self._problems.note(number, repr(line[:60]), "a line that begins with its pid, tid and ts")
            elif len(self.strays) < 1000:
                self.strays.append((number, line))

    def finish(self) -> Iterator[Fields]:
        """All entries; call once, at the end of the file."""
        self._end_text()
        if not self.recognised:
            for number, line in self.strays[:20]:
                self._problems.note(number, repr(line[:60]), "a line of a LoadGen detail log")
        yield from self._found

    def _message(self, number: int, text: str, ms: float) -> None:
        if text in _SECTIONS:
            self._section = _SECTIONS[text]
        elif text in _TEXTS or text == "SHA1 of files :":
            self._text, self._text_at = [], (number, _TEXTS.get(text, "loadgen_file_sha1"), ms)
        elif not text:
            self._section = ""
        elif text.startswith(("ERROR : ", "WARNING : ")):
            level, _, rest = text.partition(" : ")
            key = "error_runtime" if level == "ERROR" else "warning_generic_message"
            self._found.append((number, key, rest, ms, level == "ERROR", level == "WARNING"))
        else:
            for key, value in self._facts(text):
                if self._wants(key):
                    self._found.append((number, key, value, ms, False, False))

    def _wants(self, key: str) -> bool:
        return key != "loaded_qsl_set" if self._wanted is None else key in self._wanted

    def _facts(self, text: str) -> Iterator[tuple[str, Any]]:
        if match := _LOADED.fullmatch(text):
            if self._wants("loaded_qsl_set"):
                yield "loaded_qsl_set", json.loads(match[1])
        elif match := _GENERATED.fullmatch(text):
            yield "generated_query_count", number_of(match[1])
            yield "generated_samples_per_query", number_of(match[2])
            yield "generated_query_duration", number_of(match[3])
        elif match := _POWER.fullmatch(text):
            yield f"power_{match[1].lower()}", match[2]
        elif match := _COUNTER.fullmatch(text):
            yield f"logger_{match[2]}", number_of(match[1])
        elif self._section and (match := _FIELD.fullmatch(text)):
            yield from self._setting(match[1], match[2], match[3])
        else:
            name, colon, value = text.partition(":")
            key = _HEADERS.get(name.strip())
            if colon and key:
                yield key, number_of(value.strip()) if key.startswith("qsl_reported") else value.strip()
            elif text not in ("LoadgenVersionInfo:", "Log Contention Counters:"):
                yield "generic_message", text.rstrip(":")

    def _setting(self, name: str, unit: str | None, value: str) -> Iterator[tuple[str, Any]]:
        if name == "Scenario":
            yield self._section + "scenario", SCENARIOS.get(value, value)
        elif name == "Test mode":
            yield self._section + "test_mode", MODES.get(value, value)
        else:
            key = f"{name}_{unit}" if unit else name
            yield self._section + key, number_of(value)

    def _end_text(self) -> None:
        if self._text is None:
            return
        number, key, ms = self._text_at
        lines, self._text = self._text, None
        value: Any = "\n".join(lines).strip("\n")
        if key == "loadgen_file_sha1":
            matches = (_SHA1.fullmatch(line) for line in lines)
            value = {match[2]: match[1] for match in matches if match}
        if key in self._wanted if self._wanted is not None else key == "loadgen_git_status_message":
            self._found.append((number, key, value, ms, False, False))


def number_of(text: str) -> Any:
    """'12' -> 12, '0.9' -> 0.9, 'true' -> True; other text as it is."""
    if text in ("true", "false"):
        return text == "true"
    if len(text) > 40:
        return text
    try:
        return int(text)
    except ValueError:
        try:
            value = float(text)
        except ValueError:
            return text
        return value if value - value == 0 else text
