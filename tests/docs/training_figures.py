"""Figures of what is trained: losses against the margin, and reliability on noisy digits, whose networks are too sure."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from method_pages import methods_of
from sklearn.datasets import load_digits
from small_multiples import NOT_DRAWN, Axes, Floats, Line, Panel, svg
from torch import nn

import calibench
from calibench import Objective, Outputs
from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.plugins.specs import MethodSpec, StageKind
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage

K = 10
MARGINS = np.linspace(-6, 14, 201)
LEAST_SHARE = 0.01
"""The share of the training rows that have the drawn label: losses that know the shares of classes show it."""

AGAINST_WRONG_LABELS = frozenset(
    [
        "agce",
        "anl",
        "backward",
        "bi-tempered",
        "bootstrap",
        "cleanlab",
        "clipped-ce",
        "co-teaching",
        "dividemix",
        "elr",
        "forward",
        "gce",
        "gjs",
        "nce-rce",
        "noise-ce",
        "sce",
        "sop",
    ]
)
"""The objectives that are made for wrong labels: they have figures of their own."""

LOSSES = {"noise-ce": "rate=0.3", "forward": "rate=0.3", "backward": "rate=0.3"}
"""Settings of an objective whose loss its defaults would first estimate."""

TRAIN_ROWS, COPIES = 1000, 6
MUCH, LITTLE = 0.4, 0.2
"""Standard deviations of the noise in pixels that run from 0 to 1."""

MODEL = "mlp:dropout=0.1"
LENGTH = "epochs=60,select=last"
BASE = f"ce:{LENGTH}"
"""60 epochs, the last one kept: where pixels have much noise the network ends far too sure."""

WRONG_LABELS = "symmetric:rate=0.3"
SETTINGS: dict[str, str] = {}
"""Settings of a method that the digits need; all others have their defaults."""


def drawn_objectives(against_wrong_labels: bool) -> list[MethodSpec]:
    """The objectives that are made for wrong labels, or all others; cross-entropy leads both."""
    specs = methods_of("objective")
    return specs[:1] + [spec for spec in specs[1:] if (spec.name in AGAINST_WRONG_LABELS) == against_wrong_labels]


def losses(against_wrong_labels: bool) -> str:
    """The loss of each objective whose rows do not depend on each other, by the margin of the label's logit."""
    before = Line("before", MARGINS, loss_by_margin(prepared("ce")))
    panels = []
    for spec in drawn_objectives(against_wrong_labels):
        settings = LOSSES.get(spec.name, "")
        objective = prepared(f"{spec.name}:{settings}".rstrip(":"))
        if objective is None:
            panels.append(Panel(spec.name, notes=("no curve: other", "rows or the past", "matter too")))
        else:
            panels.append(Panel(spec.name, settings, (before, Line("after", MARGINS, loss_by_margin(objective)))))
    legend = {"before": "cross-entropy", "after": "the objective"}
    axes = Axes((-6, 14), (-2, 8), "the label's logit less the others", "loss in nats", 6, legend, size=1.1)
    return svg(panels, axes, "The loss of each objective by the margin of the label's logit")


def prepared(recipe: str) -> Objective | None:
    """The objective, ready for rows of ten classes; None if a row's loss is not a function of its logits alone."""
    objective: Objective = build_stage(resolve(recipe).objective)
    if not objective.can_split() or objective.folds:
        return None
    count = np.full(K, 10.0)
    count[0] = LEAST_SHARE * count[1:].sum() / (1 - LEAST_SHARE)
    labels = torch.from_numpy(np.repeat(np.arange(K), (100 * count).round().astype(int)))
    objective.check(K)
    objective.prepare(TrainTask(labels, K, 10, None, lambda: nn.Linear(3, K)))
    return objective


def loss_by_margin(objective: Objective | None) -> Floats:
    """The loss of one row of the rarest class at each margin."""
    assert objective is not None
    y, rows = torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    values = []
    for margin in MARGINS:
        logits = torch.full((1, K), -margin / 2, dtype=torch.float64)
        logits[0, 0] = margin / 2
        values.append(float(objective.loss(logits, Batch(logits, y, rows))))
    return np.array(values)


@cache
def workplace() -> tempfile.TemporaryDirectory[str]:
    """A folder for this process."""
    return tempfile.TemporaryDirectory()


