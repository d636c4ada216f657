"""Fixtures of the tests of networks: digits as arrays, and a network that the test trained itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

# small_networks.py beside this file is imported by several test files, and importlib mode adds no folder to the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def splits():
    """1 000 digits `[N, 64]` between 0 and 1 and their labels, by split."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    bounds = {"train": (0, 600), "val": (600, 700), "cal": (700, 800), "test": (800, 1000)}
    return {name: (x[low:high], y[low:high]) for name, (low, high) in bounds.items()}


@pytest.fixture(scope="module")
def data(splits):
    """The splits as `run(dataset=...)` takes them."""
    return tuple(splits.values())


@pytest.fixture(scope="module")
def net(splits):
    """A `Hidden` network, trained here for a few epochs and left in train mode."""
    import torch
    from small_networks import Hidden
    from torch.nn import functional

    torch.manual_seed(0)
    network = Hidden()
    x, y = map(torch.from_numpy, splits["train"])
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            functional.nll_loss(network(x[rows]), y[rows]).backward()
            optimizer.step()
    return network
