"""What `calibench list datasets` says of the published image sets; imports nothing heavy."""

from calibench import DatasetSpec

PUBLISHED = (
    DatasetSpec(
        name="cifar10",
        target="calibench_datasets.cifar:cifar10",
        summary="CIFAR-10: 50 000 + 10 000 colour images 32x32 of 10 kinds of things; from cifar-10-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-10-python.tar.gz (170 MB) or what it holds",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    ),
    DatasetSpec(
        name="cifar100",
        target="calibench_datasets.cifar:cifar100",
        summary="CIFAR-100: 50 000 + 10 000 colour images 32x32, 100 fine classes; from cifar-100-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-100-python.tar.gz (169 MB) or what it holds",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    ),
)
