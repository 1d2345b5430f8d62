"""The transducer loss (Graves, arXiv:1211.3711, section 2.4), vectorised. Needs torch."""

from __future__ import annotations

import torch
from torch import Tensor


def transducer_loss(logits: Tensor, rows: Tensor, said: Tensor, n_said: Tensor) -> Tensor:
    """Mean of -log P(said | heard) over all ways to place the symbols: (B, S, U + 1, K), (B,), (B, U), (B,) -> ().

    The way to (s, u) comes from (s - 1, u) by a blank or from (s, u - 1) by a symbol. Along s a column is a running
    sum in logs once the blanks before each s are taken out, so that only u is a loop. The sums are of many terms that
    nearly cancel, hence 64 bits; they are small beside the logits.
    """
    total = logits.logsumexp(-1)  # (B, S, U + 1)
    blank = (logits[..., -1] - total).double()
    which = said[:, None, :, None].expand(-1, logits.shape[1], -1, -1)
    spoken = (logits[:, :, :-1].gather(3, which)[..., 0] - total[:, :, :-1]).double()  # (B, S, U)
    before = blank.cumsum(1) - blank  # blanks passed before s
    column = before[:, :, 0]
    columns = [column]
    for u in range(said.shape[1]):
        column = before[:, :, u + 1] + (column + spoken[:, :, u] - before[:, :, u + 1]).logcumsumexp(1)
        columns.append(column)
    paths = torch.stack(columns, 2) + blank  # the last step is a blank
    last = (rows - 1)[:, None, None].expand(-1, 1, paths.shape[2])
    return -paths.gather(1, last)[:, 0].gather(1, n_said[:, None]).mean().to(logits.dtype)
