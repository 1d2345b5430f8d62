"""Whisper from waveform to words: features, two ONNX files, greedy search; held against Hugging Face."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")

from mlassay.backends import backend_registry  # noqa: E402 - after the checks
from mlassay.backends.generation import Engine, Work  # noqa: E402
from mlassay.core.errors import BadFile, UsageError  # noqa: E402
from mlassay.core.model import Generation, ModelSpec  # noqa: E402
from mlassay.runs.api import run  # noqa: E402
from mlassay.tasks.speech.features import LogMel  # noqa: E402
from mlassay.tasks.speech.reference import whisper_of  # noqa: E402
from mlassay.tasks.speech.task import TASK  # noqa: E402
from mlassay.tasks.speech.whisper import Recipe, Whisper, published_key  # noqa: E402
from mlassay.tasks.speech.whisper_files import export  # noqa: E402
from mlassay.tasks.task import TaskRequest  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]  # of Hugging Face's library

WORDS = ["[UNK]", "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
WORDS += ["mister", "brown", "paid", "the", "colour", "of", "every", "one", "a", "b", "c", "d"]
RECIPE = Recipe(bands=8, width=32, layers=2, heads=4, vocabulary=len(WORDS), frames=50, tokens=256)
START, END = [2, 5], 1  # a small vocabulary knows English alone
SOUNDS = [  # rising tones
    (0.3 * np.sin(np.arange(4_000 + 3_000 * n) ** 1.2 * 0.02 * (n + 1))).astype(np.float32) for n in range(5)
]


@pytest.fixture(scope="module")
def network() -> Whisper:
    """Drawn so that each sound is answered otherwise, one of them with an end."""
    torch.manual_seed(17)
    made = Whisper(RECIPE).eval()
    for name, tensor in made.state_dict().items():
        if "norm" not in name:
            loud = "places" in name or ".sound." in name or name == "words.weight"
            tensor.copy_(torch.randn_like(tensor) * (0.8 if loud else 0.3))
    return made


@pytest.fixture(scope="module")
def folder(network: Whisper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whisper")
    export(network, made)
    reader = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    reader.add_special_tokens(WORDS[:6])
    reader.save(str(made / "tokenizer.json"))
    return made


def heard(engine: Engine, hear: Any) -> dict[int, list[int]]:
    """Recordings join one at a time, while others are under way."""
    waiting = [Work(i, np.asarray(START), sample=sound) for i, sound in enumerate(SOUNDS)]
    made = {}
    while waiting or engine.busy:
        done = engine.admit([waiting.pop(0)]) if waiting and engine.room else []
        for work in [*done, *(engine.step() if engine.busy else [])]:
            made[work.sample_id] = work.made
    engine.close()
    return made


def greedily(network: Whisper, most: int, begin: list[int] = START) -> dict[int, list[int]]:
    """No memory, no company: every token from the beginning."""
    made = {}
    for index, sound in enumerate(SOUNDS):
        mel = torch.from_numpy(LogMel(bands=8, frames=100)(sound))[None]
        tokens = list(begin)
        with torch.no_grad():
            while len(tokens) < most + len(begin) and tokens[-1] != END:
                tokens.append(int(network(mel, torch.tensor([tokens]))[0, -1].argmax()))
        made[index] = tokens[len(begin) :]
    return made


@pytest.mark.parametrize("backend", ["onnx-generation", "openvino-generation", "torch-generation"])
def test_the_files_say_what_the_network_says(backend: str, network: Whisper, folder: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend.split("-")[0], backend.split("-")[0]))
    spec, _ = whisper_of(folder)
    assert spec.generation is not None
    assert (spec.generation.start, spec.generation.ends, spec.generation.most) == ((2, 5), (1,), 200)
    sut = backend_registry.load(backend)(spec, max_batch=3, max_new_tokens=20)
    found = heard(sut.load_engine(), spec.generation.hear)
    assert found == greedily(network, 20)
    assert len({tuple(tokens) for tokens in found.values()}) == 5  # the sound matters
    assert [END in found[i] for i in range(5)] == [False, False, False, False, True]
    record = json.loads(json.dumps(sut.describe()))
    assert record["model"]["encoder"]["file"] == "encoder.onnx"


@pytest.mark.slow
def test_the_same_as_hugging_face(network: Whisper) -> None:
    """Features, network and greedy search, each on its own and together."""
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        vocab_size=len(WORDS), num_mel_bins=8, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
        max_source_positions=50, max_target_positions=256, pad_token_id=END, bos_token_id=END, eos_token_id=END,
        decoder_start_token_id=2, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    theirs = transformers.WhisperForConditionalGeneration(config).eval()
    theirs.load_state_dict({published_key(k): v for k, v in network.state_dict().items()}, strict=False)
    theirs.tie_weights()
    wanted = {}
    for index, sound in enumerate(SOUNDS):
        mel = torch.from_numpy(LogMel(bands=8, frames=100)(sound))[None]
        with torch.no_grad():
            tokens = torch.tensor([[*START, 6, 7]])
            torch.testing.assert_close(
                network(mel, tokens), theirs(input_features=mel, decoder_input_ids=tokens).logits, rtol=1e-4, atol=1e-4
            )
            found = transformers.GenerationMixin.generate(
                theirs, input_features=mel, decoder_input_ids=torch.tensor([START]), max_new_tokens=20, do_sample=False
            )
        said = found[0].tolist()[len(START) :]
        wanted[index] = said[: said.index(END) + 1] if END in said else said
    assert greedily(network, 20) == wanted


@pytest.mark.parametrize("bands", [80, 128])
def test_features_are_hugging_face_s(bands: int) -> None:
    transformers = pytest.importorskip("transformers")
    extract = transformers.WhisperFeatureExtractor(feature_size=bands)
    for seconds in (0.5, 12.0, 31.0):
        sound = (np.random.default_rng(1).normal(size=int(16_000 * seconds)) * 0.1).astype(np.float32)
        wanted = extract(sound, sampling_rate=16_000, return_tensors="np")["input_features"][0]
        np.testing.assert_allclose(LogMel(bands=bands)(sound), wanted, atol=2e-4)


def librispeech(folder: Path, words: list[str]) -> Path:
    chapter = folder / "84" / "121123"
    chapter.mkdir(parents=True)
    for number, sound in enumerate(SOUNDS[: len(words)]):
        with wave.open(str(chapter / f"84-121123-{number:04d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((sound * 32768).clip(-32768, 32767).astype("<i2").tobytes())
    lines = [f"84-121123-{number:04d} {text}" for number, text in enumerate(words)]
    (chapter / "84-121123.trans.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_run_from_recordings_to_words(folder: Path, network: Whisper, tmp_path: Path) -> None:
    """The transcripts are what the network says of the sounds: so the score is perfect when all goes right."""
    data = librispeech(tmp_path / "dev", ["x"] * 5)
    opened = TASK.open(TaskRequest(profile="whisper", model=str(folder), data=data))
    spec, tokenizer = whisper_of(folder)
    opened.library.load(range(5))
    sut = backend_registry.load("onnx-generation")(spec)
    engine = sut.load_engine()
    works = [Work(i, np.asarray(START), sample=sound) for i, sound in enumerate(opened.library.get(range(5)))]
    done = engine.admit(works)
    while engine.busy:
        done += engine.step()
    said = {work.sample_id: tokenizer.decode(work.made) for work in done}
    spoken = librispeech(tmp_path / "said", [said[i].upper() or "X" for i in range(5)])
    results = run(
        "speech", scenario="offline", mode="accuracy", profile="whisper", model=str(folder), data=spoken,
        out=tmp_path / "run",
    )  # fmt: skip
    accuracy = json.loads((tmp_path / "run" / "run.json").read_text())["accuracy"]
    assert accuracy["value"] == 100.0
    assert accuracy["details"]["words"] > 20
    assert results.path == tmp_path / "run"


def test_a_decoder_without_its_encoder(folder: Path) -> None:
    how = Generation(ends=(END,), most=5)
    spec = ModelSpec(name="m", files={"onnx": folder / "decoder.onnx"}, inputs=(), generation=how)
    with pytest.raises(BadFile, match=r"inputs is with heard\.0\.key, which an encoder gives; expected a model that"):
        backend_registry.load("onnx-generation")(spec).load_engine()
    how = replace(how, hear=LogMel(bands=8, frames=100), start=tuple(START))
    with pytest.raises(UsageError, match="m has no encoder file, which backend onnx-generation needs"):
        backend_registry.load("onnx-generation")(replace(spec, generation=how))
    swapped = {"onnx": folder / "decoder.onnx", "encoder": folder / "decoder.onnx"}
    with pytest.raises(BadFile, match="expected one input, and all heard"):
        backend_registry.load("onnx-generation")(replace(spec, generation=how, files=swapped)).load_engine()


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "encoder.onnx").touch()
    with pytest.raises(BadFile, match=r"without decoder\.onnx, tokenizer\.json; expected encoder\.onnx, decoder\.onnx"):
        whisper_of(tmp_path)
    for name in ("encoder.onnx", "decoder.onnx"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    reader = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    reader.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadFile, match=r"tokenizer\.json is without <\|startoftranscript\|>; expected the tokenizer"):
        whisper_of(tmp_path)
