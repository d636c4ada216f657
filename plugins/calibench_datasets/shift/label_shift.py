"""`label-shift`: test rows drawn to other shares of the classes, each row at most once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from calibench import InputError, Param, ShiftSpec, Variant
from calibench.data.shift import ShiftTask
from calibench.lazy import np
from calibench_datasets.shift.parameters import seed_param

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

ALPHAS = (10.0, 1.0, 0.1)
MIN_ROWS = 10
"""With fewer rows a figure would mean nothing."""


SPEC = ShiftSpec(
    name="label-shift",
    target=f"{__name__}:label_shift",
    summary="Other class shares: test rows drawn without repetition to Dirichlet(alpha) shares, or to those of `prior`.",
    params=(
        Param(
            "alphas",
            "floats",
            None,
            "concentrations, one variant each; a smaller one shifts further; not set: 10;1;0.1",
            minimum=0.01,
            maximum=1e6,
        ),
        Param(
            "prior",
            "floats",
            None,
            "instead of alphas: shares of the classes in order, joined by ';'",
            minimum=0,
            maximum=1,
        ),
        seed_param("the shares and the draw"),
    ),
    paper="Z. Lipton, Y. Wang, A. Smola, Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018",
    deviations=("each row is drawn at most once, so the set is as small as the scarcest class requires",),
)


def label_shift(
    task: ShiftTask, alphas: tuple[float, ...] | None, prior: tuple[float, ...] | None, seed: int
) -> list[Variant]:
    """Test rows drawn without repetition, as many as possible, to class shares of Dirichlet(`alpha`), or to `prior`.

    Shares q become `floor(n q_k)` rows of class k, with n the largest number for which every class has enough rows. The
    record holds q, the realised shares, and their total variation distance from the shares before. InputError for several
    labels a row, for a prior that does not fit the classes, and if fewer than 10 rows would be left.
    """
    where = "shift label-shift"
    if task.labels_per_sample > 1:
        raise InputError(f"{where}: rows of these data have {task.labels_per_sample} labels each", "leave it out")
    if prior is not None and alphas is not None:
        raise InputError(f"{where}: both alphas and prior are set", "set one of the two")
    generator = np.random.default_rng([seed, 0x1ABE1])
    if prior is not None:
        shares = _normalised(prior, task.num_classes, where)
        return [_variant(task, "prior", 1.0, shares, generator, where)]
    alphas = ALPHAS if alphas is None else alphas
    if len(set(alphas)) < len(alphas):
        raise InputError(f"{where}: an alpha is repeated", "give each once, as alphas=10;1;0.1")
    draws = [(alpha, generator.dirichlet(np.full(task.num_classes, alpha))) for alpha in alphas]
    return [_variant(task, "dirichlet", alpha, shares, generator, where) for alpha, shares in draws]


def _normalised(prior: Sequence[float], num_classes: int, where: str) -> Floats:
    """The shares of `prior`, with their sum exactly 1; InputError unless there is one a class and the sum is near 1."""
    shares = np.asarray(prior, dtype=np.float64)
    if len(shares) != num_classes or abs(shares.sum() - 1) > 1e-6:
        message = f"{where}: prior has {len(shares)} shares with the sum {shares.sum():g}"
        raise InputError(message, f"give {num_classes} that sum to 1, joined by ';'")
    return np.asarray(shares / shares.sum())


def _variant(
    task: ShiftTask, kind: str, severity: float, shares: Floats, generator: np.random.Generator, where: str
) -> Variant:
    """Test rows drawn to `shares`; InputError if they would be fewer than MIN_ROWS."""
    available = np.bincount(task.y, minlength=task.num_classes)
    counts = _row_counts(shares, available)
    total = int(counts.sum())
    if total < MIN_ROWS:
        message = f"{where}: {kind} {severity:g} leaves {total} of {len(task.y)} test rows"
        raise InputError(message, "ask for a milder shift, or bring a larger test split")
    rows_by_class = [
        generator.choice(np.flatnonzero(task.y == label), size=count, replace=False)
        for label, count in enumerate(counts)
    ]
    rows = np.sort(np.concatenate(rows_by_class)).astype(np.int64)
    realised = counts / total
    about = {
        "prior_asked": shares.tolist(),
        "prior": realised.tolist(),
        "distance": float(np.abs(realised - available / available.sum()).sum() / 2),
    }
    return Variant(kind, severity, lambda: task.x[rows], rows=rows, about=about)


def _row_counts(shares: Floats, available: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of each class, `floor(n q_k)`, for the largest n for which every class has enough."""
    positive = shares > 0
    n = int(np.floor((available[positive] / shares[positive]).min() + 1e-9))
    return np.minimum(np.floor(n * shares + 1e-9).astype(np.int64), available)
