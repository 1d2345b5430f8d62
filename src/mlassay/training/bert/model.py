"""BERT (Devlin et al. 2018): post-norm encoder, tied masked-language head, next-sentence head."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.bert.recipe import BertConfig


class Layer(nn.Module):
    """Attention and feed-forward, each added and then normalised."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        self.n_heads = c.n_heads
        self.qkv, self.out = nn.Linear(c.hidden, 3 * c.hidden), nn.Linear(c.hidden, c.hidden)
        self.norm_1 = nn.LayerNorm(c.hidden, c.norm_epsilon)
        self.up, self.down = nn.Linear(c.hidden, c.ffn), nn.Linear(c.ffn, c.hidden)
        self.norm_2 = nn.LayerNorm(c.hidden, c.norm_epsilon)
        self.dropout, self.rate = nn.Dropout(c.dropout), c.dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        b, t, width = x.shape
        q, k, v = (y.view(b, t, self.n_heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))  # (B, H, T, D)
        rate = self.rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout_p=rate).transpose(1, 2).reshape(b, t, width)
        x = self.norm_1(x + self.dropout(self.out(mixed)))
        out: Tensor = self.norm_2(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return out


class BertModel(nn.Module):
    """Tokens, segments and padding mask (B, T) and positions to predict (B, P) to token scores and sentence scores."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(c.vocabulary, c.hidden), nn.Embedding(c.sequence_length, c.hidden)
        self.segment = nn.Embedding(2, c.hidden)
        self.norm, self.dropout = nn.LayerNorm(c.hidden, c.norm_epsilon), nn.Dropout(c.dropout)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.n_layers))
        self.transform = nn.Linear(c.hidden, c.hidden)
        self.transform_norm = nn.LayerNorm(c.hidden, c.norm_epsilon)
        self.token_bias = nn.Parameter(torch.zeros(c.vocabulary))
        self.pooler = nn.Linear(c.hidden, c.hidden) if c.next_sentence else None
        self.sentence = nn.Linear(c.hidden, 2) if c.next_sentence else None
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.trunc_normal_(p, 0.0, c.init_std, -2 * c.init_std, 2 * c.init_std)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(
        self, tokens: Tensor, segments: Tensor, padding: Tensor | None, wanted: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]] + self.segment(segments)
        x = self.dropout(self.norm(x))
        mask = None if padding is None else padding[:, None, None, :].bool()
        for layer in self.layers:
            x = layer(x, mask)
        chosen = x.gather(1, wanted[..., None].expand(-1, -1, x.shape[-1]))  # (B, P, C)
        hidden = self.transform_norm(F.gelu(self.transform(chosen)))
        scores = F.linear(hidden, self.token.weight, self.token_bias)
        if self.pooler is None or self.sentence is None:
            return scores, None
        return scores, self.sentence(torch.tanh(self.pooler(x[:, 0])))


_NAMES = {
    "token": "bert/embeddings/word_embeddings",
    "position": "bert/embeddings/position_embeddings",
    "segment": "bert/embeddings/token_type_embeddings",
    "norm": "bert/embeddings/LayerNorm",
    "transform": "cls/predictions/transform/dense",
    "transform_norm": "cls/predictions/transform/LayerNorm",
    "token_bias": "cls/predictions/output_bias",
    "pooler": "bert/pooler/dense",
    "out": "attention/output/dense",
    "norm_1": "attention/output/LayerNorm",
    "up": "intermediate/dense",
    "down": "output/dense",
    "norm_2": "output/LayerNorm",
}
"""Ours to the reference's; the later five within a layer."""


def reference_names(parameter: str) -> tuple[str, ...]:
    """Our layers.3.qkv.bias as the logs of v1.1 to v2.1 have it: three biases of bert/encoder/layer_3."""
    path, part, kind = ["", "", *parameter.split(".")][-3:]
    if part in ("", "token", "position", "segment"):
        return (_NAMES[part or kind],)
    if part == "sentence":
        return (f"cls/seq_relationship/output_{kind}" + "s" * (kind == "weight"),)
    inside = f"bert/encoder/layer_{path}/" if path else ""
    if part == "qkv":
        kind = "kernel" if kind == "weight" else kind
        return tuple(f"{inside}attention/self/{x}/{kind}" for x in ("query", "key", "value"))
    spelled = {"weight": "gamma", "bias": "beta"} if "norm" in part else {"weight": "kernel", "bias": "bias"}
    return (f"{inside}{_NAMES[part]}/{spelled[kind]}",)
