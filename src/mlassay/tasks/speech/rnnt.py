"""RNN-T (Graves, arXiv:1211.3711) as the rule book has it: the reference network, and the packed small one.

An encoder hears, a prediction network reads what was said so far, a joint network says the next symbol or "blank",
which means: hear on. Needs torch; imported only by what trains or exports a model.
Shapes: B recordings, T rows of features, S rows after stacking, U symbols so far, K symbols and the blank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one RNN-T."""

    features: int
    symbols: int  # without the blank, whose number is `symbols`
    encoder: int
    before: int  # encoder layers before stacking
    after: int
    stack: int = 2  # rows that become one between them
    prediction: int
    prediction_layers: int
    joint: int


REFERENCE = Recipe(
    features=240, symbols=28, encoder=1024, before=2, after=3, prediction=320, prediction_layers=2, joint=512
)
"""The rule book's RNN-T: 45,323,037 parameters."""

DIGITS = Recipe(features=120, symbols=10, encoder=96, before=1, after=1, prediction=32, prediction_layers=1, joint=96)
"""For spoken digits."""


class Encoder(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.stack = recipe.stack
        self.before = nn.LSTM(recipe.features, recipe.encoder, recipe.before, batch_first=True)
        self.after = nn.LSTM(recipe.stack * recipe.encoder, recipe.encoder, recipe.after, batch_first=True)

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, features), (B,) -> (B, S, encoder), (B,). Padding at the end has no effect on what comes before."""
        x, _ = self.before(x)
        real = torch.arange(x.shape[1], device=x.device)[None] < length[:, None]
        x = x * real[:, :, None].to(x.dtype)  # the last row of an odd number is stacked on zeros
        stack = self.stack
        x = nn.functional.pad(x, [0, 0, 0, stack - 1])
        x = x[:, : x.shape[1] // stack * stack]
        x = x.reshape(x.shape[0], -1, stack * x.shape[2])
        out, _ = self.after(x)
        return out, torch.div(length + stack - 1, stack, rounding_mode="floor")


class Prediction(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.embed = nn.Embedding(recipe.symbols, recipe.prediction)
        self.rnn = nn.LSTM(recipe.prediction, recipe.prediction, recipe.prediction_layers, batch_first=True)
        self.layers = recipe.prediction_layers

    def forward(self, said: Tensor) -> Tensor:
        """(B, U) -> (B, U + 1, prediction): before anything was said, then after each symbol."""
        x = self.embed(said)
        out, _ = self.rnn(nn.functional.pad(x, (0, 0, 1, 0)))  # the beginning is a row of zeros
        return out


class Joint(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(recipe.encoder + recipe.prediction, recipe.joint),
            nn.ReLU(),
            nn.Linear(recipe.joint, recipe.symbols + 1),
        )

    def forward(self, heard: Tensor, said: Tensor) -> Tensor:
        return self.net(torch.cat([heard, said], -1))


class Rnnt(nn.Module):
    """As in training: the right symbols are given."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder, self.prediction, self.joint = Encoder(recipe), Prediction(recipe), Joint(recipe)

    def forward(self, x: Tensor, length: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, features), (B,), (B, U) -> logits (B, S, U + 1, K), rows heard (B,)."""
        heard, rows = self.encoder(x, length)
        predicted = self.prediction(said)
        s, u = heard.shape[1], predicted.shape[1]
        wide = heard[:, :, None].expand(-1, -1, u, -1), predicted[:, None].expand(-1, s, -1, -1)
        return self.joint(*wide), rows


def transducer_loss(logits: Tensor, rows: Tensor, said: Tensor, n_said: Tensor) -> Tensor:
    """Mean of -log P(said | heard) over all ways to place the symbols: (B, S, U + 1, K), (B,), (B, U), (B,) -> ().

    The way to (s, u) comes from (s - 1, u) by a blank or from (s, u - 1) by a symbol. Along s a column is a running
    sum in logs once the blanks before each s are taken out, so that only u is a loop.
    """
    scores = logits.log_softmax(-1)
    blank = scores[..., -1]  # (B, S, U + 1)
    before = blank.cumsum(1) - blank  # blanks passed before s
    column = before[:, :, 0]
    columns = [column]
    for u in range(said.shape[1]):
        spoken = scores[:, :, u].gather(2, said[:, None, u : u + 1].expand(-1, scores.shape[1], -1))[..., 0]
        column = before[:, :, u + 1] + (column + spoken - before[:, :, u + 1]).logcumsumexp(1)
        columns.append(column)
    paths = torch.stack(columns, 2) + blank  # the last step is a blank
    last = (rows - 1)[:, None, None].expand(-1, 1, paths.shape[2])
    return -paths.gather(1, last)[:, 0].gather(1, n_said[:, None]).mean()


def published_key(name: str) -> str:
    """Our name of a tensor to that of the rule book's checkpoint (its dropout shifts the joint's second map)."""
    theirs = {
        "encoder.before": "encoder.pre_rnn.lstm",
        "encoder.after": "encoder.post_rnn.lstm",
        "prediction.embed": "prediction.embed",
        "prediction.rnn": "prediction.dec_rnn.lstm",
        "joint.net.0": "joint.net.0",
        "joint.net.2": "joint.net.3",
    }
    part, _, kind = name.rpartition(".")
    return f"{theirs[part]}.{kind}"
