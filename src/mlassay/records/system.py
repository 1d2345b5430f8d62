"""The machine and the software that a run used, as far as the operating system tells: part of every record."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mlassay._version import __version__

CLOCK_SLACK_S = 2.0
"""The kernel tells the boot time in whole seconds."""

PACKAGES = ("numpy", "onnxruntime", "torch", "openvino", "ai-edge-litert", "pillow")
"""Whose versions are noted when they are installed."""


def describe_system(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Operating system, processor, memory, Python, versions. Names no user, host or path."""
    return {
        "os": f"{platform.system()} {platform.release()}",
        "distribution": _distribution(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count() or 0,
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_bytes": _memory_bytes(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "versions": {"mlassay": __version__} | {name: found for name in packages if (found := _version(name))},
        "commit": _commit(Path(__file__).resolve().parent),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu_model() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.processor()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _commit(start: Path) -> str:
    """The commit of the checkout that mlassay runs from; empty for an installed package."""
    for folder in (start, *start.parents):
        head = _read(folder / ".git" / "HEAD").strip()
        if head and (folder / "pyproject.toml").exists():
            reference = head.removeprefix("ref: ")
            if reference == head:
                return head
            found = _read(folder / ".git" / reference).strip()
            return found or _packed(folder / ".git" / "packed-refs", reference)
    return ""


def _packed(path: Path, reference: str) -> str:
    rows = (line.partition(" ") for line in _read(path).splitlines())
    return next((digest for digest, _, name in rows if name == reference), "")


def is_running(pid: int, *, since_unix_ns: int) -> bool:
    """Whether the process that had this number at that moment is still alive; a later one of the same number is not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()  # behind the name: state is the first
    if len(fields) < 20:
        return True  # no /proc here: the number is all there is
    if fields[0] in "ZX":
        return False
    boot_s = next(
        (line.split()[1] for line in _read(Path("/proc/stat")).splitlines() if line.startswith("btime ")), "0"
    )
    started_s = int(boot_s) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return started_s <= since_unix_ns / 1e9 + CLOCK_SLACK_S
