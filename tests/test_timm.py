"""`timm`: the library's networks as body and head, what they begin with, how inputs are scaled, and what is refused."""

from __future__ import annotations

import copy
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.models.network import Network, Task
from calibench.models.networks.timm import timm
from calibench.models.vision_import import torchvision_operators
from calibench.records.store import read_predictions

torchvision_operators()
library = pytest.importorskip("timm", reason="timm is not installed")
pytestmark = pytest.mark.usefixtures("one_thread", "offline")


@pytest.fixture
def offline(monkeypatch, tmp_path: Path):
    """Whatever would reach for the network fails at once; the usual caches are empty folders."""

    def refuse(*args: Any) -> None:
        raise AssertionError(f"it reached for the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))


def task(channels: int = 3, side: int = 32, classes: int = 4, high: float = 255) -> Task:
    x = np.random.default_rng(0).uniform(0, high, (6, channels, side, side)).astype(np.float32)
    return Task(x.shape[1:], classes, x)


def build(name: str, of: Task | None = None, **asked: Any) -> Network:
    usual = {"pretrained": "false", "img_size": None, "patch_size": None, "dropout": 0.0, "scale": "timm"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm(of or task(), name, **(usual | {"mean": None, "std": None} | asked))


def x_of(of: Task) -> torch.Tensor:
    return torch.from_numpy(of.train_x)


@pytest.mark.parametrize(
    ("name", "asked", "feature_size"),
    [
        ("test_resnet", {}, 96),
        ("test_vit", {"patch_size": 4}, 64),
        ("test_convnext", {}, 64),
        ("resnet18", {}, 512),
        ("vit_tiny_patch16_224", {"patch_size": 4}, 192),
        ("mobilenetv3_small_050", {}, 1024),
    ],
)
def test_logits_are_the_library_s_own(name: str, asked: dict[str, Any], feature_size: int) -> None:
    of = task()
    network = build(name, of, **asked).eval()
    assert network.feature_size == feature_size
    sizes = {"img_size": (32, 32)} if "vit" in name else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = library.create_model(name, num_classes=4, **sizes, **asked).eval()
    held = {k.removeprefix("body."): v for k, v in network.state_dict().items() if k.startswith("body.")}
    mean, std = (torch.tensor(theirs.default_cfg[key])[:, None, None] * 255 for key in ("mean", "std"))
    theirs.load_state_dict(held, strict=False)
    classifier = theirs.get_classifier()
    classifier.load_state_dict(network.head.state_dict())
    with torch.no_grad():
        want = theirs((x_of(of) - mean) / std)
        torch.testing.assert_close(network(x_of(of)), want, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network.head(network.body(x_of(of))), want, rtol=1e-4, atol=1e-5)
    assert network.origin == f"timm {library.__version__}"


def test_equal_seeds_make_equal_networks_and_copies_work() -> None:
    one, other = build("test_resnet"), build("test_resnet")
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    x = x_of(task())
    torch.testing.assert_close(copy.deepcopy(one).eval()(x), one.eval()(x))


def test_inputs_are_scaled_by_their_range_or_as_asked() -> None:
    byte, unit = task(), task(high=1.0)
    network, small = build("test_resnet", byte).eval(), build("test_resnet", unit).eval()
    torch.testing.assert_close(network(x_of(byte)), small(x_of(byte) / 255), rtol=1e-3, atol=1e-4)
    fixed = build("test_resnet", byte, mean=(10.0, 20.0, 30.0), std=(2.0, 2.0, 2.0))
    prepared = fixed.body.get_submodule("prepared")
    torch.testing.assert_close(prepared(x_of(byte))[:, 1], (x_of(byte)[:, 1] - 20) / 2)
    torch.testing.assert_close(
        build("test_resnet", byte, scale="none").body.get_submodule("prepared")(x_of(byte)), x_of(byte)
    )
    own = build("test_resnet", byte, scale="train").body.get_submodule("prepared")(x_of(byte))
    torch.testing.assert_close(own.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    grey = task(channels=1)
    cfg = library.get_pretrained_cfg("test_resnet")
    want = (x_of(grey) - 255 * sum(cfg.mean) / 3) / (255 * sum(cfg.std) / 3)
    torch.testing.assert_close(
        build("test_resnet", grey).body.get_submodule("prepared")(x_of(grey)), want, rtol=1e-4, atol=1e-4
    )


def test_img_size_resizes() -> None:
    network = build("test_vit", task(side=28), img_size=48, patch_size=16)
    assert network.body.get_submodule("prepared")(x_of(task(side=28))).shape == (6, 3, 48, 48)
    assert network(x_of(task(side=28))).shape == (6, 4)


def test_dropout_acts_in_training_alone_and_as_a_module(cli) -> None:
    network, x = build("test_resnet", dropout=0.5), x_of(task())
    plain, dropped = build("test_resnet").train().body(x), network.train().body(x)
    assert (dropped[plain != 0] == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * plain[kept])
    network = build("test_resnet", dropout=0.5).eval()
    torch.testing.assert_close(network(x), build("test_resnet").eval()(x))
    ran = cli(
        "run",
        "-m",
        "ce+mc-dropout",
        "--model",
        "timm:name=test_resnet,img_size=16,dropout=0.2",
        "--epochs",
        1,
        "--threads",
        1,
    )
    assert ran.code == 0, ran.err


def weights(name: str, classes: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return {k: v.contiguous() for k, v in library.create_model(name, num_classes=classes).state_dict().items()}


@pytest.mark.parametrize("classes", [1000, 4])
def test_weights_of_a_file_and_its_last_layer_where_it_fits(classes: int, tmp_path: Path) -> None:
    held = weights("test_resnet", classes)
    save_file(held, tmp_path / "w.safetensors")
    torch.save({"state_dict": held}, tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        network = build("test_resnet", pretrained=str(tmp_path / file))
        state = network.state_dict()
        for name, tensor in held.items():
            if not name.startswith("fc."):
                assert torch.equal(state[f"body.{name}"], tensor), name
        for name in ("weight", "bias"):
            assert torch.equal(state[f"head.{name}"], held[f"fc.{name}"]) is (classes == 4)
        assert f"begun from {file}, SHA-256" in network.origin
        assert ("with its last layer" in network.origin) is (classes == 4)
        assert not network.pretrained, "stage 1 goes on from it"


def test_weights_in_the_cache_and_none(tmp_path: Path) -> None:
    held = weights("test_resnet", 1000)
    with pytest.raises(InputError, match="its weights are not in the cache") as raised:
        build("test_resnet", pretrained="true")
    cfg = library.get_pretrained_cfg("test_resnet")
    assert f"hf download {cfg.hf_hub_id} model.safetensors" in raised.value.hint
    repo = tmp_path / "hub" / f"models--{cfg.hf_hub_id.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    save_file(held, snapshot / "model.safetensors")
    network = build("test_resnet", pretrained="true")
    name = next(name for name in held if name.endswith("conv1.weight"))
    assert torch.equal(network.state_dict()[f"body.{name}"], held[name])


@pytest.mark.parametrize(
    ("name", "asked", "says", "hint"),
    [
        ("resnet1O8", {}, "has no network 'resnet1O8'", "did you mean resnet18"),
        ("resnet18.a9_in1k", {}, "no weights tagged 'a9_in1k'", "a1_in1k"),
        ("hf_hub:people/net", {}, "has no network", ""),
        ("qqqqqq", {}, "has no network", "list_models"),
        ("test_resnet", {"patch_size": 4}, "patch_size=4 would do nothing", "leave it out"),
        ("test_vit", {"patch_size": 64}, "timm", ""),
        ("inception_v3", {}, "does not take images of 3 x 32 x 32", "img_size"),
        ("deit_tiny_distilled_patch16_224", {}, "does not end in one linear layer", ""),
        ("test_resnet", {"mean": (1.0, 1.0, 1.0)}, "one of mean, std is missing", ""),
        ("test_resnet", {"pretrained": "nowhere.pt"}, "there is no file 'nowhere.pt'", ""),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, asked: dict[str, Any], says: str, hint: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        build(name, **asked)
    assert hint in raised.value.hint


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    held = weights("test_resnet", 1000)
    first = next(iter(held))
    for change, says in (
        ({k: v for k, v in held.items() if k != first}, f"1 tensors are missing: {first}"),
        (held | {"more": torch.zeros(2)}, "1 tensors have no place in it: more"),
        ({f"model.{k}": v for k, v in held.items()}, "tensors are missing"),
        (held | {first: torch.zeros(2, 2)}, "cannot build"),
    ):
        save_file(change, tmp_path / "w.safetensors")
        with pytest.raises(InputError, match=says):
            build("test_resnet", pretrained=str(tmp_path / "w.safetensors"))


def test_data_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="needs images"):
        build("test_resnet", Task((5,), 3, np.zeros((4, 5), np.float32)))
    with pytest.raises(InputError, match=r"neither 0\.\.1 nor 0\.\.255") as raised:
        build("test_resnet", task(high=3000.0))
    assert "scale=train" in raised.value.hint
    with pytest.raises(InputError, match="not for images of 2 channels"):
        build("test_resnet", task(channels=2))


def test_without_the_library_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="needs the library") as raised:
        build("test_resnet")
    assert 'pip install "calibench[vision]"' in raised.value.hint


def test_a_run_and_its_record(cli, tmp_path: Path) -> None:
    save_file(weights("test_resnet", 1000), tmp_path / "w.safetensors")
    ask = ("run", "-m", "tst:epochs=1", "--epochs", 1, "--json", "--threads", 1, "--model")
    ran = cli(*ask, "timm:name=test_resnet,img_size=32,pretrained=w.safetensors")
    assert ran.code == 0, ran.err
    stage = ran.document["fitted"][0]
    assert stage["trained"] is True
    assert stage["network"].startswith(f"timm {library.__version__}; begun from w.safetensors, SHA-256 ")
    again = cli(*ask, "timm:name=test_resnet,img_size=32,pretrained=w.safetensors")
    assert "there already" in again.err
    held = weights("test_resnet", 1000)
    held["fc.bias"] += 1
    save_file(held, tmp_path / "w.safetensors")
    other = cli(*ask, "timm:name=test_resnet,img_size=32,pretrained=w.safetensors")
    assert "there already" not in other.err, "other weights, another run"


def test_a_trained_network_of_the_library_as_checkpoint(tmp_path: Path) -> None:
    """Its names need no renaming, and stage 1 is skipped."""
    theirs = library.create_model("test_resnet", num_classes=10, in_chans=1).eval()
    save_file({k: v.contiguous() for k, v in theirs.state_dict().items()}, tmp_path / "w.safetensors")
    model = f"timm:name=test_resnet,img_size=32,scale=none,checkpoint={tmp_path / 'w.safetensors'}"
    record = run("ce", "digits", model, results=tmp_path / "results")
    assert record.fitted[0]["trained"] is False
    assert record.fitted[0]["network"] == f"timm {library.__version__}"
    stored = read_predictions(tmp_path / "results", record)
    with torch.no_grad():
        x = load_data(resolve("ce")).test.x[:20]
        resized = torch.nn.functional.interpolate(torch.from_numpy(x), (32, 32), mode="bicubic", antialias=True)
        np.testing.assert_allclose(stored["test.logits"][:20], theirs(resized), rtol=1e-3, atol=1e-4)
