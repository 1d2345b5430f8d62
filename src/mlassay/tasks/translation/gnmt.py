"""GNMT (Wu et al., arXiv:1609.08144) as the rule book has it: the reference network, and the packed small one.

Four encoder layers of which the first reads both ways, four decoder layers, normalised additive attention whose result
every decoder layer sees. Needs torch; imported only by what trains or exports a model.
Shapes: B sentences, S source pieces, D units, L decoder layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

UNKNOWN, START, END = 0, 1, 2
"""The first three lines of every vocabulary file."""
_SHUT = 1e4  # a gate whose input is that far from 0 is exactly open or shut


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one GNMT."""

    source_vocabulary: int
    target_vocabulary: int
    units: int
    encoder_layers: int  # the first is bidirectional; the third and later have shortcuts
    decoder_layers: int  # the third and later have shortcuts


REFERENCE = Recipe(source_vocabulary=36_548, target_vocabulary=36_548, units=1024, encoder_layers=4, decoder_layers=4)
"""The rule book's GNMT with its vocabulary of 32,000 merges: 211 million parameters, "210 M" in the published table."""


class Lstm(nn.Module):
    """One layer, one way, over sentences that are padded at their end: the memory stands still there."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.input_weight = nn.Parameter(torch.empty(4 * units, inputs))  # gates: input, forget, new, output
        self.hidden_weight = nn.Parameter(torch.empty(4 * units, units))
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.register_buffer("_pad_column", _pad_column(units), persistent=False)
        self._pad_column: Tensor

    def forward(self, x: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, inputs), (B, S, 1) with 1 where there is padding -> (B, S, D), last memory (B, D).

        Padding enters as one more input whose weights shut the input gate and hold the forget gate open.
        """
        zero = x.new_zeros(1, x.shape[0], self.units)
        weights = [
            torch.cat([self.input_weight, self._pad_column], 1),
            self.hidden_weight,
            self.bias,
            torch.zeros_like(self.bias),
        ]
        out, _, memory = torch._VF.lstm(
            torch.cat([x, padding], 2), [zero, zero], weights, True, 1, 0.0, False, False, True
        )
        return out, memory[0]

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """(N, inputs) and both states (N, D) -> both new states."""
        gates = x @ self.input_weight.t() + h @ self.hidden_weight.t() + self.bias
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


def _pad_column(units: int) -> Tensor:
    gates = torch.tensor([-_SHUT, _SHUT, 0.0, 0.0])
    return gates.repeat_interleave(units)[:, None]


class Encoder(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        d = recipe.units
        self.words = nn.Embedding(recipe.source_vocabulary, d)
        self.forth, self.back = Lstm(d, d), Lstm(d, d)
        self.layers = nn.ModuleList(Lstm(2 * d if k == 0 else d, d) for k in range(recipe.encoder_layers - 1))

    def forward(self, source: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, S), (B,) -> memory (B, S, D), first states of the decoder: twice (L, B, D)."""
        x = self.words(source)
        place = torch.arange(source.shape[1], device=source.device)[None].expand_as(source)
        padding = (place >= length[:, None]).to(x.dtype)[:, :, None]
        mirrored = torch.where(place < length[:, None], length[:, None] - 1 - place, place)
        forth, _ = self.forth(x, padding)
        back, back_memory = self.back(_reordered(x, mirrored), padding)
        last = (length - 1)[:, None]
        hidden, memory = [_at(back, last)], [back_memory]
        x = torch.cat([forth, _reordered(back, mirrored)], 2)
        for number, layer in enumerate(self.layers):
            out, layer_memory = layer(x, padding)
            hidden.append(_at(out, last))
            memory.append(layer_memory)
            x = out + x if number > 0 else out
        return x, torch.stack(hidden), torch.stack(memory)


def _reordered(x: Tensor, place: Tensor) -> Tensor:
    return x.gather(1, place[:, :, None].expand(-1, -1, x.shape[2]))


def _at(x: Tensor, place: Tensor) -> Tensor:
    return x.gather(1, place[:, :, None].expand(-1, -1, x.shape[2]))[:, 0]


class Decoder(nn.Module):
    """One step at a time: the first layer looks at the source, the others see what it found."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        d = recipe.units
        self.words = nn.Embedding(recipe.target_vocabulary, d)
        self.layers = nn.ModuleList(Lstm(2 * d, d) for _ in range(recipe.decoder_layers))
        self.key = nn.Linear(d, d, bias=False)
        self.query = nn.Linear(d, d, bias=False)
        self.score = nn.Parameter(torch.empty(d))
        self.scale = nn.Parameter(torch.tensor(d**-0.5))
        self.shift = nn.Parameter(torch.zeros(d))
        self.out = nn.Linear(d, recipe.target_vocabulary, bias=False)

    def attend(self, state: Tensor, memory: Tensor, keys: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) and (N, S, D) -> what was found (N, D), weights (N, S)."""
        v = self.scale * self.score / (self.score * self.score).sum().sqrt()
        weights = ((keys + self.query(state)[:, None] + self.shift).tanh() @ v - padding * 1e9).softmax(1)
        return (weights[:, None] @ memory)[:, 0], weights

    def forward(
        self,
        word: Tensor,
        found: Tensor,
        h: Tensor,
        c: Tensor,
        memory: Tensor,
        keys: Tensor,
        padding: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """One word (N,) and the state so far -> what `out` reads, found (N, D), h, c (L, N, D), weights (N, S)."""
        x = self.words(word)
        hidden, memories = [], []
        weights = padding
        for number, layer in enumerate(self.layers):
            new_h, new_c = layer.step(torch.cat([x, found], 1), h[number], c[number])
            hidden.append(new_h)
            memories.append(new_c)
            if number == 0:
                found, weights = self.attend(new_h, memory, keys, padding)
                x = new_h
            else:
                x = new_h + x if number > 1 else new_h
        return x, found, torch.stack(hidden), torch.stack(memories), weights


class Gnmt(nn.Module):
    """Encoder and decoder; called as in training, with the right words so far."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(recipe), Decoder(recipe)
        for weight in self.parameters():
            if weight.dim() > 0:
                nn.init.uniform_(weight, -0.1, 0.1)

    def forward(self, source: Tensor, length: Tensor, target: Tensor) -> Tensor:
        """(B, S), (B,), (B, T) -> logits (B, T, V): after target[:, :t] comes the word that logits[:, t - 1] say."""
        memory, h, c = self.encoder(source, length)
        keys = self.decoder.key(memory)
        padding = (torch.arange(source.shape[1])[None] >= length[:, None]).to(memory.dtype)
        found = torch.zeros_like(h[0])
        tops = []
        for word in target.unbind(1):
            top, found, h, c, _ = self.decoder(word, found, h, c, memory, keys, padding)
            tops.append(top)
        logits: Tensor = self.decoder.out(torch.stack(tops, 1))
        return logits
