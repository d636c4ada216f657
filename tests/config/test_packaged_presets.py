"""The presets that calibench brings: each is sound, states what its paper does, and is in the wheel and the docs."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from calibench import run
from calibench.config.expand import configure
from calibench.config.preset import KEYS, load_preset
from calibench.config.request import RunRequest
from calibench.plugins.discovery import registry

ROOT = Path(__file__).parents[2]
NAMES = [entry.spec.name for entry in registry().all("preset")]
PAPER = {
    "jordahn-wrn-cifar10": {"latent_dim": 128, "shift": "cifar10-c", "ood": {"svhn", "cifar100"}},
    "jordahn-wrn-cifar100": {"latent_dim": 512, "shift": "cifar100-c", "ood": {"svhn", "cifar10"}},
    "jordahn-wrn-svhn": {"latent_dim": 128, "shift": "rotation", "ood": {"cifar10", "cifar100"}},
}
"""The presets of Jordahn and Olmos, ICML 2024."""


@pytest.mark.parametrize("name", NAMES)
def test_every_packaged_preset_is_sound(name):
    preset = load_preset(name)
    table = "csv:path=t.csv,label=y" if preset.one("dataset") == "csv" else None
    configs = configure(RunRequest(dataset=table), preset)
    assert len(configs) == len(preset.seeds) * len(preset.options["method"])
    assert all(config.preset["name"] == name for config in configs)
    if table is None:
        assert configs[0].preset["changed"] == []
    assert len({config.run_id("data") for config in configs}) == len(configs)
    assert preset.text.startswith("#"), "the first line says what it is"
    assert all(len(line) <= 400 for line in preset.text.splitlines())


def test_the_presets_of_the_paper_are_those_that_are_tested_here():
    assert set(PAPER) == {name for name in NAMES if name.startswith("jordahn")}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_hyper_parameters(name):
    """The preset's notes state what differs from the paper."""
    preset = load_preset(name)
    configs = configure(RunRequest(), preset)
    assert preset.seeds == tuple(range(10))
    stage_1 = configs[0].objective.params
    assert {key: stage_1[key] for key in ("optimizer", "lr", "batch_size", "epochs", "select")} == {
        "optimizer": "adam",
        "lr": 1e-4,
        "batch_size": 256,
        "epochs": 600,
        "select": "best",
    }
    assert stage_1.get("augment") == (None if "svhn" in name else "crop;flip")
    assert (stage_1["weight_decay"], stage_1["lr_schedule"]) == (0, "constant")
    by_name = {stage.name: stage.params for config in configs for stage in config.stages}
    for refit in ("tst", "vtst"):
        assert {key: by_name[refit][key] for key in ("budget", "latent_dim", "select")} == {
            "budget": "paper",
            "latent_dim": PAPER[name]["latent_dim"],
            "select": "best",
        }
    assert by_name["vtst"]["samples"] == 10
    assert by_name["vtst"]["kl_weight"] is None, "1/Z"
    assert {config.model.text() for config in configs} == {"wrn"}
    assert configs[0].model.params["depth"] == 28
    assert configs[0].model.params["width"] == 10
    assert name.endswith(configs[0].dataset.text())


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_shifts_and_ood_sets(name):
    preset, shift = load_preset(name), PAPER[name]["shift"]
    for config in configure(RunRequest(), preset):
        assert [bound.text() for bound in config.shift_and_ood.shifts] == [shift]
        assert {choice.bound.text() for choice in config.shift_and_ood.ood} == PAPER[name]["ood"]
    plain = configure(RunRequest(shift=("none",), ood=("none",)), preset)
    assert all(config.shift_and_ood.parts == [] for config in plain)
    assert plain[0].preset["changed"] == [f"shift: {shift} -> none", f"ood: {', '.join(preset.options['ood'])} -> none"]


@pytest.mark.parametrize("name", PAPER)
def test_the_notes_state_what_the_paper_leaves_open(name):
    preset = load_preset(name)
    assert "2405.01196" in preset.paper
    notes = " ".join(preset.notes)
    for note in (
        "ten seeds are of stage 2 alone",
        "no batch size for stage 2",
        "augments every batch of stage 2",
        "cal",
    ):
        assert note in notes


def test_the_svhn_preset_states_that_its_latent_size_is_ours():
    assert any("latent size" in note for note in load_preset("jordahn-wrn-svhn").notes)
    assert not any("latent size" in note for note in load_preset("jordahn-wrn-cifar10").notes)


def test_the_core_names_no_preset():
    for file in (ROOT / "benchmark" / "calibench").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "jordahn-wrn" not in text
        assert "table-thresholds" not in text


def test_the_files_are_in_the_wheel():
    """setuptools packs what package-data names; a pattern that misses a file would show only after an install."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    package = ROOT / "plugins" / "calibench_methods"
    packed = {path for pattern in config["calibench_methods"] for path in package.glob(pattern)}
    for name in NAMES:
        file = registry().get("preset", name).spec.target.partition(":")[2]
        assert package / file in packed


def test_the_docs_name_every_key_and_preset():
    page = ROOT / "docs" / "guides" / "presets.md"
    text = page.read_text(encoding="utf-8")
    for word in (*KEYS, *NAMES):
        assert f"`{word}`" in text or f"`[{word}]`" in text or f"`[{word}.NAME]`" in text


def test_quick_runs_from_python(tmp_path):
    records = run(preset="quick", method="ce", settings=["ce.epochs=2"], results=tmp_path)
    assert [record.recipe for record in records] == ["ce:epochs=2"]
    text = load_preset("quick").text
    assert records[0].preset["name"] == "quick"
    assert records[0].preset["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert "ce.epochs: default -> 2" in records[0].preset["changed"]
