"""`Result`: named, read-only, and looked at only when somebody asks; faults written by hand stand for those of a GPU."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import CalibrationStats, Result, ThresholdSets
from calibench.kernels.result import Fault

VALUES = tuple(torch.tensor(float(i), dtype=torch.float64) for i in range(7))
NONE = 2**63 - 1
FIELDS = ("count", "confidence_sum", "correct_sum", "nll_sum", "brier_sum", "correct", "n")


def told(code: int, label: int = 0, classes: int = 10, where: str = "calibration_stats") -> CalibrationStats:
    return CalibrationStats._of(VALUES, Fault(where, classes, torch.tensor([code, label])))


LOOKS: dict[str, Callable[[Result], object]] = {
    "a field": lambda result: result.nll_sum,  # type: ignore[attr-defined]
    "unpacking": lambda result: [*result],
    "an index": lambda result: result[0],
    "a dictionary": lambda result: result._asdict(),
    "printing": repr,
    "pickling": pickle.dumps,
    "copying": copy.deepcopy,
    "check": lambda result: result.check(),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_first_look_tells(look: Callable[[Result], object]) -> None:
    bad = told(7 * 4 + 1)
    for _ in range(2):  # and every further one, too
        with pytest.raises(InputError, match=r"^calibration_stats: row 7: a score is NaN or infinite\n"):
            look(bad)
    look(told(NONE))


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
    with pytest.raises(InputError) as caught:
        told(code, label, classes, "somewhere").check()
    assert caught.value.message == f"somewhere: {message}"
    assert caught.value.hint


def test_nothing_is_read_before_the_first_look_and_once_after_it() -> None:
    result = told(NONE)
    assert result._fault is not None
    result._fault.flag[0] = 4 + 1  # as a kernel that is still running may do
    with pytest.raises(InputError, match="row 1"):
        _ = result.n
    good = told(NONE)
    assert good.n == 6
    assert good._fault is not None
    good._fault.flag[0] = 4 + 1  # as a replayed CUDA graph does
    assert good.n == 6
    with pytest.raises(InputError, match="row 1"):
        good.check()


def test_it_behaves_like_the_named_tuple_that_it_was() -> None:
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
    for wrong in (
        (VALUES[:6], {}),
        (VALUES, {"n": VALUES[0]}),
        ((*VALUES, VALUES[0]), {}),
        (VALUES[:6], {"m": VALUES[0]}),
    ):
        with pytest.raises(TypeError, match="takes count, confidence_sum"):
            CalibrationStats(*wrong[0], **wrong[1])


def test_pickles_hold_the_figures_alone() -> None:
    again = pickle.loads(pickle.dumps(told(NONE)))
    assert type(again) is CalibrationStats
    assert list(again) == list(VALUES)
    again.check()


def test_torch_takes_it_apart_without_looking() -> None:
    """torch.compile and torch.export carry the fault through their graphs as one more tensor."""
    leaves, shape = torch.utils._pytree.tree_flatten(told(5 * 4 + 2, 99))
    assert len(leaves) == 8
    again = torch.utils._pytree.tree_unflatten(leaves, shape)
    with pytest.raises(InputError, match=r"row 5: the label is 99, outside \[0, 10\)"):
        _ = again.n
    leaves, shape = torch.utils._pytree.tree_flatten(CalibrationStats(*VALUES))
    assert len(leaves) == 7
    assert torch.utils._pytree.tree_unflatten(leaves, shape).n == 6


@pytest.mark.skipif(not kernels.extension_status().ops, reason=f"not built: {kernels.extension_status().error}")
def test_compiled_code_returns_the_fault_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA: the flag leaves the compiled region with the result, and the first look outside tells."""
    monkeypatch.setattr(
        "calibench.kernels.dispatch.fault", lambda where, flag, classes: Fault(where, classes, flag + BAD)
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
