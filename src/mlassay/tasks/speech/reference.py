"""Where this task meets backends: Whisper as a folder of two ONNX files and its tokenizer."""

from __future__ import annotations

from pathlib import Path

from mlassay.backends.onnxruntime import model_tensors
from mlassay.core.errors import BadFile
from mlassay.core.model import Generation, ModelSpec
from mlassay.tasks.generation.tokenizer import Published
from mlassay.tasks.speech.features import LogMel

ENCODER, DECODER, TOKENIZER = "encoder.onnx", "decoder.onnx", "tokenizer.json"
MOST = 200
"""New tokens of an answer, as the rule book's reference asks (speech2text/reference_SUT.py)."""

MULTILINGUAL = 51_865
"""Whispers of so many tokens and more are told the language and the task; smaller ones know English alone."""


def whisper_of(folder: Path) -> tuple[ModelSpec, Published]:
    """The model and its tokenizer: asked as the rule book asks, greedily. BadFile: what is absent."""
    absent = [name for name in (ENCODER, DECODER, TOKENIZER) if not (folder / name).is_file()]
    if absent:
        raise BadFile(
            folder,
            found=f"without {', '.join(absent)}",
            expected=f"{ENCODER}, {DECODER} and {TOKENIZER}",
            hint="docs/tasks/speech.md says how to write the first two",
        )
    tokenizer = Published(folder / TOKENIZER)
    ((mel,), _), (inputs, outputs) = (model_tensors(folder / name) for name in (ENCODER, DECODER))
    logits = next((tensor for tensor in outputs if tensor.name == "logits"), None)
    if len(mel.shape) != 3 or mel.shape[1] is None or mel.shape[2] is None:
        raise BadFile(folder / ENCODER, key="input", found=str(mel), expected="mel float32 (?, bands, frames)")
    start = start_tokens(folder, tokenizer, (logits.shape[-1] if logits and logits.shape else None) or MULTILINGUAL)
    how = Generation(
        ends=(_number(folder, tokenizer, "<|endoftext|>"),),
        most=MOST,
        hear=LogMel(bands=mel.shape[1], frames=mel.shape[2]),
        start=start,
    )
    files = {"onnx": folder / DECODER, "encoder": folder / ENCODER}
    return ModelSpec(name=folder.name, files=files, inputs=inputs, outputs=outputs, generation=how), tokenizer


def start_tokens(folder: Path, tokenizer: Published, vocabulary: int) -> tuple[int, ...]:
    """What every answer goes on from: English, to be written down, without time stamps."""
    told = ("<|en|>", "<|transcribe|>") if vocabulary >= MULTILINGUAL else ()
    return tuple(_number(folder, tokenizer, piece) for piece in ("<|startoftranscript|>", *told, "<|notimestamps|>"))


def _number(folder: Path, tokenizer: Published, piece: str) -> int:
    found = tokenizer.number(piece)
    if found is None:
        raise BadFile(folder / TOKENIZER, found=f"without {piece}", expected="the tokenizer of a Whisper")
    return found
