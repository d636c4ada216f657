"""Published weights: ResNets with folded batch norm, loaded by name, compute the logits that were stored with them."""

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
IMAGES, LOGITS, FEATURES = (
    SHARED / f"cifar10_{name}.npz" for name in ("jpeg", "resnet_jpeg_logits", "resnet20_features")
)
MISSING = [str(file) for file in (WEIGHTS, IMAGES, LOGITS, FEATURES) if not file.exists()]

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}"),
]

RENAME = "stem=conv1;.1.w=.conv1.w;.2.w=.conv2.w;.1.b=.conv1.b;.2.b=.conv2.b;.w=.weight;.b=.bias"
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SCALING = f"mean={';'.join(map(str, MEAN))},std={';'.join(map(str, STD))}"


def images(part: str, rows: range) -> np.ndarray:
    """`[N, 3, 32, 32]` uint8 of the recompressed CIFAR-10."""
    with np.load(IMAGES) as file:
        jpeg, offsets = file[f"{part}_jpeg"], file[f"{part}_offsets"]
    decoded = [np.asarray(Image.open(io.BytesIO(jpeg[offsets[i] : offsets[i + 1]].tobytes()))) for i in rows]
    return np.stack(decoded).transpose(0, 3, 1, 2)


def load(depth: int) -> Network:
    task = Task((3, 32, 32), 10, np.zeros((2, 3, 32, 32), np.float32))
    network = resnet(task, depth, "folded", True, MEAN, STD)
    params = {"checkpoint": str(WEIGHTS), "checkpoint_part": f"resnet{depth}/", "checkpoint_rename": RENAME}
    load_checkpoint(network, "resnet", params)
    return network


@pytest.mark.slow
def test_resnet_20_repeats_its_features_and_logits_on_all_test_images() -> None:
    """`cifar10_resnet_jpeg_logits.json` states accuracy .8103 and ECE15 .1245 for the stored logits."""
    network = load(20)
    x = torch.from_numpy(images("test", range(10_000)).astype(np.float32))
    features = predict(network.body, x, 64)
    with np.load(FEATURES) as file:
        stored = file["test_feat"]
    assert stored.dtype == np.float16  # so equal to half a unit in its last place
    np.testing.assert_allclose(features.numpy(), stored.astype(np.float32), atol=1e-3, rtol=2**-11)
    logits = predict(network.head, features).numpy()
    with np.load(LOGITS) as file:
        assert file["models"][0] == "resnet20"
        np.testing.assert_allclose(logits, file["logits"][0], atol=1e-3, rtol=0)
        metrics = evaluate(logits, file["label"].astype(int), resamples=1000).metrics
    assert metrics["accuracy"] == 0.8103
    assert metrics["ece15"] == pytest.approx(0.12453, abs=2e-5)
    assert metrics["nll"] == pytest.approx(0.8788, abs=5e-5)
    assert metrics["brier"] == pytest.approx(0.30651, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "depth"), [(1, 32), (2, 44), (3, 56)])
def test_the_deeper_ones_repeat_their_logits(number: int, depth: int) -> None:
    x = torch.from_numpy(images("test", range(200)).astype(np.float32))
    logits = predict(load(depth), x, 64).numpy()
    with np.load(LOGITS) as file:
        assert file["models"][number] == f"resnet{depth}"
        np.testing.assert_allclose(logits, file["logits"][number, :200], atol=1e-3, rtol=0)


@pytest.mark.slow
def test_a_run_from_the_command_line_repeats_the_figures(cli, tmp_path: Path) -> None:
    n = 1000
    train_x, test_x = images("train", range(300)), images("test", range(n))
    with np.load(IMAGES) as file:
        train_y, test_y = file["train_label"][:300].astype(int), file["test_label"][:n].astype(int)
    np.savez(tmp_path / "cifar.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    model = f"resnet:norm=folded,{SCALING},checkpoint={WEIGHTS},checkpoint_part=resnet20/,checkpoint_rename={RENAME}"
    ran = cli("run", "-m", "ce", "-d", "npz:path=cifar.npz", "--model", model, "--json")
    assert ran.code == 0, ran.err
    record = ran.document
    with np.load(LOGITS) as file:
        expected = evaluate(file["logits"][0, :n], test_y, resamples=1000).metrics
    for name in ("accuracy", "ece15", "nll", "brier"):
        assert record["metrics"][name] == pytest.approx(expected[name], abs=1e-4)
    assert record["fitted"][0]["trained"] is False
    assert record["fitted"][0]["checkpoint_sha256"] == digest_of(WEIGHTS)
