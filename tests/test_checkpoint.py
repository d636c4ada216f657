"""`checkpoint=FILE`: every format and wrapping gives the same network, all else is refused."""

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
def given() -> Network:
    """A network with weights and statistics unlike any fresh one."""
    network = fresh(1)
    with torch.no_grad(), seeded(2):
        for tensor in network.state_dict().values():
            tensor.add_(torch.rand(tensor.shape)) if tensor.is_floating_point() else tensor.fill_(7)
    return network


@pytest.fixture(scope="module")
def state(given: Network) -> State:
    return {name: tensor.clone() for name, tensor in given.state_dict().items()}


def load(file: Path, network: Network | None = None, **more: str) -> Network:
    network = fresh(3) if network is None else network
    assert len(load_checkpoint(network, "resnet", {"checkpoint": str(file), **more})) == 64
    return network


def outside(state: State, head: str = "fc", prefix: str = "") -> State:
    """Under the names that the files of others have."""
    short = {name.removeprefix("body.").replace("head.", f"{head}."): t for name, t in state.items()}
    return {prefix + name: tensor for name, tensor in short.items()}


def save_npz(held: State, file: Path) -> None:
    with file.open("wb") as stream:  # a path would gain a suffix
        np.savez(stream, **{name: tensor.numpy() for name, tensor in held.items()})


def legacy(content: Any, file: Path) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=False)


def modules(held: State) -> dict[str, nn.Parameter | torch.Tensor]:
    return {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in held.items()}


def doubled(held: State) -> State:
    return {k: t.double() if t.is_floating_point() else t for k, t in held.items()}


WAYS: dict[str, Callable[[State, Path], None]] = {
    "safetensors": save_file,
    "torch": torch.save,
    "torch parameters": lambda held, file: torch.save(modules(held), file),
    "torch legacy": lambda held, file: legacy({"state_dict": held, "best": 91.2, "epoch": 3}, file),
    "npz": save_npz,
    "torchvision": lambda held, file: torch.save(outside(held), file),
    "data parallel": lambda held, file: legacy({"state_dict": outside(held, "linear", "module.")}, file),
    "lightning": lambda held, file: torch.save(
        {"epoch": 3, "state_dict": outside(held, "classifier", "model."), "hyper_parameters": {"lr": 0.1}}, file
    ),
    "compiled in lightning": lambda held, file: torch.save(
        {"state_dict": outside(held, "head", "net._orig_mod."), "optimizer_states": [{"step": 1}]}, file
    ),
    "model key": lambda held, file: torch.save({"model": held, "args": {"lr": 0.1}}, file),
    "without counters": lambda held, file: save_file({k: t for k, t in held.items() if "num_batches" not in k}, file),
    "double precision": lambda held, file: save_npz(doubled(held), file),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", [".bin", ".npz"])  # the content decides
def test_every_format_and_wrapping_gives_the_same_network(
    way: str, suffix: str, given: Network, state: State, tmp_path: Path
) -> None:
    file = tmp_path / f"w{suffix}"
    WAYS[way](state, file)
    network = load(file)
    assert network.pretrained
    x = torch.from_numpy(X)
    assert torch.equal(predict(network, x), predict(given, x))
    assert not torch.equal(predict(fresh(3), x), predict(given, x))


def test_half_precision_is_taken_at_its_value(state: State, tmp_path: Path) -> None:
    save_file({k: t.bfloat16() if t.is_floating_point() else t for k, t in state.items()}, tmp_path / "w")
    network = load(tmp_path / "w")
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor, state[name].bfloat16().to(tensor.dtype) if "num_b" not in name else state[name])


def test_a_part_of_a_file_and_other_names(given: Network, state: State, tmp_path: Path) -> None:
    renamed = {name.replace("conv", "c").replace("layer", "stage"): t for name, t in outside(state).items()}
    other = {f"student/{name}": t for name, t in renamed.items()} | {"teacher/w": torch.zeros(3)}
    save_file(other, tmp_path / "w")
    network = load(tmp_path / "w", checkpoint_part="student/", checkpoint_rename="stage=layer;c1=conv1;c2=conv2")
    assert torch.equal(predict(network, torch.from_numpy(X)), predict(given, torch.from_numpy(X)))


