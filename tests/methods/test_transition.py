"""Noise rates, transition matrices, co-teaching and cleanlab: against counting loops written here, and against cleanlab."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import calibench
from calibench import InputError, Objective
from calibench.cache.stage_cache import StageCache
from calibench.config.from_words import resolve
from calibench.data.load import load_data
from calibench.errors import RunError
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage
from calibench_methods.objectives.co_teaching import CoTeaching
from calibench_methods.objectives.label_noise import anchors, wrong_share
from calibench_methods.objectives.transition import anchor_counts, confident_counts, read_matrix, uniform

Array = np.ndarray
OOF_FILE = Path("/work/shared/data/cifar10_train_oof_noisy.npz")

pytestmark = pytest.mark.usefixtures("one_thread")
has_cleanlab = pytest.mark.skipif(
    importlib.util.find_spec("cleanlab") is None, reason='cleanlab is not installed: pip install "calibench[noise]"'
)


def task(labels: Array, k: int, probs: Array | None = None) -> TrainTask:
    oof = None if probs is None else torch.from_numpy(probs)
    return TrainTask(torch.from_numpy(labels), k, 10, oof, lambda: nn.Linear(3, k))


def objective(recipe: str, labels: Array, k: int, probs: Array | None = None) -> Any:
    """Built, checked and prepared; `probs` are what the pipeline would make out of fold."""
    made: Objective = build_stage(resolve(recipe).objective)
    made.check(k)
    assert (made.folds > 0) == (probs is not None)
    made.prepare(task(labels, k, probs))
    return made


def simulated(n: int, k: int, transition: Array, seed: int, skill: float = 4.0) -> tuple[Array, Array, Array]:
    """True classes, noisy labels by `transition [K, K]`, and what a good network would say of the noisy label `[n, K]`.

    The network is unsure of some rows and wrong about a few, and knows nothing of the row's own label.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    noisy = np.array([rng.choice(k, p=row) for row in transition[truth]]) if n < 5000 else None
    if noisy is None:
        noisy = (transition.cumsum(axis=1)[truth] < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    logits = rng.normal(size=(n, k)) * 1.2
    logits[np.arange(n), truth] += skill * rng.uniform(0.3, 2, size=n)
    clean = np.exp(logits - logits.max(axis=1, keepdims=True))
    return truth, noisy, (clean / clean.sum(axis=1, keepdims=True)) @ transition


def symmetric(rate: float, k: int) -> Array:
    return np.full((k, k), rate / (k - 1)) + np.eye(k) * (1 - rate - rate / (k - 1))


SKEW = np.array([[0.8, 0.2, 0.0, 0.0], [0.1, 0.6, 0.3, 0.0], [0.05, 0.05, 0.7, 0.2], [0.25, 0.25, 0.0, 0.5]])


def log_softmax(z: Array) -> Array:
    return (
        z - z.max(axis=1, keepdims=True) - np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
    )


# --- the rate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "k"), [(0.0, 2), (0.1, 2), (0.3, 2), (0.0, 10), (0.3, 10), (0.5, 10), (0.7, 10)])
def test_the_estimated_rate_is_within_001_of_symmetric_noise(rate: float, k: int) -> None:
    truth, noisy, probs = simulated(40_000, k, symmetric(rate, k), seed=k)
    assert 0.85 < (probs.argmax(axis=1) == truth).mean() < 0.985  # the network errs: disagreement alone would not do
    realised = (noisy != truth).mean()
    made = objective("noise-ce", noisy, k, probs)
    assert made.figures()["rate"] == pytest.approx(realised, abs=0.01)
    if rate <= 0.3:
        assert abs((probs.argmax(axis=1) != noisy).mean() - realised) > 0.01


def test_anchors_are_the_surest_half_of_each_predicted_class_halved_while_the_rate_falls() -> None:
    _, noisy, probs = simulated(3000, 4, symmetric(0.3, 4), seed=5, skill=2.0)
    answer = probs.argmax(axis=1)
    share, best = 1.0, math.inf
    while True:
        rows = []
        for k in range(4):
            of_k = [i for i in range(3000) if answer[i] == k]
            of_k.sort(key=lambda i, k=k: (-probs[i, k], i))
            for _ in range(round(-math.log2(share))):
                of_k = of_k[: math.ceil(len(of_k) / 2)]
            rows.append(of_k)
        flat = np.array([noisy[i] != k for k, of_k in enumerate(rows) for i in of_k])
        rate = flat.mean()
        if best < math.inf and (len(flat) < 100 or rate + math.sqrt(rate * (1 - rate) / len(flat)) >= best):
            break
        best, kept, share = rate, rows, share / 2
    found = anchors(torch.from_numpy(probs), torch.from_numpy(noisy))
    assert [rows.tolist() for rows in found] == kept
    assert share < 0.5  # it halved at least once
    assert wrong_share(found, torch.from_numpy(noisy)) == pytest.approx(best)


def test_labels_that_are_chance_are_refused() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), size=2000)
    wrong = (probs.argmax(axis=1) + 1) % 4
    for recipe in ("noise-ce", "co-teaching"):
        with pytest.raises(RunError, match="no better than chance"):
            objective(recipe, wrong, 4, probs)


