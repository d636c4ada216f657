"""resample_counts, resample_sums and resample_risks against their definitions, and the bits of every thread and instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_backends import assert_threads_change_nothing, bits, each_backend, needs_fused

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import reference
from calibench.kernels.reference.bootstrap_bins import positions


def harmonic(n: int) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))]))


def case(n: int, items: int, columns: int, ranges: int, seed: int) -> dict[str, torch.Tensor]:
    """Random columns, places, ranges and errors."""
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.integers(items + 1, size=ranges))
    ends[-1:] = items
    return {
        "columns": torch.from_numpy(generator.normal(size=(columns, items))),
        "places": torch.from_numpy(generator.integers(n, size=items).astype(np.int32)),
        "ends": torch.from_numpy(ends),
        "wrong": torch.from_numpy(generator.random(items) < 0.3),
    }


@each_backend
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65, 255, 1000])
def test_counts_are_those_of_the_draws(n: int) -> None:
    counts = kernels.resample_counts(n, 3, 19, 1 << 40)
    assert counts.dtype == torch.uint8
    assert counts.shape == (n, 32)
    assert not counts[:, 19:].any()
    for b in (0, 7, 18):
        draws = positions(n, 0, n, 3 + b, 1 << 40)
        np.testing.assert_array_equal(counts[:, b].numpy(), np.bincount(draws, minlength=n))


@needs_fused
@pytest.mark.slow
def test_counts_of_more_samples_than_a_word_draws() -> None:
    n = (1 << 20) + 1
    assert torch.equal(kernels.resample_counts(n, 0, 2, 5), reference.resample_counts(n, 0, 2, 5))


def test_blocks_of_resamples_are_parts_of_one_stream() -> None:
    whole = kernels.resample_counts(70, 0, 40, 1)
    assert torch.equal(whole[:, 17:33], kernels.resample_counts(70, 17, 16, 1))


@needs_fused
@pytest.mark.slow
@given(
    n=st.integers(1, 300),
    items=st.integers(0, 900),
    columns=st.integers(0, 9),
    ranges=st.integers(0, 20),
    resamples=st.integers(1, 35),
    seed=st.integers(0, 2**62),
)
@settings(max_examples=80, deadline=None)
def test_sums_and_risks_equal_the_reference(
    n: int, items: int, columns: int, ranges: int, resamples: int, seed: int
) -> None:
    counts, given = kernels.resample_counts(n, 0, resamples, seed), case(n, items, columns, ranges, seed)
    inputs = counts, given["columns"], given["ends"], given["places"]
    torch.testing.assert_close(kernels.resample_sums(*inputs), reference.resample_sums(*inputs), rtol=1e-12, atol=1e-11)
    risks = counts, given["wrong"], given["ends"], harmonic(8 * items + 300), given["places"]
    torch.testing.assert_close(kernels.resample_risks(*risks), reference.resample_risks(*risks), rtol=1e-12, atol=1e-11)


@each_backend
def test_columns_of_any_stride_and_samples_in_their_order() -> None:
    counts = kernels.resample_counts(300, 0, 20, 2)
    rows = torch.randn(300, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ends = torch.tensor([100, 100, 300])
    expected = kernels.resample_sums(counts, rows.t().contiguous(), ends, torch.arange(300).int())
    for columns in (rows.t(), torch.cat([rows, rows], dim=1)[:, :7].t()):
        assert torch.equal(kernels.resample_sums(counts, columns, ends), expected)
    weights = counts.double()
    np.testing.assert_allclose(expected[2, 1:], rows[100:].t() @ weights[100:], rtol=1e-12, atol=1e-12)
    assert torch.equal(expected[0, 0], weights[:100].sum(dim=0))
    assert not expected[1].any()


def results(seed: int = 0) -> list[torch.Tensor]:
    counts, given = kernels.resample_counts(5000, 0, 40, seed), case(5000, 9000, 6, 50, seed)
    return [
        counts,
        kernels.resample_sums(counts, given["columns"], given["ends"], given["places"]),
        kernels.resample_risks(counts, given["wrong"], given["ends"], harmonic(60_000), given["places"]),
    ]


@each_backend
def test_threads_change_no_bit() -> None:
    assert_threads_change_nothing(results)


@needs_fused
@pytest.mark.slow
def test_instruction_sets_change_no_bit(tmp_path: Path) -> None:
    """CALIBENCH_ISA is read when the extension is loaded, so each has a process of its own."""
    script = "import sys, torch; from test_resampling import results; torch.save(results(), sys.argv[1])"
    here = str(Path(__file__).parent)
    seen = set()
    for isa in kernels.extension_status().instruction_sets:
        path = tmp_path / isa
        environment = {**os.environ, "CALIBENCH_ISA": isa}
        environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
        subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True, timeout=120)
        seen.add(tuple(bits(torch.load(path))))
    assert len(seen) == 1
    assert seen == {tuple(bits(results()))}


@needs_fused
def test_bad_arguments_are_refused() -> None:
    counts, given = kernels.resample_counts(10, 0, 3, 0), case(10, 20, 1, 4, 0)
    columns, ends, places = given["columns"], given["ends"], given["places"]
    for bad, message in (
        ((counts.int(), columns, ends, places), "counts are not"),
        ((counts[:, :3], columns, ends, places), "counts are not"),
        ((counts, columns, ends, places.long()), "places are not contiguous"),
        ((counts, columns, ends, places + 10), "places are not rows"),
        ((counts, columns, ends, places - 10), "places are not rows"),
        ((counts, columns, ends, places[1:]), "places have the wrong length"),
        ((counts, columns, ends, None), "places have the wrong length"),
        ((counts, columns, ends + 1, places), "ends do not rise"),
        ((counts, columns, ends.flip(0) - 1, places), "ends do not rise"),
        ((counts, columns.float(), ends, places), "columns are not float64"),
    ):
        with pytest.raises(RuntimeError, match=message):
            kernels.resample_sums(*bad)
    with pytest.raises(RuntimeError, match="wrong is not"):
        kernels.resample_risks(counts, given["wrong"].double(), ends, harmonic(9), places)
    with pytest.raises(RuntimeError, match="harmonic is not"):
        kernels.resample_risks(counts, given["wrong"], ends, harmonic(9)[:0], places)


def test_they_run_on_the_cpu_alone() -> None:
    counts = torch.empty((3, 16), dtype=torch.uint8, device="meta")
    with pytest.raises(InputError, match="resample_sums: a tensor is on meta"):
        kernels.resample_sums(counts, torch.empty(1, 3), torch.empty(1))
    assert not any(name in kernels.OPS for name in kernels.CPU_OPS)
