"""How much of this machine's matrix product rate stage 2 of V-TST reaches on stored features. By hand, on a quiet machine.

python tests/perf/stage_2_rate.py --rows 45000 --features 64 --epochs 5

The arithmetic is that of the head's matrices: 6 operations for each weight, row and epoch (forward, and backward to weights and
inputs), less the inputs of the first layer, which need no gradient; and 2 for each weight and row of a validation, M times for the
decoder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from calibench_methods.refits.vtst import VTST

LATENT, SAMPLES, VALIDATION = 128, 10, 5_000


def matrix_rate(size: int = 2048) -> float:
    """Operations a second of a float32 product of two square matrices: the best of ten."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(10))


def seconds(call: Callable[[], Any]) -> float:
    """Wall-clock seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def operations(rows: int, features: int, classes: int, epochs: int) -> float:
    """Multiplications and additions of the head's matrices in a fit."""
    first, second, decoder = 2 * features * 3 * LATENT, 2 * 3 * LATENT * LATENT, LATENT * classes
    training = rows * (4 * first + 6 * second + 6 * decoder)
    validation = VALIDATION * 2 * (first + second + SAMPLES * decoder)
    return float(epochs * (training + validation))


def main() -> None:
    """Print the rates and the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=45_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    method = VTST(LATENT, SAMPLES, None, epochs=given.epochs, lr=1e-4, batch_size=None, weight_decay=0.0, select="best")
    head = method.build(given.features, given.classes)
    task: Any = SimpleNamespace(
        train_features=torch.randn(given.rows, given.features),
        train_labels=torch.randint(given.classes, (given.rows,)),
        val_features=torch.randn(VALIDATION, given.features),
        val_labels=torch.randint(given.classes, (VALIDATION,)),
        augmented=None,
        input_shape=(given.features,),
        report=lambda *_: None,
        resume=None,
    )
    weights = sum(parameter.numel() for parameter in head.parameters())
    total = operations(given.rows, given.features, given.classes, given.epochs)
    method.fit(head, task)  # starts the threads
    taken, rate = seconds(lambda: method.fit(head, task)), matrix_rate()
    print(
        f"{torch.get_num_threads()} threads, {given.rows} x {given.features}, {weights} weights, {given.epochs} epochs"
    )
    print(f"{taken:.2f} s for {total / 1e12:.3f} TFLOP: {total / taken / 1e9:.0f} GFLOP/s")
    print(f"matrix product {rate / 1e9:.0f} GFLOP/s, share {total / taken / rate:.1%}")


if __name__ == "__main__":
    main()
