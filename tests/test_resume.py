"""A training cut off and started again ends with the same bits: every objective, setting and head refit, kill -9."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from calibench import InputError, run
from calibench.cache import resume
from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.errors import CalibenchNote, CalibenchWarning
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MethodSpec
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.training import stepper
from calibench.training.loop import train
from calibench.training.schedule import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")

K, EPOCHS, BATCH = 3, 4, 64
OBJECTIVES = sorted(
    e.spec.name
    for e in registry().all("method")
    if isinstance(e.spec, MethodSpec) and e.spec.kind == "objective" and e.plugin.distribution == "calibench"
)
CHEAP = {"folds": "2", "ramp": "3"}
SETTINGS = (
    "ce:optimizer=sgd,lr=0.05,lr_schedule=cosine,warmup=1",
    "ce:optimizer=adamw,weight_decay=0.1,select=last",
    "ce:ema=0.9",
    "ce:ema=0.9,select=last,accumulate=3,clip_norm=0.5",
    "ce:patience=2,lr=0.001",
    "ce:precision=bfloat16",
    "ce:precision=float16,optimizer=sgd,lr=0.05",
    "ce+batch-ensemble:members=2",
    "elr+swag:epochs=2,rank=2,samples=2",
    "co-teaching:rate=0.2+snapshot:cycles=2,epochs=1",
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    at = tmp_path_factory.mktemp("resume") / "digits.npz"
    x, y = load_digits(n_class=K, return_X_y=True)
    np.savez(at, train_x=x.reshape(-1, 8, 8).astype(np.float32), train_y=y)
    return f"npz:path={at}"


@pytest.fixture(autouse=True)
def _every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(resume.VARIABLE, "0")


def recipe(name: str) -> str:
    spec = registry().get("method", name).spec
    given = [f"{p.key}={CHEAP[p.key]}" for p in spec.params if p.key in CHEAP]
    return f"{name}:{','.join(given)}" if given else name


def go(method: str, dataset: str, folder: Path | None, model: str = "mlp:hidden=12,dropout=0.2", **more: Any) -> Any:
    """Every tensor that was judged and all that was learned, and the cache."""
    objective = resolve(method).objective.name
    settings = [f"{objective}.batch_size={BATCH}"]
    if "lr=" not in method:
        settings.append(f"{objective}.lr=0.01")
    config = resolve(method, dataset, model, "symmetric:rate=0.1", epochs=EPOCHS, settings=settings)
    if folder is not None:
        folder.mkdir(exist_ok=True)
    cache = StageCache(folder, **more)
    pipeline = Members(config, load_data(config), cache, quiet)
    outputs = pipeline.run(("val", "test"))
    return {name: found.scores for name, found in outputs.items()}, pipeline.fitted, cache


def products(folder: Path) -> dict[str, torch.Tensor]:
    held = {f"{p.name}/{k}": v for p in folder.glob("*.safetensors") for k, v in load_file(p).items()}
    return {name: value for name, value in held.items() if not name.endswith("figure.seconds")}


class CutOffError(BaseException):
    """Nothing in calibench catches it, as nothing catches SIGKILL."""


@contextlib.contextmanager
def cut_off(after: int, trainer: str = "calibench.recipe.stage_1") -> Iterator[None]:
    """The training stops dead after so many steps of the stage that the module `trainer` trains."""
    step, taken = stepper.Stepper.__call__, 0
    train = importlib.import_module(trainer).train
    inside = False

    def trained(*args: Any, **named: Any) -> Any:
        nonlocal inside
        inside = True
        return train(*args, **named)

    def counted(self: Any, loss: torch.Tensor) -> None:
        nonlocal taken
        taken += inside  # the networks out of fold come before, and stage 1 before stage 2
        if taken > after:
            raise CutOffError
        step(self, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepper.Stepper, "__call__", counted)
        patch.setattr(f"{trainer}.train", trained)
        for module in ("stage_1", "stage_2"):
            patch.setattr(f"calibench.recipe.{module}.blaming", lambda what: contextlib.nullcontext())
        with pytest.raises(CutOffError):
            yield


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("*.unfinished"))


def steps_an_epoch(dataset: str) -> int:
    rows = len(load_data(resolve("ce", dataset)).train)
    return -(-rows // BATCH)


def resumed_equals_undisturbed(
    method: str,
    dataset: str,
    tmp_path: Path,
    model: str = "mlp:hidden=12,dropout=0.2",
    trainer: str = "calibench.recipe.stage_1",
    stage: str = "",
) -> None:
    whole, fitted, cache = go(method, dataset, tmp_path / "whole", model)
    assert cache.resumed == []
    assert not unfinished(tmp_path / "whole")
    steps = steps_an_epoch(dataset)
    with cut_off(2 * steps + 2, trainer):  # in the third epoch
        go(method, dataset, tmp_path / "cut", model)
    assert len(unfinished(tmp_path / "cut")) == 1
    with (
        pytest.warns(CalibenchNote, match=f"resumed from epoch 2 of {EPOCHS}"),
        cut_off(steps + 1, trainer),
    ):  # the last
        go(method, dataset, tmp_path / "cut", model)
    with pytest.warns(CalibenchNote, match=f"resumed from epoch 3 of {EPOCHS}"):
        again, fitted_again, cache = go(method, dataset, tmp_path / "cut", model)
    stage = stage or f"stage 1, {resolve(method).objective.name}"
    assert cache.resumed == [f"{stage}: epoch 3 of {EPOCHS}"]
    assert not unfinished(tmp_path / "cut")
    assert fitted_again == fitted
    for name, scores in whole.items():
        assert torch.equal(again[name], scores), name
    one, other = products(tmp_path / "whole"), products(tmp_path / "cut")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective(name: str, dataset: str, tmp_path: Path) -> None:
    if name == "cleanlab":
        pytest.importorskip("cleanlab")
    resumed_equals_undisturbed(recipe(name), dataset, tmp_path)


@pytest.mark.parametrize("method", SETTINGS)
def test_every_setting(method: str, dataset: str, tmp_path: Path) -> None:
    resumed_equals_undisturbed(method, dataset, tmp_path)


def test_batch_norm_and_channels_last(dataset: str, tmp_path: Path) -> None:
    resumed_equals_undisturbed("ce:channels_last=true", dataset, tmp_path, "cnn:width=4")


@pytest.mark.parametrize(
    ("refit", "stage"),
    [
        ("tst", "TST"),
        ("tst:views=3", "TST"),
        ("vtst", "V-TST"),
        ("mean-field", "mean-field"),
        ("reinit", "reinit"),
    ],
)
def test_every_head_refit(refit: str, stage: str, dataset: str, tmp_path: Path) -> None:
    method = f"{refit}{',' if ':' in refit else ':'}epochs={EPOCHS},batch_size={BATCH},lr=0.01"
    resumed_equals_undisturbed(method, dataset, tmp_path, trainer="calibench.training", stage=f"stage 2, {stage}")


def test_patience_goes_on_counting(tmp_path: Path) -> None:
    def training(values: list[float]) -> dict[str, float]:
        module, script = torch.nn.Linear(1, 1), iter(values)
        kept = resume.Resume(tmp_path / "t.unfinished")

        def validate() -> float:
            value = next(script, None)
            if value is None:
                raise CutOffError
            return value

        return train(
            module,
            lambda rows: module.weight.sum(),
            validate,
            8,
            Schedule(9, 0.1, 4, patience=3),
            quiet,
            "t",
            resume=kept,
        )

    with pytest.raises(CutOffError):
        training([3.0, 2.0, 2.5])
    with pytest.warns(CalibenchNote, match="resumed from epoch 3 of 9"):
        found = training([2.6, 2.7])
    assert found == {"epoch": 2, "val_nll": 2.0, "ended_after": 5}


def test_a_second_training_of_a_stage_does_not_go_on_from_the_first(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refit that trains two heads with one task: the second is what it is without anything kept."""
    from calibench_methods.refits.tst import TST

    fit, found = TST.fit, []

    def twice(self: TST, head: torch.nn.Module, task: Any) -> dict[str, float]:
        fit(self, copy.deepcopy(head), task)
        found.append(fit(self, head, task))
        return {"own": 1.0}

    monkeypatch.setattr(TST, "fit", twice)
    method = f"tst:epochs={EPOCHS},batch_size={BATCH},lr=0.01"
    kept, _, cache = go(method, dataset, tmp_path)
    plain, _, _ = go(method, dataset, None)
    assert cache.resumed == []
    assert found[0] == found[1]
    assert torch.equal(kept["test"], plain["test"])


