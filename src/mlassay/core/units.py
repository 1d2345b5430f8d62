"""Nanoseconds, rates and sizes: parsing what people write, printing what people read."""

from __future__ import annotations

import re

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000

_TIME_NS = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-zµ]+)\s*")


def parse_duration_ns(text: str) -> int:
    """'250ms', '10 s', '1.5m', '2h' to nanoseconds. Raises ValueError saying what is accepted."""
    match = _DURATION.fullmatch(text.lower())
    if not match or match[2] not in _TIME_NS:
        raise ValueError(f"{text!r} is not a duration; write a number with a unit, such as 250ms, 10s or 2m")
    return round(float(match[1]) * _TIME_NS[match[2]])


def format_ns(ns: float) -> str:
    """Three significant figures and the unit that fits: 1234 -> '1.23 µs'."""
    size = abs(ns)
    for unit, factor in (("s", NS_PER_S), ("ms", NS_PER_MS), ("µs", NS_PER_US)):
        if size >= factor:
            value = ns / factor
            if unit == "s" and size >= 60 * NS_PER_S:
                minutes, seconds = divmod(round(size / NS_PER_S), 60)
                return f"{'-' if ns < 0 else ''}{minutes} min {seconds} s"
            return f"{_three(value)} {unit}"
    return f"{ns:.0f} ns"


def format_rate(per_second: float, what: str = "") -> str:
    """'12,345 samples/s', '9.87 queries/s'."""
    number = f"{per_second:,.0f}" if per_second >= 1000 else _three(per_second)
    return f"{number} {what}/s" if what else f"{number}/s"


def counted(number: float, singular: str) -> str:
    """'1 query', '1,234 queries', '0 samples'."""
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    return f"{number:,.0f} {singular if round(number) == 1 else plural}"


def format_bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{_three(size)} {unit}"
        size /= 1024
    raise AssertionError


def _three(value: float) -> str:
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"
