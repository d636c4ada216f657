"""Temperature scaling: T stays in its bracket, the fitted NLL never rises, and T is the minimum."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest
import torch

from calibench import InputError, Outputs, RunError
from calibench.kernels import fit_temperature
from calibench.kernels.temperature_fit import BOUND
from calibench_methods.calibrators.temperature import Temperature

SETS = 10_000


def nll(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    """Written independently of the method, in float64."""
    scaled = logits.double() / temperature
    return float((torch.logsumexp(scaled, dim=1) - scaled.gather(1, labels[:, None])[:, 0]).mean())


def fit(logits: torch.Tensor, labels: torch.Tensor) -> float | None:
    """T, after checks of everything that the method promises; None if it refused."""
    method, outputs = Temperature(), Outputs(logits)
    try:
        fitted = method.fit(outputs, labels)
    except RunError:  # a test below checks the message
        return None
    t = fitted["temperature"]
    assert 1 / BOUND <= t <= BOUND
    assert fitted["nll_after"] <= fitted["nll_before"]
    before, after = nll(logits, labels, 1.0), nll(logits, labels, t)
    largest = float(logits.double().abs().max())
    slack = 1e-13 * (1 + before + largest * max(1.0, 1 / t))  # rounding of logits this large, divided by T
    assert fitted["nll_before"] == pytest.approx(before, rel=1e-12, abs=slack)
    assert fitted["nll_after"] == pytest.approx(after, rel=1e-12, abs=slack)
    assert after <= before + slack
    mapped = method.apply(outputs, fitted)
    mapped.check("after temperature")
    assert torch.equal(mapped.scores.argmax(dim=1), logits.double().argmax(dim=1))
    return t


def plain(rng):
    n, k = rng.integers(1, 60), rng.integers(2, 12)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 10 ** rng.uniform(-3, 2)
    logits[np.arange(n), labels] += rng.exponential(3) * logits.std()
    return logits, labels


def constant_rows(rng):
    logits, labels = plain(rng)
    rows = rng.random(len(logits)) < rng.choice([0.5, 1.0])
    logits[rows] = rng.normal(size=(rows.sum(), 1)) * 10
    return logits, labels


def one_class(rng):
    logits, labels = plain(rng)
    return logits, labels * 0 + rng.integers(logits.shape[1])


def all_correct(rng):
    logits, _ = plain(rng)
    return logits, logits.argmax(axis=1)


def all_wrong(rng):
    logits, _ = plain(rng)
    return logits, logits.argmin(axis=1)


def one_wrong(rng):
    logits, _ = plain(rng)
    labels = logits.argmax(axis=1)
    labels[0] = logits[0].argmin()
    return logits, labels


def large(rng):
    logits, labels = plain(rng)
    return logits / np.abs(logits).max() * 10 ** rng.uniform(4, 30), labels


def steps(rng):
    logits, labels = plain(rng)
    return np.sign(logits) * 1e4, labels


def one_sample(rng):
    logits, labels = plain(rng)
    return logits[:1], labels[:1]


def tiny_differences(rng):
    logits, labels = plain(rng)
    return rng.choice([0.0, 1e4]) + logits * 10 ** rng.uniform(-16, -6), labels


def duplicates(rng):
    logits, labels = plain(rng)
    return np.repeat(logits[:1], 20, axis=0), np.resize(labels, 20)


def many_classes(rng):
    n, k = rng.integers(1, 6), rng.integers(500, 1500)
    return rng.normal(size=(n, k)) * 3, rng.integers(k, size=n)


def scales(rng):
    """Every row has another scale, from 1e-300 to 1e300."""
    logits, labels = plain(rng)
    return logits * 10.0 ** rng.integers(-300, 300, size=(len(logits), 1)), labels


def edges(rng):
    """The largest float64 numbers, of both signs."""
    logits, labels = plain(rng)
    return np.where(rng.random(logits.shape) < 0.5, 1, -1) * np.finfo(np.float64).max, labels


def log_probabilities(rng):
    """Probabilities with zeros, as logits clipped at 1e-30."""
    logits, labels = plain(rng)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[p < 0.05] = 0
    return np.log(np.maximum(p, 1e-30)), labels


KINDS = (
    *(plain, constant_rows, one_class, all_correct, all_wrong, one_wrong, large, steps, one_sample, tiny_differences),
    *(duplicates, many_classes, scales, edges, log_probabilities),
)


@pytest.mark.slow
def test_ten_thousand_sets():
    results: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for i in range(SETS):
        rng = np.random.default_rng([i, 7])
        kind = KINDS[i % len(KINDS)]
        logits, labels = kind(rng)
        narrow = i // len(KINDS) % 3 == 0 and kind not in {scales, edges}
        scores = torch.from_numpy(logits.astype(np.float32) if narrow else logits)
        try:
            t = fit(scores, torch.from_numpy(labels))
        except Exception as error:
            error.add_note(f"set {i}, {kind.__name__}, {list(scores.shape)} {scores.dtype}")
            raise
        results[kind.__name__]["refused" if t is None else "one" if t == 1.0 else "fitted"] += 1
    assert set(results) == {kind.__name__ for kind in KINDS}
    assert results["plain"]["fitted"] > SETS / len(KINDS) / 3, results
    assert results["all_correct"]["fitted"] == 0, results
    assert results["all_wrong"]["fitted"] == 0, results


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_the_minimum(seed):
    """No T of a fine grid over the bracket has a lower NLL, and the best T of the grid is next to the fitted one."""
    grid = np.exp(np.linspace(-math.log(BOUND), math.log(BOUND), 401))
    fitted = 0
    for i in range(60):
        logits, labels = (torch.from_numpy(a) for a in plain(np.random.default_rng([i, seed])))
        t = fit(logits, labels)
        curve = _curve(logits, labels, grid)
        if t is None:
            assert int(curve.argmin()) in {0, len(grid) - 1}
            continue
        fitted += 1
        assert nll(logits, labels, t) <= float(curve.min()) + 1e-12
        assert abs(math.log(t) - math.log(grid[int(curve.argmin())])) <= math.log(grid[1] / grid[0]) + 2e-6
    assert fitted > 20


def _curve(logits: torch.Tensor, labels: torch.Tensor, grid: np.ndarray) -> torch.Tensor:
    scaled = logits[None] / torch.from_numpy(grid)[:, None, None]
    true = scaled.gather(2, labels[None, :, None].expand(len(grid), -1, 1))[..., 0]
    return (scaled.logsumexp(dim=2) - true).mean(dim=1)


def test_a_known_temperature_is_recovered():
    """Labels are drawn from softmax(z), and logits are T z in float64, float32 and narrower types."""
    generator = torch.Generator().manual_seed(0)
    z = 2 * torch.randn(50_000, 4, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(z.softmax(dim=1), 1, generator=generator)[:, 0]
    at_one = fit(z, labels)
    assert at_one == pytest.approx(1, abs=0.02)
    for t in (0.1, 0.5, 3.0, 20.0):
        assert fit(t * z, labels) == pytest.approx(t * at_one, rel=2e-6)
    assert fit((3 * z).float(), labels) == pytest.approx(3 * at_one, rel=2e-6)
    assert fit((3 * z).half(), labels) == pytest.approx(3 * at_one, rel=1e-3)
    assert fit((3 * z).bfloat16(), labels) == pytest.approx(3 * at_one, rel=1e-2)


def test_a_constant_added_to_a_row_changes_nothing():
    logits, labels = (torch.from_numpy(a) for a in plain(np.random.default_rng(3)))
    shifted = logits + torch.linspace(-50, 50, len(logits), dtype=torch.float64)[:, None]
    assert fit(shifted, labels) == pytest.approx(fit(logits, labels), rel=2e-6)


def test_a_refusal_names_the_end_of_the_bracket():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(50, 5)) * 3)
    with pytest.raises(RunError, match=r"still falls at T = 1/50") as low:
        Temperature().fit(Outputs(logits), logits.argmax(dim=1))
    assert "all" in low.value.hint
    with pytest.raises(RunError, match=r"still falls at T = 50") as high:
        Temperature().fit(Outputs(logits), logits.argmin(dim=1))
    assert "the same order" in high.value.hint
    with pytest.raises(RunError, match=r"in some row the logits lie 1e\+200 apart") as wide:
        Temperature().fit(Outputs(torch.tensor([[0.0, 1e200], [1.0, 0.0]], dtype=torch.float64)), torch.tensor([0, 1]))
    assert "float64" in wide.value.hint


def test_constant_rows_give_temperature_1():
    outputs = Outputs(torch.full((10, 3), 7.0))
    fitted = Temperature().fit(outputs, torch.arange(10) % 3)
    assert fitted["temperature"] == 1.0
    assert fitted["nll_before"] == fitted["nll_after"] == pytest.approx(math.log(3), rel=1e-12)


# --- the kernel's fit ------------------------------------------------------------------------------------------------


def drawn(n: int, k: int, t: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits t z, which are over-confident by t, and labels drawn from softmax(z)."""
    generator = torch.Generator().manual_seed(n + k)
    z = 2 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return t * z, torch.multinomial(z.softmax(dim=1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("k", [2, 10, 300])
@pytest.mark.parametrize("t", [0.2, 0.5, 0.9, 1.0, 1.3, 2.0, 4.0, 15.0, 40.0])
def test_the_fit_takes_few_passes(t: float, k: int) -> None:
    fitted = fit_temperature(*drawn(2000, k, t))
    assert fitted.passes <= (3 if 0.6 < t < 1.6 else 6)
    assert fitted.nll_after <= fitted.nll_before


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_each_backend_and_layout_finds_the_root_of_the_slope(dtype: torch.dtype, backend: str) -> None:
    """The root is that of scipy's bracketed search on a slope written here."""
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = drawn(3000, 17, 1.8)
    logits = logits.to(dtype)
    x = logits.double()

    def slope(u: float) -> float:
        p = (x * math.exp(-u)).softmax(dim=1)
        return float((x.gather(1, labels[:, None])[:, 0] - (p * x).sum(dim=1)).sum())

    expected = optimize.brentq(slope, -3, 3, xtol=1e-12)
    for view in (logits, logits.t().contiguous().t(), logits.repeat(1, 2)[:, :17]):
        fitted = fit_temperature(view, labels.int())
        # In the narrower types a sum is right to 1e-6 of itself, and so is, about, the root of the slope.
        assert abs(math.log(fitted.temperature) - expected) <= (1.1e-6 if dtype == torch.float64 else 5e-6)
        assert fitted.nll_before == pytest.approx(nll(x, labels, 1.0), rel=1e-12 if dtype == torch.float64 else 1e-6)
        assert fitted.nll_after == pytest.approx(nll(x, labels, fitted.temperature), rel=1e-6)


def test_the_method_is_the_kernels_fit_in_float64() -> None:
    logits, labels = drawn(500, 5, 3.0)
    by_kernel = fit_temperature(logits.float().double(), labels)
    assert Temperature().fit(Outputs(logits.float()), labels) == {
        "temperature": by_kernel.temperature,
        "nll_before": by_kernel.nll_before,
        "nll_after": by_kernel.nll_after,
    }
    from_probs = Temperature().fit(Outputs(logits.softmax(dim=1), from_probs=True), labels)
    assert from_probs["temperature"] == pytest.approx(by_kernel.temperature, rel=3e-6)


def test_the_fit_refuses_bad_samples(backend: str) -> None:
    logits, labels = drawn(50, 5)
    with pytest.raises(InputError, match="fit_temperature: there are no rows"):
        fit_temperature(logits[:0], labels[:0])
    for row, value in ((7, math.nan), (3, math.inf)):
        logits[row, 2] = value
        with pytest.raises(InputError, match=f"fit_temperature: row {row}: a score is NaN or infinite"):
            fit_temperature(logits, labels)
    with pytest.raises(InputError, match="fit_temperature: 50 rows of scores and 49 labels"):
        fit_temperature(logits, labels[1:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
def test_t_is_1_if_the_nll_does_not_depend_on_it(dtype: torch.dtype, backend: str) -> None:
    rows = torch.linspace(-60, 60, 30)[:, None].expand(30, 4).to(dtype)
    for logits in (rows, rows[:, :1]):
        fitted = fit_temperature(logits, torch.zeros(30, dtype=torch.int64))
        assert fitted.temperature == 1.0
        assert fitted.nll_before == fitted.nll_after == pytest.approx(math.log(logits.shape[1]), abs=1e-15)
