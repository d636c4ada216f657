"""Draws the figures of the pages of methods: `python tests/docs/method_figures.py`, or with the names of some."""

from __future__ import annotations

import sys
from functools import partial

import output_figures
import training_figures
from method_pages import REFERENCE

FOLDER = REFERENCE / "methods" / "figures"

FIGURE = {
    "objectives-loss": partial(training_figures.losses, False),
    "objectives-loss-noise": partial(training_figures.losses, True),
    "objectives": partial(training_figures.objectives, False),
    "objectives-noise": partial(training_figures.objectives, True),
    "refits": partial(training_figures.stages, "refit"),
    "samplers": partial(training_figures.stages, "sampler"),
    "ensembles": partial(training_figures.stages, "ensemble"),
    "calibrators": output_figures.calibrators,
    "decisions": output_figures.decisions,
}
"""By the file's name what draws it."""


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or FIGURE:
        (FOLDER / f"{name}.svg").write_text(FIGURE[name](), encoding="utf-8")
        print(f"{name}.svg: {(FOLDER / f'{name}.svg').stat().st_size} bytes")