def test_an_estimated_rate_is_the_one_that_the_loss_uses() -> None:
    _, noisy, probs = simulated(4000, 4, symmetric(0.2, 4), seed=2)
    made = objective("noise-ce", noisy, 4, probs)
    rate = made.figures()["rate"]
    z = np.random.default_rng(0).normal(size=(5, 4))
    e = rate * 4 / 3
    expected = -np.log((1 - e) * np.exp(log_softmax(z))[:, 1] + e / 4).mean()
    logits = torch.from_numpy(z)
    found = made.loss(logits, Batch(logits, torch.ones(5, dtype=torch.int64), torch.arange(5)))
    assert float(found) == pytest.approx(expected, rel=1e-12)
    assert objective("noise-ce:rate=0.2", noisy, 4).figures() == {}


# --- the matrix -----------------------------------------------------------------------------------------------------


def confident_joint(labels: Array, probs: Array) -> Array:
    """The paper's counts, row by row and calibrated: noisy label by row, class by column."""
    k = probs.shape[1]
    thresholds = [probs[labels == j, j].mean() if (labels == j).any() else math.inf for j in range(k)]
    counts = np.zeros((k, k))
    for label, p in zip(labels, probs, strict=True):
        sure = [j for j in range(k) if p[j] >= thresholds[j]]
        if sure:
            counts[label, max(sure, key=lambda j: p[j])] += 1
    return np.array([row / max(row.sum(), 1) * (labels == j).sum() for j, row in enumerate(counts)])


@pytest.mark.parametrize("seed", range(3))
def test_confident_counts_equal_a_loop(seed: int) -> None:
    _, noisy, probs = simulated(800, 4, SKEW, seed, skill=2.0)
    found = confident_counts(torch.from_numpy(probs), torch.from_numpy(noisy))
    np.testing.assert_allclose(found.numpy().T, confident_joint(noisy, probs), rtol=1e-12)
    assert found.sum() == pytest.approx(800)


@has_cleanlab
def test_confident_counts_equal_cleanlabs_where_it_breaks_ties_as_the_paper_does() -> None:
    from cleanlab.count import compute_confident_joint

    _, noisy, probs = simulated(4000, 4, symmetric(0.2, 4), seed=1, skill=6.0)
    joint = compute_confident_joint(noisy, probs, calibrate=False)
    found = confident_counts(torch.from_numpy(probs), torch.from_numpy(noisy)).numpy().T
    shares = joint / joint.sum(axis=1, keepdims=True)  # cleanlab rounds its calibrated counts
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), shares, rtol=1e-9)


@pytest.mark.parametrize(("estimate", "within"), [("anchor", 0.03), ("counts", 0.06)])
def test_the_estimated_matrix_is_near_the_true_one(estimate: str, within: float) -> None:
    _, noisy, probs = simulated(30_000, 4, SKEW, seed=4, skill=6.0)
    made = objective(f"forward:estimate={estimate}", noisy, 4, probs)
    np.testing.assert_allclose(made.log_matrix.exp().numpy(), SKEW, atol=within)
    assert made.figures()["transition_diagonal"] == pytest.approx(made.log_matrix.exp().diagonal().tolist())
    assert made.log_matrix.exp().sum(dim=1).numpy() == pytest.approx(1)


