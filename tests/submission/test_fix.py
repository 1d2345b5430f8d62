"""`--fix` mends what cannot change a meaning, lists each change, and can be asked what it would do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlassay.core.errors import BadFile
from mlassay.submission.checker import check
from mlassay.submission.fix import fix_tree
from mlassay.submission.truncate import MAX_BYTES, truncated
from tests.submission.maker import make
from tests.submission.test_check_command import run, write


def untidy(root: Path) -> tuple[Path, bytes]:
    """A submission with everything that can be mended, and its whole accuracy log."""
    made = make("v5.1")
    log = b"[" + b"1234567," * 9000 + b"1]"
    made.files[f"{made.accuracy('Offline')}/mlperf_log_accuracy.json"] = log
    text = f"{made.accuracy('Offline')}/accuracy.txt"
    made.files[text] = made.files[text].partition(b"hash=")[0]
    made.files[f"{made.base}/code/resnet/__pycache__/a.pyc"] = b"x"
    made.files[f"{made.base}/systems/.DS_Store"] = b"x"
    made.files = {p.replace("/SingleStream/", "/singlestream/"): d for p, d in made.files.items()}
    made.logs = {p.replace("/SingleStream/", "/singlestream/"): d for p, d in made.logs.items()}
    write(made, root)
    (root / made.base / "documentation/figures/old").mkdir(parents=True)
    (root / made.result("Offline") / "performance").rename(root / made.result("Offline") / "Performance")
    return root, log


def test_it_mends_and_lists(tmp_path: Path) -> None:
    root, log = untidy(tmp_path / "tree")
    before = {f.id for f in check(root).findings}
    assert before == {"ACC011", "ACC012", "TREE008", "TREE010", "TREE011", "TREE020"}
    changes = [str(c) for c in fix_tree(root)]
    assert changes == [
        "truncate closed/ACME/results/box/resnet/Offline/accuracy/mlperf_log_accuracy.json (the whole log is kept in "
        "tree-originals/closed/ACME/results/box/resnet/Offline/accuracy/mlperf_log_accuracy.json)",
        "delete closed/ACME/code/resnet/__pycache__",
        "delete closed/ACME/systems/.DS_Store",
        "remove the empty directory closed/ACME/documentation/figures/old",
        "remove the empty directory closed/ACME/documentation/figures",
        "rename closed/ACME/results/box/resnet/Offline/Performance to "
        "closed/ACME/results/box/resnet/Offline/performance",
        "rename closed/ACME/results/box/resnet/singlestream to closed/ACME/results/box/resnet/SingleStream",
        "rename closed/ACME/measurements/box/resnet/singlestream to closed/ACME/measurements/box/resnet/SingleStream",
        "rename closed/ACME/compliance/box/resnet/singlestream to closed/ACME/compliance/box/resnet/SingleStream",
    ]
    report = check(root)
    assert report.findings == ()
    kept = tmp_path / "tree-originals/closed/ACME/results/box/resnet/Offline/accuracy/mlperf_log_accuracy.json"
    assert kept.read_bytes() == log
    text = (root / "closed/ACME/results/box/resnet/Offline/accuracy/accuracy.txt").read_text()
    assert text.endswith(f"hash={hashlib.sha256(log).hexdigest()}\n")
    assert fix_tree(root) == []


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    root, _ = untidy(tmp_path / "tree")
    before = sorted((str(p), p.stat().st_size) for p in root.rglob("*"))
    code, result = run(root, "--fix", "--plan")
    assert code == 0
    assert "would delete closed/ACME/systems/.DS_Store" in result.output
    assert sorted((str(p), p.stat().st_size) for p in root.rglob("*")) == before


def test_archives_are_not_mended(tmp_path: Path) -> None:
    place = tmp_path / "x.tar"
    place.write_bytes(b"x")
    with pytest.raises(BadFile, match="unpack the archive first"):
        fix_tree(place)


@pytest.mark.parametrize("size", [0, 100, MAX_BYTES, MAX_BYTES + 1, 1_000_000])
def test_truncation_keeps_both_ends_and_the_hash(size: int, tmp_path: Path) -> None:
    data = bytes(n % 251 for n in range(size))
    place = tmp_path / "log.json"
    place.write_bytes(data)
    cut = truncated(place)
    assert cut.sha256 == hashlib.sha256(data).hexdigest()
    assert len(cut.content) <= MAX_BYTES
    if size <= MAX_BYTES:
        assert cut.content == data
    else:
        assert cut.content[:4096] == data[:4096]
        assert cut.content[-4096:] == data[-4096:]
