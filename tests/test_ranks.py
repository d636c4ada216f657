"""Several processes that train one network end where one does: gradients, batch norm, predictions, streaming statistics."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import multiprocessing, nn

from calibench import InputError, RunError, run
from calibench.cache import resume
from calibench.config.resolve import resolve
from calibench.kernels import CalibrationAccumulator, calibration_stats
from calibench.plugins.discovery import registry
from calibench.processes import ALONE, Processes, joined
from calibench.recipe.stage_1 import streamed_ece
from calibench.records.store import read_predictions
from calibench.seeds import seeded
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage
from calibench.training import stepper
from calibench.training.prediction import predict
from calibench.training.synced_norm import synced

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked"),
]

K, ROWS = 3, 301
SPLIT = {"mlp": "mlp:hidden=12", "cnn": "cnn:width=4"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Splits of odd sizes, of two, and of one more row than a pass of the network takes."""
    at = tmp_path_factory.mktemp("ranks") / "digits.npz"
    x, y = load_digits(n_class=K, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8).astype(np.float32), y[order]
    ends = {"train": ROWS, "val": ROWS + 57, "cal": ROWS + 100, "test": ROWS + 199}
    arrays, start = {}, 0
    for name, end in ends.items():
        arrays |= {f"{name}_x": x[start:end], f"{name}_y": y[start:end]}
        start = end
    np.savez(at, **arrays)
    return f"npz:path={at}"


def on_a_rank(rank: int, size: int, folder: str, task: Callable[[], Any]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    found: Any
    try:
        found = task()
    except InputError as error:
        found = error.message
    except BaseException:
        found = traceback.format_exc()
        print(found, file=sys.stderr)
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def on_ranks(task: Callable[[], Any], folder: Path, size: int = 2) -> list[Any]:
    """What `task()` gives on each rank, or the message of its InputError."""
    folder.mkdir(exist_ok=True)
    (folder / "store").unlink(missing_ok=True)
    multiprocessing.start_processes(on_a_rank, args=(size, str(folder), task), nprocs=size, start_method="fork")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def weights(results: Path) -> dict[str, torch.Tensor]:
    (product,) = (results / "cache").glob("stage1-*.safetensors")
    return {k: v for k, v in load_file(product).items() if k.startswith("tensor.network.")}


# --- twenty steps ---------------------------------------------------------------------------------------------------

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
    "adafocal": ("adafocal", "mlp", "optimizer=sgd,lr=0.05"),
    "out of fold": ("noise-ce:folds=2", "mlp", "optimizer=sgd,lr=0.05"),
    "channels last": ("ce", "cnn", "optimizer=sgd,lr=0.05,channels_last=true"),
}


@pytest.mark.parametrize(
    ("name", "size"), [*((name, 2) for name in SETTINGS), ("ce, sgd, batch norm, all settings", 3)]
)
def test_twenty_steps_end_at_the_weights_of_one_process(name: str, size: int, dataset: str, tmp_path: Path) -> None:
    """Batches of 31 and a last one of 22 rows, which two and three processes cannot share evenly."""
    method, model, settings = SETTINGS[name]
    objective = method.partition(":")[0]
    given: dict[str, Any] = {
        "dataset": dataset,
        "model": SPLIT[model],
        "select": "last",
        "settings": [f"{objective}.{text}" for text in ("batch_size=31", *settings.split(","))],
    }
    if "epochs" not in settings:
        given["epochs"] = 2  # of 10 steps
    one = run(method, results=tmp_path / "one", **given)
    found = on_ranks(lambda: run(method, results=tmp_path / "many", **given), tmp_path / "ranks", size)
    assert not isinstance(found[0], str), found[0]
    assert all(record.metrics == found[0].metrics for record in found)
    apart = {k: float((v - weights(tmp_path / "many")[k]).abs().max()) for k, v in weights(tmp_path / "one").items()}
    assert max(apart.values()) <= 1e-5, apart
    assert found[0].machine["ranks"] == size
    assert found[0].metrics["nll"] == pytest.approx(one.metrics["nll"], rel=1e-4)
    assert found[0].n == one.n
    first, other = (read_predictions(tmp_path / where, record) for where, record in (("one", one), ("many", found[0])))
    assert np.array_equal(first["test.ids"], other["test.ids"])
    np.testing.assert_allclose(first["test.logits"], other["test.logits"], atol=1e-4)


