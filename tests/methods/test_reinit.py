"""`reinit`: stage 2 trains the whole network, and stage 1 in the cache stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pipeline_cases import members

from calibench import InputError
from calibench.cache.stage_cache import StageCache
from calibench.training.prediction import predict

RECIPE = "reinit:epochs=2,lr=0.01"


def test_stage_2_trains_the_body_with_its_batch_norm(images: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    before = members("ce", images, "cnn:width=4", cache)
    before.run(("test",))
    after = members(RECIPE, images, "cnn:width=4", cache)
    outputs = after.run(("test",))["test"]
    assert cache.hits == ["stage1"]
    assert cache.misses == ["stage1", "stage2"]
    stage_1, stage_2 = before.network.state_dict(), after.network.state_dict()
    assert stage_1.keys() == stage_2.keys()
    unchanged = {name for name in stage_1 if torch.equal(stage_1[name], stage_2[name])}
    assert unchanged == {"body.1.mean", "body.1.scale"}  # constants that standardise the inputs
    assert any("running_mean" in name for name in stage_1)
    test_x = torch.from_numpy(after.data.test.x)
    torch.testing.assert_close(outputs.scores, predict(after.network, test_x), rtol=0, atol=0)
    assert [entry["stage"] for entry in after.fitted] == ["ce", "reinit"]
    again = members(RECIPE, images, "cnn:width=4", cache).run(("test",))["test"]
    assert torch.equal(again.scores, outputs.scores)


def test_a_dataset_of_features_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f.npz"
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
    with pytest.raises(InputError, match="trains the body") as raised:
        members("reinit", f"npz:path={file}", "frozen")
    assert "tst:head=linear" in raised.value.hint
