"""`CalibrationCallback` in a training of two steps by Hugging Face's Trainer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import calibench
from calibench.errors import InputError, RunError

pytest.importorskip("transformers", reason="the extra transformers is not installed")
pytest.importorskip("accelerate", reason="the extra transformers is not installed")

from calibench.integrations.transformers import CalibrationCallback  # before transformers: it readies torchvision

from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments  # isort: skip

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Rows(torch.utils.data.Dataset):
    def __init__(self, n: int = 50) -> None:
        generator = torch.Generator().manual_seed(0)
        self.ids = torch.randint(20, (n, 6), generator=generator)
        self.labels = torch.randint(3, (n,), generator=generator)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int):
        return {"input_ids": self.ids[row], "labels": self.labels[row]}


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=3
    )
    return BertForSequenceClassification(config)


@pytest.fixture
def trainer_of(tmp_path):
    def make(network, callback=None, **arguments):
        settings = TrainingArguments(
            output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=8, per_device_eval_batch_size=16,
            report_to=[], use_cpu=True, disable_tqdm=True, save_strategy="no", **arguments,
        )  # fmt: skip
        callbacks = [] if callback is None else [callback]
        return Trainer(network, settings, train_dataset=Rows(), eval_dataset=Rows(), callbacks=callbacks)

    return make


def expected(model, rows):
    model.eval()
    with torch.no_grad():
        figures = calibench.evaluate(model(input_ids=rows.ids).logits, rows.labels, resamples=0).metrics
    return {f"eval_{name}": figures[name] for name in ("ece15", "brier", "nll", "accuracy")}


def test_a_training_of_two_steps(trainer_of, model):
    trainer = trainer_of(model, CalibrationCallback(), eval_strategy="steps", eval_steps=2)
    trainer.train()
    assert trainer.state.global_step == 2
    figures = expected(model, Rows())
    logged = next(entry for entry in trainer.state.log_history if "eval_loss" in entry)
    assert {name: logged[name] for name in figures} == pytest.approx(figures, rel=1e-5)
    assert {name: trainer.evaluate()[name] for name in figures} == pytest.approx(figures, rel=1e-5)  # and once more


def test_other_calls_of_the_network_do_not_count(trainer_of, model):
    trainer = trainer_of(model, CalibrationCallback())
    model.eval()
    model(input_ids=Rows().ids)  # without labels
    trainer.predict(Rows(9))
    figures = expected(model, Rows())
    assert {name: trainer.evaluate()[name] for name in figures} == pytest.approx(figures, rel=1e-5)


def test_the_prefix_of_the_evaluation(trainer_of, model):
    metrics = trainer_of(model, CalibrationCallback(bins=10)).evaluate(metric_key_prefix="eval_news")
    assert {"eval_news_ece10", "eval_news_brier"} <= set(metrics)


def test_a_callback_that_comes_late_says_so(trainer_of, model):
    trainer = trainer_of(model)
    trainer.add_callback(CalibrationCallback())
    with pytest.raises(RunError, match="has not heard the network"):
        trainer.evaluate()


class Tagger(nn.Module):
    """Three classes a token; tokens with the label -100 do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 3)

    def forward(self, input_ids, labels=None):
        logits = self.table(input_ids)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return {"loss": loss, "logits": logits}


class Tokens(Rows):
    def __getitem__(self, row: int):
        labels = torch.where(self.ids[row] < 5, -100, self.ids[row] % 3)
        return {"input_ids": self.ids[row], "labels": labels}


def test_tokens_are_read_by_a_function(trainer_of):
    torch.manual_seed(0)
    network, rows = Tagger(), Tokens()
    callback = CalibrationCallback(
        read=lambda inputs, outputs: (outputs["logits"].flatten(0, 1), inputs["labels"].flatten())
    )
    trainer = trainer_of(network, callback)
    trainer.eval_dataset = rows
    labels = torch.stack([rows[row]["labels"] for row in range(len(rows))]).flatten()
    kept = labels >= 0
    figures = calibench.evaluate(network.table(rows.ids).flatten(0, 1)[kept], labels[kept], resamples=0).metrics
    assert trainer.evaluate()["eval_brier"] == pytest.approx(figures["brier"], rel=1e-5)


def test_scores_of_tokens_without_one_are_refused(trainer_of):
    trainer = trainer_of(Tagger(), CalibrationCallback())
    trainer.eval_dataset = Tokens()
    with pytest.raises(InputError, match=r"a batch is \[N, K\] and \[N\]"):
        trainer.evaluate()
