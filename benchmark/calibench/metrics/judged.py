"""Judged: the outputs, labels and decisions of N samples, and the figures per sample that all metrics share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from calibench.errors import InputError
from calibench.lazy import np, torch
from calibench.metrics.binning import Bools, Floats, Ints, bin_index, read_only
from calibench.metrics.sample_figures import SampleFigures, sample_figures
from calibench.metrics.sample_weight import checked_weights, scaled
from calibench.moved import renamed
from calibench.outputs.arrays import Labels, as_array, beside, to_float64
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import outputs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.kernels import CalibrationStats

T = TypeVar("T")


class TopSums(NamedTuple):
    """Sums over all samples: of the confidence c, of c (1 - c), and of right predictions."""

    confidence: float
    variance: float
    correct: float


class Judged:
    """All that a metric may look at: the outputs of a classifier on N samples of K classes, with labels and decisions.

    Arrays are read-only numpy arrays in float64 and int64. A derived figure is computed when a metric first reads it, and kept.
    If a sample has Q = `labels_per_sample` > 1 labels, N counts answers over (no, yes), and those of one sample are adjacent.
    """

    num_classes: int
    """K."""
    labels_per_sample: int
    """Q: 1 for one class per sample."""
    labels: Ints
    """The true class of each sample, `[N]`, in [0, K)."""
    soft: Floats | None
    """The shares of people who gave each label, `[N, K]`; None if the data have no such answers."""
    sample_weight: Floats | None
    """The weight of each sample, `[N]`, 1 on average; None if all count the same. `sample_weight.py` defines the scale."""
    decisions: Ints | None
    """The answers of the decision rule, `[N]`: a class, or -1 to abstain; None without a rule."""
    sets: Bools | None
    """The classes that the rule does not rule out, `[N, K]`; None if it gives no sets."""
    costs: Floats | None
    """The rule's cost of each answer (column; the last is abstention) for each true class (row), `[K, K or K + 1]`, or None."""
    score: str
    """The name of the score in `uncertainty`."""
    targets: dict[str, float]
    """The figures that the rule promises, by the name of the metric."""
    class_names: tuple[str, ...] = ()
    """The names of the K classes, or of the Q labels; empty if they have none."""
    _uncertainty: Floats | None
    questions = renamed("questions", "labels_per_sample")
    doubt = renamed("doubt", "uncertainty")

    def __init__(
        self,
        outputs: Outputs,
        labels: Labels,
        decisions: Decisions | Ints | None = None,
        soft: Floats | None = None,
        sample_weight: Floats | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        """`outputs` hold scores `[N, K]`, and `labels` are `[N]`. `decisions` are those of a rule, or its answers `[N]` alone.

        `sample_weight` is one number per sample, at least 0: its size relative to the others counts.

        Raises InputError if lengths or decisions do not fit. Scores and labels themselves are checked where they enter
        calibench (`Outputs.check`, `check_labels`).
        """
        if len(labels) != len(outputs):
            raise InputError(f"{len(outputs)} rows of scores and {len(labels)} labels", "give one label per row")
        self._outputs: Outputs | None = outputs
        self._parent: tuple[Judged, Ints] | None = None
        self._memo: dict[Hashable, Any] = {}
        self.num_classes = outputs.num_classes
        self.class_names = class_names
        self.labels_per_sample = outputs.labels_per_sample
        self.labels = read_only(as_array(labels).astype(np.int64, copy=False)[:])
        self.soft = None if soft is None else read_only(soft.astype(np.float64))
        if self.soft is not None and self.soft.shape != (len(labels), outputs.num_classes):
            message = f"soft labels of shape {list(self.soft.shape)} beside {len(labels)} rows of {outputs.num_classes} classes"
            raise InputError(message, "give one row per sample and one share per class")
        self.sample_weight = self._weights(sample_weight)
        if decisions is None or isinstance(decisions, Decisions):
            self._set_decisions(decisions)
        else:
            self._set_decisions(Decisions(_answers(decisions)))

    def _weights(self, weights: Floats | None) -> Floats | None:
        if weights is None:
            return None
        own = scaled(checked_weights(weights, self.n // self.labels_per_sample))
        return None if own is None else read_only(np.repeat(own, self.labels_per_sample))

    def _set_decisions(self, decisions: Decisions | None) -> None:
        if decisions is None:
            self.decisions = self.sets = self.costs = self._uncertainty = None
            self.score, self.targets = "max-softmax", {}
            return
        decisions = decisions.check(self.n, self.num_classes).cpu()
        self.decisions = read_only(decisions.answers.numpy().copy())
        self.sets = _copy(decisions.sets)
        self.costs = _copy(decisions.costs)
        self._uncertainty = _copy(decisions.uncertainty)
        self.score, self.targets = decisions.score, dict(decisions.targets)

    def take(self, index: Ints) -> Judged:
        """The samples `index` in that order; an index may repeat. Figures of samples are indexed, not computed again."""
        rows = np.asarray(index, dtype=np.int64)
        subset = object.__new__(Judged)
        subset._outputs, subset._parent, subset._memo = None, (self, rows), {}
        subset.num_classes, subset.labels_per_sample = self.num_classes, self.labels_per_sample
        subset.class_names = self.class_names
        subset.costs, subset.score, subset.targets = self.costs, self.score, self.targets
        subset.labels = read_only(self.labels[rows])
        subset.soft = _rows_of(self.soft, rows)
        subset.sample_weight = scaled(_rows_of(self.sample_weight, rows))
        subset.decisions = _rows_of(self.decisions, rows)
        subset.sets = _rows_of(self.sets, rows)
        subset._uncertainty = _rows_of(self._uncertainty, rows)
        return subset

    def relabelled(self, labels: Ints) -> Judged:
        """The same outputs and weights with other labels `[N]`, without decisions and soft labels."""
        weights = None if self.sample_weight is None else self.sample_weight[:: self.labels_per_sample]
        return Judged(self.outputs, torch.tensor(labels), sample_weight=weights, class_names=self.class_names)

    @property
    def n(self) -> int:
        """N, the number of samples."""
        return len(self.labels)

    @property
    def origin(self) -> tuple[Judged, Ints]:
        """The samples that `take` chose from, at first if it was called several times, and the rows `[N]` of these among them.

        For what a metric fixes once, such as the bandwidth of a kernel, so that resamples share it. Itself without `take`.
        """
        if self._parent is None:
            return self, np.arange(self.n)
        first, places = self._parent[0].origin
        return first, places[self._parent[1]]

    @property
    def top_label_only(self) -> bool:
        """True if only the confidence of each answer and its correctness are known: the answer is class 0."""
        return self._parent[0].top_label_only if self._parent else self.outputs.top_label_only

    @property
    def outputs(self) -> Outputs:
        """The scores as the classifier gave them, logits or probabilities, `[N, K]`."""
        if self._outputs is None:
            parent, rows = cast("tuple[Judged, Ints]", self._parent)
            whole = parent.outputs
            self._outputs = outputs_of(parent.scores[rows], whole.from_probs, whole.labels_per_sample)
        return self._outputs

    @property
    def from_probs(self) -> bool:
        """True if the scores are probabilities. Unlike `outputs.from_probs`, it copies no rows."""
        return self._parent[0].from_probs if self._parent else self.outputs.from_probs

    @cached_property
    def _samples(self) -> SampleFigures:
        if self._parent is not None:
            parent, rows = self._parent
            return SampleFigures(*(read_only(column[rows]) for column in parent._samples))
        return sample_figures(self.outputs, self.labels)

    @property
    def prediction(self) -> Ints:
        """Class of the largest score, the lowest index among equals, int32 `[N]`."""
        return self._samples.prediction

    @property
    def confidence(self) -> Floats:
        """Probability of the predicted class, `[N]`."""
        return self._samples.confidence

    @property
    def tail(self) -> Floats:
        """`r = sum over j != prediction of p_j / p_prediction`, `[N]`. It ranks as 1 - confidence, and never saturates."""
        return self._samples.tail

    @property
    def uncertainty(self) -> Floats:
        """The uncertainty that the decision rule abstains by, `[N]`, small = sure; the tail if the rule gives none."""
        return self.tail if self._uncertainty is None else self._uncertainty

    @property
    def nll(self) -> Floats:
        """`-ln p_label` in nats, `[N]`; from probabilities with p clipped at 1e-12."""
        return self._samples.nll

    @property
    def brier(self) -> Floats:
        """`sum over k of (p_k - [label = k])^2`, `[N]`, in [0, 2]."""
        return self._samples.brier

    @cached_property
    def is_correct(self) -> Bools:
        """True where the prediction is the label, `[N]`."""
        return read_only(self.prediction == self.labels)

    @property
    def correct(self) -> Floats:
        """1 where the prediction is the label, else 0, `[N]`; a new array each time, since it takes eight times as much memory."""
        return read_only(self.is_correct.astype(np.float64))

    @cached_property
    def top_sums(self) -> TopSums:
        """What the top label's counts are made of."""
        c = self.confidence
        if self.sample_weight is None:
            return TopSums(float(c.sum()), float((c * (1 - c)).sum()), float(self.correct.sum()))
        w = self.sample_weight
        return TopSums(float(w @ c), float((w * w) @ (c * (1 - c))), float(w @ self.correct))

    @cached_property
    def probs(self) -> Floats:
        """Probabilities `[N, K]`, in C order. Logits pass through a row-wise softmax, so that threads cannot change a bit."""
        if self._parent is not None:
            parent, rows = self._parent
            return read_only(parent.probs[rows])
        scores = to_float64(self.scores)
        if self.outputs.from_probs:
            return read_only(np.ascontiguousarray(scores))
        # In C order for scores in any order, since the order in memory is the order of later sums.
        probs: Floats = np.subtract(scores, scores.max(axis=1, keepdims=True), order="C")
        np.exp(probs, out=probs)
        probs /= probs.sum(axis=1, keepdims=True)
        return read_only(probs)

    @cached_property
    def scores(self) -> Any:
        """The scores on the CPU, `[N, K]` in their own type, for the operators of `calibench.kernels`.

        An array; of bfloat16, which numpy does not have, a tensor.
        """
        if self._parent is not None:
            return self._parent[0].scores[self._parent[1]]
        array = self.outputs.array
        return self.outputs.scores.detach().cpu() if array is None else array

    def probs_of(self, k: int) -> Floats:
        """The probability of class k of each sample, `[N]`; of logits of two classes without a matrix of probabilities."""
        if self.from_probs:
            return to_float64(self.scores[:, k])
        if self.num_classes != 2 or self._parent is not None:
            return self.probs[:, k]
        p = np.where(self.prediction == k, self.confidence, self.tail * self.confidence)
        return read_only(p)

    @property
    def label_probs(self) -> Floats:
        """The probability of the label, `[N]`."""
        if self.from_probs:
            return to_float64(self.scores[tuple(beside(self.scores, np.arange(self.n), self.labels))])
        return np.exp(-self.nll)

    @cached_property
    def by_confidence(self) -> Ints:
        """The samples from least to most confident, equals in their order, int32 `[N]`."""
        return read_only(np.argsort(self.confidence, kind="stable").astype(np.int32))

    def bin_index(self, bins: int) -> Ints:
        """The equal-width bin of each confidence, 0 .. M-1, `[N]`; `binning.py` defines it."""
        dtype = np.min_scalar_type(bins)
        return self.memo(("bin_index", bins), lambda: read_only(bin_index(self.confidence, bins).astype(dtype)))

    def stats(self, bins: int) -> CalibrationStats[NDArray[Any]]:
        """Counts and sums per equal-width bin of the confidence, as the kernel's `CalibrationStats`; weighted if samples are.

        They are summed here from the kernel's figures per sample, in the order of the samples. So subsets, resamples and
        every number of bins share one confidence per sample, and no number of threads changes the order of a sum.
        """
        return self.memo(("stats", bins), lambda: self._stats(bins))

    def _stats(self, bins: int) -> CalibrationStats[NDArray[Any]]:
        from calibench.kernels import CalibrationStats

        index, own = self.bin_index(bins), self.sample_weight

        def per_bin(values: Floats | None) -> Floats:
            weights = own if values is None else values if own is None else values * own
            return np.bincount(index, weights=weights, minlength=bins).astype(np.float64)

        def weighted(values: Floats) -> Floats:
            return total(float((values if own is None else values * own).sum()))

        def total(value: float) -> Floats:
            return np.array(value, dtype=np.float64)

        return CalibrationStats(
            count=per_bin(None),
            confidence_sum=per_bin(self.confidence),
            correct_sum=per_bin(self.correct),
            nll_sum=weighted(self.nll),
            brier_sum=weighted(self.brier),
            correct=weighted(self.correct),
            n=total(self.n if own is None else float(own.sum())),
        )

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, called once per key: for values that a metric needs again in each block of resamples."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast(T, self._memo[key])


def _answers(decisions: Ints) -> torch.Tensor:
    array = np.asarray(decisions)
    if array.dtype.kind not in "iuf":
        message = f"decisions have type {array.dtype}, not whole numbers"
        raise InputError(message, "give one class per row, -1 to abstain")
    return torch.tensor(array)


def _copy(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else read_only(tensor.numpy().copy())


def _rows_of(array: Any, rows: Ints) -> Any:
    return None if array is None else read_only(array[rows])
