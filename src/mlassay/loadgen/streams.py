"""The official load generator's random numbers, bit for bit, at numpy speed.

Whoever uses the seeds that a round publishes must be asked for the same samples at the same moments by any load
generator. The official one is C++ built with GNU's standard library, so this module reproduces that library's
engine (`mt19937`) and its distributions as the library's headers define them (docs/reference/random-streams.md).
"""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

WORD_VALUES = 1 << 32
DEFAULT_SEED = 5489
"""Seed of an engine that nobody seeded."""

_MASK = np.uint64(WORD_VALUES - 1)
_SHIFT = np.uint64(32)
_BLOCK = 8192
"""Numbers made at a time: few enough to stay in the processor's cache."""
_OFTEN = 1 / 100
"""Above this share of refused words, one word at a time beats arrays that restart at each refusal (measured)."""
_CALL_TO_ENTRY = 2400
"""What a round of array calls costs, in entries of an array; sets the array length between restarts."""


class Toolchain(Enum):
    """The C++ library that a load generator was built with; its headers changed the streams twice."""

    GCC_5 = "gcc5"  # a word is divided, a shuffle swaps once per draw: half of the submitters of v0.5
    GCC_7 = "gcc7"  # a word is divided, a shuffle of up to 65,535 swaps twice per draw: the other half
    GCC_11 = "gcc11"  # a word is multiplied and its high half taken: the official packages of today


class Words:
    """The 32-bit words of one Mersenne Twister engine, in order, each given out once."""

    __slots__ = ("_ahead", "_generator")

    def __init__(self, seed: int | None = None) -> None:
        """Only the lowest 32 bits of `seed` count, as in the engine's constructor."""
        engine = np.random.MT19937()
        cast(Any, engine)._legacy_seeding((DEFAULT_SEED if seed is None else seed) % WORD_VALUES)
        self._generator = np.random.Generator(engine)
        self._ahead: UInt32 = np.empty(0, np.uint32)

    def peek(self, n: int) -> UInt32:
        """The next n words, which stay in the stream."""
        missing = n - len(self._ahead)
        if missing > 0:  # the full range of uint32 is what makes numpy hand out its words unchanged
            fresh = self._generator.integers(0, WORD_VALUES, max(missing, _BLOCK), dtype=np.uint32)
            self._ahead = np.concatenate([self._ahead, fresh]) if len(self._ahead) else fresh
        return self._ahead[:n]

    def skip(self, n: int) -> None:
        """Drop n words that were peeked."""
        self._ahead = self._ahead[n:]

    def take(self, n: int) -> UInt32:
        words = self.peek(n)
        self.skip(n)
        return words


def uniform_each(words: Words, ranges: UInt64, toolchain: Toolchain) -> UInt64:
    """One integer below each of `ranges` (1 to 2^32 - 1), in order: a `uniform_int_distribution` per entry."""
    if not len(ranges):
        return ranges.copy()
    refused = _refused_words(ranges, toolchain)
    share = float(refused.mean()) / WORD_VALUES
    if share > _OFTEN:
        return _word_by_word(words, ranges, refused, toolchain)
    size = int(min(math.sqrt(_CALL_TO_ENTRY / max(share, 1e-9)), 1 << 16))
    result = np.empty(len(ranges), np.uint64)
    at = 0
    while at < len(ranges):
        block = slice(at, at + size)
        word = words.peek(len(ranges[block])).astype(np.uint64)
        values, bad = _convert(word, ranges[block], refused[block], toolchain)
        first_bad = int(bad.argmax()) if bad.any() else len(values)
        result[at : at + first_bad] = values[:first_bad]
        at += first_bad
        words.skip(first_bad + (first_bad < len(values)))  # the refused word is spent, its entry draws again
    return result


def uniform(words: Words, n: int, below: int, toolchain: Toolchain) -> Int64:
    """n integers below one range: the stream with its refused words left out."""
    result = np.empty(n, np.int64)
    refused = _refused_words(np.array([below], np.uint64), toolchain)[0]
    at = 0
    while at < n:
        word = words.take(min(_BLOCK, n - at)).astype(np.uint64)
        values, bad = _convert(word, np.uint64(below), refused, toolchain)
        if bad.any():
            values = values[~bad]
        result[at : at + len(values)] = values
        at += len(values)
    return result


