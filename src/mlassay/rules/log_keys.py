"""What the lines of a training log must say, as data: which keys, how often, and with which values.

The vocabulary is closed (`mlassay.rules.training_schema.CHECK_KEYS`), so nothing is evaluated as code. This module
judges one line by its value and metadata; what needs its place among the others (after, before, init_minutes, order,
epoch, schedule) is left to who reads whole logs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Check = Mapping[str, Any]
"""Words of the vocabulary to their arguments."""


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One key of a log."""

    key: str
    count: str = "once"  # "once", "some" (at least one), "twice" (at least two), "optional", "any" (not counted)
    instead: str = ""  # a key whose presence excuses the absence of this one
    each: tuple[Check, ...] = ()  # every line must satisfy all of these
    some: Check = field(default_factory=dict)  # at least one line must
    first: Check = field(default_factory=dict)  # the first line must
    tensors: tuple[str, ...] = ()  # these, each once, are the `tensor` metadata of all lines together
    load: str = ""  # further table to apply; <value> stands for the line's value
    clause: str = ""

    def count_problem(self, n_lines: int, others: Mapping[str, int]) -> str:
        """Why `n_lines` lines with this key are too few or too many; "" when they are fine."""
        if self.count in ("any", "optional") or (self.instead and others.get(self.instead)):
            return ""
        least = {"once": 1, "some": 1, "twice": 2}[self.count]
        if n_lines < least:
            wanted = "exactly one line" if self.count == "once" else f"at least {least}"
            return f"{self.key}: {n_lines or 'no'} {'line' if n_lines == 1 else 'lines'}; expected {wanted}"
        if self.count == "once" and n_lines > 1:
            return f"{self.key}: {n_lines} lines; expected exactly one line"
        return ""

    def tensor_problem(self, named: Sequence[str]) -> str:
        """Which tensors the lines of a log name too often, or not at all; "" when all is there."""
        if not self.tensors or not named:  # without any line the count says it
            return ""
        counted = Counter(named)
        kinds = (
            ("missing", [t for t in self.tensors if t not in counted]),
            ("unknown", [t for t in counted if t not in self.tensors]),
            ("more than once", [t for t, n in counted.items() if n > 1]),
        )
        parts = [f"{len(t)} {kind} ({', '.join(t[:3])}{', …' * (len(t) > 3)})" for kind, t in kinds if t]
        return f"{self.key}: of {len(self.tensors)} tensors {', '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class LogRules:
    """The tables of one round: "common", "closed_common", "closed_bert" and so on."""

    tables: Mapping[str, Mapping[str, KeyRule]]

    def for_log(self, values: Mapping[str, object]) -> dict[str, KeyRule]:
        """Every rule that applies to a log, from the values it has for the keys that load further tables.

        A later table's rule for a key replaces the earlier one's.
        """
        rules: dict[str, KeyRule] = {}
        waiting, seen = ["common"], {"common"}
        while waiting:
            table = self.tables.get(waiting.pop(0), {})
            rules.update(table)
            for rule in table.values():
                name = rule.load.replace("<value>", str(values.get(rule.key, "")))
                if rule.load and name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return rules


def problems(check: Check, value: object, metadata: Mapping[str, object], log: Mapping[str, object]) -> list[str]:
    """What is wrong with one line, in words such as "is 0.1; expected 0.9". `log` holds other keys' values.

    A word that needs another key which the log does not have is not judged: that key's own rule reports it.
    """
    condition = check.get("if_metadata_has")
    if condition and condition not in metadata:
        return []
    found = []
    for word, argument in check.items():
        if word in VALUE_WORDS:
            holds, expected = VALUE_WORDS[word]
            if word == "multiple_of" and "or_fraction_below_batch" in check:
                argument = (argument, check["or_fraction_below_batch"])
            if word == "ge" and "ge_from_batch" in check and _batch(log) >= check["ge_from_batch"]["batch"]:
                argument = check["ge_from_batch"]["ge"]
            if holds(value, argument, log) is False:
                found.append(f"is {value!r}; expected {expected(argument)}")
        elif word in METADATA_WORDS:
            found += METADATA_WORDS[word](metadata, argument)
    return found


