"""Every training objective against its formula in float64, written here with numpy; gradients by finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import calibench
from calibench import InputError, MethodSpec, Objective, specs_in
from calibench.config.from_words import resolve
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage

OBJECTIVES = specs_in("calibench_methods.objectives", MethodSpec)

Array = np.ndarray
N, K = 9, 4

pytestmark = pytest.mark.usefixtures("one_thread")


def build(recipe: str, k: int = K, n: int = N) -> Objective:
    """The objective that a user names, checked and prepared for n rows of k classes."""
    objective: Objective = build_stage(resolve(recipe).objective)
    objective.check(k)
    objective.prepare(TrainTask(torch.arange(n) % k, k, 10, None, lambda: nn.Linear(3, k)))
    return objective


def loss(objective: Objective, logits: Any, y: Any) -> torch.Tensor:
    logits, y = torch.as_tensor(logits), torch.as_tensor(y)
    return objective.loss(logits, Batch(logits, y, torch.arange(len(y))))


def value_and_gradient(objective: Objective, logits: Array, y: Array) -> tuple[float, Array]:
    x = torch.tensor(logits, requires_grad=True)
    found = loss(objective, x, y)
    found.backward()
    assert x.grad is not None
    return float(found.detach()), x.grad.numpy()


def drawn(seed: int = 0, k: int = K, scale: float = 2.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, k)) * scale, rng.integers(k, size=N)


def log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def onehot(y: Array, k: int) -> Array:
    return np.eye(k)[y]


# --- the formulas ---------------------------------------------------------------------------------------------------
# f(z, y, z0): the mean loss at logits z; what a paper holds constant in the gradient is taken at z0.

Oracle = Callable[[Array, Array, Array], float]


def of_p(f: Callable[[Array], Array]) -> Oracle:
    """The mean of `f(p_y)`."""
    return lambda z, y, _: float(f(np.exp(log_softmax(z))[np.arange(len(y)), y]).mean())


def cross(target: Callable[[Array, Array, Array], Array]) -> Oracle:
    """The cross-entropy with the targets `target(onehot, p, p at z0)`."""

    def f(z: Array, y: Array, z0: Array) -> float:
        t = target(onehot(y, z.shape[1]), np.exp(log_softmax(z)), np.exp(log_softmax(z0)))
        return float(-(t * log_softmax(z)).sum(axis=1).mean())

    return f


def mbls(margin: float, weight: float) -> Oracle:
    def f(z: Array, y: Array, _: Array) -> float:
        over = [max(0.0, max(row) - entry - margin) for row in z for entry in row]
        return of_p(lambda p: -np.log(p))(z, y, z) + weight * sum(over) / len(z)

    return f


def flsd53(z: Array, y: Array, z0: Array) -> float:
    rows = np.arange(len(y))
    p, p0 = np.exp(log_softmax(z))[rows, y], np.exp(log_softmax(z0))[rows, y]
    return float(np.mean([-((1 - a) ** (5 if b < 0.2 else 3)) * math.log(a) for a, b in zip(p, p0, strict=True)]))


def logit_norm(tau: float) -> Oracle:
    return lambda z, y, _: of_p(lambda p: -np.log(p))(z / np.sqrt((z**2).sum(axis=1, keepdims=True)) / tau, y, z)


def elr(weight: float, beta: float) -> Oracle:
    """The first step: the targets are (1 - beta) p."""

    def f(z: Array, y: Array, z0: Array) -> float:
        p, t = np.exp(log_softmax(z)), (1 - beta) * np.exp(log_softmax(z0))
        return of_p(lambda q: -np.log(q))(z, y, z) + weight * float(np.log(1 - (p * t).sum(axis=1)).mean())

    return f


def mixed(rate: float, k: int = K) -> Callable[[Array], Array]:
    e = rate * k / (k - 1)
    return lambda p: -np.log((1 - e) * p + e / k)


def backward(rate: float, k: int = K) -> Oracle:
    inverse = np.linalg.inv(np.full((k, k), rate / (k - 1)) + np.eye(k) * (1 - rate - rate / (k - 1)))
    return lambda z, y, _: float((inverse @ -log_softmax(z).T)[y, np.arange(len(y))].mean())


ORACLES: dict[str, Oracle] = {
    "ce": of_p(lambda p: -np.log(p)),
    "clipped-ce": of_p(lambda p: np.minimum(-np.log(p), 2 * math.log(K))),
    "clipped-ce:cap=1.5": of_p(lambda p: np.minimum(-np.log(p), 1.5)),
    "noise-ce:rate=0.3": of_p(mixed(0.3)),
    "noise-ce:rate=0.7": of_p(mixed(0.7)),
    "forward:rate=0.3": of_p(mixed(0.3)),
    "backward:rate=0.3": backward(0.3),
    "bootstrap": cross(lambda o, p, _: 0.95 * o + 0.05 * p),
    "bootstrap:mode=hard": cross(lambda o, _, p: 0.8 * o + 0.2 * onehot(p.argmax(axis=1), p.shape[1])),
    "bootstrap:beta=0.3": cross(lambda o, p, _: 0.3 * o + 0.7 * p),
    "gce": of_p(lambda p: (1 - p**0.7) / 0.7),
    "gce:q=1": of_p(lambda p: 1 - p),
    "sce": of_p(lambda p: -0.1 * np.log(p) + 4 * (1 - p)),
    "sce:alpha=6,beta=0.1,log_zero=-6": of_p(lambda p: -6 * np.log(p) + 0.1 * 6 * (1 - p)),
    "elr": elr(3.0, 0.7),
    "elr:weight=7,beta=0.9": elr(7.0, 0.9),
    "label-smoothing": cross(lambda o, p, _: 0.9 * o + 0.1 / p.shape[1]),
    "mbls:margin=1": mbls(1.0, 0.1),
    "mbls:margin=0,weight=2": mbls(0.0, 2.0),
    "focal": of_p(lambda p: -((1 - p) ** 3) * np.log(p)),
    "focal:gamma=0.5": of_p(lambda p: -np.sqrt(1 - p) * np.log(p)),
    "flsd53": flsd53,
    "adafocal": of_p(lambda p: -(1 - p) * np.log(p)),  # before the first validation
    "logit-norm": logit_norm(0.04),
    "logit-norm:tau=1": logit_norm(1.0),
    "confidence-penalty": cross(lambda o, p, _: o - 0.1 * p),
    "confidence-penalty:beta=2": cross(lambda o, p, _: o - 2 * p),
    "mixup": of_p(lambda p: -np.log(p)),  # of what is not mixed
    "co-teaching:rate=0.3": of_p(lambda p: -np.log(p)),  # of a batch that nothing is left out of
}
SAMPLED = {"mixup", "co-teaching:rate=0.3"}
"""Those whose `loss` is not what `step` minimises; that is tested in test_objectives_noise.py and below."""


def slope(oracle: Oracle, z: Array, y: Array, place: tuple[int, ...], h: float = 1e-3) -> float:
    """The derivative by one logit: central differences of two widths, whose errors of order h^2 cancel."""

    def central(width: float) -> float:
        step = np.zeros_like(z)
        step[place] = width
        return (oracle(z + step, y, z) - oracle(z - step, y, z)) / (2 * width)

    return (4 * central(h / 2) - central(h)) / 3


def test_every_objective_has_a_formula_here_or_in_the_noise_tests() -> None:
    named = {recipe.partition(":")[0] for recipe in ORACLES}
    assert {spec.name for spec in OBJECTIVES} - named - {"bce"} == {"cleanlab"}


@pytest.mark.parametrize("recipe", ORACLES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss_and_gradient_equal_the_formula(recipe: str, seed: int) -> None:
    z, y = drawn(seed)
    oracle = ORACLES[recipe]
    value, gradient = value_and_gradient(build(recipe), z, y)
    assert value == pytest.approx(oracle(z, y, z), rel=1e-12, abs=1e-14)
    numeric = np.array([slope(oracle, z, y, place) for place in np.ndindex(z.shape)]).reshape(z.shape)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-10)
    assert np.abs(gradient).max() > 1e-4  # a constant has a gradient too, of 0


@pytest.mark.parametrize("recipe", [r for r in ORACLES if ":cap" not in r and "rate=0.7" not in r])
def test_two_classes(recipe: str) -> None:
    z, y = drawn(3, k=2)
    value, gradient = value_and_gradient(build(recipe, k=2), z, y)
    rate = {"noise-ce:rate=0.3": of_p(mixed(0.3, 2)), "forward:rate=0.3": of_p(mixed(0.3, 2))}
    rate |= {
        "backward:rate=0.3": backward(0.3, 2),
        "clipped-ce": of_p(lambda p: np.minimum(-np.log(p), 2 * math.log(2))),
    }
    assert value == pytest.approx(rate.get(recipe, ORACLES[recipe])(z, y, z), rel=1e-12)
    assert np.isfinite(gradient).all()


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [
        "gce:q=0",
        "sce:alpha=1,beta=0",
        "sce:alpha=1,log_zero=0",
        "label-smoothing:epsilon=0",
        "noise-ce:rate=0",
        "forward:rate=0",
        "backward:rate=0",
        "focal:gamma=0",
        "bootstrap:beta=1",
        "bootstrap:mode=hard,beta=1",
        "mbls:margin=1e6",
        "mbls:weight=0",
        "mixup:alpha=0",
        "confidence-penalty:beta=0",
        "elr:weight=0",
        "clipped-ce:cap=1e6",
        "adafocal:gamma_max=0,gamma_min=0,switch=0",
        "co-teaching:rate=0",
    ],
)
def test_limits_that_are_cross_entropy(recipe: str) -> None:
    z, y = drawn(4)
    value, gradient = value_and_gradient(build(recipe), z, y)
    plain, its_gradient = value_and_gradient(build("ce"), z, y)
    assert value == pytest.approx(plain, rel=1e-12)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-9, atol=1e-14)


def test_limits_that_are_approached() -> None:
    z, y = drawn(5)
    plain = float(loss(build("ce"), z, y))
    for near, recipe in [
        (1e-6, "gce:q=1e-6"),
        (1e-6, "noise-ce:rate=1e-7"),
        (1e-5, "focal:gamma=1e-6"),
        (1e-5, "logit-norm:tau=1"),
    ]:
        scaled = z / np.linalg.norm(z, axis=1, keepdims=True) if recipe.startswith("logit") else z
        reference = float(loss(build("ce"), scaled, y)) if recipe.startswith("logit") else plain
        assert float(loss(build(recipe), z, y)) == pytest.approx(reference, rel=10 * near)
    assert float(loss(build("focal:gamma=1"), z, y)) == pytest.approx(float(loss(build("adafocal"), z, y)), rel=1e-12)


# --- properties -----------------------------------------------------------------------------------------------------

SHAPES = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0, 300.0]))


@settings(max_examples=25, deadline=None)
@given(SHAPES)
def test_bounded_losses_keep_their_bounds(shape: tuple[int, float]) -> None:
    z, y = drawn(shape[0], scale=shape[1])
    e = 0.3 * K / (K - 1)
    for recipe, bound in {
        "clipped-ce:cap=1.5": 1.5,
        "noise-ce:rate=0.3": math.log(K / e),
        "gce": 1 / 0.7,
        "gce:q=1": 1,
        "sce:alpha=0": 4,
    }.items():
        assert -1e-9 <= float(loss(build(recipe), z, y)) <= bound + 1e-12, recipe


@settings(max_examples=15, deadline=None)
@given(SHAPES, st.floats(-50, 50), st.permutations(range(N)))
def test_a_constant_or_another_order_changes_nothing(shape: tuple[int, float], shift: float, order: list[int]) -> None:
    z, y = drawn(*shape[:1], scale=shape[1])
    for recipe in ORACLES:
        value = float(loss(build(recipe), z, y))
        assert float(loss(build(recipe), z[order], y[order])) == pytest.approx(value, rel=1e-9, abs=1e-12), recipe
        if not recipe.startswith("logit-norm"):  # the norm is not that of the shifted logits
            assert float(loss(build(recipe), z + shift, y)) == pytest.approx(value, rel=1e-7, abs=1e-9), recipe


def test_the_gradient_of_a_clipped_sample_is_0_and_of_no_other() -> None:
    z, y = np.array([[0.0, 9, 0, 0], [0.0, 1, 0, 0]]), np.array([0, 0])
    _, gradient = value_and_gradient(build("clipped-ce", n=2), z, y)
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).all()


# --- where a probability underflows ---------------------------------------------------------------------------------


def extreme(dtype: torch.dtype, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right and wrong one-hot rows, ties, and equal logits: p_y is 0, 1, 1/2 and 1/K."""
    rows = []
    for top in range(k):
        for size in (1e4, 200.0, 30.0):
            rows += [torch.zeros(k).index_fill(0, torch.tensor(top), size), -torch.eye(k)[top] * size]
            rows.append((2 * torch.eye(k)[top] - 1) * size)
    rows += [torch.zeros(k), torch.full((k,), 1e4), torch.full((k,), -1e4)]
    logits = torch.stack(rows).to(dtype)
    return logits.repeat_interleave(k, dim=0), torch.arange(k).repeat(len(rows))


