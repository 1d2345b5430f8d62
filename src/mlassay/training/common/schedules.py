"""Learning rates as pure functions of the step number (from 0)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def warmup(step: int, warmup_steps: float, start_factor: float = 0.0) -> float:
    """Linear from `start_factor` to 1 over the warm-up; the step that ends it has factor 1."""
    if warmup_steps <= 0 or step >= warmup_steps:
        return 1.0
    return start_factor + (1.0 - start_factor) * (step + 1) / (warmup_steps + 1)


def piecewise(step: int, boundaries: Sequence[float], factor: float = 0.1) -> float:
    """×`factor` at each boundary passed."""
    return float(factor ** sum(step >= b for b in boundaries))


def polynomial(step: int, total_steps: float, end_ratio: float = 0.0, power: float = 1.0) -> float:
    """From 1 to `end_ratio` over `total_steps`, then constant."""
    left = 1.0 - min(max(step, 0) / total_steps, 1.0)
    return float(end_ratio + (1.0 - end_ratio) * left**power)


def cosine(step: int, total_steps: float, end_ratio: float = 0.0) -> float:
    """Half a cosine from 1 to `end_ratio`, then constant."""
    done = min(max(step, 0) / total_steps, 1.0)
    return end_ratio + (1.0 - end_ratio) * 0.5 * (1.0 + math.cos(math.pi * done))


def inverse_square_root(step: int, warmup_steps: int, hidden: int) -> float:
    """The Transformer's: hidden^-½ · min(1, s/w) / √max(s, w), s counted from 1."""
    s = step + 1
    return float(hidden**-0.5 * min(1.0, s / warmup_steps) / math.sqrt(max(s, warmup_steps)))


def gnmt(step: int, warmup_steps: int, decay_start: int, decay_interval: int, decay_steps: int, factor: float) -> float:
    """GNMT v0.6: exponential warm-up from 0.01, then ×`factor` every interval, at most `decay_steps` times."""
    if step < warmup_steps:
        return float(0.01 ** (1.0 - step / warmup_steps))
    if step < decay_start:
        return 1.0
    return float(factor ** min((step - decay_start) // decay_interval + 1, decay_steps))


def one_cycle(step: int, total_steps: int, peak_at: float = 0.3, start_ratio: float = 0.04) -> float:
    """Up by a cosine to 1 at `peak_at` of the way, then down to nearly 0: the quick way for small profiles."""
    peak = peak_at * total_steps
    if step < peak:
        return start_ratio + (1 - start_ratio) * 0.5 * (1 - math.cos(math.pi * step / peak))
    done = min((step - peak) / max(total_steps - peak, 1), 1.0)
    return 0.5 * (1 + math.cos(math.pi * done)) + 1e-5
