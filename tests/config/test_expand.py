"""A preset with options beside it: the options win, and the configurations list what they change."""

from __future__ import annotations

import pytest

from calibench.config import expand
from calibench.config.preset import Preset, load_preset, read_preset
from calibench.config.request import RunRequest
from calibench.config.resolve import resolve
from calibench.config.run_config import RunConfig


def configure(preset: Preset, **options) -> list[RunConfig]:
    """The configurations of a preset with options beside it."""
    return expand.configure(RunRequest(**options), preset)


@pytest.fixture
def small(small_preset) -> Preset:
    return load_preset(small_preset)


def test_the_preset_alone(small):
    configs = configure(small)
    assert [(config.recipe, config.seed) for config in configs] == [
        (recipe, seed)
        for seed in (0, 1)
        for recipe in ("ce:epochs=2", "ce:epochs=2+temperature", "ce:epochs=2+vtst:latent_dim=8,epochs=1")
    ]
    same = resolve("ce:epochs=2+vtst:latent_dim=8,epochs=1", "digits:val=0.2", "mlp:hidden=16")
    assert configs[2].run_id("data") == same.run_id("data"), "a preset is another way to state the same run"
    assert same.preset is None


@pytest.mark.parametrize(
    ("options", "recipes", "changes"),
    [
        ({"methods": ("vtst",)}, ["ce:epochs=2+vtst:latent_dim=8,epochs=1"], ["method: ce, ce+temperature, vtst -> vtst"]),
        ({"methods": ("focal",)}, ["focal:epochs=2"], ["vtst.epochs=1: left out, vtst is no part of the run"]),
        ({"methods": ("vtst:epochs=3",)}, ["ce:epochs=2+vtst:latent_dim=8,epochs=3"], ["vtst.epochs: 1 -> 3"]),
        (
            {"methods": ("vtst",), "settings": ("vtst.epochs=3",)},
            ["ce:epochs=2+vtst:latent_dim=8,epochs=3"],
            ["vtst.epochs: 1 -> 3"],
        ),
        ({"methods": ("ce",), "settings": ("ce.epochs=3",)}, ["ce:epochs=3"], ["train.epochs: 2 -> 3"]),
        ({"methods": ("ce",), "epochs": 3}, ["ce:epochs=3"], ["train.epochs: 2 -> 3"]),
        ({"methods": ("ce",), "settings": ("ce.lr=0.1",)}, ["ce:epochs=2,lr=0.1"], ["ce.lr: default -> 0.1"]),
        (
            {"methods": ("vtst",), "select": "last"},
            ["ce:epochs=2,select=last+vtst:latent_dim=8,epochs=1,select=last"],
            ["train.select: default -> last"],
        ),
        ({"methods": ("ce",), "dataset": "wine"}, ["ce:epochs=2"], ["dataset: digits:val=0.2 -> wine"]),
        ({"methods": ("ce",), "settings": ("digits.val=0.3",)}, ["ce:epochs=2"], ["digits.val: 0.2 -> 0.3"]),
        ({"methods": ("ce",), "noise": "symmetric:rate=0.1"}, ["ce:epochs=2"], ["noise: default -> symmetric:rate=0.1"]),
        (
            {"methods": ("vtst",), "model": "resnet:depth=20,checkpoint=w.safetensors"},
            ["vtst:latent_dim=8,epochs=1"],
            ["train.epochs=2: left out, the model comes trained"],
        ),
    ],
)  # fmt: skip
def test_stated_options_win_and_are_listed(options, recipes, changes, small):
    configs = configure(small, seeds=(0,), **options)
    assert [config.recipe for config in configs] == recipes
    for change in ["seed: 0, 1 -> 0", *changes]:
        assert change in configs[0].preset["changed"]


def test_stating_the_same_is_no_change(small):
    settings = ("vtst.epochs=1", "mlp.hidden=16")
    configs = configure(small, methods=small.options["method"], seeds=(0, 1), settings=settings)
    assert [line for line in configs[0].preset["changed"] if "hidden" not in line] == []


def test_parameters_that_stand_in_the_presets_recipes_give_way_too():
    preset = read_preset('method = ["vtst:epochs=3,samples=2", "ce:epochs=9+tst"]\n[set.tst]\nepochs = 2', "p")
    configs = configure(preset, settings=("vtst.epochs=2",), epochs=3)
    assert [config.recipe for config in configs] == ["ce:epochs=3+vtst:epochs=2,samples=2", "ce:epochs=3+tst:epochs=2"]
    assert configs[0].preset["changed"] == ["vtst.epochs: 3 -> 2", "train.epochs: 9 -> 3"]


@pytest.mark.parametrize("options", [["-m", "ce"], ["--preset", "quick"]])
def test_none_is_refused_where_there_is_nothing_to_leave_out(options, refused):
    refused("run", *options, "--shift", "none", says="shift=none would do nothing", hint="leave it out")


def test_none_in_a_preset_is_a_name_like_any_other(tmp_path, refused):
    (tmp_path / "p.toml").write_text('method = "ce"\nshift = "none"\n')
    refused("run", "--preset", "p.toml", says="there is no shift called 'none'")