@pytest.mark.parametrize(("recipe", "k"), [(r, k) for r in ORACLES for k in (2, 4) if k == 4 or "rate=0.7" not in r])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_is_nan_or_infinite_where_a_probability_is_0(recipe: str, dtype: torch.dtype, k: int) -> None:
    logits, y = extreme(dtype, k)
    assert bool((logits.softmax(dim=1).gather(1, y[:, None]) == 0).any())
    objective = build(recipe, k=k, n=len(y))
    for _ in range(3):  # elr's targets move towards one-hot
        x = logits.clone().requires_grad_()
        found = loss(objective, x, y)
        found.backward()
        assert x.grad is not None
        assert math.isfinite(found.item())
        assert bool(x.grad.isfinite().all())


def test_the_naive_gce_has_a_nan_gradient_there() -> None:
    logits, y = extreme(torch.float32, 4)
    x = logits.clone().requires_grad_()
    p = x.softmax(dim=1).gather(1, y[:, None])
    ((1 - p**0.7) / 0.7).mean().backward()
    assert x.grad is not None
    assert bool(x.grad.isnan().any())


@pytest.mark.parametrize("recipe", ORACLES)
def test_float32_agrees_with_float64(recipe: str) -> None:
    z, y = drawn(7)
    narrow = float(loss(build(recipe), z.astype(np.float32), y))
    assert narrow == pytest.approx(float(loss(build(recipe), z.astype(np.float32).astype(np.float64), y)), rel=2e-5)


