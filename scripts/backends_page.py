"""Writes docs/reference/backends.md from the backends themselves. `--check` says whether the page is up to date."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mlassay.backends import backend_registry
from mlassay.backends.generation import GeneratingSUT
from mlassay.backends.onnx_providers import INSTALL, SUFFIX
from mlassay.backends.options import option_help
from mlassay.core.registry import Entry

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "backends.md"
HEAD = """# Backends

Every backend that comes with mlassay, what it reads and what can be set. Written by `scripts/backends_page.py` from the
code. How to choose one, and how to bring your own: [Choose a runtime](../how-to/backends.md),
[Add a backend](../how-to/add-a-backend.md).

Options are given as `-b KEY=VALUE` on the command line, or as `backend_options={...}` in Python. A runtime that is not
installed says so in one line, with the command of the column *install*. Tasks of one pass (pictures, texts, tables) run
on the first group, tasks that generate text on the second.
"""
KINDS = {
    "onnx": "ONNX (`.onnx`)",
    "openvino": "OpenVINO IR (`.xml` with `.bin`)",
    "tflite": "TFLite (`.tflite`)",
    "torchscript": "TorchScript",
    "pt2": "`torch.export` (`.pt2`)",
    "savedmodel": "SavedModel (a folder)",
    "keras": "Keras (`.keras`, `.h5`)",
    "gguf": "GGUF (`.gguf`)",
}


def main() -> int:
    wanted = reference_page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def reference_page() -> str:
    """The whole page; plug-ins of this machine are no part of it."""
    entries = [e for e in backend_registry if e.target.startswith("mlassay.")]
    generating = [e for e in entries if issubclass(e.load(), GeneratingSUT)]
    parts = [HEAD, _table([e for e in entries if e not in generating]), _table(generating)]
    parts += ["\n".join(_section(entry)) for entry in entries]
    return "\n".join(parts)


def _table(entries: list[Entry]) -> str:
    rows = [f"| [`{e.name}`](#{e.name}) | {e.summary} | {_install(e)} |" for e in entries]
    return "\n".join(["| backend | runs | install |", "|---|---|---|", *rows, ""])


def _install(entry: Entry) -> str:
    if entry.install:
        return entry.install
    return f"`pip install 'mlassay[{entry.extra}]'`" if entry.extra else "nothing to install"


def _section(entry: Entry) -> Iterator[str]:
    found: Any = entry.load()
    yield f"## {entry.name}\n"
    yield f"{_first_paragraph(inspect.getmodule(found))}\n"
    yield f"Install: {_install(entry)}."
    if hasattr(found, "formats"):
        yield f"Reads: {', '.join(KINDS.get(name, f'`{name}`') for name in found.formats)}."
    options = getattr(found, "OPTIONS", None)
    if options is None:
        yield "It has no options.\n"
        return
    yield "\n| option | values | default | meaning |\n|---|---|---|---|"
    types = get_type_hints(options)
    for name, default, meaning in option_help(options):
        shown = {"True": "yes", "False": "no"}.get(default, default)
        yield f"| `{name}` | {_values(types[name])} | {f'`{shown}`' if shown else 'empty'} | {_cell(meaning)} |"
    yield ""
    if entry.name == "onnxruntime":
        yield from _providers()


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    return {bool: "yes, no", int: "whole number", float: "number", str: "text"}[kind]


def _providers() -> Iterator[str]:
    yield "Execution providers, by the name that `-b provider=` takes (the official name is accepted too):\n"
    yield "| provider | official name | how to get it |\n|---|---|---|"
    for name, how in INSTALL.items():
        yield f"| `{name.lower()}` | `{name}{SUFFIX}` | {_cell(how)} |"
    yield ""
    yield "A provider that is not in the installed ONNX Runtime, or does not start, is an error: nothing else is"
    yield "measured in its place. Only `cpu` could be tried where mlassay is developed.\n"


def _first_paragraph(module: Any) -> str:
    return " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
