"""`Result`: named, read-only fields, and a fault that the first read raises. The tests write the fault of a GPU by hand."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from kernel_backends import needs_fused

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import CalibrationStats, Result, ThresholdSets
from calibench.kernels.result import Fault

VALUES = tuple(torch.tensor(float(i), dtype=torch.float64) for i in range(7))
NONE = 2**63 - 1
FIELDS = ("count", "confidence_sum", "correct_sum", "nll_sum", "brier_sum", "correct", "n")


def with_fault(code: int, label: int = 0, classes: int = 10, caller: str = "calibration_stats") -> CalibrationStats:
    return CalibrationStats._of(VALUES, Fault(caller, classes, torch.tensor([code, label])))


READS: dict[str, Callable[[Result], object]] = {
    "a field": lambda result: result.nll_sum,  # type: ignore[attr-defined]
    "unpacking": lambda result: [*result],
    "an index": lambda result: result[0],
    "a dictionary": lambda result: result._asdict(),
    "printing": repr,
    "pickling": pickle.dumps,
    "copying": copy.deepcopy,
    "check": lambda result: result.check(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_every_read_raises_the_fault(read: Callable[[Result], object]) -> None:
    bad = with_fault(7 * 4 + 1)
    for _ in range(2):  # every further read too
        with pytest.raises(InputError, match=r"^calibration_stats: row 7: a score is NaN or infinite\n"):
            read(bad)
    read(with_fault(NONE))


@pytest.mark.parametrize(
    ("code", "label", "classes", "message"),
    [
        (0 * 4 + 1, 0, 10, "row 0: a score is NaN or infinite"),
        (12 * 4 + 2, -3, 10, "row 12: the label is -3, outside [0, 10)"),
        (2**40 * 4 + 3, 0, 10, f"row {2**40}: a probability lies outside [0, 1]"),
        (3 * 4 + 1, 0, 0, "row 3: a confidence is NaN or infinite"),
        (3 * 4 + 3, 0, 0, "row 3: a confidence lies outside [0, 1]"),
    ],
)
def test_the_words_are_those_of_the_cpu(code: int, label: int, classes: int, message: str) -> None:
    with pytest.raises(InputError) as excinfo:
        with_fault(code, label, classes, "somewhere").check()
    assert excinfo.value.message == f"somewhere: {message}"
    assert excinfo.value.hint


def test_the_first_read_of_a_field_reads_the_fault_once() -> None:
    result = with_fault(NONE)
    assert result._fault is not None
    result._fault.flag[0] = 4 + 1  # as a running kernel may do
    with pytest.raises(InputError, match="row 1"):
        _ = result.n
    good = with_fault(NONE)
    assert good.n == 6
    assert good._fault is not None
    good._fault.flag[0] = 4 + 1  # as a replayed CUDA graph does
    assert good.n == 6
    with pytest.raises(InputError, match="row 1"):
        good.check()


def test_fields_come_by_name_by_index_and_in_order() -> None:
    by_name = CalibrationStats(**dict(zip(FIELDS, VALUES, strict=True)))
    mixed = CalibrationStats(*VALUES[:3], **dict(zip(FIELDS[3:], VALUES[3:], strict=True)))
    for result in (by_name, CalibrationStats(*VALUES), mixed):
        assert result._fields == FIELDS
        assert len(result) == 7
        assert list(result._asdict()) == list(FIELDS)
        assert all(a is b for a, b in zip(result, VALUES, strict=True))
        assert all(getattr(result, name) is value for name, value in zip(FIELDS, VALUES, strict=True))
        assert result[-1] is VALUES[-1]
    sets, sizes = ThresholdSets(torch.ones(2, 3, dtype=torch.bool), torch.tensor([3, 3]))
    assert sets.shape == (2, 3)
    assert sizes.tolist() == [3, 3]
    assert repr(by_name).startswith("CalibrationStats(count=0.0, confidence_sum=1.0")
    with pytest.raises(AttributeError):
        by_name.count = VALUES[0]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "by_name"),
    [
        (VALUES[:6], {}),
        (VALUES, {"n": VALUES[0]}),
        ((*VALUES, VALUES[0]), {}),
        (VALUES[:6], {"m": VALUES[0]}),
    ],
    ids=["too few", "twice", "too many", "unknown"],
)
def test_wrong_fields_are_refused(values: tuple[torch.Tensor, ...], by_name: dict[str, torch.Tensor]) -> None:
    with pytest.raises(TypeError, match="takes count, confidence_sum"):
        CalibrationStats(*values, **by_name)


def test_pickles_hold_only_the_figures() -> None:
    loaded = pickle.loads(pickle.dumps(with_fault(NONE)))
    assert type(loaded) is CalibrationStats
    assert list(loaded) == list(VALUES)
    loaded.check()


def test_torch_takes_a_result_apart_without_reading_the_fault() -> None:
    """torch.compile and torch.export pass the fault through their graphs as one more tensor."""
    leaves, shape = torch.utils._pytree.tree_flatten(with_fault(5 * 4 + 2, 99))
    assert len(leaves) == 8
    rebuilt = torch.utils._pytree.tree_unflatten(leaves, shape)
    with pytest.raises(InputError, match=r"row 5: the label is 99, outside \[0, 10\)"):
        _ = rebuilt.n
    leaves, shape = torch.utils._pytree.tree_flatten(CalibrationStats(*VALUES))
    assert len(leaves) == 7
    assert torch.utils._pytree.tree_unflatten(leaves, shape).n == 6


@pytest.mark.slow
@needs_fused
def test_compiled_code_returns_the_fault_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA: the flag leaves the compiled region with the result, and the first read outside raises the fault."""
    monkeypatch.setattr(
        "calibench.kernels.dispatch.fault", lambda caller, flag, classes: Fault(caller, classes, flag + BAD)
    )
    x, y = torch.randn(20, 3), torch.zeros(20, dtype=torch.int64)

    def run(x: torch.Tensor) -> tuple[CalibrationStats, torch.Tensor]:
        stats = kernels.calibration_stats(x * 2, y)
        return stats, stats.nll_sum / stats.n

    stats, mean = torch.compile(run, fullgraph=True, backend="aot_eager")(x)
    assert mean.isfinite()
    with pytest.raises(InputError, match="calibration_stats: row 9: a score is NaN"):
        _ = stats.n


BAD = torch.tensor([9 * 4 + 1 - NONE, 0])
"""Added to a flag that names no row."""
