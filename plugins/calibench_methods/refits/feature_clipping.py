"""`feature-clipping`: the trained last layer on features that are cut off at a fitted value (Tao et al., AAAI 2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import HeadRefit, InputError, MethodSpec, Outputs, Param, training
from calibench.lazy import nn, torch
from calibench.stages import RefitTask
from calibench_methods import layers
from calibench_methods.refits.linear_head import check_linear_head

if TYPE_CHECKING:
    from calibench import Network

GRID = 100
"""Thresholds that are tried, twice: quantiles of the features' sizes, then even steps between the neighbours of the best."""

SPEC = MethodSpec(
    name="feature-clipping",
    kind="refit",
    target=f"{__name__}:FeatureClipping",
    summary="Feature clipping: cuts the features off at a value fitted on val; the trained last layer stays.",
    params=(
        Param("threshold", "float", None, "size at which features are cut off; not set: fitted on val", minimum=0),
        Param(
            "criterion",
            "str",
            None,
            "figure of val that the fitted threshold minimises; not set: nll",
            choices=("nll", "ece"),
        ),
    ),
    equation="logits = W clip(f, -c, c) + b; c minimises the NLL, or ECE15, of val",
    paper="L. Tao, M. Dong, C. Xu, Feature Clipping for Uncertainty Calibration, AAAI 2025 (arXiv 2410.19796)",
    deviations=(
        "written from the paper's abstract and summaries; its text and code were not at hand. It fits the threshold to "
        "calibration on validation data; here the default is the NLL, which has no bins",
        "both signs are cut off; features after a ReLU have one",
        "fitted on val, on which stage 1 chose its checkpoint: a head refit does not see cal",
    ),
    use_when="a few large features make rows over-confident, and the order of classes may change",
    avoid_when="temperature is enough: clipping can change predictions, and one threshold rarely does better",
    cost="200 passes of the last layer over the features of val; nothing is trained",
)


class FeatureClipping(HeadRefit):
    """`W clip(f, -c, c) + b` with stage 1's W and b; c is given, or the best of a two-level grid on val."""

    def __init__(self, threshold: float | None, criterion: str | None) -> None:
        if threshold is not None and criterion is not None:
            message = (
                f"feature-clipping: criterion={criterion} would do nothing, because threshold={threshold:g} is given"
            )
            raise InputError(message, "drop one of them")
        self.threshold, self.criterion = threshold, criterion or "nll"

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless the last layer is linear with a bias."""
        check_linear_head("feature-clipping", network)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A linear layer that clips nothing yet."""
        return layers.ClippedHead(feature_size, num_classes)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Take over the trained layer and fit the threshold; returns it, val's NLL with and without it, and the share cut off."""
        assert isinstance(head, layers.ClippedHead)
        head.linear.load_state_dict(task.original_head.state_dict())
        unclipped = self._figure(head, task, float("inf"), "nll")
        threshold = self._fitted(head, task) if self.threshold is None else self.threshold
        nll = self._figure(head, task, threshold, "nll")
        clipped = float((task.val_features.abs() > threshold).double().mean())
        task.report("stage 2, feature clipping", 1, 1, f"threshold {threshold:.4g}")
        return {"threshold": threshold, "clipped": clipped, "val_nll": nll, "val_nll_unclipped": unclipped}

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`."""
        return Outputs(training.predict(head, features))

    def _figure(self, head: layers.ClippedHead, task: RefitTask, threshold: float, criterion: str) -> float:
        """Val's NLL in nats, or its ECE15, with features cut off at `threshold`, which the head then keeps."""
        head.threshold.fill_(threshold)
        logits = training.predict(head, task.val_features)
        if criterion == "nll":
            return training.mean_nll(logits, task.val_labels)
        from calibench.kernels import CalibrationAccumulator
        from calibench.metrics.calibration_error import ece_of

        accumulator = CalibrationAccumulator()
        accumulator.update(logits, task.val_labels)
        return ece_of(accumulator.compute())

    def _fitted(self, head: layers.ClippedHead, task: RefitTask) -> float:
        """The threshold of the lowest figure; of equal ones the largest, which clips least."""
        sizes = task.val_features.abs().flatten().double()
        shares = torch.linspace(1 / GRID, 1, GRID, dtype=torch.float64)
        ordered = sizes.sort().values  # torch.quantile takes 16 million numbers at most
        coarse = ordered[(shares * (len(ordered) - 1)).round().long()].unique()
        best = self._best(head, task, coarse)
        low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
        fine = torch.cat([coarse[best, None], torch.linspace(float(low), float(high), GRID).to(coarse)]).unique()
        return float(fine[self._best(head, task, fine)].float())

    def _best(self, head: layers.ClippedHead, task: RefitTask, thresholds: torch.Tensor) -> int:
        """The index of the threshold with the lowest figure."""
        figures = [self._figure(head, task, float(threshold), self.criterion) for threshold in thresholds]
        return max(i for i, figure in enumerate(figures) if figure == min(figures))
