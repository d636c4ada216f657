"""The operators of judging on CUDA give what they give on the CPU: counts and labels exactly, sums to 1e-12."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernel_cuda import CUDA_ONLY, OPS, moved
from kernel_judging import CLASSES, DTYPES, cells_of, factors_of, layouts, logits, ranges, rows, sorted_entries
from kernel_refusals import CASES, DOUBLES, GOOD, INTS, TYPED

from calibench import kernels

pytestmark = CUDA_ONLY

COUNTS = [(0, 16), (1, 1), (2, 40), (3, 0), (5, 16), (17, 33), (1000, 100), (50_000, 17), ((1 << 20) + 77, 3)]
LENGTHS = [0, 1, 255, 256, 257, 511, 512, 513, 3000]
RELATIVE = 1e-12


def listed(result: Any) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else [*result]


def on_both(op: str, **arguments: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each result on CUDA, which is the same when computed again, and on the CPU."""
    there = {name: moved(value) for name, value in arguments.items()}
    found, again = ([one.cpu() for one in listed(getattr(OPS, op)(**there))] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True)), "not the same bits again"
    expected = listed(getattr(torch.ops.calibench, op)(**arguments))
    for actual, known in zip(found, expected, strict=True):
        assert (actual.dtype, actual.shape) == (known.dtype, known.shape)
    return list(zip(found, expected, strict=True))


def assert_same(op: str, **arguments: Any) -> None:
    for actual, expected in on_both(op, **arguments):
        assert torch.equal(actual, expected)


def assert_close(op: str, **arguments: Any) -> None:
    for actual, expected in on_both(op, **arguments):
        torch.testing.assert_close(actual, expected, rtol=RELATIVE, atol=0)


def counts_of(samples: int, resamples: int, seed: int = 0) -> torch.Tensor:
    return kernels.resample_counts(samples, 0, resamples, seed)


