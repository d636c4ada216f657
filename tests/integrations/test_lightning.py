"""`CalibrationCallback` in a Lightning training of two steps: its figures are those of all validation rows together."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import calibench
from calibench.errors import InputError

pytest.importorskip("lightning", reason="the extra lightning is not installed")

from lightning.pytorch import LightningModule, Trainer

from calibench.integrations.lightning import CalibrationCallback

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Lightning warns about workers and sanity checks


class Net(LightningModule):
    """A linear network whose steps return `give` of what they know."""

    def __init__(self, give: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.give = nn.Linear(4, 3), give

    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch, index, dataloader_idx=0):
        x, y = batch
        z = self.net(x)
        known = {"loss": nn.functional.cross_entropy(z, y), "logits": z, "probs": z.softmax(dim=1), "labels": y, "z": z}
        return {name: known[name] for name in self.give}

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=generator), torch.randint(3, (50,), generator=generator)
    return TensorDataset(x, y)


@pytest.fixture
def fit(data, tmp_path):
    """`fit(net, callback)`: two training steps and a validation of 50 rows in batches of 16. Returns the trainer."""

    def call(net, callback, loaders: int = 1) -> Trainer:
        trainer = Trainer(
            max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[callback], default_root_dir=tmp_path, val_check_interval=2,
        )  # fmt: skip
        val = [DataLoader(data, batch_size=16) for _ in range(loaders)]
        trainer.fit(net, DataLoader(data, batch_size=16), val if loaders > 1 else val[0])
        return trainer

    return call


def expected(net, data):
    x, y = data.tensors
    with torch.no_grad():
        figures = calibench.evaluate(net.net(x), y, resamples=0).metrics
    return {name: figures[name] for name in ("ece15", "brier", "nll", "accuracy")}


@pytest.mark.parametrize("give", [("loss", "logits"), ("probs",), ("logits", "labels")], ids="+".join)
def test_a_training_of_two_steps(fit, data, give):
    net = Net(give)
    trainer = fit(net, CalibrationCallback())
    assert trainer.global_step == 2
    for name, value in expected(net, data).items():
        assert float(trainer.callback_metrics[f"val_{name}"]) == pytest.approx(value, rel=1e-5), name


def test_the_test_epoch_and_another_number_of_bins(fit, data):
    net = Net(("logits",))
    trainer = fit(net, CalibrationCallback(bins=10))
    (logged,) = trainer.test(net, DataLoader(data, batch_size=7), verbose=False)
    x, y = data.tensors
    with torch.no_grad():
        ece10 = calibench.evaluate(net.net(x), y, resamples=0).metrics["ece10"]
    assert logged["test_ece10"] == pytest.approx(ece10, rel=1e-5)
    assert "test_ece15" not in logged


def test_several_validation_sets_have_figures_of_their_own(fit, data):
    net = Net(("logits",))
    trainer = fit(net, CalibrationCallback(), loaders=2)
    for number in range(2):
        figure = float(trainer.callback_metrics[f"val_brier/dataloader_idx_{number}"])
        assert figure == pytest.approx(expected(net, data)["brier"], rel=1e-5)


def test_a_function_of_the_users(fit, data):
    net = Net(("z",))
    trainer = fit(net, CalibrationCallback(read=lambda outputs, batch: (outputs["z"], batch[1])))
    assert float(trainer.callback_metrics["val_nll"]) == pytest.approx(expected(net, data)["nll"], rel=1e-5)


def test_a_step_that_returns_no_logits_is_told_what_to_return(fit):
    with pytest.raises(InputError, match="finds no logits") as caught:
        fit(Net(("loss",)), CalibrationCallback())
    assert 'return {"loss": loss, "logits": z, "labels": y}' in caught.value.hint
