"""`run(model=...)` with a torch module or a function that makes one: judged as it is, cut right, recorded, never changed."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import calibench
from calibench import InputError, Network, run
from calibench.records.store import read_predictions

pytestmark = pytest.mark.usefixtures("one_thread")


class Hidden(nn.Module):
    """Its head is made first, and a log-softmax follows it."""

    def __init__(self, width: int = 24, classes: int = 10) -> None:
        super().__init__()
        self.fc = nn.Linear(width, classes)
        self.inner = nn.Sequential(nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU())
        self.drop = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.fc(self.drop(self.inner(x))), dim=1)


@pytest.fixture(scope="module")
def splits():
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    bounds = {"train": (0, 600), "val": (600, 700), "cal": (700, 800), "test": (800, 1000)}
    return {name: (x[low:high], y[low:high]) for name, (low, high) in bounds.items()}


@pytest.fixture(scope="module")
def data(splits):
    return tuple(splits.values())


@pytest.fixture(scope="module")
def net(splits):
    """Trained by hand for a few epochs, left in train mode."""
    torch.manual_seed(0)
    made = Hidden()
    x, y = map(torch.from_numpy, splits["train"])
    optimizer = torch.optim.Adam(made.parameters(), 5e-3)
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            functional.nll_loss(made(x[rows]), y[rows]).backward()
            optimizer.step()
    return made


def logits_of(results: Path, record) -> torch.Tensor:
    return torch.from_numpy(read_predictions(results, record)["test.logits"])


def test_a_trained_module_is_judged_as_it_is_and_not_changed(net, splits, data, tmp_path):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.random.get_rng_state()
    record = run("ce", data, net, results=tmp_path)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    net.eval()
    with torch.no_grad():
        own = net(torch.from_numpy(splits["test"][0]))
    net.train()
    torch.testing.assert_close(logits_of(tmp_path, record).log_softmax(1), own)
    truth = torch.from_numpy(splits["test"][1])
    assert record.metrics["nll"] == pytest.approx(float(functional.nll_loss(own.double(), truth)), rel=1e-6)
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


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_kind_of_stage_works_on_it(recipe, net, data):
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    record = run(recipe, data, net, results=None)
    assert RECIPES[recipe] in [stage["stage"] for stage in record.fitted]
    assert record.metrics["nll"] < 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_laplace_takes_the_head_that_was_found(net, data):
    pytest.importorskip("laplace")
    record = run("laplace:structure=diag", data, net, results=None)
    assert record.metrics["accuracy"] > 0.8


def test_frozen_features_are_what_goes_into_the_head(net, splits, data, tmp_path):
    record = run("tst:epochs=1,head=linear", data, net, results=tmp_path)
    held = next((tmp_path / "cache").glob("features-*.safetensors"))
    from safetensors.torch import load_file

    features = load_file(held)["tensor.test"]
    net.eval()
    with torch.no_grad():
        own = net.inner(torch.from_numpy(splits["test"][0]))
    net.train()
    torch.testing.assert_close(features, own)
    assert record.config["model"]["params"]["features"] == 24
    assert record.config["model"]["params"]["head"] == "fc Linear"


def test_the_record_knows_the_network_and_is_json(net, data, tmp_path):
    record = run("ce", data, net, results=tmp_path)
    params = record.config["model"]["params"]
    assert record.model == f"module:class=Hidden,sha256={params['sha256']}"
    assert params["class"] == "Hidden"
    assert params["parameters"] == sum(p.numel() for p in net.parameters())
    assert params["trained"] is True
    assert all(len(params[f"{name}_sha256"]) == 64 for name in ("weights", "source", "structure"))
    assert json.loads((tmp_path / "records" / f"{record.run_id}.json").read_text()) == record.to_dict()
    other = Hidden()
    other.load_state_dict(net.state_dict())
    assert run("ce", data, other, results=None).run_id == record.run_id, "the same network is the same run"
    with torch.no_grad():
        other.fc.bias[0] += 1e-3
    changed = run("ce", data, other, results=None)
    assert changed.run_id != record.run_id
    assert changed.config["model"]["params"]["structure_sha256"] == params["structure_sha256"]


def test_stages_are_shared_and_runs_found(net, data, tmp_path):
    first = run("tst:epochs=1", data, net, results=tmp_path)
    assert first.cache == {"hits": [], "made": ["features", "stage2"]}
    again = run("tst:epochs=1", data, net, results=tmp_path)
    assert again.created == first.created
    assert again.cache == first.cache, "the stored record itself"
    assert run("vtst:epochs=1", data, net, seed=1, results=tmp_path).cache["hits"] == ["features"]


def test_the_five_lines_of_the_readme(net, tmp_path, monkeypatch, capsys):
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    lines = readme.partition("in five lines\n```python\n")[2].partition("```")[0]
    assert len(lines.splitlines()) == 5
    monkeypatch.chdir(tmp_path)
    torch.save(net.state_dict(), "net.pt")
    x, y = load_digits(return_X_y=True)
    parts = dict(zip(("train", "val", "cal", "test"), np.split(np.arange(1000), [600, 700, 800]), strict=True))
    space = {"Net": Hidden, "x": x / 16, "y": y, "torch": torch, "calibench": calibench, **parts}
    for quick in ("tst", "vtst"):
        lines = lines.replace(f'"{quick}"', f'"{quick}:epochs=1"')
    exec(lines, space)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "ce",
        "ce+temperature",
        "tst:epochs=1",
        "vtst:epochs=1",
    ]


# --- trained=False, and functions that make networks -----------------------------------------------------------------


def test_a_module_is_trained_on_from_its_weights(net, data, tmp_path):
    record = run("ce:epochs=2,lr=1e-3", data, net, trained=False, results=tmp_path)
    assert record.fitted[0]["trained"] is True
    assert (
        record.metrics["accuracy"]
        > run("ce:epochs=2,lr=1e-3", data, lambda task: Hidden(), results=None).metrics["accuracy"]
    )
    shared = run("ce:epochs=2,lr=1e-3+temperature", data, net, trained=False, results=tmp_path)
    assert shared.cache["hits"] == ["stage1"]


def test_frozen_layers_stay_frozen_in_stage_1(data, tmp_path):
    made = Hidden()
    made.inner[0].requires_grad_(False)
    run("ce:epochs=1", data, made, trained=False, results=tmp_path)
    from safetensors.torch import load_file

    held = load_file(next((tmp_path / "cache").glob("stage1-*.safetensors")))
    assert torch.equal(held["tensor.network.body.network.inner.0.weight"], made.inner[0].weight)
    assert not torch.equal(held["tensor.network.head.weight"], made.fc.weight)


def test_a_function_makes_each_seed_and_member_its_own(data, tmp_path):
    seen = []

    def factory(task):
        assert task.input_shape == (64,)
        made = nn.Sequential(nn.Linear(task.input_size, 16), nn.ReLU(), nn.Linear(16, task.num_classes))
        seen.append(float(made[0].weight.detach()[0, 0]))
        return made

    first = run("ce:epochs=1", data, factory, results=tmp_path)
    second = run("ce:epochs=1", data, factory, seed=1, results=tmp_path)
    assert len(set(seen)) == 2
    assert first.model == second.model, "seeds of one network stand in one row of a board"
    assert first.config["model"]["params"]["weights_sha256"] is None
    assert first.run_id != second.run_id
    record = run("ce:epochs=1+ensemble:members=2", data, factory, results=tmp_path)
    assert record.cache == {"hits": ["stage1"], "made": ["stage1"]}
    assert [stage["member"] for stage in record.fitted if stage["stage"] == "ce"] == [0, 1]


def test_a_function_may_hand_out_a_trained_network(net, data):
    given = run("ce", data, lambda task: net, trained=True, results=None)
    assert given.metrics == run("ce", data, net, results=None).metrics
    assert given.config["model"]["params"]["weights_sha256"]


@pytest.mark.parametrize(
    "recipe", ["batch-ensemble:members=2", "co-teaching:rate=0.1,ramp=1", "cleanlab:folds=2", "mixup"]
)
def test_objectives_and_converted_layers_work(recipe, data):
    if "cleanlab" in recipe:
        pytest.importorskip("cleanlab")
    record = run(recipe, data, lambda task: Hidden(), epochs=1, results=None)
    assert record.metrics["nll"] < 4


def test_a_network_cut_by_hand(data):
    body = nn.Sequential(nn.Linear(64, 12), nn.ReLU())
    record = run("tst:epochs=1", data, Network(body, nn.Linear(12, 10), 12), results=None)
    assert record.config["model"]["params"]["features"] == 12
    with pytest.raises(InputError, match="feature_size is 7"):
        run("ce", data, Network(body, nn.Linear(12, 10), 7), results=None)


def test_one_linear_layer_is_a_network_without_a_body(data):
    record = run("tst:epochs=1", data, nn.Linear(64, 10), results=None)
    assert record.config["model"]["params"]["class"] == "Linear"


def test_a_named_head_may_have_several_layers(data):
    made = nn.Sequential()
    made.body = nn.Linear(64, 20)
    made.classifier = nn.Sequential(nn.ReLU(), nn.Linear(20, 15), nn.ReLU(), nn.Linear(15, 10))
    assert run("ce", data, made, results=None).config["model"]["params"]["features"] == 15
    params = run("ce", data, made, head="classifier", results=None).config["model"]["params"]
    assert (params["features"], params["head"]) == (20, "classifier Sequential")


def test_images_and_convolutions(splits):
    made = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10)
    )
    data = {name: (x.reshape(-1, 1, 8, 8), y) for name, (x, y) in splits.items()}
    for recipe in ("tst:epochs=1,views=2", "tta:views=2"):
        assert run(recipe, data, made, results=None).config["model"]["params"]["head"] == "5 Linear"


def test_wrapped_modules_are_unwrapped(net, data):
    plain = run("ce", data, net, results=None)
    assert run("ce", data, nn.DataParallel(net), results=None).run_id == plain.run_id
    assert run("ce", data, torch.compile(net), results=None).run_id == plain.run_id


def test_lazy_layers_and_several_labels(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6)).astype(np.float32)
    y = (x[:, :3] + rng.normal(size=(240, 3)) > 0).astype(np.int64)
    made = lambda task: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, task.num_classes), nn.Sigmoid())  # noqa: E731
    record = run("bce:epochs=2", (x, y), made, results=None)
    assert record.data["questions"] == 3


# --- what may be kept ------------------------------------------------------------------------------------------------


def test_code_of_a_helper_that_has_changed_is_seen(data, tmp_path, monkeypatch):
    """The class's own file is the same; what it calls is not."""
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
        assert run("ce", **options).cache == {"hits": ["stage1"], "made": []}, "nor is the record of the old code found"
    finally:
        sys.modules.pop("my_net"), sys.modules.pop("my_helper")