@cache
def noisy_digits(pixel_noise: float) -> str:
    """A dataset of digits with noise in their pixels, and of test rows many noisy copies."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(y))
    x, y = x[order].reshape(-1, 8, 8) / 16, y[order]
    test_x, test_y = np.tile(x[TRAIN_ROWS:], (COPIES, 1, 1)), np.tile(y[TRAIN_ROWS:], COPIES)
    arrays = {
        name: (rows + pixel_noise * rng.normal(size=rows.shape)).astype(np.float32)
        for name, rows in (("train_x", x[:TRAIN_ROWS]), ("test_x", test_x))
    }
    file = Path(workplace().name) / f"digits-{pixel_noise}.npz"
    np.savez(file, train_y=y[:TRAIN_ROWS], test_y=test_y, **arrays)
    return f"npz:path={file}"


def outputs_on_test(recipe: str, pixel_noise: float, wrong_labels: str | None = None) -> tuple[Outputs, torch.Tensor]:
    """The outputs of a recipe on the noisy test digits, and their labels."""
    config = resolve(recipe, noisy_digits(pixel_noise), MODEL, seed=0, noise=wrong_labels)
    data = load_data(config)
    members = Members(config, data, StageCache(Path(workplace().name) / "cache"), quiet)
    return members.run(("test",))["test"], torch.from_numpy(data.test.y)


def reliability(style: str, outputs: Outputs, labels: torch.Tensor, bins: int = 10) -> Line:
    """Accuracy by mean confidence, in bins of equal count."""
    confidence, answers = (values.numpy() for values in outputs.probs().max(dim=1))
    right = answers == labels.numpy()
    groups = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return Line(style, np.array([confidence[g].mean() for g in groups]), np.array([right[g].mean() for g in groups]))


def figures(outputs: Outputs, labels: torch.Tensor) -> tuple[float, float, float]:
    """ECE15 in percent, NLL, and accuracy in percent."""
    record = calibench.evaluate(probs=outputs.probs().numpy(), labels=labels.numpy(), resamples=0)
    return 100 * record.metrics["ece15"], record.metrics["nll"], 100 * record.metrics["accuracy"]


def objectives(against_wrong_labels: bool) -> str:
    """Reliability of each objective on noisy digits, with clean and with 30 % wrong training labels."""
    panels = []
    for spec in drawn_objectives(against_wrong_labels):
        own = SETTINGS.get(spec.name, "")
        recipe = f"{spec.name}:{own},{LENGTH}" if own else f"{spec.name}:{LENGTH}"
        clean, wrong = outputs_on_test(recipe, LITTLE), outputs_on_test(recipe, LITTLE, WRONG_LABELS)
        text = f"NLL {figures(*clean)[1]:.2f} / {figures(*wrong)[1]:.2f}"
        panels.append(Panel(spec.name, text, (reliability("after", *clean), reliability("wrong", *wrong))))
    legend = {"after": "clean labels", "wrong": "30 % wrong labels", "diagonal": "calibrated"}
    axes = Axes((0, 1), (0, 1), "confidence", "accuracy", 6, legend, diagonal=True, size=1.1)
    return svg(panels, axes, "Reliability of each objective on noisy digits, with clean and with wrong training labels")


def stages(kind: StageKind) -> str:
    """Reliability on noisy digits of an over-confident network, before and after each method of a kind."""
    before = outputs_on_test(BASE, MUCH)
    grey, (ece, accuracy) = reliability("before", *before), figures(*before)[::2]
    panels = []
    for spec in methods_of(kind):
        if spec.name in NOT_DRAWN:
            panels.append(Panel(spec.name, notes=NOT_DRAWN[spec.name]))
            continue
        after = outputs_on_test(f"{BASE}+{spec.name}:{SETTINGS.get(spec.name, '')}".rstrip(":"), MUCH)
        text = f"ECE15 {ece:.1f} to {figures(*after)[0]:.1f} %"
        notes = ("accuracy", f"{accuracy:.1f} to {figures(*after)[2]:.1f} %")
        panels.append(Panel(spec.name, text, (grey, reliability("after", *after)), notes))
    columns = min(max(len(panels), 3), 5)
    legend = {"before": "the network alone", "after": "with the method", "diagonal": "calibrated"}
    axes = Axes((0, 1), (0, 1), "confidence", "accuracy", columns, legend, diagonal=True)
    return svg(panels, axes, f"Reliability on noisy digits before and after each {kind}")
