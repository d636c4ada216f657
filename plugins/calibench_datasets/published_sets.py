"""What `calibench list` says of the published image sets and of people's labels for them; imports nothing heavy."""

from calibench import REQUIRED, DatasetSpec, NoiseSpec, Param

PUBLISHED = (
    DatasetSpec(
        name="cifar10",
        target="calibench_datasets.sources.cifar:cifar10",
        summary="CIFAR-10: 50 000 + 10 000 colour images 32x32 of 10 kinds of things; from cifar-10-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-10-python.tar.gz (170 MB) or what it holds",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        near_ood=("cifar100",),
        far_ood=("svhn",),
    ),
    DatasetSpec(
        name="cifar10h",
        target="calibench_datasets.sources.cifar10h:cifar10h",
        summary="CIFAR-10 judged by people, too: shares of some 51 people's answers for each test image (CIFAR-10H).",
        licence="the answers CC BY-NC-SA 4.0; the images none stated",
        source="https://github.com/jcpeterson/cifar-10h, data/cifar10h-probs.npy (0.8 MB), beside cifar10's archive",
        paper="J. Peterson et al., Human uncertainty makes classification more robust, ICCV 2019 (arXiv 1908.07086)",
    ),
    DatasetSpec(
        name="cifar100",
        target="calibench_datasets.sources.cifar:cifar100",
        summary="CIFAR-100: 50 000 + 10 000 colour images 32x32, 100 fine classes; from cifar-100-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-100-python.tar.gz (169 MB) or what it holds",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        near_ood=("cifar10",),
        far_ood=("svhn",),
    ),
    DatasetSpec(
        name="svhn",
        target="calibench_datasets.sources.svhn:svhn",
        summary="Street View House Numbers: 73 257 + 26 032 colour images 32x32 of digits; train_32x32.mat, test_32x32.mat.",
        licence="non-commercial use only, as the authors' page says",
        source="http://ufldl.stanford.edu/housenumbers, train_32x32.mat (182 MB) and test_32x32.mat (64 MB)",
        paper="Y. Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS workshop 2011",
        far_ood=("cifar10", "cifar100"),
    ),
    DatasetSpec(
        name="mnist",
        target="calibench_datasets.sources.mnist:mnist",
        summary="MNIST: 60 000 + 10 000 grey images 28x28 of handwritten digits; from the four idx files.",
        licence="CC BY-SA 3.0, as its mirrors say",
        source="http://yann.lecun.com/exdb/mnist, now from https://ossci-datasets.s3.amazonaws.com/mnist (12 MB)",
        paper="Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 1998",
        near_ood=("fashion-mnist",),
    ),
    DatasetSpec(
        name="fashion-mnist",
        target="calibench_datasets.sources.mnist:fashion_mnist",
        summary="Fashion-MNIST: 60 000 + 10 000 grey images 28x28 of ten kinds of clothing; from the four idx files.",
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist, four idx files (31 MB)",
        paper="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017 (arXiv 1708.07747)",
        near_ood=("mnist",),
    ),
    DatasetSpec(
        name="tiny-imagenet",
        target="calibench_datasets.sources.tiny_imagenet:tiny_imagenet",
        summary="Tiny ImageNet: 100 000 + 10 000 colour images 64x64 of 200 classes; tiny-imagenet-200.zip, extra vision.",
        licence="ImageNet's terms: non-commercial research and education",
        source="http://cs231n.stanford.edu/tiny-imagenet-200.zip (248 MB) or what it holds; test is the official val split",
        paper="Y. Le, X. Yang, Tiny ImageNet Visual Recognition Challenge, 2015",
    ),
)

_FILE = Param(
    "path", "path", None, "the published .pt, or an .npz of its arrays; not set: looked for in the data folder"
)

HUMAN_LABELS = (
    NoiseSpec(
        name="cifar10n",
        target="calibench_datasets.noise.cifar_n:cifar10n",
        summary="What people called CIFAR-10's training images (CIFAR-10N): 9.01, 17.2 to 18.1 or 40.21 % wrong.",
        params=(
            Param(
                "set",
                "str",
                REQUIRED,
                "the vote of three people, the first, second or third of them, or a wrong one where there is one",
                choices=("aggre", "random1", "random2", "random3", "worse"),
            ),
            _FILE,
        ),
        needs=("ids",),
        licence="CC BY-NC 4.0",
        source="github.com/UCSC-REAL/cifar-10-100n, data/CIFAR-10_human.pt",
        paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088)",
    ),
    NoiseSpec(
        name="cifar100n",
        target="calibench_datasets.noise.cifar_n:cifar100n",
        summary="What people called CIFAR-100's training images (CIFAR-100N, fine classes): 40.20 % wrong.",
        params=(_FILE,),
        needs=("ids",),
        licence="CC BY-NC 4.0",
        source="github.com/UCSC-REAL/cifar-10-100n, data/CIFAR-100_human.pt",
        paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088)",
    ),
)
