"""Instruction sets agree: AVX-512 and AVX2 to the last bit, the portable build within the stated precision."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_backends import NOT_BUILT, needs_fused
from kernel_definitions import UNDERFLOW

from calibench import kernels

PROBE = str(Path(__file__).with_name("kernel_probe.py"))

Results = dict[str, list[Any]]
"""The fields of each case."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """Results of the kernels on the same inputs under each CALIBENCH_ISA, from processes: loading the kernels reads it."""
    if kernels.backend() == "reference":
        pytest.skip(NOT_BUILT)
    folder = tmp_path_factory.mktemp("isa")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALIBENCH_")}
    process = subprocess.run(
        [sys.executable, PROBE, str(folder), *kernels.extension_status().instruction_sets],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    by_isa = {}
    for isa in kernels.extension_status().instruction_sets:
        assert (folder / isa).exists(), f"{isa}: {process.stderr}"
        backend, isa_in_use, by_isa[isa] = pickle.loads((folder / isa).read_bytes())
        assert (backend, isa_in_use) == ("fused-cpu", isa)
    return by_isa


def of_isa(results: dict[str, Results], isa: str) -> Results:
    if isa not in results:
        pytest.skip(f"this processor or this build has no {isa}")
    return results[isa]


@pytest.mark.slow
def test_vectors_of_four_and_of_eight_give_the_same_bits(results: dict[str, Results]) -> None:
    wide, narrow = of_isa(results, "avx512"), of_isa(results, "avx2")
    assert wide.keys() == narrow.keys()
    assert len(wide) > 500
    for case, fields in wide.items():
        for a, b in zip(fields, narrow[case], strict=True):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), case


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["avx512", "avx2", "neon"])
def test_the_portable_build_agrees(results: dict[str, Results], isa: str) -> None:
    fast, portable = of_isa(results, isa), of_isa(results, "generic")
    for case, fields in fast.items():
        # Each is right to 1e-12 or 1e-6. The derivatives of nll_curve are differences, which may cancel.
        rtol = 2e-12 if "float64" in case else 2e-6
        for index, (a, b) in enumerate(zip(fields, portable[case], strict=True)):
            if a.dtype.kind in "bi" or (b == np.rint(b)).all():  # counts, predictions, sets
                np.testing.assert_array_equal(a, b, err_msg=case)
            elif case.startswith("nll_curve") and index > 0:
                scale = np.abs(np.array(portable[case])).max()
                np.testing.assert_allclose(a, b, rtol=rtol, atol=50 * rtol * scale, err_msg=case)
            else:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=UNDERFLOW, err_msg=case)


@pytest.mark.slow
def test_the_draws_of_a_bootstrap_have_the_same_bits(results: dict[str, Results]) -> None:
    bits = {isa: [field.tobytes() for field in fields["bootstrap_bins"]] for isa, fields in results.items()}
    assert len(set(map(tuple, bits.values()))) == 1


@needs_fused
def test_the_best_available_instruction_set_is_in_use() -> None:
    status = kernels.extension_status()
    best = next(isa for isa in ("avx512", "avx2", "neon", "generic") if isa in status.instruction_sets)
    assert status.instruction_set == (os.environ.get("CALIBENCH_ISA") or best)


def test_a_built_extension_serves_every_operator() -> None:
    """If it served none, the tests of the fused kernels would be skipped silently."""
    status = kernels.extension_status()
    if status.path is None:
        pytest.skip(NOT_BUILT)
    assert status.error is None
    assert set(status.ops) == set(kernels.OPS)
