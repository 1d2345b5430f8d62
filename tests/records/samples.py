"""The official tool's own files, read from an archive beside the repository; tests skip where it is absent."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])

SHARED = Path(__file__).resolve().parents[3] / "shared"
SAMPLES = SHARED / "data" / "loadgen_samples.tar.xz"
RESULTS_V05 = SHARED / "data" / "inference_results_v0.5.tar.xz"


def needs_samples(test: Test) -> Test:
    """Mark a test that reads the recorded official runs."""
    return _needs(SAMPLES, test)


def needs_results(test: Test) -> Test:
    """Mark a test that reads the published v0.5 results."""
    return _needs(RESULTS_V05, test)


def _needs(archive: Path, test: Test) -> Test:
    return pytest.mark.shared(pytest.mark.skipif(not archive.exists(), reason=f"{archive.name} is not here")(test))


@cache
def official() -> dict[str, bytes]:
    """Every official sample file by its path, "Server/performance/mlperf_log_detail.txt"; unzipped."""
    files = {}
    with tarfile.open(SAMPLES) as archive:
        for member in archive:
            if member.isfile():
                content = archive.extractfile(member).read()  # type: ignore[union-attr]
                name = member.name
                if name.endswith(".gz"):
                    name, content = name[:-3], gzip.decompress(content)
                files[name] = content
    return files


def cases() -> list[str]:
    """Every recorded run, "Server/performance"; empty where the archive is absent."""
    return sorted({name.rpartition("/")[0] for name in official()}) if SAMPLES.exists() else []


@cache
def results_v05() -> dict[str, bytes]:
    """Summaries and detail logs of some published v0.5 runs by path."""
    files = {}
    with tarfile.open(RESULTS_V05) as archive:
        for member in archive:
            some = "/Alibaba/" in member.name or "/Xavier/mobilenet/MultiStream/" in member.name
            if some and member.isfile() and "/mlperf_log_" in member.name:
                files["/" + member.name] = archive.extractfile(member).read()  # type: ignore[union-attr]
    return files
