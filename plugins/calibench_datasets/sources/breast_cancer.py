"""`breast-cancer`: a table that scikit-learn ships."""

from __future__ import annotations

from calibench import Arrays, DatasetSpec
from calibench.lazy import np

SPEC = DatasetSpec(
    name="breast-cancer",
    target=f"{__name__}:breast_cancer",
    summary="569 tumours, 30 measurements of cell nuclei, malignant or benign; ships with scikit-learn.",
    licence="CC BY 4.0",
    source="UCI Breast Cancer Wisconsin (Diagnostic), as sklearn.datasets.load_breast_cancer",
    paper="W. Wolberg et al., 1993, UCI Machine Learning Repository, doi:10.24432/C5DW2B",
)


def breast_cancer() -> Arrays:
    """569 tumours, 30 measurements of cell nuclei; class 0 is malignant, 1 benign."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    names = ("malignant", "benign")
    notes = (f"classes in order: {', '.join(names)}",)
    return Arrays(x=x.astype(np.float32), y=y.astype(np.int64), notes=notes, class_names=names)