def typed_in() -> type[nn.Module]:
    """A class as a notebook has it, without a file."""
    space: dict[str, object] = {"nn": nn, "__name__": "nowhere"}
    exec(
        "class Typed(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(64, 10)\n"
        "    def forward(self, x):\n"
        "        return self.fc(x)\n",
        space,
    )
    return space["Typed"]  # type: ignore[return-value]


def test_code_that_cannot_be_had_is_never_cached(data, tmp_path):
    typed = typed_in()
    first = run("tst:epochs=1", data, typed(), results=tmp_path)
    assert first.config["model"]["params"]["source_sha256"] is None
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())
    assert (tmp_path / "records" / f"{first.run_id}.json").is_file()
    made = typed()
    made.register_forward_hook(lambda *_: None)
    assert run("ce", data, made, results=tmp_path).config["model"]["params"]["source_sha256"] is None


def test_torchs_own_layers_are_cached_wherever_they_were_put_together(data, tmp_path):
    made = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    record = run("tst:epochs=1", data, made, results=tmp_path)
    assert record.config["model"]["params"]["source_sha256"]
    assert run("tst:epochs=1+temperature", data, made, results=tmp_path).cache["hits"] == ["features", "stage2"]


def test_what_an_attribute_decides_is_seen_without_the_source(data, tmp_path):
    """norm_first is in no repr and in no weight."""

    def made(norm_first: bool) -> nn.Module:
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True, norm_first=norm_first)
        return nn.Sequential(nn.Unflatten(1, (8, 8)), layer, nn.Flatten(), nn.Linear(64, 10))

    run("tst:epochs=1", data, made(False), results=tmp_path)
    record = run("tst:epochs=1", data, made(True), results=tmp_path)
    assert record.cache["made"] == ["features", "stage2"]


