"""OOD detection from files: how well a score of the outputs, or a stored score, tells the rows of another file from FILE's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibench.config.grammar import bind, parse_piece
from calibench.errors import InputError, blaming, did_you_mean
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling, percentile_interval
from calibench.metrics.judged import Judged
from calibench.metrics.ood import FIGURES, Ranked, ood_replicates
from calibench.outputs.ood_scores import SPECS
from calibench.outputs.outputs import Outputs
from calibench.outputs.readers import Columns, SamplesFile, aligned, read_samples
from calibench.plugins.discovery import registry
from calibench.plugins.specs import OodScoreSpec
from calibench.progress import Report, quiet
from calibench.seeds import derived_seed

DEFAULT_SCORE = "max-softmax"

LARGEST = 3.4028234663852886e38
"""The largest number of float32."""


def judge_ood_files(
    inside: SamplesFile,
    files: Sequence[Path],
    columns: Columns,
    scores: Sequence[str] = (),
    sampling: Sampling = DEFAULT_SAMPLING,
    report: Report = quiet,
) -> list[dict[str, Any]]:
    """A row for each of `files` and each of `scores`: AUROC, AUPR and FPR95 with bootstrap intervals.

    A score is a name of `--ood-score` that needs outputs alone (default `max-softmax`), or a column of one number a sample that
    `inside` has too; it is large where a row is unlike the training data. Outputs are scored as they are stored. InputError for
    a score that is neither, and for files of other classes.
    """
    rows = []
    names = list(dict.fromkeys(scores)) or [DEFAULT_SCORE]
    for done, path in enumerate(files, 1):
        outside = _Outside(path, columns, inside)
        for name in names:
            rows.append({"set": path.stem, "file": str(path), "score": name, **_row(inside, outside, name, sampling)})
        report("ood", done, len(files), path.name)
    return rows


class _Outside:
    """The file of OOD rows: its outputs, if a score needs them, and its columns."""

    def __init__(self, path: Path, columns: Columns, inside: SamplesFile) -> None:
        self.path, self.columns, self.inside = path, columns, inside
        self._samples: SamplesFile | None = None

    @property
    def samples(self) -> SamplesFile:
        """The outputs, columns in the order of the judged file by name. InputError unless they have its classes."""
        if self._samples is None:
            found, own = read_samples(self.path, self._columns_without_labels(), labelled=False), self.inside
            if found.outputs.num_classes != own.outputs.num_classes:
                message = (
                    f"{self.path} has {found.outputs.num_classes} classes, and {own.path} has {own.outputs.num_classes}"
                )
                raise InputError(message, "both must come from the same classifier")
            self._samples = aligned(found, own)
        return self._samples

    def _columns_without_labels(self) -> Columns:
        """The columns of the judged file; the one of labels is no score here, and need not be there."""
        label = self.columns.label
        return (
            self.columns if label is None else replace(self.columns, label=None, others=(*self.columns.others, label))
        )

    def column(self, name: str) -> Floats:
        """A stored score, `[m]`; a `.npy` of one number a row is the score itself."""
        from calibench.data.numpy_files import read_npy, read_npz

        suffix = self.path.suffix.lower()
        if suffix == ".npy":
            return _numbers(read_npy(self.path), name, self.path)
        if suffix == ".npz":
            arrays = read_npz(self.path)
            if name not in arrays:
                raise InputError(f"{self.path}: there is no {name!r}", did_you_mean(name, arrays))
            return _numbers(arrays[name], name, self.path)
        return _numbers(self.samples.other(name), name, self.path)


def _row(inside: SamplesFile, outside: _Outside, name: str, sampling: Sampling) -> dict[str, Any]:
    """The figures of one score; a name of a score wins over a column of that name."""
    specs = _specs()
    if name.partition(":")[0] not in specs and name in inside.others:
        scores_in = _numbers(inside.others[name], name, Path(inside.path))
        scores_out, confidence = outside.column(name), None
    else:
        score = _score(name, inside, specs)
        scores_in, scores_out = (score(outputs) for outputs in (inside.outputs, outside.samples.outputs))
        confidence = float(_as_judged(outside.samples.outputs).confidence.mean())
    ranked = Ranked.by_uncertainty(scores_in, scores_out)
    intervals: dict[str, Any] = dict.fromkeys(FIGURES)
    if sampling.resamples:
        stream = derived_seed(sampling.seed, f"ood {outside.path.name}")
        replicates = ood_replicates(ranked, sampling, seed_out=stream)
        intervals = {figure: percentile_interval(values, sampling.level) for figure, values in replicates.items()}
    return {
        "n_in": len(scores_in),
        "n_out": len(scores_out),
        "mean_confidence": confidence,
        "metrics": ranked.figures(),
        "intervals": intervals,
    }


def _specs() -> dict[str, OodScoreSpec]:
    """The scores that need outputs alone, by name: calibench's own and those of plugins."""
    found = {spec.name: spec for spec in SPECS}
    for entry in registry().all("ood-score"):
        if isinstance(entry.spec, OodScoreSpec) and entry.spec.of == "outputs":
            found[entry.spec.name] = entry.spec
    return found


def _score(name: str, inside: SamplesFile, specs: Mapping[str, OodScoreSpec]) -> Any:
    """The uncertainty `[n]` of outputs by the score `name`."""
    word = name.partition(":")[0]
    if word not in specs:
        numeric = [key for key, values in inside.others.items() if values.dtype.kind in "iuf"]
        hint = did_you_mean(name, [*specs, *numeric])
        raise InputError(f"--ood-score {name} is no score of outputs, and no column of {inside.path}", hint)
    if name == DEFAULT_SCORE:  # numpy alone: no torch is imported
        return lambda outputs: _rounded(_as_judged(outputs).tail)
    bound = bind(specs[word], parse_piece(name).values)

    def scored(outputs: Outputs) -> Floats:
        with blaming(f"score {name}"):
            uncertainty = bound.spec.load()(Outputs(outputs.scores, outputs.from_probs), **bound.own())
        return _rounded(uncertainty.double().cpu().numpy())

    return scored


def _as_judged(outputs: Outputs) -> Judged:
    """For figures that need no labels."""
    return Judged(outputs, np.zeros(len(outputs), dtype=np.int64))


def _rounded(uncertainty: Floats) -> Floats:
    """Rounded to float32, so that equal rows tie whichever loop computed them."""
    return np.clip(uncertainty, -LARGEST, LARGEST).astype(np.float32).astype(np.float64)


def _numbers(values: Any, name: str, path: Path) -> Floats:
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind in "OUS":  # the cells of a table
        array = np.array([_number(value, row, name, path) for row, value in enumerate(array.tolist())])
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        message = f"{path}: {name} has shape {list(array.shape)} and type {array.dtype}"
        raise InputError(message, "a stored score is one number a row, large where a row is unlike the training data")
    wrong = np.flatnonzero(np.isnan(array.astype(np.float64)))
    if len(wrong):
        raise InputError(f"{path}: row {wrong[0]}: {name} is NaN", "leave such rows out")
    return array.astype(np.float64)


def _number(value: Any, row: int, name: str, path: Path) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        message = f"{path}: row {row}: {name} is {value!r}, no number"
        raise InputError(
            message, "a stored score is one number a row, large where a row is unlike the training data"
        ) from None
