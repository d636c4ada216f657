"""`wine`: a table that scikit-learn ships."""

from __future__ import annotations

from calibench import Arrays, DatasetSpec
from calibench.lazy import np

SPEC = DatasetSpec(
    name="wine",
    target=f"{__name__}:wine",
    summary="178 wines, 13 chemical measurements, 3 cultivars; ships with scikit-learn.",
    licence="CC BY 4.0",
    source="UCI Wine, as sklearn.datasets.load_wine",
    paper="S. Aeberhard, M. Forina, 1992, UCI Machine Learning Repository, doi:10.24432/C5PC7J",
)


def wine() -> Arrays:
    """178 wines, 13 chemical measurements, and the cultivar of each wine, one of 3."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return Arrays(x=x.astype(np.float32), y=y.astype(np.int64))
