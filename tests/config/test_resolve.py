"""From words to a RunConfig: defaults, settings, and the messages for words that cannot be resolved."""

from __future__ import annotations

import pytest

from calibench import InputError
from calibench.config.resolve import resolve, resolve_chain, settings_for

CLASHING_NOISE = """
import calibench

@calibench.hookimpl
def calibench_noises():
    params = (calibench.Param("lr", "float", 1, "a rate"),)
    return [calibench.NoiseSpec(name="ce", target="a:b", summary="A noise that is called as an objective.", params=params)]
"""


def test_defaults():
    config = resolve("ce")
    assert (config.dataset.text(), config.model.text(), config.noise, config.seed) == ("digits", "mlp", None, 0)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({"method": "vtsst"}, "there is no method called 'vtsst'", "did you mean 'vtst'?"),
        ({"method": "VTST"}, "there is no method called 'VTST'", "did you mean 'vtst'?"),
        ({"method": "vtst:latent_dm=3"}, "method 'vtst' has no parameter 'latent_dm'", "did you mean 'latent_dim'?"),
        ({"method": "vtst:latent_dim=0"}, "latent_dim=0 is outside [1, inf]", "Z, the size"),
        ({"method": ""}, "is not a name", "write name"),
        ({"method": "ce", "dataset": "digit"}, "there is no dataset called 'digit'", "did you mean 'digits'?"),
        ({"method": "ce", "dataset": "npz"}, "dataset 'npz' needs path", "write npz:path=..."),
        ({"method": "ce", "dataset": "digits+npz"}, "is not a name", "write name"),
        ({"method": "ce", "model": "mpl"}, "there is no model called 'mpl'", "did you mean 'mlp'?"),
        ({"method": "ce", "model": "mlp:hidden=128;0"}, "is outside [1, inf]", "sizes"),
        ({"method": "ce", "noise": "symetric:rate=1"}, "no noise called", "did you mean 'symmetric'?"),
        ({"method": "ce", "noise": "symmetric:rate=1.1"}, "is outside [0, 1]", "share"),
        ({"method": "ce", "epochs": 0}, "epochs=0 is outside [1, inf]", "passes"),
        ({"method": "ce", "select": "first"}, "select=first is not one of its choices", "known: best, last"),
    ],
)
def test_unknown_words_are_refused_with_the_nearest_known_one(words, message, hint, refusal):
    error = refusal(**words)
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0", None, 2**63])
def test_a_seed_is_a_whole_number_from_0_up(seed, refusal):
    assert "seed" in refusal("ce", seed=seed).message
    assert resolve("ce", seed=2**63 - 1).seed == 2**63 - 1


# --- settings, epochs, select ---------------------------------------------------------------------------------------


def test_settings_reach_every_part_of_a_run(refusal, params_of):
    settings = ("vtst.latent_dim=64", "ce.lr=0.01", "mlp.hidden=32;16", "digits.cal = 0.2", "symmetric.rate=0.3")
    config = resolve("vtst", noise="symmetric", settings=settings)
    assert params_of(config, "vtst")["latent_dim"] == 64
    assert params_of(config, "ce")["lr"] == 0.01
    assert params_of(config, "mlp")["hidden"] == (32, 16)
    assert params_of(config, "digits")["cal"] == 0.2
    assert params_of(config, "symmetric")["rate"] == 0.3
    assert config.explicit == {"vtst.latent_dim", "ce.lr", "mlp.hidden", "digits.cal", "symmetric.rate"}
    inline = resolve("ce:lr=0.01+vtst:latent_dim=64", "digits:cal=0.2", "mlp:hidden=32;16", "symmetric:rate=0.3")
    assert inline == config
    assert inline.run_id("data") == config.run_id("data")
    error = refusal("vtst", noise="symmetric", settings=(*settings, "temperature.x=1"))
    assert "'temperature' is not part of this run" in error.message


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("vtsst.latent_dim=64", "'vtsst' is not part of this run", "did you mean 'vtst'?"),
        ("tst.latent_dim=64", "'tst' is not part of this run", "did you mean 'vtst'?"),
        ("vtst.latent=64", "has no parameter 'latent'", "did you mean 'latent_dim'?"),
        ("vtst.latent_dim=x", "latent_dim=x is not a whole number", "Z"),
        ("vtst.latent_dim=", "is not a whole number", "Z"),
        ("latent_dim=64", "this is not stage.key=value", "as in --set"),
        ("vtst.latent_dim", "this is not stage.key=value", "as in --set"),
        (".latent_dim=64", "this is not stage.key=value", "as in --set"),
        ("vtst.=64", "this is not stage.key=value", "as in --set"),
        ("", "this is not stage.key=value", "as in --set"),
    ],
)
def test_bad_settings_are_refused(setting, message, hint, refusal):
    error = refusal("vtst", settings=[setting])
    assert message in error.message
    assert hint in error.hint