def test_a_last_batch_of_fewer_rows_than_ranks(dataset: str, tmp_path: Path) -> None:
    """301 = 5 x 59 + 6 and 3 x 99 + 4; of five processes one has no row of the last batch, and waits through batch norm."""
    given: dict[str, Any] = {"dataset": dataset, "model": "cnn:width=4", "select": "last", "epochs": 2}
    given["settings"] = ["ce.batch_size=99", "ce.optimizer=sgd", "ce.lr=0.05"]
    run("ce", results=tmp_path / "one", **given)
    found = on_ranks(lambda: run("ce", results=tmp_path / "many", **given), tmp_path / "ranks", 5)
    assert not isinstance(found[0], str), found[0]
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "many")[name], value, rtol=0, atol=1e-5)


# --- batch norm -----------------------------------------------------------------------------------------------------


def normed(x: torch.Tensor, y: torch.Tensor, processes: Processes, momentum: float | None) -> list[torch.Tensor]:
    with seeded(0):
        layers = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, momentum=momentum), nn.Flatten(), nn.Linear(48, 2))
    part = processes.part(len(x))
    with synced(layers, processes):
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


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("rows", [2, 7])
def test_batch_norm_and_its_gradients_are_those_of_the_whole_batch(
    momentum: float | None, rows: int, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, y = torch.randn(rows, 2, 6, 6, generator=generator) * 3 + 1, torch.arange(rows) % 2
    wanted = normed(x, y, ALONE, momentum)
    for found in on_ranks(lambda: normed(x, y, joined("cpu"), momentum), tmp_path / "ranks", 3):
        assert not isinstance(found, str), found
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


# --- predictions and statistics -------------------------------------------------------------------------------------


def test_parts_are_every_row_once() -> None:
    for size in range(1, 6):
        for n in range(20):
            parts = [list(range(n))[Processes(rank, size).part(n)] for rank in range(size)]
            assert [row for part in parts for row in part] == list(range(n))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


SIZES = (1, 2, 3, 7, 1024, 2051)


def judged_in_parts() -> list[tuple[torch.Tensor, int]]:
    processes, seen, found = joined("cpu"), 0, []
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.eye(2))
        module.bias.zero_()

    def count(layer: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        nonlocal seen
        seen += len(given[0])

    module.register_forward_hook(count)
    for n in SIZES:
        seen = 0
        x = torch.arange(2.0 * n).reshape(n, 2)
        out = predict(module, x, processes=processes)
        found.append((out, int(processes.total(torch.tensor(seen)))))
    return found


def test_every_row_is_judged_exactly_once(tmp_path: Path) -> None:
    for found in on_ranks(judged_in_parts, tmp_path / "ranks", 3):
        for n, (out, seen) in zip(SIZES, found, strict=True):
            assert torch.equal(out, torch.arange(2.0 * n).reshape(n, 2))
            assert seen == n


@pytest.mark.parametrize("n", [1, 2, 901])
def test_streaming_statistics_over_ranks_are_those_of_one_process(n: int, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(n)
    x, y = torch.randn(n, 5, generator=generator, dtype=torch.float64) * 3, torch.randint(5, (n,), generator=generator)

    def reduced() -> Any:
        processes = joined("cpu")
        part = processes.part(n)
        accumulator = CalibrationAccumulator()
        if len(x[part]):
            accumulator.update(x[part], y[part])
        accumulator.all_reduce()
        return list(accumulator.compute()), streamed_ece(x[part], y[part], processes)

    whole = calibration_stats(x, y)
    for found, ece in on_ranks(reduced, tmp_path / "ranks", 3):
        for mine, theirs in zip(found, whole, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
        assert ece == pytest.approx(streamed_ece(x, y, ALONE), abs=1e-12)


# --- what is shared, and by whom ------------------------------------------------------------------------------------

TOGETHER = {"mixup", "co-teaching", "elr"}
"""Objectives that look at rows together, or remember them."""


def objectives() -> list[str]:
    return sorted(e.spec.name for e in registry().all("method") if getattr(e.spec, "kind", "") == "objective")


@pytest.mark.parametrize("name", objectives())
def test_what_is_split_is_the_mean_of_its_rows(name: str) -> None:
    spec = registry().get("method", name).spec
    objective = build_stage(resolve(name).objective)
    assert objective.can_split() == (name not in TOGETHER)
    if name in TOGETHER:
        return
    generator = torch.Generator().manual_seed(0)
    n, k = 300, 4
    y = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64) + 3 * nn.functional.one_hot(y, k)
    probs = (logits * 0.9).softmax(dim=1) if objective.folds else None
    if name == "cleanlab":
        pytest.importorskip("cleanlab")
    objective.check(k)
    objective.prepare(TrainTask(y, k, 5, probs, lambda: nn.Linear(2, k)))
    objective.begin_epoch(2)
    objective.end_epoch(logits, y)
    rows = torch.arange(7)
    parts = [rows[:3], rows[3:]]

    def loss(of: torch.Tensor) -> torch.Tensor:
        return objective.loss(logits[of], Batch(logits[of], y[of], of))

    torch.testing.assert_close(loss(rows), sum(loss(p) * len(p) for p in parts) / len(rows), rtol=1e-10, atol=1e-12)
    assert spec.kind == "objective"


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("mixup", "method 'mixup' looks at a batch as a whole"),
        ("co-teaching", "method 'co-teaching' looks at a batch"),
        ("elr", "remembers rows: 2 processes cannot share it"),
        ("ce+batch-ensemble", "method 'batch-ensemble' changes the network's layers"),
        ("ce:batch_size=1", "batch_size=1 is less than the 2 processes"),
    ],
)
def test_what_ranks_cannot_share_is_refused_by_name(method: str, words: str, dataset: str, tmp_path: Path) -> None:
    found = on_ranks(lambda: run(method, dataset, results=tmp_path / "r"), tmp_path / "ranks")
    assert all(words in message for message in found), found
    assert not (tmp_path / "r").exists()


