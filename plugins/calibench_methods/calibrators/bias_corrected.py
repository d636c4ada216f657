"""Bias-corrected temperature scaling (Alexandari et al., ICML 2020): one scale, and a bias for each class."""

from __future__ import annotations

from calibench.lazy import np
from calibench_methods.calibrators.convex import newton
from calibench_methods.calibrators.multiclass import Floats, Ints

PULL = 1e-6
"""Weight of half the squared distance from the identity. It matters only where nothing else limits the parameters, as for a
constant added to all biases."""


def fit_bias_corrected(z: Floats, labels: Ints, name: str, *, scaled: bool) -> tuple[float, Floats]:
    """The scale a and the biases b `[K]` of `softmax(a z + b)` at the least NLL on logits `z [N, K]`; a is 1 unless `scaled`.

    Adds 5e-7 |(a, b) - (1, 0)|^2 to the mean NLL, in nats.
    """
    from threadpoolctl import threadpool_limits

    z = z - z.max(axis=1, keepdims=True)
    n, num_classes = z.shape
    frequency = np.bincount(labels, minlength=num_classes) / n
    mean_at_label = float(z[np.arange(n), labels].mean())
    identity = np.concatenate([[1.0] if scaled else [], np.zeros(num_classes)])

    def loss(x: Floats) -> tuple[float, Floats, Floats]:
        a, b = (x[0], x[1:]) if scaled else (1.0, x)
        logits = a * z + b
        highest = logits.max(axis=1, keepdims=True)
        e = np.exp(logits - highest)
        total = e.sum(axis=1, keepdims=True)
        p = e / total
        mean_p = p.mean(axis=0)
        value = float((highest + np.log(total)).mean()) - a * mean_at_label - float(frequency @ b)
        gradient, hessian = mean_p - frequency, np.diag(mean_p) - p.T @ p / n
        if scaled:
            mean_z = (p * z).sum(axis=1, keepdims=True)
            by_both = (p * (z - mean_z)).mean(axis=0)
            by_scale = float((p * (z - mean_z) ** 2).sum() / n)
            gradient = np.concatenate([[float(mean_z.mean()) - mean_at_label], gradient])
            hessian = np.block([[np.full((1, 1), by_scale), by_both[None]], [by_both[:, None], hessian]])
        d = x - identity
        return value + PULL / 2 * float(d @ d), gradient + PULL * d, hessian + PULL * np.eye(len(x))

    with threadpool_limits(1):  # the last digits must not depend on the number of threads
        x = newton(loss, identity, name)
    return (float(x[0]), x[1:]) if scaled else (1.0, x)
