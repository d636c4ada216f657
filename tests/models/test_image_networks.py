"""ResNet, WRN and ViT: the sizes and block orders of the papers, one step of training, scaling, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from calibench import InputError, run
from calibench.config.grammar import bind, parse_piece
from calibench.models.network import Network, Task
from calibench.plugins.discovery import registry
from calibench.seeds import seeded

pytestmark = pytest.mark.usefixtures("one_thread")


def task(shape: tuple[int, ...] = (3, 32, 32), classes: int = 10, n: int = 4) -> Task:
    x = np.random.default_rng(0).integers(0, 256, size=(n, *shape)).astype(np.float32)
    return Task(shape, classes, x)


def built(text: str, data: Task | None = None) -> Network:
    """The network that a user calls `text`."""
    piece = parse_piece(text)
    bound = bind(registry().get("model", piece.name).spec, piece.values)
    network = bound.spec.load()(data or task(), **bound.own())
    assert isinstance(network, Network)
    return network


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# --- sizes, from the papers' tables and computed here --------------------------------------------------------------


def cifar_resnet(n: int) -> int:
    """Section 4.2: 3x3 convolutions without bias, two numbers of batch norm a channel, no weights in the shortcuts."""
    total, channels = 27 * 16 + 2 * 16, 16
    for width in (16, 32, 64):
        for _ in range(n):
            total += 9 * channels * width + 9 * width * width + 4 * width
            channels = width
    return total + 64 * 10 + 10


def wide_resnet(n: int, k: int) -> int:
    """Table 1: batch norm of each convolution's input; one 1x1 convolution a stage; a last batch norm."""
    total, channels = 27 * 16, 16
    for width in (16 * k, 32 * k, 64 * k):
        total += channels * width  # k = 1, which is not tested here, has no such convolution in the first stage
        for _ in range(n):
            total += 2 * channels + 9 * channels * width + 2 * width + 9 * width * width
            channels = width
    return total + 2 * channels + channels * 10 + 10


def transformer(dim: int, depth: int, hidden: int, patches: int, patch_size: int) -> int:
    block = 2 * 2 * dim + (dim + 1) * 3 * dim + (dim + 1) * dim + (dim + 1) * hidden + (hidden + 1) * dim
    return (patch_size + 1) * dim + dim + (patches + 1) * dim + depth * block + 2 * dim + (dim + 1) * 10


