"""Presets: those packaged are sound and say what their paper does; what is given wins, visibly; bad keys are named."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from calibench import InputError, PluginError, PresetSpec, run
from calibench.config import expand
from calibench.config.preset import KEYS, load_preset, read_preset
from calibench.config.request import RunRequest
from calibench.config.resolve import resolve
from calibench.plugins.discovery import registry

NAMES = [entry.spec.name for entry in registry().all("preset")]
PAPER = [name for name in NAMES if name.startswith("jordahn")]

SMALL = """
method = ["ce", "ce+temperature", "vtst"]
dataset = "digits:val=0.2"
model = "mlp:hidden=16"
seed = [0, 1]

[train]
epochs = 2

[set.vtst]
epochs = 1
latent_dim = 8
"""


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return str(file)


def configure(preset, **options):
    """The configurations of a preset and what is stated beside it."""
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return expand.configure(RunRequest(**lists), preset)


def changed(preset, **asked) -> list[str]:
    return list(configure(preset, **asked)[0].preset["changed"])


# --- those that we bring ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_packaged_preset_is_sound(name):
    preset = load_preset(name)
    given = {"dataset": "csv:path=t.csv,label=y"} if preset.one("dataset") == "csv" else {}
    configs = configure(preset, **given)
    assert len(configs) == len(preset.seeds) * len(preset.options["method"])
    assert all(config.preset["name"] == name for config in configs)
    if not given:
        assert configs[0].preset["changed"] == []
    assert len({config.run_id("data") for config in configs}) == len(configs)
    assert preset.text.startswith("#"), "the first line says what it is"
    assert all(len(line) <= 400 for line in preset.text.splitlines())


@pytest.mark.parametrize(("name", "latent"), list(zip(PAPER, (128, 512, 128), strict=True)))
def test_the_papers_hyper_parameters(name, latent):
    """Of Jordahn and Olmos, ICML 2024; what differs is said in the notes."""
    preset = load_preset(name)
    configs = configure(preset)
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
        assert {key: by_name[refit][key] for key in ("lr", "epochs", "latent_dim", "select")} == {
            "lr": 1e-4,
            "epochs": 40,
            "latent_dim": latent,
            "select": "best",
        }
    assert by_name["vtst"]["samples"] == 10
    assert by_name["vtst"]["kl_weight"] is None, "1/Z"
    assert {config.model.text() for config in configs} == {"wrn"}
    assert configs[0].model.params["depth"] == 28
    assert configs[0].model.params["width"] == 10
    assert name.endswith(configs[0].dataset.text())
    shift = {"jordahn-wrn-svhn": "rotation", "jordahn-wrn-cifar10": "cifar10-c", "jordahn-wrn-cifar100": "cifar100-c"}[
        name
    ]
    sets = {"svhn": {"cifar10", "cifar100"}, "cifar10": {"svhn", "cifar100"}, "cifar100": {"svhn", "cifar10"}}
    for config in configs:
        assert [bound.text() for bound in config.shift_and_ood.shifts] == [shift]
        assert {choice.bound.text() for choice in config.shift_and_ood.ood} == sets[config.dataset.text()]
    plain = configure(preset, shift=["none"], ood=["none"])
    assert all(config.shift_and_ood.parts == [] for config in plain)
    assert plain[0].preset["changed"] == [f"shift: {shift} -> none", f"ood: {', '.join(preset.options['ood'])} -> none"]
    assert "2405.01196" in preset.paper
    notes = " ".join(preset.notes)
    for said in (
        "ten seeds are of stage 2 alone",
        "no batch size for stage 2",
        "augments every batch of stage 2",
        "cal",
    ):
        assert said in notes


@pytest.mark.parametrize("options", [["-m", "ce"], ["--preset", "quick"]])
def test_none_of_what_is_not_there_is_refused(options, refused):
    refused("run", *options, "--shift", "none", says="shift=none would do nothing", hint="leave it out")


def test_none_in_a_preset_is_a_name_like_any_other(tmp_path, refused):
    (tmp_path / "p.toml").write_text('method = "ce"\nshift = "none"\n')
    refused("run", "--preset", "p.toml", says="there is no shift called 'none'")


def test_the_svhn_preset_says_that_its_latent_size_is_ours():
    assert any("latent size" in note for note in load_preset("jordahn-wrn-svhn").notes)
    assert not any("latent size" in note for note in load_preset("jordahn-wrn-cifar10").notes)


def test_the_core_names_no_preset():
    core = Path(__file__).parent.parent / "benchmark" / "calibench"
    for file in core.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "jordahn-wrn" not in text
        assert "table-thresholds" not in text


def test_the_files_are_in_the_wheel():
    """setuptools packs what package-data names; a pattern that misses a file would show only after an install."""
    root = Path(__file__).parent.parent
    config = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    package = root / "plugins" / "calibench_methods"
    packed = {path for pattern in config["calibench_methods"] for path in package.glob(pattern)}
    for name in NAMES:
        file = registry().get("preset", name).spec.target.partition(":")[2]
        assert package / file in packed


def test_quick_runs_from_python(tmp_path):
    records = run(preset="quick", method="ce", settings=["ce.epochs=2"], results=tmp_path)
    assert [record.recipe for record in records] == ["ce:epochs=2"]
    text = load_preset("quick").text
    assert records[0].preset["name"] == "quick"
    assert records[0].preset["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert "train.epochs: 20 -> 2" in records[0].preset["changed"]


# --- what is given wins ----------------------------------------------------------------------------------------------


def test_the_preset_alone(small):
    configs = configure(load_preset(small))
    assert [(config.recipe, config.seed) for config in configs] == [
        (recipe, seed)
        for seed in (0, 1)
        for recipe in ("ce:epochs=2", "ce:epochs=2+temperature", "ce:epochs=2+vtst:latent_dim=8,epochs=1")
    ]
    same = resolve("ce:epochs=2+vtst:latent_dim=8,epochs=1", "digits:val=0.2", "mlp:hidden=16")
    assert configs[2].run_id("data") == same.run_id("data"), "a preset is another way to say it, no other run"
    assert same.preset is None


@pytest.mark.parametrize(
    ("asked", "recipes", "said"),
    [
        ({"methods": ["vtst"]}, ["ce:epochs=2+vtst:latent_dim=8,epochs=1"], ["method: ce, ce+temperature, vtst -> vtst"]),
        ({"methods": ["focal"]}, ["focal:epochs=2"], ["vtst.epochs=1: left out, vtst is no part of the run"]),
        ({"methods": ["vtst:epochs=3"]}, ["ce:epochs=2+vtst:latent_dim=8,epochs=3"], ["vtst.epochs: 1 -> 3"]),
        ({"methods": ["vtst"], "settings": ["vtst.epochs=3"]}, ["ce:epochs=2+vtst:latent_dim=8,epochs=3"], ["vtst.epochs: 1 -> 3"]),
        ({"methods": ["ce"], "settings": ["ce.epochs=3"]}, ["ce:epochs=3"], ["train.epochs: 2 -> 3"]),
        ({"methods": ["ce"], "epochs": 3}, ["ce:epochs=3"], ["train.epochs: 2 -> 3"]),
        ({"methods": ["ce"], "settings": ["ce.lr=0.1"]}, ["ce:epochs=2,lr=0.1"], ["ce.lr: default -> 0.1"]),
        (
            {"methods": ["vtst"], "select": "last"},
            ["ce:epochs=2,select=last+vtst:latent_dim=8,epochs=1,select=last"],
            ["train.select: default -> last"],
        ),
        ({"methods": ["ce"], "dataset": "wine"}, ["ce:epochs=2"], ["dataset: digits:val=0.2 -> wine"]),
        ({"methods": ["ce"], "settings": ["digits.val=0.3"]}, ["ce:epochs=2"], ["digits.val: 0.2 -> 0.3"]),
        ({"methods": ["ce"], "noise": "symmetric:rate=0.1"}, ["ce:epochs=2"], ["noise: default -> symmetric:rate=0.1"]),
        (
            {"methods": ["vtst"], "model": "resnet:depth=20,checkpoint=w.safetensors"},
            ["vtst:latent_dim=8,epochs=1"],
            ["train.epochs=2: left out, the model comes trained"],
        ),
    ],
)  # fmt: skip
def test_what_is_given_wins_and_is_seen(asked, recipes, said, small):
    preset = load_preset(small)
    configs = configure(preset, seeds=[0], **asked)
    assert [config.recipe for config in configs] == recipes
    for phrase in ["seed: 0, 1 -> 0", *said]:
        assert phrase in configs[0].preset["changed"]


def test_what_is_said_again_is_no_change(small):
    preset = load_preset(small)
    again = {"methods": preset.options["method"], "seeds": [0, 1], "settings": ["vtst.epochs=1", "mlp.hidden=16"]}
    assert [line for line in changed(preset, **again) if "hidden" not in line] == []


def test_parameters_written_into_names_give_way_too():
    preset = read_preset('method = ["vtst:epochs=3,samples=2", "ce:epochs=9+tst"]\n[set.tst]\nepochs = 2', "p")
    asked = {"settings": ["vtst.epochs=2"], "epochs": 3}
    assert [c.recipe for c in configure(preset, **asked)] == [
        "ce:epochs=3+vtst:epochs=2,samples=2",
        "ce:epochs=3+tst:epochs=2",
    ]
    assert changed(preset, **asked) == ["vtst.epochs: 3 -> 2", "train.epochs: 9 -> 3"]


def test_lists_numbers_and_switches_are_read_as_they_are_written():
    preset = read_preset(
        'method = "vtst+threshold"\nmodel = "mlp"\n[set.mlp]\nhidden = [40, 30]\nstandardize = false\n'
        '[train]\nlr = 1e-4\nwarmup = 1\nlr_schedule = "steps"\nmilestones = [2, 3.5]\n[set.threshold]\nvalues = [0.2, 0.4, 0.4]',
        "p",
    )
    (config,) = configure(preset)
    assert config.model.text() == "mlp:hidden=40;30,standardize=false"
    assert config.objective.params["milestones"] == (2.0, 3.5)
    assert config.stages[-1].params["values"] == (0.2, 0.4, 0.4)


# --- files that are wrong --------------------------------------------------------------------------------------------

BAD = {
    "method = vtst": ("not TOML: Invalid value (at line 1", "quotes"),
    'method = "ce"\nmethod = "tst"': ("not TOML: Cannot overwrite a value", "quotes"),
    "": ("there is no 'method'", 'method = ["ce", "vtst"]'),
    "method = []": ("method is empty", "list of texts"),
    'method = ""': ("method is empty", "list of texts"),
    "method = [3]": ("method holds a whole number", "list of texts"),
    'method = "vtts"': ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    'method = "temperature+ce"': ("'ce' (objective) cannot follow", "the order is"),
    'metod = "ce"': ("unknown key 'metod'", "did you mean 'method'?"),
    'method = "ce"\nepochs = 3': ("unknown key 'epochs'", "under [train]"),
    'method = "vtst"\n[vtst]\nepochs = 3': ("unknown key 'vtst'", "under [set.vtst]"),
    'method = "ce"\ndataset = ["digits"]': ("dataset holds a list", "a text"),
    'method = "ce"\ndataset = "digit"': ("there is no dataset called 'digit'", "did you mean 'digits'?"),
    'method = "ce"\nseed = "0"': ("seed holds a text, '0'", "whole number"),
    'method = "ce"\nseed = [0, 1.5]': ("seed holds a number, 1.5", "whole number"),
    'method = "ce"\nseed = true': ("seed holds a true or false", "whole number"),
    'method = "ce"\nseed = -1': ("seed holds a whole number, -1", "from 0 up"),
    'method = "ce"\nseed = []': ("seed is empty", "leave it out"),
    'method = "ce"\nset = 3': ("set holds a whole number", "[set.vtst]"),
    'method = "ce"\ntrain = "fast"': ("[train] holds a text", "table"),
    'method = "ce"\n[set]\nce = 3': ("[set.ce] holds a whole number", "table"),
    'method = "ce"\n[set.vtst]\nepochs = 3': ("[set.vtst]: 'vtst' is no part of this run", "ce"),
    'method = "vtst"\n[set.vtst]\nepohs = 3': ("[set.vtst]: there is no parameter 'epohs'", "did you mean 'epochs'?"),
    'method = "vtst"\n[train]\nlatent_dim = 3': ("[train]: there is no parameter 'latent_dim'", "epochs"),
    'method = "vtst"\n[set.vtst]\nepochs = "3"': ("[set.vtst]: epochs holds a text, '3'", "give a whole number"),
    'method = "vtst"\n[set.vtst]\nepochs = 3.0': ("[set.vtst]: epochs holds a number, 3.0", "give a whole number"),
    'method = "vtst"\n[set.vtst]\nepochs = true': ("epochs holds a true or false", "give a whole number"),
    'method = "vtst"\n[set.vtst]\nepochs = [3]': ("epochs holds a list", "give a whole number"),
    'method = "vtst"\n[set.vtst]\nflip = 1': ("flip holds a whole number, 1", "give true or false"),
    'method = "vtst"\n[set.vtst]\nepochs = 0': ("[set.vtst]: epochs=0 is outside [1, inf]", "passes"),
    'method = "vtst"\n[train]\nselect = "first"': ("[train]: select=first is not one of its choices", "best"),
    'method = "vtst"\n[train]\nlr = nan': ("[train]: lr=nan is outside", "learning rate"),
    'method = "ce"\n[train]\nepochs = 2\n[set.ce]\nepochs = 3': ("[set.ce]: 'epochs' stands under [train] too", "keep one"),
    'method = "ce"\n[train]\nepochs = 1979-05-27': ("epochs holds a date or time", "give a whole number"),
    'method = "ce"\nnotes = [1]': ("notes holds a whole number", "texts"),
    'method = "ce"\npaper = ["a"]': ("paper holds a list", "a text"),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_bad_files_are_named_by_the_key(text, tmp_path, refused):
    message, hint = BAD[text]
    (tmp_path / "p.toml").write_text(text)
    err = refused("run", "--preset", "p.toml", says=("preset p.toml: ", message), hint=hint)
    assert err == refused("show", "preset", "p.toml", says=message, hint=hint)


def test_files_that_cannot_be_read(tmp_path, refused):
    (tmp_path / "latin.toml").write_bytes(b'method = "ce" # caf\xe9')
    (tmp_path / "large.toml").write_text("#" * (1 << 20 | 1))
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "mine.toml").write_text('method = "ce"')
    refused(
        "run", "--preset", "gone.toml", says="cannot read the preset 'gone.toml': No such file", hint="check the path"
    )
    refused("run", "--preset", "folder.toml", says="Is a directory", hint="check the path")
    refused("run", "--preset", "latin.toml", says="not UTF-8 text (byte 19)", hint="UTF-8")
    refused("run", "--preset", "large.toml", says="more than 1 MiB", hint="preset")
    refused("run", "--preset", "mine", says="there is no preset called 'mine'", hint="mine.toml")
    refused("run", "--preset", "quik", says="there is no preset called 'quik'", hint="did you mean 'quick'?")
    refused("run", says="give a --method, as vtst, or a --preset", hint="--help")
    with pytest.raises(InputError, match="no preset called 'quik'"):
        run(preset="quik")
    with pytest.raises(InputError, match="preset=3 is a int"):
        run(preset=3)
    assert load_preset(tmp_path / "mine.toml") == load_preset(str(tmp_path / "mine.toml"))


def test_a_spec_names_a_toml_file():
    for target in ("m:attribute", "m:../x.toml", "m:/x.toml", "x.toml"):
        with pytest.raises(PluginError, match=r"not 'module:file.toml'"):
            PresetSpec(name="p", summary="s", target=target)


# --- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_shows_what_was_changed_and_the_record_keeps_it(small, cli, tmp_path):
    ran = cli("run", "--preset", "small.toml", "-m", "ce", "-s", 3, "--json")
    assert ran.code == 0
    assert "preset small.toml: 1 run;" in ran.err
    assert "  changed: seed: 0, 1 -> 3\n" in ran.err
    assert "  changed: vtst.latent_dim=8: left out, vtst is no part of the run\n" in ran.err
    mark = ran.document["preset"]
    assert mark["name"] == "small.toml"
    assert mark["sha256"] == hashlib.sha256(SMALL.encode()).hexdigest()
    assert mark["changed"][0] == "method: ce, ce+temperature, vtst -> ce"
    plain = cli("run", "-m", "ce:epochs=2", "-d", "digits:val=0.2", "--model", "mlp:hidden=16", "-s", 3, "--json")
    assert "there already" in plain.err
    assert plain.document["preset"]["name"] == "small.toml", "it was that preset that asked for the run"


def test_a_run_that_is_there_is_named_by_the_preset_that_asks_for_it(small, cli, tmp_path):
    plain = cli("run", "-m", "ce:epochs=2", "-d", "digits:val=0.2", "--model", "mlp:hidden=16", "--json").document
    assert plain["preset"] is None
    named = cli("run", "--preset", "small.toml", "-m", "ce", "-s", 0, "-q", "--json").document
    assert named["preset"]["name"] == "small.toml"
    assert {**named, "preset": None} == plain
    file = tmp_path / "results" / "records" / f"{plain['run_id']}.json"
    assert json.loads(file.read_text()) == named


def test_listed_and_shown(cli, small):
    listed = cli("list", "presets", "--json").document["items"]
    assert [item["name"] for item in listed] == NAMES
    for name in (NAMES[0], "small.toml"):
        shown = cli("show", "preset", name)
        assert load_preset(name).text.strip() in shown.out
        assert load_preset(name).sha256 in shown.out
        document = cli("show", "presets", name, "--json").document
        assert document["text"] == load_preset(name).text
        assert document["sha256"] == load_preset(name).sha256
    assert document["settings"] == ["train.epochs=2", "vtst.epochs=1", "vtst.latent_dim=8"]
    assert document["from"] == "a file of yours"


def test_the_docs_name_every_key():
    text = (Path(__file__).parent.parent / "docs" / "guides" / "presets.md").read_text(encoding="utf-8")
    for word in (*KEYS, *NAMES):
        assert f"`{word}`" in text or f"`[{word}]`" in text or f"`[{word}.NAME]`" in text
