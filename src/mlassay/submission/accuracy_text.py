"""accuracy.txt: the printed words of an accuracy script, with the metrics found in them.

The file is whatever the script wrote to its output, so it is searched line by line for the spellings that the
reference scripts have used since v0.5. Values stay as printed: per cent where the script prints per cent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mlassay.submission.tree import NotReadable, Tree

PART_BYTES = 4 << 20
KEPT_VALUES = 64

_NUMBER = r"\s*'?\s*([-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+|nan|inf(?:inity)?))"


def _quoted(*names: str) -> re.Pattern[str]:
    """A dictionary key as Python or JSON print it, and its number."""
    return re.compile(rf"['\"](?:{'|'.join(names)})['\"]\s*:" + _NUMBER, re.IGNORECASE)


_WER = re.compile(r"Word Error Rate\s*:.*?accuracy\s*=" + _NUMBER, re.IGNORECASE)
_PATTERNS: dict[str, re.Pattern[str]] = {
    "acc": re.compile(r"(?<![\w-])accuracy['\"]?\s*[=:]" + _NUMBER),
    "mAP": re.compile(r"(?:\bmAP\s*=|'Total'\s*:)" + _NUMBER),
    "bleu": re.compile(r"\bBLEU\s*:" + _NUMBER),
    "AUC": re.compile(r"\bAUC\s*=" + _NUMBER),
    "F1": _quoted("f1"),
    "DICE": re.compile(r"\bAccuracy\s*:\s*mean\s*=" + _NUMBER),
    "ROUGE1": _quoted("rouge1"),
    "ROUGE2": _quoted("rouge2"),
    "ROUGEL": _quoted("rougeL"),
    "ROUGELSUM": _quoted("rougeLsum"),
    "GEN_LEN": _quoted("gen_len"),
    "GEN_NUM": _quoted("gen_num"),
    "TOKENS_PER_SAMPLE": _quoted("tokens_per_sample"),
    "CLIP_SCORE": _quoted("CLIP_SCORE"),
    "FID_SCORE": _quoted("FID_SCORE"),
    "gsm8k_accuracy": _quoted("gsm8k"),
    "mbxp_accuracy": _quoted("mbxp"),
    "exact_match": _quoted("exact_match"),
    "vbench_score": _quoted("vbench_score"),
    "DLRM_NE": re.compile(r"metric/lifetime_ne/rating\s*:" + _NUMBER),
    "DLRM_ACC": re.compile(r"metric/lifetime_accuracy/rating\s*:" + _NUMBER),
    "DLRM_AUC": re.compile(r"metric/lifetime_gauc/rating\s*:" + _NUMBER),
    "E2E_ACCURACY": re.compile(r"\bAccuracy\s*:" + _NUMBER),
}
_SAME = {"F1": "F1_HIERARCHICAL"}
_HINTS = re.compile(
    r"accuracy|map|bleu|auc|f1|rouge|gen_|tokens_per|score|gsm8k|mbxp|exact_match|lifetime|total", re.IGNORECASE
)
_HASH = re.compile(r"^\s*hash\s*=\s*(\S*)", re.IGNORECASE)
_TOTAL = re.compile(r"good\s*=\s*(\d{1,15}),\s*total\s*=\s*(\d{1,15})")


@dataclass(frozen=True, slots=True)
class AccuracyText:
    """What was found. `values` holds every value of a metric in order (the first ones of many, and the last)."""

    path: str
    problem: str = ""  # "absent", "empty", "content is not here", ...
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    hashes: tuple[str, ...] = ()
    good: int | None = None
    total: int | None = None
    oddities: tuple[str, ...] = ()
    partial: bool = False  # too long: only its two ends were read

    @property
    def metrics(self) -> dict[str, float]:
        """The last word on each metric."""
        return {name: numbers[-1] for name, numbers in self.values.items()}

    def value(self, metric: str) -> float | None:
        numbers = self.values.get(metric)
        return numbers[-1] if numbers else None


def read_accuracy_text(tree: Tree, path: str) -> AccuracyText:
    """Read accuracy.txt; nothing in it can raise."""
    if not path or not tree.is_file(path):
        return AccuracyText(path, problem="absent")
    size = tree.size(path)
    try:
        if size <= 2 * PART_BYTES:
            data = tree.read(path, 2 * PART_BYTES)
        else:
            data = tree.head(path, PART_BYTES) + b"\n" + tree.tail(path, PART_BYTES)
    except NotReadable as error:
        return AccuracyText(path, problem=error.reason)
    if not data.strip(b"\0\r\n\t "):
        return AccuracyText(path, problem="empty")
    found = search(data)
    return AccuracyText(path, values=found.values, hashes=found.hashes, good=found.good, total=found.total,
                        oddities=found.oddities, partial=size > 2 * PART_BYTES)  # fmt: skip


def search(data: bytes) -> AccuracyText:
    """Metrics, hash lines and counts in the text of an accuracy script."""
    oddities = []
    if data.startswith(b"\xef\xbb\xbf"):
        oddities.append("a byte-order mark")
    if b"\0" in data:
        oddities.append("NUL bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        oddities.append("bytes that are not UTF-8")
    values: dict[str, list[float]] = {}
    hashes: list[str] = []
    counts: tuple[int, int] | None = None
    for line in _lines(text):
        if line.lstrip()[:4].lower() == "hash" and (match := _HASH.match(line)):
            hashes.append(match[1][:200])
            continue
        if not _HINTS.search(line):
            continue
        _search_line(line, values)
        for match in _TOTAL.finditer(line):
            counts = (int(match[1]), int(match[2]))
    kept = {name: _bounded(numbers) for name, numbers in values.items()}
    good, total = counts or (None, None)
    return AccuracyText("", values=kept, hashes=tuple(hashes[:8]), good=good, total=total, oddities=tuple(oddities))


def _lines(text: str) -> Iterator[str]:
    """Lines without their ends; a very long one in pieces that overlap by more than any metric is long."""
    for line in text.splitlines():
        if len(line) <= 100_000:
            yield line
        else:
            yield from (line[at : at + 100_200] for at in range(0, len(line), 100_000))


def _search_line(line: str, values: dict[str, list[float]]) -> None:
    if "rror" in line and (match := _WER.search(line)):
        for name in ("WER", "ACCURACY"):
            values.setdefault(name, []).append(_float(match[1]))
        return
    for name, pattern in _PATTERNS.items():
        found = [_float(m[1]) for m in pattern.finditer(line)]
        if found:
            values.setdefault(name, []).extend(found)
            if name in _SAME:
                values.setdefault(_SAME[name], []).extend(found)


def _float(text: str) -> float:
    return float(text.strip("'"))


def _bounded(numbers: list[float]) -> tuple[float, ...]:
    if len(numbers) <= KEPT_VALUES:
        return tuple(numbers)
    return (*numbers[: KEPT_VALUES - 1], numbers[-1])
