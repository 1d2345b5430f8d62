"""Where the archives of published logs lie, when they are there, and databases filled from them once per test run."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
REPOSITORIES = ("inference_results_v0.5", "training_results_v0.5", "training_results_v0.6")


def archive(name: str) -> Path:
    """The archive of a repository's logs; the test is skipped where it is absent."""
    path = SHARED / f"{name}.tar.xz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    return path
