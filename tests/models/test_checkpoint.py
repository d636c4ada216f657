"""`checkpoint=FILE`: every format and wrapping gives the same network; anything else is refused."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from calibench import InputError
from calibench.models.checkpoint import load_checkpoint
from calibench.models.network import Network, Task
from calibench.models.networks.resnet import resnet
from calibench.models.networks.vit import vit
from calibench.seeds import seeded
from calibench.training.prediction import predict

pytestmark = pytest.mark.usefixtures("one_thread")

X = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
State = dict[str, torch.Tensor]


def fresh(seed: int, classes: int = 4, standardize: bool = False) -> Network:
    with seeded(seed):
        return resnet(Task((3, 8, 8), classes, X), 20, "batch", standardize, None, None)


@pytest.fixture(scope="module")
def trained() -> Network:
    """A network whose weights and statistics differ from those of any fresh one."""
    network = fresh(1)
    with torch.no_grad(), seeded(2):
        for tensor in network.state_dict().values():
            tensor.add_(torch.rand(tensor.shape)) if tensor.is_floating_point() else tensor.fill_(7)
    return network


@pytest.fixture(scope="module")
def state(trained: Network) -> State:
    return {name: tensor.clone() for name, tensor in trained.state_dict().items()}


def load(file: Path, network: Network | None = None, **params: str) -> Network:
    network = fresh(3) if network is None else network
    assert len(load_checkpoint(network, "resnet", {"checkpoint": str(file), **params})) == 64
    return network


def foreign_names(state: State, head: str = "fc", prefix: str = "") -> State:
    """The state under the names that other libraries use: no `body.`, a head called `head`, everything under `prefix`."""
    short = {name.removeprefix("body.").replace("head.", f"{head}."): t for name, t in state.items()}
    return {prefix + name: tensor for name, tensor in short.items()}


def save_npz(state: State, file: Path) -> None:
    with file.open("wb") as stream:  # numpy would add a suffix to a path
        np.savez(stream, **{name: tensor.numpy() for name, tensor in state.items()})


def save_legacy(content: Any, file: Path) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=False)


def as_parameters(state: State) -> dict[str, nn.Parameter | torch.Tensor]:
    return {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in state.items()}


def in_double_precision(state: State) -> State:
    return {k: t.double() if t.is_floating_point() else t for k, t in state.items()}


FORMATS: dict[str, Callable[[State, Path], None]] = {
    "safetensors": save_file,
    "torch": torch.save,
    "torch parameters": lambda state, file: torch.save(as_parameters(state), file),
    "torch legacy": lambda state, file: save_legacy({"state_dict": state, "best": 91.2, "epoch": 3}, file),
    "npz": save_npz,
    "torchvision": lambda state, file: torch.save(foreign_names(state), file),
    "data parallel": lambda state, file: save_legacy({"state_dict": foreign_names(state, "linear", "module.")}, file),
    "lightning": lambda state, file: torch.save(
        {"epoch": 3, "state_dict": foreign_names(state, "classifier", "model."), "hyper_parameters": {"lr": 0.1}}, file
    ),
    "compiled in lightning": lambda state, file: torch.save(
        {"state_dict": foreign_names(state, "head", "net._orig_mod."), "optimizer_states": [{"step": 1}]}, file
    ),
    "model key": lambda state, file: torch.save({"model": state, "args": {"lr": 0.1}}, file),
    "without counters": lambda state, file: save_file({k: t for k, t in state.items() if "num_batches" not in k}, file),
    "double precision": lambda state, file: save_npz(in_double_precision(state), file),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("suffix", [".bin", ".npz"])  # the content tells the format
def test_every_format_and_wrapping_gives_the_same_network(
    kind: str, suffix: str, trained: Network, state: State, tmp_path: Path
) -> None:
    file = tmp_path / f"w{suffix}"
    FORMATS[kind](state, file)
    network = load(file)
    assert network.pretrained
    x = torch.from_numpy(X)
    assert torch.equal(predict(network, x), predict(trained, x))
    assert not torch.equal(predict(fresh(3), x), predict(trained, x))


def test_half_precision_keeps_its_values(state: State, tmp_path: Path) -> None:
    save_file({k: t.bfloat16() if t.is_floating_point() else t for k, t in state.items()}, tmp_path / "w")
    network = load(tmp_path / "w")
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor, state[name].bfloat16().to(tensor.dtype) if "num_b" not in name else state[name])


def test_a_part_of_a_file_and_other_names(trained: Network, state: State, tmp_path: Path) -> None:
    renamed = {name.replace("conv", "c").replace("layer", "stage"): t for name, t in foreign_names(state).items()}
    two_networks = {f"student/{name}": t for name, t in renamed.items()} | {"teacher/w": torch.zeros(3)}
    save_file(two_networks, tmp_path / "w")
    network = load(tmp_path / "w", checkpoint_part="student/", checkpoint_rename="stage=layer;c1=conv1;c2=conv2")
    assert torch.equal(predict(network, torch.from_numpy(X)), predict(trained, torch.from_numpy(X)))


def test_timms_names_of_a_vision_transformer_are_ours(tmp_path: Path) -> None:
    def built(seed: int) -> Network:
        with seeded(seed):
            return vit(Task((3, 8, 8), 4, X), 4, 8, 1, 2, 8, 0.0, False, None, None)

    network, other_seed = built(0), built(1)
    timm_state = foreign_names(network.state_dict(), "head")
    expected = {"cls_token", "pos_embed", "norm.weight", "norm.bias", "head.weight", "head.bias"}
    expected |= {f"patch_embed.proj.{end}" for end in ("weight", "bias")}
    inside = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    expected |= {f"blocks.0.{layer}.{end}" for layer in inside for end in ("weight", "bias")}
    assert set(timm_state) == expected
    save_file(timm_state, tmp_path / "w")
    load_checkpoint(other_seed, "vit", {"checkpoint": str(tmp_path / "w")})
    assert torch.equal(predict(network, torch.from_numpy(X)), predict(other_seed, torch.from_numpy(X)))


# --- tensors that do not fit ----------------------------------------------------------------------------------------------


def without(state: State, *names: str) -> State:
    return {name: tensor for name, tensor in state.items() if name not in names}


MISFITS: dict[str, tuple[Callable[[State], State], str, str]] = {
    "missing": (
        lambda s: without(s, "body.conv1.weight", "body.bn1.bias"),
        "2 of 116 tensors are missing: body.conv1.weight, body.bn1.bias",
        "less than this network",
    ),
    "many missing": (lambda s: {"head.bias": s["head.bias"]}, "body.bn1.bias and 93 more", "norm=folded"),
    "fewer blocks": (
        lambda s: {name: t for name, t in s.items() if "layer3.2" not in name},
        "10 of 116 tensors are missing: body.layer3.2.conv1.weight",
        "depth, width and norm",
    ),
    "extra": (
        lambda s: {**s, "loss.w": torch.ones(1)},
        "1 of 117 tensors have no place in it: loss.w",
        "more than",
    ),
    "misspelt": (
        lambda s: {**without(s, "body.conv1.weight"), "body.conv_1.weight": s["body.conv1.weight"]},
        "missing: body.conv1.weight; 1 of 116 tensors have no place in it: body.conv_1.weight",
        "'body.conv_1.weight' was read as 'body.conv_1.weight', did you mean 'body.conv1.weight'?",
    ),
    "classes": (
        lambda s: {**s, "head.weight": torch.ones(9, 64), "head.bias": torch.ones(9)},
        "2 of 116 tensors have another shape: head.weight is [9, 64], not [4, 64], head.bias is [9], not [4]",
        "number of classes",
    ),
    "integers": (lambda s: {**s, "head.bias": torch.ones(4, dtype=torch.int8)}, "head.bias is int8", "check"),
    "NaN": (lambda s: {**s, "head.bias": torch.full((4,), torch.nan)}, "head.bias holds NaN or infinity", "sound"),
    "two heads": (lambda s: {**s, "fc.bias": torch.ones(4)}, "'head.bias' both become 'head.bias'", "rename"),
    "one flat name": (lambda s: {"w": s["head.bias"]}, "have no place in it: w", "checkpoint_rename"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_misfits_are_named_and_change_nothing(misfit: str, state: State, tmp_path: Path) -> None:
    change, message, hint = MISFITS[misfit]
    save_file(change(state), tmp_path / "w")
    network = fresh(3)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load(tmp_path / "w", network)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 1200
    assert not network.pretrained
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), fresh(3).state_dict().values(), strict=True)
    )


def test_a_file_without_scaling_of_inputs_is_refused(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "w")
    with pytest.raises(InputError, match=r"missing: body\.scaling\.mean, body\.scaling\.scale") as caught:
        load(tmp_path / "w", fresh(0, standardize=True))
    assert "standardize=false, or mean=...,std=..." in caught.value.hint


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"checkpoint_part": "resnet20/"}, "no name begins with checkpoint_part=resnet20/"),
        ({"checkpoint_rename": "stem=conv1"}, "no name holds 'stem'"),
        ({"checkpoint_rename": "conv1"}, "'conv1' is not old=new"),
        ({"checkpoint_rename": "=conv1"}, "'=conv1' is not old=new"),
        ({"checkpoint_rename": "bn1=bn2"}, "both become"),
    ],
)
def test_parts_and_renames_that_do_nothing_are_refused(
    params: dict[str, str], message: str, state: State, tmp_path: Path
) -> None:
    save_file(state, tmp_path / "w")
    with pytest.raises(InputError, match=re.escape(message)):
        load(tmp_path / "w", **params)


# --- hostile and damaged files --------------------------------------------------------------------------------------


class CreatesFolder:
    """Unpickling it creates a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "npz", "inside"])
