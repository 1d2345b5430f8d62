"""A plan onto the disk: the tree, the whole logs beside it, and a manifest of every file's SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlassay._version import __version__
from mlassay.core.errors import UsageError
from mlassay.records.atomic import machine_problems
from mlassay.submission.pack import PackedFile, Plan


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    tree: Path
    manifest: Path
    originals: Path | None
    n_files: int
    n_bytes: int


def write_plan(plan: Plan, out: Path) -> Packed:
    """Write the tree to `out`, whole logs to `out`-originals, checksums to `out`-manifest.json.

    `out` may hold a submission already: new files join it, equal ones stay, and a different one is refused before
    anything is written. Raises RuleViolation when the submission would be rejected.
    """
    plan.refuse()
    _refuse_clashes(plan, out)
    originals = out.with_name(f"{out.name}-originals")
    total = 0
    with machine_problems(out):
        for path, file in sorted(plan.files.items()):
            total += _write(out / path, file.open)
        for path, source in sorted(plan.originals.items()):
            _write(originals / path, PackedFile(path, source=source).open)
        manifest = out.with_name(f"{out.name}-manifest.json")
        text = manifest_text(out, originals if originals.is_dir() else None, plan.round)
        _write(manifest, lambda: _bytes(text))
    return Packed(out, manifest, originals if plan.originals else None, len(plan.files), total)


def _bytes(text: str) -> BinaryIO:
    import io

    return io.BytesIO(text.encode())


def _refuse_clashes(plan: Plan, out: Path) -> None:
    for path, file in sorted(plan.files.items()):
        there = out / path
        if there.is_symlink() or (there.exists() and not there.is_file()):
            raise UsageError(f"{there} is in the way", hint="choose another --out")
        if there.is_file() and (there.stat().st_size != file.size or not _same(there, file)):
            raise UsageError(f"{there} exists and differs", hint="choose another --out, or remove the old submission")


def _same(there: Path, file: PackedFile) -> bool:
    with open(there, "rb") as old, file.open() as new:
        while True:
            a, b = old.read(1 << 20), new.read(1 << 20)
            if a != b:
                return False
            if not a:
                return True


def _write(path: Path, source: Callable[[], BinaryIO]) -> int:
    """Write beside and rename, so that a file is either whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with source() as stream, open(part, "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
        size = out.tell()
    os.replace(part, path)
    return size


def manifest_text(tree: Path, originals: Path | None, round_name: str) -> str:
    """SHA-256 and size of every file, by path: the same text for the same bytes."""
    data = {
        "schema": 1,
        "mlassay": __version__,
        "round": round_name,
        "files": _sums(tree),
        "originals": _sums(originals) if originals else {},
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _sums(root: Path) -> dict[str, dict[str, object]]:
    rows = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        rows[path.relative_to(root).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    return rows


def write_archive(plan: Plan, out: Path) -> Packed:
    """The tree as one .tar.gz whose bytes depend on nothing but the files: no times, no owners, sorted names."""
    plan.refuse()
    part = out.with_name(f".{out.name}.part")
    total = 0
    with machine_problems(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            open(part, "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path, file in sorted(plan.files.items()):
                info = tarfile.TarInfo(path)
                info.size, info.mode = file.size, 0o644
                with file.open() as stream:
                    archive.addfile(info, stream)
                total += info.size
        os.replace(part, out)
        originals = out.with_name(f"{out.name}-originals")
        for path, source in sorted(plan.originals.items()):
            _write(originals / path, PackedFile(path, source=source).open)
        manifest = out.with_name(f"{out.name}-manifest.json")
        sums = {p: _sum(f) for p, f in sorted(plan.files.items())}
        data = {"schema": 1, "mlassay": __version__, "round": plan.round, "files": sums, "originals": {}}
        if plan.originals:
            data["originals"] = _sums(originals)
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        _write(manifest, lambda: _bytes(text))
    return Packed(out, manifest, originals if plan.originals else None, len(plan.files), total)


def _sum(file: PackedFile) -> dict[str, object]:
    digest = hashlib.sha256()
    with file.open() as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"bytes": file.size, "sha256": digest.hexdigest()}
