"""What every single query of a run says, kept small: packed latencies, percentiles, a time line, differences of tails.

All of it works on numpy columns; a million queries never become a million Python objects.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile
from mlassay.core.trace import NOT_YET, Trace

Int64 = NDArray[np.int64]

BUCKETS = 240
"""Points of a time line."""
_TYPES = (np.uint16, np.uint32, np.uint64)


def latencies_of(trace: Trace) -> tuple[Int64, int]:
    """Latency of every answered sample in order of issue, in ns from its due time; and how many were never answered."""
    sizes = np.diff(trace.first_id, append=trace.n_samples)
    due = trace.due_ns if len(trace.due_ns) == trace.n_samples else np.repeat(trace.due_ns, sizes)
    answered = trace.done_ns != NOT_YET
    return (trace.done_ns - due)[answered].astype(np.int64), int(trace.n_samples - answered.sum())


def pack(latencies_ns: Int64) -> bytes:
    """Whole nanoseconds above the lowest, byte planes compressed apart; the same input gives the same bytes."""
    if not len(latencies_ns):
        return b"0"
    lowest = int(latencies_ns.min())
    above = (latencies_ns - lowest).astype(np.uint64)
    kind = next(t for t in _TYPES if above.max() <= np.iinfo(t).max)
    head = json.dumps({"n": len(above), "lowest": lowest, "type": np.dtype(kind).str}).encode() + b"\n"
    columns = above.astype(np.dtype(kind).newbyteorder("<")).view(np.uint8).reshape(len(above), -1)
    return head + zlib.compress(np.ascontiguousarray(columns.T).tobytes(), 6)


def unpack(data: bytes) -> Int64:
    """What `pack` was given. Raises BadFile for other bytes."""
    if data == b"0":
        return np.zeros(0, np.int64)
    try:
        head, _, body = data.partition(b"\n")
        about = json.loads(head)
        kind = np.dtype(about["type"])
        raw = np.frombuffer(zlib.decompress(body), np.uint8).reshape(kind.itemsize, about["n"])
        values = np.ascontiguousarray(raw.T).view(kind).ravel().astype(np.int64)
        return np.asarray(values + about["lowest"], np.int64)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise BadFile("the database's trace table", found=f"damaged ({error})", expected="packed latencies") from error


def percentile(sorted_ns: Int64, p: float) -> int:
    """Nearest rank, as the official load generator counts: the smallest value with at least p % at or below it."""
    n = len(sorted_ns)
    rank = max(1, math.ceil(n * p / 100 - 1e-9))
    return int(sorted_ns[min(rank, n) - 1])


def timeline(trace: Trace) -> dict[str, Any]:
    """At most BUCKETS points over the run: issued and answered per second, latency and issue lateness percentiles.

    Keys: `bucket_s` (width), `issued_per_s`, `done_per_s`, `p50_ns`, `p99_ns`, `lateness_p99_ns`; null where a bucket
    is empty. Samples count; lateness is per query.
    """
    answered = trace.done_ns != NOT_YET
    ends = [int(trace.issued_ns.max(initial=0)), int(trace.done_ns.max(initial=0)), 1]
    width_ns = max(1, math.ceil(max(ends) / BUCKETS))
    sizes = np.diff(trace.first_id, append=trace.n_samples)
    due = np.repeat(trace.due_ns, sizes) if len(trace.due_ns) != trace.n_samples else trace.due_ns
    issued_at = np.repeat(trace.issued_ns, sizes) if len(trace.due_ns) != trace.n_samples else trace.issued_ns
    n_buckets = max(ends) // width_ns + 1
    issued = np.bincount(issued_at // width_ns, minlength=n_buckets)
    done = np.bincount(trace.done_ns[answered] // width_ns, minlength=n_buckets)
    p50, p99 = _by_bucket(due[answered] // width_ns, (trace.done_ns - due)[answered], n_buckets, (50, 99))
    (late,) = _by_bucket(trace.issued_ns // width_ns, trace.issued_ns - trace.due_ns, n_buckets, (99,))
    per_s = 1e9 / width_ns
    return {
        "bucket_s": width_ns / 1e9,
        "issued_per_s": [round(float(n) * per_s, 3) for n in issued],
        "done_per_s": [round(float(n) * per_s, 3) for n in done],
        "p50_ns": p50,
        "p99_ns": p99,
        "lateness_p99_ns": late,
    }


def _by_bucket(bucket: Int64, value: Int64, n: int, percentiles: tuple[float, ...]) -> list[list[int | None]]:
    """Percentiles of each bucket, by one sort of everything."""
    out: list[list[int | None]] = [[None] * n for _ in percentiles]
    order = np.lexsort((value, bucket))
    bucket, value = bucket[order], value[order]
    starts = np.searchsorted(bucket, np.arange(n))
    ends = np.append(starts[1:], len(bucket))
    for b, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if end > start:
            for row, p in zip(out, percentiles, strict=True):
                row[b] = percentile(value[start:end], p)
    return out


def histogram(latencies_ns: Int64, n_bins: int = 80) -> dict[str, list[float]]:
    """Counts in bins of equal width on a logarithmic axis: `edges_ns` (one more than) `counts`."""
    positive = latencies_ns[latencies_ns > 0]
    if not len(positive):
        return {"edges_ns": [], "counts": []}
    low, high = math.log10(int(positive.min())), math.log10(int(positive.max()))
    edges = np.logspace(low, high if high > low else low + 0.01, n_bins + 1)
    edges[0], edges[-1] = min(edges[0], positive.min()), max(edges[-1], positive.max())
    counts, _ = np.histogram(positive, edges)
    return {"edges_ns": [float(e) for e in edges], "counts": [float(c) for c in counts]}


@dataclass(frozen=True, slots=True)
class TailRatio:
    """A percentile of b over the same percentile of a, with its bootstrap interval."""

    ratio: float
    low: float
    high: float
    confidence: float  # percent
    effective_a: float  # how many independent queries the run is worth
    effective_b: float


def tail_ratio(
    a_ns: Int64, b_ns: Int64, p: float, *, confidence: float = 95.0, draws: int = 10_000, seed: int = 0
) -> TailRatio:
    """Bootstrap of the ratio of two percentiles from two runs' latencies in order of issue.

    A resampled percentile is the order statistic at a Beta-distributed rank (the bootstrap's distribution), so that no
    resample is ever made. Neighbouring queries are alike; their number is reduced to what it is worth.
    """
    rng = np.random.default_rng(seed)
    sampled, worth = [], []
    for values in (a_ns, b_ns):
        ordered = np.sort(values)
        effective = effective_count(values, percentile(ordered, p))
        worth.append(effective)
        at = rng.beta(max(effective * p / 100, 0.5), max(effective * (1 - p / 100), 0.5), draws)
        sampled.append(ordered[np.minimum((at * len(ordered)).astype(np.int64), len(ordered) - 1)].astype(np.float64))
    tail = (100 - confidence) / 2
    low, high = np.percentile(sampled[1] / np.maximum(sampled[0], 1), (tail, 100 - tail))
    ratio = percentile(np.sort(b_ns), p) / max(1, percentile(np.sort(a_ns), p))
    return TailRatio(ratio, min(float(low), ratio), max(float(high), ratio), confidence, worth[0], worth[1])


def effective_count(values: Int64, threshold: int) -> float:
    """So many independent queries would know the share above the threshold as well as this run does.

    Compares the variance of block means with what independence would give; never more than there are queries.
    """
    n = len(values)
    above = (values > threshold).astype(np.float64)
    share = float(above.mean())
    size = max(1, math.ceil(n ** (1 / 3)))
    blocks = above[: n // size * size].reshape(-1, size).mean(axis=1)
    if len(blocks) < 8 or not 0 < share < 1:
        return float(n)
    expected = share * (1 - share) / size
    inflation = float(blocks.var(ddof=1)) / expected
    return float(n / max(1.0, inflation))
