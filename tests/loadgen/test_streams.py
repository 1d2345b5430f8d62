"""The random streams against the standard's own check values, a slow reading of the rules, and their laws."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.loadgen.streams import (
    Toolchain,
    Words,
    canonical,
    exponential_ns,
    shuffle,
    skip_shuffles,
    uniform,
    uniform_each,
)

SEEDS = st.integers(0, 2**64 - 1)
TOOLCHAINS = st.sampled_from(Toolchain)


class Slow:
    """One word at a time, by the letter of the library's headers."""

    def __init__(self, seed: int, toolchain: Toolchain) -> None:
        self.toolchain = toolchain
        words = np.random.MT19937()
        words._legacy_seeding(seed % 2**32)
        self.words: Iterator[int] = iter(lambda: int(words.random_raw()), -1)

    def below(self, n: int) -> int:
        if self.toolchain is Toolchain.GCC_11:
            product = next(self.words) * n
            if product % 2**32 < n:
                while product % 2**32 < (2**32 - n) % n:
                    product = next(self.words) * n
            return product >> 32
        per_value = (2**32 - 1) // n
        word = next(self.words)
        while word >= n * per_value:
            word = next(self.words)
        return word // per_value

    def shuffle(self, values: list[int]) -> list[int]:
        n, i = len(values), 1
        if self.toolchain is Toolchain.GCC_5 or n * n > 2**32 - 1:
            for i in range(1, n):
                j = self.below(i + 1)
                values[i], values[j] = values[j], values[i]
            return values
        if n and n % 2 == 0:
            j = self.below(2)
            values[1], values[j] = values[j], values[1]
            i = 2
        while i < n:
            j, k = divmod(self.below((i + 1) * (i + 2)), i + 2)
            for other in (j, k):
                values[i], values[other] = values[other], values[i]
                i += 1
        return values


def test_the_ten_thousandth_word_is_what_the_cpp_standard_says() -> None:
    """[rand.predef]: the 10000th consecutive invocation of a default-constructed mt19937 gives 4123659995."""
    assert Words().take(10_000)[-1] == 4_123_659_995


def test_only_the_low_32_bits_of_a_seed_count() -> None:
    assert Words(2085463073848966840).take(5).tolist() == Words(2085463073848966840 % 2**32).take(5).tolist()


@given(SEEDS, st.lists(st.integers(0, 9000), max_size=6))
@settings(max_examples=30)
def test_words_come_in_order_however_they_are_taken(seed: int, sizes: list[int]) -> None:
    words = Words(seed)
    taken = [w for n in sizes for w in words.take(n).tolist()]
    assert taken == Words(seed).take(sum(sizes)).tolist()


@pytest.mark.parametrize("toolchain", Toolchain)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 100, 4001, 46341, 65534, 65535, 65536, 65537])
def test_shuffle_equals_the_slow_reading(toolchain: Toolchain, size: int) -> None:
    """46341 and up: products near 2^32, where every third word or so is refused."""
    slow, words = Slow(7 + size, toolchain), Words(7 + size)
    assert shuffle(list(range(size)), words, toolchain) == slow.shuffle(list(range(size)))
    assert words.take(1)[0] == next(slow.words)


@given(SEEDS, TOOLCHAINS, st.integers(0, 300))
@settings(max_examples=60)
def test_a_shuffle_is_a_permutation(seed: int, toolchain: Toolchain, size: int) -> None:
    assert sorted(shuffle(list(range(size)), Words(seed), toolchain)) == list(range(size))


@given(SEEDS, TOOLCHAINS, st.integers(0, 400), st.integers(0, 20))
@settings(max_examples=60)
def test_skipping_shuffles_leaves_the_stream_where_shuffling_does(
    seed: int, toolchain: Toolchain, size: int, times: int
) -> None:
    skipped, done = Words(seed), Words(seed)
    skip_shuffles(skipped, size, times, toolchain)
    for _ in range(times):
        shuffle(list(range(size)), done, toolchain)
    assert skipped.take(3).tolist() == done.take(3).tolist()


@given(SEEDS, TOOLCHAINS, st.one_of(st.integers(1, 5000), st.integers(2**30, 2**32 - 1)))
@settings(max_examples=60)
def test_integers_below_one_range(seed: int, toolchain: Toolchain, below: int) -> None:
    slow = Slow(seed, toolchain)
    wanted = [slow.below(below) for _ in range(200)]
    assert uniform(Words(seed), 200, below, toolchain).tolist() == wanted
    ranges = np.full(200, below, np.uint64)
    words = Words(seed)
    assert uniform_each(words, ranges, toolchain).tolist() == wanted
    assert words.take(1)[0] == next(slow.words)
    assert max(wanted) < below


@given(SEEDS, st.integers(1, 500))
def test_canonical_numbers_lie_in_the_half_open_unit(seed: int, n: int) -> None:
    numbers = canonical(Words(seed), n)
    assert 0.0 <= numbers.min() <= numbers.max() < 1.0
    low, high = Words(seed).take(2).tolist()
    assert numbers[0] == (low + high * 2.0**32) / 2.0**64


@given(SEEDS, st.floats(1e-3, 1e9))
@settings(max_examples=50)
def test_gaps_equal_the_c_library_to_the_nanosecond(seed: int, rate_hz: float) -> None:
    gaps = exponential_ns(Words(seed), 2000, rate_hz)
    wanted = [int((-math.log(1.0 - u) / rate_hz) * 1e9) for u in canonical(Words(seed), 2000).tolist()]
    assert gaps.tolist() == wanted


def test_gaps_survive_a_worse_vector_logarithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's logarithm may be some ulp off on another processor; the result must not be."""
    wanted = exponential_ns(Words(3), 300_000, 1e-6)
    exact = np.log
    for direction in (-np.inf, np.inf):

        def off(x: np.ndarray, towards: float = direction) -> np.ndarray:
            y = exact(x)
            for _ in range(4):
                y = np.nextafter(y, towards)
            return y

        monkeypatch.setattr("mlassay.loadgen.streams.np.log", off)
        assert np.array_equal(exponential_ns(Words(3), 300_000, 1e-6), wanted)
