"""Check rows: a few rows, the same for every map, whose calibrated probabilities a map holds.

They decide if another version of a plugin still gives the map its meaning. They are computed, so that no row of the user's data
is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import CalibenchError, InputError
from calibench.lazy import np
from calibench.maps.document import MapDocument, width
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs
from calibench.outputs.stored_outputs import StoredOutputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.maps.chain import Chain

ROWS = 4

TOLERANCE = 1e-9
"""The largest difference of a probability between two versions that mean the same."""


def check_rows(document: MapDocument) -> Outputs:
    """Rows for the map: logits between -4 and 4, or their probabilities."""
    columns = width(document)
    places = np.arange(ROWS * columns, dtype=np.float64).reshape(ROWS, columns)
    logits = 4 * np.sin(1 + 1.7 * places)
    several = document.labels_per_sample > 1
    if document.scores == "logits":
        scores = logits
    elif several:
        scores = 1 / (1 + np.exp(-logits))
    else:
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    from_probs = document.scores == "probs"
    return yes_no_outputs(scores, from_probs) if several else StoredOutputs(scores, from_probs)


def results(document: MapDocument, chain: Chain) -> dict[str, Any] | None:
    """Probabilities and answers of the check rows; None if the map depends on the other rows, or cannot map so few."""
    from calibench.outputs.several_labels import probabilities

    try:
        with chain.drawing():
            outputs, decisions = chain.judged(check_rows(document))
    except CalibenchError:
        return None
    if chain.adapted:
        return None
    answers = None if decisions is None else decisions.answers.tolist()
    return {"probs": probabilities(outputs).tolist(), "answers": answers}


def differing_versions(document: MapDocument, installed: dict[str, str]) -> list[str]:
    """The packages of calibench and of the map's plugins that have another version here, as `calibench 0.1.0 (here 0.2.0)`."""
    names = dict.fromkeys(["calibench", *(str(stage["plugin"].get("distribution")) for stage in document.stages)])
    return [
        f"{name} {document.versions.get(name)} (here {installed.get(name, 'not installed')})"
        for name in names
        if document.versions.get(name) != installed.get(name, "not installed")
    ]


def refuse_other_meaning(document: MapDocument, chain: Chain, differing: list[str], where: str) -> None:
    """InputError if the installed versions map the check rows to other values than the versions that fitted the map."""
    versions = ", ".join(differing)
    hint = "install the version that fitted it, or fit the map again"
    if document.check is None:
        message = (
            f"{where}: fitted with {versions}; the map depends on the rows it maps, so versions cannot be compared"
        )
        raise InputError(message, hint)
    now = results(document, chain)
    before = document.check
    gap = np.inf if now is None else _gap(before.get("probs"), now["probs"])
    if now is None or not gap <= TOLERANCE or before.get("answers") != now["answers"]:
        what = "other answers" if gap <= TOLERANCE else f"probabilities that differ by {gap:.1e}"
        raise InputError(f"{where}: fitted with {versions}; this installation gives its check rows {what}", hint)


def _gap(before: Any, now: Any) -> float:
    """The largest difference; infinite for other shapes."""
    try:
        old: NDArray[Any] = np.asarray(before, dtype=np.float64)
    except (TypeError, ValueError):
        return float("inf")
    new = np.asarray(now)
    return float(np.abs(old - new).max()) if old.shape == new.shape else float("inf")