# --- mixup ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1e-3])
def test_mixup_equals_its_formula_for_the_share_and_the_order_that_were_drawn(alpha: float) -> None:
    rng = np.random.default_rng(0)
    x, weight, y = rng.normal(size=(N, 3)), rng.normal(size=(K, 3)), rng.integers(K, size=N)
    network = nn.Linear(3, K, bias=False, dtype=torch.float64)
    network.weight.data = torch.from_numpy(weight)
    torch.manual_seed(3)
    batch = Batch(torch.from_numpy(x), torch.from_numpy(y), torch.arange(N))
    found = float(build(f"mixup:alpha={alpha}").step(network, batch).detach())
    torch.manual_seed(3)
    alphas = torch.tensor([alpha, alpha], dtype=torch.float64)
    m = float(torch.distributions.Beta(*alphas).sample())
    order = torch.randperm(N).numpy()
    log_p = log_softmax((m * x + (1 - m) * x[order]) @ weight.T)
    rows = np.arange(N)
    assert 0 <= m <= 1
    assert found == pytest.approx(-(m * log_p[rows, y] + (1 - m) * log_p[rows, y[order]]).mean(), rel=1e-12)


def test_the_shares_of_mixup_are_beta_distributed() -> None:
    seen: list[float] = []

    class Watch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(float(x[0, 0]))
            return torch.zeros(len(x), K)

    x = torch.tensor([[1.0], [0.0]])  # half the time mixed with the other row, else with itself
    torch.manual_seed(0)
    for _ in range(4000):
        build_mixup.step(Watch(), Batch(x, torch.tensor([0, 1]), torch.arange(2)))
    shares = np.array([s for s in seen if s != 1.0])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), rel=0.08)  # of Beta(a, a): 1 / (4 (2a + 1))


