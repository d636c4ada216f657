"""The time of a whole evaluation with the modules of `calibench.metrics`, and with torchmetrics' of the same names, in one process.

    python tests/perf/module_speed.py [--rows 50000 --classes 1000 --batch 256]

Both see the same batches in turn, on one thread. A row has the smallest of the rounds, so that other processes count little.
`calibration error`: `update` for each batch and one `compute`. `forward`: a figure for each batch too, as a progress bar asks for.
The last row has several figures in a MetricCollection, which ours compute from one state.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from calibench import metrics
from calibench.models.vision_import import torchvision_operators


def evaluation(make: Callable[[], object], batches: list[tuple[torch.Tensor, torch.Tensor]], *, forward: bool) -> float:
    """Seconds of one evaluation."""
    module = make()
    start = time.perf_counter()
    for scores, labels in batches:
        (module if forward else module.update)(scores, labels)  # type: ignore[operator, attr-defined]
    module.compute()  # type: ignore[attr-defined]
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    torchvision_operators()  # before torchmetrics, which imports torchvision where it finds one
    import torchmetrics.classification as peers
    from torchmetrics import MetricCollection

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(options.rows, options.classes, generator=generator) * 3
    y = torch.randint(options.classes, (options.rows,), generator=generator)
    batches = list(zip(x.split(options.batch), y.split(options.batch), strict=True))
    k = options.classes
    cases = {
        "calibration error": (
            lambda: metrics.MulticlassCalibrationError(k),
            lambda: peers.MulticlassCalibrationError(k),
            False,
        ),
        "the same, validate_args=False": (
            lambda: metrics.MulticlassCalibrationError(k, validate_args=False),
            lambda: peers.MulticlassCalibrationError(k, validate_args=False),
            False,
        ),
        "forward": (
            lambda: metrics.MulticlassCalibrationError(k),
            lambda: peers.MulticlassCalibrationError(k),
            True,
        ),
        "ECE, RMS, largest gap and accuracy": (
            lambda: MetricCollection(
                {norm: metrics.MulticlassCalibrationError(k, norm=norm) for norm in ("l1", "l2", "max")}
                | {"accuracy": metrics.MulticlassAccuracy(k, average="micro")}
            ),
            lambda: MetricCollection(
                {norm: peers.MulticlassCalibrationError(k, norm=norm) for norm in ("l1", "l2", "max")}
                | {"accuracy": peers.MulticlassAccuracy(k, average="micro")}
            ),
            False,
        ),
    }
    print(f"{options.rows} x {k}, batches of {options.batch}, torch {torch.__version__}, one thread")
    print("| evaluation | ours [ms] | torchmetrics [ms] | ratio |\n|---|---|---|---|")
    for name, (ours, theirs, forward) in cases.items():
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(options.rounds):
            for place, make in enumerate((ours, theirs)):
                times[place].append(evaluation(make, batches, forward=forward))
        own, peer = (1000 * min(seconds) for seconds in times)
        print(f"| {name} | {own:.1f} | {peer:.1f} | {peer / own:.1f} |", flush=True)


if __name__ == "__main__":
    main()
