"""The snippet: a few lines of numpy that apply a map, to paste where calibench is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.maps.fitted_map import FittedMap

MOST_NUMBERS = 2_000
"""A snippet with more learned numbers is nothing to paste."""


def snippet_of(fitted: FittedMap) -> str:
    """A function `calibrate(logits)`, or `calibrate(probs)`, of plain numpy that gives what `fitted.probs` gives.

    A calibrator states its lines by the method `snippet(fitted)`: lines that turn logits `z` into logits `z`, in terms of `np`.
    InputError for a rule, for several labels a sample, and naming a calibrator without such lines.
    """
    document = fitted.document
    if fitted.has_rule:
        raise InputError("a snippet gives probabilities, and this map has a decision rule", "fit the calibrators alone")
    if document.labels_per_sample > 1:
        raise InputError("snippets are for one label a sample", "use calibench.load_map, to_torch or ONNX")
    lines: list[str] = []
    for name, calibrator, learned in fitted.formula.steps:
        stage_lines = calibrator.snippet(learned)
        if stage_lines is None or "classes_kept" in learned:
            raise InputError(f"{name} has no snippet", "export it as ONNX, or use calibench.load_map")
        if len(str(stage_lines).split(",")) > MOST_NUMBERS:
            raise InputError(f"{name} has learned more than {MOST_NUMBERS} numbers", "export it as ONNX")
        lines += stage_lines
    given = document.scores
    start = "z = np.asarray(logits, dtype=np.float64)"
    if given == "probs":
        start = "z = np.log(np.maximum(np.asarray(probs, dtype=np.float64), 1e-30))"
    names = "" if document.class_names is None else f"  # classes: {_one_line(', '.join(document.class_names))}"
    fitted_on = document.fitted_on
    recipe = _one_line(document.recipe).replace("\\", "?").replace('"', "'")
    head = f"{recipe}, fitted by calibench on {fitted_on.get('rows')} samples, map {document.digest[:12]}"
    body = [
        start,
        *lines,
        "e = np.exp(z - z.max(axis=1, keepdims=True))",
        "return e / e.sum(axis=1, keepdims=True)",
    ]
    text = "\n".join(f"    {line}" for line in body)
    return f'import numpy as np\n\n\ndef calibrate({given}):{names}\n    """{head}"""\n{text}\n'


def _one_line(text: str) -> str:
    """Text for a comment or a docstring, which no line break may end."""
    return "".join(character if character.isprintable() else "?" for character in text)
