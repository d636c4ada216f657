"""`prior-correction`: probabilities for other class shares, which are stated or estimated from the rows themselves."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Outputs, Param, RunError
from calibench.lazy import np, torch
from calibench.stages import FormulaCalibrator, NoFormulaError, Scores
from calibench.stages.formula_calibrator import torch_scores
from calibench_methods.calibrators.bias_corrected import fit_bias_corrected
from calibench_methods.calibrators.class_shares import (
    counted_shares,
    most_likely_shares,
    read_shares,
    shares_by_confusion,
    with_floor,
)
from calibench_methods.calibrators.multiclass import Floats, mean_nll

CAL, UNIFORM, FIT = "cal", "uniform", "fit"

DEFAULT_METHOD = "bcts-em"

SPEC = MethodSpec(
    name="prior-correction",
    kind="calibrator",
    target=f"{__name__}:PriorCorrection",
    summary="Prior correction: probabilities for other class shares, stated, or estimated from the unlabelled rows (EM, BBSE).",
    params=(
        Param(
            "prior",
            "str",
            None,
            "class shares of the rows that are mapped: one per class as 0.99;0.01, cal for those of the cal split, or uniform; "
            "not set: method estimates them",
        ),
        Param(
            "method",
            "str",
            None,
            "estimate of the shares from the rows that are mapped, without labels: em (Saerens), bcts-em (Alexandari: "
            "bias-corrected temperature scaling on cal first), bbse and bbse-soft (Lipton: the confusion matrix of cal, of "
            "answers or of probabilities); not set: bcts-em, unless prior is set",
            choices=("em", "bcts-em", "bbse", "bbse-soft"),
        ),
        Param(
            "source",
            "str",
            CAL,
            "class shares that the incoming probabilities stand for: cal, those of the cal split; uniform, after "
            "logit-adjustment or balanced weights with divide_by=train; fit, those that explain the labels of cal best; or one "
            "per class",
        ),
    ),
    equation="q_k = p_k prior_k / source_k, divided by the sum over k",
    paper=(
        "M. Saerens, P. Latinne, C. Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, Neural "
        "Computation 2002; A. Alexandari, A. Kundaje, A. Shrikumar, Maximum Likelihood with Bias-Corrected Calibration is "
        "Hard-To-Beat at Label Shift Adaptation, ICML 2020 (arXiv 1901.06852); Z. Lipton, Y. Wang, A. Smola, Detecting and "
        "Correcting for Label Shift with Black Box Predictors, ICML 2018 (arXiv 1802.03916)"
    ),
    deviations=(
        "estimated shares come from the rows that are mapped together: the probabilities of a row depend on the others. Test, "
        "each shift variant, and each fold of --cross-fit have shares of their own; OOD rows are mapped with those of test. "
        "The record states the shares",
        "estimated shares are at least 1 / (rows + K), Laplace's rule for no hits, so that no class becomes impossible",
        "em: the maximum of the likelihood that EM climbs to, found by L-BFGS-B and then EM, to 1e-8 nats a row",
        "bcts-em: the scale and the biases minimise the NLL of cal plus 5e-7 times their squared distance from the identity; "
        "the paper has no penalty",
        "bbse: solved for the shares, not for their ratios to cal, which is the same; negative shares become 0. Lipton et al. "
        "train again with the ratios as weights; here the probabilities are corrected",
        "source=fit: the biases of a fit to cal, without a scale; the method is ours",
    ),
    use_when=(
        "class shares in use differ from those in training, or weights or logit-adjustment changed the prior in training"
    ),
    avoid_when=(
        "the classes themselves look different, rows come one at a time and no prior is known, or a fitted map or rule follows: "
        "put it last"
    ),
    cost="none in training; a fraction of a second for 10 000 rows of 100 classes",
)


class PriorCorrection(FormulaCalibrator):
    """`p_k prior_k / source_k`, divided by the sum over k. The prior is stated or estimated from the rows that are mapped."""

    def __init__(self, prior: str | None, method: str | None, source: str) -> None:
        if prior is not None and method is not None:
            message = f"prior-correction: method={method} would do nothing, because prior={prior} is not estimated"
            raise InputError(message, "drop one of them")
        self.method = None if prior is not None else method or DEFAULT_METHOD
        if prior == source:
            message = f"prior-correction: prior={prior} and source={source} are the same shares, which changes nothing"
            raise InputError(message, "state other shares, or leave prior out to have them estimated")
        if self.method == "bcts-em" and source != CAL:
            message = f"prior-correction: source={source} would do nothing: bcts-em first makes the probabilities those of cal"
            raise InputError(message, "leave source out, or use method=em")
        self.prior = None if prior is None else read_shares(f"prior-correction: prior={prior}", prior, (CAL, UNIFORM))
        self.source = read_shares(f"prior-correction: source={source}", source, (CAL, UNIFORM, FIT))

    def check(self, num_classes: int) -> None:
        """InputError unless there is one share per class."""
        for key, shares in (("prior", self.prior), ("source", self.source)):
            if isinstance(shares, np.ndarray) and len(shares) != num_classes:
                message = f"prior-correction: {key} has {len(shares)} shares for {num_classes} classes"
                raise InputError(message, "give one per class, in their order")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`source` shares; `shares`, if they are stated; and what an estimate needs of cal.

        bcts-em: `temperature`, `bias`, and the NLL of cal before and after them, in nats. bbse: `confusion`, in column j the
        mean prediction of the rows with label j.
        """
        if outputs.labels_per_sample > 1:
            message = (
                f"prior-correction: rows have {outputs.labels_per_sample} labels each, and every label its own share"
            )
            raise InputError(message, "leave it out for several labels a row")
        z, y, num_classes = outputs.logits().cpu().numpy(), labels.cpu().numpy(), outputs.num_classes
        if self.method == "bcts-em":
            scale, bias = fit_bias_corrected(z, y, "prior-correction", scaled=True)
            source = counted_shares(y, num_classes, "prior-correction")
            fitted = {"temperature": 1 / scale, "bias": bias.tolist(), "source": source.tolist()}
            after = mean_nll(Outputs(_bias_corrected(torch_scores(outputs), fitted)), labels)
            return {"nll_before": mean_nll(outputs, labels), "nll_after": after, **fitted}
        fitted = {"source": self._shares(self.source, z, y).tolist()}
        if self.prior is not None:
            return fitted | {"shares": self._shares(self.prior, z, y).tolist()}
        if self.method in {"bbse", "bbse-soft"}:
            counted_shares(y, num_classes, "prior-correction")
            predictions = self._predictions(outputs)
            columns = [predictions[y == k].mean(axis=0) for k in range(num_classes)]
            fitted["confusion"] = np.stack(columns, axis=1).tolist()
        return fitted

    def adapt(self, outputs: Outputs, fitted: dict[str, Any]) -> dict[str, Any]:
        """`shares` of the classes among these rows, estimated without labels from so many `rows`; nothing if stated."""
        if self.prior is not None:
            return {}
        if self.method in {"em", "bcts-em"}:
            probs = _bias_corrected(torch_scores(outputs), fitted).softmax(dim=1).cpu().numpy()
            shares = most_likely_shares(probs, np.asarray(fitted["source"]), "prior-correction")
        else:
            mean = self._predictions(outputs).mean(axis=0)
            shares = shares_by_confusion(np.asarray(fitted["confusion"]), mean, "prior-correction")
        return {"shares": with_floor(shares, len(outputs)).tolist(), "rows": len(outputs)}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits plus `log(shares / source)`."""
        return super().apply(outputs, fitted if "shares" in fitted else fitted | self.adapt(outputs, fitted))

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """Logits plus `log(shares / source)`; none where the shares are estimated from the rows that are mapped."""
        if "shares" not in fitted:
            raise NoFormulaError("estimates the class shares from all rows that it maps; state prior=...")
        ops = scores.ops
        shares, source = ops.log(ops.constant(fitted["shares"])), ops.log(ops.constant(fitted["source"]))
        return scores.as_logits(_bias_corrected(scores, fitted) + shares - source)

    def snippet(self, fitted: dict[str, Any]) -> list[str] | None:
        """One line; none where the shares are estimated from the rows that are mapped."""
        if "shares" not in fitted:
            return None
        return [f"z = z + np.log(np.array({fitted['shares']!r})) - np.log(np.array({fitted['source']!r}))"]

    def _shares(self, shares: str | Floats, z: Floats, y: Any) -> Floats:
        """The shares that a parameter stands for."""
        num_classes = z.shape[1]
        if isinstance(shares, np.ndarray):
            return shares
        if shares == UNIFORM:
            return np.full(num_classes, 1 / num_classes)
        counted = counted_shares(y, num_classes, "prior-correction")
        if shares == CAL:
            return counted
        _, bias = fit_bias_corrected(z, y, "prior-correction", scaled=False)
        implied = counted * np.exp(bias.min() - bias)
        if implied.min() < np.finfo(np.float64).tiny:
            message = f"prior-correction: source=fit finds a share of 0 for class {int(implied.argmin())}"
            raise RunError(
                message, "logits of thousands and more have no such fit: put a calibrator first, or state source"
            )
        return np.asarray(implied / implied.sum())

    def _predictions(self, outputs: Outputs) -> Floats:
        """The answer of each row as a one-hot row (bbse), or its probabilities (bbse-soft); `[N, K]`."""
        probs = outputs.probs().cpu().numpy()
        predictions: Floats = np.eye(probs.shape[1])[probs.argmax(axis=1)] if self.method == "bbse" else probs
        return predictions


def _bias_corrected(scores: Scores, fitted: dict[str, Any]) -> Any:
    """Logits `z / T + b`, or the logits as they are if no temperature was fitted."""
    z = scores.logits()
    return z / fitted["temperature"] + scores.ops.constant(fitted["bias"]) if "temperature" in fitted else z
