"""From words to a RunConfig: one meaning, one run_id; what would mean nothing, or two things, is refused."""

from __future__ import annotations

import pytest

from calibench import InputError, NoiseSpec, Param
from calibench.config import resolve as config
from calibench.config.resolve import resolve, resolve_chain, settings_for
from calibench.config.run_config import RunConfig
from calibench.plugins.discovery import discover
from calibench.plugins.registry import Entry


def run_id(method: str, **more) -> str:
    return resolve(method, **more).run_id("data")


def refuse(*args, **more) -> InputError:
    with pytest.raises(InputError) as error:
        resolve(*args, **more)
    assert error.value.hint
    return error.value


# --- one meaning, one name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "recipe"),
    [
        (("ce", " ce ", "ce:epochs=60", "ce:lr=1e-3", "ce:lr=0.001,weight_decay=-0"), "ce"),
        (("vtst", "ce+vtst", "vtst:latent_dim=128", "ce:epochs=60+vtst:samples=10", "ce + vtst"), "vtst"),
        (("temperature", "ce+temperature"), "ce+temperature"),
        (("threshold", "ce+threshold:value=0.5"), "ce+threshold"),
        (("ce:epochs=5+tst",), "ce:epochs=5+tst"),
        (("tst+temperature+threshold", "ce+tst+temperature+threshold"), "tst+temperature+threshold"),
        (("threshold:values=.2;0.40;4e-1",), "ce+threshold:values=0.2;0.4;0.4"),
    ],
)
def test_recipes_have_one_canonical_text_and_run_id(texts, recipe):
    configs = [resolve(text) for text in texts]
    assert {config.recipe for config in configs} == {recipe}
    assert len({config.run_id("data") for config in configs}) == 1
    assert resolve(recipe).run_id("data") == configs[0].run_id("data"), "the canonical text means the same"


def test_what_differs_has_another_run_id():
    ids = [
        run_id("vtst"),
        run_id("tst"),
        run_id("vtst:latent_dim=64"),
        run_id("vtst+temperature"),
        run_id("vtst", seed=1),
        run_id("vtst", epochs=5),
        run_id("vtst", select="last"),
        run_id("vtst", model="cnn"),
        run_id("vtst", model="mlp:hidden=128"),
        run_id("vtst", dataset="digits:cal=0.2"),
        run_id("vtst", noise="symmetric:rate=0.3"),
        run_id("vtst", noise="symmetric:rate=0"),
        run_id("vtst", device="cuda"),
        resolve("vtst").run_id("other data"),
    ]
    assert len(set(ids)) == len(ids)


def test_a_run_id_is_readable_and_a_file_name():
    name = run_id("vtst+temperature", noise="symmetric:rate=0.3", seed=7)
    assert name.startswith("digits-mlp-ce+vtst+temperature-s7-")
    assert "/" not in name
    assert len(name.rsplit("-", 1)[1]) == 12


def test_the_document_has_every_parameter():
    found = resolve("vtst:latent_dim=64", noise="symmetric:rate=0.3", seed=3)
    document = found.document()
    assert [(stage["kind"], stage["name"]) for stage in document["stages"]] == [("objective", "ce"), ("refit", "vtst")]
    assert document["stages"][1]["params"]["latent_dim"] == 64
    assert document["stages"][1]["params"]["samples"] == 10
    assert document["dataset"]["params"] == {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}
    assert document["noise"] == {"name": "symmetric", "params": {"rate": 0.3}}
    assert found.stated == {"vtst.latent_dim", "symmetric.rate"}


def test_defaults():
    found = resolve("ce")
    assert (found.dataset.text(), found.model.text(), found.noise, found.seed) == ("digits", "mlp", None, 0)


# --- order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("temperature+ce", "temperature+ce: 'ce' (objective) cannot follow 'temperature' (calibrator)"),
        ("tst+vtst", "tst+vtst: 'vtst' (refit) cannot follow 'tst' (refit)"),
        ("vtst+vtst", "'vtst' (refit) cannot follow 'vtst' (refit)"),
        ("ce+ce", "'ce' (objective) cannot follow 'ce' (objective)"),
        ("threshold+temperature", "'temperature' (calibrator) cannot follow 'threshold' (decision)"),
        ("temperature+vtst", "'vtst' (refit) cannot follow 'temperature' (calibrator)"),
        ("threshold+swag", "'swag' (sampler) cannot follow 'threshold' (decision)"),
        ("ensemble+vtst", "'vtst' (refit) cannot follow 'ensemble' (ensemble)"),
        ("ensemble+mc-dropout", "'mc-dropout' (sampler) cannot follow 'ensemble' (ensemble)"),
        ("swag+snapshot", "'snapshot' (sampler) cannot follow 'swag' (sampler)"),
        ("conformal+cost", "'cost' (decision) cannot follow 'conformal' (decision)"),
        ("threshold+threshold", "'threshold' (decision) cannot follow 'threshold' (decision)"),
    ],
)
def test_the_order_is_refused_by_name(recipe, says):
    error = refuse(recipe)
    assert says in error.message
    assert "objective -> head refit -> sampler -> ensemble -> calibrators -> decision rule" in error.hint