build_mixup = build("mixup:alpha=0.5")


# --- adafocal -------------------------------------------------------------------------------------------------------


def ada_gamma(gamma: float, error: float) -> float:
    """The paper's update at its own settings."""
    if gamma >= 0:
        new = min(20, gamma * math.exp(error))
        return -0.2 if abs(new) < 0.2 else new
    new = max(-2, gamma * math.exp(-error))
    return 0.2 if abs(new) < 0.2 else new


def test_adafocal_follows_the_validation_split() -> None:
    rng = np.random.default_rng(1)
    objective = build("adafocal:bins=3")
    gammas = [1.0] * 3
    for epoch in range(60):
        logits = rng.normal(size=(40, K)) * (6 if epoch < 20 else 0.05)
        labels = rng.integers(K, size=40) if epoch < 20 else logits.argmax(axis=1)  # over-, then under-confident
        objective.end_epoch(torch.from_numpy(logits), torch.from_numpy(labels))
        p = np.exp(log_softmax(logits))
        confidence, hit = p.max(axis=1), p.argmax(axis=1) == labels
        groups = np.array_split(np.argsort(confidence, kind="stable"), 3)
        gammas = [ada_gamma(g, (confidence[r] - hit[r]).mean()) for g, r in zip(gammas, groups, strict=True)]
        if epoch in (0, 19, 59):
            assert objective.figures()["gammas"] == pytest.approx(gammas, rel=1e-9)
            assert (min(gammas) < 0) == (epoch == 59)  # the sign has changed by then
            z, y = drawn(epoch, scale=0.5 if epoch == 59 else 3)
            lowest = [confidence[r].min() for r in groups]

            def oracle(z: Array, y: Array, z0: Array, lowest: list[float] = lowest, g: list[float] = gammas) -> float:
                total = 0.0
                for p, p0, label in zip(np.exp(log_softmax(z)), np.exp(log_softmax(z0)), y, strict=True):
                    gamma = g[sum(p0[label] >= low for low in lowest[1:])]
                    base = 1 - p[label] if gamma >= 0 else 1 + p[label]
                    total -= base ** abs(gamma) * math.log(p[label])
                return total / len(z)

            value, gradient = value_and_gradient(objective, z, y)
            assert value == pytest.approx(oracle(z, y, z), rel=1e-12)
            assert gradient[2, 1] == pytest.approx(slope(oracle, z, y, (2, 1)), rel=1e-8, abs=1e-10)


