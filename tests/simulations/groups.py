"""How often the verdict on groups is right, by simulation. It prints the table of docs/evidence/groups.md.

Labels are drawn from the softmax of normal logits, so the model is calibrated in each of 20 groups. In some cases the logits of
one group are then multiplied, or its odds of class 0. A batch has one set of inputs and 1 000 drawn sets of labels to compare with;
its files are other sets of labels, from the truth, so that a file costs milliseconds.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from calibench.evaluation.group_test import families
from calibench.evaluation.joint_test import JOINT_LEVEL, joint_test
from calibench.metrics.judged import Judged
from calibench.outputs.stored_outputs import outputs_of

GROUPS, BAD, DRAWS, FILES = 20, 7, 1000, 250


class Case(NamedTuple):
    """One row of the table: every group is calibrated but group `BAD`."""

    truth: str
    sizes: str
    classes: int
    sharpen: float = 1.0
    over_predict: float = 1.0


SIZES = {"20 to 400": np.geomspace(20, 400, GROUPS).astype(int), "300 each": np.full(GROUPS, 300)}

CASES = (
    Case("one group: logits x 2", "300 each", 2, sharpen=2.0),
    Case("one group: odds of class 0 x 2", "300 each", 5, over_predict=2.0),
    *(Case("calibrated", "20 to 400", k) for k in (2, 5)),
)


def group(rng: np.random.Generator, n: int, case: Case, changed: bool) -> tuple[dict, dict]:  # type: ignore[type-arg]
    """The figures `[FILES, J]` of the files of one group, and the largest of each family in `[DRAWS]` drawn sets, by family."""
    z = rng.normal(size=(n, case.classes)) * 2
    truth = _softmax(z)
    if changed:
        z = z * case.sharpen
        z[:, 0] += np.log(case.over_predict)
    drawn, own = _labels(rng, _softmax(z), DRAWS), _labels(rng, truth, FILES)
    judged = Judged(outputs_of(z, False), own[0])
    parts = families(judged)

    def figures(labels: np.ndarray) -> dict:  # type: ignore[type-arg]
        found = {name: part.floor_draws(judged, labels == judged.prediction, labels) for name, part in parts.items()}
        return {name: values.reshape(len(labels), -1) for name, values in found.items() if values is not None}

    return figures(own), {name: values.max(axis=1) for name, values in figures(drawn).items()}


def _softmax(z: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def _labels(rng: np.random.Generator, p: np.ndarray, count: int) -> np.ndarray:  # type: ignore[type-arg]
    """`count` sets of labels, `[count, N]`."""
    ends = p.cumsum(axis=1)[None, :, :-1]
    return (rng.random((count, len(p)))[:, :, None] > ends).sum(axis=2)  # type: ignore[no-any-return]


def batch(case: Case, number: int) -> tuple[int, int]:
    """Of `FILES` files, those in which a calibrated group is accused, and those in which the bad one is found."""
    rng = np.random.default_rng((number, CASES.index(case)))
    one_is_bad = case.truth != "calibrated"
    groups = [group(rng, int(n), case, place == BAD and one_is_bad) for place, n in enumerate(SIZES[case.sizes])]
    drawn = {name: np.stack([largest[name] for _, largest in groups], axis=1) for name in groups[0][1]}
    alarms = found = 0
    for file in range(FILES):
        test = joint_test({name: np.concatenate([own[name][file] for own, _ in groups]) for name in drawn}, drawn)
        accused = set()
        for p in test.p.values():
            place = np.repeat(np.arange(GROUPS), len(p) // GROUPS)
            accused |= set(place[p <= JOINT_LEVEL].tolist())
        found += BAD in accused and one_is_bad
        alarms += bool(accused - {BAD} if one_is_bad else accused)
    return alarms, found


def share(count: int, runs: int) -> str:
    """A share with its Clopper-Pearson interval."""
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, runs - count + 1))
    high = 1.0 if count == runs else float(beta.ppf(0.975, count + 1, runs - count))
    return f"{100 * count / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=8, help=f"batches of {FILES} files a row")
    options = parser.parse_args()
    print("| truth | samples in a group | K | files | a calibrated group accused [95 %] | the bad group found |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        alarms, found = (sum(counts) for counts in zip(*(batch(case, b) for b in range(options.batches)), strict=True))
        runs = FILES * options.batches
        power = "-" if case.truth == "calibrated" else share(found, runs)
        cells = (case.truth, case.sizes, f"{case.classes}", f"{runs}", share(alarms, runs), power)
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
