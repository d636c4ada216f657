"""Every recipe's figures on this machine, as one JSON object: `python tests/figures/figures.py [PATH OF A CHECKOUT]`.

With a path, calibench is imported from that checkout (its compiled kernels must lie beside it), so that two trees can be
compared: `diff <(python figures.py /tmp/before) <(python figures.py .)`. A figure is held by all that a run stored: its
record, without what may change from run to run, and its predictions and bootstrap replicates. Each field and each array is
held by itself, so that a difference has a name, and a new metric or field is not a change of the others.

The arithmetic is that of no particular processor: libraries that choose their loops by the processor are told not to, so
that machines agree to the last bit. `probe` is a digest of plain arithmetic, by which a machine that does not agree shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

PLAIN = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "CALIBENCH_ISA": "generic",
}
"""Read once, when each library loads."""

CHANGES = ("timings_s", "versions", "machine", "code", "cache", "created", "backend")
"""Fields of a record that say when, where and by what it was made."""

BY_METRIC = ("intervals", "noise_floor", "units", "details", "bootstrap")
"""Fields that hold something for each metric."""

PROSE = ("notes", "note", "pairing", "bias_correction", "verdict")
"""Fields, at any depth, that hold sentences."""


def probe() -> str:
    """Sixteen digits over sums, products, convolutions, decompositions and transcendental functions of torch and numpy."""
    import numpy as np
    import torch

    a = np.random.default_rng(0).normal(size=(160, 96))
    t = torch.from_numpy(a.astype(np.float32))
    images = t[:, :64].reshape(10, 16, 8, 8)
    results = [
        a.T @ a,
        np.exp(a),
        np.log(np.abs(a)),
        np.tanh(a).sum(axis=0),
        (t.T @ t).numpy(),
        torch.log_softmax(t, dim=1).numpy(),
        torch.nn.functional.conv2d(images, images[:4, :, :3, :3]).numpy(),
        t.mean(dim=0).numpy(),
    ]
    square = t.T @ t + torch.eye(96)
    for matrix in (square, square.double()):
        values, vectors = torch.linalg.eigh(matrix)
        results += [values.numpy(), vectors.numpy(), torch.linalg.cholesky(matrix).numpy(), matrix.inverse().numpy()]
    functions = ("exp", "log1p", "expm1", "erf", "lgamma", "digamma", "sigmoid", "tanh", "sqrt", "rsqrt", "log")
    for values in (t, t.double()):
        results += [getattr(torch, name)(values.abs()).numpy() for name in functions]
        results += [torch.nn.functional.softplus(values).numpy(), torch.logsumexp(values, dim=1).numpy()]
        results.append(torch.bmm(values.reshape(10, 16, 96), values.reshape(10, 96, 16)).numpy())
    return hashlib.sha256(b"".join(array.tobytes() for array in results)).hexdigest()[:16]


def figures() -> dict[str, dict[str, Any]]:
    """By recipe: the run id, the figures in full, and a digest of every other field and array."""
    import numpy as np
    import torch
    from recipes import EVALUATIONS, RECIPES, SHORT, scores_and_labels, write_inputs

    import calibench

    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs(Path(folder))
        for recipe in RECIPES:
            short = [f"{name}.{SHORT[name]}" for name in SHORT if name in recipe.method.replace(":", "+").split("+")]
            options = {**recipe.options, "settings": [*recipe.options.get("settings", ()), *short]}
            record = calibench.run(
                recipe.method, seed=3, epochs=None if recipe.options.get("model") == "frozen" else 2, **options
            )
            found[f"run {recipe.method} {_text(recipe.options)}".strip()] = _held(record.to_dict()) | _arrays(record)
        for name, asked in EVALUATIONS.items():
            logits, labels = scores_and_labels(1, asked.get("labels_per_sample", 1))
            others, truth = scores_and_labels(2, asked.get("labels_per_sample", 1))
            as_asked = {"logits": lambda z: z, "probs": lambda z: (e := np.exp(z)) / e.sum(axis=1, keepdims=True)}[
                asked["scores"]
            ]
            fit = (
                {"fit": asked["fit"], f"fit_{asked['scores']}": as_asked(others), "fit_labels": truth}
                if "fit" in asked
                else {}
            )
            evaluation = calibench.evaluate(labels=labels, **{asked["scores"]: as_asked(logits)}, **fit)
            found[f"evaluate {name}"] = _held(evaluation.to_dict())
        os.chdir("/")
    return found


def _text(options: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in options.items())


def _held(document: dict[str, Any]) -> dict[str, Any]:
    """The run id and the figures as they are; of other fields digests, one for each metric where the field has them."""
    figures = {f"metrics.{name}": value for name, value in document["metrics"].items()}
    held = {"run_id": document.get("run_id", ""), **figures}
    for key, value in document.items():
        if key in ("run_id", "metrics", "predictions", *CHANGES, *PROSE):
            continue
        if key == "after":
            held |= {f"after: {name}": part for name, part in _held(value).items()}
            continue
        parts = {f"{key}.{name}": part for name, part in value.items()} if key in BY_METRIC else {key: value}
        held |= {
            f"digest of {name}": _digest(json.dumps(_without_prose(part), sort_keys=True))
            for name, part in parts.items()
        }
    return held


def _arrays(record: Any) -> dict[str, str]:
    """A digest of each stored array."""
    from safetensors.numpy import load_file

    arrays = load_file(Path("results") / record.predictions["file"])
    return {f"digest of {name}": _digest(array.tobytes()) for name, array in arrays.items()}


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:12]


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_prose(item) for key, item in value.items() if key not in PROSE}
    return [_without_prose(item) for item in value] if isinstance(value, list | tuple) else value


def main() -> None:
    """Print the figures; started again with a plain environment where it is not yet."""
    if any(os.environ.get(name) != value for name, value in PLAIN.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PLAIN, "PYTHONHASHSEED": "0"})
    if len(sys.argv) > 1:
        tree = Path(sys.argv[1]).resolve()
        sys.path[:0] = [str(tree / "benchmark"), str(tree / "plugins")]
    warnings.simplefilter("ignore")
    print(json.dumps({"probe": probe(), "figures": figures()}, indent=1))


if __name__ == "__main__":
    main()