def shuffle(values: list[int], words: Words, toolchain: Toolchain) -> list[int]:
    """Permute `values` in place as `std::shuffle` does; the same list is returned."""
    size = len(values)
    ranges, two_per_draw = _shuffle_ranges(size, toolchain)
    drawn = uniform_each(words, ranges, toolchain)
    if not two_per_draw:
        for i, j in enumerate(drawn[:ONE_BY_ONE].tolist(), 1):
            values[i], values[j] = values[j], values[i]
        rest = drawn[ONE_BY_ONE:].astype(np.int64)
        values[:] = _swapped_in_turn(np.asarray(values), rest, ONE_BY_ONE + 1).tolist()
        return values
    start = 1 + (1 - size % 2)
    if start == 2:
        j = int(drawn[0])
        values[1], values[j] = values[j], values[1]
        drawn = drawn[1:]
    upper = np.arange(start, size, 2, dtype=np.uint64) + np.uint64(2)
    for i, j, k in zip(range(start, size, 2), (drawn // upper).tolist(), (drawn % upper).tolist(), strict=True):
        values[i], values[j] = values[j], values[i]
        values[i + 1], values[k] = values[k], values[i + 1]
    return values


ONE_BY_ONE = 1 << 16
"""The first swaps of a shuffle meet each other too often for blocks."""

SWAPS_AT_ONCE = 256


def _swapped_in_turn(values: Int64, partners: Int64, begin: int) -> Int64:
    """Swap element begin + k with element partners[k], for k = 0, 1, ...: in blocks whose swaps do not meet.

    Most blocks of a long shuffle touch each element once, so that their swaps are one gather and two scatters; the
    others go one by one.
    """
    for at in range(0, len(partners), SWAPS_AT_ONCE):
        ours = partners[at : at + SWAPS_AT_ONCE]
        first = begin + at
        ordered = np.sort(ours)
        if ordered[-1] < first and (ordered[1:] != ordered[:-1]).all():
            mine = slice(first, first + len(ours))
            moved = values[ours]
            values[ours] = values[mine]
            values[mine] = moved
            continue
        for i, j in enumerate(ours.tolist(), first):
            values[i], values[j] = values[j], values[i]
    return values


def skip_shuffles(words: Words, size: int, times: int, toolchain: Toolchain) -> None:
    """Leave the stream where `times` shuffles of `size` elements leave it, without moving anything."""
    ranges, _ = _shuffle_ranges(size, toolchain)
    if not len(ranges):
        return
    at_once = max(1, (1 << 20) // len(ranges))
    for done in range(0, times, at_once):
        uniform_each(words, np.tile(ranges, min(at_once, times - done)), toolchain)


def canonical(words: Words, n: int) -> Float64:
    """n numbers in [0, 1) of 53 random bits: `generate_canonical<double, 53>`, two words each, the low one first."""
    pairs = words.take(2 * n).astype("<u4", copy=False).view("<u8")
    # The C++ sum low + high * 2^32 is exact but for one rounding, which is that of a 64-bit integer made double.
    unit = pairs.astype(np.float64)
    unit *= 2.0**-64
    return np.minimum(unit, 1.0 - 2.0**-53, out=unit)  # a sum rounded up to 1 becomes the largest number below


def exponential_ns(words: Words, n: int, rate_hz: float) -> Int64:
    """n gaps of a Poisson process in whole ns: `exponential_distribution` in seconds, times 1e9, cut off.

    numpy's vector logarithm and the C library's may differ in the last bits, which matters only where a gap lies
    next to a whole number of ns. Both are within 4 ulp of the truth and each of the two roundings after it adds half
    an ulp, so the two ways differ by less than 10 * 2^-52 < 2^-48 of the gap. Gaps nearer than that to a whole
    number (one in some millions) are computed again with the C library's logarithm; all others cut off alike.
    """
    result = np.empty(n, np.int64)
    for at in range(0, n, _BLOCK):
        rest = np.subtract(1.0, canonical(words, min(_BLOCK, n - at)))
        gaps = np.log(rest)
        np.negative(gaps, out=gaps)
        gaps /= rate_hz
        gaps *= 1e9
        for i in np.flatnonzero(np.abs(gaps - np.rint(gaps)) <= gaps * 2.0**-48).tolist():
            gaps[i] = (-math.log(rest[i]) / rate_hz) * 1e9
        result[at : at + _BLOCK] = gaps
    return result


def _refused_words(ranges: UInt64, toolchain: Toolchain) -> UInt64:
    """How many of the 2^32 words must be thrown away so that each value has equally many."""
    total = np.uint64(WORD_VALUES if toolchain is Toolchain.GCC_11 else WORD_VALUES - 1)
    spare: UInt64 = total % ranges
    return spare if toolchain is Toolchain.GCC_11 else spare + np.uint64(1)


def _convert(
    word: UInt64, ranges: UInt64 | np.uint64, refused: UInt64 | np.uint64, toolchain: Toolchain
) -> tuple[UInt64, NDArray[np.bool_]]:
    """(values, refused?) of words held against their ranges."""
    if toolchain is Toolchain.GCC_11:
        product = word * ranges
        return product >> _SHIFT, (product & _MASK) < refused
    usable = np.uint64(WORD_VALUES) - refused
    return word // (usable // ranges), word >= usable


def _word_by_word(words: Words, ranges: UInt64, refused: UInt64, toolchain: Toolchain) -> UInt64:
    """The same as the array way, for ranges so large that a good part of the words is thrown away."""
    result: list[int] = []
    block: list[int] = []
    at = 0
    for size, spare in zip(ranges.tolist(), refused.tolist(), strict=True):
        while True:
            if at == len(block):
                words.skip(at)
                block, at = words.peek(_BLOCK).tolist(), 0
            word = block[at]
            at += 1
            if toolchain is Toolchain.GCC_11:
                if word * size % WORD_VALUES >= spare:
                    result.append(word * size >> 32)
                    break
            elif word < WORD_VALUES - spare:
                result.append(word // ((WORD_VALUES - spare) // size))
                break
    words.skip(at)
    return np.array(result, np.uint64)


@lru_cache(maxsize=8)
def _shuffle_ranges(size: int, toolchain: Toolchain) -> tuple[UInt64, bool]:
    """(range of each draw, two swaps per draw?) of a shuffle of `size` elements.

    Since GCC 7, up to 65,535 elements, one word serves two swaps: a number below (i + 1)(i + 2) is split into one
    below i + 1 and one below i + 2. An even size starts with a single swap, so that pairs remain.
    """
    if size < 2:
        return np.empty(0, np.uint64), False
    if size > (WORD_VALUES - 1) // size or toolchain is Toolchain.GCC_5:
        return np.arange(2, size + 1, dtype=np.uint64), False
    single = 1 - size % 2
    i = np.arange(1 + single, size, 2, dtype=np.uint64)
    pairs = (i + np.uint64(1)) * (i + np.uint64(2))
    return np.concatenate([np.full(single, 2, np.uint64), pairs]), True
