"""The evidence on published weights: a ResNet-20 with folded batch norm, loaded by name, repeats its stored logits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calibench import evaluate
from calibench.atomic import digest_of
from calibench.models.checkpoint import load_checkpoint
from calibench.models.network import Network, Task
from calibench.models.networks.resnet import resnet
from calibench.training.prediction import predict

SHARED = Path("/work/shared/data")
WEIGHTS = SHARED / "resnet_cifar10_weights.npz"
NEEDED = [WEIGHTS, *(SHARED / f"cifar10_{part}.npz" for part in ("jpeg", "resnet_jpeg_logits", "resnet20_features"))]
ABSENT = [str(file) for file in NEEDED if not file.exists()]

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(bool(ABSENT), reason=f"not there: {', '.join(ABSENT)}"),
]

RENAME = "stem=conv1;.1.w=.conv1.w;.2.w=.conv2.w;.1.b=.conv1.b;.2.b=.conv2.b;.w=.weight;.b=.bias"
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SCALING = f"mean={';'.join(map(str, MEAN))},std={';'.join(map(str, STD))}"
N = 10_000


def images(part: str, rows: range) -> np.ndarray:
    """`[N, 3, 32, 32]` uint8 of the recompressed CIFAR-10."""
    with np.load(NEEDED[1]) as held:
        data, at = held[f"{part}_jpeg"], held[f"{part}_offsets"]
    decoded = [np.asarray(Image.open(io.BytesIO(data[at[i] : at[i + 1]].tobytes()))) for i in rows]
    return np.stack(decoded).transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def tests() -> np.ndarray:
    return images("test", range(N))


def loaded(depth: int, x: np.ndarray) -> Network:
    network = resnet(Task((3, 32, 32), 10, x.astype(np.float32)), depth, "folded", True, MEAN, STD)
    given = {"checkpoint": str(WEIGHTS), "checkpoint_part": f"resnet{depth}/", "checkpoint_rename": RENAME}
    load_checkpoint(network, "resnet", given)
    return network


def test_resnet_20_repeats_its_features_and_logits_on_all_test_images(tests: np.ndarray) -> None:
    """Accuracy .8103 and ECE15 .1245 are what `cifar10_resnet_jpeg_logits.json` says of the stored logits."""
    network = loaded(20, tests[:2])
    found = predict(network.body, torch.from_numpy(tests.astype(np.float32)), 64)
    with np.load(NEEDED[3]) as held:
        stored = held["test_feat"]
    assert stored.dtype == np.float16  # so equal to half a unit in its last place
    np.testing.assert_allclose(found.numpy(), stored.astype(np.float32), atol=1e-3, rtol=2**-11)
    logits = predict(network.head, found).numpy()
    with np.load(NEEDED[2]) as held:
        assert held["models"][0] == "resnet20"
        np.testing.assert_allclose(logits, held["logits"][0], atol=1e-3, rtol=0)
        metrics = evaluate(logits, held["label"].astype(int), resamples=1000).metrics
    assert metrics["accuracy"] == 0.8103
    assert metrics["ece15"] == pytest.approx(0.12453, abs=2e-5)
    assert metrics["nll"] == pytest.approx(0.8788, abs=5e-5)
    assert metrics["brier"] == pytest.approx(0.30651, abs=1e-5)


@pytest.mark.parametrize(("number", "depth"), [(1, 32), (2, 44), (3, 56)])
def test_the_deeper_ones_repeat_their_logits(number: int, depth: int, tests: np.ndarray) -> None:
    x = torch.from_numpy(tests[:200].astype(np.float32))
    found = predict(loaded(depth, tests[:2]), x, 64).numpy()
    with np.load(NEEDED[2]) as held:
        assert held["models"][number] == f"resnet{depth}"
        np.testing.assert_allclose(found, held["logits"][number, :200], atol=1e-3, rtol=0)


def test_from_the_command_line(cli, tmp_path: Path, tests: np.ndarray) -> None:
    n = 1000
    with np.load(NEEDED[1]) as held:
        train_y, test_y = held["train_label"][:300].astype(int), held["test_label"][:n].astype(int)
    np.savez(
        tmp_path / "cifar.npz", train_x=images("train", range(300)), train_y=train_y, test_x=tests[:n], test_y=test_y
    )
    model = f"resnet:norm=folded,{SCALING},checkpoint={WEIGHTS},checkpoint_part=resnet20/,checkpoint_rename={RENAME}"
    ran = cli("run", "-m", "ce", "-d", "npz:path=cifar.npz", "--model", model, "--json")
    assert ran.code == 0, ran.err
    record = ran.document
    with np.load(NEEDED[2]) as held:
        expected = evaluate(held["logits"][0, :n], test_y, resamples=1000).metrics
    for name in ("accuracy", "ece15", "nll", "brier"):
        assert record["metrics"][name] == pytest.approx(expected[name], abs=1e-4)
    assert record["fitted"][0]["trained"] is False
    assert record["fitted"][0]["checkpoint_sha256"] == digest_of(WEIGHTS)
