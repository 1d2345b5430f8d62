"""Where converted models wait: `mlassay export` puts them here, backends of other formats find them here.

A conversion is named after the SHA-256 of the file that it was made from, so that it is never used for another model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mlassay.core.fetch import cache_dir
from mlassay.core.model import ModelSpec

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "tflite": ".tflite", "torchscript": ".torchscript"}
"""Format of ModelSpec.files to the suffix of its files."""


def exported(model: ModelSpec, format_: str) -> Path | None:
    """The file of that format that was exported from the model's ONNX file; None where nobody has done so."""
    if format_ not in SUFFIXES or "onnx" not in model.files:
        return None
    path = place_of(Path(model.files["onnx"]), format_)
    return path if path.exists() else None


def place_of(source: Path, format_: str) -> Path:
    """Where the conversion of the ONNX file `source` belongs."""
    return cache_dir() / "exported" / f"{source.stem}-{file_sha256(source)[:16]}{SUFFIXES[format_]}"


def file_sha256(path: Path) -> str:
    """Of a file; of a folder, over the names and digests of the files in it."""
    if path.is_dir():
        lines = [f"{p.relative_to(path)} {file_sha256(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
