"""GNMT (Wu et al. 2016) as the reference shapes it: LSTM encoder and decoder, normalised Bahdanau attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mlassay.training.translation.data import PAD
from mlassay.training.translation.recipe import TranslationConfig


class BahdanauAttention(nn.Module):
    """score = v̂·tanh(W q + U k + b), where v is rescaled to a learned length that starts at 1/√width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.v, self.bias = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.length = nn.Parameter(torch.empty(1))

    def forward(self, queries: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """Queries (B, T, C), memory (B, S, C), padding (B, S) True at pads; contexts (B, T, C)."""
        sums = self.query(queries)[:, :, None] + self.key(memory)[:, None] + self.bias  # (B, T, S, C)
        scores = torch.tanh(sums) @ (self.v / self.v.norm() * self.length)
        weights = scores.masked_fill(padding[:, None], -65504.0).softmax(-1)
        return weights @ memory


class Gnmt(nn.Module):
    """Sources (B, S) and target beginnings (B, T) to next-piece scores (B, T, V)."""

    def __init__(self, c: TranslationConfig) -> None:
        super().__init__()
        h = c.hidden
        self.embedding = nn.Embedding(c.vocabulary, h, padding_idx=PAD)  # one for both languages
        self.both_ways = nn.LSTM(h, h, batch_first=True, bidirectional=True)
        self.encoder = nn.ModuleList(
            nn.LSTM(2 * h if i == 0 else h, h, batch_first=True) for i in range(c.n_layers - 1)
        )
        self.first = nn.LSTM(h, h, batch_first=True)
        self.attention = BahdanauAttention(h)
        self.decoder = nn.ModuleList(nn.LSTM(2 * h, h, batch_first=True) for _ in range(c.n_layers - 1))
        self.classifier = nn.Linear(h, c.vocabulary)
        self.dropout = nn.Dropout(c.dropout)
        for p in self.parameters():
            nn.init.uniform_(p, -c.init_bound, c.init_bound)
        nn.init.constant_(self.attention.length, 1 / math.sqrt(h))
        nn.init.zeros_(self.attention.bias)

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        padding = sources == PAD
        lengths = (~padding).sum(1).cpu()
        x = self.dropout(self.embedding(sources))
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x = nn.utils.rnn.pad_packed_sequence(self.both_ways(packed)[0], batch_first=True, total_length=x.shape[1])[0]
        for i, lstm in enumerate(self.encoder):
            y = lstm(self.dropout(x))[0]
            x = x + y if i >= 1 else y  # residual from the third layer on
        return x, padding

    def decode(self, targets: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor:
        """The first layer asks the memory; what it is told goes into every later layer."""
        x = self.first(self.dropout(self.embedding(targets)))[0]
        context = self.attention(x, *memory)
        for i, lstm in enumerate(self.decoder):
            y = lstm(torch.cat([self.dropout(x), context], -1))[0]
            x = x + y if i >= 1 else y
        scores: Tensor = self.classifier(x)
        return scores

    def forward(self, sources: Tensor, targets: Tensor) -> Tensor:
        return self.decode(targets, self.encode(sources))
