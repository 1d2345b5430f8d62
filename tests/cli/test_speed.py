"""Starting up is instant: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnxruntime", "pydantic", "rich", "matplotlib", "sqlalchemy", "PIL")


@pytest.mark.parametrize("statement", ["import mlassay", "import mlassay.cli.main"])
def test_nothing_heavy_comes_along(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_overview_lists_every_verb() -> None:
    from mlassay.cli.main import COMMANDS

    done = subprocess.run([sys.executable, "-m", "mlassay", "--help"], capture_output=True, text=True, check=True)
    assert all(f"  {verb} " in done.stdout for verb in COMMANDS)
    assert "Exit codes" in done.stdout


def test_every_verb_has_help_with_examples() -> None:
    from mlassay.cli.main import COMMANDS

    for verb in COMMANDS:
        done = subprocess.run([sys.executable, "-m", "mlassay", verb, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, (verb, done.stderr)
        assert "Examples" in done.stdout, verb