def test_a_calibrator_stands_once():
    assert "temperature+temperature: 'temperature' stands twice" in refuse("temperature+temperature").message


@pytest.mark.parametrize(
    ("words", "says", "hint"),
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
def test_bad_words_are_refused_with_the_nearest(words, says, hint):
    error = refuse(**words)
    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0", None, 2**63])
def test_a_seed_is_a_whole_number(seed):
    assert "seed" in refuse("ce", seed=seed).message
    assert resolve("ce", seed=2**63 - 1).seed == 2**63 - 1


# --- --set, --epochs, --select --------------------------------------------------------------------------------------


def params(config: RunConfig, name: str) -> dict:
    pieces = (*config.stages, config.dataset, config.model, config.noise)
    return dict(next(piece.params for piece in pieces if piece is not None and piece.name == name))


def test_set_reaches_every_part_of_a_run():
    settings = (
        "vtst.latent_dim=64",
        "ce.lr=0.01",
        "mlp.hidden=32;16",
        "digits.cal = 0.2",
        "symmetric.rate=0.3",
        "temperature.x=1",
    )
    found = resolve("vtst", noise="symmetric", settings=settings[:-1])
    assert params(found, "vtst")["latent_dim"] == 64
    assert params(found, "ce")["lr"] == 0.01
    assert params(found, "mlp")["hidden"] == (32, 16)
    assert params(found, "digits")["cal"] == 0.2
    assert params(found, "symmetric")["rate"] == 0.3
    assert found.stated == {"vtst.latent_dim", "ce.lr", "mlp.hidden", "digits.cal", "symmetric.rate"}
    typed = resolve("ce:lr=0.01+vtst:latent_dim=64", "digits:cal=0.2", "mlp:hidden=32;16", "symmetric:rate=0.3")
    assert typed == found
    assert typed.run_id("data") == found.run_id("data")
    assert "'temperature' is not part of this run" in refuse("vtst", noise="symmetric", settings=settings).message


@pytest.mark.parametrize(
    ("setting", "says", "hint"),
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
def test_bad_settings(setting, says, hint):
    error = refuse("vtst", settings=[setting])
    assert says in error.message
    assert hint in error.hint


def test_a_setting_for_two_parts_of_one_name_is_refused(monkeypatch):
    found = discover()
    namesake = NoiseSpec(name="ce", target="a:b", summary="A test.", params=(Param("lr", "float", 1, "a rate"),))
    found.entries["noise", "ce"] = Entry(namesake, found.plugins[0])
    monkeypatch.setattr(config, "registry", lambda: found)
    error = refuse("ce", noise="ce", settings=["ce.lr=0.5"])
    assert "two parts of this run are called 'ce'" in error.message
    assert error.hint == "write it where the part is named, as in ce:lr=0.5"
    assert params(resolve("ce", noise="ce:lr=0.5"), "ce")["lr"] == 1e-3


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
def test_a_key_given_twice_is_refused(words):
    assert "is given twice" in refuse(**words).message


def test_epochs_are_the_objectives():
    found = resolve("vtst", epochs=5)
    assert params(found, "ce")["epochs"] == 5
    assert params(found, "vtst")["epochs"] is None
    assert found.recipe == "ce:epochs=5+vtst"
    assert found.stated == {"ce.epochs"}


def test_select_is_for_every_stage_that_trains():
    found = resolve("vtst+temperature+threshold", select="last")
    assert params(found, "ce")["select"] == params(found, "vtst")["select"] == "last"
    assert found.recipe == "ce:select=last+vtst:select=last+temperature+threshold"
    assert resolve("vtst", select="best").run_id("data") == run_id("vtst")


def test_settings_of_a_run_of_several_recipes():
    methods = ("ce", "ce+temperature", "vtst")
    settings = ("vtst.latent_dim=64", "ce.epochs=5", "digits.cal=0.2")
    assert settings_for("ce", settings, methods) == settings[1:]
    assert settings_for("vtst", settings, methods) == settings, "its objective is the ce that it does not name"
    assert "vtstt.latent_dim=64" in settings_for("ce", ("vtstt.latent_dim=64",), methods), "resolve refuses it"


# --- chains on stored outputs ---------------------------------------------------------------------------------------


def test_a_chain_holds_what_works_on_stored_outputs():
    kinds = ("calibrator", "decision")
    assert [stage.name for stage in resolve_chain("temperature+threshold", kinds, "--fit")] == [
        "temperature",
        "threshold",
    ]
    for recipe, says in (
        ("vtst", "--fit: 'vtst' is a refit"),
        ("ce+temperature", "--fit: 'ce' is an objective"),
        ("temperature+temperature", "stands twice"),
        ("threshold+temperature", "cannot follow"),
        ("temprature", "there is no method called"),
        ("threshold:value=2", "is outside [0, 1]"),
    ):
        with pytest.raises(InputError) as error:
            resolve_chain(recipe, kinds, "--fit")
        assert says in error.value.message