SIZES = {
    "resnet": (269_722, 0.27),
    "resnet:depth=32": (cifar_resnet(5), 0.46),
    "resnet:depth=44": (cifar_resnet(7), 0.66),
    "resnet:depth=56": (cifar_resnet(9), 0.85),
    "resnet:depth=110": (cifar_resnet(18), 1.73),
    "resnet:depth=18": (11_173_962, 11.17),
    "resnet:depth=34": (21_282_122, 21.28),
    "wrn": (36_479_194, 36.48),
    "wrn:depth=16,width=4": (2_748_890, 2.75),
    "vit": (transformer(192, 12, 768, 64, 48), 5.36),
    "vit:patch=8,dim=32,depth=2,heads=4,mlp=50": (transformer(32, 2, 50, 16, 192), 0.02),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", SIZES)
def test_parameter_counts(text: str) -> None:
    exact, millions = SIZES[text]
    count = size(built(text))
    assert count == exact
    assert round(count / 1e6, 2) == millions


def test_the_formulas_give_the_published_sizes() -> None:
    assert cifar_resnet(3) == 269_722
    assert wide_resnet(4, 10) == 36_479_194
    assert wide_resnet(2, 4) == 2_748_890


def test_the_head_has_one_output_a_class() -> None:
    network = built("resnet", task(classes=100))
    assert size(network) == 269_722 + 90 * 65
    assert network.head.out_features == 100


# --- blocks: which layers run, in what order, and their formulas ----------------------------------------------------


def order(network: nn.Module, module: nn.Module, x: torch.Tensor) -> list[str]:
    """Names of the leaves of `module` in the order in which they run."""
    names: list[str] = []
    handles = [
        leaf.register_forward_hook(lambda *_, name=name: names.append(name))
        for name, leaf in module.named_modules()
        if not list(leaf.children()) and name
    ]
    network.eval()
    network(x)
    for handle in handles:
        handle.remove()
    return names


def test_wrn_runs_in_the_order_of_the_paper() -> None:
    network, x = built("wrn:depth=16,width=2"), torch.zeros(1, 3, 32, 32)
    first, second = network.body.layer1
    assert order(network, first, x) == ["bn1", "shortcut", "conv1", "bn2", "dropout", "conv2"]
    assert order(network, second, x) == ["bn1", "conv1", "bn2", "dropout", "conv2"]
    whole = order(network, network.body, x)
    assert whole[:3] == ["image", "scaling", "conv1"]
    assert whole[-1] == "bn"
    assert [len(getattr(network.body, f"layer{i}")) for i in (1, 2, 3)] == [2, 2, 2]
    strides = [getattr(network.body, f"layer{i}")[0].conv1.stride for i in (1, 2, 3)]
    assert strides == [(1, 1), (2, 2), (2, 2)]


def normed(bn: Any, x: torch.Tensor) -> torch.Tensor:
    mean, var = bn.running_mean[:, None, None], bn.running_var[:, None, None]
    return (x - mean) / (var + 1e-5).sqrt() * bn.weight[:, None, None] + bn.bias[:, None, None]


def perturbed(network: Network) -> Network:
    """The network with random changes to weights, norms and statistics, in eval mode and float64."""
    with torch.no_grad(), seeded(1):
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return network.double().eval()


def test_a_wide_block_computes_its_formula() -> None:
    network = perturbed(built("wrn:depth=10,width=2,dropout=0.5"))
    x = torch.randn(2, 32, 8, 8, dtype=torch.float64)
    block: Any = network.body.layer2[0]
    active = normed(block.bn1, x).relu()
    inner = normed(block.bn2, functional.conv2d(active, block.conv1.weight, stride=2, padding=1)).relu()
    expected = functional.conv2d(inner, block.conv2.weight, padding=1)
    expected = expected + functional.conv2d(active, block.shortcut.weight, stride=2)
    torch.testing.assert_close(block(x), expected)


def test_a_cifar_block_computes_its_formula_with_option_a() -> None:
    network = perturbed(built("resnet"))
    x = torch.randn(2, 16, 7, 9, dtype=torch.float64)
    block: Any = network.body.layer2[0]
    inner = normed(block.bn1, functional.conv2d(x, block.conv1.weight, stride=2, padding=1)).relu()
    expected = normed(block.bn2, functional.conv2d(inner, block.conv2.weight, padding=1))
    expected[:, 8:24] += x[:, :, ::2, ::2]  # 16 channels in the middle of 32, zeros beside them
    torch.testing.assert_close(block(x), expected.relu())
    assert order(network, block, torch.zeros(1, 3, 32, 32).double()) == ["conv1", "bn1", "conv2", "bn2"]


def test_an_imagenet_block_computes_its_formula_with_option_b() -> None:
    block: Any = perturbed(built("resnet:depth=18")).body.layer2[0]
    x = torch.randn(2, 64, 6, 6, dtype=torch.float64)
    inner = normed(block.bn1, functional.conv2d(x, block.conv1.weight, stride=2, padding=1)).relu()
    expected = normed(block.bn2, functional.conv2d(inner, block.conv2.weight, padding=1))
    expected = expected + normed(block.downsample[1], functional.conv2d(x, block.downsample[0].weight, stride=2))
    torch.testing.assert_close(block(x), expected.relu())


def test_folding_batch_norm_into_the_convolutions_changes_no_logit() -> None:
    network, folded = perturbed(built("resnet")), perturbed(built("resnet:norm=folded"))
    unfolded = network.state_dict()
    state = {k: v for k, v in unfolded.items() if k.startswith("head.") or "scaling" in k}
    for name in (k.removesuffix(".weight") for k in folded.state_dict() if "conv" in k and k.endswith("weight")):
        bn = name.replace("conv", "bn")
        gain = unfolded[f"{bn}.weight"] / (unfolded[f"{bn}.running_var"] + 1e-5).sqrt()
        state[f"{name}.weight"] = unfolded[f"{name}.weight"] * gain[:, None, None, None]
        state[f"{name}.bias"] = unfolded[f"{bn}.bias"] - unfolded[f"{bn}.running_mean"] * gain
    folded.load_state_dict(state)
    x = torch.from_numpy(task().train_x).double()
    torch.testing.assert_close(folded(x), network(x))


def test_a_transformer_equals_torchs_own_encoder() -> None:
    """The oracle for a block is torch.nn.TransformerEncoderLayer with norm_first; tokens and positions are computed here."""
    network = perturbed(built("vit:patch=8,dim=24,depth=2,heads=3,mlp=40,standardize=false"))
    x, body = torch.randn(2, 3, 32, 32, dtype=torch.float64), network.body
    rows = [x[:, :, 8 * i : 8 * i + 8, 8 * j : 8 * j + 8].flatten(1) for i in range(4) for j in range(4)]
    weight: Any = body.patch_embed.proj.weight
    tokens = torch.stack(rows, dim=1) @ weight.flatten(1).T + body.patch_embed.proj.bias
    tokens = torch.cat([body.cls_token.expand(2, 1, 24), tokens], dim=1) + body.pos_embed
    for block in body.blocks:
        layer = nn.TransformerEncoderLayer(24, 3, 40, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True).double()
        layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias = block.attn.qkv.weight, block.attn.qkv.bias
        layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias = block.attn.proj.weight, block.attn.proj.bias
        layer.linear1, layer.linear2, layer.norm1, layer.norm2 = block.mlp.fc1, block.mlp.fc2, block.norm1, block.norm2
        tokens = layer(tokens)
    expected = functional.layer_norm(tokens, (24,), body.norm.weight, body.norm.bias, 1e-6)[:, 0]
    torch.testing.assert_close(body(x), expected)


# --- one step of training -------------------------------------------------------------------------------------------

STEPS = [
    "resnet",
    "resnet:depth=110",
    "resnet:norm=folded",
    "resnet:depth=18",
    "resnet:depth=34",
    "wrn:depth=16,width=4",
    "vit",
]


@pytest.mark.slow
@pytest.mark.parametrize("text", STEPS)
def test_one_training_step_reaches_every_weight(text: str) -> None:
    x = torch.from_numpy(task(n=2).train_x)
    with seeded(0):
        network = built(text, task(n=2)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    before = [p.detach().clone() for p in network.parameters()]
    loss = functional.cross_entropy(network(x), torch.tensor([0, 7]))
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    assert network.body(x).shape == (2, network.feature_size)
    moved = [not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True)]
    assert all(moved)


@pytest.mark.slow
def test_a_run_names_the_network_as_the_user_did() -> None:
    for text in ("resnet", "wrn:depth=10,width=1,dropout=0.2", "vit:dim=16,depth=1,heads=2,mlp=16"):
        record = run("mc-dropout:samples=2" if "wrn" in text else "ce", "digits", text, epochs=1, results=None)
        assert record.metrics["accuracy"] > 0.1
        assert record.model == text


# --- scaling --------------------------------------------------------------------------------------------------------


def test_fixed_scaling_is_by_channel_and_in_units_of_x() -> None:
    x = task().train_x
    network = built("resnet:mean=123.675;116.28;103.53,std=58.395;57.12;57.375")
    scaled = network.body.scaling(torch.from_numpy(x)).numpy()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (x / 255.0 - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    assert not [name for name in network.state_dict() if "scaling" in name]


@pytest.mark.parametrize(("text", "mean", "sd"), [("vit", 0, 1), ("vit:standardize=false", 127, 74)])
def test_standardize_may_be_switched_off(text: str, mean: float, sd: float) -> None:
    data = task(n=40)
    scaled = built(text, data).body.scaling(torch.from_numpy(data.train_x)).numpy()
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), mean, atol=1e-5 if sd == 1 else 2)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), sd, rtol=0.02)


