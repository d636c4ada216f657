"""Several processes that train one network end at the weights of one: gradients, batch norm, batches that do not divide evenly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forked import on_processes
from safetensors.torch import load_file
from torch import nn

from calibench import RunError, run
from calibench.processes import ALONE, Processes, joined
from calibench.records.store import read_predictions
from calibench.seeds import seeded
from calibench.training.prediction import predict
from calibench.training.synced_norm import synced_norms

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")

MODELS = {"mlp": "mlp:hidden=12", "cnn": "cnn:width=4"}
SETTINGS = {
    "ce, sgd": ("ce", "mlp", "optimizer=sgd,lr=0.05"),
    "ce, adam": ("ce", "mlp", "lr=0.003"),
    "ce, adam, batch norm": ("ce", "cnn", "lr=0.003"),
    "ce, sgd, batch norm, all settings": (
        "ce",
        "cnn",
        "optimizer=sgd,lr=0.05,accumulate=2,clip_norm=0.5,ema=0.8,lr_schedule=cosine,warmup=0.5,epochs=4",
    ),
    "ce, augmented": ("ce", "cnn", "optimizer=sgd,lr=0.02,augment=crop;flip;cutout=3;randaugment=2/9"),
    "ce, sharpness-aware": ("ce", "cnn", "optimizer=sgd,lr=0.05,accumulate=2,sam_rho=0.1,augment=crop;flip"),
    "adafocal": ("adafocal", "mlp", "optimizer=sgd,lr=0.05"),
    "out of fold": ("noise-ce:folds=2", "mlp", "optimizer=sgd,lr=0.05"),
    "channels last": ("ce", "cnn", "optimizer=sgd,lr=0.05,channels_last=true"),
}


def weights(results: Path) -> dict[str, torch.Tensor]:
    """The network that stage 1 ended at."""
    (file,) = (results / "cache").glob("stage1-*.safetensors")
    return {k: v for k, v in load_file(file).items() if k.startswith("tensor.network.")}


ALL_SETTINGS = "ce, sgd, batch norm, all settings"
CASES = [
    *((name, 2) for name in SETTINGS if name != ALL_SETTINGS),
    *(pytest.param(ALL_SETTINGS, count, marks=pytest.mark.slow) for count in (2, 3)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), CASES)
def test_twenty_steps_end_at_the_weights_of_one_process(
    name: str, count: int, uneven_splits: str, tmp_path: Path
) -> None:
    """Batches of 31 and a last one of 22 rows, which two and three processes cannot share evenly."""
    method, model, settings = SETTINGS[name]
    objective = method.partition(":")[0]
    options: dict[str, Any] = {
        "dataset": uneven_splits,
        "model": MODELS[model],
        "select": "last",
        "settings": [f"{objective}.{text}" for text in ("batch_size=31", *settings.split(","))],
    }
    if "epochs" not in settings:
        options["epochs"] = 2  # of 10 steps
    alone = run(method, results=tmp_path / "alone", **options)
    records = on_processes(lambda: run(method, results=tmp_path / "together", **options), tmp_path / "p", count)
    first = records[0]
    assert not isinstance(first, str), first
    assert all(record.metrics == first.metrics for record in records)
    theirs = weights(tmp_path / "together")
    apart = {k: float((v - theirs[k]).abs().max()) for k, v in weights(tmp_path / "alone").items()}
    assert max(apart.values()) <= 1e-5, apart
    assert first.machine["ranks"] == count
    assert first.metrics["nll"] == pytest.approx(alone.metrics["nll"], rel=1e-4)
    assert first.n == alone.n
    mine, theirs = (read_predictions(tmp_path / at, record) for at, record in (("alone", alone), ("together", first)))
    assert np.array_equal(mine["test.ids"], theirs["test.ids"])
    np.testing.assert_allclose(mine["test.logits"], theirs["test.logits"], atol=1e-4)


@pytest.mark.slow
def test_a_last_batch_of_fewer_rows_than_processes(uneven_splits: str, tmp_path: Path) -> None:
    """301 = 3 x 99 + 4: of five processes one has no row of the last batch, and waits through batch norm."""
    options: dict[str, Any] = {"dataset": uneven_splits, "model": "cnn:width=4", "select": "last", "epochs": 2}
    options["settings"] = ["ce.batch_size=99", "ce.optimizer=sgd", "ce.lr=0.05"]
    run("ce", results=tmp_path / "alone", **options)
    records = on_processes(lambda: run("ce", results=tmp_path / "together", **options), tmp_path / "p", 5)
    assert not isinstance(records[0], str), records[0]
    for name, value in weights(tmp_path / "alone").items():
        torch.testing.assert_close(weights(tmp_path / "together")[name], value, rtol=0, atol=1e-5)


def test_a_loss_that_is_not_finite_stops_every_process(uneven_splits: str, tmp_path: Path) -> None:
    def failing() -> str:
        with pytest.raises(RunError) as error:
            run("ce:optimizer=sgd,lr=1e30", uneven_splits, epochs=3, results=None)
        return error.value.message

    messages = on_processes(failing, tmp_path / "p")
    assert len(set(messages)) == 1
    assert "the loss is nan" in messages[0] or "the loss is inf" in messages[0], messages[0]


# --- batch norm -----------------------------------------------------------------------------------------------------


def normed(x: torch.Tensor, y: torch.Tensor, processes: Processes, momentum: float | None) -> list[torch.Tensor]:
    """Gradients, running statistics and loss of a network with batch norm after two passes."""
    with seeded(0):
        layers = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, momentum=momentum), nn.Flatten(), nn.Linear(48, 2))
    part = processes.part(len(x))
    with synced_norms(layers, processes):
        for _ in range(2):
            layers.zero_grad()
            loss = processes.share(
                lambda: nn.functional.cross_entropy(layers(x[part]), y[part]),
                lambda: layers(x[part]).sum(),
                len(x[part]),
                len(x),
            )
            loss.backward()
    processes.add_gradients(list(layers.parameters()))
    assert "forward" not in vars(layers[1])
    gradients = [p.grad.clone() for p in layers.parameters() if p.grad is not None]
    return [*gradients, *(b.clone().double() for b in layers.buffers()), processes.total(loss.detach())]


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("rows", [2, 7])
def test_batch_norm_and_its_gradients_are_those_of_the_whole_batch(
    momentum: float | None, rows: int, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, y = torch.randn(rows, 2, 6, 6, generator=generator) * 3 + 1, torch.arange(rows) % 2
    expected = normed(x, y, ALONE, momentum)
    for tensors in on_processes(lambda: normed(x, y, joined("cpu"), momentum), tmp_path / "p", 3):
        assert not isinstance(tensors, str), tensors
        for mine, theirs in zip(tensors, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


# --- predictions ----------------------------------------------------------------------------------------------------

SIZES = (1, 2, 3, 7, 1024, 2051)


def predicted_in_parts() -> list[tuple[torch.Tensor, int]]:
    """For each size the identity's predictions, and how many rows all processes passed through it."""
    processes, rows, results = joined("cpu"), 0, []
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.eye(2))
        module.bias.zero_()

    def count(layer: nn.Module, args: tuple[torch.Tensor], out: torch.Tensor) -> None:
        nonlocal rows
        rows += len(args[0])

    module.register_forward_hook(count)
    for n in SIZES:
        rows = 0
        out = predict(module, torch.arange(2.0 * n).reshape(n, 2), processes=processes)
        results.append((out, int(processes.total(torch.tensor(rows)))))
    return results


def test_every_row_is_predicted_exactly_once(tmp_path: Path) -> None:
    for results in on_processes(predicted_in_parts, tmp_path / "p", 3):
        for n, (out, rows) in zip(SIZES, results, strict=True):
            assert torch.equal(out, torch.arange(2.0 * n).reshape(n, 2))
            assert rows == n
