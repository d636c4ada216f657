"""`cifar10h`: CIFAR-10, with the shares of people's answers to each test image (CIFAR-10H)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.folder import data_folder
from calibench.data.numpy_files import read_npy
from calibench.data.published import PublishedFile
from calibench_datasets.readers.files import FETCH
from calibench_datasets.sources.cifar import cifar10

if TYPE_CHECKING:
    from numpy.typing import NDArray

CIFAR10H = PublishedFile(
    "cifar10h-probs.npy",
    "https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-probs.npy",
    None,
    md5="7b41f73eee90fdefc73bfc820ab29ba8",  # as torch-uncertainty has checked it for years; no size is published
)

LEAST_AGREEMENT = 0.9
"""Smallest share of test images whose most frequent answer is the label. It is 99 %; in another order it would be 10 %."""


SPEC = DatasetSpec(
    name="cifar10h",
    target=f"{__name__}:cifar10h",
    summary="CIFAR-10 with the shares of some 51 people's answers to each test image (CIFAR-10H).",
    licence="the answers CC BY-NC-SA 4.0; the images none stated",
    source="https://github.com/jcpeterson/cifar-10h, data/cifar10h-probs.npy (0.8 MB), beside cifar10's archive",
    paper="J. Peterson et al., Human uncertainty makes classification more robust, ICCV 2019 (arXiv 1908.07086)",
)


def cifar10h() -> Arrays:
    """As `cifar10`, with `test_soft [10000, 10]`: the shares of some 51 people who gave each label to a test image.

    Read from `cifar10h-probs.npy`, with CIFAR-10 read as `cifar10` reads it. InputError unless the MD5 of the answers is the
    published one and they are for these images in this order. CC BY-NC-SA 4.0. J. Peterson,
    R. Battleday, T. Griffiths, O. Russakovsky, Human uncertainty makes classification more robust, ICCV 2019.
    """
    path = data_folder().get("cifar10h", CIFAR10H)
    arrays = cifar10()
    assert arrays.test is not None
    shares = read_npy(path)
    agreement = _agreement(shares, arrays.test[1])
    note = (
        f"soft labels of test from {CIFAR10H.name}, {CIFAR10H.checksum}; the most frequent answer is the label of "
        f"{100 * agreement:.2f} %"
    )
    return dataclasses.replace(arrays, test_soft=shares, notes=(*arrays.notes, note))


def _agreement(shares: NDArray[Any], labels: NDArray[Any]) -> float:
    """The share of images whose most frequent answer is the label; InputError if `shares` are not for these images."""
    where = "dataset cifar10h"
    if shares.shape != (len(labels), 10) or shares.dtype.kind != "f":
        message = f"{where}: {CIFAR10H.name} holds {list(shares.shape)} {shares.dtype}, not [{len(labels)}, 10] shares"
        raise InputError(message, FETCH)
    agreement = float((shares.argmax(axis=1) == labels).mean())
    if agreement < LEAST_AGREEMENT:
        message = f"{where}: people's most frequent answer is the label of {100 * agreement:.1f} % of the test images"
        raise InputError(message, f"these are answers to other images, or in another order; {FETCH}")
    return agreement
