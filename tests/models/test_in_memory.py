"""`run(model=...)` with a torch module or a function that makes one: judged as it is, cut right, recorded, never changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from small_networks import Hidden
from torch import nn
from torch.nn import functional

import calibench
from calibench import InputError, Network, run
from calibench.records.store import read_predictions

pytestmark = pytest.mark.usefixtures("one_thread")


def logits_of(results: Path, record) -> torch.Tensor:
    return torch.from_numpy(read_predictions(results, record)["test.logits"])


def test_a_trained_module_is_judged_as_it_is_and_stays_unchanged(net, splits, data, tmp_path):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.random.get_rng_state()
    record = run("ce", data, net, results=tmp_path)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    net.eval()
    with torch.no_grad():
        log_probs = net(torch.from_numpy(splits["test"][0]))
    net.train()
    torch.testing.assert_close(logits_of(tmp_path, record).log_softmax(1), log_probs)
    labels = torch.from_numpy(splits["test"][1])
    assert record.metrics["nll"] == pytest.approx(float(functional.nll_loss(log_probs.double(), labels)), rel=1e-6)
    assert record.n == {"train": 600, "val": 100, "cal": 100, "test": 200}
    assert record.fitted == [{"stage": "ce", "trained": False, "why": "the network was given trained"}]


RECIPES = {
    "ce+temperature": "temperature",
    "ce+vector+threshold:value=0.6": "vector",
    "tst:epochs=2": "tst",
    "vtst:epochs=2+temperature": "vtst",
    "mean-field:epochs=1": "mean-field",
    "reinit:epochs=1": "reinit",
    "mc-dropout:samples=3": "mc-dropout",
    "swag:epochs=2,samples=2": "swag",
    "snapshot:cycles=2,epochs=1": "snapshot",
    "tst:epochs=1+ensemble:members=2": "tst",
}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_kind_of_stage_works_on_a_module(recipe, net, data):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    record = run(recipe, data, net, results=None)
    assert RECIPES[recipe] in [stage["stage"] for stage in record.fitted]
    assert record.metrics["nll"] < 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.slow
def test_laplace_works_on_the_head(net, data):
    pytest.importorskip("laplace")
    record = run("laplace:structure=diag", data, net, results=None)
    assert record.metrics["accuracy"] > 0.8


def test_features_are_the_input_of_the_head(net, splits, data, tmp_path):
    record = run("tst:epochs=1,head=linear", data, net, results=tmp_path)
    features = load_file(next((tmp_path / "cache").glob("features-*.safetensors")))["tensor.test"]
    net.eval()
    with torch.no_grad():
        expected = net.inner(torch.from_numpy(splits["test"][0]))
    net.train()
    torch.testing.assert_close(features, expected)
    assert record.config["model"]["params"]["features"] == 24
    assert record.config["model"]["params"]["head"] == "fc Linear"


@pytest.mark.slow
def test_the_record_describes_the_network_and_is_json(net, data, tmp_path):
    record = run("ce", data, net, results=tmp_path)
    params = record.config["model"]["params"]
    assert record.model == f"module:class=Hidden,sha256={params['sha256']}"
    assert params["class"] == "Hidden"
    assert params["parameters"] == sum(p.numel() for p in net.parameters())
    assert params["trained"] is True
    assert all(len(params[f"{name}_sha256"]) == 64 for name in ("weights", "source", "structure"))
    assert json.loads((tmp_path / "records" / f"{record.run_id}.json").read_text()) == record.to_dict()
    twin = Hidden()
    twin.load_state_dict(net.state_dict())
    assert run("ce", data, twin, results=None).run_id == record.run_id, "the same network is the same run"
    with torch.no_grad():
        twin.fc.bias[0] += 1e-3
    changed = run("ce", data, twin, results=None)
    assert changed.run_id != record.run_id
    assert changed.config["model"]["params"]["structure_sha256"] == params["structure_sha256"]


@pytest.mark.slow
def test_recipes_share_stages_and_a_run_is_not_repeated(net, data, tmp_path):
    first = run("tst:epochs=1", data, net, results=tmp_path)
    assert first.cache == {"hits": [], "made": ["features", "stage2"]}
    again = run("tst:epochs=1", data, net, results=tmp_path)
    assert again.created == first.created
    assert again.cache == first.cache, "the stored record itself"
    assert run("vtst:epochs=1", data, net, seed=1, results=tmp_path).cache["hits"] == ["features"]


@pytest.mark.slow
def test_the_five_lines_of_the_readme(net, tmp_path, monkeypatch):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = readme.partition("in five lines\n```python\n")[2].partition("```")[0]
    assert len(lines.splitlines()) == 5
    monkeypatch.chdir(tmp_path)
    torch.save(net.state_dict(), "net.pt")
    x, y = load_digits(return_X_y=True)
    parts = dict(zip(("train", "val", "cal", "test"), np.split(np.arange(1000), [600, 700, 800]), strict=True))
    names = {"Net": Hidden, "x": x / 16, "y": y, "torch": torch, "calibench": calibench, **parts}
    for quick in ("tst", "vtst"):
        lines = lines.replace(f'"{quick}"', f'"{quick}:epochs=1"')
    names["x_new"] = names["x"][1000:1010]
    exec(lines, names)
    assert [record.recipe for record in names["records"]] == ["ce", "ce+temperature", "tst:epochs=1", "vtst:epochs=1"]
    assert names["probs"].shape == (10, 10)
    np.testing.assert_allclose(names["probs"].sum(axis=1), 1)


# --- trained=False, and functions that make networks -----------------------------------------------------------------


@pytest.mark.slow
def test_an_untrained_module_starts_stage_1_with_its_weights(net, data, tmp_path):
    record = run("ce:epochs=2,lr=1e-3", data, net, trained=False, results=tmp_path)
    assert record.fitted[0]["trained"] is True
    fresh = run("ce:epochs=2,lr=1e-3", data, lambda task: Hidden(), results=None)
    assert record.metrics["accuracy"] > fresh.metrics["accuracy"]
    shared = run("ce:epochs=2,lr=1e-3+temperature", data, net, trained=False, results=tmp_path)
    assert shared.cache["hits"] == ["stage1"]


def test_frozen_layers_stay_frozen_in_stage_1(data, tmp_path):
    network = Hidden()
    network.inner[0].requires_grad_(False)
    run("ce:epochs=1", data, network, trained=False, results=tmp_path)
    weights = load_file(next((tmp_path / "cache").glob("stage1-*.safetensors")))
    assert torch.equal(weights["tensor.network.body.network.inner.0.weight"], network.inner[0].weight)
    assert not torch.equal(weights["tensor.network.head.weight"], network.fc.weight)


@pytest.mark.slow
def test_a_function_makes_a_network_for_each_seed_and_member(data, tmp_path):
    weights = []

    def factory(task):
        assert task.input_shape == (64,)
        network = nn.Sequential(nn.Linear(task.input_size, 16), nn.ReLU(), nn.Linear(16, task.num_classes))
        weights.append(float(network[0].weight.detach()[0, 0]))
        return network

    first = run("ce:epochs=1", data, factory, results=tmp_path)
    second = run("ce:epochs=1", data, factory, seed=1, results=tmp_path)
    assert len(set(weights)) == 2
    assert first.model == second.model, "seeds of one network stand in one row of a board"
    assert first.config["model"]["params"]["weights_sha256"] is None
    assert first.run_id != second.run_id
    record = run("ce:epochs=1+ensemble:members=2", data, factory, results=tmp_path)
    assert record.cache == {"hits": ["stage1"], "made": ["stage1"]}
    assert [stage["member"] for stage in record.fitted if stage["stage"] == "ce"] == [0, 1]


def test_a_function_may_return_a_trained_network(net, data):
    record = run("ce", data, lambda task: net, trained=True, results=None)
    assert record.metrics == run("ce", data, net, results=None).metrics
    assert record.config["model"]["params"]["weights_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["batch-ensemble:members=2", "co-teaching:rate=0.1,ramp=1", "cleanlab:folds=2", "mixup"]
)
def test_objectives_and_converted_layers_work(recipe, data):
    if "cleanlab" in recipe:
        pytest.importorskip("cleanlab")
    record = run(recipe, data, lambda task: Hidden(), epochs=1, results=None)
    assert record.metrics["nll"] < 4


def test_a_network_that_the_user_cut(data):
    body = nn.Sequential(nn.Linear(64, 12), nn.ReLU())
    record = run("tst:epochs=1", data, Network(body, nn.Linear(12, 10), 12), results=None)
    assert record.config["model"]["params"]["features"] == 12
    with pytest.raises(InputError, match="feature_size is 7"):
        run("ce", data, Network(body, nn.Linear(12, 10), 7), results=None)


def test_one_linear_layer_is_a_network_without_a_body(data):
    record = run("tst:epochs=1", data, nn.Linear(64, 10), results=None)
    assert record.config["model"]["params"]["class"] == "Linear"


def test_a_named_head_may_have_several_layers(data):
    network = nn.Sequential()
    network.body = nn.Linear(64, 20)
    network.classifier = nn.Sequential(nn.ReLU(), nn.Linear(20, 15), nn.ReLU(), nn.Linear(15, 10))
    assert run("ce", data, network, results=None).config["model"]["params"]["features"] == 15
    params = run("ce", data, network, head="classifier", results=None).config["model"]["params"]
    assert (params["features"], params["head"]) == (20, "classifier Sequential")


def test_images_and_convolutions(splits):
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10)
    )
    data = {name: (x.reshape(-1, 1, 8, 8), y) for name, (x, y) in splits.items()}
    for recipe in ("tst:epochs=1,views=2", "tta:views=2"):
        assert run(recipe, data, network, results=None).config["model"]["params"]["head"] == "5 Linear"


@pytest.mark.slow
def test_wrapped_modules_are_unwrapped(net, data):
    plain = run("ce", data, net, results=None)
    assert run("ce", data, nn.DataParallel(net), results=None).run_id == plain.run_id
    assert run("ce", data, torch.compile(net), results=None).run_id == plain.run_id


def test_lazy_layers_and_several_labels():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6)).astype(np.float32)
    y = (x[:, :3] + rng.normal(size=(240, 3)) > 0).astype(np.int64)

    def make(task):
        return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, task.num_classes), nn.Sigmoid())

    record = run("bce:epochs=2", (x, y), make, results=None)
    assert record.data["questions"] == 3
