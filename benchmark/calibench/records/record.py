"""ResultRecord: every field of a run's JSON file, with its meaning and unit. Its predictions lie in a second file beside it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calibench.errors import InputError
from calibench.records import schemas
from calibench.records.field_types import fits
from calibench.records.figures_table import COLUMNS, figure_rows, frame, html_table
from calibench.records.version_1 import from_version_1


@dataclass(frozen=True)
class ResultRecord:
    """The figures of one run, and everything that decided them.

    Figures are stored in the unit that `units` names: fractions (never percent), nats for NLL. None is an undefined figure.
    """

    run_id: str
    """`DATASET-MODEL-STAGES-sSEED-DIGEST`, the name of the run's files. The digest is the first 12 hex digits of the
    SHA-256 of the configuration and the fingerprints of the data and the OOD sets."""

    recipe: str
    """The stages in order, joined by `+`, as the user may type them: `ce:epochs=3+temperature`."""

    dataset: str
    """The dataset and its parameters, as the user may type them: `npz:path=features.npz`."""

    model: str
    """The network and its parameters, as the user may type them: `mlp:hidden=256;128`."""

    seed: int
    """The run's seed, from 0 up."""

    noise: str | None
    """The noise on the training labels, as the user may type it: `symmetric:rate=0.3`. None: the labels are unchanged."""

    backend: str
    """The kernels that computed the figures: `fused-cpu` or `reference`. A run on a GPU trains and predicts there and is
    judged on the CPU."""

    n: dict[str, int]
    """The number of samples of each split: `train`, `val`, `cal`, `test`."""

    metrics: dict[str, float | None]
    """The figures of the test split by metric. With shifts and OOD sets also their means, as `shift_nll_rotation` and
    `ood_auroc_near`, and the figures of each OOD set, as `ood_auroc_svhn`."""

    intervals: dict[str, list[float] | None]
    """For each metric the bounds `[low, high]` of the interval, of 95 % unless `bootstrap` has another level, in the metric's
    unit. It is an interval of what `units` names as the `estimand`: a population value, which the figure itself may miss,
    since noise makes calibration errors larger."""

    noise_floor: dict[str, dict[str, float]]
    """For each metric that has one, the score of a perfectly calibrated model with the same probabilities, in the
    metric's unit: the `mean` and the 95th percentile `p95` over labels drawn from these probabilities; of a mean over
    shifts the `mean` alone."""

    timings_s: dict[str, float]
    """Seconds of wall clock: `data`, each trained stage (`stage1`, ...), `posthoc`, `judge`, `shift`, `ood`, and
    `total`, the seconds of this run. A stage that came from the cache has the seconds of its training, which are not
    in `total`."""

    versions: dict[str, str]
    """The versions of Python, of our dependencies, and of the packages whose plugins took part."""

    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For each metric its `unit`, the `better` direction (`lower` or `higher`), `rankable`, true if a board may be ordered
    by it, `order_only`, true if it is biased by an amount that depends on the model, so that no rank follows, and the
    `estimand` of its interval."""

    no_interval: dict[str, str] = field(default_factory=dict)
    """For each metric without an interval the reason."""

    verdict: str = ""
    """One sentence: the judgement on the calibration of the test split, and the figures behind it."""

    calibrated: str = ""
    """The verdict in a word. `miscalibrated`: there are findings. `no_sign`: there are none, and a gap of 10 % of the
    samples would have been found. `too_few`: there are none, and such a gap could have been missed. Empty in records of
    earlier versions."""

    findings: list[dict[str, Any]] = field(default_factory=list)
    """What is significantly wrong, with a joint error rate of 5 % over all that is tested. Each has its `kind` (`top_label`,
    `class`, `label`, or `soft` where the shares of people were judged); its `name` (`top label`, the number of the
    class or label, or `all`); the `predicted` and the `observed` count; its `size`, the gap between both or the
    calibration error above chance, as a fraction of the samples; `detectable`, the size that is found 4 times in 5; and
    its adjusted p-value `p`."""

    detectable: float | None = None
    """The gap between predicted and observed, of the top label or of some label, that would have been found 4 times in
    5, as a fraction of the samples. None if it is not known."""

    mean_confidence: float | None = None
    """The mean probability of the predicted class, a fraction. None in records of earlier versions."""

    bins: int = 15
    """The number of bins of the calibration errors behind the verdict."""

    labels: list[dict[str, Any]] | None = None
    """Where samples have several labels, the verdict on each: its `name`, `calibrated`, the `predicted` and the
    `observed` count, the gap that is `detectable`, and `p`. None otherwise."""

    warnings: list[str] = field(default_factory=list)
    """What may be wrong with the samples or with the use of them, a sentence each."""

    advice: dict[str, Any] | None = None
    """The post-hoc map that helps, by cross-fitting on the cal split: the `recipe` (None: no map helps), its `nll_gain` in
    nats a sample with the `interval` that holds for all maps together, the number of `samples` and `folds`, the `gains` of
    all maps, and the reasons for those `not_fitted`. None where there is no sign of miscalibration, or a map in the recipe."""

    named_metrics: list[str] = field(default_factory=list)
    """The metrics that the user named besides the default set."""

    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For some metrics the facts behind the figure, under keys of the metric's own: the bin of a maximum and its count,
    the parts of a Brier score (in its unit), the number of probabilities that NLL clipped."""

    fitted: list[dict[str, Any]] = field(default_factory=list)
    """The learned values of each stage: the epoch kept and its validation NLL in nats, a temperature, and what a map
    took from the unlabelled test rows (the `shares` of `prior-correction`). `stage` is its name; `member` is the number
    of an ensemble's network."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    """The course of each training: the `stage`, the `member` of an ensemble, the `epochs`, and for each of these epochs
    `train_loss`, the mean loss of the training rows, and `val_nll`, the NLL of the val split after it, in nats. A training
    of more than 60 epochs has about 60 of them, evenly spread, with the one kept and the last. Empty in records of
    earlier versions."""

    config: dict[str, Any] = field(default_factory=dict)
    """The whole configuration: every stage, the dataset, the model and the noise with all their parameters, the seed,
    the device, and the shifts and OOD sets where there are any."""

    seeds: dict[str, int] = field(default_factory=dict)
    """The seed of each random stream: `run`, the seeds derived from it for each purpose, `split`, `noise`, `bootstrap`."""

    bootstrap: dict[str, Any] = field(default_factory=dict)
    """How intervals were found: the `level`, the number of `resamples`, their `seed` and `stream` of random numbers,
    and for each metric with an interval its method in `methods` (`mean`: Wilson's interval of a share, or Hall's of a
    mean; `inversion`: of a test along the path that shrinks gaps; `resamples`: bias-corrected percentiles of
    resamples). Then the `bias_corrected` metrics and the `bias_correction` of their replicates, and the number of
    resamples in which a figure was `undefined`. Boards compare only records whose `seed`, `stream` and `resamples` are
    equal."""

    data: dict[str, Any] = field(default_factory=dict)
    """The data: SHA-256 `fingerprint` of all splits, of the same before noise (`clean_fingerprint`) and of the test
    split; `classes`; `group`, the data that outputs of several classifiers share; `questions`, which is the number of
    labels a sample; `licence`, `source`, `notes`; facts about the `noise`, such as its realised rate, and about each `shift`."""

    machine: dict[str, Any] = field(default_factory=dict)
    """The machine: `system`, `processor`, `cores`, `threads` of torch, `device`; `ranks`, the number of processes, if
    more than one."""

    code: str = ""
    """Hex digest of the code and files that decided the run. A stored record answers a run only if this is equal."""

    cache: dict[str, list[str]] = field(default_factory=dict)
    """The stages that came from the cache (`hits`), that were trained now (`made`), and that continued an earlier
    training (`resumed`)."""

    shift: list[dict[str, Any]] = field(default_factory=list)
    """A row for each variant of each shift: `shift`, `kind`, `severity`, the number of samples `n`, its `metrics`,
    `intervals`, `no_interval` and `noise_floor`, and facts `about` it from the shift's plugin; `adapted`, among
    these, is what a map took from its unlabelled rows. The means over variants are in the
    record's `metrics`."""

    ood: list[dict[str, Any]] = field(default_factory=list)
    """A row for each OOD set and score: `set`, `group` (`near`, `far` or None), `score`, the number of rows `n`, the
    number of rows `left_out` because the data has them too, the SHA-256 `fingerprint` of the rows, `mean_confidence`,
    `metrics` (all fractions) and `intervals`; `note` if they are undefined. The near and far means are in the record's
    `metrics`."""

    predictions: dict[str, str] | None = None
    """The file of scores, labels and bootstrap replicates: `file`, relative to the results folder, and its `sha256`.
    None: they are not stored."""

    created: str = ""
    """The end of the run: UTC, ISO 8601, to the second."""

    preset: dict[str, Any] | None = None
    """The preset that the run came from: its `name`, the `sha256` of its text, and the settings that the user
    `changed`. A suite adds `suite` (true), the `method` in its own words, and the `file` that it was read from, if any.
    None: there was none."""

    tuned: dict[str, Any] | None = None
    """The search on the val split that chose parameters: the `recipe` as it was given, the `space`, the `metric` and the
    `split` that led it, its `seed`, the number of `trials` and of those that `failed`, the values `chosen` and their
    `trial`, their `val_score`, that of the recipe as given (`val_score_as_given`; None if it failed), and the `log` of
    all trials, relative to the results folder. The val scores are too good: the best of several on the rows that also
    picked checkpoints. None: there was no search."""

    schema: str = schemas.RECORD
    """The name and version of this document; first in the file."""

    @property
    def method(self) -> str:
        """The recipe; of a run whose parameters a search chose, the recipe as given and what was searched.

        So the seeds of one search stand in one row of a board, whatever was chosen for each.
        """
        if self.tuned is None:
            return self.recipe
        return f"{self.tuned['recipe']} (tuned {', '.join(self.tuned['chosen'])})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        document = dataclasses.asdict(self)
        return {"schema": document.pop("schema"), **document}

    def __getitem__(self, key: str) -> Any:
        """The document's entry, so that `record["metrics"]` reads as the JSON does."""
        return self.to_dict()[key]

    def to_pandas(self) -> Any:
        """The figures as a pandas DataFrame: a row a metric, with the ends of its interval. InputError without pandas."""
        return frame(self._figures(), COLUMNS)

    def _repr_html_(self) -> str:
        """The verdict and the figures, as a notebook shows a record."""
        facts = f"{self.dataset}, {self.model}{f', {self.noise}' if self.noise else ''}, seed {self.seed}"
        note = f"{self.n.get('test')} test samples; figures as fractions and nats"
        return html_table(self.method, [facts, self.verdict, note, self.run_id], self._figures())

    def _figures(self) -> list[dict[str, Any]]:
        return figure_rows(self.metrics, self.intervals, self.noise_floor, self.units)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str, before: ResultRecord | None = None) -> ResultRecord:
        """The record that a JSON document holds. InputError, naming the file `where`, if the document is not such a record.

        Fields that this version does not know are left out. Values that are objects of `before`, a record of another document,
        are not checked again.
        """
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema == schemas.RECORD_1:
            document = from_version_1(document)
        elif schema != schemas.RECORD:
            message = f"{where}: its schema is {schema!r}, not {schemas.RECORD!r}"
            raise InputError(message, "is it a record of another version?")
        names, required = _fields()
        missing = [name for name in required if name not in document]
        if missing:
            raise InputError(f"{where}: the record has no {', '.join(missing)}", "run it again with --force")
        present = [name for name in names if name in document]
        for name in present:
            if before is not None and document[name] is getattr(before, name):
                continue
            if not fits(name, document[name]):
                message = f"{where}: the value of {name!r} does not fit this field of a record"
                raise InputError(message, "run it again with --force")
        return cls(**{name: document[name] for name in present if name != "schema"})


@functools.cache
def _fields() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of all fields, and of those that have no default."""
    missing = dataclasses.MISSING
    fields = dataclasses.fields(ResultRecord)
    required = (f.name for f in fields if f.default is missing and f.default_factory is missing)
    return tuple(f.name for f in fields), tuple(required)