def test_a_pickle_that_could_run_code_is_refused_unrun(kind: str, state: State, tmp_path: Path) -> None:
    hostile, file = CreatesFolder(tmp_path / "created"), tmp_path / "w.npz" if kind == "npz" else tmp_path / "w.pt"
    if kind == "pickle":
        file.write_bytes(pickle.dumps({"state_dict": hostile}, protocol=2))
    elif kind == "npz":
        np.savez(file, allow_pickle=True, w=np.array([hostile], dtype=object))
    elif kind == "legacy":
        save_legacy(hostile, file)
    else:
        torch.save({**state, "x": hostile} if kind == "inside" else hostile, file)
    with pytest.raises(InputError, match="could run code"):
        load(file)
    assert not (tmp_path / "created").exists()


@pytest.mark.parametrize("whole", [True, False])
def test_a_whole_module_and_a_tensor_are_no_state_dict(whole: bool, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2) if whole else torch.ones(2), tmp_path / "w")
    with pytest.raises(InputError, match="nn.modules.linear.Linear" if whole else "it holds a Tensor") as caught:
        load(tmp_path / "w")
    assert "torch.save(model.state_dict(), file)" in caught.value.hint


def test_a_state_dict_holds_tensors_alone(tmp_path: Path) -> None:
    for content, message in (
        ({"epoch": 3}, "'epoch' is a int"),
        ({}, "no tensor"),
        ({3: torch.ones(1)}, "under a name"),
    ):
        torch.save(content, tmp_path / "w")
        with pytest.raises(InputError, match=message):
            load(tmp_path / "w")


DAMAGED = [(k, d) for k in ("safetensors", "torch", "torch legacy", "npz") for d in ("half", "tail", "empty", "head")]


@pytest.mark.parametrize(
    ("kind", "damage"), [*DAMAGED, ("torch", "flipped"), ("npz", "flipped")]
)  # zips have checksums
def test_damaged_files_are_refused(kind: str, damage: str, state: State, tmp_path: Path) -> None:
    file = tmp_path / ("w.npz" if kind == "npz" else "w")
    FORMATS[kind](state, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    end = {"half": len(content) // 2, "tail": len(content) - 9, "flipped": None, "empty": 0, "head": 30}[damage]
    file.write_bytes(bytes(content[:end]))
    with pytest.raises(InputError):
        load(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(InputError, match=r"no file|not a file"):
            load(file)
