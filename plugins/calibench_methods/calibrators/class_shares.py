"""Shares of the classes: read from a parameter, counted, and estimated from outputs without labels."""

from __future__ import annotations

from calibench import InputError, RunError
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Floats, Ints

SUM_TOLERANCE = 1e-6

LARGEST_GAP = 1e-8
"""Shares are at the maximum of the likelihood when the mean log-likelihood lies at most so many nats below it."""

REFUSED_GAP = 1e-5
"""A search that ends further below the maximum is refused: with 1000 rows that is already a hundredth of a nat in all."""

MOST_STEPS = 1000

LARGEST_CONDITION = 1e8
"""Above this condition number the predictions cannot tell two classes apart."""


def read_shares(where: str, text: str, words: tuple[str, ...]) -> str | Floats:
    """One of `words`, or the shares in `text`, such as `0.9;0.1`, divided by their sum; InputError for anything else."""
    if text in words:
        return text
    try:
        shares = np.array([float(number) for number in text.split(";")])
    except ValueError:
        near = did_you_mean(text, words)
        hint = near if near.startswith("did") else f"write one share per class, as 0.9;0.1, or {' or '.join(words)}"
        raise InputError(f"{where} is neither shares joined by ';' nor a word that it knows", hint) from None
    if not (shares > 0).all():
        raise InputError(
            f"{where} has a share that is not above 0", "give a rare class a small share: 0 rules it out for ever"
        )
    if not (shares < 1).all() or abs(shares.sum() - 1) > SUM_TOLERANCE:
        message = f"{where} has {len(shares)} numbers with the sum {shares.sum():g}"
        raise InputError(message, "give one share per class, each above 0, that sum to 1")
    return np.asarray(shares / shares.sum())


def counted_shares(labels: Ints, num_classes: int, where: str) -> Floats:
    """The share of each class among `labels [N]`, `[K]`; InputError that names a class without a sample."""
    counts = np.bincount(labels, minlength=num_classes)
    missing = np.flatnonzero(counts == 0)
    if len(missing):
        classes = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        message = f"{where}: cal has no sample of class {classes}, so its share there is unknown"
        raise InputError(message, "fit on samples of every class, or state source and prior as shares")
    return np.asarray(counts / len(labels))


def most_likely_shares(probs: Floats, source: Floats, where: str) -> Floats:
    """The class shares `q [K]` under which rows with posteriors `probs [N, K]`, for shares `source`, are most likely.

    They maximise `mean_i log sum_k q_k p_ik / source_k`, which is concave; q is also the fixed point of EM (Saerens et al.
    2002), `q_k = mean_i of the posterior of k under q`. L-BFGS-B comes near, and steps of EM end the search when `max_k of
    (posterior mean under q) / q_k - 1`, which bounds the distance to the maximum, is at most 1e-8 nats. RunError if it stays
    above 1e-5.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    ratios, n = probs / source, len(probs)

    def loss(q: Floats) -> tuple[float, Floats]:
        density = ratios @ q
        return float(q.sum() - np.log(density).mean()), 1 - ratios.T @ (1 / density) / n

    with threadpool_limits(1):  # the last digits must not depend on the number of threads
        options = {"maxiter": 10 * MOST_STEPS, "maxfun": 10 * MOST_STEPS, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 20}
        bounds = [(1e-15, None)] * len(source)
        q: Floats = minimize(loss, source, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        q /= q.sum()
        for _ in range(MOST_STEPS):
            growth = ratios.T @ (1 / (ratios @ q)) / n
            gap = float(growth.max()) - 1
            if gap <= LARGEST_GAP:
                break
            q = q * growth
    if not gap <= REFUSED_GAP:
        message = f"{where}: the search for class shares ended {gap:.1e} nats a row below the most likely ones"
        raise RunError(message, "state prior=..., or use method=bbse-soft")
    return q


def shares_by_confusion(of_cal: Floats, of_rows: Floats, where: str) -> Floats:
    """The shares `q [K]` that solve `of_cal q = of_rows` (BBSE, Lipton et al. 2018), negative ones set to 0.

    `of_cal [K, K]` has in column j the mean prediction of cal rows with label j; `of_rows [K]` is the mean prediction of the
    rows. RunError if `of_cal` is singular.
    """
    if not np.linalg.cond(of_cal) < LARGEST_CONDITION:
        unseen = np.flatnonzero(of_cal.sum(axis=1) == 0)
        why = f"no cal row is predicted as class {unseen[0]}" if len(unseen) else "two classes are predicted alike"
        message = f"{where}: the confusion matrix of cal is singular ({why})"
        raise RunError(message, "use method=bbse-soft, em or bcts-em, which look at probabilities")
    q: Floats = np.maximum(np.linalg.solve(of_cal, of_rows), 0)
    return q


def with_floor(shares: Floats, rows: int) -> Floats:
    """Shares divided by their sum, none below 1 / (rows + K): so few rows cannot show that a class is rarer than that."""
    raised = np.maximum(shares / shares.sum(), 1 / (rows + len(shares)))
    return np.asarray(raised / raised.sum())
