"""Beam search over any model with encode and decode."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mlassay.training.translation.data import BEGIN, END, PAD


class Translator(Protocol):
    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]: ...
    def decode(self, targets: Tensor, memory: tuple[Tensor, Tensor]) -> Tensor: ...


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha (Wu et al. 2016)."""
    return float(((5 + length) / 6) ** alpha)


@torch.no_grad()
def beam_search(model: Translator, sources: Tensor, beam: int, alpha: float, extra: int) -> list[list[int]]:
    """The best answer to each source, without specials; at most `extra` pieces longer than the longest source."""
    b = sources.shape[0]
    memory, seen = model.encode(sources)
    memory, seen = memory.repeat_interleave(beam, 0), seen.repeat_interleave(beam, 0)
    answers = torch.full((b * beam, 1), BEGIN, device=sources.device)
    totals = torch.full((b, beam), -torch.inf, device=sources.device)
    totals[:, 0] = 0.0
    best: list[tuple[float, list[int]]] = [(-float("inf"), [])] * b
    longest = sources.shape[1] + extra
    for length in range(1, longest + 1):
        steps = model.decode(answers, (memory, seen))[:, -1].float().log_softmax(-1)  # (B·beam, V)
        steps[:, PAD] = steps[:, BEGIN] = -torch.inf
        vocabulary = steps.shape[-1]
        ends = totals + steps[:, END].view(b, beam)
        for i, (score, k) in enumerate(zip(*[x.tolist() for x in ends.max(1)], strict=True)):
            value = score / length_penalty(length, alpha)
            if value > best[i][0]:
                best[i] = (value, answers[i * beam + k, 1:].tolist())
        steps[:, END] = -torch.inf
        totals, chosen = (totals[..., None] + steps.view(b, beam, vocabulary)).flatten(1).topk(beam)
        parents = (chosen // vocabulary + torch.arange(b, device=sources.device)[:, None] * beam).flatten()
        answers = torch.cat([answers[parents], (chosen % vocabulary).view(-1, 1)], 1)
        hope = totals[:, 0] / length_penalty(longest, alpha)
        if all(best[i][0] > h for i, h in enumerate(hope.tolist())):
            break
    return [pieces or answers[i * beam, 1:].tolist() for i, (_, pieces) in enumerate(best)]
