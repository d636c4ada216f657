"""Every instruction set gives one result: AVX-512 and AVX2 to the last bit, the portable build within what is promised."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_definitions import UNDERFLOW

from calibench import kernels

PROBE = str(Path(__file__).with_name("kernel_probe.py"))

Found = dict[str, list[Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What the kernels make of the same inputs under CALIBENCH_ISA, a process each: it is read on loading."""
    if kernels.backend() == "reference":
        pytest.skip(f"the fused kernels are not built: {kernels.extension_status().error}")
    folder = tmp_path_factory.mktemp("isa")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALIBENCH_")}
    ended = subprocess.run(
        [sys.executable, PROBE, str(folder), *kernels.extension_status().instruction_sets],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    results = {}
    for isa in kernels.extension_status().instruction_sets:
        assert (folder / isa).exists(), f"{isa}: {ended.stderr}"
        backend, used, results[isa] = pickle.loads((folder / isa).read_bytes())
        assert (backend, used) == ("fused-cpu", isa)
    return results


def of(found: dict[str, Found], isa: str) -> Found:
    if isa not in found:
        pytest.skip(f"this processor or this build has no {isa}")
    return found[isa]


def test_vectors_of_four_and_of_eight_give_the_same_bits(found: dict[str, Found]) -> None:
    wide, narrow = of(found, "avx512"), of(found, "avx2")
    assert wide.keys() == narrow.keys()
    assert len(wide) > 500
    for case, fields in wide.items():
        for a, b in zip(fields, narrow[case], strict=True):
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), case


@pytest.mark.parametrize("isa", ["avx512", "avx2", "neon"])
def test_the_portable_build_agrees(found: dict[str, Found], isa: str) -> None:
    fast, portable = of(found, isa), of(found, "generic")
    for case, fields in fast.items():
        # Each is right to 1e-12 or 1e-6 of its own; nll_curve's slopes are differences, which may cancel.
        rtol = 2e-12 if "float64" in case else 2e-6
        for index, (a, b) in enumerate(zip(fields, portable[case], strict=True)):
            if a.dtype.kind in "bi" or (b == np.rint(b)).all():  # counts, predictions, sets
                np.testing.assert_array_equal(a, b, err_msg=case)
            elif case.startswith("nll_curve") and index > 0:
                scale = np.abs(np.array(portable[case])).max()
                np.testing.assert_allclose(a, b, rtol=rtol, atol=50 * rtol * scale, err_msg=case)
            else:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=UNDERFLOW, err_msg=case)


def test_the_draws_of_a_bootstrap_are_the_same_bits_everywhere(found: dict[str, Found]) -> None:
    bits = {isa: [field.tobytes() for field in fields["bootstrap_bins"]] for isa, fields in found.items()}
    assert len(set(map(tuple, bits.values()))) == 1


def test_the_one_in_use_is_the_best_there_is() -> None:
    status = kernels.extension_status()
    if not status.ops:
        pytest.skip("the fused kernels are not built")
    best = next(isa for isa in ("avx512", "avx2", "neon", "generic") if isa in status.instruction_sets)
    assert status.instruction_set == (os.environ.get("CALIBENCH_ISA") or best)


def test_an_extension_that_is_there_serves_every_operator() -> None:
    """Else half of these tests would be skipped, and nobody would look."""
    status = kernels.extension_status()
    if status.path is None:
        pytest.skip("the fused kernels are not built")
    assert status.error is None
    assert set(status.ops) == set(kernels.OPS)