# --- mistakes --------------------------------------------------------------------------------------------------------


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) / 2


class AlwaysDropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(functional.dropout(x, 0.5))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.fc(x))[:, :10]


class Peeking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.to(self.fc.weight.dtype))


class TwoAnswers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.fc(x), x


def with_nan() -> nn.Module:
    made = nn.Linear(64, 10)
    made.weight.data[0, 0] = torch.nan
    return made


def frozen() -> nn.Module:
    return nn.Linear(64, 10).requires_grad_(False)


def convolved() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (64, 1)), nn.Conv1d(64, 10, 1), nn.Flatten())


def uncopied() -> nn.Module:
    made = nn.Sequential(nn.Linear(64, 10))
    made.held = (number for number in range(3))
    return made


def always(module: nn.Module) -> object:
    return lambda task: module


def unlike(task: object) -> nn.Module:
    made = nn.Linear(64, 10)
    made.weight.data += float(np.random.default_rng().normal())
    return made


MISTAKES = {
    "a class": (lambda: {"model": Hidden}, "Hidden is a class", "Hidden(...)"),
    "a number": (lambda: {"model": 3}, "a int is no torch module", "torch.nn.Module"),
    "a classifier": (
        lambda: {"model": type("Clf", (), {"predict_proba": 1})()},
        "a Clf is no torch module",
        "evaluate",
    ),
    "no argument": (lambda: {"model": typed_in}, "cannot be called with one argument", "lambda task"),
    "returns None": (lambda: {"model": lambda task: None}, "returned a NoneType", "return"),
    "raises": (lambda: {"model": lambda task: 1 / 0}, "ZeroDivisionError", "num_classes"),
    "scripted": (lambda: {"model": torch.jit.script(nn.Linear(64, 10))}, "scripted module", "made from"),
    "double": (lambda: {"model": nn.Linear(64, 10).double()}, "expected m1 and m2|same dtype|Double", "float32"),
    "meta": (lambda: {"model": nn.Linear(64, 10, device="meta")}, "device 'meta'", "weights"),
    "other rows": (lambda: {"model": nn.Linear(63, 10)}, r"fails on rows \[N, 64\] of the data", "float32"),
    "other classes": (lambda: {"model": nn.Linear(64, 9)}, "has 9 outputs, and the data has 10 classes", "from 0 to 9"),
    "one sigmoid": (lambda: {"model": nn.Linear(64, 1)}, "has 1 outputs", "two logits"),
    "a tuple": (lambda: {"model": TwoAnswers()}, "answers with a tuple", "forward returns the logits"),
    "a sequence": (lambda: {"model": nn.Sequential(nn.Unflatten(1, (8, 8)), nn.Linear(8, 10))}, "shape", "[N, K]"),
    "nan": (lambda: {"model": with_nan()}, "NaN", "weights"),
    "scaled": (lambda: {"model": Scaled()}, "its answers are not what 'fc' puts out", "logits"),
    "sigmoids of one label": (
        lambda: {"model": nn.Sequential(nn.Linear(64, 10), nn.Sigmoid())},
        "not what '0' puts out, nor the softmax",
        "logits",
    ),
    "twice": (lambda: {"model": Twice()}, "runs more than once", "head"),
    "peeking": (lambda: {"model": Peeking()}, "cannot be cut at 'fc'", "Network"),
    "dropping": (lambda: {"model": AlwaysDropping()}, "differently in eval mode", "training=self.training"),
    "no linear": (
        lambda: {"model": nn.Sequential(nn.Unflatten(1, (64, 1)), nn.Conv1d(64, 10, 1), nn.Flatten())},
        "no linear layer",
        "Network",
    ),
    "head typo": (lambda: {"model": Hidden(), "head": "fcc"}, "no part called 'fcc'", "did you mean 'fc'?"),
    "wrong head": (lambda: {"model": Hidden(), "head": "inner"}, "cannot be cut|its answers are not", "head"),
    "head of a name": (lambda: {"model": "mlp", "head": "fc"}, "head='fc' would do nothing", "module"),
    "trained default": (lambda: {"trained": True}, "trained=True would do nothing", "module"),
    "trained text": (lambda: {"model": Hidden(), "trained": "no"}, "trained='no' is a str", "leave"),
    "frozen": (lambda: {"model": frozen(), "trained": False}, "no weights that may be trained", "trained=True"),
    "numpy weights": (lambda: {"model": unlike}, "another network each time", "torch alone"),
    "idle epochs": (lambda: {"model": Hidden(), "epochs": 3}, "would do nothing", "trained=False"),
    "idle objective": (lambda: {"model": Hidden(), "method": "focal"}, "would do nothing", "trained=False"),
    "ensemble of one": (
        lambda: {"model": Hidden(), "trained": False, "method": "ensemble:members=2"},
        "begin with the same weights",
        "lambda task",
    ),
    "ensemble of the same": (
        lambda: {"model": always(Hidden()), "method": "ensemble:members=2"},
        "begin with the same weights",
        "lambda task",
    ),
    "rows beside it": (
        lambda: {"model": nn.Sequential(nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, 10))},
        "depends on the rows beside it",
        "running statistics",
    ),
    "exits": (lambda: {"model": lambda task: sys.exit(3)}, "SystemExit: 3", "num_classes"),
    "no copy": (lambda: {"model": uncopied()}, "cannot be copied", "anew each time"),
    "no copy, one each time": (lambda: {"model": always(uncopied())}, "cannot be copied", "anew each time"),
    "no dropout": (lambda: {"model": nn.Linear(64, 10), "method": "mc-dropout"}, "no dropout", "dropout"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_before_anything_is_written(mistake, data, tmp_path):
    make, message, hint = MISTAKES[mistake]
    asked = {"method": "ce", "dataset": data, **make()}
    with pytest.raises(InputError, match=message) as raised:
        run(**asked, results=tmp_path / "r")
    assert hint in raised.value.hint
    assert not (tmp_path / "r").exists()
