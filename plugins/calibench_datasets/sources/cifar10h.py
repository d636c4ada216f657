"""`cifar10h`: CIFAR-10, its test images judged by what people called them too (CIFAR-10H)."""

from __future__ import annotations

import dataclasses

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.folder import data_folder
from calibench.data.numpy_files import read_npy
from calibench.data.published import PublishedFile
from calibench_datasets.sources.cifar import cifar10

CIFAR10H = PublishedFile(
    "cifar10h-probs.npy",
    "https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-probs.npy",
    None,
    md5="7b41f73eee90fdefc73bfc820ab29ba8",  # as torch-uncertainty has checked it for years; its size is written nowhere
)

LEAST_AGREEMENT = 0.9
"""Share of the test images whose most frequent answer is the label. People agree on 99 %; in another order 10 % would."""


SPEC = DatasetSpec(
    name="cifar10h",
    target=f"{__name__}:cifar10h",
    summary="CIFAR-10 judged by people, too: shares of some 51 people's answers for each test image (CIFAR-10H).",
    licence="the answers CC BY-NC-SA 4.0; the images none stated",
    source="https://github.com/jcpeterson/cifar-10h, data/cifar10h-probs.npy (0.8 MB), beside cifar10's archive",
    paper="J. Peterson et al., Human uncertainty makes classification more robust, ICCV 2019 (arXiv 1908.07086)",
)


def cifar10h() -> Arrays:
    """As `cifar10`, with `test_soft [10000, 10]`: the shares of some 51 people who gave each label to a test image.

    Read from `cifar10h-probs.npy` beside CIFAR-10's own archive, which is looked for as for `cifar10`; its MD5 is checked,
    and that the answers are for these images in this order. InputError otherwise. CC BY-NC-SA 4.0. J. Peterson,
    R. Battleday, T. Griffiths, O. Russakovsky, Human uncertainty makes classification more robust, ICCV 2019.
    """
    where = "dataset cifar10h"
    path = data_folder().get("cifar10h", CIFAR10H)
    arrays = cifar10()
    assert arrays.test is not None
    labels, soft = arrays.test[1], read_npy(path)
    if soft.shape != (len(labels), 10) or soft.dtype.kind != "f":
        message = f"{where}: {CIFAR10H.name} holds {list(soft.shape)} {soft.dtype}, not [{len(labels)}, 10] shares"
        raise InputError(message, "fetch the published file")
    agree = float((soft.argmax(axis=1) == labels).mean())
    if agree < LEAST_AGREEMENT:
        message = f"{where}: people's most frequent answer is the label of {100 * agree:.1f} % of the test images"
        raise InputError(message, "these are answers for other images, or in another order; fetch the published file")
    notes = (
        *arrays.notes,
        f"soft labels of test from {CIFAR10H.name}, {CIFAR10H.checksum}; the most frequent answer is the label of "
        f"{100 * agree:.2f} %",
    )
    return dataclasses.replace(arrays, test_soft=soft, notes=notes)