def test_anchor_counts_count_labels_and_add_one_row_in_all() -> None:
    _, noisy, probs = simulated(2000, 4, SKEW, seed=0)
    y = torch.from_numpy(noisy)
    for k, rows in enumerate(anchors(torch.from_numpy(probs), y)):
        expected = [(noisy[rows] == j).sum() + 0.25 for j in range(4)]
        assert anchor_counts(torch.from_numpy(probs), y)[k].tolist() == expected


@pytest.mark.parametrize("estimate", ["anchor", "counts"])
def test_a_class_that_no_row_is_surely_of_is_refused(estimate: str) -> None:
    _, noisy, probs = simulated(500, 4, symmetric(0.1, 4), seed=0)
    probs = np.concatenate([probs, np.full((500, 1), 1e-9)], axis=1)
    with pytest.raises(RunError, match="surely of class 4"):
        objective(f"backward:estimate={estimate}", noisy, 5, probs / probs.sum(axis=1, keepdims=True))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.floats(0, 0.99))
def test_the_uniform_matrix(k: int, share: float) -> None:
    rate = share * (k - 1) / k
    np.testing.assert_allclose(uniform(rate, k).numpy(), symmetric(rate, k), atol=1e-12)


@pytest.fixture
def skew(tmp_path: Path) -> Path:
    file = tmp_path / "T.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in SKEW) + "\n")
    return file


def corrected(recipe: str, z: Array, y: Array) -> tuple[float, Array]:
    made = objective(recipe, np.arange(len(y)) % z.shape[1], z.shape[1])
    x = torch.tensor(z, requires_grad=True)
    found = made.loss(x, Batch(x, torch.from_numpy(y), torch.arange(len(y))))
    found.backward()
    assert x.grad is not None
    return float(found.detach()), x.grad.numpy()


def test_forward_and_backward_with_a_matrix_equal_their_formulas(skew: Path) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(7, 4)) * 2, rng.integers(4, size=7)
    p, inverse = np.exp(log_softmax(z)), np.linalg.inv(SKEW)
    value, gradient = corrected(f"forward:matrix={skew}", z, y)
    reached = np.array([SKEW[:, y[i]] @ p[i] for i in range(7)])
    assert value == pytest.approx(-np.log(reached).mean(), rel=1e-12)
    posterior = SKEW[:, y].T * p / reached[:, None]  # of the true class, given the noisy label
    np.testing.assert_allclose(gradient, (p - posterior) / 7, rtol=1e-9, atol=1e-13)
    value, gradient = corrected(f"backward:matrix={skew}", z, y)
    assert value == pytest.approx(np.mean([inverse[y[i]] @ -log_softmax(z)[i] for i in range(7)]), rel=1e-12)
    # rows of the inverse of a matrix whose rows sum to 1 sum to 1
    np.testing.assert_allclose(gradient, (p - inverse[y]) / 7, rtol=1e-9, atol=1e-13)


def test_backward_is_unbiased_and_forward_is_least_at_the_truth(skew: Path) -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(1, 4))
    p = np.exp(log_softmax(z))[0]
    every = np.arange(4)
    for truth in range(4):
        mean = sum(SKEW[truth, j] * corrected(f"backward:matrix={skew}", z, every[[j]])[0] for j in every)
        assert mean == pytest.approx(-math.log(p[truth]), rel=1e-10)
    noisy = p @ SKEW  # where the true class has distribution p, the noisy label has this
    slope = sum(noisy[j] * corrected(f"forward:matrix={skew}", z, every[[j]])[1] for j in every)
    np.testing.assert_allclose(slope, 0, atol=1e-12)


