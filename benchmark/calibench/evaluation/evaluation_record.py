"""EvaluationRecord: every field of the JSON document of `calibench evaluate`, with its meaning and unit."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibench.evaluation.advice import Advice
from calibench.evaluation.finding import Finding, LabelVerdict
from calibench.metrics.judged import Judged
from calibench.records import schemas
from calibench.records.figures_table import figure_rows, frame, html_table

KEYS = {"labels_per_sample": "questions"}
"""The keys of fields that the document calls by another name."""

NOT_STORED = frozenset({"judged", "judged_after"})
"""Fields that are not part of the document."""


@dataclass(frozen=True)
class EvaluationRecord:
    """The figures of stored outputs; with a fit also the fit itself, and the figures after it.

    Figures are stored in the unit that `units` names: fractions (never percent), nats for NLL. None is an undefined figure.
    """

    n: int
    """The number of samples."""

    classes: int
    """The number of classes K; of samples with several labels, 2 (yes and no)."""

    labels_per_sample: int
    """The number of labels of one sample: 1, or Q. In Python the field is `labels_per_sample`."""

    backend: str
    """The kernels that computed the figures, always on the CPU: `fused-cpu` or `reference`."""

    metrics: dict[str, float | None]
    """The figures of the outputs as they are, by metric."""

    intervals: dict[str, list[float] | None]
    """For each metric the bounds `[low, high]` of the interval, of 95 % unless `bootstrap` has another level, in the metric's
    unit. It is an interval of what `units` names as the `estimand`: a population value, which the figure itself may miss,
    since noise makes calibration errors larger."""

    no_interval: dict[str, str]
    """For each metric without an interval the reason."""

    noise_floor: dict[str, dict[str, float]]
    """For each metric that has one, the score of a perfectly calibrated model with the same probabilities, in the
    metric's unit: the `mean` and the 95th percentile `p95` over labels drawn from these probabilities."""

    verdict: str
    """One sentence: the judgement on the calibration of these outputs, and the figures behind it."""

    calibrated: str
    """The verdict in a word. `miscalibrated`: there are findings. `no_sign`: there are none, and a gap of 10 % of the
    samples would have been found. `too_few`: there are none, and such a gap could have been missed. `not_tested`: 0
    resamples were asked for, and with them figures alone, or one pass over a file met more than 4 473 classes."""

    findings: list[Finding]
    """What is significantly wrong, with a joint error rate of 5 % over all that is tested. Each has its `kind` (`top_label`,
    `class`, `label`, or `soft` where the shares of people were judged); its `name` (`top label`, the number of the
    class or label, or `all`); the `predicted` and the `observed` count; its `size`, the gap between both or the
    calibration error above chance, as a fraction of the samples; `detectable`, the size that is found 4 times in 5; and
    its adjusted p-value `p`."""

    mean_confidence: float
    """The mean probability of the predicted class, a fraction."""

    bins: int
    """The number of bins of the calibration errors behind the verdict."""

    units: dict[str, dict[str, Any]]
    """For each metric its `unit`, the `better` direction (`lower` or `higher`), `rankable`, true if a board may be ordered
    by it, `order_only`, true if it is biased by an amount that depends on the model, so that no rank follows, and the
    `estimand` of its interval."""

    details: dict[str, dict[str, Any]]
    """For some metrics the facts behind the figure, under keys of the metric's own: the bin of a maximum and its count,
    the parts of a Brier score (in its unit), the number of probabilities that NLL clipped."""

    bootstrap: dict[str, Any]
    """How intervals were found: the `level`, the number of `resamples`, their `seed` and `stream` of random numbers,
    and for each metric with an interval its method in `methods` (`mean`: Wilson's interval of a share, or Hall's of a
    mean; `inversion`: of a test along the path that shrinks gaps; `resamples`: bias-corrected percentiles of
    resamples). Then the `bias_corrected` metrics and the `bias_correction` of their replicates, and the number of
    resamples in which a figure was `undefined`."""

    versions: dict[str, str]
    """The versions of Python, of our dependencies, and of the packages whose plugins took part."""

    detectable: float | None = None
    """The gap between predicted and observed, of the top label or of some label, that would have been found 4 times in
    5, as a fraction of the samples. Absent if it is not known."""

    labels: list[LabelVerdict] | None = None
    """Where samples have several labels, the verdict on each: its `name`, `calibrated`, the `predicted` and the
    `observed` count, the gap that is `detectable`, and `p`. Absent otherwise."""

    not_streamed: dict[str, str] | None = None
    """For each metric of the set that a file read in one pass does not give, the reason. Absent where samples were judged
    together."""

    warnings: list[str] = field(default_factory=list)
    """What may be wrong with the samples or with the use of them, a sentence each."""

    notes: list[str] = field(default_factory=list)
    """How the file was read, a sentence each: columns that are left out, the positive class, classes that were matched by
    position since the file does not name them, rounded probabilities that were scaled. Empty for arrays from Python."""

    class_names: list[str] | None = None
    """The names of the classes in the order of their numbers. Absent where the file does not name them."""

    fit: dict[str, Any] | None = None
    """The fit: its `recipe`, the number of samples `n`, and the learned value of each parameter, under the name of the
    parameter (`temperature`), or `STAGE.NAME` if an earlier stage has one of that name. With `cross_fit`, the number of
    folds, every sample was mapped by a fit on the other folds. Absent without a fit."""

    after: dict[str, Any] | None = None
    """`metrics`, `intervals`, `no_interval`, `noise_floor`, `details`, `verdict`, `calibrated`, `findings`, `mean_confidence`,
    `detectable`, `labels`, `bins` and `warnings` of the outputs after the fit. Absent without a fit."""

    advice: Advice | None = None
    """The post-hoc map that helps, found by cross-fitting on the samples to fit on, or on the judged samples where there are
    no others: the `recipe` (None: no map helps), its `nll_gain` in nats a sample with the `interval` that holds for all
    maps together, the number of `samples` and `folds`, the `gains` of all maps, and the reasons for those `not_fitted`.
    Absent where there is no sign of miscalibration."""

    effective_samples: float | None = None
    """Of weighted samples the effective number, `(sum of w)^2 / sum of w^2`: a mean of so many without weights has about the
    same variance. Absent without weights."""

    groups: dict[str, dict[str, Any]] | None = None
    """The groups of samples by name, worst first: by the gap that is sure (`at_least`), then by `p`. Each has the number of
    samples `n`; their share `weight` of the weight of all; its verdict `calibrated` with the p-value `p` adjusted for all
    groups, its `findings`, the gap that is `detectable` 4 times in 5, and `at_least`, a lower bound of its gap that holds for
    all groups together; its `mean_confidence`; the cumulative error `ecce` and `ecce_sigma`, its ratio to what chance gives,
    whose largest value measures multicalibration; and its `metrics`, `intervals`, `no_interval` and `noise_floor`. With a
    fit, `after` has the same `groups`. Absent without groups."""

    periods: dict[str, Any] | None = None
    """Periods of time: their `column`, the test of `drift`, and the `periods` by name in the order of time, each with the
    fields of a group. `drift` has `drifts`, its `p`, the `name` of what changes most (`top label`, or a class or label),
    `since` when, and the mean of probability less label up to then and afterwards, `gap_before` and `gap_after`. With a fit,
    `after` has the same `periods`, each with the `gain` of the fit: `nll_gain` in nats a sample, its `interval`, which holds
    for all periods together, and `helps`, None where that interval holds 0. Absent without `--by-time`."""

    ood: list[dict[str, Any]] | None = None
    """For each file of `--ood` and each score a row: the `set`, the `score`, the numbers of samples `n_in` and `n_out`, the
    `mean_confidence` of the file, and the `metrics` `auroc`, `aupr`, `aupr_out` and `fpr95` with `intervals`; a `note` where a
    score cannot be computed. Absent without `--ood`."""

    file: str | None = None
    """The file that was judged, if it came from one."""

    sha256: str | None = None
    """The SHA-256 of that file."""

    schema: str = schemas.EVALUATION
    """The name and version of this document; first in the file."""

    judged: Judged | None = field(default=None, repr=False, compare=False)
    """The judged outputs, for diagrams; not part of the document."""

    judged_after: Judged | None = field(default=None, repr=False, compare=False)
    """The judged outputs after the fit, for diagrams; not part of the document."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first; `fit` and `after` only where there was a fit."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in NOT_STORED}
        document = {KEYS.get(name, name): value for name, value in values.items() if value is not None}
        return {"schema": document.pop("schema"), **document}

    def plot(self, path: str | Path, kind: str = "reliability") -> None:
        """Draw pictures into `path` (.svg, .png, .pdf): names joined by commas, as `--plot-kind` takes them."""
        from calibench.evaluation.drawn_record import draw_records

        draw_records({Path(self.file or "evaluation"): self}, kind, Path(path))

    def report(self, path: str | Path) -> None:
        """Write one self-contained page to `path` (.html): verdict, tables and pictures."""
        from calibench.evaluation.drawn_record import report_records

        report_records({Path(self.file or "evaluation"): self}, Path(path))

    def to_pandas(self) -> Any:
        """The figures as a pandas DataFrame, a row a metric; with a fit its columns `after` too. InputError without pandas."""
        return frame(self._figures())

    def _repr_html_(self) -> str:
        """The verdict and the figures, as a notebook shows an evaluation."""
        note = f"{self.n} samples, {self.classes} classes; figures as fractions and nats"
        return html_table(self.file or "evaluation", [self.verdict, note], self._figures())

    def _figures(self) -> list[dict[str, Any]]:
        rows = figure_rows(self.metrics, self.intervals, self.noise_floor, self.units)
        after = self.after or {}
        for row in rows if after else ():
            name = row["metric"]
            low, high = after.get("intervals", {}).get(name) or (None, None)
            row |= {"after": after.get("metrics", {}).get(name), "after_low": low, "after_high": high}
        return rows

    def __getitem__(self, key: str) -> Any:
        """The document's entry, so that `record["metrics"]` reads as the JSON does."""
        return self.to_dict()[key]
