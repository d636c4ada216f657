"""`CalibrationCallback` for Hugging Face's Trainer: calibration of every evaluation, among its metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from calibench.errors import InputError, RunError
from calibench.integrations.batch_stream import BatchStream, Scores, as_scores, labels_in, scores_in
from calibench.models.vision_import import torchvision_operators

try:
    torchvision_operators()  # transformers imports torchvision where it finds one
    from transformers import TrainerCallback
except ImportError as error:
    raise InputError("the callback needs transformers", 'pip install "calibench[transformers]"') from error

Read = Callable[[Any, Any], tuple[torch.Tensor, torch.Tensor]]
"""`read(inputs, outputs)`: the keyword arguments of the network and what it returned; gives logits `[N, K]` and labels `[N]`."""


class CalibrationCallback(TrainerCallback):  # type: ignore[misc]  # transformers has no types where it is not installed
    """Adds `eval_ece15`, `eval_brier`, `eval_nll` and `eval_accuracy` to the metrics of `Trainer.evaluate()`.

    So they stand in its result, in the last entry of `log_history`, and may choose the best checkpoint. It listens to the
    network's forward calls in evaluation mode: `logits` of what it returns, and the argument `labels`. Or `read(inputs, outputs)`
    returns logits and labels. Batches are summed, not kept, and processes are reduced. Rows with the label -100 do not count.
    Give it as `Trainer(..., callbacks=[CalibrationCallback()])`.
    """

    def __init__(self, bins: int = 15, read: Read | None = None) -> None:
        self.read = read
        self.stream = BatchStream(bins)
        self.hook: Any = None
        self.latest: tuple[Any, Any] | None = None

    def on_init_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Listen to the network."""
        self._listen(model)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Listen to the network, which `model_init` may have replaced."""
        self._listen(model)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Add the batch that the network has just answered."""
        if self.latest is None:
            hint = "give it as Trainer(..., callbacks=[CalibrationCallback()]), not later"
            raise RunError("CalibrationCallback has not heard the network in this evaluation", hint)
        (inputs, outputs), self.latest = self.latest, None
        self.stream.add(*self._pair(inputs, outputs))

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any
    ) -> None:
        """Add the figures of the evaluation to its metrics."""
        figures = self.stream.figures()
        if metrics is None:
            return
        named = {f"{_prefix(metrics)}_{name}": value for name, value in figures.items()}
        if state.log_history and set(metrics) & set(state.log_history[-1]):
            state.log_history[-1].update(named)
        metrics.update(named)

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Forget the batches of `Trainer.predict()`."""
        self.stream.figures()

    def _listen(self, model: Any) -> None:
        if model is None:
            return
        if self.hook is not None:
            self.hook.remove()
        self.hook = model.register_forward_hook(self._heard, with_kwargs=True)

    def _heard(self, module: Any, args: Any, inputs: dict[str, Any], outputs: Any) -> None:
        """Keep the latest answer: only the Trainer's own steps are added, not other calls of the network."""
        if not module.training:
            self.latest = inputs, outputs

    def _pair(self, inputs: Any, outputs: Any) -> tuple[Scores, torch.Tensor]:
        if self.read is not None:
            return as_scores(self.read(inputs, outputs))
        scores, labels = scores_in(outputs), labels_in(inputs)
        if scores is None or labels is None:
            missing = "logits in what the network returned" if scores is None else "argument labels of the network"
            raise InputError(f"CalibrationCallback finds no {missing}", "give read=, a function of inputs and outputs")
        return scores, labels


def _prefix(metrics: dict[str, float]) -> str:
    """The prefix of this evaluation's metrics, as `eval`, or `eval_NAME` of several evaluation sets."""
    return next((name.removesuffix("_runtime") for name in metrics if name.endswith("_runtime")), "eval")
