"""`digits`: scikit-learn's embedded handwritten digits as images."""

from __future__ import annotations

from calibench import Arrays, DatasetSpec
from calibench.lazy import np

SPEC = DatasetSpec(
    name="digits",
    target=f"{__name__}:digits",
    summary="1 797 real 8x8 grey images of handwritten digits, 10 classes; ships with scikit-learn.",
    default=True,
    licence="CC BY 4.0",
    source="UCI Optical Recognition of Handwritten Digits, the test part, as sklearn.datasets.load_digits",
    paper="E. Alpaydin, C. Kaynak, 1998, UCI Machine Learning Repository, doi:10.24432/C50P49",
)


def digits() -> Arrays:
    """1 797 images `[1, 8, 8]` with values in [0, 1] (ink counts 0 .. 16 over 16) and their digit 0 .. 9."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Arrays(x=(pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), y=labels.astype(np.int64))
