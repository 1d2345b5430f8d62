"""Beam search inside the model, so that one file translates on any runtime: pieces in, pieces out.

A hypothesis Y of a source X scores log P(Y|X) / lp(Y) + cp(X, Y) with GNMT's length penalty
lp = ((5 + |Y|) / 6) ** alpha and, once it has ended, coverage penalty cp = beta * sum over source pieces of
log min(attention received, 1) (arXiv:1609.08144, section 7). Needs torch. Shapes: B sentences, K hypotheses each, N =
B*K.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlassay.tasks.translation.gnmt import END, START, Gnmt

NO_PIECE = -1
"""Fills the answer's beginning: a translation stands at the end of its row."""

_NEVER = -1e9


class BeamSearch(nn.Module):
    """(B, S) source pieces and (B,) their number -> (B, longest) target pieces, the best hypothesis of each."""

    def __init__(
        self, model: Gnmt, *, beams: int = 10, alpha: float = 1.0, beta: float = 0.1, longest: int = 160
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder
        self.beams, self.alpha, self.beta, self.longest = beams, alpha, beta, longest
        self.begin, self.end, self.nothing, self.out = START, END, NO_PIECE, _NEVER  # a scripted module sees no globals

    def forward(self, source: Tensor, source_length: Tensor) -> Tensor:
        memory, h, c = self.encoder(source, source_length)
        k = self.beams
        b = source.shape[0]
        keys = self.decoder.key(memory)
        padding = (torch.arange(source.shape[1])[None] >= source_length[:, None]).to(memory.dtype)  # (B, S)
        memory, keys, padding = self.widened(memory), self.widened(keys), self.widened(padding)
        h = h[:, :, None].expand(-1, -1, k, -1).reshape(h.shape[0], b * k, h.shape[2])
        c = c[:, :, None].expand(-1, -1, k, -1).reshape(c.shape[0], b * k, c.shape[2])
        found = torch.zeros_like(h[0])
        word = torch.full_like(source[:, :1], self.begin).expand(-1, k).reshape(-1)  # (N,)
        history = torch.full_like(source[:, :1], self.nothing).expand(-1, k * self.longest).reshape(b, k, self.longest)
        covered = torch.zeros_like(padding)  # (N, S)
        total = torch.cat([torch.zeros_like(found[:, :1]).reshape(b, k)[:, :1], self.never(b, found)], 1)  # (B, K)
        length = torch.zeros_like(total)
        ended = total > 0.0
        steps = 0
        limit = min(self.longest, 2 * int(source_length.max()))
        own_limit = 2 * source_length[:, None].expand(-1, k)  # so that no sentence depends on its batch
        while steps < limit and not bool(ended.all()):
            top, found, h, c, weights = self.decoder(word, found, h, c, memory, keys, padding)
            step = self.decoder.out(top).log_softmax(1).reshape(b, k, -1)  # (B, K, V)
            covered = covered + weights * (~ended).reshape(-1, 1).to(weights.dtype)
            total_v, length_v = self.extended(step, total, length, ended)
            scores = self.scores(total_v, length_v, covered, padding, ended)
            _, best = scores.reshape(b, -1).topk(k, 1)  # (B, K)
            v = step.shape[2]
            parent = torch.div(best, v, rounding_mode="floor")
            token = best - parent * v
            total = total_v.reshape(b, -1).gather(1, best)
            length = length_v.reshape(b, -1).gather(1, best)
            ended = ended.gather(1, parent) | (token == self.end) | (own_limit <= steps + 1)
            row = (parent + torch.arange(b)[:, None] * k).reshape(-1)
            found, h, c, covered = found[row], h[:, row], c[:, row], covered[row]
            history = history.reshape(b * k, -1)[row].reshape(b, k, -1)
            history = torch.cat([history[:, :, 1:], token[:, :, None]], 2)
            word = token.reshape(-1)
            steps += 1
        return history[:, 0]

    def widened(self, x: Tensor) -> Tensor:
        """Each sentence K times: (B, S) or (B, S, D) -> (N, ...)."""
        if x.dim() == 2:
            return x[:, None].expand(-1, self.beams, -1).reshape(-1, x.shape[1])
        return x[:, None].expand(-1, self.beams, -1, -1).reshape(-1, x.shape[1], x.shape[2])

    def never(self, b: int, like: Tensor) -> Tensor:
        """At first all hypotheses are the same: all but one are out."""
        return torch.zeros_like(like[:, :1]).reshape(b, self.beams)[:, 1:] + self.out

    def extended(self, step: Tensor, total: Tensor, length: Tensor, ended: Tensor) -> tuple[Tensor, Tensor]:
        """Log probability and length of each hypothesis with each next piece; an ended one stays as it is."""
        is_end = (torch.arange(step.shape[2])[None, None] == self.end).expand_as(step)
        stays = torch.where(is_end, torch.zeros_like(step), torch.full_like(step, self.out))
        step = torch.where(ended[:, :, None].expand_as(step), stays, step)
        longer = (~is_end & ~ended[:, :, None].expand_as(is_end)).to(step.dtype)
        return total[:, :, None] + step, length[:, :, None] + longer

    def scores(self, total: Tensor, length: Tensor, covered: Tensor, padding: Tensor, ended: Tensor) -> Tensor:
        penalty = ((5.0 + length) / 6.0) ** self.alpha
        missed = (covered.clamp(min=1e-6, max=1.0).log() * (1.0 - padding)).sum(1)  # (N,)
        coverage = self.beta * missed.reshape(total.shape[0], self.beams, 1).expand_as(total)
        is_end = (torch.arange(total.shape[2])[None, None] == self.end).expand_as(total)
        return total / penalty + torch.where(is_end, coverage, torch.zeros_like(coverage))
