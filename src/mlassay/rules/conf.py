"""mlperf.conf, user.conf and audit.config: one format, read with line numbers, looked up in the official order.

    model.Scenario.key = value        one setting a line; model and Scenario may be "*"; # starts a comment

For one run the first of these that is present in a file wins: model.Scenario, *.Scenario, model.*, *.*. Files are
laid over each other in the order mlperf.conf, user.conf, audit.config. Values are numbers: times in milliseconds,
percentiles and probabilities in percent. What a key does is in `mlassay.rules.official`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlassay.core.errors import BadFile, UsageError
from mlassay.rules.audit import selectors


class ConfKind(StrEnum):
    """Which file it is: decides what its keys may do."""

    MLPERF = "mlperf.conf"  # the round's own
    USER = "user.conf"  # the submitter's
    AUDIT = "audit.config"  # a compliance test's, laid on top


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `text` is the value as written, `value` the number it stands for."""

    model: str
    scenario: str
    key: str
    text: str
    value: float
    line: int

    @property
    def name(self) -> str:
        return f"{self.model}.{self.scenario}.{self.key}"

    @property
    def whole(self) -> int:
        """The value as the official reader takes it for whole-number keys: the digits before any point or exponent."""
        match = WHOLE.match(self.text)
        return int(match[0], _base(match[0])) if match else 0


@dataclass(frozen=True, slots=True)
class Conf:
    """One configuration file. `warnings` name lines that the official reader takes differently than they look."""

    path: str
    kind: ConfKind
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()

    def lookup(self, model: str, scenario: str, key: str) -> Entry | None:
        """The entry that decides `key` for one run; of two equal names the later line."""
        best: dict[tuple[str, str], Entry] = {(e.model, e.scenario): e for e in self.entries if e.key == key}
        for selector in selectors(model, scenario):
            wanted_model, _, wanted_scenario = selector.rpartition(".")
            if (wanted_model, wanted_scenario) in best:
                return best[wanted_model, wanted_scenario]
        return None


KNOWN_KEYS = frozenset({
    "qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed", "accuracy_log_probability",
    "accuracy_log_sampling_target", "test05", "test05_qsl_rng_seed", "test05_sample_index_rng_seed",
    "test05_schedule_rng_seed", "mode", "min_duration", "max_duration", "min_query_count", "max_query_count",
    "performance_issue_unique", "performance_issue_same", "performance_issue_same_index",
    "performance_sample_count_override", "accuracy_sample_count_override", "sample_concatenate_permutation",
    "print_timestamps", "target_latency", "target_latency_percentile", "target_qps", "target_duration",
    "samples_per_query", "max_async_queries", "coalesce_queries", "use_token_latencies", "ttft_latency",
    "tpot_latency", "infer_token_latencies", "token_latency_scaling_factor",
})  # fmt: skip
"""Keys that some official reader has understood. Verification scripts add keys of their own, such as test07_..."""

VERIFIER_KEY = re.compile(r"test\d\d_\w+")
WHOLE = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|\d+)")
NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)")


def read_conf(path: str | Path, kind: ConfKind | str) -> Conf:
    """Read one file. Raises BadFile naming file, line, what stands there and what may; also when unreadable."""
    kind = ConfKind(kind)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadFile(
            path, found=f"unreadable ({error.strerror})", expected=f"a file in the format of {kind.value}"
        ) from error
    except UnicodeDecodeError as error:
        raise BadFile(
            path, found=f"not text (byte {error.start})", expected=f"a file in the format of {kind.value}"
        ) from error
    return parse_conf(text, kind, shown=str(path))


def parse_conf(text: str, kind: ConfKind | str, *, shown: str = "") -> Conf:
    """The same from text in hand; `shown` names it in messages."""
    kind = ConfKind(kind)
    shown = shown or kind.value
    entries: list[Entry] = []
    warnings: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line, hash_, _ = raw.partition("#")
        if not line.strip():
            continue
        if hash_:
            warnings.append(f"line {number}: LoadGen 6 refuses a comment after a value; put it on its own line")
        entries.append(_entry(line, number, shown, warnings))
    return Conf(shown, kind, tuple(entries), tuple(warnings))


def read_confs(paths: Sequence[tuple[str | Path, ConfKind | str]]) -> list[Conf]:
    """Several files in the order they apply. Raises UsageError for two user.conf: official runs refuse that."""
    confs = [read_conf(path, kind) for path, kind in paths]
    users = [c for c in confs if c.kind is ConfKind.USER]
    if len(users) > 1:
        raise UsageError(
            f"two user.conf files: {users[0].path} and {users[1].path}",
            hint="put all settings into one; with two the official load generator calls the run invalid",
        )
    return sorted(confs, key=lambda c: list(ConfKind).index(c.kind))


def _entry(line: str, number: int, shown: str, warnings: list[str]) -> Entry:
    key, equals, value = line.partition("=")
    key, value = key.strip(), value.strip()
    place = f"line {number}"
    if not equals or not key or " " in key or "\t" in key:
        raise BadFile(shown, key=place, found=repr(line.strip()), expected="model.Scenario.key = value")
    parts = key.rsplit(".", 2)
    if len(parts) != 3 or not all(parts):
        raise BadFile(shown, key=f"{place}: {key}", found="not a full name", expected="model.Scenario.key")
    if not NUMBER.fullmatch(value):
        found = repr(value) if value else "without a value"
        raise BadFile(shown, key=f"{place}: {key}", found=found, expected="one number")
    amount = float(int(value, 16)) if "x" in value.lower() else float(value)
    if amount < 0 or math.isinf(amount):
        raise BadFile(shown, key=f"{place}: {key}", found=value, expected="a number, zero or more")
    entry = Entry(parts[0], parts[1], parts[2], value, amount, number)
    if f"{key} = " not in line and not re.search(r"\s=\s", line):
        warnings.append(f"{place}: the official reader skips {key} without spaces around '='")
    if entry.key not in KNOWN_KEYS and not VERIFIER_KEY.fullmatch(entry.key):
        near = difflib.get_close_matches(entry.key, KNOWN_KEYS, 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        warnings.append(f"{place}: no load generator knows the key {entry.key!r}, it has no effect{hint}")
    elif float(entry.whole) != amount and entry.key in WHOLE_KEYS:
        warnings.append(f"{place}: the official reader takes {key} = {value} as {entry.whole}")
    return entry


WHOLE_KEYS = KNOWN_KEYS - {"target_latency_percentile", "accuracy_log_probability", "target_qps", "target_latency"}
"""Whole numbers; target_latency is one for Server only."""


def _base(digits: str) -> int:
    """C's rule: 0x is hexadecimal, a leading zero octal."""
    plain = digits.lstrip("+-").lower()
    if plain.startswith("0x"):
        return 16
    return 8 if len(plain) > 1 and plain.startswith("0") and plain.strip("01234567") == "" else 10
