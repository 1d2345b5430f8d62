"""The user's price list: what a system or a chip costs, in a currency of their choice. Nothing is ever guessed.

TOML:  currency = "EUR"
       [[price]]
       system = "T4x8"          # exact system name, or accelerator = "Tesla T4" for a price per chip
       submitter = "NVIDIA"     # optional
       amount = 21000.0
       source = "offer of 2026-10-02"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mlassay.core.errors import BadFile
from mlassay.results.queries import ResultView


@dataclass(frozen=True, slots=True)
class Price:
    amount: float
    system: str = ""
    accelerator: str = ""
    submitter: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class PriceList:
    currency: str
    prices: tuple[Price, ...]
    path: str

    def of(self, view: ResultView) -> tuple[float, str] | None:
        """What a result's system costs, and how that was reckoned; None when the list does not say."""
        for price in self.prices:
            if price.submitter and price.submitter != view.submitter:
                continue
            if price.system and price.system == view.system:
                return price.amount, f"{price.amount:,.2f} {self.currency} for the system ({price.source or self.path})"
            if price.accelerator and price.accelerator == view.accelerator and view.chips:
                total = price.amount * view.chips
                how = f"{view.chips} × {price.amount:,.2f} {self.currency}, chips only ({price.source or self.path})"
                return total, how
        return None


def read_prices(path: Path) -> PriceList:
    """Raises BadFile naming file, entry, what was found and what was expected."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(path, found=(error.strerror or "unreadable").lower(), expected="a price list in TOML") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFile(path, found=f"no TOML ({error})", expected="a price list in TOML") from error
    currency = data.get("currency")
    if not isinstance(currency, str) or not currency.strip():
        raise BadFile(path, key="currency", found=repr(currency), expected='a currency, such as "EUR"')
    listed = data.get("price")
    if not isinstance(listed, list) or not listed:
        raise BadFile(path, key="price", found=repr(listed)[:60], expected="at least one [[price]]")
    return PriceList(currency, tuple(_price(path, n, entry) for n, entry in enumerate(listed)), str(path))


def _price(path: Path, number: int, entry: object) -> Price:
    key = f"price[{number}]"
    if not isinstance(entry, dict):
        raise BadFile(path, key=key, found=repr(entry)[:60], expected="a table")
    known = {"amount", "system", "accelerator", "submitter", "source"}
    for name in entry:
        if name not in known:
            raise BadFile(path, key=f"{key}.{name}", found="an unknown key", expected=", ".join(sorted(known)))
    amount = entry.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < float("inf"):
        raise BadFile(path, key=f"{key}.amount", found=repr(amount), expected="a positive number")
    texts = {n: entry.get(n, "") for n in ("system", "accelerator", "submitter", "source")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadFile(path, key=f"{key}.{name}", found=repr(value)[:60], expected="text")
    if bool(texts["system"]) == bool(texts["accelerator"]):
        raise BadFile(path, key=key, found="both or neither of system and accelerator", expected="exactly one of them")
    return Price(float(amount), **texts)
