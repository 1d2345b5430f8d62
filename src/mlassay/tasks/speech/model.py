"""The reference recognisers: published checkpoints into our own definitions, and their way to ONNX.

Needs torch; imported only when a model must be made or measured.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from mlassay.tasks.checkpoint import OPSET, load_weights, read_checkpoint
from mlassay.tasks.speech.whisper import Whisper
from mlassay.tasks.speech.whisper import published_key as whisper_key
from mlassay.training.rnnt.greedy import Greedy
from mlassay.training.rnnt.model import Rnnt, Shape

REFERENCE = Shape(
    features=240, symbols=28, encoder=1024, before=2, after=3, prediction=320, prediction_layers=2, joint=512
)
"""The inference rule book's RNN-T: 45,323,037 parameters."""

DIGITS = Shape(features=120, symbols=10, encoder=96, before=1, after=1, prediction=32, prediction_layers=1, joint=96)
"""The packed one, for spoken digits."""

INPUTS = ("features", "length")
OUTPUT = "symbols"
_UNUSED = ("audio_preprocessor.",)


def load_published(path: Path, shape: Shape = REFERENCE) -> Rnnt:
    """The rule book's checkpoint of RNN-T: a file whose "state_dict" has these weights."""
    published = {
        name.replace("joint_net.", "joint.net."): value
        for name, value in read_checkpoint(path).items()
        if not name.startswith(_UNUSED)
    }
    network = Rnnt(shape)
    load_weights(network, published, published_key, path)
    return network


def load_published_whisper(network: Whisper, path: Path) -> Whisper:
    """Weights of Hugging Face's WhisperForConditionalGeneration."""
    published = read_checkpoint(path)
    published.pop("proj_out.weight", None)  # the table of words again
    load_weights(network, published, whisper_key, path)
    return network


def export(network: Rnnt, path: Path, *, longest: int = 256, per_row: int = 30) -> None:
    """Write network and greedy recognition as one ONNX file; batch and length free."""
    example = (torch.zeros(2, 7, network.shape.features), torch.tensor([7, 5]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter of scripted loops talks of its age, and of shapes it cannot tell
        module = torch.jit.script(Greedy(network.eval(), longest=longest, per_row=per_row))
        torch.onnx.export(
            module,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={"features": {0: "batch", 1: "rows"}, "length": {0: "batch"}, "symbols": {0: "batch"}},
        )


def published_key(name: str) -> str:
    """Our name of a tensor to that of the rule book's checkpoint."""
    theirs = {
        "encoder.before": "encoder.pre_rnn.lstm",
        "encoder.after": "encoder.post_rnn.lstm",
        "prediction.embed": "prediction.embed",
        "prediction.rnn": "prediction.dec_rnn.lstm",
        "joint.net.0": "joint.net.0",
        "joint.net.3": "joint.net.3",
    }
    part, _, kind = name.rpartition(".")
    return f"{theirs[part]}.{kind}"
