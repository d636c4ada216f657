"""Bad rows on CUDA: the first read of a result raises the error, and an accumulator leaves out the batch."""

from __future__ import annotations

import pytest
import torch
from kernel_cases import draw
from kernel_cuda import CUDA_ONLY, NO_FAULT, OPS, check_stats
from kernel_definitions import TYPES
from kernel_ops import ALL_OPS, LABELLED

from calibench import kernels
from calibench.errors import InputError

pytestmark = CUDA_ONLY


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("k", [5, 300, 700, 1500])
def test_the_first_read_names_the_lowest_bad_row(dtype: torch.dtype, k: int) -> None:
    for name, call in ALL_OPS.items():
        for value in (float("nan"), float("inf"), -float("inf")):
            x, y = draw(70, k, dtype)
            x[[34, 69, 40], [3, 0, 4]] = value
            with pytest.raises(InputError) as excinfo:
                [*call(x.cuda(), y.cuda())]
            assert excinfo.value.message.endswith("row 34: a score is NaN or infinite"), name
            assert excinfo.value.message.startswith(name), name
            if name not in LABELLED:
                continue
            for row, label in ((33, k), (2, -1)):
                y[row] = label
                with pytest.raises(InputError, match=rf"row {row}: the label is {label}, outside \[0, {k}\)"):
                    [*call(x.cuda(), y.cuda())]
            x[2, 1] = value
            with pytest.raises(InputError, match="row 2: a score is NaN or infinite"):
                [*call(x.cuda(), y.cuda())]


def test_a_bad_call_raises_at_the_first_read_and_not_before() -> None:
    x, y = (v.cuda() for v in draw(100, 10, torch.float32))
    x[5, 5] = float("nan")
    stats = kernels.calibration_stats(x, y)  # nothing is read, so nothing is raised
    decision = kernels.softmax_threshold(x, 0.4)
    sets = kernels.sigmoid_threshold(x, 0.6)
    accumulator = kernels.CalibrationAccumulator(device="cuda")
    accumulator.update(x, y)
    sums = accumulator.compute()
    for result in (stats, decision, sets, sums):
        with pytest.raises(InputError, match="row 5: a score is NaN or infinite"):
            _ = result[0]
    torch.cuda.synchronize()  # the device still works
    check_stats(*draw(10, 10, torch.float32))


def test_probabilities_and_confidences_outside_0_and_1() -> None:
    p = torch.full((9, 4), 0.25)
    p[6, 2] = -0.5
    with pytest.raises(InputError, match="row 6: a probability lies outside"):
        _ = kernels.calibration_stats(p.cuda(), torch.zeros(9).long().cuda(), from_probs=True).n
    with pytest.raises(InputError, match="row 6: a probability lies outside"):
        _ = kernels.classwise_stats(p.cuda(), torch.zeros(9).long().cuda(), from_probs=True).count
    confidence = torch.full((9,), 0.5, dtype=torch.float64, device="cuda")
    confidence[4] = 1.5
    with pytest.raises(InputError, match="row 4: a confidence lies outside"):
        _ = kernels.bootstrap_bins(confidence, torch.ones(9, device="cuda", dtype=torch.bool)).count


def test_a_bad_batch_leaves_the_sums_as_they_were() -> None:
    x, y = (v.cuda() for v in draw(200, 10, torch.float32))
    state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
    fault = torch.tensor([NO_FAULT, 0], device="cuda")
    OPS.calibration_update(state, fault, x, y, 15, False)
    before = state.clone()
    assert float(before[:15, 0].sum()) == 200
    bad = y.clone()
    bad[3] = 77
    OPS.calibration_update(state, fault, x, bad, 15, False)
    assert torch.equal(state, before)
    assert fault.tolist() == [3 * 4 + 2, 77]
    OPS.calibration_update(state, fault, x, y, 15, False)  # later batches do not count either
    assert torch.equal(state, before)
    assert fault.tolist() == [3 * 4 + 2, 77]
