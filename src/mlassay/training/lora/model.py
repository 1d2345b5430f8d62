"""Low-rank adapters beside frozen linear layers (LoRA, section 4.1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.llm.model import LanguageModel
from mlassay.training.lora.recipe import LoraConfig


class Adapted(nn.Module):
    """y = W·x + α/r · B·A·dropout(x): W as it came, A (r, in) uniform, B (out, r) zero, so that training starts at W.

    A and B are 32 bits wide whatever W is, and so is their product.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base, self.scale, self.dropout = base, alpha / rank, dropout
        at: dict[str, torch.device] = {"device": base.weight.device}
        self.lora_a = nn.Parameter(torch.empty(rank, base.in_features, dtype=torch.float32, **at))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank, dtype=torch.float32, **at))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        thin = F.linear(F.dropout(x, self.dropout, self.training).to(self.lora_a.dtype), self.lora_a)  # (…, r)
        out: Tensor = y + (F.linear(thin, self.lora_b) * self.scale).to(y.dtype)
        return out


def adapt(net: LanguageModel, c: LoraConfig) -> LanguageModel:
    """Freeze everything, then put an adapter beside the fused qkv and the output projection of every layer."""
    net.requires_grad_(False)
    for layer in net.layers:
        attention = layer.attention
        for name in ("qkv", "out"):
            setattr(attention, name, Adapted(getattr(attention, name), c.lora_rank, c.lora_alpha, c.lora_dropout))
    return net


def count_trained(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