def test_a_setting_for_two_parts_of_one_name_is_refused(install_plugin, refusal):
    install_plugin("clashing_noise", CLASHING_NOISE)
    error = refusal("ce", noise="ce", settings=["ce.lr=0.5"])
    assert "two parts of this run are called 'ce'" in error.message
    assert error.hint == "write it where the part is named, as in ce:lr=0.5"
    config = resolve("ce", noise="ce:lr=0.5")
    assert (config.objective.params["lr"], config.noise.params["lr"]) == (1e-3, 0.5)


@pytest.mark.parametrize(
    "words",
    [
        {"method": "ce:epochs=5", "epochs": 5},
        {"method": "ce", "epochs": 5, "settings": ["ce.epochs=6"]},
        {"method": "ce", "settings": ["ce.epochs=5", "ce.epochs=5"]},
        {"method": "vtst:select=last", "select": "last"},
        {"method": "ce", "dataset": "digits:cal=0.2", "settings": ["digits.cal=0.2"]},
    ],
)
def test_a_key_given_twice_is_refused(words, refusal):
    assert "is given twice" in refusal(**words).message


def test_epochs_are_those_of_the_objective(params_of):
    config = resolve("vtst", epochs=5)
    assert params_of(config, "ce")["epochs"] == 5
    assert params_of(config, "vtst")["epochs"] is None
    assert config.recipe == "ce:epochs=5+vtst"
    assert config.explicit == {"ce.epochs"}


def test_select_is_for_every_stage_that_trains(params_of):
    config = resolve("vtst+temperature+threshold", select="last")
    assert params_of(config, "ce")["select"] == params_of(config, "vtst")["select"] == "last"
    assert config.recipe == "ce:select=last+vtst:select=last+temperature+threshold"
    assert resolve("vtst", select="best").run_id("data") == resolve("vtst").run_id("data")


def test_settings_of_other_recipes_are_dropped():
    methods = ("ce", "ce+temperature", "vtst")
    settings = ("vtst.latent_dim=64", "ce.epochs=5", "digits.cal=0.2")
    assert settings_for("ce", settings, methods) == settings[1:]
    assert settings_for("vtst", settings, methods) == settings, "ce is its objective, although it does not name it"
    assert "vtstt.latent_dim=64" in settings_for("ce", ("vtstt.latent_dim=64",), methods), "resolve refuses it"


# --- chains on stored outputs ---------------------------------------------------------------------------------------

CHAIN_KINDS = ("calibrator", "decision")


def test_a_chain_is_resolved_in_order():
    chain = resolve_chain("temperature+threshold", CHAIN_KINDS, "--fit")
    assert [stage.name for stage in chain] == ["temperature", "threshold"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("vtst", "--fit: 'vtst' is a refit"),
        ("ce+temperature", "--fit: 'ce' is an objective"),
        ("temperature+temperature", "stands twice"),
        ("threshold+temperature", "cannot follow"),
        ("temprature", "there is no method called"),
        ("threshold:value=2", "is outside [0, 1]"),
    ],
)
def test_a_chain_holds_only_stages_that_work_on_stored_outputs(recipe, message):
    with pytest.raises(InputError) as error:
        resolve_chain(recipe, CHAIN_KINDS, "--fit")
    assert message in error.value.message


def test_a_part_whose_text_no_record_may_hold_is_refused():
    def dataset(length):
        start = "npz:path="
        return start + "a" * (length - len(start))

    assert len(resolve("ce", dataset=dataset(10_000)).dataset.text()) == 10_000
    with pytest.raises(InputError, match="the dataset has 10001 characters as text, and a record holds at most 10000"):
        resolve("ce", dataset=dataset(10_001))
