"""bootstrap_bins on each backend makes the draws of its definition, equal to the last bit of every sum."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
from kernel_backends import assert_threads_change_nothing, bits, each_backend, needs_fused
from kernel_cases import overconfident
from kernel_definitions import TYPES, bin_of, edges_of

from calibench import kernels

Words = npt.NDArray[np.uint64]
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter: list[Words], key: tuple[int, int]) -> list[Words]:
    """Philox4x32-10, ten rounds as in Salmon, Moraes, Dror and Shaw (SC 2011), 32-bit words in 64-bit integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (b >> HALF) ^ c1 ^ np.uint64(k0), b & LOW, (a >> HALF) ^ c3 ^ np.uint64(k1), a & LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


@lru_cache(maxsize=16)
def draws(n: int, b: int, seed: int) -> npt.NDArray[np.int64]:
    """q_i of resample b: multiply-shift of one word up to 2^20 samples, of two beyond."""
    draws_per_counter = 4 if n <= 2**20 else 2
    j = np.arange(-(-n // draws_per_counter), dtype=np.uint64)
    counter = [j & LOW, j >> HALF, np.full_like(j, b & 0xFFFFFFFF), np.full_like(j, b >> 32)]
    words = np.stack(philox(counter, (seed & 0xFFFFFFFF, seed >> 32)), axis=1)
    if draws_per_counter == 4:
        return ((words.reshape(-1)[:n] * np.uint64(n)) >> HALF).astype(np.int64)
    low, high = (words[:, start::2].reshape(-1)[:n] * np.uint64(n) for start in (0, 1))
    return ((high + (low >> HALF)) >> HALF).astype(np.int64)  # floor((high 2^32 + low) n / 2^64)


def resampled(
    confidence: torch.Tensor, correct: torch.Tensor, bins: int, resamples: int, seed: int
) -> npt.NDArray[np.float64]:
    """Bin sums `[B, 3, M]`, with every resample stored."""
    values, hits = confidence.double().numpy(), correct.numpy().astype(bool)
    n = len(values)
    index = bin_of(values, edges_of(bins))
    order = sorted(range(n), key=lambda i: (index[i], hits[i], i))
    shift = min(52, 62 - max(1, (n - 1).bit_length()))
    fixed = [int(np.rint(np.ldexp(value, shift))) for value in values]
    sums = np.zeros((resamples, 3, bins))
    for b in range(resamples):
        sample = [order[q] for q in draws(n, b, seed)]
        whole = [0] * bins
        for i in sample:
            whole[index[i]] += fixed[i]
        sums[b, 0] = np.bincount(index[sample], minlength=bins)
        sums[b, 1] = [np.ldexp(float(total), -shift) for total in whole]
        sums[b, 2] = np.bincount(index[sample], weights=hits[sample], minlength=bins)
    return sums


def assert_same_bits(sums: kernels.BootstrapBins, expected: npt.NDArray[np.float64]) -> None:
    for field, values in zip(sums, expected.transpose(1, 0, 2), strict=True):
        assert field.dtype == torch.float64
        np.testing.assert_array_equal(field.numpy(), values)


def test_philox_gives_the_published_answers() -> None:
    """Random123's kat_vectors for philox4x32 with 10 rounds, which `draws` above uses."""
    answers = [
        ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ]
    for counter, key, answer in answers:
        out = philox([np.array([word], np.uint64) for word in counter], key)
        assert " ".join(f"{int(word[0]):08x}" for word in out) == answer


@each_backend
def test_the_kernel_draws_with_philox_of_seed_0() -> None:
    """Each of four samples has its own bin, so resample 0 shows q = (word * 4) >> 32 of the first published answer."""
    confidence = torch.tensor([0.1, 0.35, 0.6, 0.85], dtype=torch.float64)
    sums = kernels.bootstrap_bins(confidence, torch.zeros(4, dtype=torch.bool), 4, resamples=1, seed=0)
    words = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert sums.count[0].tolist() == np.bincount([w * 4 >> 32 for w in words], minlength=4).tolist() == [0, 1, 2, 1]


@each_backend
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 1023, 1024, 1025, 2000])
def test_equals_the_definition_to_the_last_bit(n: int) -> None:
    confidence, correct = overconfident(n, n)
    for bins, resamples, seed in ((15, 3, 0), (1, 2, 1), (10, 2, 2**32 + 5), (40, 1, 2**63 - 1)):
        sums = kernels.bootstrap_bins(confidence, correct, bins, resamples=resamples, seed=seed)
        assert_same_bits(sums, resampled(confidence, correct, bins, resamples, seed))


