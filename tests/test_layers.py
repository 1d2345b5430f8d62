"""The house cannot lean: every import is held against the table of rooms (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlassay

ROOT = Path(mlassay.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "rules": {"core"},
    "records": {"core"},
    "stats": {"core"},
    "backends": {"core"},
    "training": {"core"},
    "loadgen": {"core", "stats"},
    "tasks": {"core", "backends", "training"},
    "submission": {"core", "rules", "records", "stats"},
    "runs": {"core", "rules", "stats", "loadgen", "records", "tasks", "backends", "training"},
    "results": {"core", "rules", "records", "stats", "submission"},
    "compat": {"core", "stats", "records", "loadgen", "rules"},
    "web": {"core", "results"},
    "cli": {
        "core",
        "rules",
        "records",
        "tasks",
        "backends",
        "training",
        "submission",
        "runs",
        "results",
        "web",
        "loadgen",
    },
    "testing": {"core", "backends", "loadgen", "tasks", "training", "stats"},
}
"""A room imports itself, the package's version, and what stands here: nothing else of ours."""

ONLY_IN_REFERENCE = ("tasks", "backends")
"""tasks may meet backends in files named reference.py alone."""

SHARED_BENCHMARKS = {
    ("tasks/medical_segmentation", "mlassay.training.unet3d"),
    ("tasks/speech", "mlassay.training.rnnt"),
}
"""What tasks may take from training: network, window and score of the benchmark that trains what the task judges."""


def ours(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("mlassay"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mlassay") and not node.level:
            if node.module == "mlassay":
                yield from (f"mlassay.{a.name}" for a in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "mlassay.RELATIVE"


def shared(task: str, name: str) -> bool:
    return any(task == mine and f"{name}.".startswith(f"{theirs}.") for mine, theirs in SHARED_BENCHMARKS)


def breaches(path: Path) -> list[str]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    room = parts[0]
    if room in ("__init__", "__main__", "_version"):
        return []
    found = []
    for name in ours(ast.parse(path.read_text(encoding="utf-8"))):
        target = ([*name.split("."), ""])[1]
        if target in (room, "_version", ""):
            continue
        if target not in MAY_IMPORT.get(room, set()):
            found.append(f"{path.relative_to(ROOT)} imports {name}")
        elif (room, target) == ONLY_IN_REFERENCE and path.name != "reference.py":
            found.append(f"{path.relative_to(ROOT)} imports {name}: only reference.py may")
        elif (room, target) == ("tasks", "training") and not shared("/".join(parts[:2]), name):
            found.append(f"{path.relative_to(ROOT)} imports {name}: tasks and training share what is listed, no more")
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_room_imports_only_from_below(path: Path) -> None:
    assert breaches(path) == []


def test_a_breach_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "core" / "leaning.py"
    bad.parent.mkdir()
    bad.write_text("from mlassay.rules import round\nfrom . import x\n", encoding="utf-8")
    monkeypatch.setattr("tests.test_layers.ROOT", tmp_path)
    assert len(breaches(bad)) == 2


def test_tasks_take_only_what_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_layers.ROOT", tmp_path)
    for task, expected in (("medical_segmentation", 1), ("language", 2)):
        file = tmp_path / "tasks" / task / "a.py"
        file.parent.mkdir(parents=True)
        file.write_text("from mlassay.training.unet3d import dice\nimport mlassay.training.loop\n", encoding="utf-8")
        assert len(breaches(file)) == expected