def test_adafocal_keeps_its_bounds_and_takes_fewer_rows_than_bins() -> None:
    objective = build("adafocal")
    sure = torch.eye(K)[:3] * 50
    for _ in range(10):
        objective.end_epoch(sure, torch.tensor([1, 2, 0]))  # all wrong with confidence 1
    assert objective.figures()["gammas"][:4] == [20.0, 20.0, 20.0, 1.0]
    z, y = drawn()
    assert math.isfinite(float(loss(objective, z, y)))


# --- elr ------------------------------------------------------------------------------------------------------------


def test_elr_remembers_each_row_by_its_place_in_the_training_split() -> None:
    objective = build("elr", n=12)
    z, y = drawn(0)
    rows = torch.tensor([11, 3, 5, 0, 2, 7, 9, 1, 4])
    t = np.zeros((12, K))
    for step in range(4):
        logits = z * (step + 1)
        found = float(objective.loss(torch.from_numpy(logits), Batch(torch.zeros(N), torch.from_numpy(y), rows)))
        p = np.exp(log_softmax(logits))
        t[rows] = 0.7 * t[rows] + 0.3 * p
        expected = -np.log(p[np.arange(N), y]).mean() + 3 * np.log(1 - (p * t[rows]).sum(axis=1)).mean()
        assert found == pytest.approx(expected, rel=1e-6)  # targets are kept in float32
        rows = rows.roll(1)


