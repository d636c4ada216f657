"""Real features: the frozen head of a ResNet-20 on recompressed CIFAR-10 gives known figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibench import run

FEATURES = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10_resnet20_features.npz"
NAMES = {
    "train_x": "train_feat",
    "train_y": "train_label",
    "test_x": "test_feat",
    "test_y": "test_label",
    "head_weight": "fc_w",
    "head_bias": "fc_b",
}


@pytest.mark.slow
@pytest.mark.skipif(not FEATURES.exists(), reason=f"{FEATURES} is not there")
def test_the_frozen_head_gives_known_figures(tmp_path: Path) -> None:
    """Accuracy .8103, ECE15 .1245, NLL .8788 and Brier .3065 were computed when the file was written."""
    file = tmp_path / "cifar.npz"
    with np.load(FEATURES) as source:
        np.savez(file, **{name: source[source_name] for name, source_name in NAMES.items()})
    record = run("ce", f"npz:path={file}", "frozen", results=None)
    assert record.n["test"] == 10_000
    assert record.metrics["accuracy"] == 0.8103
    assert record.metrics["ece15"] == pytest.approx(0.12453, abs=2e-5)
    assert record.metrics["ece10"] == pytest.approx(0.12453, abs=2e-5)
    assert record.metrics["nll"] == pytest.approx(0.8788, abs=5e-5)
    assert record.metrics["brier"] == pytest.approx(0.30651, abs=1e-5)
    low, high = record.intervals["ece15"] or (0, 1)
    assert low < 0.1245 < high
    assert record.metrics["ece15"] > 10 * record.noise_floor["ece15"]["p95"]
