"""Numbers in English and German words: a translation task whose right answers are known exactly."""

from __future__ import annotations

_ENGLISH = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_GERMAN = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
]
_GERMAN_TENS = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]


def english(n: int) -> str:
    """0 to 999,999: 'forty-two thousand one hundred seven'."""
    if n < 20:
        return _ENGLISH[n]
    if n < 100:
        tens, unit = divmod(n, 10)
        return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH[unit]}" if unit else "")
    size, word = (100, "hundred") if n < 1000 else (1000, "thousand")
    many, rest = divmod(n, size)
    return f"{english(many)} {word}" + (f" {english(rest)}" if rest else "")


def german(n: int) -> str:
    """0 to 999,999: 'zweiundvierzigtausendeinhundertsieben'."""
    if n < 20:
        return _GERMAN[n]
    if n < 100:
        tens, unit = divmod(n, 10)
        return (f"{_stem(unit)}und" if unit else "") + _GERMAN_TENS[tens - 2]
    size, word = (100, "hundert") if n < 1000 else (1000, "tausend")
    many, rest = divmod(n, size)
    return _stem(many) + word + (german(rest) if rest else "")


def _stem(n: int) -> str:
    """A number before another word: 'eins' loses its s."""
    text = german(n)
    return text[:-1] if text.endswith("eins") else text
