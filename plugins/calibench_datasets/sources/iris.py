"""`iris`: a table that scikit-learn ships."""

from __future__ import annotations

from calibench import Arrays, DatasetSpec
from calibench.lazy import np

SPEC = DatasetSpec(
    name="iris",
    target=f"{__name__}:iris",
    summary="150 irises, four lengths of the flower, 3 species; ships with scikit-learn.",
    licence="CC BY 4.0",
    source="UCI Iris, as sklearn.datasets.load_iris",
    paper="R. A. Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 1936, doi:10.24432/C56C76",
)


def iris() -> Arrays:
    """150 irises; the lengths and widths of sepal and petal in cm, and the species of each."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    names = ("setosa", "versicolor", "virginica")
    return Arrays(x=x.astype(np.float32), y=y.astype(np.int64), class_names=names)
