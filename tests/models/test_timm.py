"""`timm`: the library's networks as body and head, their starting weights, the scaling of inputs, and refusals."""

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
from calibench.models.network import Network, Task
from calibench.models.networks.timm import timm
from calibench.models.vision_import import torchvision_operators
from calibench.records.store import read_predictions

torchvision_operators()
library = pytest.importorskip("timm", reason="timm is not installed")
pytestmark = pytest.mark.usefixtures("one_thread", "offline")


@pytest.fixture
def offline(monkeypatch, tmp_path: Path):
    """Any connection to the network fails at once; the usual caches are empty folders."""

    def refuse(*args: Any) -> None:
        raise AssertionError(f"a connection to the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))


def task(channels: int = 3, side: int = 32, classes: int = 4, high: float = 255) -> Task:
    x = np.random.default_rng(0).uniform(0, high, (6, channels, side, side)).astype(np.float32)
    return Task(x.shape[1:], classes, x)


def build(name: str, data: Task | None = None, **params: Any) -> Network:
    defaults = {"pretrained": "false", "img_size": None, "patch_size": None, "dropout": 0.0, "scale": "timm"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm(data or task(), name, **(defaults | {"mean": None, "std": None} | params))


def x_of(data: Task) -> torch.Tensor:
    return torch.from_numpy(data.train_x)


@pytest.fixture
def images(tmp_path: Path) -> str:
    """A small data set of images `[1, 8, 8]` of four classes, as the command line names it; a run on it is quick."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 48), ("val", 16), ("cal", 16), ("test", 24)):
        arrays |= {f"{split}_x": rng.uniform(0, 16, (n, 1, 8, 8)).astype(np.float32), f"{split}_y": np.arange(n) % 4}
    np.savez(tmp_path / "images.npz", **arrays)
    return "npz:path=images.npz"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "feature_size"),
    [
        ("test_resnet", {}, 96),
        ("test_vit", {"patch_size": 4}, 64),
        ("test_convnext", {}, 64),
        ("resnet18", {}, 512),
        ("vit_tiny_patch16_224", {"patch_size": 4}, 192),
        ("mobilenetv3_small_050", {}, 1024),
    ],
)
def test_logits_equal_those_of_the_library(name: str, params: dict[str, Any], feature_size: int) -> None:
    x = x_of(task())
    network = build(name, **params).eval()
    assert network.feature_size == feature_size
    sizes = {"img_size": (32, 32)} if "vit" in name else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = library.create_model(name, num_classes=4, **sizes, **params).eval()
    body = {k.removeprefix("body."): v for k, v in network.state_dict().items() if k.startswith("body.")}
    mean, std = (torch.tensor(theirs.default_cfg[key])[:, None, None] * 255 for key in ("mean", "std"))
    theirs.load_state_dict(body, strict=False)
    classifier = theirs.get_classifier()
    classifier.load_state_dict(network.head.state_dict())
    with torch.no_grad():
        expected = theirs((x - mean) / std)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network.head(network.body(x)), expected, rtol=1e-4, atol=1e-5)
    assert network.origin == f"timm {library.__version__}"


def test_equal_seeds_make_equal_networks_and_copies_work() -> None:
    network, again = build("test_resnet"), build("test_resnet")
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    x = x_of(task())
    torch.testing.assert_close(copy.deepcopy(network).eval()(x), network.eval()(x))


def prepared(data: Task, name: str = "test_resnet", **params: Any) -> torch.Tensor:
    """The data's rows as the library's network gets them."""
    return build(name, data, **params).body.get_submodule("prepared")(x_of(data))


def test_bytes_and_fractions_are_scaled_alike() -> None:
    of_bytes, of_fractions = build("test_resnet", task()).eval(), build("test_resnet", task(high=1.0)).eval()
    x = x_of(task())
    torch.testing.assert_close(of_bytes(x), of_fractions(x / 255), rtol=1e-3, atol=1e-4)


def test_inputs_are_scaled_as_the_parameters_say() -> None:
    x = x_of(task())
    fixed = prepared(task(), mean=(10.0, 20.0, 30.0), std=(2.0, 2.0, 2.0))
    torch.testing.assert_close(fixed[:, 1], (x[:, 1] - 20) / 2)
    torch.testing.assert_close(prepared(task(), scale="none"), x)
    standardized = prepared(task(), scale="train")
    torch.testing.assert_close(standardized.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    grey, config = task(channels=1), library.get_pretrained_cfg("test_resnet")
    expected = (x_of(grey) - 255 * sum(config.mean) / 3) / (255 * sum(config.std) / 3)
    torch.testing.assert_close(prepared(grey), expected, rtol=1e-4, atol=1e-4)


def test_img_size_resizes() -> None:
    data = task(side=28)
    assert prepared(data, "test_vit", img_size=48, patch_size=16).shape == (6, 3, 48, 48)
    assert build("test_vit", data, img_size=48, patch_size=16)(x_of(data)).shape == (6, 4)


@pytest.mark.slow
def test_dropout_acts_in_training_only_and_as_a_module(cli, images: str) -> None:
    network, x = build("test_resnet", dropout=0.5), x_of(task())
    plain, dropped = build("test_resnet").train().body(x), network.train().body(x)
    assert (dropped[plain != 0] == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * plain[kept])
    network = build("test_resnet", dropout=0.5).eval()
    torch.testing.assert_close(network(x), build("test_resnet").eval()(x))
    model = "timm:name=test_resnet,img_size=16,dropout=0.2"
    ran = cli("run", "-m", "ce+mc-dropout", "-d", images, "--model", model, "--epochs", 1, "--threads", 1)
    assert ran.code == 0, ran.err


def weights(name: str, classes: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return {k: v.contiguous() for k, v in library.create_model(name, num_classes=classes).state_dict().items()}


@pytest.mark.parametrize("classes", [1000, 4])
def test_weights_from_a_file_with_its_last_layer_if_the_classes_agree(classes: int, tmp_path: Path) -> None:
    in_file = weights("test_resnet", classes)
    save_file(in_file, tmp_path / "w.safetensors")
    torch.save({"state_dict": in_file}, tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        network = build("test_resnet", pretrained=str(tmp_path / file))
        state = network.state_dict()
        for name, tensor in in_file.items():
            if not name.startswith("fc."):
                assert torch.equal(state[f"body.{name}"], tensor), name
        for name in ("weight", "bias"):
            assert torch.equal(state[f"head.{name}"], in_file[f"fc.{name}"]) is (classes == 4)
        assert f"begun from {file}, SHA-256" in network.origin
        assert ("with its last layer" in network.origin) is (classes == 4)
        assert not network.pretrained, "stage 1 trains it on"


def test_weights_in_the_cache_are_found_and_missing_ones_refused(tmp_path: Path) -> None:
    in_file = weights("test_resnet", 1000)
    with pytest.raises(InputError, match="its weights are not in the cache") as raised:
        build("test_resnet", pretrained="true")
    hub = library.get_pretrained_cfg("test_resnet").hf_hub_id
    assert f"hf download {hub} model.safetensors" in raised.value.hint
    repo = tmp_path / "hub" / f"models--{hub.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    save_file(in_file, snapshot / "model.safetensors")
    network = build("test_resnet", pretrained="true")
    name = next(name for name in in_file if name.endswith("conv1.weight"))
    assert torch.equal(network.state_dict()[f"body.{name}"], in_file[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params", "message", "hint"),
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
def test_networks_that_cannot_be_built_are_refused(name: str, params: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        build(name, **params)
    assert hint in raised.value.hint


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sound = weights("test_resnet", 1000)
    first = next(iter(sound))
    for tensors, message in (
        ({k: v for k, v in sound.items() if k != first}, f"1 tensors are missing: {first}"),
        (sound | {"more": torch.zeros(2)}, "1 tensors have no place in it: more"),
        ({f"model.{k}": v for k, v in sound.items()}, "tensors are missing"),
        (sound | {first: torch.zeros(2, 2)}, "cannot build"),
    ):
        save_file(tensors, tmp_path / "w.safetensors")
        with pytest.raises(InputError, match=message):
            build("test_resnet", pretrained=str(tmp_path / "w.safetensors"))


def test_data_that_are_no_images_of_a_known_scale_are_refused() -> None:
    with pytest.raises(InputError, match="needs images"):
        build("test_resnet", Task((5,), 3, np.zeros((4, 5), np.float32)))
    with pytest.raises(InputError, match=r"neither 0\.\.1 nor 0\.\.255") as raised:
        build("test_resnet", task(high=3000.0))
    assert "scale=train" in raised.value.hint
    with pytest.raises(InputError, match="not for images of 2 channels"):
        build("test_resnet", task(channels=2))


def test_without_the_library_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="needs the library") as raised:
        build("test_resnet")
    assert 'pip install "calibench[vision]"' in raised.value.hint


@pytest.mark.slow
def test_the_record_names_the_weights_and_other_weights_are_another_run(cli, images: str, tmp_path: Path) -> None:
    in_file = weights("test_resnet", 1000)
    save_file(in_file, tmp_path / "w.safetensors")
    model = "timm:name=test_resnet,img_size=32,pretrained=w.safetensors"
    command = ("run", "-m", "tst:epochs=1", "-d", images, "--model", model, "--epochs", 1, "--json", "--threads", 1)
    ran = cli(*command)
    assert ran.code == 0, ran.err
    stage = ran.document["fitted"][0]
    assert stage["trained"] is True
    assert stage["network"].startswith(f"timm {library.__version__}; begun from w.safetensors, SHA-256 ")
    assert "there already" in cli(*command).err
    in_file["fc.bias"] += 1
    save_file(in_file, tmp_path / "w.safetensors")
    assert "there already" not in cli(*command).err, "other weights, another run"


def test_a_trained_network_of_the_library_is_a_checkpoint(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights need no renaming, and stage 1 is skipped."""
    theirs = library.create_model("test_resnet", num_classes=4, in_chans=1).eval()
    save_file({k: v.contiguous() for k, v in theirs.state_dict().items()}, tmp_path / "w.safetensors")
    monkeypatch.chdir(tmp_path)
    model = "timm:name=test_resnet,img_size=32,scale=none,checkpoint=w.safetensors"
    record = run("ce", images, model, results=tmp_path / "results")
    assert record.fitted[0]["trained"] is False
    assert record.fitted[0]["network"] == f"timm {library.__version__}"
    stored = read_predictions(tmp_path / "results", record)
    with torch.no_grad():
        x = torch.from_numpy(np.load("images.npz")["test_x"])
        resized = torch.nn.functional.interpolate(x, (32, 32), mode="bicubic", antialias=True)
        np.testing.assert_allclose(stored["test.logits"], theirs(resized), rtol=1e-3, atol=1e-4)