def test_out_of_fold_networks_are_shared_whatever_the_patience(dataset: str, tmp_path: Path) -> None:
    go("noise-ce:folds=2", dataset, tmp_path)
    _, _, cache = go("noise-ce:folds=2,patience=2,select=last", dataset, tmp_path)
    assert (cache.hits, cache.misses) == (["outoffold", "outoffold"], ["stage1"])


@pytest.mark.parametrize("epoch", [0, 2])
def test_networks_out_of_fold(epoch: int, dataset: str, tmp_path: Path) -> None:
    """Cut off in the second of two, then in stage 1: what is done is not done again, and the random numbers go on."""
    method, inside = "noise-ce:folds=2", "calibench.recipe.out_of_fold"
    whole, fitted, _ = go(method, dataset, tmp_path / "whole")
    rows = len(load_data(resolve("ce", dataset)).train)
    steps = -(-(rows // 2) // BATCH)
    cut = tmp_path / "cut"
    with cut_off((EPOCHS + epoch) * steps + 2, inside):
        go(method, dataset, cut)
    assert len(list(cut.glob("outoffold-*.safetensors"))) == 1
    said = [f"out-of-fold network 2 of 2: resumed from epoch {epoch} of 4"] if epoch else []
    with warnings.catch_warnings(record=True) as notes, cut_off(2):
        warnings.simplefilter("always", CalibenchNote)
        go(method, dataset, cut)
    assert [str(note.message) for note in notes if note.category is CalibenchNote] == said
    again, fitted_again, cache = go(method, dataset, cut)
    assert cache.hits == ["outoffold", "outoffold"]
    assert fitted_again == fitted
    for name, scores in whole.items():
        assert torch.equal(again[name], scores), name
    one, other = products(tmp_path / "whole"), products(cut)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_what_was_learned_before_matters(dataset: str, tmp_path: Path) -> None:
    """The test above can fail: with the objective's memory left out the bits differ."""
    for name in ("elr", "adafocal", "co-teaching:rate=0.3"):
        whole, _, _ = go(name, dataset, None)
        with cut_off(2 * steps_an_epoch(dataset) + 2):
            go(name, dataset, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("calibench.stages.Objective.load_state", lambda self, held: None)
            if name.startswith("co-teaching"):  # its network is a companion too, and kept as one
                patch.setattr("torch.set_rng_state", lambda state: None)
            with pytest.warns(CalibenchNote):
                found, _, _ = go(name, dataset, tmp_path)
        assert not torch.equal(found["test"], whole["test"]), name


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cut(dataset: str, tmp_path: Path) -> Path:
    with cut_off(2 * steps_an_epoch(dataset) + 2):
        go("ce", dataset, tmp_path)
    (path,) = unfinished(tmp_path)
    return path


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "another's"])
def test_a_damaged_file_is_ignored_and_said(damage: str, cut: Path, dataset: str, tmp_path: Path) -> None:
    content = bytearray(cut.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    cut.write_bytes({"flipped": content, "cut": content[:-9], "emptied": b"", "another's": b"\x80" * 500}[damage])
    whole, fitted, _ = go("ce", dataset, None)
    with pytest.warns(CalibenchWarning, match="damaged and was ignored") as said:
        found, fitted_again, cache = go("ce", dataset, tmp_path)
    assert not any(issubclass(w.category, CalibenchNote) for w in said)
    assert cache.resumed == []
    assert torch.equal(found["test"], whole["test"])
    assert fitted == fitted_again
    assert not unfinished(tmp_path)


def test_force_starts_from_the_beginning(cut: Path, dataset: str, tmp_path: Path) -> None:
    _, _, cache = go("ce", dataset, tmp_path, fresh=True)
    assert cache.resumed == []
    assert not cut.exists()


def test_another_seed_or_setting_does_not_go_on_from_it(cut: Path, dataset: str, tmp_path: Path) -> None:
    _, _, cache = go("ce:lr=0.02", dataset, tmp_path)
    assert cache.resumed == []
    assert cut.exists()


def test_it_is_written_no_more_often_than_asked(dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(resume.VARIABLE)
    with cut_off(2 * steps_an_epoch(dataset) + 2):
        go("ce", dataset, tmp_path)
    assert not unfinished(tmp_path)


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_a_bad_interval_is_refused(text: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(resume.VARIABLE, text)
    with pytest.raises(InputError, match=resume.VARIABLE):
        run("ce", dataset, results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_full_disk_is_said_once_and_the_training_goes_on(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def full(path: Path) -> Iterator[Path]:
        raise resume.RunError(f"cannot write {path}: No space left on device")
        yield path

    monkeypatch.setattr(resume, "replacing", full)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        go("ce", dataset, tmp_path)
    assert [str(w.message).endswith("the training goes on without") for w in said] == [True]


def test_seconds_add_up(dataset: str, tmp_path: Path) -> None:
    with cut_off(2 * steps_an_epoch(dataset) + 2):
        go("ce", dataset, tmp_path)
    (path,) = unfinished(tmp_path)
    kept = resume.Resume(path)
    state = kept.read()
    assert state is not None
    assert 0 < kept.before < 60
    kept.before = 1000.0
    kept.write({name: value for name, value in state.items() if name != "seconds"})
    with pytest.warns(CalibenchNote):
        go("ce", dataset, tmp_path)
    (product,) = tmp_path.glob("stage1-*.safetensors")
    assert 1000 < float(load_file(product)["figure.seconds"]) < 1060


# --- the command line -----------------------------------------------------------------------------------------------

RUN = ("run", "-m", "ce+temperature", "--model", "mlp", "--epochs", "40", "--threads", "1", "--json")


def figures(document: dict[str, Any]) -> str:
    kept = ("metrics", "intervals", "noise_floor", "details", "fitted")
    return json.dumps([document[name] for name in kept], sort_keys=True)


def test_killed_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """kill -9 at no moment of our choosing, as soon as two epochs are kept; the same command then says where it goes on."""
    env = {**os.environ, resume.VARIABLE: "0", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "calibench", *RUN]
    ended = subprocess.run(
        [*command, "--results", "whole"], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env
    )
    cache = tmp_path / "results" / "cache"
    first = None
    while running.poll() is None:
        found = unfinished(cache)
        stamp = found[0].stat().st_mtime_ns if found else None
        first = first or stamp
        if stamp is not None and stamp != first:
            break
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    out, err = running.communicate()
    assert running.returncode == -signal.SIGKILL, err
    assert out == ""
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=True)
    said = [line for line in again.stderr.splitlines() if line.startswith("note: stage 1, ce: resumed from epoch ")]
    assert len(said) == 1, again.stderr
    epoch = int(said[0].split()[7])
    assert 2 <= epoch < 40
    one, other = json.loads(ended.stdout), json.loads(again.stdout)
    assert figures(one) == figures(other)
    assert other["cache"] == {"hits": [], "made": ["stage1"], "resumed": [f"stage 1, ce: epoch {epoch} of 40"]}
    assert "resumed" not in one["cache"]
    assert not unfinished(cache)
    assert not list((tmp_path / "results").rglob("*.tmp"))
