"""CSV text that the tests of readers and of `evaluate` write."""

from __future__ import annotations


def csv_text(probs, labels, names, label="label"):
    """A header of `names` and `label`, then one line per sample, with every digit of a float64."""
    lines = [",".join([*names, label])]
    lines += [",".join([*(repr(float(p)) for p in row), str(y)]) for row, y in zip(probs, labels, strict=True)]
    return "\n".join(lines) + "\n"
