"""Preset files: what may stand in one, and that a wrong file is refused with the key that is wrong."""

from __future__ import annotations

import pytest

from calibench import InputError, PluginError, PresetSpec, run
from calibench.config.expand import configure
from calibench.config.preset import load_preset, read_preset
from calibench.config.request import RunRequest


def test_lists_numbers_and_switches_are_read_as_they_are_written():
    preset = read_preset(
        'method = "vtst+threshold"\nmodel = "mlp"\n[set.mlp]\nhidden = [40, 30]\nstandardize = false\n'
        '[train]\nlr = 1e-4\nwarmup = 1\nlr_schedule = "steps"\nmilestones = [2, 3.5]\n[set.threshold]\nvalues = [0.2, 0.4, 0.4]',
        "p",
    )
    (config,) = configure(RunRequest(), preset)
    assert config.model.text() == "mlp:hidden=40;30,standardize=false"
    assert config.objective.params["milestones"] == (2.0, 3.5)
    assert config.stages[-1].params["values"] == (0.2, 0.4, 0.4)


def test_a_spec_names_a_toml_file():
    for target in ("m:attribute", "m:../x.toml", "m:/x.toml", "x.toml"):
        with pytest.raises(PluginError, match=r"not 'module:file.toml'"):
            PresetSpec(name="p", summary="s", target=target)


# --- wrong files ----------------------------------------------------------------------------------------------------

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
def test_a_wrong_key_is_named(text, tmp_path, refused):
    message, hint = BAD[text]
    (tmp_path / "p.toml").write_text(text)
    error = refused("run", "--preset", "p.toml", says=("preset p.toml: ", message), hint=hint)
    assert error == refused("show", "preset", "p.toml", says=message, hint=hint)


@pytest.fixture
def wrong_files(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'method = "ce" # caf\xe9')
    (tmp_path / "large.toml").write_text("#" * (1 << 20 | 1))
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "mine.toml").write_text('method = "ce"')


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("gone.toml", "cannot read the preset 'gone.toml': No such file", "check the path"),
        ("folder.toml", "Is a directory", "check the path"),
        ("latin.toml", "not UTF-8 text (byte 19)", "UTF-8"),
        ("large.toml", "more than 1 MiB", "preset"),
        ("mine", "there is no preset called 'mine'", "mine.toml"),
        ("quik", "there is no preset called 'quik'", "did you mean 'quick'?"),
    ],
)
@pytest.mark.usefixtures("wrong_files")
def test_a_file_that_cannot_be_read_is_refused(name, message, hint, refused):
    refused("run", "--preset", name, says=message, hint=hint)


def test_a_preset_is_named_by_a_text_or_a_path(tmp_path, refused):
    refused("run", says="give a --method, as vtst, or a --preset", hint="--help")
    with pytest.raises(InputError, match="no preset called 'quik'"):
        run(preset="quik")
    with pytest.raises(InputError, match="preset=3 is a int"):
        run(preset=3)
    (tmp_path / "mine.toml").write_text('method = "ce"')
    assert load_preset(tmp_path / "mine.toml") == load_preset(str(tmp_path / "mine.toml"))
