"""Logistic recalibration of two classes: `P(y = 1) = sigmoid(a + b logit(p_1))`, fitted by maximum likelihood."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import has_several_labels

MOST_STEPS = 200
"""Limit of Newton steps; four to eight are usual."""

BLOCK = 8
"""Resamples that are fitted together, so that their numbers stay in the cache."""

TOLERANCE = 1e-9
"""The last step, relative to the parameters. Newton's method doubles the digits, so that rounding alone is left after it."""

ROUNDING = 1e-14
"""Relative error of a sum of weights that were divided by their mean."""


def is_binary(judged: Judged) -> bool:
    """True for two classes and one label per sample."""
    return judged.num_classes == 2 and not has_several_labels(judged)


def log_odds(judged: Judged) -> Floats:
    """`logit(p_1)`, `[N]`: the difference of the two logits, which never saturates; p is clipped at 1e-30 if probabilities came."""
    return judged.memo("log_odds", lambda: _log_odds(judged))


def _log_odds(judged: Judged) -> Floats:
    logits = judged.outputs.logits().detach().cpu().numpy()
    difference: Floats = logits[:, 1] - logits[:, 0]
    return difference


def intercepts(judged: Judged, weights: Floats) -> Floats:
    """a of `sigmoid(a + logit(p_1))`, `[B]`: the mean of these probabilities is the share of class 1. NaN if one class is absent.

    The mean rises with a, so Newton's steps stay in a bracket, and halve it where they would leave it.
    """
    from scipy.special import expit, logit

    z, y = log_odds(judged), judged.labels.astype(np.float64)
    share = (weights * y).sum(axis=1) / weights.sum(axis=1)
    result = np.full(len(weights), np.nan)
    open_rows = np.flatnonzero((share > 0) & (share < 1))
    low, high = logit(share) - z.max(), logit(share) - z.min()
    # The start is the best shift if all z were their mean.
    a = np.clip(logit(np.clip(share, 1e-12, 1 - 1e-12)) - z.mean(), low, high)
    for _ in range(MOST_STEPS):
        w = weights[open_rows]
        eta = a[open_rows, None] + z
        # p = [eta > 0] +- small. The whole numbers sum exactly, so that a sum of small parts keeps its digits.
        # Weights are rounded, so a rest as small as their rounding counts as 0.
        missed = w * ((eta > 0) - y)
        whole = missed.sum(axis=1)
        whole[np.abs(whole) <= ROUNDING * np.abs(missed, out=missed).sum(axis=1)] = 0
        del missed
        small = expit(-np.abs(eta))
        excess = whole + (w * np.where(eta > 0, -small, small)).sum(axis=1)
        slope = (w * small * (1 - small)).sum(axis=1)
        at = a[open_rows]
        low[open_rows] = np.where(excess < 0, at, low[open_rows])
        high[open_rows] = np.where(excess > 0, at, high[open_rows])
        step = np.divide(-excess, slope, out=np.full_like(slope, np.inf), where=slope > 0)
        middle = (low[open_rows] + high[open_rows]) / 2
        last = np.abs(step) <= TOLERANCE * (1 + np.abs(at))
        inside = (at + step >= low[open_rows]) & (at + step <= high[open_rows])
        a[open_rows] = np.where(excess == 0, at, np.where(inside | last, at + step, middle))
        done = last | (a[open_rows] == at)
        result[open_rows[done]] = a[open_rows[done]]
        open_rows = open_rows[~done]
        if not len(open_rows):
            break
    result[open_rows] = a[open_rows]
    return result


def slopes(judged: Judged, weights: Floats) -> Floats:
    """b of `sigmoid(a + b logit(p_1))`, `[B]`; NaN if the likelihood has no maximum.

    It has none if one class is absent, or if some threshold on logit(p_1) separates the classes, ties at it included.
    """
    z, y = log_odds(judged), judged.labels.astype(np.float64)
    result = np.full(len(weights), np.nan)
    overlap = np.flatnonzero(_overlap(judged, weights))
    # In units of the spread of all samples both parameters have the scale of 1.
    centre, spread = float(z.mean()), max(float(z.std()), 1e-300)
    scaled = (z - centre) / spread
    for block in (overlap[i : i + BLOCK] for i in range(0, len(overlap), BLOCK)):
        result[block] = _fit(scaled, y, weights[block]) / spread
    return result