def test_an_identity_matrix_is_cross_entropy_and_finite_where_p_is_0(tmp_path: Path) -> None:
    (tmp_path / "I.csv").write_text("1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,0,1")
    z, y = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 3, 0, 1])
    for name in ("forward", "backward"):
        value, gradient = corrected(f"{name}:matrix={tmp_path}/I.csv", z, y)
        assert value == pytest.approx(-log_softmax(z)[np.arange(6), y].mean(), rel=1e-12)
        value, gradient = corrected(f"{name}:matrix={tmp_path}/I.csv", np.eye(4)[[1, 2, 3, 0, 2, 2]] * 1e4, y)
        assert value == pytest.approx(1e4)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.9,0.1\n0.2,0.7\n", "line 2 is no distribution"),
        ("0.9,0.1\n0.2,0.8\n0.5,0.5\n", "line 1 has 2 values, and there are 3 lines"),
        ("a,b\n0.9,0.1\n", "line 1: a value is not a number"),
        ("nan,0.1\n0.2,0.8\n", "line 1 is no distribution"),
        ("1.2,-0.2\n0.2,0.8\n", "line 1 is no distribution"),
        ("1\n", "this has 1"),
        ("", "this has 0"),
        ("0.5,0.5\n0.5,0.5\n", "singular"),
        ("0.8,0.1,0.1\n0.1,0.8,0.1\n0.1,0.1,0.8\n", "3 rows for 2 classes"),
    ],
)
def test_a_bad_matrix_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "T.csv").write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        objective(f"forward:matrix={tmp_path}/T.csv", np.array([0, 1]), 2)
    assert "T.csv" in caught.value.message
    assert caught.value.hint


def test_a_matrix_that_is_not_there_or_forbids_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.csv"):
        objective(f"forward:matrix={tmp_path}/none.csv", np.array([0, 1]), 2)
    assert read_matrix(_written(tmp_path, "0.5,0.4999\n0.3333,0.6666\n")).sum(dim=1).tolist() == pytest.approx([1, 1])
    with pytest.raises(InputError, match="singular"):
        objective(f"forward:matrix={_written(tmp_path, '1,0' + chr(10) + '1,0')}", np.array([0, 1]), 2)


def _written(folder: Path, text: str) -> str:
    (folder / "written.csv").write_text(text)
    return str(folder / "written.csv")


def test_a_matrix_tells_by_its_digest_that_it_has_changed(skew: Path) -> None:
    made = [build_stage(resolve(f"{name}:matrix={skew}").objective).files for name in ("forward", "backward")]
    assert made[0] == made[1] != ""
    skew.write_text(skew.read_text().replace("0.25", "0.250"))
    assert build_stage(resolve(f"forward:matrix={skew}").objective).files != made[0]
    assert build_stage(resolve("forward:rate=0.1").objective).files == ""


# --- co-teaching ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 4, 10, 15])
def test_each_network_learns_from_what_the_other_finds_easy(epoch: int) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(epoch)
    made: CoTeaching = objective("co-teaching:rate=0.4", np.arange(20) % 4, 4)
    network, other = nn.Linear(3, 4), made.companions()[0]
    assert isinstance(other, nn.Linear)
    x, y = torch.from_numpy(rng.normal(size=(20, 3)).astype(np.float32)), torch.from_numpy(rng.integers(4, size=20))
    made.begin_epoch(epoch)
    found = made.step(network, Batch(x, y, torch.arange(20)))
    found.backward()
    losses = [
        -log_softmax((x @ m.weight.T + m.bias).detach().double().numpy())[np.arange(20), y.numpy()]
        for m in (network, other)
    ]
    kept = round(20 * (1 - 0.4 * min(epoch / 10, 1)))
    easy = [np.argsort(each, kind="stable")[:kept] for each in losses]
    assert set(easy[0]) != set(easy[1])
    assert float(found.detach()) == pytest.approx(losses[0][easy[1]].mean() + losses[1][easy[0]].mean(), rel=1e-5)
    for module, rows in ((network, easy[1]), (other, easy[0])):
        alone = nn.Linear(3, 4)
        alone.load_state_dict(module.state_dict())
        nn.functional.cross_entropy(alone(x[rows]), y[rows]).backward()
        assert module.weight.grad is not None
        assert alone.weight.grad is not None
        torch.testing.assert_close(module.weight.grad, alone.weight.grad, rtol=1e-4, atol=1e-7)


