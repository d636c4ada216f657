"""A training that is cut off and started again ends with the same bits, for every objective, setting and head refit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import refit_twice
import torch
from safetensors.torch import load_file
from short_runs import interrupt
from sklearn.datasets import load_digits

from calibench.cache.resume import VARIABLE, Resume
from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.errors import CalibenchNote
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MethodSpec
from calibench.progress import Report, quiet
from calibench.recipe.members import Members

K, EPOCHS = 3, 4
MLP = "mlp:hidden=12,dropout=0.2"
OBJECTIVES = sorted(
    e.spec.name
    for e in registry().all("method")
    if isinstance(e.spec, MethodSpec) and e.spec.kind == "objective" and e.plugin.distribution == "calibench"
)
CHEAP = {"folds": "2", "ramp": "3"}
"""Parameters of objectives by which a test takes less time."""
SETTINGS = (
    "ce:optimizer=sgd,lr=0.05,lr_schedule=cosine,warmup=1",
    "ce:optimizer=adamw,weight_decay=0.1,select=last",
    "ce:ema=0.9",
    "ce:ema=0.9,select=last,accumulate=3,clip_norm=0.5",
    "ce:patience=2,lr=0.001",
    "mixup:sam_rho=0.1,accumulate=2,ema=0.9",
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
    monkeypatch.setenv(VARIABLE, "0")


class Trained(NamedTuple):
    """The scores that would be judged, the record's entries, and the cache with its hits, misses and resumed stages."""

    scores: dict[str, torch.Tensor]
    fitted: list[dict[str, Any]]
    cache: StageCache


def train_members(
    method: str, dataset: str, folder: Path | None, *, model: str = MLP, report: Report = quiet, fresh: bool = False
) -> Trained:
    objective = resolve(method).objective.name
    settings = [f"{objective}.batch_size=64"] + ([] if "lr=" in method else [f"{objective}.lr=0.01"])
    config = resolve(method, dataset, model, "symmetric:rate=0.1", epochs=EPOCHS, settings=settings)
    if folder is not None:
        folder.mkdir(exist_ok=True)
    cache = StageCache(folder, fresh=fresh)
    members = Members(config, load_data(config), cache, report)
    outputs = members.run(("val", "test"))
    return Trained({name: split.scores for name, split in outputs.items()}, members.fitted, cache)


def cut_off(training: str, epoch: int, method: str, dataset: str, folder: Path, model: str = MLP) -> None:
    """Train, and press Ctrl-C at the end of an epoch of one training: what was kept is the state after the epoch before."""
    with pytest.raises(KeyboardInterrupt):
        train_members(method, dataset, folder, model=model, report=interrupt(training, epoch))


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("*.unfinished"))


def stored_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor in the cache, without the seconds."""
    tensors = {f"{p.name}/{name}": t for p in folder.glob("*.safetensors") for name, t in load_file(p).items()}
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("figure.seconds")}


def assert_same(result: Trained, undisturbed: Trained) -> None:
    """The same bits: scores, the record's entries, and everything that was stored."""
    assert result.fitted == undisturbed.fitted
    for name, scores in undisturbed.scores.items():
        assert torch.equal(result.scores[name], scores), name
    assert result.cache.folder is not None
    if undisturbed.cache.folder is None:
        return
    mine, theirs = stored_tensors(result.cache.folder), stored_tensors(undisturbed.cache.folder)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []


def assert_resumed_equals_undisturbed(
    method: str, dataset: str, tmp_path: Path, model: str = MLP, training: str = ""
) -> None:
    """`training` is the one that is cut off, stage 1 if it is not stated."""
    training = training or f"stage 1, {resolve(method).objective.name}"
    undisturbed = train_members(method, dataset, tmp_path / "whole", model=model)
    assert undisturbed.cache.resumed == []
    assert not unfinished(tmp_path / "whole")
    cut = tmp_path / "cut"
    cut_off(training, 3, method, dataset, cut, model)
    assert len(unfinished(cut)) == 1
    with pytest.warns(CalibenchNote, match=f"resumed from epoch 2 of {EPOCHS}"):
        cut_off(training, EPOCHS, method, dataset, cut, model)
    with pytest.warns(CalibenchNote, match=f"resumed from epoch 3 of {EPOCHS}"):
        resumed = train_members(method, dataset, cut, model=model)
    assert resumed.cache.resumed == [f"{training}: epoch 3 of {EPOCHS}"]
    assert not unfinished(cut)
    assert_same(resumed, undisturbed)


# --- what is resumed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "cleanlab" else ()) for name in OBJECTIVES]
)
def test_every_objective(name: str, dataset: str, tmp_path: Path) -> None:
    if name == "cleanlab":
        pytest.importorskip("cleanlab")
    spec = registry().get("method", name).spec
    values = [f"{p.key}={CHEAP[p.key]}" for p in spec.params if p.key in CHEAP]
    method = f"{name}:{','.join(values)}" if values else name
    assert_resumed_equals_undisturbed(method, dataset, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", SETTINGS)
def test_every_setting(method: str, dataset: str, tmp_path: Path) -> None:
    assert_resumed_equals_undisturbed(method, dataset, tmp_path)


def test_batch_norm_and_channels_last(dataset: str, tmp_path: Path) -> None:
    assert_resumed_equals_undisturbed("ce:channels_last=true", dataset, tmp_path, "cnn:width=4")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refit", "training"),
    [
        ("tst", "TST"),
        ("tst:views=3", "TST"),
        ("vtst", "V-TST"),
        ("mean-field", "mean-field"),
        ("reinit", "reinit"),
    ],
)
def test_every_head_refit(refit: str, training: str, dataset: str, tmp_path: Path) -> None:
    method = f"{refit}{',' if ':' in refit else ':'}epochs={EPOCHS},batch_size=64,lr=0.01"
    assert_resumed_equals_undisturbed(method, dataset, tmp_path, training=f"stage 2, {training}")