def _overlap(judged: Judged, weights: Floats) -> Bools:
    """True where some sample of class 0 lies above one of class 1 and some below one, `[B]`."""
    z, y = log_odds(judged), judged.labels == 1
    order = judged.memo("by_log_odds", lambda: np.argsort(z, kind="stable"))
    ends = []
    for of_class in (order[~y[order]], order[y[order]]):
        if not len(of_class):
            return np.zeros(len(weights), dtype=np.bool_)
        counted = weights[:, of_class] > 0
        present = counted.any(axis=1)
        lowest, highest = z[of_class[counted.argmax(axis=1)]], z[of_class[::-1][counted[:, ::-1].argmax(axis=1)]]
        ends.append((np.where(present, lowest, np.inf), np.where(present, highest, -np.inf)))
    (lowest_0, highest_0), (lowest_1, highest_1) = ends
    overlap: Bools = (highest_0 > lowest_1) & (highest_1 > lowest_0)
    return overlap


def _fit(z: Floats, y: Floats, weights: Floats) -> Floats:
    """The slope of each row by Newton's method, `[B]`. A step that does not lower the loss is halved."""
    theta = np.zeros((len(weights), 2))
    step = np.zeros_like(theta)
    loss = np.full(len(weights), np.inf)
    moving = np.arange(len(weights))
    for _ in range(MOST_STEPS):
        new_loss, gradient, hessian = _likelihood(z, y, weights[moving], theta[moving] + step[moving])
        # Rounding of the loss hides the last digits of theta, so a loss that is equal up to rounding counts as lower.
        lower = new_loss <= loss[moving] + 1e-13 * np.abs(new_loss)
        better = moving[lower]
        theta[better] += step[better]
        loss[better] = new_loss[lower]
        step[better] = _newton(gradient[lower], hessian[lower])
        step[moving[~lower]] /= 2
        moving = moving[np.abs(step[moving]).max(axis=1) > TOLERANCE * (1 + np.abs(theta[moving]).max(axis=1))]
        if not len(moving):
            break
    fitted: Floats = theta[:, 1] + step[:, 1]
    return fitted


def _likelihood(z: Floats, y: Floats, weights: Floats, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """The negative log-likelihood `[B]`, its gradient `[B, 2]`, and its second derivatives (aa, ab, bb) `[B, 3]`."""
    eta = theta[:, :1] + theta[:, 1:] * z
    small = np.exp(-np.abs(eta))
    loss = (weights * (np.maximum(eta, 0) - y * eta + np.log1p(small))).sum(axis=1)
    # p - y is the probability of the other class, up to its sign: a difference would lose digits.
    missed = np.where((eta > 0) == (y > 0), small, 1) / (1 + small)
    residual = weights * (1 - 2 * y) * missed
    bend = weights * small / (1 + small) ** 2
    gradient = np.stack([residual.sum(axis=1), (residual * z).sum(axis=1)], axis=1)
    hessian = np.stack([bend.sum(axis=1), (bend * z).sum(axis=1), (bend * z * z).sum(axis=1)], axis=1)
    return loss, gradient, hessian


def _newton(gradient: Floats, hessian: Floats) -> Floats:
    """`-hessian^-1 gradient`, `[B, 2]`; along the gradient where the curvature has vanished."""
    aa, ab, bb = hessian.T
    determinant = aa * bb - ab * ab
    flat = ~(determinant > 1e-14 * aa * bb)
    safe = np.where(flat, 1, determinant)
    newton = np.stack([ab * gradient[:, 1] - bb * gradient[:, 0], ab * gradient[:, 0] - aa * gradient[:, 1]], axis=1)
    fallback = -gradient / np.maximum(np.abs(gradient).max(axis=1, keepdims=True), 1e-300)
    step: Floats = np.where(flat[:, None], fallback, newton / safe[:, None])
    return step
