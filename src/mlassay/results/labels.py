"""From what submitters wrote to what people filter by: framework, processor class, organisation, availability."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Labels:
    """How one system was classified; `why` names the override, or the field that decided."""

    framework_label: str
    processor_class: str  # "ASIC", "CPU", "DSP", "FPGA", "GPU", "other", "" when nothing is known
    accelerator: str
    why: str


@cache
def _book() -> dict[str, Any]:
    return tomllib.loads(files("mlassay.results").joinpath("data/labels.toml").read_text(encoding="utf-8"))


@cache
def _patterns(kind: str, name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((entry[name], re.compile(entry["pattern"], re.IGNORECASE)) for entry in _book()[kind])


def framework_label(text: str) -> str:
    """'TFLite v1.15.0-rc2' -> 'TensorFlow Lite'; '' when the text names none that we know."""
    return next((label for label, pattern in _patterns("framework", "label") if pattern.search(text)), "")


def processor_class(accelerator: str, count: int | None) -> str:
    """What does the work: the accelerator's kind, or CPU when there is none."""
    if is_none(accelerator) or count == 0:
        return "CPU"
    return next((name for name, pattern in _patterns("class", "name") if pattern.search(accelerator)), "other")


def is_none(text: str) -> bool:
    """Whether a field says 'there is none' in one of its spellings."""
    return text.strip().strip('"').lower() in ("", "-", "na", "n/a", "none", "no", "0", "not applicable", "null")


def classify(source: str, submitter: str, system: str, framework: str, accelerator: str, count: int | None) -> Labels:
    """Label one system. `source` is the repository's name, for its stated overrides."""
    label, kind = framework_label(framework), processor_class(accelerator, count)
    why = "accelerator_model_name" if kind != "CPU" else "no accelerator"
    if is_none(accelerator):
        accelerator = ""
    for entry in _book()["override"]:
        if entry["source"] != source or not re.search(entry["submitter"], submitter):
            continue
        if not re.search(entry["system"], system, re.IGNORECASE):
            continue
        label = entry.get("framework_label", label)
        kind = entry.get("processor_class", kind)
        accelerator = entry.get("accelerator", accelerator)
        why = f"override: {entry['reason']}"
    return Labels(label, kind, accelerator, why)


def submitter_name(text: str) -> str:
    """One spelling per organisation: 'Google Inc.' and 'google' are Google."""
    flat = text.strip()
    return str(_book()["submitter"].get(flat.lower(), flat))


def category(text: str) -> str:
    """available, preview or rdi, from any published spelling; other words in lower case."""
    flat = text.strip().lower()
    return str(_book()["category"].get(flat, flat))


def benchmark_id(name: str) -> str:
    """The id behind a directory's name: 'mask' is maskrcnn, 'resnet50' is resnet."""
    return str(_book()["benchmark"]["alias"].get(name.lower(), name))


def benchmark_title(name: str) -> str:
    """What people call a benchmark: 'ssd-large' is SSD-ResNet34."""
    return str(_book()["benchmark"]["title"].get(name, name))
