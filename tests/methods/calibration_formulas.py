"""The formulas of the objectives for calibration in float64, written here with numpy; test_objectives.py compares them."""

from __future__ import annotations

import math

import numpy as np
from objective_cases import Array, Formula, log_softmax


def cross_entropy(z: Array, y: Array) -> float:
    return float(-log_softmax(z)[np.arange(len(y)), y].mean())


def mmce(weight: float, width: float, power: int) -> Formula:
    """The three sums of Kumar et al., each over ordered pairs; `power` 2 is the authors' code, without its 1e-5."""

    def f(z: Array, y: Array, z0: Array) -> float:
        r, right = np.exp(log_softmax(z)).max(axis=1), z0.argmax(axis=1) == y
        m, n = float(right.sum()), float((~right).sum())
        pairs = {"right": 0.0, "wrong": 0.0, "mixed": 0.0}
        for i in range(len(y)):
            for j in range(len(y)):
                kernel = math.exp(-abs(r[i] - r[j]) / width)
                if right[i] and right[j]:
                    pairs["right"] += (1 - r[i]) * (1 - r[j]) * kernel
                elif right[i]:
                    pairs["mixed"] += (1 - r[i]) * r[j] * kernel
                elif not right[j]:
                    pairs["wrong"] += r[i] * r[j] * kernel
        penalty = 0.0
        if m and n:
            sums = pairs["right"] / m ** (2 * power) + pairs["wrong"] / n ** (2 * power)
            penalty = math.sqrt(sums - 2 * pairs["mixed"] / (m * n) ** power + 1e-10)
        return cross_entropy(z, y) + weight * penalty

    return f


def mdca(weight: float, gamma: float) -> Formula:
    def f(z: Array, y: Array, _: Array) -> float:
        p = np.exp(log_softmax(z))
        gaps = [abs(p[:, k].mean() - np.mean(y == k)) for k in range(z.shape[1])]
        q = p[np.arange(len(y)), y]
        return float((-((1 - q) ** gamma) * np.log(q)).mean()) + weight * float(np.mean(gaps))

    return f


def dual_focal(gamma: float) -> Formula:
    def f(z: Array, y: Array, _: Array) -> float:
        losses = []
        for row, label in zip(np.exp(log_softmax(z)), y, strict=True):
            lower = [p for p in row if p < row[label]]
            losses.append(-((1 - row[label] + max(lower, default=0.0)) ** gamma) * math.log(row[label]))
        return float(np.mean(losses))

    return f


def maxsup(alpha: float) -> Formula:
    return lambda z, y, _: cross_entropy(z, y) + alpha * float((z.max(axis=1) - z.mean(axis=1)).mean())


def acls(alpha: float, positive: float, negative: float, margin: float) -> Formula:
    """No gradient flows through the largest logit into the penalty of the others: it is taken at z0."""

    def f(z: Array, y: Array, z0: Array) -> float:
        largest = others = 0.0
        for row, row0 in zip(z, z0, strict=True):
            top = int(row0.argmax())
            largest += max(0.0, row[top] - margin) ** 2
            others += sum(max(0.0, row0[top] - row[k] - margin) ** 2 for k in range(len(row)) if k != top)
        penalty = positive * largest / len(z) + negative * others / (len(z) * (z.shape[1] - 1))
        return cross_entropy(z, y) + alpha * penalty

    return f


CALIBRATION: dict[str, Formula] = {
    "dual-focal": dual_focal(5.0),
    "dual-focal:gamma=0.5": dual_focal(0.5),
    "mmce": mmce(2.0, 0.4, 2),
    "mmce:weight=4,scale=paper": mmce(4.0, 0.4, 1),
    "mmce:width=0.1": mmce(2.0, 0.1, 2),
    "mdca": mdca(1.0, 1.0),
    "mdca:weight=10,gamma=0": mdca(10.0, 0.0),
    "maxsup": maxsup(0.1),
    "maxsup:alpha=2": maxsup(2.0),
    "acls:margin=1": acls(0.1, 1.0, 0.1, 1.0),
    "acls:margin=0,alpha=2,pos_lambda=0.3,neg_lambda=0.7": acls(2.0, 0.3, 0.7, 0.0),
}
