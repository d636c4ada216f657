"""Presets on the command line: a run says what was changed, its record keeps it, and presets are listed and shown."""

from __future__ import annotations

import hashlib
import json

from calibench.config.preset import load_preset
from calibench.plugins.discovery import registry

SAME_RUN = ("run", "-m", "ce:epochs=2", "-d", "digits:val=0.2", "--model", "mlp:hidden=16", "--json")
"""The run `ce` of the preset, without the preset."""


def test_a_run_shows_what_was_changed_and_the_record_keeps_it(small_preset, cli):
    ran = cli("run", "--preset", "small.toml", "-m", "ce", "-s", 3, "--json")
    assert ran.code == 0
    assert "preset small.toml: 1 run;" in ran.err
    assert "  changed: seed: 0, 1 -> 3\n" in ran.err
    assert "  changed: vtst.latent_dim=8: left out, vtst is no part of the run\n" in ran.err
    mark = ran.document["preset"]
    assert mark["name"] == "small.toml"
    assert mark["sha256"] == hashlib.sha256(small_preset.read_bytes()).hexdigest()
    assert mark["changed"][0] == "method: ce, ce+temperature, vtst -> ce"
    plain = cli(*SAME_RUN, "-s", 3)
    assert "there already" in plain.err
    assert plain.document["preset"]["name"] == "small.toml", "the run came from that preset"


def test_a_stored_run_takes_the_name_of_a_preset_that_asks_for_it(small_preset, cli, tmp_path):
    plain = cli(*SAME_RUN).document
    assert plain["preset"] is None
    preset_run = cli("run", "--preset", "small.toml", "-m", "ce", "-s", 0, "-q", "--json").document
    assert preset_run["preset"]["name"] == "small.toml"
    assert {**preset_run, "preset": None} == plain
    file = tmp_path / "results" / "records" / f"{plain['run_id']}.json"
    assert json.loads(file.read_text()) == preset_run


def test_presets_are_listed_and_shown(cli, small_preset):
    names = [entry.spec.name for entry in registry().all("preset")]
    items = cli("list", "presets", "--json").document["items"]
    assert [item["name"] for item in items] == names
    for name in (names[0], "small.toml"):
        page = cli("show", "preset", name).out
        assert load_preset(name).text.strip() in page
        assert load_preset(name).sha256 in page
        document = cli("show", "presets", name, "--json").document
        assert document["text"] == load_preset(name).text
        assert document["sha256"] == load_preset(name).sha256
    assert document["settings"] == ["train.epochs=2", "vtst.epochs=1", "vtst.latent_dim=8"]
    assert document["from"] == "a file of yours"