def group_ends(groups: int, counts: torch.Tensor, drawn: torch.Tensor, seed: int) -> torch.Tensor:
    """Ends that rise from 0 to the draws of each resample [P], in whole and half numbers."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand((groups, counts.shape[1]), generator=generator, dtype=torch.float64).sort(dim=0).values
    return (shares * (drawn + 1) * 2).floor() / 2


@pytest.mark.parametrize(("samples", "resamples"), COUNTS)
@pytest.mark.parametrize(("first", "seed"), [(0, 0), (2**40 + 7, 2**62 + 12345)])
def test_counts(samples: int, resamples: int, first: int, seed: int) -> None:
    assert_same("resample_counts", like=INTS, samples=samples, first=first, resamples=resamples, seed=seed)


@pytest.mark.parametrize("items", LENGTHS)
@pytest.mark.parametrize("columns", [0, 1, 3, 4, 5, 9])
def test_sums_of_ranges(items: int, columns: int) -> None:
    """One thread adds a tile of 256 items in their order, so the bits are those of the CPU."""
    counts = counts_of(max(items, 1), 40)
    for count in (0, 1, 2, 7, 40, items // 2):
        given = ranges(max(items, 1), items, columns, count, items + count)
        chosen = {name: given[name] for name in ("columns", "ends")}
        assert_same("resample_sums", counts=counts, places=given["places"], **chosen)
        assert_same("resample_sums", counts=counts, places=INTS, **chosen)


@pytest.mark.parametrize("items", [*LENGTHS, 9000])
def test_risks(items: int) -> None:
    """Harmonic numbers come from a table up to 4096 samples, and beyond it from series."""
    counts = counts_of(max(items, 1), 40)
    for count in (0, 1, 2, 7, 40, 300, items):
        given = ranges(max(items, 1), items, 0, count, items + count)
        ends = torch.arange(1, items + 1) if count == items else given["ends"]
        for wrong in (given["wrong"], given["wrong"] | True, given["wrong"] & False):
            for places in (given["places"], INTS):
                assert_close("resample_risks", counts=counts, places=places, wrong=wrong, ends=ends)


@pytest.mark.parametrize("items", LENGTHS)
@pytest.mark.parametrize("columns", [1, 4])
def test_sums_of_groups(items: int, columns: int) -> None:
    """A thread adds a group in the order of its items, so the bits are those of the CPU."""
    counts = counts_of(max(items, 1), 40)
    for groups in (1, 2, 15, 100):
        given = ranges(max(items, 1), items, columns, 1, items + groups)
        drawn = counts.double()[given["places"].long()].sum(dim=0)
        ends = group_ends(groups, counts, drawn, groups)
        far, mixed = torch.full_like(ends, 1e9), ends.flip(0).contiguous()
        nan = torch.where(torch.arange(groups)[:, None] % 3 == 1, torch.nan, ends)
        for some in (ends, far, -far, mixed, nan):
            chosen = {"columns": given["columns"], "ends": some}
            assert_same("resample_group_sums", counts=counts, places=given["places"], **chosen)
            assert_same("resample_group_sums", counts=counts, places=INTS, **chosen)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("bins", [1, 2, 15])
def test_errors_of_classes(k: int, bins: int) -> None:
    n = 400
    scores, labels, counts = rows(n, k, torch.float64, False), torch.arange(n) % k, counts_of(n, 40)
    table = kernels.class_table(scores, bins)
    totals = kernels.resample_class_gaps(counts, scores, labels)
    entries = sorted_entries(table, labels, bins, k)
    assert_close("resample_class_errors", counts=counts, totals=totals, **entries)


@pytest.mark.parametrize("cells", [0, 1, 15, 255, 256, 257, 5000])
@pytest.mark.parametrize("draws", [0, 8, 1000])
def test_sizes_of_gaps(cells: int, draws: int) -> None:
    generator = torch.Generator().manual_seed(cells)
    labels = torch.randint(50, (cells, draws), generator=generator, dtype=torch.int32)
    offset, factor = torch.randn((2, cells), generator=generator, dtype=torch.float64)
    assert_close("gap_sizes", labels=labels, offset=offset, factor=factor)


def score_cases(n: int, k: int, dtype: torch.dtype) -> list[tuple[torch.Tensor, bool]]:
    """Scores of both kinds, and logits in other layouts."""
    kinds = [(rows(n, k, dtype, from_probs), from_probs) for from_probs in (False, True)]
    return kinds + [(view, False) for view in layouts(logits(n, k, dtype)).values()]


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gaps_of_classes(dtype: torch.dtype, k: int) -> None:
    for n in (0, 1, 300):
        counts, labels = counts_of(n + 5, 40), torch.arange(n) % k
        for scores, from_probs in score_cases(n, k, dtype):
            for places in (INTS, cells_of(n, n + 5)):
                for y in (labels, labels.int()):
                    arguments = {"counts": counts, "places": places, "scores": scores, "labels": y}
                    assert_same("resample_class_gaps", from_probs=from_probs, **arguments)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_table_of_classes(dtype: torch.dtype, k: int) -> None:
    """Entries have the bits of the CPU; their sums are taken over other parts of the rows."""
    n = 300
    for scores, from_probs in score_cases(n, k, dtype):
        for bins, factors in ((1, DOUBLES), (2, factors_of(k, 2)), (15, DOUBLES), (15, factors_of(k, 15))):
            for chosen in (INTS, cells_of(77, n)):
                arguments = {"scores": scores, "from_probs": from_probs, "bins": bins, "factors": factors}
                (moments, right, *entries) = on_both("class_table", rows=chosen, list=True, **arguments)
                assert all(torch.equal(*pair) for pair in entries)
                torch.testing.assert_close(*moments, rtol=RELATIVE, atol=0)
                torch.testing.assert_close(*right, rtol=RELATIVE, atol=0)
                (same, _, *none) = on_both("class_table", rows=chosen, list=False, **arguments)
                assert torch.equal(same[0], moments[0])
                assert not any(len(pair[0]) for pair in none)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_drawn_labels(dtype: torch.dtype, k: int) -> None:
    n = 77
    for scores, from_probs in score_cases(n, k, dtype):
        for bins, factors in ((1, DOUBLES), (15, DOUBLES), (15, factors_of(k, 15))):
            for chosen in (INTS, cells_of(50, n)):
                cells = cells_of(len(chosen) or n, 9)
                arguments = {"scores": scores, "from_probs": from_probs, "bins": bins, "factors": factors}
                for first, draws, seed in ((0, 40, 0), (2**40 + 7, 5, 2**62 + 12345)):
                    words = {"first": first, "draws": draws, "seed": seed}
                    assert_same("label_draws", rows=chosen, cells=cells, num_cells=9, **words, **arguments)


@pytest.mark.parametrize("k", [10, 1000])
def test_no_rows_and_no_draws(k: int) -> None:
    scores = logits(9, k)
    common = {"from_probs": False, "bins": 15, "factors": DOUBLES, "rows": INTS}
    assert_same("class_table", scores=scores[:0], list=True, **common)
    words = {"num_cells": 4, "first": 0, "seed": 0}
    assert_same("label_draws", scores=scores[:0], cells=INTS, draws=9, **words, **common)
    assert_same("label_draws", scores=scores, cells=cells_of(9, 4), draws=0, **words, **common)


def test_more_rows_than_one_pass() -> None:
    """Passes take 65 536 rows."""
    n, k = 70_001, 3
    scores, cells = logits(n, k, torch.float32), cells_of(n, 9)
    common = {"scores": scores, "from_probs": False, "bins": 15, "factors": factors_of(k, 15), "rows": INTS}
    assert_same("label_draws", cells=cells, num_cells=9, first=0, draws=8, seed=1, **common)
    (moments, right, *entries) = on_both("class_table", list=True, **common)
    assert all(torch.equal(*pair) for pair in entries)
    torch.testing.assert_close(*moments, rtol=RELATIVE, atol=0)
    torch.testing.assert_close(*right, rtol=RELATIVE, atol=0)
    counts, labels = counts_of(n, 16), torch.arange(n) % k
    assert_same("resample_class_gaps", counts=counts, places=INTS, scores=scores, labels=labels, from_probs=False)


@pytest.mark.parametrize(("op", "changed", "message"), CASES, ids=[f"{op}-{m}" for op, _, m in CASES])
def test_bad_arguments_are_refused_as_on_the_cpu(op: str, changed: dict[str, Any], message: str) -> None:
    arguments = {name: moved(value) for name, value in {**GOOD[op], **changed}.items()}
    with pytest.raises(RuntimeError, match=f"^calibench: {message}"):
        getattr(OPS, op)(**arguments)
    getattr(OPS, op)(**{name: moved(value) for name, value in GOOD[op].items()})  # the device still works


@pytest.mark.parametrize("op", GOOD)
def test_tensors_on_two_devices_are_refused(op: str) -> None:
    there = {name: moved(value) for name, value in GOOD[op].items()}
    tensors = [name for name, value in GOOD[op].items() if isinstance(value, torch.Tensor | list)]
    for name in tensors if len(tensors) > 1 else ():
        with pytest.raises(RuntimeError, match="are on different devices"):
            getattr(OPS, op)(**{**there, name: GOOD[op][name]})


@pytest.mark.parametrize("op", TYPED)
@pytest.mark.parametrize("backend", ["fused", "reference"])
def test_typed_functions_on_a_gpu(op: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference computes on the CPU, and its results come back to the GPU."""
    monkeypatch.setenv("CALIBENCH_BACKEND", backend)
    arguments = {name: value for name, value in GOOD[op].items() if isinstance(value, torch.Tensor | list)}
    all_rows = torch.arange(9).int()
    arguments |= {name: all_rows for name in ("places", "rows") if name in arguments}
    found = listed(TYPED[op](**{name: moved(value) for name, value in arguments.items()}))
    for actual, expected in zip(found, listed(TYPED[op](**arguments)), strict=True):
        assert actual.device.type == "cuda"
        torch.testing.assert_close(actual.cpu(), expected, rtol=RELATIVE, atol=0)


@pytest.mark.parametrize("backend", ["fused", "reference"])
def test_counts_are_drawn_on_a_gpu(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBENCH_BACKEND", backend)
    counts = kernels.resample_counts(500, 3, 20, 1, device="cuda")
    assert counts.device.type == "cuda"
    assert torch.equal(counts.cpu(), kernels.resample_counts(500, 3, 20, 1))
