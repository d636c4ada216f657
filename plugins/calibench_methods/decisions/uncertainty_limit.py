"""A limit on the uncertainty: its parameters, its fit to a target risk or coverage, and the answers it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from calibench import InputError, Outputs
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.uncertainty import threshold_of, uncertainty_of
from calibench_methods.decisions.parameters import check_delta
from calibench_methods.decisions.selective_fit import Limit, limit_coverage, limit_risk

DEFAULT_SCORE = "max-softmax"


@dataclass(frozen=True)
class UncertaintyLimit:
    """The parameters of `threshold` that concern a limit on the uncertainty; None means not set."""

    target_risk: float | None = None
    target_coverage: float | None = None
    score: str = DEFAULT_SCORE
    pnorm: float | None = None
    guarantee: str | None = None
    delta: float | None = None

    @property
    def target(self) -> float | None:
        """The target risk or the target coverage; None if neither is set."""
        return self.target_coverage if self.target_risk is None else self.target_risk

    @property
    def needs_fresh(self) -> bool:
        """True if a guarantee must hold, so that no calibrator may have seen the samples of the fit."""
        return self.target is not None and self.guarantee != "none"

    def check(self) -> None:
        """InputError for parameters that contradict each other or would do nothing."""
        settings = {
            "score": self.score != DEFAULT_SCORE,
            "guarantee": bool(self.guarantee),
            "delta": self.delta is not None,
        }
        idle = next((key for key, is_set in settings.items() if is_set), None)
        if self.target is None and idle is not None:
            others = "" if idle == "score" else ", or to target_precision or target_recall"
            message = f"threshold: {idle} applies to target_risk or target_coverage{others}, and neither is set"
            raise InputError(message, f"add target_risk=0.02, or drop {idle}")
        if self.pnorm is not None and self.score != "max-logit-pnorm":
            message = f"threshold: pnorm does nothing for score {self.score}"
            raise InputError(message, "add score=max-logit-pnorm, or drop pnorm")
        self._check_guarantee()

    def _check_guarantee(self) -> None:
        check_delta("threshold", self.guarantee, self.delta)
        if self.guarantee == "sgr" and self.target_coverage is not None:
            message = "threshold: guarantee sgr bounds the risk, and target_coverage sets no risk"
            raise InputError(message, "use clopper-pearson or none")
        if self.target is not None and not 0 < self.target < 1:
            name = "target_coverage" if self.target_risk is None else "target_risk"
            message = f"threshold: {name}={self.target:g} is not between 0 and 1"
            raise InputError(message, f"write a fraction, as in {name}={'0.9' if self.target_risk is None else '0.02'}")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`threshold` on the score, `doubt` (the limit on the uncertainty), and coverage and risk on the fitted samples."""
        uncertainty = self._uncertainty(outputs).cpu().numpy()
        wrong = (outputs.scores.argmax(dim=1).cpu() != labels.cpu()).numpy()
        guarantee = self.guarantee or "clopper-pearson"
        delta = 0.05 if self.delta is None else self.delta
        fit_limit = limit_coverage if self.target_risk is None else limit_risk
        assert self.target is not None
        limit = fit_limit(uncertainty, wrong, self.target, guarantee, delta)
        fitted = self._as_json(limit)
        fitted["cal_coverage"] = limit.accepted / len(uncertainty)
        fitted["cal_risk"] = limit.errors / limit.accepted if limit.accepted else None
        fitted["guarantee"] = guarantee
        if guarantee != "none":
            fitted |= {"delta": delta, "bound": limit.bound}
        return fitted | ({"note": limit.note} if limit.note else {})

    def _as_json(self, limit: Limit) -> dict[str, Any]:
        """The limit as JSON values; JSON cannot hold the infinite limit that accepts everything."""
        if limit.uncertainty is None:
            return {"threshold": None, "doubt": None, "accepts": "nothing"}
        if limit.uncertainty == math.inf:
            return {"threshold": None, "doubt": None, "accepts": "everything"}
        threshold = threshold_of(self.score, limit.uncertainty)
        return {"threshold": threshold, "doubt": limit.uncertainty, "accepts": "up to doubt"}

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The most probable class where the uncertainty is at most the limit, else -1."""
        uncertainty = self._uncertainty(outputs)
        limit = {"nothing": -math.inf, "everything": math.inf}.get(fitted["accepts"], fitted["doubt"])
        answers = outputs.scores.argmax(dim=1).where(uncertainty <= limit, ABSTAIN)
        metric = "coverage" if self.target_risk is None else "selective_risk"
        assert self.target is not None
        targets = {metric: self.target}
        if self.score == DEFAULT_SCORE:  # without `uncertainty`, the record ranks by the same score, unrounded
            return Decisions(answers, targets=targets)
        return Decisions(answers, uncertainty=uncertainty, score=self.score, targets=targets)

    def _uncertainty(self, outputs: Outputs) -> torch.Tensor:
        return uncertainty_of(outputs, self.score, 5.0 if self.pnorm is None else self.pnorm)