def test_timms_names_of_a_vision_transformer_are_ours(tmp_path: Path) -> None:
    def built(seed: int) -> Network:
        with seeded(seed):
            return vit(Task((3, 8, 8), 4, X), 4, 8, 1, 2, 8, 0.0, False, None, None)

    one, other = built(0), built(1)
    held = outside(one.state_dict(), "head")
    expected = {"cls_token", "pos_embed", "norm.weight", "norm.bias", "head.weight", "head.bias"}
    expected |= {f"patch_embed.proj.{end}" for end in ("weight", "bias")}
    inside = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    expected |= {f"blocks.0.{layer}.{end}" for layer in inside for end in ("weight", "bias")}
    assert set(held) == expected
    save_file(held, tmp_path / "w")
    load_checkpoint(other, "vit", {"checkpoint": str(tmp_path / "w")})
    assert torch.equal(predict(one, torch.from_numpy(X)), predict(other, torch.from_numpy(X)))


# --- what does not fit ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("what", MISFITS)
def test_misfits_are_told_and_change_nothing(what: str, state: State, tmp_path: Path) -> None:
    change, says, hint = MISFITS[what]
    save_file(change(state), tmp_path / "w")
    network = fresh(3)
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        load(tmp_path / "w", network)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 1200
    assert not network.pretrained
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), fresh(3).state_dict().values(), strict=True)
    )


def test_a_scaling_that_the_file_does_not_know_is_asked_for(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "w")
    with pytest.raises(InputError, match=r"missing: body\.scaling\.mean, body\.scaling\.scale") as caught:
        load(tmp_path / "w", fresh(0, standardize=True))
    assert "standardize=false, or mean=...,std=..." in caught.value.hint


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"checkpoint_part": "resnet20/"}, "no name begins with checkpoint_part=resnet20/"),
        ({"checkpoint_rename": "stem=conv1"}, "no name holds 'stem'"),
        ({"checkpoint_rename": "conv1"}, "'conv1' is not old=new"),
        ({"checkpoint_rename": "=conv1"}, "'=conv1' is not old=new"),
        ({"checkpoint_rename": "bn1=bn2"}, "both become"),
    ],
)
def test_parts_and_renames_that_do_nothing_are_refused(
    more: dict[str, str], says: str, state: State, tmp_path: Path
) -> None:
    save_file(state, tmp_path / "w")
    with pytest.raises(InputError, match=re.escape(says)):
        load(tmp_path / "w", **more)


# --- hostile and damaged files --------------------------------------------------------------------------------------


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "npz", "inside"])
def test_a_pickle_that_could_run_code_is_refused_unrun(kind: str, state: State, tmp_path: Path) -> None:
    evil, file = Evil(tmp_path / "pwned"), tmp_path / "w.npz" if kind == "npz" else tmp_path / "w.pt"
    if kind == "pickle":
        file.write_bytes(pickle.dumps({"state_dict": evil}, protocol=2))
    elif kind == "npz":
        np.savez(file, allow_pickle=True, w=np.array([evil], dtype=object))
    elif kind == "legacy":
        legacy(evil, file)
    else:
        torch.save({**state, "x": evil} if kind == "inside" else evil, file)
    with pytest.raises(InputError, match="could run code"):
        load(file)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("whole", [True, False])
def test_a_whole_module_and_a_tensor_are_no_state_dict(whole: bool, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2) if whole else torch.ones(2), tmp_path / "w")
    with pytest.raises(InputError, match="nn.modules.linear.Linear" if whole else "it holds a Tensor") as caught:
        load(tmp_path / "w")
    assert "torch.save(model.state_dict(), file)" in caught.value.hint


def test_a_state_dict_holds_tensors_alone(tmp_path: Path) -> None:
    for content, says in (({"epoch": 3}, "'epoch' is a int"), ({}, "no tensor"), ({3: torch.ones(1)}, "under a name")):
        torch.save(content, tmp_path / "w")
        with pytest.raises(InputError, match=says):
            load(tmp_path / "w")


DAMAGED = [(w, d) for w in ("safetensors", "torch", "torch legacy", "npz") for d in ("half", "tail", "empty", "head")]


@pytest.mark.parametrize(("way", "damage"), [*DAMAGED, ("torch", "flipped"), ("npz", "flipped")])  # zips have checksums
def test_damaged_files_are_refused(way: str, damage: str, state: State, tmp_path: Path) -> None:
    file = tmp_path / ("w.npz" if way == "npz" else "w")
    WAYS[way](state, file)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 255
    cut = {"half": len(whole) // 2, "tail": len(whole) - 9, "flipped": None, "empty": 0, "head": 30}[damage]
    file.write_bytes(bytes(whole[:cut]))
    with pytest.raises(InputError):
        load(file)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for file in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(InputError, match=r"no file|not a file"):
            load(file)
