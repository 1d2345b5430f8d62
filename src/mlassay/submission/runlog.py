"""One run's two logs as one set of facts, under the keys of the official detail log, for every round.

Since v1.0 results are read from the detail log; in v0.5 and v0.7 from the summary. Where both are there, both are kept,
so that a check can compare them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from mlassay.core.enums import Scenario
from mlassay.records.loadgen_log.read_detail import DetailLog, Flavour, read_detail
from mlassay.records.loadgen_log.read_summary import Kind, read_summary
from mlassay.submission.tree import NotReadable, Tree

DETAIL_NAME, SUMMARY_NAME = "mlperf_log_detail.txt", "mlperf_log_summary.txt"
MAX_SUMMARY_BYTES = 4 << 20
PEEK_BYTES = 64 << 10
ONCE = ("effective_", "requested_", "result_", "early_stopping_", "qsl_reported", "num_errors", "sut_name")


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something about a log file as text."""

    path: str
    found: str


@dataclass
class RunLog:
    """Facts of one run. `values` come from the detail log, `summary` from the summary; `get` prefers the former."""

    values: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    repeated: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    n_warnings: int = 0
    has_detail: bool = False
    has_summary: bool = False
    text_format: bool = False  # a v0.5 detail log, or a summary alone
    absent: Mapping[str, str] = field(default_factory=dict)  # file name to why it could not be read
    oddities: tuple[Oddity, ...] = ()
    broken: tuple[Oddity, ...] = ()

    @property
    def readable(self) -> bool:
        return self.has_detail or self.has_summary

    def get(self, key: str) -> Any:
        """A fact, as the detail log says it, else the summary; None when neither does."""
        value = self.values.get(key)
        return self.summary.get(key) if value is None else value

    def number(self, key: str) -> float | None:
        value = self.get(key)
        if isinstance(value, bool) or value is None:
            return None
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            return None

    def integer(self, key: str) -> int | None:
        """64-bit seeds and counts, exactly; None for anything that is no whole number."""
        value = self.get(key)
        if isinstance(value, bool):
            return None
        if isinstance(value, int):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value.strip()):
            return int(value)
        return None

    @cached_property
    def scenario(self) -> Scenario | None:
        said = self.get("effective_scenario")
        try:
            return Scenario.parse(said.replace(" ", "")) if isinstance(said, str) else None
        except ValueError:
            return None

    @property
    def mode(self) -> str:
        said = self.get("effective_test_mode")
        return said if isinstance(said, str) else ""

    @property
    def valid(self) -> bool | None:
        """The load generator's verdict; None when the log has none."""
        said = self.get("result_validity")
        if not isinstance(said, str):
            return None
        return {"VALID": True, "INVALID": False}.get(said.strip().upper())

    @property
    def queries(self) -> int | None:
        """Queries that the run issued; the generated number where the log does not count them."""
        counted = self.integer("result_query_count")
        return counted if counted is not None else self.integer("generated_query_count")

    @cached_property
    def duration_ms(self) -> float | None:
        """Milliseconds between the log's begin and end marks."""
        begin, end = (moment(self.get(key)) for key in ("power_begin", "power_end"))
        return (end - begin).total_seconds() * 1000 if begin and end and end >= begin else None


def moment(value: object) -> datetime | None:
    """'10-09-2019 14:39:53.055'."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.strptime(value.strip(), "%m-%d-%Y %H:%M:%S.%f")
    except ValueError:
        return None


def read_run_log(tree: Tree, detail_path: str, summary_path: str) -> RunLog:
    """Read both logs of a run, as far as they are there. Nothing in them can raise."""
    log = RunLog()
    absent: dict[str, str] = {}
    oddities: list[Oddity] = []
    broken: list[Oddity] = []
    _read_detail(tree, detail_path, log, absent, oddities, broken)
    _read_summary(tree, summary_path, log, absent, oddities)
    log.absent, log.oddities, log.broken = absent, tuple(oddities), tuple(broken)
    return log


def _read_detail(
    tree: Tree, path: str, log: RunLog, absent: dict[str, str], oddities: list[Oddity], broken: list[Oddity]
) -> None:
    if not tree.is_file(path):
        absent[DETAIL_NAME] = "absent"
        return
    try:
        with tree.open(path) as stream:
            oddities += [Oddity(path, found) for found in text_oddities(stream.read(PEEK_BYTES))]
            stream.seek(0)
            detail = read_detail(stream)
    except NotReadable as error:
        absent[DETAIL_NAME] = error.reason
        return
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        absent[DETAIL_NAME] = f"cannot be read ({error})"
        return
    if detail.flavour is Flavour.NONE:
        absent[DETAIL_NAME] = "no line of a load generator's log" if tree.size(path) else "empty"
        return
    log.has_detail = True
    log.text_format = detail.flavour is Flavour.TEXT_V05
    _take(detail, log)
    for problem in detail.problems:
        if "UTF-8" in problem.found or "longer than" in problem.found:
            oddities.append(Oddity(path, f"line {problem.line}: {problem.found}"))
        else:
            if "without its end" not in problem.found or not broken:
                broken.append(Oddity(path, f"line {problem.line}: {problem.found}"))


def _take(detail: DetailLog, log: RunLog) -> None:
    values: dict[str, Any] = {}
    repeated: dict[str, tuple[Any, ...]] = {}
    errors: list[str] = []
    n_warnings = 0
    for entry in detail.entries:
        key, value = entry.key, entry.value
        if entry.is_error:
            errors.append(str(value)[:500])
            continue
        if entry.is_warning:
            n_warnings += 1
            continue
        if key in values and key.startswith(ONCE):
            said = repeated.get(key, (values[key],))
            if all(type(value) is not type(v) or value != v for v in said):
                repeated[key] = (*said, value)
        values[key] = value
    log.values, log.errors, log.n_warnings = values, tuple(errors), n_warnings
    log.repeated = {k: v for k, v in repeated.items() if len(v) > 1}


def _read_summary(tree: Tree, path: str, log: RunLog, absent: dict[str, str], oddities: list[Oddity]) -> None:
    if not tree.is_file(path):
        absent[SUMMARY_NAME] = "absent"
        return
    try:
        data = tree.read(path, MAX_SUMMARY_BYTES)
    except NotReadable as error:
        absent[SUMMARY_NAME] = error.reason
        return
    oddities += [Oddity(path, found) for found in text_oddities(data)]
    summary = read_summary(data)
    if summary.kind is Kind.NONE:
        absent[SUMMARY_NAME] = "no line of a summary" if data else "empty"
        return
    log.has_summary = True
    values = dict(summary.values)
    if summary.n_errors is not None:
        values["num_errors"] = summary.n_errors
    log.summary = values
    strange = [p for p in summary.problems if "UTF-8" not in p.found and "no line" not in p.found]
    oddities += [Oddity(path, f"line {p.line}: {p.found}") for p in strange[:3]]
    if not log.has_detail:
        log.text_format = True


def text_oddities(data: bytes) -> list[str]:
    """What a text file should not hold: NUL bytes, foreign line ends, a byte-order mark, other encodings."""
    found = []
    if b"\0" in data:
        found.append("NUL bytes")
    if b"\r" in data:
        found.append("line ends of another system (CR)")
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        found.append("a byte-order mark")
    try:
        data[:-4].decode("utf-8") if len(data) >= PEEK_BYTES else data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) < PEEK_BYTES or error.start < len(data) - 8:
            found.append("bytes that are not UTF-8")
    return found
