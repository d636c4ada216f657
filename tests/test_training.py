"""The training loop against plain torch loops: optimisers, schedules, clipping, accumulation, running means."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from calibench import InputError, RunError, run
from calibench.seeds import seeded
from calibench.training.loop import train
from calibench.training.prediction import predict
from calibench.training.schedule import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")

N, D, K = 50, 6, 3


def silent(what: str, done: int, total: int, note: str) -> None:
    pass


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N, D, generator=generator), torch.randint(K, (N,), generator=generator)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(D, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, K))


def trained(data: tuple[torch.Tensor, torch.Tensor], schedule: Schedule, module: nn.Module | None = None) -> nn.Module:
    x, y = data
    module = network() if module is None else module
    loss = nn.functional.cross_entropy
    with seeded(7):
        train(
            module,
            lambda r: loss(module(x[r]), y[r]),
            lambda: float(loss(module(x), y).detach()),
            N,
            schedule,
            silent,
            "toy",
        )
    return module


def by_hand(
    data: tuple[torch.Tensor, torch.Tensor],
    make: Callable[[Any], torch.optim.Optimizer],
    epochs: int,
    batch: int,
    lr: Callable[[int, int], float],
) -> nn.Module:
    """A plain loop: `lr(step, steps an epoch)` before each step."""
    x, y = data
    module = network()
    optimizer = make(module.parameters())
    steps, at = math.ceil(N / batch), 0
    with seeded(7):
        for _ in range(epochs):
            for rows in torch.randperm(N).split(batch):
                for group in optimizer.param_groups:
                    group["lr"] = lr(at, steps)
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
                optimizer.step()
                at += 1
    return module


def equal(a: nn.Module, b: nn.Module) -> None:
    for (name, mine), theirs in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({}, lambda p: torch.optim.Adam(p, fused=True)),
        ({"weight_decay": 0.1}, lambda p: torch.optim.Adam(p, weight_decay=0.1, fused=True)),
        ({"optimizer": "adamw", "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, weight_decay=0.1, fused=True)),
        (
            {"optimizer": "sgd", "weight_decay": 5e-4},
            lambda p: torch.optim.SGD(p, 1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True),
        ),
        ({"optimizer": "sgd", "momentum": 0.0}, lambda p: torch.optim.SGD(p, 1, fused=True)),
    ],
)
def test_optimisers_are_torchs_own(data, settings: dict[str, Any], make) -> None:
    mine = trained(data, Schedule(3, 0.05, 16, select="last", **settings))
    equal(mine, by_hand(data, make, 3, 16, lambda at, steps: 0.05))


def test_a_warm_up_then_a_cosine_to_nothing(data) -> None:
    schedule = Schedule(4, 0.1, 10, select="last", optimizer="sgd", lr_schedule="cosine", warmup=1)
    rates = []

    def lr(at: int, steps: int) -> float:
        if at < steps:
            rates.append(0.1 * (at + 1) / steps)
        else:
            rates.append(0.1 * 0.5 * (1 + math.cos(math.pi * (at / steps - 1) / 3)))
        return rates[-1]

    mine = trained(data, schedule)
    hand = by_hand(data, lambda p: torch.optim.SGD(p, 1, momentum=0.9, nesterov=True, fused=True), 4, 10, lr)
    for a, b in zip(mine.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert rates[0] == pytest.approx(0.02)
    assert rates[4] == pytest.approx(0.1)
    assert 0 < rates[-1] < 0.002


def test_steps_lower_the_rate_after_their_epochs() -> None:
    schedule = Schedule(10, 1.0, 1, lr_schedule="steps", milestones=(3, 6.5), lr_decay=0.2)
    assert [schedule.factor(d) for d in (0, 2.9, 3, 6, 6.5, 9.9)] == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04])
    assert Schedule(10, 1.0, 1, lr_schedule="steps", milestones=(3,)).factor(5) == pytest.approx(0.1)
    assert Schedule(10, 1.0, 1, warmup=2).factor(0.5) == 0.25


@pytest.mark.parametrize(("batch", "accumulate"), [(5, 2), (10, 5), (8, 3)])
def test_accumulated_batches_are_one_large_one(data, batch: int, accumulate: int) -> None:
    """Without batch norm; the last step of an epoch takes what is left."""

    def plain() -> nn.Module:
        torch.manual_seed(1)
        return nn.Linear(D, K)

    x, y = data
    small = trained(
        data, Schedule(2, 0.1, batch, select="last", optimizer="sgd", momentum=0.0, accumulate=accumulate), plain()
    )
    large = plain()
    with seeded(7):
        for _ in range(2):
            pieces = torch.randperm(N).split(batch)
            for first in range(0, len(pieces), accumulate):
                group = pieces[first : first + accumulate]
                loss = sum(nn.functional.cross_entropy(large(x[r]), y[r]) for r in group) / len(group)
                large.zero_grad()
                loss.backward()  # type: ignore[union-attr]
                with torch.no_grad():
                    for p in large.parameters():
                        p.sub_(0.1 * p.grad)
    for a, b in zip(small.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_long_gradients_are_scaled_down(data) -> None:
    schedule = Schedule(1, 1.0, N, select="last", optimizer="sgd", momentum=0.0, clip_norm=0.01)
    before, after = network(), trained(data, schedule)
    moved = torch.cat([(a - b).flatten() for a, b in zip(after.parameters(), before.parameters(), strict=True)])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_the_running_mean_is_validated_and_kept(data) -> None:
    x, y = data
    seen: list[float] = []
    module, plain = network(), network()
    loss = nn.functional.cross_entropy

    def validate() -> float:
        seen.append(float(loss(module(x), y).detach()))
        return seen[-1]

    schedule = Schedule(3, 0.1, 10, select="last", optimizer="sgd", ema=0.8)
    with seeded(7):
        train(module, lambda r: loss(module(x[r]), y[r]), validate, N, schedule, silent, "toy")

    optimizer = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9, nesterov=True, fused=True)
    mean: dict[str, torch.Tensor] = {}
    nlls = []
    with seeded(7):
        for _ in range(3):
            plain.train()
            for rows in torch.randperm(N).split(10):
                optimizer.zero_grad()
                loss(plain(x[rows]), y[rows]).backward()
                optimizer.step()
                state = {k: v.double() for k, v in plain.state_dict().items()}
                mean = state if not mean else {k: 0.8 * mean[k] + 0.2 * v for k, v in state.items()}
            judged = copy.deepcopy(plain).eval()
            judged.load_state_dict({k: v.to(plain.state_dict()[k].dtype) for k, v in mean.items()})
            nlls.append(float(loss(judged(x), y).detach()))
    assert seen == pytest.approx(nlls, rel=1e-4)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, mean[name].float(), rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("ce:momentum=0.5", "momentum=0.5 does nothing to adam"),
        ("ce:milestones=2;3", "milestones does nothing where lr_schedule is constant"),
        ("ce:lr_decay=0.5,lr_schedule=cosine", "lr_decay does nothing"),
        ("ce:lr_schedule=steps", "lr_schedule=steps has no milestones"),
        ("ce:lr_schedule=steps,milestones=9,epochs=9", "milestone 9 lies outside the 9 epochs"),
        ("ce:warmup=5,epochs=5", "leaves none of the 5 epochs"),
        ("ce:optimizer=sdg", "sgd"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(method: str, words: str, tmp_path) -> None:
    with pytest.raises(InputError) as error:
        run(method, results=tmp_path / "r")
    assert words in f"{error.value.message} {error.value.hint}"
    assert not (tmp_path / "r").exists()


def test_a_run_by_every_setting_is_its_own_and_seeded(tmp_path) -> None:
    method = "ce:optimizer=sgd,lr=0.05,lr_schedule=cosine,warmup=1,clip_norm=1,accumulate=2,ema=0.9,epochs=8"
    records = [run(method, model="mlp:hidden=16", results=tmp_path / name) for name in "ab"]
    assert records[0].metrics == records[1].metrics
    plain = run("ce:optimizer=sgd,lr=0.05,epochs=8", model="mlp:hidden=16", results=tmp_path / "a")
    assert plain.run_id != records[0].run_id
    assert plain.metrics != records[0].metrics
    assert records[0].metrics["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("patience", "select", "kept", "ended"),
    [(1, "best", 2, 3), (2, "best", 5, 7), (2, "last", 7, 7), (7, "best", 8, 9), (None, "best", 8, None)],
)
def test_patience_ends_a_training(patience: int | None, select: str, kept: int, ended: int | None) -> None:
    module, script = nn.Linear(1, 1), [5.0, 3.0, 4.0, 2.8, 2.0, 2.0, 2.5, 1.0, 9.0]
    values, told = iter(script), []
    schedule = Schedule(len(script), 0.1, 4, select=select, patience=patience)
    found = train(
        module, lambda r: module.weight.sum(), lambda: next(values), 10, schedule, lambda *said: told.append(said), "t"
    )
    assert found["epoch"] == kept
    assert found["val_nll"] == script[kept - 1]
    assert found.get("ended_after") == ended
    last = 9 if ended is None else ended
    early = last < len(script)
    assert told[-1][1:3] == ((last, last) if early else (9, 9))
    assert told[-1][3].endswith("ended early") == early


def test_patience_that_runs_out_with_the_epochs_ends_nothing_early() -> None:
    module, values, told = nn.Linear(1, 1), iter([2.0, 1.0, 3.0, 3.0, 3.0]), []
    schedule = Schedule(5, 0.1, 4, patience=3)
    found = train(
        module, lambda r: module.weight.sum(), lambda: next(values), 10, schedule, lambda *said: told.append(said), "t"
    )
    assert found == {"epoch": 2, "val_nll": 1.0, "ended_after": 5}
    assert not told[-1][3].endswith("ended early")


def test_a_sampler_trains_on_from_where_patience_ended(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    from calibench_methods.objectives.co_teaching import CoTeaching

    begun: list[int] = []
    begin = CoTeaching.begin_epoch
    monkeypatch.setattr(CoTeaching, "begin_epoch", lambda self, epoch: begun.append(epoch) or begin(self, epoch))
    recipe = "co-teaching:epochs=40,ramp=40,rate=0.2,patience=1,lr=0.3+swag:epochs=2,samples={}"
    ended = run(recipe.format(2), "digits", results=tmp_path).fitted[0]["ended_after"]
    assert begun == [*range(1, int(ended) + 1), ended]
    begun.clear()
    assert run(recipe.format(3), "digits", results=tmp_path).cache["hits"] == ["stage1"]
    assert begun == [ended]


def test_patience_is_a_setting_of_stage_1() -> None:
    for patience in (4, 5):
        with pytest.raises(InputError, match=f"patience={patience} does nothing in 5 epochs"):
            run(f"ce:epochs=5,patience={patience}", "digits", results=None)
    record = run("ce:epochs=60,patience=2,lr=0.05", "digits", "mlp:hidden=32", results=None)
    found = record.fitted[0]
    assert found["ended_after"] == found["epoch"] + 2 < 60
    again = run(f"ce:epochs={found['ended_after']:.0f},lr=0.05", "digits", "mlp:hidden=32", results=None)
    assert again.metrics == record.metrics
    assert record.run_id != again.run_id


def test_a_loss_that_is_not_finite_names_the_rows(data) -> None:
    module = nn.Linear(1, 1)
    with pytest.raises(RunError) as error:
        train(module, lambda r: module.weight.sum() * math.nan, lambda: 0.0, 10, Schedule(1, 0.5, 4), silent, "toy")
    assert "step 1 of 3" in error.value.message
    assert "the learning rate is 0.5" in error.value.hint
    assert len(error.value.hint.split("training rows ")[1].split(", ")) == 4


def test_prediction_goes_in_parts_that_fit_the_cache() -> None:
    seen: list[int] = []

    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return x.flatten(1)[:, :2]

    images = torch.arange(300 * 3072, dtype=torch.float32).view(300, 3, 32, 32)
    found = predict(Counts(), images)
    assert torch.equal(found, images.flatten(1)[:, :2])
    assert seen == [130, 130, 40]
    seen.clear()
    predict(Counts(), torch.zeros(3000, 64))
    assert seen == [1024, 1024, 952]
    seen.clear()
    predict(Counts(), torch.zeros(40, 3, 600, 600))
    assert seen == [32, 8]
