"""The reference language models: published sizes, published names, a memory that changes nothing. Needs torch."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlassay.backends import backend_registry
from mlassay.backends.beam import BeamGenerator
from mlassay.backends.generation import Cache, Engine, Tokens, Work
from mlassay.core.errors import BadFile, UsageError
from mlassay.core.model import Generation, ModelSpec

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from mlassay.tasks.checkpoint import parameter_count  # noqa: E402 - after the check for torch
from mlassay.tasks.generation import gptj, llama  # noqa: E402
from mlassay.tasks.generation.model import export, load_published, read_safetensors  # noqa: E402

LLAMA = llama.Recipe(vocabulary=50, width=32, layers=2, heads=4, groups=2, inner=64, stretch=llama.Stretch())
GPTJ = gptj.Recipe(vocabulary=50, width=32, layers=2, heads=4, rotated=4)


def make(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return (llama.Llama(LLAMA) if kind == "llama" else gptj.GptJ(GPTJ)).eval()


def test_published_sizes() -> None:
    with torch.device("meta"):
        assert parameter_count(llama.Llama(llama.LLAMA3_1_8B)) == 8_030_261_248
        assert parameter_count(llama.Llama(llama.LLAMA2_70B)) == 68_976_648_192
        assert parameter_count(gptj.GptJ(gptj.GPTJ_6B)) == 6_050_882_784


def test_slow_rotations_are_stretched_and_fast_ones_are_not() -> None:
    plain = llama.rotation_speeds(llama.Recipe(**{**_fields(llama.LLAMA3_1_8B), "stretch": None}))
    stretched = llama.rotation_speeds(llama.LLAMA3_1_8B)
    assert torch.equal(stretched[:10], plain[:10])
    torch.testing.assert_close(stretched[-1], plain[-1] / 8)
    assert (stretched[1:] < stretched[:-1]).all()


def _fields(recipe: llama.Recipe) -> dict[str, object]:
    return {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}


@pytest.mark.parametrize("kind", ["llama", "gptj"])
def test_memory_and_padding_change_nothing(kind: str) -> None:
    network = make(kind)
    tokens = torch.randint(50, (1, 9))
    with torch.no_grad():
        whole, _ = network(tokens, torch.ones(1, 9), torch.arange(9)[None])
        _, past = network(tokens[:, :6], torch.ones(1, 6), torch.arange(6)[None])
        rest, _ = network(tokens[:, 6:], torch.ones(1, 9), torch.arange(6, 9)[None], past)
        torch.testing.assert_close(rest, whole[:, 6:])
        padded = torch.nn.functional.pad(tokens, (3, 0))
        mask = (torch.arange(12) >= 3).to(torch.float32)[None]
        shifted, _ = network(padded, mask, (torch.arange(12) - 3).clamp(min=0)[None])
        torch.testing.assert_close(shifted[:, 3:], whole)


@pytest.mark.parametrize("kind", ["llama", "gptj"])
def test_published_names_are_all_used(kind: str, tmp_path: Path) -> None:
    network = make(kind)
    key = (llama if kind == "llama" else gptj).published_key
    published = {key(name): value for name, value in network.state_dict().items()}
    sample = "model.layers.1.mlp.gate_proj.weight" if kind == "llama" else "transformer.h.1.mlp.fc_in.bias"
    assert sample in published
    names = list(published)
    for part, chosen in enumerate((names[::2], names[1::2])):  # two parts, as large checkpoints come
        write_safetensors(tmp_path / f"model-0000{part}.safetensors", {name: published[name] for name in chosen})
    torch.manual_seed(5)
    other = llama.Llama(LLAMA) if kind == "llama" else gptj.GptJ(GPTJ)
    load_published(other, tmp_path)
    pairs = zip(other.state_dict().values(), network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(BadFile, match=r"a folder without \.safetensors"):
        load_published(other, tmp_path.parent)


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    table, data, place = {}, b"", 0
    for name, value in tensors.items():
        raw = value.contiguous().numpy().tobytes()
        table[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [place, place + len(raw)]}
        data, place = data + raw, place + len(raw)
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"short")
    with pytest.raises(BadFile, match=r"expected a \.safetensors file"):
        read_safetensors(tmp_path / "m.safetensors")


PROMPTS = [np.random.default_rng(n).integers(1, 50, n) for n in (3, 7, 1, 9, 4)]
HOW = Generation(ends=(0,), most=8)


def generated(engine: Engine) -> dict[int, list[int]]:
    """Prompts join one at a time, while others are under way."""
    waiting, made = [Work(i, p) for i, p in enumerate(PROMPTS)], {}
    while waiting or engine.busy:
        done = engine.admit([waiting.pop(0)]) if waiting and engine.room else []
        for work in [*done, *(engine.step() if engine.busy else [])]:
            made[work.sample_id] = work.made
    engine.close()
    return made


def greedy(network: torch.nn.Module) -> dict[int, list[int]]:
    """No memory, no batch: every token from the beginning."""
    made = {}
    with torch.no_grad():
        for index, prompt in enumerate(PROMPTS):
            tokens = prompt.tolist()
            while len(tokens) < len(prompt) + HOW.most and (len(tokens) == len(prompt) or tokens[-1] not in HOW.ends):
                row = torch.tensor([tokens])
                logits, _ = network(row, torch.ones_like(row), torch.arange(len(tokens))[None])
                tokens.append(int(logits[0, -1].argmax()))
            made[index] = tokens[len(prompt) :]
    return made


@pytest.mark.parametrize("backend", ["onnx-generation", "openvino-generation", "torch-generation"])
@pytest.mark.parametrize("kind", ["llama", "gptj"])
def test_exported_file_generates_as_the_network(kind: str, backend: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend.split("-")[0], backend.split("-")[0]))
    network = make(kind)
    export(network, tmp_path / "m.onnx")
    spec = ModelSpec(name="m", files={"onnx": tmp_path / "m.onnx"}, inputs=(), generation=HOW)
    sut = backend_registry.load(backend)(spec, max_batch=3)
    assert generated(sut.load_engine()) == greedy(network)


def searched(network: torch.nn.Module, how: Generation) -> dict[int, list[int]]:
    """Each prompt alone, by the search that test_beam.py holds against brute force and the reference's library."""

    class Steps:
        def step(self, tokens: Tokens, mask: Tokens, positions: Tokens, cache: Cache) -> tuple[Any, Cache]:
            """No memory: `cache` is the tokens so far."""
            seen = np.concatenate([cache["seen"][:, 0, :, 0], tokens], 1) if cache else tokens
            with torch.no_grad():
                row, shown = torch.from_numpy(seen), torch.from_numpy(mask)
                logits, _ = network(row, shown, torch.arange(seen.shape[1])[None].expand(len(seen), -1))
            return logits[:, -1].numpy(), {"seen": seen[:, None, :, None]}

    made = {}
    for index, prompt in enumerate(PROMPTS):
        engine = BeamGenerator(Steps(), how, 1)
        done = engine.admit([Work(index, prompt)])
        while engine.busy:
            done = engine.step()
        made[index] = done[0].made
    return made


