"""`sklearn`: the outputs of a classifier of scikit-learn on data that ship with it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from calibench import Arrays, DatasetSpec, Param
from calibench.lazy import np
from calibench_datasets.readers.output_rows import log_probabilities, output_rows
from calibench_datasets.sources.breast_cancer import breast_cancer
from calibench_datasets.sources.digits import digits
from calibench_datasets.sources.gaussians import gaussians
from calibench_datasets.sources.iris import iris
from calibench_datasets.sources.wine import wine

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSIFIERS = ("logistic", "naive-bayes", "lda", "knn", "tree", "forest", "extra-trees", "boosting", "mlp")
DATA = ("digits", "breast-cancer", "wine", "iris", "gaussians")
DECIMALS = 3
"""Logits are rounded: processors and BLAS libraries differ in later digits, and a fingerprint must not."""

SPEC = DatasetSpec(
    name="sklearn",
    target=f"{__name__}:sklearn",
    summary="Outputs of a classifier of scikit-learn on data that ship with it, to fit calibrators on and to judge.",
    params=(
        Param("classifier", "str", "forest", "the classifier, at scikit-learn's settings", choices=CLASSIFIERS),
        Param("of", "str", "digits", "the data", choices=DATA),
        Param("draw", "int", 0, "seed of the split and of the classifier", minimum=0),
    ),
    licence="that of the data: CC BY 4.0",
    source="trained at each load, on half of the rows; a quarter is to fit on, a quarter is judged",
    stored_outputs=True,
)


def sklearn(classifier: str, of: str, draw: int) -> Arrays:
    """Logits `[N, K]`, log(max(p, 1e-30)), of the classifier for the rows that it did not see, stratified.

    Pixels and measurements are standardised by the training rows. Logits are rounded to three decimals.
    """
    from sklearn.model_selection import train_test_split

    x, y, names = _rows(of)
    train, rest = train_test_split(np.arange(len(y)), train_size=0.5, stratify=y, random_state=draw)
    cal, test = train_test_split(rest, train_size=0.5, stratify=y[rest], random_state=draw)
    fitted = _fit(classifier, x[train], y[train], draw)
    pairs = [(log_probabilities(fitted.predict_proba(x[part])).round(DECIMALS), y[part]) for part in (cal, test)]
    return output_rows(pairs[0], pairs[1], names, (f"classifier {classifier} of scikit-learn, trained on {of}",), of)


def _rows(of: str) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """The rows `[N, D]`, labels and names of classes of a data set."""
    if of == "gaussians":
        arrays = gaussians((0.25, 0.25, 0.25, 0.25), 2.5, 10, 1_500, 500, 0)
        assert arrays.test is not None
        x, y = np.concatenate([arrays.x, arrays.test[0]]), np.concatenate([arrays.y, arrays.test[1]])
        return x, y, ()
    arrays = {"digits": digits, "breast-cancer": breast_cancer, "wine": wine, "iris": iris}[of]()
    return np.asarray(arrays.x).reshape(len(arrays.y), -1), np.asarray(arrays.y), arrays.class_names


def _fit(classifier: str, x: NDArray[Any], y: NDArray[Any], seed: int) -> Any:
    """The fitted classifier, behind a standardisation of the features."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    models = {
        "logistic": lambda: LogisticRegression(solver="newton-cholesky", tol=1e-10),
        "naive-bayes": GaussianNB,
        "lda": LinearDiscriminantAnalysis,
        "knn": lambda: KNeighborsClassifier(10),
        "tree": lambda: DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
        "forest": lambda: RandomForestClassifier(random_state=seed),
        "extra-trees": lambda: ExtraTreesClassifier(random_state=seed),
        "boosting": lambda: HistGradientBoostingClassifier(random_state=seed),
        "mlp": lambda: MLPClassifier(max_iter=300, random_state=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an optimiser that stops at its last step still has outputs to calibrate
        return make_pipeline(StandardScaler(), models[classifier]()).fit(x.astype(np.float64), y)
