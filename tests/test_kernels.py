"""calibration_stats, fused and reference, against definitions written here in extended precision."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibench import kernels
from calibench.errors import InputError

# An extension that was not built skips the fused half of these tests; its warning is not their subject.
pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")

M = 15
Stats = Callable[..., tuple[kernels.CalibrationStats, kernels.CalibrationSamples]]
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture(params=["fused", "reference"])
def stats(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stats:
    """calibration_stats with samples, by each backend in turn."""
    if request.param == "fused" and kernels.backend() == "reference":
        pytest.skip(f"the fused kernels are not built: {kernels.extension_status().error}")
    monkeypatch.setenv("CALIBENCH_BACKEND", request.param)

    def call(x: torch.Tensor, y: torch.Tensor, bins: int = M, from_probs: bool = False):  # type: ignore[no-untyped-def]
        return kernels.calibration_stats(x, y, bins, from_probs=from_probs, return_samples=True)

    return call


def define(
    x: torch.Tensor, y: torch.Tensor, bins: int = M, from_probs: bool = False
) -> dict[str, npt.NDArray[np.float64]]:
    """The conventions written down naively, in 80-bit floats: softmax, argmax, one-hot, a loop over bins."""
    scores = x.double().numpy().astype(np.longdouble)
    labels = y.numpy().astype(np.int64)
    rows = np.arange(len(labels))
    e = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(labels) else scores
    p = scores if from_probs else e / e.sum(axis=1, keepdims=True)
    prediction = scores.argmax(axis=1) if len(labels) else labels
    confidence = p[rows, prediction].astype(np.float64)
    with np.errstate(divide="ignore"):
        log_p = (
            np.log(e.sum(axis=1)) + scores.max(axis=1, initial=-np.inf) - scores[rows, labels]
            if len(labels)
            else p[:, 0]
        )
    nll = -np.log(np.maximum(p[rows, labels], 1e-12)) if from_probs else log_p
    onehot = np.eye(scores.shape[1])[labels]
    brier = ((p - onehot) ** 2).sum(axis=1)
    count, confidence_sum, correct = np.zeros((3, bins))
    for k in range(bins):
        inside = (confidence > k / bins) & (confidence <= (k + 1) / bins)
        inside |= (k == 0) & (confidence == 0)
        inside |= (k == bins - 1) & (confidence > 1)
        count[k] = inside.sum()
        confidence_sum[k] = p[rows, prediction][inside].sum()
        correct[k] = (prediction == labels)[inside].sum()
    return {
        "count": count,
        "confidence_sum": confidence_sum,
        "correct_sum": correct,
        "nll_sum": np.float64(nll.sum()),
        "brier_sum": np.float64(brier.sum()),
        "correct": correct.sum(),
        "n": np.float64(len(labels)),
    }


def assert_equal(got: kernels.CalibrationStats, want: dict[str, npt.NDArray[np.float64]]) -> None:
    for name in ("count", "correct_sum", "correct", "n"):
        np.testing.assert_array_equal(getattr(got, name).numpy(), want[name], err_msg=name)
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        np.testing.assert_allclose(getattr(got, name).numpy(), want[name], rtol=1e-12, atol=1e-18, err_msg=name)
    assert all(field.dtype == torch.float64 for field in got)


def draw(n: int, k: int, dtype: torch.dtype = torch.float64, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n * 1009 + k)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64) * scale
    return x.to(dtype), torch.randint(0, k, (n,), generator=generator)


@pytest.mark.parametrize("k", [1, 2, 3, 10, 17, 100, 1000])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(stats: Stats, dtype: torch.dtype, k: int) -> None:
    x, y = draw(max(60, 4000 // k), k, dtype)
    assert_equal(stats(x, y)[0], define(x, y))
    p = x.double().softmax(dim=1).to(dtype)
    assert_equal(stats(p, y, 10, True)[0], define(p, y, 10, True))


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 1024, 1025, 5000])
def test_any_number_of_rows(stats: Stats, n: int) -> None:
    x, y = draw(n, 10)
    got, samples = stats(x, y)
    assert_equal(got, define(x, y))
    assert [field.shape for field in samples] == [(n,)] * 5
    assert got.count.shape == (M,)
    assert got.n.shape == ()


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 1000])
def test_any_number_of_bins(stats: Stats, bins: int) -> None:
    x, y = draw(500, 4)
    assert_equal(stats(x, y, bins)[0], define(x, y, bins))


@pytest.mark.parametrize("labels", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_any_strides_and_label_types(stats: Stats, labels: torch.dtype) -> None:
    x, y = draw(300, 12, torch.float32)
    y = y.to(labels)
    want = define(x, y)
    wide = torch.full((600, 36), float("nan"))  # what is not part of the view must not be read
    wide[::2, 1::3] = x
    doubled = torch.full((600,), 99).to(labels)
    doubled[::2] = y
    for view, label_view in ((x.t().contiguous().t(), y), (wide[::2, 1::3], doubled[::2])):
        assert not view.is_contiguous()
        assert_equal(stats(view, label_view)[0], want)
    same = x[:1].expand(300, 12)
    assert_equal(stats(same, y)[0], define(same.contiguous(), y))
    assert_equal(stats(x[5:5], y[5:5])[0], define(x[5:5], y[5:5]))


def test_samples(stats: Stats) -> None:
    x, y = draw(2000, 10, torch.float32)
    got, samples = stats(x, y)
    p = x.double().softmax(dim=1)
    assert samples.prediction.dtype == torch.int64
    assert torch.equal(samples.prediction, p.argmax(dim=1))
    torch.testing.assert_close(samples.confidence, p.amax(dim=1), rtol=1e-14, atol=0)
    torch.testing.assert_close(samples.tail, 1 / p.amax(dim=1) - 1, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(samples.nll, -p.log()[torch.arange(2000), y], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(samples.brier.sum(), got.brier_sum, rtol=1e-13, atol=0)


def test_saturated_rows_keep_their_tail(stats: Stats) -> None:
    x = torch.tensor([[40.0, 0.0, 0.0], [50.0, 0.0, 0.0], [1e4, -1e4, 0.0], [60.0, 0.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 0, 1])
    got, samples = stats(x, y)
    assert samples.confidence.tolist() == [1.0] * 4
    assert got.count.tolist() == [0.0] * 14 + [4.0]
    np.testing.assert_allclose(samples.tail[:3], [2 * np.exp(-40.0), 2 * np.exp(-50.0), 0.0], rtol=1e-14)
    np.testing.assert_allclose(samples.nll, [2 * np.exp(-40.0), 2 * np.exp(-50.0), 0.0, 60.0], rtol=1e-14)
    np.testing.assert_allclose(samples.brier[0], 6 * np.exp(-80.0), rtol=1e-14)
    np.testing.assert_allclose(samples.brier[3], 2.0, rtol=1e-14)


def test_ties_zeros_and_subnormals(stats: Stats) -> None:
    tiny = 5e-324
    x = torch.tensor([[1.0, 1.0, 1.0], [-0.0, 0.0, -1.0], [0.0, tiny, tiny], [2.0, 7.0, 7.0]], dtype=torch.float64)
    _, samples = stats(x, torch.tensor([0, 1, 1, 2]))
    assert samples.prediction.tolist() == [0, 0, 1, 1]
    assert samples.confidence[0] == 1 / 3
    for dtype, smallest in ((torch.float16, 2.0**-24), (torch.bfloat16, 2.0**-133), (torch.float32, 2.0**-149)):
        small = torch.tensor([[0.0, smallest], [-smallest, 0.0], [65504.0, -65504.0]], dtype=torch.float64).to(dtype)
        got, samples = stats(small, torch.tensor([0, 0, 1]))
        assert samples.prediction.tolist() == [1, 1, 0], dtype
        assert_equal(got, define(small, torch.tensor([0, 0, 1])))


def test_every_float16_and_bfloat16_is_read_exactly(stats: Stats) -> None:
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    for dtype in (torch.float16, torch.bfloat16):
        x = bits.view(dtype)
        x = x[x.isfinite() & (x.double().abs() < 1e5)]
        rows = torch.stack([x, torch.zeros_like(x)], dim=1)
        samples = stats(rows, torch.zeros(len(x), dtype=torch.int64))[1]
        np.testing.assert_allclose(samples.nll, np.logaddexp(0, -x.double().numpy()), rtol=1e-14, atol=1e-300)


def test_edges_belong_to_the_lower_bin(stats: Stats) -> None:
    for bins in (3, 10, 15, 49):
        edges = torch.arange(0, bins + 1, dtype=torch.float64) / bins
        above = torch.nextafter(edges[:-1], torch.tensor(2.0, dtype=torch.float64))
        top = torch.cat([edges, above])
        p = torch.stack([top, torch.zeros_like(top)], dim=1)
        got, _ = stats(p, torch.zeros(len(p), dtype=torch.int64), bins, True)
        assert got.count.tolist() == [3.0] + [2.0] * (bins - 1), bins  # 0 and its successor join edge 1 in the first
    uniform = torch.zeros(7, 3, dtype=torch.float64)  # confidence 1/3 is edge 5 of 15
    assert stats(uniform, torch.zeros(7, dtype=torch.int64))[0].count[4] == 7


def test_probabilities(stats: Stats) -> None:
    p = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.0, 0.0], [1.0005, 0.0]], dtype=torch.float64)
    got, samples = stats(p, torch.tensor([1, 1, 0, 0]), M, True)
    assert samples.tail.tolist() == [0.25 / 0.75, 0.0, float("inf"), 0.0]
    np.testing.assert_allclose(samples.nll[:3], [-np.log(0.75), -np.log(1e-12), -np.log(1e-12)], rtol=1e-15)
    np.testing.assert_allclose(samples.brier[:3], [0.125, 2.0, 1.0], rtol=1e-15)
    assert got.count[-1] == 2


def test_huge_logits_give_an_infinite_nll_not_nan(stats: Stats) -> None:
    x = torch.tensor([[1.7e308, -1.7e308], [1.0, 0.0]], dtype=torch.float64)
    got, _ = stats(x, torch.tensor([1, 0]))
    assert got.nll_sum == float("inf")
    assert got.n == 2


def test_threads_change_nothing(stats: Stats) -> None:
    x, y = draw(20_000, 7, torch.float32)
    wide, wide_y = draw(3, 50_000)  # torch would split these rows over threads
    threads = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            found.append(
                [t.numpy().tobytes() for a, b in ((x, y), (wide, wide_y)) for t in itertools.chain(*stats(a, b))]
            )
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_fused_equals_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(5000, 33, torch.bfloat16)
    found = {}
    for name in ("auto", "reference"):
        monkeypatch.setenv("CALIBENCH_BACKEND", name)
        found[name] = plain(x, y)
    assert_equal(found["auto"], {name: value.numpy() for name, value in found["reference"]._asdict().items()})


def test_sums_stay_exact_over_many_rows(stats: Stats) -> None:
    x = torch.zeros(200_000, 10, dtype=torch.float64)
    x[:, 0] = 0.1
    got, samples = stats(x, torch.zeros(200_000, dtype=torch.int64))
    for total, one in ((got.confidence_sum.sum(), samples.confidence[0]), (got.nll_sum, samples.nll[0])):
        assert float(total) == pytest.approx(200_000 * float(one), rel=4e-16)


# --- properties -----------------------------------------------------------------------------------------------------

LOGITS = hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 6)), elements=st.floats(-50, 50, width=32))


def plain(x: torch.Tensor, y: torch.Tensor) -> kernels.CalibrationStats:
    return kernels.calibration_stats(x, y)


def ece_and_mce(s: kernels.CalibrationStats) -> tuple[float, float]:
    gaps = (s.confidence_sum - s.correct_sum).abs()
    return float(gaps.sum() / s.n), float((gaps / s.count.clamp_min(1)).max())


@settings(max_examples=60, deadline=None)
@given(scores=LOGITS, seed=st.integers(0, 2**31), shift=st.integers(-1024, 1024))
def test_properties(scores: npt.NDArray[np.float64], seed: int, shift: int) -> None:
    x = torch.from_numpy(scores)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, x.shape[1], (len(x),), generator=generator)
    base = plain(x, y)
    order = torch.randperm(len(x), generator=generator)
    permuted = plain(x[order], y[order])
    assert torch.equal(base.count, permuted.count)
    assert torch.equal(base.correct_sum, permuted.correct_sum)
    torch.testing.assert_close(base.confidence_sum, permuted.confidence_sum, rtol=1e-15, atol=0)
    shifted = plain(x + shift, y)  # the sum rounds, by at most 2^-43
    torch.testing.assert_close(base.nll_sum, shifted.nll_sum, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(base.confidence_sum.sum(), shifted.confidence_sum.sum(), rtol=1e-11, atol=0)
    ece, mce = ece_and_mce(base)
    assert ece <= mce + 1e-15
    assert 0 <= float(base.brier_sum) <= 2 * len(x)
    twice = plain(torch.cat([x, x]), torch.cat([y, y]))  # weights of 2
    assert_equal(twice, {name: 2 * value.numpy() for name, value in base._asdict().items()})


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(stats: Stats, x: torch.Tensor, y: torch.Tensor, bins: int = M, from_probs: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        stats(x, y, bins, from_probs)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_lowest_bad_row_is_named(stats: Stats, dtype: torch.dtype, value: float) -> None:
    x, y = draw(3000, 10, dtype)
    x[[1234, 2999, 1300], [3, 0, 9]] = value
    assert refused(stats, x, y) == "calibration_stats: row 1234: a score is NaN or infinite"
    y[1233] = 10
    assert refused(stats, x, y) == "calibration_stats: row 1233: the label is 10, outside [0, 10)"
    y[2] = -1
    assert refused(stats, x, y) == "calibration_stats: row 2: the label is -1, outside [0, 10)"
    x[2, 2] = value
    assert refused(stats, x, y) == "calibration_stats: row 2: a score is NaN or infinite"


def test_logits_are_no_probabilities(stats: Stats) -> None:
    p = torch.tensor([[0.5, 0.5], [0.5, 0.5], [-0.1, 1.0]])
    want = "calibration_stats: row 2: a probability lies outside [0, 1]"
    assert refused(stats, p, torch.tensor([0, 1, 0]), from_probs=True) == want
    p[2] = torch.tensor([0.0, 1.01])
    assert refused(stats, p, torch.tensor([0, 1, 0]), from_probs=True) == want


def test_wrong_shapes_and_types(stats: Stats) -> None:
    x, y = draw(5, 3)
    assert "shape [15]" in refused(stats, x.flatten(), y)
    assert "no classes" in refused(stats, x[:, :0], y)
    assert "type int64" in refused(stats, x.long(), y)
    assert "type complex128" in refused(stats, x.to(torch.complex128), y)
    assert "shape [5, 1]" in refused(stats, x, y[:, None])
    assert "type bool" in refused(stats, x, y.bool())
    assert "type float32" in refused(stats, x, y.float())
    assert "5 rows of scores and 4 labels" in refused(stats, x, y[:4])
    assert "on cpu and labels on meta" in refused(stats, x, y.to("meta"))
    for bins in (0, -1, 2**24 + 1, True):
        assert f"bins is {bins}" in refused(stats, x, y, bins)


def test_no_gradient_is_promised(stats: Stats) -> None:
    x, y = draw(5, 3)
    x.requires_grad_()
    assert "not differentiable" in refused(stats, x, y)
    stats(x.detach(), y)
    with torch.no_grad():
        assert stats(x, y)[0].n == 5