def _number(value: object) -> float:
    """NaN for what is no number, so that every comparison fails."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _batch(log: Mapping[str, object]) -> float:
    return _number(log.get("global_batch_size"))


def _equal(value: object, wanted: object) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if wanted == "inf":
        return value == math.inf or value == "inf"
    return value == wanted


def _length(value: object) -> int:
    return len(value) if isinstance(value, list | tuple | str | dict) else -1


def _is_multiple(value: object, unit: float) -> bool:
    ratio = _number(value) / unit
    return ratio == ratio and abs(ratio - round(ratio)) < 1e-6


def _multiple(value: object, argument: Any, log: Mapping[str, object]) -> bool:
    unit, below = argument if isinstance(argument, tuple) else (argument, 0)
    if _is_multiple(value, unit):
        return True
    number = _number(value)
    return bool(_batch(log) < below and number > 0 and _is_multiple(unit / number, 1.0))


def _power_of_two(value: object, unit: float) -> bool:
    number = _number(value)
    if not number > 0:
        return False
    exponent = math.log2(number / unit)
    return abs(exponent - round(exponent)) < 1e-6


def _stretched(value: object, argument: Any) -> bool:
    """The boundary at `index` is base * (1 + k * step), k a whole number."""
    if not isinstance(value, list) or len(value) <= argument["index"]:
        return False
    k = (_number(value[argument["index"]]) / argument["base"] - 1) / argument["step"]
    return bool(k == k and abs(k - round(k)) < 1e-6)


def _rest(value: object, argument: Any, log: Mapping[str, object]) -> bool | None:
    """total - other key; the total shrinks with the batch when it is told for one."""
    if argument["key"] not in log:
        return None
    total = argument["total"]
    if "at_batch" in argument:
        if not _batch(log) > 0:
            return None
        total = math.ceil(total * argument["at_batch"] / _batch(log))
    return bool(_number(value) == total - _number(log[argument["key"]]))


def _by_batch(value: object, argument: Any, log: Mapping[str, object]) -> bool | None:
    """value * (batch / at_batch) ** power, exactly, within a tolerance, or between two multiples of it."""
    if not _batch(log) > 0:
        return None
    wanted = argument["value"] * (_batch(log) / argument["at_batch"]) ** argument["power"]
    if argument["power"] == 1:
        wanted = argument["value"] * _batch(log) / argument["at_batch"]
    number, slack = _number(value), argument["tolerance"]
    if "low" in argument:
        return bool(argument["low"] * wanted * (1 - slack) <= number <= argument["high"] * wanted * (1 + slack))
    return bool(abs(number - wanted) <= slack)


def _fields(value: object, argument: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return all(name in value and not problems(bounds, value[name], {}, {}) for name, bounds in argument.items())


Holds = Callable[[object, Any, Mapping[str, object]], bool | None]

VALUE_WORDS: dict[str, tuple[Holds, Callable[[Any], str]]] = {
    "eq": (lambda v, a, log: _equal(v, a), lambda a: f"{a!r}"),
    "in": (lambda v, a, log: any(_equal(v, x) for x in a), lambda a: "one of " + ", ".join(map(repr, a))),
    "ge": (lambda v, a, log: _number(v) >= a, lambda a: f"at least {a}"),
    "gt": (lambda v, a, log: _number(v) > a, lambda a: f"more than {a}"),
    "le": (lambda v, a, log: _number(v) <= a, lambda a: f"at most {a}"),
    "lt": (lambda v, a, log: _number(v) < a, lambda a: f"less than {a}"),
    "integral": (lambda v, a, log: _number(v).is_integer(), lambda a: "a whole number"),
    "type": (lambda v, a, log: type(v).__name__ == a, lambda a: f"a value of type {a}"),
    "non_empty": (lambda v, a, log: v not in (None, "", [], {}), lambda a: "a value that is not empty"),
    "has_value": (lambda v, a, log: v is not None, lambda a: "a value"),
    "len_eq": (lambda v, a, log: _length(v) == a, lambda a: f"a list of {a}"),
    "len_ge": (lambda v, a, log: _length(v) >= a, lambda a: f"a list of at least {a}"),
    "value_has": (lambda v, a, log: isinstance(v, dict) and all(x in v for x in a), lambda a: "keys " + ", ".join(a)),
    "fields": (lambda v, a, log: _fields(v, a), lambda a: "; ".join(f"{k} with {b}" for k, b in a.items())),
    "multiple_of": (_multiple, lambda a: f"a multiple of {a[0] if isinstance(a, tuple) else a}"),
    "power_of_two_times": (lambda v, a, log: _power_of_two(v, a), lambda a: f"{a} times a power of two"),
    "stretched": (lambda v, a, log: _stretched(v, a), lambda a: f"a schedule stretched in steps of {a['step']}"),
    "rest_of": (_rest, lambda a: f"{a['total']} less {a['key']}"),
    "by_batch": (_by_batch, lambda a: f"{a['value']} at batch {a['at_batch']}, scaled to the batch"),
    "eq_key": (lambda v, a, log: _equal(v, log[a]) if a in log else None, lambda a: f"the value of {a}"),
    "batch_is_product_with": (
        lambda v, a, log: _number(v) * _number(log[a]) == _batch(log) if a in log else None,
        lambda a: f"global_batch_size divided by {a}",
    ),
    "rounded_up_to_batches": (
        lambda v, a, log: _number(v) == math.ceil(a / _batch(log)) * _batch(log) if _batch(log) > 0 else None,
        lambda a: f"{a} rounded up to whole batches",
    ),
}  # fmt: skip
"""Each word: does the value hold (None: cannot be judged), and what was expected, in words."""


def _missing(metadata: Mapping[str, object], names: list[str]) -> list[str]:
    return [f"has no {name} in its metadata" for name in names if name not in metadata]


def _missing_any(metadata: Mapping[str, object], names: list[str]) -> list[str]:
    return [] if any(n in metadata for n in names) else [f"has none of {', '.join(names)} in its metadata"]


def _compare(what: str, holds: Callable[[object, Any], bool]) -> Callable[[Mapping[str, object], Any], list[str]]:
    def check(metadata: Mapping[str, object], wanted: Mapping[str, Any]) -> list[str]:
        return [
            f"has {name} {metadata[name]!r} in its metadata; expected {what}{limit!r}"
            for name, limit in wanted.items()
            if name in metadata and not holds(metadata[name], limit)
        ]

    return check


METADATA_WORDS: dict[str, Callable[[Mapping[str, object], Any], list[str]]] = {
    "metadata_has": _missing,
    "metadata_has_any": _missing_any,
    "metadata_eq": _compare("", _equal),
    "metadata_gt": _compare("more than ", lambda v, a: _number(v) > a),
    "metadata_ge": _compare("at least ", lambda v, a: _number(v) >= a),
    "metadata_in": _compare("one of ", lambda v, a: v in a),
}
