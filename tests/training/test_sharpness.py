"""Sharpness-aware steps (`sam_rho`) against plain torch loops, their random draws, batch norm, float16, and refusals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.processes import ALONE
from calibench.progress import quiet
from calibench.seeds import seeded
from calibench.stages.build import build_stage
from calibench.training.loop import train
from calibench.training.schedule import Schedule
from calibench.training.sharpness import repeatable, uphill
from calibench.training.stepper import Stepper

N, D, K, RHO = 50, 6, 3, 0.3
cross_entropy = nn.functional.cross_entropy


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N, D, generator=generator).double(), torch.randint(K, (N,), generator=generator)


def network(*extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(D, 5), *extra, nn.Tanh(), nn.Linear(5, K)).double()


def train_by_loop(module: nn.Module, schedule: Schedule) -> nn.Module:
    x, y = data()
    with seeded(7):
        train(module, lambda r: cross_entropy(module(x[r]), y[r]), lambda: 0.0, N, schedule, quiet, "toy")
    return module


def train_by_hand(
    module: nn.Module,
    make_optimizer: Callable[[Any], torch.optim.Optimizer],
    epochs: int,
    batch: int,
    accumulate: int = 1,
    clip: float = float("inf"),
) -> nn.Module:
    """Sharpness-aware steps written out: ascend along the whole gradient, take the gradient there, go back, step."""
    x, y = data()
    optimizer = make_optimizer(module.parameters())
    with seeded(7):
        for _ in range(epochs):
            batches = torch.randperm(N).split(batch)
            for first in range(0, len(batches), accumulate):
                group = batches[first : first + accumulate]

                def gradients(group: tuple[torch.Tensor, ...] = group) -> list[torch.Tensor]:
                    loss = torch.stack([cross_entropy(module(x[r]), y[r]) for r in group]).mean()
                    return list(torch.autograd.grad(loss, list(module.parameters())))

                weights = [p.detach().clone() for p in module.parameters()]
                ascent = gradients()
                norm = torch.cat([g.flatten() for g in ascent]).norm()
                for p, w, g in zip(module.parameters(), weights, ascent, strict=True):
                    p.data = w + RHO * g / norm
                descent = gradients()
                length = torch.cat([g.flatten() for g in descent]).norm()
                for p, w, g in zip(module.parameters(), weights, descent, strict=True):
                    p.data, p.grad = w, g * min(1.0, clip / float(length))
                optimizer.step()
    return module


@pytest.mark.parametrize(
    ("settings", "make_optimizer"),
    [
        ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True)),
        ({"weight_decay": 0.1}, lambda p: torch.optim.Adam(p, 0.05, weight_decay=0.1)),
        ({"optimizer": "adamw", "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1)),
        ({"optimizer": "sgd", "momentum": 0.0, "accumulate": 3}, lambda p: torch.optim.SGD(p, 0.05)),
        ({"optimizer": "sgd", "momentum": 0.0, "clip_norm": 0.1}, lambda p: torch.optim.SGD(p, 0.05)),
    ],
)
def test_steps_are_those_of_a_plain_loop(settings: dict[str, Any], make_optimizer: Any) -> None:
    by_loop = train_by_loop(network(), Schedule(3, 0.05, 16, select="last", sam_rho=RHO, **settings))
    clip, accumulate = settings.get("clip_norm", float("inf")), settings.get("accumulate", 1)
    by_hand = train_by_hand(network(), make_optimizer, 3, 16, accumulate, clip)
    plain = train_by_loop(network(), Schedule(3, 0.05, 16, select="last", **settings))
    for mine, theirs, other in zip(*(m.parameters() for m in (by_loop, by_hand, plain)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)  # clip_grad_norm_ adds 1e-6 to the norm
        assert float((mine - other).detach().abs().max()) > 1e-4


def test_a_step_on_a_parabola_by_hand() -> None:
    """Of a w^2 / 2 at w: w - lr a (w + rho sign(w)). At w = 0 there is no way up, and no step."""
    for start, expected in ((2.0, 2.0 - 0.1 * 3 * 2.5), (-1.0, -1.0 + 0.1 * 3 * 1.5), (0.0, 0.0)):
        module = nn.Linear(1, 1, bias=False).double()
        nn.init.constant_(module.weight, start)

        def loss(w: torch.Tensor = module.weight) -> torch.Tensor:
            return 1.5 * w.square().sum()

        stepper = Stepper(module, [], Schedule(1, 0.1, 1, optimizer="sgd", momentum=0.0, sam_rho=0.5), 1)
        stepper(loss(), loss)
        assert module.weight.item() == pytest.approx(expected, abs=1e-12)


def test_weights_come_back_to_the_last_bit_also_after_an_error() -> None:
    module = network()
    for p in module.parameters():
        p.grad = torch.randn_like(p)
    before = [p.detach().clone() for p in module.parameters()]
    with contextlib.suppress(RuntimeError), uphill(list(module.parameters()), RHO) as moved:
        assert moved
        away = torch.cat([(p - b).flatten() for p, b in zip(module.parameters(), before, strict=True)])
        assert float(away.detach().norm()) == pytest.approx(RHO, rel=1e-12)
        raise RuntimeError
    assert all(torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True))


def test_running_statistics_are_those_of_the_first_passes() -> None:
    """With a rate of 0 the weights stay, so that first passes alone give the statistics of a training without a second one."""
    sharp = train_by_loop(network(nn.BatchNorm1d(5)), Schedule(2, 0.0, 16, select="last", sam_rho=RHO))
    plain = train_by_loop(network(nn.BatchNorm1d(5)), Schedule(2, 0.0, 16, select="last"))
    states = [dict(m.named_buffers()) for m in (sharp, plain)]
    assert states[0].keys() == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_both_passes_draw_alike_and_later_draws_do_not_change() -> None:
    rows = torch.arange(4)
    with seeded(3):
        again = repeatable(lambda r: torch.rand(len(r)), rows, ALONE)
        first, later = torch.rand(4), torch.rand(1)
    with seeded(3):
        again = repeatable(lambda r: torch.rand(len(r)), rows, ALONE)
        assert torch.equal(torch.rand(4), first)
        assert torch.equal(again(), first)
        assert torch.equal(torch.rand(1), later)


@pytest.mark.parametrize("method", ["ce", "mixup", "adafocal"])
def test_a_radius_that_moves_no_weight_is_a_plain_training(method: str, blobs: str) -> None:
    """With dropout and mixing weights: draws that differed between the passes, or moved later ones, would show."""
    options: dict[str, Any] = {"model": "mlp:hidden=8,dropout=0.3", "epochs": 3, "results": None}
    plain = run(f"{method}:lr=0.01", blobs, **options)
    same = run(f"{method}:lr=0.01,sam_rho=1e-30", blobs, **options)
    other = run(f"{method}:lr=0.01,sam_rho=0.5", blobs, **options)
    assert same.metrics["nll"] == plain.metrics["nll"]
    assert other.metrics["nll"] != plain.metrics["nll"]
    assert same.recipe == f"{method}:epochs=3,lr=0.01,sam_rho=1e-30"


def test_float16_steps_that_overflow_in_either_pass_are_skipped() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    stepper = Stepper(
        module, [], Schedule(1, 0.5, 1, optimizer="sgd", momentum=0.0, precision="float16", sam_rho=0.5, ema=0.5), 10
    )
    large, small = (lambda: module.weight.sum() * torch.tensor(float("inf"))), lambda: module.weight.square().sum()
    for first, second in ((large, small), (small, large)):
        scale = stepper.scaler.get_scale()
        stepper(first(), second)
        assert module.weight.item() == 1.0
        assert stepper.scaler.get_scale() < scale
    assert stepper.mean is not None
    assert int(stepper.mean.n_averaged) == 0
    stepper(small(), small)
    assert module.weight.item() == pytest.approx(1.0 - 0.5 * 2 * 1.5)


@pytest.mark.parametrize(
    ("name", "fits"), [("ce", True), ("adafocal", True), ("mixup", True), ("mmce", True), ("elr", False)]
)
def test_objectives_that_remember_a_pass_cannot_repeat_it(name: str, fits: bool) -> None:
    assert build_stage(resolve(name).objective).can_repeat() is fits


@pytest.mark.parametrize("method", ["elr:sam_rho=0.05", "co-teaching:rate=0.2,sam_rho=0.05"])
def test_such_an_objective_is_refused_before_anything_is_trained(method: str, blobs: str, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"sam_rho=0\.05 passes over each batch twice"):
        run(method, blobs, results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_radius_of_0_is_refused(blobs: str) -> None:
    with pytest.raises(InputError, match="sam_rho=0 repeats every pass and changes nothing"):
        run("ce:sam_rho=0", blobs, results=None)
