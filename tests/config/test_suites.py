"""Suites: what calibench ships is sound, and each key of a file does what it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from calibench import InputError
from calibench.config.suite import load_suite, read_suite
from calibench.plugins.discovery import registry
from calibench.runs.sweeps.own_data import with_own_data

NAMES = [entry.spec.name for entry in registry().all("suite")]
FOLDER = Path(__file__).parents[2] / "leaderboards" / "suites"

SMALL = """
primary = "brier"
base = "ce"
method = ["ce", "vtst"]
[[data]]
dataset = "digits"
model = "mlp"
"""


def test_every_file_is_registered():
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_suite_is_sound(name):
    suite = load_suite(name)
    configs = list(suite.configs())
    noises = sum(len(data.noises) for data in suite.data)
    assert len({str(config.document()) for config in configs}) == len(configs)
    assert len(configs) == len(suite.seeds) * noises * len(suite.methods)
    spec = registry().get("suite", name).spec
    assert suite.summary
    assert suite.summary == spec.summary or name == "quick-v1"
    assert all(data.licence for data in suite.data)


def test_settings_of_a_data_set_win_over_those_of_the_suite():
    suite = load_suite("two-stage-v1")
    dims = {
        (config.dataset.name, config.stages[-1].params["latent_dim"])
        for config in suite.configs()
        if config.preset["method"] == "vtst"
    }
    assert dims == {("cifar10", 128), ("cifar100", 512), ("svhn", 128)}


def test_shifts_and_ood_sets_reach_the_runs():
    (config, *_) = load_suite("shift-v1").configs()
    assert [bound.name for bound in config.shift_and_ood.shifts] == ["cifar10-c"]
    assert {choice.bound.name for choice in config.shift_and_ood.ood} == {"cifar100", "svhn"}
    assert [score.name for score in config.shift_and_ood.scores] == ["max-softmax", "energy"]


def test_a_primary_metric_outside_the_default_set_is_computed():
    assert load_suite("selective-v1").metrics == ("augrc", "soft_nll")
    assert read_suite(SMALL.replace('"brier"', '"augrc"', 1), "a").metrics == ("augrc",)
    assert read_suite(SMALL, "a").metrics == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (SMALL + "shifts = 1", "unknown key 'shifts'"),
        (SMALL + "set.vtst.latent_dims = 4", "no parameter 'latent_dims'"),
        (SMALL + "set.tst.epochs = 4", "'tst' is no part of this run"),
        ("metrics = 3" + SMALL, "metrics holds a whole number"),
        ('metrics = "nosuch"' + SMALL, "no metric called 'nosuch'"),
        ('own_data = "x{nope}"' + SMALL, "own_data 'x{nope}' needs {file} and {group}"),
        ('own_data = "{file}{group.__class__}"' + SMALL, "and no other braces"),
        (SMALL + 'fingerprint = "0000"', "fingerprint '0000' is no SHA-256"),
        (SMALL + 'noise = ["none", "none"]', "the data set digits, mlp stands twice"),
        (SMALL.replace("method = [", 'method = ["ce", '), "the recipe ce stands twice"),
        ("seed = [0, 0]" + SMALL, "the seed 0 stands twice"),
    ],
)
def test_a_bad_key_is_named(text, word):
    with pytest.raises(InputError, match=word):
        read_suite(text, "a")


@pytest.fixture
def arena(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "arena.h5", "w") as file:
        for name in ("adult/forest", "bank/mlp"):
            for split in ("cal", "test"):
                file[f"{name}/probas_{split}"] = np.full((4, 2), 0.5)
                file[f"{name}/labels_{split}"] = np.array([0, 1, 0, 1])
        file["other/numbers"] = np.zeros(3)
    return tmp_path / "arena.h5"


def test_own_data_take_the_place_of_the_shipped_ones(arena):
    suite = with_own_data(load_suite("posthoc-v1"), arena)
    assert [data.dataset for data in suite.data] == [
        f"outputs:path={arena},group={group}" for group in ("adult/forest", "bank/mlp")
    ]
    (config, *rest) = suite.configs()
    assert config.preset is not None
    assert config.preset["changed"] == ["data"]
    assert len(rest) + 1 == 2 * len(suite.methods)


def test_own_data_are_refused_where_networks_train(arena):
    with pytest.raises(InputError, match="fixes its data"):
        with_own_data(load_suite("quick-v1"), arena)


def test_a_file_without_experiments_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["probs"] = np.zeros(3)
    with pytest.raises(InputError, match="holds no experiment"):
        with_own_data(load_suite("posthoc-v1"), tmp_path / "a.h5")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        with_own_data(load_suite("posthoc-v1"), tmp_path / "none.h5")


def test_a_name_that_ends_a_value_is_refused(arena):
    with pytest.raises(InputError, match="has one of the characters"):
        with_own_data(load_suite("posthoc-v1"), arena.rename(arena.with_name("a,b.h5")))


def test_rows_have_the_words_of_the_suite():
    from calibench.leaderboard.suite_names import named_by_suite
    from calibench.records.record import ResultRecord

    configs = {config.preset["method"]: config for config in load_suite("two-stage-v1").configs()}
    base = calibench_record()
    records = [dataclasses.replace(base, recipe=config.recipe, preset=config.preset) for config in configs.values()]
    assert isinstance(records[0], ResultRecord)
    assert [record.recipe for record in named_by_suite(records)] == list(configs)
    assert named_by_suite([base]) == [base]


def calibench_record():
    """A record of a run without a suite."""
    from calibench.records.store import read_records

    return dataclasses.replace(read_records(FOLDER.parent / "digits")[0], preset=None)