@each_backend
def test_fewer_resamples_are_a_prefix_of_more() -> None:
    confidence, correct = overconfident(50)
    sums = kernels.bootstrap_bins(confidence, correct, resamples=300, seed=9)
    expected = resampled(confidence, correct, 15, 300, 9)
    assert_same_bits(sums, expected)
    assert_same_bits(kernels.bootstrap_bins(confidence, correct, resamples=37, seed=9), expected[:37])


@pytest.mark.slow
@each_backend
def test_more_than_a_million_samples_take_two_words_a_draw(backend: str) -> None:
    for n in (2**20 + 1, 2**21 + 12345):  # the arithmetic of `draws`, with Python's integers
        for w in (0, 1, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1):
            assert (w >> 32) * n + ((w & 0xFFFFFFFF) * n >> 32) >> 32 == w * n >> 64
    n = 2**20
    confidence, correct = overconfident(n + 1, 3)
    confidence = (confidence * 64).round() / 64  # their sums are exact in float64
    for size in (n, n + 1)[backend == "reference" :]:
        c, h = confidence[:size], correct[:size]
        index = bin_of(c.numpy(), edges_of(15))
        order = np.lexsort((h.numpy(), index))
        q = order[draws(size, 0, 11)]
        sums = kernels.bootstrap_bins(c, h, resamples=1, seed=11)
        np.testing.assert_array_equal(sums.count[0], np.bincount(index[q], minlength=15))
        np.testing.assert_array_equal(sums.correct_sum[0], np.bincount(index[q], weights=h.numpy()[q], minlength=15))
        np.testing.assert_array_equal(sums.confidence_sum[0], np.bincount(index[q], weights=c.numpy()[q], minlength=15))


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_types_strides_and_answers(dtype: torch.dtype) -> None:
    confidence, correct = overconfident(77)
    confidence = confidence.to(dtype)
    expected = resampled(confidence, correct, 15, 2, 4)
    wide = torch.full((154,), float("nan"), dtype=dtype)
    wide[::2] = confidence
    answers = torch.ones(154, dtype=torch.bool)
    answers[::2] = correct
    for c, h in (
        (confidence, correct),
        (wide[::2], answers[::2]),
        (confidence, correct.int()),
        (confidence, correct.double()),
    ):
        assert_same_bits(kernels.bootstrap_bins(c, h, resamples=2, seed=4), expected)
    same = confidence[:1].expand(77)
    assert_same_bits(kernels.bootstrap_bins(same, correct, resamples=2, seed=4), resampled(same, correct, 15, 2, 4))


@each_backend
def test_confidences_on_edges_ties_and_ends() -> None:
    values = [0.0, 1.0, 1.0, 5e-324, 1 / 3, 0.2, 0.2, np.nextafter(0.2, 1), 1.0005, 2.0**-60, 0.5, 0.5]
    confidence = torch.tensor(values, dtype=torch.float64)
    correct = torch.arange(12) % 3 == 0
    for bins in (1, 5, 15):
        sums = kernels.bootstrap_bins(confidence, correct, bins, resamples=5, seed=1)
        assert_same_bits(sums, resampled(confidence, correct, bins, 5, 1))


@each_backend
def test_no_samples_give_zeros() -> None:
    empty = torch.zeros(0, dtype=torch.float64)
    sums = kernels.bootstrap_bins(empty, empty.bool(), resamples=4)
    for field in sums:
        assert field.shape == (4, 15)
        assert not field.any()


@each_backend
def test_threads_change_nothing() -> None:
    confidence, correct = overconfident(5001)
    assert_threads_change_nothing(lambda: kernels.bootstrap_bins(confidence, correct, resamples=41, seed=3))


@needs_fused
def test_backends_agree_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, correct = overconfident(20_011)
    results = []
    for name in ("fused", "reference"):
        monkeypatch.setenv("CALIBENCH_BACKEND", name)
        results.append(bits(kernels.bootstrap_bins(confidence, correct, resamples=12, seed=2**40 + 1)))
    assert results[0] == results[1]