@pytest.mark.parametrize("recipe", ["elr", "adafocal"])
def test_what_was_learned_can_be_put_back(recipe: str) -> None:
    z, y = drawn(0)
    objective, fresh = build(recipe), build(recipe)
    for _ in range(3):
        loss(objective, z, y)
        objective.end_epoch(torch.from_numpy(z), torch.from_numpy(y))
    fresh.load_state({name: held.clone() for name, held in objective.state().items()})
    assert float(loss(fresh, z, y)) == float(loss(objective, z, y)) != float(loss(build(recipe), z, y))


# --- refusals and the record ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "k", "says"),
    [
        ("clipped-ce:cap=2.3", 10, "never start to learn"),
        ("clipped-ce:cap=0.6", 2, "log K"),
        ("noise-ce:rate=0.75", 4, "0.75"),
        ("noise-ce:rate=half", 4, "half"),
        ("noise-ce:rate=nan", 4, "nan"),
        ("noise-ce:rate=-0.1", 4, "-0.1"),
        ("noise-ce:rate=0.3,folds=3", 4, "folds=3 would do nothing"),
        ("co-teaching:rate=0.9", 4, "chance"),
        ("forward:rate=0.5", 2, "chance"),
        ("forward:rate=0.5,folds=3", 4, "folds=3 would do nothing"),
        ("backward:rate=0.3,estimate=counts", 4, "rate and estimate"),
        ("adafocal:switch=3", 4, "switch=3"),
        ("gce:q=1.1", 4, "q=1.1"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(recipe: str, k: int, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("(", "\\(")) as caught:
        build(recipe, k=k)
    assert caught.value.hint


def test_a_cap_just_above_log_k_is_taken() -> None:
    assert build(f"clipped-ce:cap={math.log(10) + 1e-6}", k=10)


@pytest.mark.parametrize("spec", OBJECTIVES, ids=lambda spec: spec.name)
def test_each_is_described(spec: MethodSpec) -> None:
    assert spec.equation.startswith(("loss", "t <-", "x'", "each network"))
    assert spec.paper or spec.name in {"ce", "clipped-ce", "bce"}
    assert all(param.meaning for param in spec.params)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    file = tmp_path_factory.mktemp("objectives") / "blobs.npz"
    np.savez(file, train_x=(rng.normal(size=(300, 5)) + 3 * np.eye(5)[y]).astype(np.float32), train_y=y)
    return f"npz:path={Path(file)}"


WITH_A_RATE = {"noise-ce", "forward", "backward", "co-teaching"}
PLAIN = [
    f"{s.name}:rate=0.2" if s.name in WITH_A_RATE else s.name for s in OBJECTIVES if s.name not in {"cleanlab", "bce"}
]


@pytest.mark.parametrize("recipe", PLAIN)
def test_each_learns_by_the_pipeline_and_is_seeded(recipe: str, blobs: str) -> None:
    def accuracy_and_nll(seed: int) -> tuple[float, float]:
        record = calibench.run(
            recipe, blobs, "mlp:hidden=16", seed, "symmetric:rate=0.2", epochs=12, select="last", results=None,
            settings=[f"{recipe.partition(':')[0]}.lr=0.01"], device="cpu",
        )  # fmt: skip
        return record.metrics["accuracy"], record.metrics["nll"]

    one = accuracy_and_nll(0)
    assert one[0] > 0.85
    assert one == accuracy_and_nll(0)
