"""CTranslate2 on the translation task: a Transformer of ours, converted, says what it says in PyTorch."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from mlassay.backends import backend_registry
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, UsageError
from mlassay.tasks.task import OpenTask, TaskRequest
from mlassay.tasks.translation.task import TASK
from mlassay.testing import check_sut
from tests.tasks.small_profile import predicted, scored
from tests.tasks.translation.test_dataset import newstest

torch = pytest.importorskip("torch")
pytest.importorskip("ctranslate2")
pytestmark = pytest.mark.torch

from tests.backends.tiny_transformer import END, Transformer, convert  # noqa: E402 - after the check for torch

LONGEST = 12
PIECES = ["<unk>", "<s>", "</s>", *(f"w{k}" for k in range(12)), *(f"p{k}@@" for k in range(6))]


def made(folder: Path, n: int = 40) -> tuple[Transformer, OpenTask]:
    """Random weights that listen to the source, so that most sentences are answered differently; n random sentences."""
    torch.manual_seed(1)
    network = Transformer(PIECES).eval()
    with torch.no_grad():
        for layer in network.decoder:
            for part in (layer.cross.query, layer.cross.value, layer.cross.out):
                part.weight.mul_(4)
        network.out.weight.mul_(3)
        network.out.bias[0], network.out.bias[END] = -30, 1  # never <unk>, sometimes the end
    rng = random.Random(0)
    lines = [" ".join(rng.choices(PIECES[3:], k=rng.randint(1, 9))) for _ in range(n)]
    data = newstest(folder / "data", "\n".join(lines) + "\n", "\n".join(lines[::-1]) + "\n")
    for vocabulary in data.glob("vocab*"):
        vocabulary.unlink()  # the model brings its own
    model = convert(network, folder / "model")
    opened = TASK.open(TaskRequest(model=str(model), data=data))
    opened.library.load(range(n))
    return network, opened


def test_greedy_translations_are_those_of_pytorch(tmp_path: Path) -> None:
    network, opened = made(tmp_path)
    join = opened.model.infer.join  # type: ignore[union-attr]
    wanted = [join(network.translate(list(opened.library.get([i])[0]), LONGEST)) for i in range(40)]
    assert len(set(wanted)) > 25
    assert predicted(opened, range(40), "ctranslate2", beams=1, longest=LONGEST) == wanted
    assert [predicted(opened, [i], "ctranslate2", beams=1, longest=LONGEST, parallel=2)[0] for i in (0, 7, 39)] == [
        wanted[0],
        wanted[7],
        wanted[39],
    ]


def test_beams_find_likelier_translations_and_are_scored(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    greedy, wide = (predicted(opened, range(40), "ctranslate2", beams=k, longest=LONGEST) for k in (1, 6))
    assert greedy != wide
    result = scored(opened, wide)
    assert (result.n, result.expected_n, result.target) == (40, 40, None)
    assert scored(opened, [opened.truth(i) for i in range(40)]).value == pytest.approx(100.0)


def test_keeps_the_contract_of_a_sut(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    make = lambda: backend_registry.load("ctranslate2")(opened.model, warmup=1, longest=LONGEST)  # noqa: E731
    check_sut(make, opened.library, queries=6)
    sut = make()
    sut.ensure_loaded()
    record = json.loads(json.dumps(sut.describe()))
    sut.close()
    assert record["runtime"] == "CTranslate2"
    assert record["compute_type"] == "float32"
    assert len(record["model"]["sha256"]) == 64


def test_int8_weights(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    sut = backend_registry.load("ctranslate2")(opened.model, compute_type="int8")
    sut.ensure_loaded()
    assert sut.describe()["compute_type"].startswith("int8")
    sut.close()


def test_a_run_from_the_command_line(tmp_path: Path) -> None:
    import subprocess

    _, opened = made(tmp_path)
    words = ["run", "translation", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "data"), "--quiet"]
    words += ["--backend", "ctranslate2", "-b", "longest=12", "-s", "offline", "--mode", "accuracy"]
    done = subprocess.run(
        [sys.executable, "-m", "mlassay", *words, "--out", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = scored(opened, predicted(opened, range(40), "ctranslate2", longest=12))
    assert (tmp_path / "run" / "accuracy.txt").read_text().strip() == wanted.official_line


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    (tmp_path / "model" / "model.bin").unlink()
    with pytest.raises(BadFile, match="is without a CTranslate2 model; expected a folder with model"):
        predicted(opened, [0], "ctranslate2")


def test_a_damaged_model_and_a_device_that_is_not_there(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    with pytest.raises(MachineProblem, match=r"CTranslate2 cannot load .*/model \("):
        predicted(opened, [0], "ctranslate2", device="cuda")
    with pytest.raises(MachineProblem, match=r"CTranslate2 cannot load .*/model \("):
        predicted(opened, [0], "ctranslate2", compute_type="int3")
    (tmp_path / "model" / "model.bin").write_bytes(b"\x06\x00\x00")
    with pytest.raises(MachineProblem, match=r"CTranslate2 cannot load .*/model \("):
        predicted(opened, [0], "ctranslate2")


def test_other_runtimes_and_other_models_say_what_is_missing(tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    with pytest.raises(UsageError, match="model has no onnx file, which backend onnxruntime needs"):
        predicted(opened, [0])
    with pytest.raises(UsageError, match="gnmt is a recurrent network; model is a folder"):
        TASK.open(TaskRequest(profile="gnmt", model=str(tmp_path / "model"), data=tmp_path / "data"))
    small = TASK.open(TaskRequest())
    with pytest.raises(UsageError, match="numbers-gnmt has no ctranslate2 file, which backend ctranslate2 needs"):
        backend_registry.load("ctranslate2")(small.model)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, opened = made(tmp_path)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingDependency) as caught:
        backend_registry.load("ctranslate2")(opened.model)
    assert str(caught.value) == "ctranslate2 is not installed\n  next: pip install 'mlassay[ctranslate2]'"