def test_later_stages_are_rank_0s_on_every_rank(dataset: str, tmp_path: Path) -> None:
    method = "ce+tst:epochs=2+mc-dropout:samples=2+temperature"
    given: dict[str, Any] = {"dataset": dataset, "model": "mlp:hidden=12,dropout=0.1", "epochs": 2}

    def both() -> Any:
        first = run(method, results=tmp_path / "r", **given)
        again = run("ce+swag:epochs=2,samples=2", results=tmp_path / "r", **given)
        return first, again, run(method, results=tmp_path / "r", **given)

    mine, other = on_ranks(both, tmp_path / "ranks")
    assert not isinstance(mine, str), mine
    first, swag, there = mine
    assert first == there == other[0] == other[2]
    assert first.cache == {"hits": [], "made": ["stage1", "features", "stage2"]}
    assert swag.cache == {"hits": ["stage1"], "made": ["sampler"]}
    assert len(list((tmp_path / "r" / "records").iterdir())) == 2


def test_a_sampler_that_trains_on_is_told_what_ranks_estimated_together(dataset: str, tmp_path: Path) -> None:
    """The noise rate is estimated out of fold, by all; SWAG is collected by rank 0, from the cache's stage 1."""
    given: dict[str, Any] = {"dataset": dataset, "model": "mlp:hidden=12", "epochs": 2, "results": tmp_path / "r"}

    def both() -> Any:
        run("noise-ce:folds=2", **given)
        for product in (tmp_path / "r" / "cache").glob("outoffold-*"):
            product.unlink(missing_ok=True)  # by whichever rank comes first
        torch.distributed.barrier()
        return run("noise-ce:folds=2+swag:epochs=2,samples=2", **given)

    mine, other = on_ranks(both, tmp_path / "ranks")
    assert not isinstance(mine, str), mine
    assert mine == other
    assert mine.cache == {"hits": ["stage1"], "made": ["outoffold", "outoffold", "sampler"]}


def test_dropout_draws_differ_between_ranks_and_steps() -> None:
    draws = set()
    for rank in range(3):
        for step in range(3):
            processes = Processes(rank, 3)
            processes.step = step
            with seeded(5):
                draws.add(float(processes.share(lambda: torch.rand(()), lambda: torch.zeros(()), 1, 1)))
                after = float(torch.rand(()))
            with seeded(5):
                assert after == float(torch.rand(())), "the draws that processes share went on"
    assert len(draws) == 9