@pytest.mark.parametrize("backend", ["onnx-generation", "openvino-generation", "torch-generation"])
def test_beams_on_every_runtime(backend: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend.split("-")[0], backend.split("-")[0]))
    network, how = make("gptj"), replace(HOW, beams=4, least=3)
    export(network, tmp_path / "m.onnx")
    spec = ModelSpec(name="m", files={"onnx": tmp_path / "m.onnx"}, inputs=(), generation=how)
    sut = backend_registry.load(backend)(spec, max_batch=3)
    assert generated(sut.load_engine()) == searched(network, how)


def test_llama_cpp_refuses_beams(tmp_path: Path) -> None:
    from mlassay.backends.llama_cpp import LlamaCpp

    (tmp_path / "m.gguf").touch()
    spec = ModelSpec(name="m", files={"gguf": tmp_path / "m.gguf"}, inputs=(), generation=replace(HOW, beams=4))
    with pytest.raises(UsageError, match="llama-cpp decodes greedily; 4 beams are wanted"):
        LlamaCpp(spec)


def test_gguf_file_generates_as_the_network(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    pytest.importorskip("gguf")
    from mlassay.backends.llama_cpp import LlamaCpp
    from mlassay.tasks.generation.gguf_file import write_gguf

    torch.manual_seed(0)
    recipe = llama.Recipe(vocabulary=50, width=32, layers=2, heads=4, groups=2, inner=64)
    network = llama.Llama(recipe).eval()
    write_gguf(network, tmp_path / "m.gguf", name="m", context=64)
    spec = ModelSpec(name="m", files={"gguf": tmp_path / "m.gguf"}, inputs=(), generation=HOW)
    sut = LlamaCpp(spec, max_batch=3, context=64, read_at_once=4, threads=1)
    assert generated(sut.load_engine()) == greedy(network)