@pytest.mark.parametrize("epoch", [0, 2])
def test_networks_out_of_fold(epoch: int, dataset: str, tmp_path: Path) -> None:
    """Cut off in the second of two, then in stage 1: no finished part is trained again, and the random numbers go on."""
    method, cut = "noise-ce:folds=2", tmp_path / "cut"
    undisturbed = train_members(method, dataset, tmp_path / "whole")
    cut_off("out-of-fold network 2 of 2", epoch + 1, method, dataset, cut)
    assert len(list(cut.glob("outoffold-*.safetensors"))) == 1
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", CalibenchNote)
        cut_off("stage 1, noise-ce", 1, method, dataset, cut)
    expected = [f"out-of-fold network 2 of 2: resumed from epoch {epoch} of 4"] if epoch else []
    assert [str(note.message) for note in notes if note.category is CalibenchNote] == expected
    resumed = train_members(method, dataset, cut)
    assert resumed.cache.hits == ["outoffold", "outoffold"]
    assert_same(resumed, undisturbed)


def test_networks_out_of_fold_are_shared_whatever_the_patience(dataset: str, tmp_path: Path) -> None:
    train_members("noise-ce:folds=2", dataset, tmp_path)
    cache = train_members("noise-ce:folds=2,patience=2,select=last", dataset, tmp_path).cache
    assert (cache.hits, cache.misses) == (["outoffold", "outoffold"], ["stage1"])


# --- what is not resumed --------------------------------------------------------------------------------------------


def test_a_second_training_of_a_stage_does_not_go_on_from_the_first(
    install_plugin: Any, dataset: str, tmp_path: Path
) -> None:
    """The refit trains two heads with one task: the second is the same as where nothing is kept."""
    install_plugin("refit_twice")
    refit_twice.figures_of_fits.clear()
    method = f"tst-twice:epochs={EPOCHS},batch_size=64,lr=0.01"
    kept, plain = train_members(method, dataset, tmp_path), train_members(method, dataset, None)
    assert kept.cache.resumed == []
    first, second, first_plain, second_plain = refit_twice.figures_of_fits
    assert (first, second) == (first_plain, second_plain)
    assert torch.equal(kept.scores["test"], plain.scores["test"])


@pytest.fixture
def cut(dataset: str, tmp_path: Path) -> Path:
    """The file of a stage 1 that was cut off in its third epoch."""
    cut_off("stage 1, ce", 3, "ce", dataset, tmp_path)
    (path,) = unfinished(tmp_path)
    return path


def test_force_starts_from_the_beginning(cut: Path, dataset: str, tmp_path: Path) -> None:
    assert train_members("ce", dataset, tmp_path, fresh=True).cache.resumed == []
    assert not cut.exists()


def test_another_setting_does_not_go_on_from_it(cut: Path, dataset: str, tmp_path: Path) -> None:
    assert train_members("ce:lr=0.02", dataset, tmp_path).cache.resumed == []
    assert cut.exists()


def test_a_damaged_file_is_ignored(cut: Path, dataset: str, tmp_path: Path) -> None:
    cut.write_bytes(cut.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="damaged and was ignored"):
        result = train_members("ce", dataset, tmp_path)
    assert result.cache.resumed == []
    assert_same(result, train_members("ce", dataset, None))
    assert not unfinished(tmp_path)


def test_seconds_before_the_cut_are_counted(cut: Path, dataset: str, tmp_path: Path) -> None:
    resume = Resume(cut)
    state = resume.read()
    assert state is not None
    assert 0 < resume.before < 60
    resume.before = 1000.0
    resume.write({name: tensor for name, tensor in state.items() if name != "seconds"})
    with pytest.warns(CalibenchNote):
        train_members("ce", dataset, tmp_path)
    (result,) = tmp_path.glob("stage1-*.safetensors")
    assert 1000 < float(load_file(result)["figure.seconds"]) < 1060


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("elr", ("objective.",)),
        ("adafocal", ("objective.",)),
        ("co-teaching:rate=0.3", ("objective.", "companion0.")),
        ("ce", ("module.",)),
        ("ce", ("stepper.",)),
        ("ce", ("random.",)),
    ],
)
def test_every_part_of_the_kept_state_decides_the_end(
    method: str, parts: tuple[str, ...], dataset: str, tmp_path: Path
) -> None:
    """The tests above can fail: with one part from an epoch earlier the training ends elsewhere."""
    training = f"stage 1, {resolve(method).objective.name}"
    cut_off(training, 2, method, dataset, tmp_path)
    (path,) = unfinished(tmp_path)
    earlier = Resume(path).read()
    with pytest.warns(CalibenchNote):
        cut_off(training, 3, method, dataset, tmp_path)
    state = Resume(path).read()
    assert state is not None
    assert earlier is not None
    mixed = {name: earlier[name] if name.startswith(parts) else tensor for name, tensor in state.items()}
    Resume(path).write({name: tensor for name, tensor in mixed.items() if name != "seconds"})
    with pytest.warns(CalibenchNote, match=f"resumed from epoch 2 of {EPOCHS}"):
        result = train_members(method, dataset, tmp_path)
    assert not torch.equal(result.scores["test"], train_members(method, dataset, None).scores["test"])
