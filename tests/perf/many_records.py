"""A results folder of many invented runs, as large as real ones: what `calibench leaderboard` is measured on.

Every run is a copy of a record in `leaderboards/digits` with a recipe, dataset, seed, figures and replicates of its own. Its
predictions hold the arrays of a run on digits: logits, labels and ids of cal and test, and 1 000 replicates of each metric.

    python tests/perf/many_records.py FOLDER --methods 100 --datasets 5 --seeds 20
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

TEMPLATE = next((Path(__file__).resolve().parents[2] / "leaderboards" / "digits" / "records").glob("*-ce-s0-*.json"))
RESAMPLES = 1000
ROWS = {"cal": 180, "test": 449}
"""The samples of each split whose scores a run on digits stores."""

Arrays = dict[str, NDArray[Any]]


def write_runs(results: Path, methods: int = 100, datasets: int = 5, seeds: int = 20) -> int:
    """Write a record and its predictions for every method, dataset and seed under `results`; returns the number of records."""
    for folder in ("records", "predictions"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    count = 0
    for dataset in range(datasets):
        scores = _scores(dataset)
        for method, recipe in enumerate(_recipes(methods)):
            for seed in range(seeds):
                figures, replicates = _figures(template["metrics"], dataset, method, seed)
                _write(results, _record(template, f"set{dataset}", recipe, seed, figures), {**scores, **replicates})
                count += 1
    return count


def _recipes(methods: int) -> Iterator[str]:
    """The recipe of each method: `ce`, then two maps behind it for each other objective."""
    yield from ("ce" if k == 0 else f"ce+map{k}" if k % 3 else f"loss{k}:gamma={k}" for k in range(methods))


def _scores(dataset: int) -> Arrays:
    """The scores, labels and ids that a run stores."""
    draws = np.random.default_rng(dataset)
    arrays: Arrays = {}
    for split, rows in ROWS.items():
        arrays[f"{split}.logits"] = draws.normal(size=(rows, 10)).astype(np.float32)
        arrays[f"{split}.labels"] = draws.integers(10, size=rows)
        arrays[f"{split}.ids"] = np.arange(rows)
    return arrays


def _figures(metrics: Mapping[str, float], dataset: int, method: int, seed: int) -> tuple[dict[str, float], Arrays]:
    """Figures near those of the template, worse with the number of the method, and replicates around them.

    Resamples move all methods alike, as hard samples do, and each a little by itself.
    """
    shared = np.random.default_rng(dataset).normal(size=(len(metrics), RESAMPLES))
    own = np.random.default_rng((dataset, method, seed))
    figures, replicates = {}, {}
    for place, (name, value) in enumerate(metrics.items()):
        scale = 0.1 * min(abs(value), 1 - value if name == "accuracy" else abs(value))  # no figure leaves its range
        worse = -1 if name == "accuracy" else 1
        centre = value + scale * (worse * 0.02 * method + 0.05 * own.normal())
        spread = shared[place] + 0.2 * own.normal(size=RESAMPLES)
        figures[name] = centre
        replicates[f"bootstrap.{name}"] = centre + scale * spread
    return figures, replicates


def _record(
    template: Mapping[str, Any], dataset: str, recipe: str, seed: int, figures: Mapping[str, float]
) -> dict[str, Any]:
    """The template's document with another recipe, dataset, seed and figures; every number that differs between runs differs."""
    name = f"{dataset}-mlp-{recipe.replace(':', '-')}-s{seed}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    factor = figures["nll"] / template["metrics"]["nll"]
    fields = ("noise_floor", "timings_s", "detectable", "mean_confidence", "details", "fitted")
    moved = {metric: value - template["metrics"][metric] for metric, value in figures.items()}
    intervals = {
        metric: bounds and [bound + moved[metric] for bound in bounds]
        for metric, bounds in template["intervals"].items()
    }
    stages = [{**template["config"]["stages"][0], "name": stage.partition(":")[0]} for stage in recipe.split("+")]
    return {
        **template,
        **{field: _times(template[field], factor) for field in fields},
        "run_id": f"{name}-{digest[:12]}",
        "recipe": recipe,
        "dataset": dataset,
        "seed": seed,
        "metrics": dict(figures),
        "intervals": intervals,
        "verdict": f"{template['verdict']} (ECE15 {100 * figures['ece15']:.2f} %)",
        "config": {**template["config"], "recipe": recipe, "stages": stages, "seed": seed},
        "seeds": {stream: int(digest[:15], 16) + place for place, stream in enumerate(template["seeds"])},
        "data": {**template["data"], "clean_fingerprint": hashlib.sha256(dataset.encode()).hexdigest()},
        "created": f"2026-11-29T22:{int(digest[:2], 16) % 60:02d}:{seed % 60:02d}+00:00",
    }


def _times(value: Any, factor: float) -> Any:
    """The value with every fraction in it multiplied by `factor`."""
    if isinstance(value, dict):
        return {key: _times(part, factor) for key, part in value.items()}
    if isinstance(value, list):
        return [_times(part, factor) for part in value]
    return value * factor if isinstance(value, float) else value


def _write(results: Path, document: dict[str, Any], arrays: Arrays) -> None:
    """The files of one run, without the syncs of `write_run`."""
    content = save(arrays, metadata={"schema": "calibench.predictions/1"})
    file = f"predictions/{document['run_id']}.safetensors"
    (results / file).write_bytes(content)
    document = {**document, "predictions": {"file": file, "sha256": hashlib.sha256(content).hexdigest()}}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (results / "records" / f"{document['run_id']}.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for option, count in (("--methods", 100), ("--datasets", 5), ("--seeds", 20)):
        parser.add_argument(option, type=int, default=count)
    arguments = parser.parse_args()
    written = write_runs(arguments.folder, arguments.methods, arguments.datasets, arguments.seeds)
    print(f"{written} records in {arguments.folder}")


if __name__ == "__main__":
    main()
