"""`mlassay new-backend`: a generated package is found by mlassay, passes its own tests and runs a task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlassay.backends.new_backend import write_package
from mlassay.core.errors import UsageError

pytest.importorskip("onnxruntime")


def install(package: Path, site: Path) -> dict[str, str]:
    """What an editable install does: the source on the path, and the entry point in a dist-info beside it."""
    import tomllib

    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["mlassay.backends"]
    (info / "entry_points.txt").write_text("[mlassay.backends]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(package / "src")])}


def test_a_generated_package_works(tmp_path: Path) -> None:
    made = write_package("my-npu", tmp_path)
    env = install(made.folder, tmp_path / "site")

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    listed = python("mlassay", "list", "backends")
    assert "my-npu" in listed.stdout
    assert "plug-in from mlassay-my-npu" in listed.stdout
    tested = python("pytest", "-q", str(made.folder), "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert "5 passed" in tested.stdout
    run = python(
        "mlassay",
        "run",
        "image-classification",
        "-s",
        "offline",
        "--backend",
        "my-npu",
        "--mode",
        "accuracy",
        "--quiet",
    )
    assert run.returncode == 0, run.stderr


def test_a_broken_backend_fails_the_generated_tests(tmp_path: Path) -> None:
    made = write_package("my-npu", tmp_path)
    code = made.folder / "src" / "mlassay_my_npu" / "backend.py"
    code.write_text(code.read_text().replace("return outputs", "return [-output for output in outputs]"))
    env = install(made.folder, tmp_path / "site")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(made.folder), "-p", "no:cacheprovider", "-k", "right"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 1
    assert "test_answers_are_right" in tested.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My NPU", "'My NPU' cannot name a backend\n  next: use small letters"),
        ("-x", "'-x' cannot name a backend"),
        ("openvino", "there is a backend openvino already"),
    ],
)
def test_names_that_will_not_do(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_package(name, tmp_path)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_package("npu", tmp_path)
    with pytest.raises(UsageError, match="mlassay-npu exists already"):
        write_package("npu", tmp_path)
