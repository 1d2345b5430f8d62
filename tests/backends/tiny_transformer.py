"""A tiny Transformer in plain PyTorch, and its way to CTranslate2 by the converter's own classes."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

WIDTH, HEADS, LAYERS, INNER, PLACES = 16, 2, 2, 32, 64
START, END = 1, 2


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor | None = None, *, ahead: bool = True) -> Tensor:
        """(T, D) looks at itself or at memory (S, D)."""
        y = self.norm(x)
        seen = y if memory is None else memory
        split = lambda z: z.reshape(len(z), HEADS, -1).transpose(0, 1)  # noqa: E731 - (heads, T, size)
        q, k, v = split(self.query(y)), split(self.key(seen)), split(self.value(seen))
        scores = q @ k.transpose(1, 2) / math.sqrt(WIDTH // HEADS)
        if not ahead:
            scores = scores + torch.full((len(y), len(seen)), -torch.inf).triu(1)
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(y), WIDTH)
        return x + self.out(mixed)


class Layer(nn.Module):
    def __init__(self, *, crosses: bool) -> None:
        super().__init__()
        self.own = Attention()
        self.cross = Attention() if crosses else None
        self.norm, self.wide, self.narrow = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        x = self.own(x, ahead=self.cross is None)
        if self.cross is not None:
            x = self.cross(x, memory)
        return x + self.narrow(self.wide(self.norm(x)).relu())


class Transformer(nn.Module):
    """Pre-norm, one vocabulary; a sentence at a time."""

    def __init__(self, pieces: list[str]) -> None:
        super().__init__()
        self.pieces = pieces
        self.words = nn.Embedding(len(pieces), WIDTH)
        self.places = nn.Parameter(0.3 * torch.randn(PLACES, WIDTH))
        self.encoder = nn.ModuleList(Layer(crosses=False) for _ in range(LAYERS))
        self.decoder = nn.ModuleList(Layer(crosses=True) for _ in range(LAYERS))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, len(pieces))

    def embedded(self, numbers: list[int]) -> Tensor:
        return self.words(torch.tensor(numbers)) * math.sqrt(WIDTH) + self.places[: len(numbers)]

    @torch.no_grad()
    def translate(self, source: list[str], longest: int) -> list[str]:
        """Greedily; at least one piece, as CTranslate2 has it."""
        number = {piece: k for k, piece in enumerate(self.pieces)}
        x = self.embedded([number.get(piece, 0) for piece in source])
        for layer in self.encoder:
            x = layer(x)
        memory, said = self.encoder_norm(x), [START]
        while len(said) <= longest:
            y = self.embedded(said)
            for layer in self.decoder:
                y = layer(y, memory)
            scores = self.out(self.decoder_norm(y))[-1]
            if len(said) == 1:
                scores[END] = -torch.inf
            said.append(int(scores.argmax()))
            if said[-1] == END:
                return [self.pieces[n] for n in said[1:-1]]
        return [self.pieces[n] for n in said[1:]]


def convert(network: Transformer, folder: Path) -> Path:
    """What ct2's converters write for such a network."""
    from ctranslate2.specs import transformer_spec

    spec = transformer_spec.TransformerSpec.from_config(LAYERS, HEADS, pre_norm=True)
    spec.register_source_vocabulary(network.pieces)
    spec.register_target_vocabulary(network.pieces)
    for side, layers, norm in (
        (spec.encoder, network.encoder, network.encoder_norm),
        (spec.decoder, network.decoder, network.decoder_norm),
    ):
        words = side.embeddings[0] if isinstance(side.embeddings, list) else side.embeddings
        words.weight = _array(network.words.weight)
        side.position_encodings.encodings = _array(network.places)
        _norm(side.layer_norm, norm)
        for theirs, ours in zip(side.layer, layers, strict=True):
            _attention(theirs.self_attention, ours.own, [("query", "key", "value"), ("out",)])
            if ours.cross is not None:
                _attention(theirs.attention, ours.cross, [("query",), ("key", "value"), ("out",)])
            _norm(theirs.ffn.layer_norm, ours.norm)
            _linear(theirs.ffn.linear_0, ours.wide)
            _linear(theirs.ffn.linear_1, ours.narrow)
    _linear(spec.decoder.projection, network.out)
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))
    return folder


def _attention(theirs: object, ours: Attention, parts: list[tuple[str, ...]]) -> None:
    _norm(theirs.layer_norm, ours.norm)  # type: ignore[attr-defined]
    for linear, names in zip(theirs.linear, parts, strict=True):  # type: ignore[attr-defined]
        linear.weight = _array(torch.cat([getattr(ours, name).weight for name in names]))
        linear.bias = _array(torch.cat([getattr(ours, name).bias for name in names]))


def _linear(theirs: object, ours: nn.Linear) -> None:
    theirs.weight, theirs.bias = _array(ours.weight), _array(ours.bias)  # type: ignore[attr-defined]


def _norm(theirs: object, ours: nn.LayerNorm) -> None:
    theirs.gamma, theirs.beta = _array(ours.weight), _array(ours.bias)  # type: ignore[attr-defined]


def _array(tensor: Tensor) -> object:
    return tensor.detach().numpy()
