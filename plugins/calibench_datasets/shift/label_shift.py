"""`label-shift`: other shares of the classes among the test rows, each row at most once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from calibench import InputError, Param, ShiftSpec, Variant
from calibench.data.shift import ShiftTask
from calibench.lazy import np
from calibench_datasets.shift.parameters import seed_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

ALPHAS = (10.0, 1.0, 0.1)
FEWEST = 10
"""Rows below which a figure would say nothing."""


SPEC = ShiftSpec(
    name="label-shift",
    target=f"{__name__}:label_shift",
    summary="Other class shares: test rows drawn without repetition to Dirichlet(alpha) shares, or to given ones.",
    params=(
        Param(
            "alphas",
            "floats",
            None,
            "concentrations, one variant each, the smaller the further; not set: 10;1;0.1",
            minimum=0.01,
            maximum=1e6,
        ),
        Param("prior", "floats", None, "shares of the classes in order, joined by ';', instead", minimum=0, maximum=1),
        seed_of("the shares and the draw"),
    ),
    paper="Z. Lipton, Y. Wang, A. Smola, Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018",
    deviations=("each row at most once, so the set shrinks to what the rarest wanted class allows",),
)


def label_shift(
    task: ShiftTask, alphas: tuple[float, ...] | None, prior: tuple[float, ...] | None, seed: int
) -> list[Variant]:
    """Test rows drawn without repetition, as many as the class shares allow: of Dirichlet(`alpha`), or `prior`.

    The shares q become `floor(n q_k)` rows of class k with n the largest number for which every class has enough. The
    record holds q, the realised shares, and their total variation distance from the shares before. InputError for several
    labels a row, for a prior that does not fit the classes, and where fewer than 10 rows would be left.
    """
    where = "shift label-shift"
    if task.labels_per_sample > 1:
        raise InputError(f"{where}: rows of these data have {task.labels_per_sample} labels each", "leave it out")
    if prior is not None and alphas is not None:
        raise InputError(f"{where}: alphas and prior are both given", "give one of the two")
    counts = np.bincount(task.y, minlength=task.num_classes)
    generator = np.random.default_rng([seed, 0x1ABE1])
    wanted: list[tuple[str, float, Floats]] = []
    if prior is not None:
        wanted.append(("prior", 1.0, _stated(prior, task.num_classes, where)))
    for alpha in ALPHAS if alphas is None else alphas:
        if prior is None:
            wanted.append(("dirichlet", alpha, generator.dirichlet(np.full(task.num_classes, alpha))))
    if len({severity for _, severity, _ in wanted}) < len(wanted):
        raise InputError(f"{where}: an alpha is given twice", "give each once, as alphas=10;1;0.1")
    return [_variant(task, kind, severity, q, counts, generator, where) for kind, severity, q in wanted]


def _stated(prior: Sequence[float], num_classes: int, where: str) -> Floats:
    shares = np.asarray(prior, dtype=np.float64)
    if len(shares) != num_classes or abs(shares.sum() - 1) > 1e-6:
        message = f"{where}: prior has {len(shares)} shares with the sum {shares.sum():g}"
        raise InputError(message, f"give {num_classes} that sum to 1, joined by ';'")
    return np.asarray(shares / shares.sum())


def _variant(
    task: ShiftTask,
    kind: str,
    severity: float,
    shares: Floats,
    counts: NDArray[np.int64],
    generator: np.random.Generator,
    where: str,
) -> Variant:
    asked = shares > 0
    n = int(np.floor((counts[asked] / shares[asked]).min() + 1e-9))
    wanted = np.minimum(np.floor(n * shares + 1e-9).astype(np.int64), counts)
    total = int(wanted.sum())
    if total < FEWEST:
        message = f"{where}: {kind} {severity:g} leaves {total} of {len(task.y)} test rows"
        raise InputError(message, "ask for a milder shift, or bring a larger test split")
    parts = [
        generator.choice(np.flatnonzero(task.y == label), size=count, replace=False)
        for label, count in enumerate(wanted)
    ]
    rows = np.sort(np.concatenate(parts)).astype(np.int64)
    realised = wanted / total
    about = {
        "prior_asked": shares.tolist(),
        "prior": realised.tolist(),
        "distance": float(np.abs(realised - counts / counts.sum()).sum() / 2),
    }
    return Variant(kind, severity, lambda: task.x[rows], rows=rows, about=about)
