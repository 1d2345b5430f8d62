"""RNN-T (Graves, arXiv:1211.3711) as the rule books of inference and of training have it.

An encoder hears, a prediction network reads what was said so far, a joint network says the next symbol or "blank",
which means: hear on. Needs torch; imported only by what trains or exports a model.
Shapes: B recordings, T rows of features, S rows after stacking, U symbols so far, K symbols and the blank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
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
    split_joint: bool = False  # training's form: one map for what was heard and one for what was said, added
    encoder_dropout: float = 0.0
    prediction_dropout: float = 0.0
    joint_dropout: float = 0.0


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.stack = shape.stack
        self.before = _lstm(shape.features, shape.encoder, shape.before, shape.encoder_dropout)
        self.after = _lstm(shape.stack * shape.encoder, shape.encoder, shape.after, shape.encoder_dropout)
        self.drop = nn.Dropout(shape.encoder_dropout)

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, features), (B,) -> (B, S, encoder), (B,). Padding at the end has no effect on what comes before."""
        x, _ = self.before(x)
        x = self.drop(x)
        real = torch.arange(x.shape[1], device=x.device)[None] < length[:, None]
        x = x * real[:, :, None].to(x.dtype)  # the last row of an odd number is stacked on zeros
        stack = self.stack
        x = nn.functional.pad(x, [0, 0, 0, stack - 1])
        x = x[:, : x.shape[1] // stack * stack]
        x = x.reshape(x.shape[0], -1, stack * x.shape[2])
        out, _ = self.after(x)
        return self.drop(out), torch.div(length + stack - 1, stack, rounding_mode="floor")


class Prediction(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Embedding(shape.symbols, shape.prediction)
        self.rnn = _lstm(shape.prediction, shape.prediction, shape.prediction_layers, shape.prediction_dropout)
        self.drop = nn.Dropout(shape.prediction_dropout)
        self.layers = shape.prediction_layers

    def forward(self, said: Tensor) -> Tensor:
        """(B, U) -> (B, U + 1, prediction): before anything was said, then after each symbol."""
        x = self.embed(said)
        out, _ = self.rnn(nn.functional.pad(x, (0, 0, 1, 0)))  # the beginning is a row of zeros
        return self.drop(out)


class Joint(nn.Module):
    """Inference's form: one map over both, side by side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(shape.encoder + shape.prediction, shape.joint),
            nn.ReLU(),
            nn.Dropout(shape.joint_dropout),
            nn.Linear(shape.joint, shape.symbols + 1),
        )

    def forward(self, heard: Tensor, said: Tensor) -> Tensor:
        return self.net(torch.cat([heard, said], -1))

    @torch.jit.unused
    def grid(self, heard: Tensor, said: Tensor) -> Tensor:
        """(B, S, encoder), (B, U + 1, prediction) -> (B, S, U + 1, K)."""
        s, u = heard.shape[1], said.shape[1]
        return self(heard[:, :, None].expand(-1, -1, u, -1), said[:, None].expand(-1, s, -1, -1))


class SplitJoint(nn.Module):
    """Training's form: what was heard and what was said are mapped apart (two biases) and added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heard = nn.Linear(shape.encoder, shape.joint)
        self.said = nn.Linear(shape.prediction, shape.joint)
        self.net = nn.Sequential(nn.ReLU(), nn.Dropout(shape.joint_dropout), nn.Linear(shape.joint, shape.symbols + 1))

    def forward(self, heard: Tensor, said: Tensor) -> Tensor:
        return self.net(self.heard(heard) + self.said(said))

    @torch.jit.unused
    def grid(self, heard: Tensor, said: Tensor) -> Tensor:
        """(B, S, encoder), (B, U + 1, prediction) -> (B, S, U + 1, K)."""
        return self.net(self.heard(heard)[:, :, None] + self.said(said)[:, None])


class Rnnt(nn.Module):
    """As in training: the right symbols are given."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder, self.prediction = Encoder(shape), Prediction(shape)
        self.joint = SplitJoint(shape) if shape.split_joint else Joint(shape)

    def forward(self, x: Tensor, length: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, features), (B,), (B, U) -> logits (B, S, U + 1, K), rows heard (B,)."""
        heard, rows = self.encoder(x, length)
        return self.joint.grid(heard, self.prediction(said)), rows

    @torch.no_grad()
    def scale_lstms(self, scale: float) -> None:
        """The training rules' start: each forget gate's bias 1 (of its two biases 1 and 0), then all times `scale`."""
        for lstm in (self.encoder.before, self.encoder.after, self.prediction.rnn):
            gate = slice(lstm.hidden_size, 2 * lstm.hidden_size)
            for name, p in lstm.named_parameters():
                if name.startswith("bias"):
                    p[gate] = 1.0 if name.startswith("bias_ih") else 0.0
                p.mul_(scale)


def _lstm(n_in: int, n_out: int, layers: int, dropout: float) -> nn.LSTM:
    """Dropout between layers; what follows the last one is the caller's."""
    return nn.LSTM(n_in, n_out, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
