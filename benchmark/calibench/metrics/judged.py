"""Judged: what a metric may look at, derived once from outputs, labels and decisions and shared by all metrics."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from calibench.errors import InputError
from calibench.lazy import np, torch
from calibench.metrics.binning import Bools, Floats, Ints, bin_index, frozen
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs

if TYPE_CHECKING:
    from calibench.kernels import CalibrationStats

T = TypeVar("T")


class _Samples(NamedTuple):
    """The kernel's per-sample figures as numpy arrays `[N]`."""

    confidence: Floats
    tail: Floats
    prediction: Ints
    nll: Floats
    brier: Floats


class Judged:
    """What a network said about N samples of K classes, beside the truth, as read-only float64 and int64 numpy arrays.

    `outputs` hold scores `[N, K]`, `labels` are `[N]` in [0, K). `decisions` are what a decision rule said, if one was run,
    or `[N]` alone: a class, or -1 for abstention; `sets [N, K]`, `costs [K, K or K + 1]`, `score` and `targets` are those
    of `Decisions`, None or empty where the rule has none. Where a sample has Q = `labels_per_sample` > 1 labels, N counts answers
    over (no, yes), and those of one sample stand together. `soft [N, K]` are the shares of people who gave each label, None where
    nobody was asked. Derived figures are computed when first asked for and kept.
    Raises InputError when lengths or decisions do not fit; values are checked where they enter (`Outputs.check`,
    `check_labels`).
    """

    def __init__(
        self,
        outputs: Outputs,
        labels: torch.Tensor,
        decisions: Decisions | Ints | None = None,
        soft: Floats | None = None,
    ) -> None:
        if len(labels) != len(outputs):
            raise InputError(f"{len(outputs)} rows of scores and {len(labels)} labels", "they must be of one length")
        self._outputs: Outputs | None = outputs
        self._parent: tuple[Judged, Ints] | None = None
        self._memo: dict[Hashable, Any] = {}
        self.num_classes = outputs.num_classes
        self.labels_per_sample = outputs.labels_per_sample
        self.labels: Ints = frozen(labels.detach().cpu().to(torch.int64).numpy().copy())
        self.soft: Floats | None = None if soft is None else frozen(soft.astype(np.float64))
        if self.soft is not None and self.soft.shape != (len(labels), outputs.num_classes):
            message = f"soft labels of shape {list(self.soft.shape)} beside {len(labels)} rows of {outputs.num_classes} classes"
            raise InputError(message, "one row a sample, one share a class")
        self.decisions: Ints | None = None
        self.sets: Bools | None = None
        self.costs: Floats | None = None
        self.score = "max-softmax"
        self.targets: dict[str, float] = {}
        self._uncertainty: Floats | None = None
        if decisions is not None:
            self._decided(decisions if isinstance(decisions, Decisions) else Decisions(_tensor(decisions)))

    def _decided(self, said: Decisions) -> None:
        said = said.check(self.n, self.num_classes).cpu()
        self.decisions = frozen(said.answers.numpy().copy())
        self.sets = None if said.sets is None else frozen(said.sets.numpy().copy())
        self.costs = None if said.costs is None else frozen(said.costs.numpy().copy())
        self.score, self.targets = said.score, dict(said.targets)
        self._uncertainty = None if said.uncertainty is None else frozen(said.uncertainty.numpy().copy())

    def take(self, index: Ints) -> Judged:
        """The rows `index` in that order, repeats allowed; nothing is computed twice, or copied unread."""
        rows = np.asarray(index, dtype=np.int64)
        taken = object.__new__(Judged)
        taken._outputs = None
        taken._parent = (self, rows)
        taken._memo = {}
        taken.num_classes, taken.labels_per_sample = self.num_classes, self.labels_per_sample
        taken.labels = frozen(self.labels[rows])
        taken.soft = None if self.soft is None else frozen(self.soft[rows])
        taken.decisions = None if self.decisions is None else frozen(self.decisions[rows])
        taken.sets = None if self.sets is None else frozen(self.sets[rows])
        taken._uncertainty = None if self._uncertainty is None else frozen(self._uncertainty[rows])
        taken.costs, taken.score, taken.targets = self.costs, self.score, self.targets
        return taken

    @property
    def n(self) -> int:
        """N, the number of samples."""
        return len(self.labels)

    @property
    def outputs(self) -> Outputs:
        """The scores as they came, logits or probabilities, `[N, K]`."""
        if self._outputs is None:
            parent, rows = cast("tuple[Judged, Ints]", self._parent)
            whole = parent.outputs
            scores = whole.scores[torch.from_numpy(rows).to(whole.scores.device)]
            self._outputs = Outputs(scores, whole.from_probs, labels_per_sample=whole.labels_per_sample)
        return self._outputs

    @property
    def from_probs(self) -> bool:
        """Whether the scores are probabilities; asking copies no rows."""
        return self._parent[0].from_probs if self._parent else self.outputs.from_probs

    @cached_property
    def _samples(self) -> _Samples:
        if self._parent is not None:
            parent, rows = self._parent
            return _Samples(*(frozen(column[rows]) for column in parent._samples))
        # In float64 even from narrower scores: one confidence per sample then serves every number of bins, while a
        # faster path is exact only about the edges of the bins that it was asked for.
        from calibench.kernels import calibration_stats

        scores, labels = self.outputs.scores.detach().double(), torch.tensor(self.labels)
        _, samples = calibration_stats(
            scores, labels.to(scores.device), from_probs=self.outputs.from_probs, return_samples=True
        )
        return _Samples(*(frozen(column.cpu().numpy()) for column in samples))

    @property
    def prediction(self) -> Ints:
        """Class of the largest score, the lowest index among equals, `[N]`."""
        return self._samples.prediction

    @property
    def confidence(self) -> Floats:
        """Probability of the predicted class, `[N]`."""
        return self._samples.confidence

    @property
    def tail(self) -> Floats:
        """`r = sum over j != prediction of p_j / p_prediction`, `[N]`: ranks as 1 - confidence, and never saturates."""
        return self._samples.tail

    @property
    def uncertainty(self) -> Floats:
        """What the decision rule abstains by, `[N]`, least where it is surest; the tail where it names nothing else."""
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
    def correct(self) -> Floats:
        """1 where the prediction is the label, else 0, `[N]`."""
        return frozen((self.prediction == self.labels).astype(np.float64))

    @cached_property
    def probs(self) -> Floats:
        """Probabilities `[N, K]`; from logits `softmax`, computed row by row so that threads cannot change a bit."""
        if self._parent is not None:
            parent, rows = self._parent
            return frozen(parent.probs[rows])
        scores = self.outputs.scores.detach().cpu().to(torch.float64).numpy()
        if self.outputs.from_probs:
            return frozen(scores.copy())
        probs: Floats = scores - scores.max(axis=1, keepdims=True)
        np.exp(probs, out=probs)
        probs /= probs.sum(axis=1, keepdims=True)
        return frozen(probs)

    def bin_index(self, bins: int) -> Ints:
        """Bin 0 .. M-1 of each confidence, `[N]`; the rule of `binning.py`."""
        return self.memo(("bin_index", bins), lambda: frozen(bin_index(self.confidence, bins)))

    def stats(self, bins: int) -> CalibrationStats:
        """Counts and sums per confidence bin, as the kernel's `CalibrationStats`.

        Summed here from the kernel's per-sample figures, in sample order, so that subsets, resamples and every number
        of bins share one confidence per sample and no thread count can change the order of a sum.
        """
        return self.memo(("stats", bins), lambda: self._stats(bins))

    def _stats(self, bins: int) -> CalibrationStats:
        from calibench.kernels import CalibrationStats

        index = self.bin_index(bins)

        def per_bin(values: Floats | None) -> torch.Tensor:
            return torch.from_numpy(np.bincount(index, weights=values, minlength=bins).astype(np.float64))

        def total(value: float) -> torch.Tensor:
            return torch.tensor(value, dtype=torch.float64)

        return CalibrationStats(
            count=per_bin(None),
            confidence_sum=per_bin(self.confidence),
            correct_sum=per_bin(self.correct),
            nll_sum=total(float(self.nll.sum())),
            brier_sum=total(float(self.brier.sum())),
            correct=total(float(self.correct.sum())),
            n=total(self.n),
        )

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, called once per key and kept: what a metric needs again for each block of resamples."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast(T, self._memo[key])


def _tensor(decisions: Ints) -> torch.Tensor:
    array = np.asarray(decisions)
    if array.dtype.kind not in "iuf":
        raise InputError(f"decisions have type {array.dtype}, not whole numbers", "one class per row, -1 to abstain")
    return torch.tensor(array)
