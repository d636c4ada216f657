"""A recipe on several processes: what they share, what the first does for all, and that they resume together."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import on_processes
from safetensors.torch import load_file
from short_runs import interrupt

from calibench import InputError, run
from calibench.cache.resume import VARIABLE
from calibench.config.resolve import resolve
from calibench.kernels import CalibrationAccumulator, calibration_stats
from calibench.processes import ALONE, joined
from calibench.recipe.streamed_ece import streamed_ece

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")


def test_recipes_that_processes_cannot_share_are_refused_by_name(uneven_splits: str, tmp_path: Path) -> None:
    refusals = {
        "mixup": "method 'mixup' looks at a batch as a whole",
        "co-teaching": "method 'co-teaching' looks at a batch",
        "elr": "remembers rows: 2 processes cannot share it",
        "ce+batch-ensemble": "method 'batch-ensemble' changes the network's layers",
        "ce:batch_size=1": "batch_size=1 is less than the 2 processes",
    }

    def refusal_of(method: str) -> str:
        with pytest.raises(InputError) as error:
            run(method, uneven_splits, results=tmp_path / "r")
        return error.value.message

    for messages in on_processes(lambda: [refusal_of(method) for method in refusals], tmp_path / "p"):
        assert not isinstance(messages, str), messages
        for message, expected in zip(messages, refusals.values(), strict=True):
            assert expected in message
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_later_stages_are_those_of_the_first_process(uneven_splits: str, tmp_path: Path) -> None:
    method = "ce+tst:epochs=2+mc-dropout:samples=2+temperature"
    options: dict[str, Any] = {"dataset": uneven_splits, "model": "mlp:hidden=12,dropout=0.1", "epochs": 2}

    def both() -> Any:
        refit = run(method, results=tmp_path / "r", **options)
        swag = run("ce+swag:epochs=2,samples=2", results=tmp_path / "r", **options)
        return refit, swag, run(method, results=tmp_path / "r", **options)

    first, second = on_processes(both, tmp_path / "p")
    assert not isinstance(first, str), first
    refit, swag, again = first
    assert refit == again == second[0] == second[2]
    assert refit.cache == {"hits": [], "made": ["stage1", "features", "stage2"]}
    assert swag.cache == {"hits": ["stage1"], "made": ["sampler"]}
    assert len(list((tmp_path / "r" / "records").iterdir())) == 2


@pytest.mark.slow
def test_a_sampler_that_trains_on_knows_what_all_processes_estimated(uneven_splits: str, tmp_path: Path) -> None:
    """All processes estimate the noise rate out of fold; the first one collects SWAG, from the stage 1 in the cache."""
    options: dict[str, Any] = {
        "dataset": uneven_splits,
        "model": "mlp:hidden=12",
        "epochs": 2,
        "results": tmp_path / "r",
    }

    def both() -> Any:
        run("noise-ce:folds=2", **options)
        for file in (tmp_path / "r" / "cache").glob("outoffold-*"):
            file.unlink(missing_ok=True)  # by whichever process comes first
        torch.distributed.barrier()
        return run("noise-ce:folds=2+swag:epochs=2,samples=2", **options)

    first, second = on_processes(both, tmp_path / "p")
    assert not isinstance(first, str), first
    assert first == second
    assert first.cache == {"hits": ["stage1"], "made": ["outoffold", "outoffold", "sampler"]}


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 901])
def test_streamed_statistics_over_processes_are_those_of_one(n: int, tmp_path: Path) -> None:
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
    for stats, ece in on_processes(reduced, tmp_path / "p", 3):
        for mine, theirs in zip(stats, whole, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
        assert ece == pytest.approx(streamed_ece(x, y, ALONE), abs=1e-12)


# --- resumed ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "training"),
    [
        ("ce", "stage 1, ce"),
        ("noise-ce:folds=2", "out-of-fold network 2 of 2"),
        ("ce+tst:epochs=4,batch_size=31", "stage 2, TST"),  # by the first process alone
    ],
)
def test_a_run_that_is_cut_off_is_resumed_by_all_processes(
    recipe: str, training: str, uneven_splits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    options: dict[str, Any] = {"dataset": uneven_splits, "model": "mlp:hidden=12,dropout=0.2", "epochs": 4}
    options["settings"] = [f"{resolve(recipe).objective.name}.batch_size=31"]

    def cut_off() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            run(recipe, results=tmp_path / "cut", report=interrupt(training, 3), **options)

    def again() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(recipe, results=tmp_path / "cut", **options)

    def weights(results: str) -> dict[str, torch.Tensor]:
        (file,) = (tmp_path / results / "cache").glob("stage1-*.safetensors")
        return {k: v for k, v in load_file(file).items() if k.startswith("tensor.network.")}

    whole = on_processes(lambda: run(recipe, results=tmp_path / "whole", **options), tmp_path / "a")[0]
    on_processes(cut_off, tmp_path / "b")
    assert len(list((tmp_path / "cut" / "cache").glob("*.unfinished"))) == 1
    resumed = on_processes(again, tmp_path / "c")[0]
    assert not isinstance(resumed, str), resumed
    assert resumed.cache["resumed"] == [f"{training}: epoch 2 of 4"]
    assert resumed.metrics == whole.metrics
    mine, theirs = weights("whole"), weights("cut")
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
