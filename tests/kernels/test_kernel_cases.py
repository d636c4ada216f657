"""The definitions of the tests have 17 digits, and their cases would catch a kernel that computes in plain float32."""

from __future__ import annotations

import mpmath
import numpy as np
import torch
from kernel_cases import badly_rounded, hard_rows, rows_near, rows_stepping_over
from kernel_definitions import BINS, TYPES, calibration_samples, edges_of, softmax


def test_the_definition_has_seventeen_digits() -> None:
    """Against 60 decimal digits, without rearranging a tail or a logarithm."""
    with mpmath.workdps(60):
        for dtype in TYPES:
            for name, (x, label) in hard_rows(dtype).items():
                if x.shape[1] > 1000:
                    continue
                row = [mpmath.mpf(float(value)) for value in x[0]]
                scale = max(row)
                total = mpmath.fsum(mpmath.exp(value - scale) for value in row)
                samples = calibration_samples(x, torch.tensor([label]))
                references = {"confidence": 1 / total, "nll": mpmath.log(total) + scale - row[label]}
                if references["nll"] < 1e-40:
                    continue  # 60 digits end here
                for field, expected in references.items():
                    np.testing.assert_allclose(
                        samples[field][0], np.longdouble(str(expected)), rtol=1e-17, err_msg=f"{name}: {field}"
                    )


def test_the_cases_are_beyond_plain_float32() -> None:
    edges = edges_of(BINS)
    for low, high in ((32, 64), (64, 80)):
        a, b = badly_rounded(torch.float32, low, high)
        plain = np.exp(np.longdouble(np.float32(b) - np.float32(a)))
        exact = np.exp(np.longdouble(b) - np.longdouble(a))
        assert abs(plain / exact - 1) > 1.2e-6  # one rounding already costs more than 1e-6
    for x in (rows_near(torch.float32, tuple(edges[2:]), 17)[0], rows_stepping_over(edges, 17)[0]):
        narrow = torch.softmax(x, dim=1).amax(dim=1).double().numpy()
        wide = softmax(x).p.max(axis=1).astype(np.float64)
        moved = np.searchsorted(edges, narrow) != np.searchsorted(edges, wide)
        assert moved.sum() >= 20


def test_rows_near_an_edge_are_within_a_step_of_float32_and_beyond_the_error_of_float64() -> None:
    for dtype in TYPES:
        x, _ = rows_near(dtype, (0.4, 0.6, 0.8), 10)
        gap = np.abs(softmax(x).p.max(axis=1)[:, None] - np.array([0.4, 0.6, 0.8], np.longdouble)).min(axis=1)
        assert gap.min() > 5e-14
        assert np.quantile(gap, 0.2) < 5e-7
        assert gap.max() > 1e-6  # outside the range that kernels recompute
