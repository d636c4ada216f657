"""`calibench list` and `calibench show`: every name is listed, and what is listed can be shown."""

from __future__ import annotations

import pytest

FAMILIES = ["methods", "datasets", "models", "metrics", "noises", "shifts", "ood-scores", "readers", "presets"]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_is_listed(family, cli):
    document = cli("list", family, "--json").document
    assert document["schema"] == "calibench.list/1"
    assert document["items"]
    table = cli("list", family)
    assert (table.code, table.err) == (0, "")
    for item in document["items"]:
        assert set(item) == {"name", "kind", "summary", "distribution", "version"}
        assert all(item.values())
        assert item["name"] in table.out


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "presets"])
def test_every_listed_name_can_be_shown_with_its_parameters(family, cli):
    for item in cli("list", family, "--json").document["items"]:
        document = cli("show", family, item["name"], "--json").document
        assert document["schema"] == "calibench.show/1"
        assert (document["name"], document["summary"]) == (item["name"], item["summary"])
        text = cli("show", family, item["name"])
        assert text.code == 0
        for param in document["params"]:
            assert param["key"] in text.out
            assert param["meaning"][:20] in text.out


def test_methods_are_listed_in_the_order_of_their_stages(cli):
    items = cli("list", "methods", "--json").document["items"]
    assert {"ce", "temperature", "threshold", "tst", "vtst"} <= {item["name"] for item in items}
    kinds = list(dict.fromkeys(item["kind"] for item in items))
    assert kinds == ["objective", "refit", "sampler", "ensemble", "calibrator", "decision"]


def test_a_preset_is_shown_as_its_file(cli):
    document = cli("show", "preset", "quick", "--json").document
    assert (document["schema"], document["family"], document["name"]) == ("calibench.show/1", "preset", "quick")
    assert document["text"].strip() in cli("show", "preset", "quick").out
