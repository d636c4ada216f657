"""`wine` and `breast-cancer`: tables that scikit-learn ships."""

import numpy as np

from calibench import Arrays


def wine() -> Arrays:
    """178 wines, 13 chemical measurements, and which of 3 cultivars each is."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return Arrays(x=x.astype(np.float32), y=y.astype(np.int64))


def breast_cancer() -> Arrays:
    """569 tumours, 30 measurements of cell nuclei; class 0 is malignant, 1 benign."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    notes = ("classes in order: malignant, benign",)
    return Arrays(x=x.astype(np.float32), y=y.astype(np.int64), notes=notes)
