"""The temperature that minimises the NLL."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn import functional

from calibench import kernels
from calibench.bench.case import OURS, Contender, Figures, Op, Shape
from calibench.bench.inputs import classifier
from calibench.bench.ops.calibration_stats import wide

WARM = (1024, 100)
STEPS = 50


def ours(x: torch.Tensor, y: torch.Tensor) -> Figures:
    """A safeguarded Newton search over passes of the fused kernel."""
    fit = kernels.fit_temperature(x, y)
    return {"temperature": float(fit.temperature), "passes": float(fit.passes)}


def lbfgs(x: torch.Tensor, y: torch.Tensor, start: float, logarithmic: bool, options: dict[str, Any]) -> Figures:
    """torch.optim.LBFGS on T or on log T; every evaluation is a forward and a backward pass over the logits."""
    full, passes = x.to(wide(x)), 0
    initial = torch.tensor(start, dtype=full.dtype, device=x.device)
    with torch.enable_grad():
        parameter = (initial.log() if logarithmic else initial).requires_grad_()
        optimizer = torch.optim.LBFGS([parameter], max_iter=STEPS, **options)

        def closure() -> torch.Tensor:
            nonlocal passes
            passes += 1
            optimizer.zero_grad()
            loss = functional.cross_entropy(full / (parameter.exp() if logarithmic else parameter), y)
            loss.backward()
            return loss

        optimizer.step(closure)
        temperature = parameter.exp() if logarithmic else parameter
    return {"temperature": float(temperature.detach()), "passes": float(passes)}


def scikit_learn(x: torch.Tensor, y: torch.Tensor, dtype: torch.dtype) -> Figures:
    """CalibratedClassifierCV(method="temperature") around a frozen estimator whose features are the logits.

    One split whose test part is all rows: scikit-learn's five splits would index the same rows five times.
    """
    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    logits, labels = x.to(dtype).cpu().numpy(), y.cpu().numpy()
    rows = np.arange(len(labels))
    model = CalibratedClassifierCV(
        FrozenEstimator(_estimator_of_logits(x.shape[1])), method="temperature", cv=[(rows, rows)]
    )
    model.fit(logits, labels)
    return {"temperature": 1 / float(model.calibrated_classifiers_[0].calibrators[0].beta_)}


def _estimator_of_logits(classes: int) -> Any:
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Logits(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A fitted classifier whose features are its logits."""

        classes_ = np.arange(classes)

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, X: Any, y: Any) -> Any:
            return self

        def decision_function(self, X: Any) -> Any:
            return X

        def predict(self, X: Any) -> Any:
            return X.argmax(1)

    return Logits()


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    slow = partial(Contender, warm=WARM)
    whole = {"tolerance_grad": 0.0, "tolerance_change": 0.0}
    return (
        Contender(OURS, ours),
        slow(
            "torch L-BFGS, 50 iterations",
            partial(lbfgs, start=1.0, logarithmic=True, options=whole),
            note="on log T from 0, lr 1, tolerances 0 so that all 50 are done",
        ),
        slow(
            "torch L-BFGS, at most 50",
            partial(lbfgs, start=1.0, logarithmic=True, options={}),
            note="on log T from 0, lr 1, stops at torch's default tolerances",
        ),
        slow(
            "torch L-BFGS, as published",
            partial(lbfgs, start=1.5, logarithmic=False, options={"lr": 0.01}),
            note="Guo et al.'s settings: T from 1.5, lr 0.01, 50 iterations",
        ),
        slow(
            "scikit-learn",
            partial(scikit_learn, dtype=torch.float64),
            peer=True,
            note='method="temperature" on float64 logits, which the fifth digit of T needs; one split of all rows',
        ),
        slow(
            "scikit-learn, float32",
            partial(scikit_learn, dtype=torch.float32),
            peer=True,
            note='method="temperature" on the logits as they are; one split of all rows',
        ),
    )


OP = Op(
    name="fit_temperature",
    answers="the temperature T that minimises the NLL",
    shapes=((50_000, 1000),),
    dtypes=(torch.float32,),
    inputs=classifier,
    contenders=_contenders,
    tolerance=lambda shape: {"temperature": 1e-5},
    headline="temperature",
    built_on="nll_curve",
)
