"""When stages of a user's network are cached: its weights, its source and its outputs must be the same."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from small_networks import class_without_file
from torch import nn

from calibench import Network, run
from calibench.models import provenance

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_changed_code_of_a_helper_trains_again(data, tmp_path, monkeypatch):
    """The file of the class is the same, a function that it calls is not."""
    (tmp_path / "my_helper.py").write_text("def act(x):\n    return x.relu()\n")
    (tmp_path / "my_net.py").write_text(
        "import torch, my_helper\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.fc = torch.nn.Linear(64, 8), torch.nn.Linear(8, 10)\n"
        "    def forward(self, x):\n"
        "        return self.fc(my_helper.act(self.a(x)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net, helper = importlib.import_module("my_net"), importlib.import_module("my_helper")
    try:
        options = {"dataset": data, "model": lambda task: net.Net(), "results": tmp_path / "r", "epochs": 1}
        assert run("ce", **options).cache["made"] == ["stage1"]
        assert run("ce+temperature", **options).cache["hits"] == ["stage1"]
        monkeypatch.setattr(helper, "act", torch.tanh)
        assert run("ce+temperature", **options).cache["made"] == ["stage1"]
        assert run("ce", **options).cache == {"hits": ["stage1"], "made": []}, "no record of the old code is returned"
    finally:
        sys.modules.pop("my_net"), sys.modules.pop("my_helper")


def test_a_network_without_source_is_never_cached(data, tmp_path):
    network_class = class_without_file()
    first = run("tst:epochs=1", data, network_class(), results=tmp_path)
    assert first.config["model"]["params"]["source_sha256"] is None
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())
    assert (tmp_path / "records" / f"{first.run_id}.json").is_file()
    hooked = network_class()
    hooked.register_forward_hook(lambda *_: None)
    assert run("ce", data, hooked, results=tmp_path).config["model"]["params"]["source_sha256"] is None


def test_layers_of_torch_are_cached(data, tmp_path):
    network = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    record = run("tst:epochs=1", data, network, results=tmp_path)
    assert record.config["model"]["params"]["source_sha256"]
    assert run("tst:epochs=1+temperature", data, network, results=tmp_path).cache["hits"] == ["features", "stage2"]


@pytest.mark.slow
def test_an_attribute_that_changes_the_outputs_trains_again(data, tmp_path):
    """Neither the repr nor the weights tell norm_first."""

    def build(norm_first: bool) -> nn.Module:
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True, norm_first=norm_first)
        return nn.Sequential(nn.Unflatten(1, (8, 8)), layer, nn.Flatten(), nn.Linear(64, 10))

    run("tst:epochs=1", data, build(False), results=tmp_path)
    record = run("tst:epochs=1", data, build(True), results=tmp_path)
    assert record.cache["made"] == ["features", "stage2"]


def test_code_that_lists_or_shows_is_no_part_of_a_network(monkeypatch):
    """`Body` and `Network` are classes of calibench: a comment in the command line must not train a user's network again."""
    seen = {}
    real = provenance.sources_of
    monkeypatch.setattr(
        provenance, "sources_of", lambda name, left_out=(): seen.update({name: left_out}) or real(name, left_out)
    )
    network = Network(nn.Flatten(), nn.Linear(4, 2), 4)
    assert provenance.source_of(network)
    assert {"cli", "report", "leaderboard", "evaluation"} <= set(seen["calibench"])
