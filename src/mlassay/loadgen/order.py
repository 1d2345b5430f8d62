"""Which samples are loaded, and which of them each query asks for: seeded and pure.

Two streams decide: the library stream permutes the sample library and cuts it into sets that fit in memory, the
sample-index stream picks from a loaded set. What a stream skips is as much part of the official order as what it
draws: the official generator prepares all its ways of choosing before it uses one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlassay.core.enums import SampleOrder
from mlassay.core.settings import StreamVersion
from mlassay.loadgen.streams import Int64, Toolchain, Words, canonical, shuffle, skip_shuffles, uniform

Int32 = NDArray[np.int32]


def usual_toolchain(stream: StreamVersion) -> Toolchain:
    """What to assume of a load generator of that age."""
    return Toolchain.GCC_7 if stream is StreamVersion.V0_5 else Toolchain.GCC_11


@dataclass(frozen=True, slots=True)
class LoadableSet:
    """Samples that are in memory together. `samples` may end in repeats of its start, so that a query of
    consecutive samples can begin at any of the first `n_distinct`."""

    samples: list[int]
    n_distinct: int


def loadable_sets(
    *,
    n_used: int,
    n_library: int,
    set_size: int,
    padding: int,
    seed: int,
    stream: StreamVersion,
    toolchain: Toolchain,
    whole: bool,
) -> list[LoadableSet]:
    """The library, permuted and cut into sets of `set_size`.

    `n_used` of the library's `n_library` samples take part; since v6.0 only they are permuted, before then the
    whole library was permuted and cut off after `n_used`. `whole` (accuracy) asks for all sets, else the first.
    """
    n_used = min(n_used, n_library)
    n_permuted = n_used if stream is StreamVersion.V6_0 else n_library
    permuted = shuffle(list(range(n_permuted)), Words(seed), toolchain)[:n_used]
    sets = []
    for at in range(0, n_used if whole else min(n_used, 1), set_size):
        chosen = permuted[at : at + set_size]
        sets.append(LoadableSet(chosen + [chosen[i % len(chosen)] for i in range(padding)], len(chosen)))
    return sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How to pick samples for the queries of one loaded set."""

    n_queries: int
    min_queries: int  # before equal-issue mode rounded it up
    samples_per_query: int
    consecutive: bool  # MultiStream: a query is a run of neighbours in the loaded set
    order: SampleOrder
    same_index: int
    accuracy: bool
    seed: int
    stream: StreamVersion
    toolchain: Toolchain


def pick(loaded: LoadableSet, choice: Choice) -> Int32:
    """Library indices of all queries' samples, one query after the other: one-sample or consecutive queries."""
    toolchain = choice.toolchain
    words = Words(choice.seed)
    library = np.asarray(loaded.samples, np.int32)
    stride = choice.samples_per_query if choice.consecutive else 1
    starts = _starts(words, loaded, choice, stride, toolchain)
    if choice.consecutive:
        starts = (starts[:, np.newaxis] + np.arange(stride)).ravel()
    return np.take(library, starts)


def pick_offline(loaded: LoadableSet, choice: Choice) -> Int32:
    """The samples of Offline's one query: the loaded set over and over, in equal-issue mode reshuffled each time."""
    library = np.asarray(loaded.samples, np.int32)
    n, size = choice.samples_per_query, len(library)
    result = np.empty(n, np.int32)
    if choice.order is SampleOrder.SAME and not choice.accuracy:
        result[:] = library[choice.same_index]
        return result
    n_whole = n // size
    rows = result[: n_whole * size].reshape(n_whole, size)
    rows[:] = library
    result[n_whole * size :] = library[: n % size]
    if choice.order is SampleOrder.EQUAL_ISSUE and not choice.accuracy:
        words, toolchain = Words(choice.seed), choice.toolchain
        skip_shuffles(words, loaded.n_distinct, 1, toolchain)
        skip_shuffles(words, size, _n_permutations(choice, size), toolchain)
        for row in rows:
            row[:] = shuffle(loaded.samples.copy(), words, toolchain)
    return result


def accuracy_log_mask(first: int, n: int, seed: int, probability: float) -> NDArray[np.bool_]:
    """Which of the samples first, first + 1, ... of a performance run are written to the accuracy log.

    Each sample has a number in [0, 1) from an engine that nobody seeds; the seed shifts all of them by one offset.
    """
    words = Words()
    block = 1 << 15
    for at in range(0, first, block):
        words.take(2 * min(block, first - at))
    offset = canonical(Words(seed), 1)[0]
    mask = np.empty(n, np.bool_)
    for at in range(0, n, block):
        value = canonical(words, min(block, n - at)) + offset
        np.subtract(value, 1.0, out=value, where=value >= 1.0)
        mask[at : at + block] = value <= probability
    return mask


def _starts(words: Words, loaded: LoadableSet, choice: Choice, stride: int, toolchain: Toolchain) -> Int64:
    """Where in the loaded set each query begins."""
    n, size = choice.n_queries, len(loaded.samples)
    once = list(range(0, loaded.n_distinct, stride))
    if choice.accuracy or choice.order is SampleOrder.UNIQUE:
        return np.asarray(shuffle(once, words, toolchain)[:n], np.int64)
    if choice.order is SampleOrder.SAME:
        return np.full(n, choice.same_index, np.int64)
    skip_shuffles(words, len(once), 1, toolchain)
    n_permutations = _n_permutations(choice, size)
    if choice.order is SampleOrder.EQUAL_ISSUE and not choice.consecutive:
        return np.resize(_permutations(words, size, n_permutations, toolchain), n)
    skip_shuffles(words, size, n_permutations, toolchain)
    return uniform(words, n, loaded.n_distinct, toolchain)


def _n_permutations(choice: Choice, size: int) -> int:
    """How many permutations of the loaded set the generator prepares, wanted or not (there were none in v0.5)."""
    return 0 if choice.stream is StreamVersion.V0_5 else -(-choice.min_queries // size)


def _permutations(words: Words, size: int, times: int, toolchain: Toolchain) -> Int64:
    """`times` permutations of the loaded set's positions, each a further shuffle of the one before."""
    positions = list(range(size))
    result: list[int] = []
    for _ in range(times):
        result += shuffle(positions, words, toolchain)
    return np.asarray(result, np.int64)