def test_a_batch_of_one_keeps_its_sample() -> None:
    made: CoTeaching = objective("co-teaching:rate=0.74,ramp=1", np.arange(4), 4)
    made.begin_epoch(1)
    assert made.smallest(torch.tensor([3.0])).tolist() == [0]
    assert made.smallest(torch.tensor([3.0, 1.0, 2.0, 1.0])).tolist() == [1]


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=900)
    file = tmp_path_factory.mktemp("noise") / "blobs.npz"
    np.savez(file, train_x=(rng.normal(size=(900, 5)) + 3 * np.eye(5)[y]).astype(np.float32), train_y=y)
    return f"npz:path={file}"


def test_the_second_network_starts_elsewhere_and_is_trained(blobs: str) -> None:
    config = resolve("co-teaching:rate=0.3", blobs, "mlp:hidden=8", "symmetric:rate=0.3", epochs=2)
    pipeline = Members(config, load_data(config), StageCache(None), quiet)
    member = pipeline.first
    started = {name: value.clone() for name, value in member.network.state_dict().items()}
    made = member.objective
    assert isinstance(made, CoTeaching)
    first: dict[str, torch.Tensor] = {}
    prepare = made.prepare

    def watched(told: TrainTask) -> None:
        prepare(told)
        first.update({name: value.clone() for name, value in made.other.state_dict().items()})

    made.prepare = watched  # type: ignore[method-assign]
    pipeline.run(("test",))
    weights = [name for name in started if name.endswith("weight")]
    assert weights
    for name in weights:
        assert not torch.equal(first[name], started[name]), "both networks start alike, and would agree on every sample"
        assert not torch.equal(made.other.state_dict()[name], first[name])


# --- cleanlab -------------------------------------------------------------------------------------------------------


def scores(found: Array, wrong: Array) -> tuple[float, float]:
    return (found & wrong).sum() / found.sum(), (found & wrong).sum() / wrong.sum()


@has_cleanlab
@pytest.mark.skipif(not OOF_FILE.is_file(), reason=f"{OOF_FILE} is not here")
@pytest.mark.parametrize("setting", ["0.0_0.4", "0.6_0.4"])
def test_precision_and_recall_on_cifar_10_are_those_of_cleanlabs_own_call(setting: str) -> None:
    from cleanlab.filter import find_label_issues

    with np.load(OOF_FILE, allow_pickle=False) as file:
        index = file["setting"].tolist().index(setting)
        probs, noisy = file["prob"][index].astype(np.float64), file["noisy_label"][index].astype(np.int64)
        wrong = noisy != file["true_label"]
    probs /= probs.sum(axis=1, keepdims=True)
    made = objective("cleanlab", noisy, 10, probs)
    found = made.suspected().numpy()
    theirs = find_label_issues(noisy, probs, n_jobs=1)
    assert scores(found, wrong) == scores(theirs, wrong)
    np.testing.assert_array_equal(found, theirs)
    print(f"cleanlab on {setting}: precision {scores(found, wrong)[0]:.4f}, recall {scores(found, wrong)[1]:.4f}")
    assert scores(found, wrong)[0] > wrong.mean() + 0.2  # far better than suspecting at random


@has_cleanlab
@pytest.mark.parametrize("filter_by", ["both", "confident_learning", "predicted_neq_given", "low_self_confidence"])
def test_every_rule_is_cleanlabs(filter_by: str) -> None:
    from cleanlab.filter import find_label_issues

    _, noisy, probs = simulated(1500, 4, SKEW, seed=0)
    found = objective(f"cleanlab:filter_by={filter_by}", noisy, 4, probs).suspected().numpy()
    np.testing.assert_array_equal(found, find_label_issues(noisy, probs, filter_by=filter_by, n_jobs=1))
    assert 0.05 < found.mean() < 0.6


