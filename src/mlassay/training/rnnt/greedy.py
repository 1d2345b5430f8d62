"""Greedy recognition inside the model, so that one file recognises on any runtime: features in, symbols out.

All recordings of a batch go on at their own pace: each has its own place in time and its own symbols so far. Needs
torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlassay.training.rnnt.model import Rnnt

NO_SYMBOL = -1
"""Fills the answer's beginning: the symbols stand at the end of its row."""


class Greedy(nn.Module):
    """(B, T, features) and (B,) rows -> (B, longest) symbols, the likeliest at each step; after so many it stops."""

    def __init__(self, model: Rnnt, *, longest: int, per_row: int = 30) -> None:
        super().__init__()
        self.encoder, self.joint, self.embed = model.encoder, model.joint, model.prediction.embed
        rnn, self.layers = model.prediction.rnn, model.prediction.layers
        self.inputs = nn.ParameterList([getattr(rnn, f"weight_ih_l{k}") for k in range(self.layers)])
        self.hidden = nn.ParameterList([getattr(rnn, f"weight_hh_l{k}") for k in range(self.layers)])
        self.bias = nn.ParameterList(
            [getattr(rnn, f"bias_ih_l{k}") + getattr(rnn, f"bias_hh_l{k}") for k in range(self.layers)]
        )
        self.longest, self.per_row, self.blank = longest, per_row, model.shape.symbols
        self.width, self.nothing = model.shape.prediction, NO_SYMBOL

    def forward(self, features: Tensor, length: Tensor) -> Tensor:
        heard, rows = self.encoder(features, length)
        b, s = heard.shape[0], heard.shape[1]
        rows = rows.clamp(max=s)
        at = torch.zeros_like(rows)
        said_here = torch.zeros_like(rows)
        said = torch.zeros_like(rows)
        h = heard.new_zeros([self.layers, b, self.width])
        state = self.read(h[0], h, h)
        out = torch.full_like(rows[:, None], self.nothing).expand(-1, self.longest)
        while bool(((at < rows) & (said < self.longest)).any()):
            going = (at < rows) & (said < self.longest)
            place = at.clamp(max=s - 1)[:, None, None].expand(-1, 1, heard.shape[2])
            now = heard.gather(1, place)[:, 0]
            best = self.joint(now, state[0]).argmax(1)
            speaks = going & (best != self.blank)
            symbol = torch.where(speaks, best, torch.zeros_like(best))
            new = self.read(self.embed(symbol), state[1], state[2])
            state = self.chosen(speaks, new, state)
            out = torch.where(speaks[:, None], torch.cat([out[:, 1:], best[:, None]], 1), out)
            said = said + speaks.to(said.dtype)
            said_here = torch.where(speaks, said_here + 1, torch.zeros_like(said_here))
            onward = (going & ~speaks) | (said_here >= self.per_row)
            at = at + onward.to(at.dtype)
            said_here = torch.where(onward, torch.zeros_like(said_here), said_here)
        return out

    def read(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the prediction network: (B, prediction), states (L, B, prediction) -> output and new states."""
        hidden, memory = [], []
        for number, (w, u, bias) in enumerate(zip(self.inputs, self.hidden, self.bias)):  # noqa: B905 - TorchScript has no strict
            i, f, g, o = (x @ w.t() + h[number] @ u.t() + bias).chunk(4, 1)
            new_c = f.sigmoid() * c[number] + i.sigmoid() * g.tanh()
            x = o.sigmoid() * new_c.tanh()
            hidden.append(x)
            memory.append(new_c)
        return x, torch.stack(hidden), torch.stack(memory)

    def chosen(
        self, speaks: Tensor, new: tuple[Tensor, Tensor, Tensor], old: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """New states where something was said, old ones elsewhere."""
        each = speaks[None, :, None]
        return (
            torch.where(speaks[:, None], new[0], old[0]),
            torch.where(each, new[1], old[1]),
            torch.where(each, new[2], old[2]),
        )
