"""Optimisers of the reference recipes that PyTorch does not bring: LARS, LAMB, lazy Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Lars(Optimizer):
    """Momentum SGD with a trust ratio for each tensor (ResNet, v0.6 on).

    rate = lr · trust · ‖w‖ / (‖g‖ + wd·‖w‖ + ε); the buffer takes rate · (g + wd·w), the weight loses the buffer:
    the learning rate stands inside the momentum, as in the reference. Groups with skip=True (BN, bias) have neither
    decay nor trust ratio.
    """

    def __init__(
        self,
        params: Params,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        trust: float = 0.001,
        eps: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "eps": eps, "skip": False},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad, rate = p.grad, group["lr"]
                if not group["skip"]:
                    w_norm, g_norm = p.norm(), grad.norm()
                    ratio = group["trust"] * w_norm / (g_norm + group["weight_decay"] * w_norm + group["eps"])
                    rate = rate * torch.where((w_norm > 0) & (g_norm > 0), ratio, torch.ones_like(ratio))
                    grad = grad + group["weight_decay"] * p
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].mul_(group["momentum"]).add_(grad * rate)
                p.sub_(buffer)


class Lamb(Optimizer):
    """Adam's direction with bias correction and decoupled decay, scaled by ‖w‖/‖update‖ (BERT, RNN-T).

    Groups with skip=True (LayerNorm, bias) have neither decay nor trust ratio.
    """

    def __init__(
        self,
        params: Params,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "skip": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"], state["m"], state["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                m = state["m"].lerp_(p.grad, 1 - b1)
                v = state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                m_hat, v_hat = m / (1 - b1 ** state["step"]), v / (1 - b2 ** state["step"])
                update = m_hat / (v_hat.sqrt() + group["eps"])
                rate: Any = group["lr"]
                if not group["skip"]:
                    update = update + group["weight_decay"] * p
                    w_norm, u_norm = p.norm(), update.norm()
                    ok = (w_norm > 0) & (u_norm > 0)
                    rate = rate * torch.where(ok, w_norm / u_norm, torch.ones_like(w_norm))
                p.sub_(update * rate)


class LazyAdam(Optimizer):
    """Adam that leaves rows without gradient alone, moments included (embeddings of NCF and Transformer).

    A row counts as touched when its gradient is not all zero; tensors of one dimension are always touched. Bias
    correction counts steps of the whole tensor, as TensorFlow's lazy Adam does.
    """

    def __init__(self, params: Params, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"], state["m"], state["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                rate = group["lr"] * (1 - b2 ** state["step"]) ** 0.5 / (1 - b1 ** state["step"])
                rows = _touched_rows(p.grad)
                if rows is None:
                    m = state["m"].lerp_(p.grad, 1 - b1)
                    v = state["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                    p.sub_(rate * m / (v.sqrt() + group["eps"]))
                    continue
                grad = p.grad[rows]
                m = state["m"][rows] * b1 + grad * (1 - b1)
                v = state["v"][rows] * b2 + grad * grad * (1 - b2)
                state["m"][rows], state["v"][rows] = m, v
                p[rows] -= rate * m / (v.sqrt() + group["eps"])


def _touched_rows(grad: Tensor) -> Tensor | None:
    if grad.dim() < 2:
        return None
    return (grad != 0).flatten(1).any(1).nonzero()[:, 0]


def decay_groups(model: torch.nn.Module, **skip: Any) -> list[dict[str, Any]]:
    """Two groups: matrices and filters; then vectors (norms and biases) with the given settings."""
    wide = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    thin = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    return [{"params": wide}, {"params": thin, **skip}]
