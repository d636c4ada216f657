"""`digits`: scikit-learn's embedded handwritten digits as images."""

import numpy as np

from calibench import Arrays


def digits() -> Arrays:
    """1 797 images `[1, 8, 8]` with values in [0, 1] (ink counts 0 .. 16 over 16) and their digit 0 .. 9."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Arrays(x=(pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), y=labels.astype(np.int64))
