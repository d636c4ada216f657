"""`wine` and `breast-cancer`: tables that scikit-learn ships."""

from __future__ import annotations

from calibench import Arrays, DatasetSpec
from calibench.lazy import np

SPECS = (
    DatasetSpec(
        name="wine",
        target=f"{__name__}:wine",
        summary="178 wines, 13 chemical measurements, 3 cultivars; ships with scikit-learn.",
        licence="CC BY 4.0",
        source="UCI Wine, as sklearn.datasets.load_wine",
        paper="S. Aeberhard, M. Forina, 1992, UCI Machine Learning Repository, doi:10.24432/C5PC7J",
    ),
    DatasetSpec(
        name="breast-cancer",
        target=f"{__name__}:breast_cancer",
        summary="569 tumours, 30 measurements of cell nuclei, malignant or benign; ships with scikit-learn.",
        licence="CC BY 4.0",
        source="UCI Breast Cancer Wisconsin (Diagnostic), as sklearn.datasets.load_breast_cancer",
        paper="W. Wolberg et al., 1993, UCI Machine Learning Repository, doi:10.24432/C5DW2B",
    ),
)


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
