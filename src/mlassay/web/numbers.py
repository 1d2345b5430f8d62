"""Numbers as people read them: thousands marks, four figures that count, a unit beside each."""

from __future__ import annotations

import math

NOTHING = "–"
_UNITS = {
    "min": "min",
    "ms": "ms",
    "streams": "streams",
    "samples/s": "samples/s",
    "queries/s": "queries/s",
    "watts": "W",
}


def number(value: float | int | None, digits: int | None = None) -> str:
    """1234567.8 -> "1,234,568"; 0.049321 -> "0.04932"; None -> a dash. `digits` fixes the decimals."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    if digits is not None:
        return f"{value:,.{digits}f}"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4:
        return f"{value:.3e}"
    decimals = max(0, 3 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}"


def exact(value: float | None) -> str:
    """Every figure that is stored, with thousands marks: for the page of one result."""
    if value is None:
        return NOTHING
    return f"{value:,}" if value == int(value) and abs(value) < 1e15 else _grouped(repr(value))


def _grouped(text: str) -> str:
    whole, dot, rest = text.partition(".")
    return f"{int(whole):,}{dot}{rest}" if whole.lstrip("-").isdigit() and not whole.startswith("-0") else text


def unit(name: str) -> str:
    """A stored unit as it stands beside a number."""
    return _UNITS.get(name, name)


def duration(ns: int | None) -> str:
    """Nanoseconds in the unit that reads best: 266 µs, 1.25 ms, 3.20 s."""
    if ns is None:
        return NOTHING
    for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(ns) >= size:
            return f"{number(ns / size)} {name}"
    return f"{ns:,} ns"


def seconds(value: float | None) -> str:
    """Seconds, or minutes and hours from where they read better."""
    if value is None:
        return NOTHING
    if value >= 7200:
        return f"{number(value / 3600)} h"
    return f"{number(value / 60)} min" if value >= 180 else f"{number(value)} s"


def percent(share: float | None, digits: int = 1) -> str:
    """0.0257 -> "2.6 %"."""
    return NOTHING if share is None else f"{share * 100:,.{digits}f} %"
