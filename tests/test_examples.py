"""Every file in examples/ runs, and says what its page says that it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.doc_pages import ROOT, environment

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

SAYS: dict[str, list[str]] = {
    "own_function": ["accuracy 24.8 %", "good enough: False", "p90 latency", "everything is in runs/"],
    "own_async_function": ["p50 latency 2"],  # 20 ms and a little
    "dynamic_batching": ["one by one: INVALID", "batched: "],
    "worker_pool": ["arrangement: worker processes"],
    "own_backend": ["the contract holds", "p99 latency"],
}


def carried_out(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    done = carried_out(path, tmp_path)
    assert done.returncode == 0, done.stderr
    for text in SAYS[path.stem]:
        assert text in done.stdout
    if path.stem == "dynamic_batching":
        one, batched = (float(line.rpartition("latency ")[2].split()[0]) for line in done.stdout.splitlines())
        assert batched < one


def test_every_example_is_named_in_the_docs() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").rglob("*.md"))
    assert [p.name for p in EXAMPLES if f"examples/{p.name}" not in text] == []


def test_a_broken_example_is_seen(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import mlassay\nmlassay.run('image-classification', scenario='sever')\n", encoding="utf-8")
    done = carried_out(broken, tmp_path)
    assert done.returncode != 0
    assert "unknown scenario 'sever'" in done.stderr