# --- refusals -------------------------------------------------------------------------------------------------------

REFUSED = {
    ("resnet:depth=50", (3, 32, 32)): ("no depth=50", "18, 20, 32, 34, 44, 56, 110"),
    ("resnet", (12,)): ("needs images", "mlp"),
    ("resnet", (32, 32, 3)): ("look like [H, W, C]", "transpose(0, 3, 1, 2)"),
    ("resnet", (3, 3, 32)): ("at least 4 x 4", "mlp"),
    ("resnet:depth=18", (7, 8)): ("at least 8 x 8", "mlp"),
    ("resnet:mean=1;2;3", (3, 32, 32)): ("one of mean, std is missing", "together"),
    ("resnet:std=1;2;3", (3, 32, 32)): ("one of mean, std is missing", "together"),
    ("wrn:mean=1,std=1", (3, 32, 32)): ("mean has 1 numbers, the images have 3 channels", "';'"),
    ("vit:mean=1;2;3,std=1;2", (3, 32, 32)): ("std has 2 numbers", "';'"),
    ("wrn:mean=1;1;1,std=1;1;1,standardize=false", (3, 32, 32)): ("contradict", "neither"),
    ("wrn:depth=30", (3, 32, 32)): ("no depth=30; it is 6n + 4", "10, 16, 22, 28"),
    ("wrn:depth=4", (3, 32, 32)): ("no depth=4", "10, 16"),
    ("wrn", (2, 3, 4, 5)): ("needs images", "mlp"),
    ("vit:patch=5", (3, 32, 32)): ("patch=5 does not divide images of 32 x 32", "1, 2, 4, 8, 16, 32"),
    ("vit:patch=4", (3, 32, 30)): ("patch=4 does not divide images of 32 x 30", "1, 2"),
    ("vit:dim=10,heads=4", (3, 32, 32)): ("heads=4 does not divide dim=10", "1, 2, 5, 10"),
    ("vit", (12,)): ("needs images", "mlp"),
}


@pytest.mark.parametrize(("text", "shape"), REFUSED, ids=str)
def test_depths_shapes_and_scalings_that_do_not_fit_are_refused(text: str, shape: tuple[int, ...]) -> None:
    message, hint = REFUSED[text, shape]
    with pytest.raises(InputError) as caught:
        built(text, task(shape))
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["resnet:std=0;1;1,mean=0;0;0", "resnet:norm=none", "vit:dropout=1", "wrn:width=0"])
def test_values_out_of_bounds_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        built(text)


@pytest.mark.parametrize("shape", [(5, 7), (1, 9, 4), (3, 4, 4)], ids=str)
def test_images_of_odd_sides_and_grey_images_work(shape: tuple[int, ...]) -> None:
    for text in ("resnet", "wrn:depth=10,width=1", "vit:patch=1,dim=8,depth=1,heads=2,mlp=8"):
        network = built(text, task(shape)).eval()
        assert network(torch.from_numpy(task(shape).train_x)).shape == (4, 10)