def test_a_loss_that_is_not_finite_stops_every_rank(dataset: str, tmp_path: Path) -> None:
    def failing() -> str:
        with pytest.raises(RunError) as error:
            run("ce:optimizer=sgd,lr=1e30", dataset, epochs=3, results=None)
        return error.value.message

    found = on_ranks(failing, tmp_path / "ranks")
    assert len(set(found)) == 1
    assert "the loss is nan" in found[0] or "the loss is inf" in found[0], found[0]


@pytest.mark.parametrize(
    ("recipe", "steps", "resumed"),
    [
        ("ce", 25, "stage 1, ce: epoch 2 of 4"),
        ("noise-ce:folds=2", 32, "out-of-fold network 2 of 2: epoch 2 of 4"),
        ("ce+tst:epochs=4,batch_size=31", 65, "stage 2, TST: epoch 2 of 4"),  # on rank 0 alone
    ],
)
def test_a_run_cut_off_is_taken_up_by_all_ranks(
    recipe: str, steps: int, resumed: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(resume.VARIABLE, "0")
    given: dict[str, Any] = {"dataset": dataset, "model": "mlp:hidden=12,dropout=0.2", "epochs": 4}
    given["settings"] = [f"{resolve(recipe).objective.name}.batch_size=31"]
    step = stepper.Stepper.__call__

    def cut() -> None:
        taken = 0

        def counted(self: Any, loss: torch.Tensor) -> None:
            nonlocal taken
            taken += 1
            if taken > steps:
                raise KeyboardInterrupt
            step(self, loss)

        stepper.Stepper.__call__ = counted  # type: ignore[method-assign]
        with contextlib.suppress(KeyboardInterrupt):
            run(recipe, results=tmp_path / "cut", **given)

    def again() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(recipe, results=tmp_path / "cut", **given)

    whole = on_ranks(lambda: run(recipe, results=tmp_path / "whole", **given), tmp_path / "a")[0]
    on_ranks(cut, tmp_path / "b")
    assert len(list((tmp_path / "cut" / "cache").glob("*.unfinished"))) == 1
    found = on_ranks(again, tmp_path / "c")[0]
    assert not isinstance(found, str), found
    assert found.cache["resumed"] == [resumed]
    assert found.metrics == whole.metrics
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(one[name], other[name]) for name in one)


# --- torchrun -------------------------------------------------------------------------------------------------------


def torchrun(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "calibench"]
    return subprocess.run([*launch, *args], capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def test_torchrun_writes_one_record_and_says_it_once(dataset: str, tmp_path: Path) -> None:
    args = ("run", "-m", "ce", "-d", dataset, "--model", "mlp:hidden=12", "--epochs", "2", "--json")
    ended = torchrun(*args, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["machine"]["ranks"] == 2
    assert ended.stderr.count("accuracy") == 1
    assert [p.stem for p in (tmp_path / "results" / "records").iterdir()] == [document["run_id"]]
    one = run("ce", dataset, "mlp:hidden=12", epochs=2, results=None)
    assert document["run_id"] == one.run_id
    assert document["metrics"]["nll"] == pytest.approx(one.metrics["nll"], rel=1e-5)
    assert document["n"] == one.n


@pytest.mark.parametrize(("rank", "lines"), [("0", 2), ("1", 0)])
def test_a_mistake_is_said_by_rank_0_alone(rank: str, lines: int, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = cli("run", "-m", "nothing")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == lines


def test_a_failure_of_rank_0_alone_ends_all_and_is_said(tmp_path: Path) -> None:
    """The temperature is fitted by rank 0 while rank 1 waits for the record."""
    ended = torchrun("run", "-m", "ce+temperature", "--epochs", "1", "--set", "ce.lr=1e-9", cwd=tmp_path)
    assert ended.returncode != 0
    said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert said[0].startswith("error: temperature: the NLL of these 180 samples still falls")
    assert all(line.startswith("error: rank 1: another process of this run is gone") for line in said[1:])
    assert "this is a bug" not in ended.stderr
    assert not list((tmp_path / "results" / "records").iterdir())


def test_without_torchrun_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert joined("cpu") is ALONE
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert joined("cpu") is ALONE
