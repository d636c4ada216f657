"""Figures of calibrators and decision rules: what each does to the outputs of a model that is too sure, whose truth is known."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from method_pages import methods_of
from small_multiples import DOT, NOT_DRAWN, Axes, Floats, Line, Panel, svg

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.errors import CalibenchError
from calibench.outputs.decisions import Decisions
from calibench.recipe.posthoc import PostHoc

ROWS = 2000
SHARPNESS, BIAS = 2.0, 0.8
"""The model's log-odds are SHARPNESS times the true ones, plus BIAS: it is too sure, and favours class 1."""

CALIBRATORS = {"prior-correction": "prior=cal,source=fit"}
"""Settings of a calibrator that needs some, as `key=value`; all others have their defaults. There are no rows of other
class shares here, so `prior-correction` shows the shift that fits cal best."""

GRID = np.linspace(0.004, 0.996, 249)


def true_probability(p: Floats) -> Floats:
    """The share of class 1 among the rows to which the model gives it probability p."""
    log_odds = (np.log(p) - np.log1p(-p) - BIAS) / SHARPNESS
    return 1 / (1 + np.exp(-log_odds))


def two_classes(p: Floats) -> Outputs:
    """The model's logits for probabilities p of class 1."""
    log_odds = np.log(p) - np.log1p(-p)
    return Outputs(torch.from_numpy(np.stack([-log_odds / 2, log_odds / 2], axis=1)))


def chain(text: str, kind: str, num_classes: int) -> PostHoc:
    """The stages that a user writes as `text`."""
    return PostHoc(resolve_chain(text, (kind,), text), num_classes)


def calibrators() -> str:
    """The map of each calibrator, fitted on 2 000 rows of two classes, beside the right one."""
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-(SHARPNESS * rng.normal(size=ROWS) * 1.2 + BIAS)))
    labels = torch.from_numpy((rng.random(ROWS) < true_probability(p)).astype(np.int64))
    right = Line("before", GRID, true_probability(GRID))
    panels = []
    for spec in methods_of("calibrator"):
        if spec.name in NOT_DRAWN:
            panels.append(Panel(spec.name, notes=NOT_DRAWN[spec.name]))
            continue
        text = f"{spec.name}:{CALIBRATORS.get(spec.name, '')}".rstrip(":")
        try:
            stages = chain(text, "calibrator", 2)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                stages.fit(two_classes(p), labels)
                mapped = stages.apply(two_classes(GRID)).probs()[:, 1].numpy()
            panels.append(Panel(spec.name, text.partition(":")[2], (right, Line("after", GRID, mapped))))
        except CalibenchError as error:
            raise SystemExit(f"{text}: {error}; give it settings in CALIBRATORS, or a reason in NOT_DRAWN") from None
    legend = {"before": "the right map", "after": "the fitted map", "diagonal": "no change"}
    axes = Axes((0, 1), (0, 1), "probability of a class before", "after", 5, legend, diagonal=True)
    return svg(panels, axes, "The map of each calibrator on one over-confident, biased model of two classes")


K = 4
ABSTAINING = 0.3
DECISIONS: dict[str, dict[str, str]] = {
    "threshold": {
        "value=0.6": "value=0.6",
        "value=0.95": "value=0.95",
        "target_coverage=0.7": "target_coverage=0.7",
        "target_risk=0.05": "target_risk=0.05",
    },
    "sigmoid-threshold": {"value=0.5": "value=0.5", "value=0.95": "value=0.95"},
    "conformal": {"alpha=0.2": "alpha=0.2", "alpha=0.1": "alpha=0.1", "alpha=0.05": "alpha=0.05"},
    "ltt": {
        "target_risk=0.1": "target_risk=0.1",
        "target_risk=0.05": "target_risk=0.05",
        "target_class_risk=0.1": "target_class_risk=0.1",
        "target_cost=0.27,matrix={costs}": "target_cost=0.27",
    },
    "cost": {"matrix={costs}": f"an error costs 1, abstaining {ABSTAINING}"},
}
"""By the rule its settings in the figure and their names; a rule that is not listed has its defaults."""


def over_confident(rows: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    """Logits of four classes, twice those that the labels are drawn from."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(rows, K)) * 2.5
    probs = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    labels = (rng.random((rows, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(max=K - 1)
    return Outputs(torch.from_numpy(2 * true)), torch.from_numpy(labels)


def risk_coverage(outputs: Outputs, labels: torch.Tensor) -> Line:
    """The error rate of the answers, by the share of rows answered, the surest first."""
    probs = outputs.probs().numpy()
    wrong = probs.argmax(axis=1) != labels.numpy()
    order = np.argsort(-probs.max(axis=1), kind="stable")
    count = np.arange(1, len(wrong) + 1)
    risk = wrong[order].cumsum() / count
    shown = np.unique(np.linspace(len(wrong) // 50, len(wrong) - 1, 120).round().astype(int))
    return Line("before", count[shown] / len(wrong), risk[shown])


def point(decisions: Decisions, labels: torch.Tensor) -> tuple[float, float, str]:
    """Coverage and risk of the answers, and the mean size of the sets if the rule makes sets."""
    answered = decisions.answers >= 0
    risk = float((decisions.answers != labels)[answered].double().mean()) if answered.any() else 0.0
    size = "" if decisions.sets is None else f", sets of {float(decisions.sets.sum(dim=1).double().mean()):.2f}"
    return float(answered.double().mean()), risk, size


def rule_panel(name: str, curve: Line, points: list[tuple[float, float, str]]) -> Panel:
    """The panel of a rule: a letter at each of its points, and what the letters stand for."""
    letters = "abcdefgh"
    marks = [Line("mark", np.array([x, x + DOT]), np.array([y, y])) for x, y, _ in points]
    notes = [f"{letter}  {text}" for letter, (_, _, text) in zip(letters, points, strict=False)]
    labels = [(x, y, letter) for letter, (x, y, _) in zip(letters, points, strict=False)]
    return Panel(name, "", (curve, *marks), tuple(notes), tuple(labels))


def decisions() -> str:
    """Coverage and risk of each rule, fitted on 1 000 rows, beside the curve of all limits on max-softmax."""
    cal, cal_labels = over_confident(1000, 1)
    test, labels = over_confident(20_000, 2)
    curve = risk_coverage(test, labels)
    panels = []
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        costs = Path(folder) / "costs.csv"
        np.savetxt(costs, np.c_[1 - np.eye(K), np.full(K, ABSTAINING)], delimiter=",", fmt="%g")
        for spec in methods_of("decision"):
            points = []
            for settings, name in DECISIONS.get(spec.name, {"": "defaults"}).items():
                torch.manual_seed(0)
                stages = chain(f"{spec.name}:{settings}".rstrip(":").format(costs=costs), "decision", K)
                stages.fit(cal, cal_labels)
                coverage, risk, size = point(stages.decide(test), labels)
                points.append((coverage, risk, name + size))
            panels.append(rule_panel(spec.name, curve, points))
    legend = {"before": "answers with the largest max-softmax", "mark": "the answers of the rule"}
    axes = Axes((0, 1), (0, 0.4), "share of rows answered", "share of answers that are wrong", 3, legend, size=1.9)
    return svg(panels, axes, "Coverage and risk of each decision rule on one over-confident model of four classes")
