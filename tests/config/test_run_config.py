"""RunConfig: one meaning has one text, one document and one run id, whatever words state it."""

from __future__ import annotations

import pytest

from calibench.config.resolve import resolve


def run_id(method: str, **options) -> str:
    return resolve(method, **options).run_id("data")


@pytest.mark.parametrize(
    ("texts", "recipe"),
    [
        (("ce", " ce ", "ce:batch_size=64", "ce:lr=1e-3", "ce:lr=0.001,weight_decay=-0"), "ce"),
        (("vtst", "ce+vtst", "vtst:latent_dim=128", "ce:batch_size=64+vtst:samples=10", "ce + vtst"), "vtst"),
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


def test_runs_that_differ_have_different_run_ids():
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
    config = resolve("vtst:latent_dim=64", noise="symmetric:rate=0.3", seed=3)
    document = config.document()
    assert [(stage["kind"], stage["name"]) for stage in document["stages"]] == [("objective", "ce"), ("refit", "vtst")]
    assert document["stages"][1]["params"]["latent_dim"] == 64
    assert document["stages"][1]["params"]["samples"] == 10
    assert document["dataset"]["params"] == {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}
    assert document["noise"] == {"name": "symmetric", "params": {"rate": 0.3}}
    assert config.explicit == {"vtst.latent_dim", "symmetric.rate"}


def test_parameters_newer_than_stored_records_are_left_out_at_their_default():
    late = {"augment", "precision", "compile", "channels_last"}
    config = resolve("ce")
    assert not late & config.document()["stages"][0]["params"].keys()
    assert resolve("ce:precision=float32,compile=false").run_id("d") == config.run_id("d")
    changed = resolve("ce:precision=bfloat16,compile=true,channels_last=true,augment=flip")
    assert late <= changed.document()["stages"][0]["params"].keys()


def test_shifts_and_ood_sets_join_the_document_only_where_they_are_asked_for():
    config, shifted = resolve("ce"), resolve("ce", shift=["rotation"], ood=["digits"])
    assert "shift" not in config.document()
    assert "ood" not in config.document()
    assert shifted.document() == config.document() | {
        "shift": [{"name": "rotation", "params": {"angles": [10.0, 45.0, 90.0, 135.0, 180.0]}}],
        "ood": {
            "sets": [{**config.dataset.document(), "group": None}],
            "scores": ["max-softmax"],
        },
    }
    assert config.run_id("f") == "digits-mlp-ce-s0-" + resolve("ce").run_id("f")[-12:]
    assert shifted.run_id("f") != config.run_id("f")