@has_cleanlab
@pytest.mark.parametrize("mode", ["prune", "reweight"])
def test_cleanlab_minimises_the_weighted_cross_entropy_of_the_rows_it_keeps(mode: str) -> None:
    from cleanlab.count import compute_confident_joint

    _, noisy, probs = simulated(1500, 4, SKEW, seed=3)
    made = objective(f"cleanlab:mode={mode}", noisy, 4, probs)
    joint = np.asarray(compute_confident_joint(noisy, probs, calibrate=True), dtype=float)
    of_class = joint.sum(axis=0) / np.diagonal(joint) if mode == "reweight" else np.ones(4)
    weights = np.where(made.suspected().numpy(), 0.0, of_class[noisy])
    weights *= len(weights) / weights.sum()
    rows = np.random.default_rng(0).permutation(1500)[:50]
    z = np.random.default_rng(1).normal(size=(50, 4))
    x = torch.tensor(z, requires_grad=True)
    found = made.loss(x, Batch(x, torch.from_numpy(noisy[rows]), torch.from_numpy(rows)))
    found.backward()
    log_p = log_softmax(z)
    assert float(found.detach()) == pytest.approx(
        -(weights[rows] * log_p[np.arange(50), noisy[rows]]).mean(), rel=1e-12
    )
    assert x.grad is not None
    expected = weights[rows, None] * (np.exp(log_p) - np.eye(4)[noisy[rows]]) / 50
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10, atol=1e-15)
    dropped = torch.from_numpy(np.flatnonzero(weights == 0)[:5])  # a batch of which nothing is kept
    logits = torch.full((5, 4), 1e4, requires_grad=True)
    nothing = made.loss(logits, Batch(logits, torch.from_numpy(noisy)[dropped], dropped))
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad is not None
    assert bool((logits.grad == 0).all())


@has_cleanlab
@pytest.mark.filterwarnings("ignore:May not flag all label issues")
def test_cleanlab_takes_a_class_that_no_label_names_and_refuses_to_lose_one() -> None:
    _, noisy, probs = simulated(1000, 4, SKEW, seed=0)
    wider = np.concatenate([probs, np.full((1000, 1), 1e-6)], axis=1)
    wider /= wider.sum(axis=1, keepdims=True)
    for mode in ("prune", "reweight"):
        made = objective(f"cleanlab:mode={mode}", noisy, 5, wider)
        assert bool(made.weights.isfinite().all())
    lost = np.where(noisy == 2, 1, noisy)
    lost[:3] = 2
    sure = np.eye(4)[np.where(lost == 2, 0, lost)] * 0.97 + 0.0075
    with pytest.raises(RunError, match="label 2 is suspected"):
        objective("cleanlab:filter_by=predicted_neq_given", lost, 4, sure)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "cleanlab" else find_spec(name, *a)
    )
    made = build_stage(resolve("cleanlab").objective)
    with pytest.raises(InputError, match="needs the cleanlab package") as caught:
        made.check(4)
    assert 'pip install "calibench[noise]"' in caught.value.hint


# --- in the pipeline ------------------------------------------------------------------------------------------------


def trained(recipe: str, blobs: str) -> Any:
    settings = [f"{recipe.partition(':')[0]}.lr=0.01"]
    return calibench.run(
        recipe, blobs, "mlp:hidden=16", 0, "symmetric:rate=0.3", epochs=8, select="last", results=None,
        settings=settings, device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize("recipe", ["noise-ce", "co-teaching", "forward", "backward:estimate=counts"])
def test_what_was_estimated_is_in_the_record(recipe: str, blobs: str) -> None:
    record = trained(recipe, blobs)
    stage = record.fitted[0]
    assert record.metrics["accuracy"] > 0.9
    if "transition_diagonal" in stage:
        assert stage["transition_diagonal"] == pytest.approx([0.7] * 3, abs=0.15)
    else:
        assert stage["rate"] == pytest.approx(0.3, abs=0.05)


@has_cleanlab
def test_what_cleanlab_suspects_is_scored_in_the_record(blobs: str) -> None:
    stage = trained("cleanlab", blobs).fitted[0]
    assert 100 < stage["suspected"] < 300
    assert stage["precision"] > 0.8
    assert stage["recall"] > 0.7
