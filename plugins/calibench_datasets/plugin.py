"""Registers the datasets, noise models and shifts of this package; imports nothing heavy."""

from calibench import REQUIRED, DatasetSpec, NoiseSpec, Param, ShiftSpec, hookimpl
from calibench_datasets.published_sets import HUMAN_LABELS, PUBLISHED
from calibench_datasets.shift_specs import SHIFTS

_TABLE = (
    Param(
        "label",
        "str",
        REQUIRED,
        "the column to predict: whole numbers or words; several labels a row: a;b;c",
    ),
    Param("drop", "str", None, "columns to leave out, joined by ';'"),
    Param(
        "missing",
        "str",
        "refuse",
        "empty cells: an error that names them, or 0 beside a feature that says so",
        choices=("refuse", "indicate"),
    ),
)
_CATEGORICAL = Param("categorical", "str", None, "columns whose numbers are words, joined by ';': one-hot", late=True)

_PICTURE = (
    Param("colour", "str", "rgb", "three channels, or one of brightness", choices=("rgb", "grey")),
    Param(
        "size",
        "int",
        None,
        "side that every picture is scaled to; not set: all have one shape",
        "pixels",
        minimum=2,
        maximum=1024,
    ),
)


@hookimpl
def calibench_datasets() -> list[DatasetSpec]:
    """What scikit-learn ships; `npz`, `csv`, `parquet` and `images`, the user's own; and the published image sets."""
    return [
        DatasetSpec(
            name="digits",
            target="calibench_datasets.sources.digits:digits",
            summary="1 797 real 8x8 grey images of handwritten digits, 10 classes; ships with scikit-learn.",
            default=True,
            licence="CC BY 4.0",
            source="UCI Optical Recognition of Handwritten Digits, the test part, as sklearn.datasets.load_digits",
            paper="E. Alpaydin, C. Kaynak, 1998, UCI Machine Learning Repository, doi:10.24432/C50P49",
        ),
        DatasetSpec(
            name="npz",
            target="calibench_datasets.sources.npz:npz",
            summary="Your own arrays: train_x train_y test_x test_y, optionally val_* cal_* head_weight head_bias test_soft.",
            params=(
                Param(
                    "path",
                    "path",
                    REQUIRED,
                    "an .npz file with train_x [N, ...] and train_y [N], or pictures as bytes: train_jpeg or train_png [B], "
                    "train_offsets [N + 1], train_label [N]; the rest is optional",
                ),
            ),
            licence="yours",
            source="the file; for a trained network x is its features and head_weight [K, D], head_bias [K] its last layer",
        ),
        DatasetSpec(
            name="features",
            target="calibench_datasets.sources.features:features",
            summary="Stored embeddings, and the network's last layer where you have it: .npz, .safetensors, .pt, .parquet, .npy.",
            params=(
                Param(
                    "path",
                    "path",
                    REQUIRED,
                    "a file of arrays, or a folder of .npy files; names as train_feat, test_label",
                ),
                Param("head", "path", None, "a file with the last layer, alone or among the network's other weights"),
                Param("drop", "str", None, "arrays to leave out, joined by ';'"),
                Param(
                    "normalise", "str", "none", "l2: every row divided by its norm, as for CLIP", choices=("none", "l2")
                ),
                Param(
                    "cal_from_test",
                    "float",
                    None,
                    "share of the test rows that become cal, for a network that was trained on the train rows",
                    minimum=0.001,
                    maximum=0.9,
                ),
            ),
            licence="yours",
            source="the file; for --model frozen with head_weight [K, D], head_bias [K], or fc_w, fc_b, fc.weight, ...",
        ),
        DatasetSpec(
            name="csv",
            target="calibench_datasets.sources.csv:csv",
            summary="Your own table: a text file with a header, numeric and categorical columns, one of them the label.",
            params=(
                Param("path", "path", REQUIRED, "a CSV file; comma, semicolon, tab or bar between cells"),
                *_TABLE,
                _CATEGORICAL,
                Param(
                    "decimal", "str", "point", "how 1.5 is written in the file", choices=("point", "comma"), late=True
                ),
            ),
            licence="yours",
            source="the file; words become one-hot features, values in sorted order",
        ),
        DatasetSpec(
            name="parquet",
            target="calibench_datasets.sources.parquet:parquet",
            summary="Your own table from a Parquet file, numeric and categorical columns, one of them the label.",
            params=(
                Param("path", "path", REQUIRED, "a Parquet file (extra parquet)"),
                *_TABLE,
                _CATEGORICAL,
            ),
            licence="yours",
            source="the file; words become one-hot features, values in sorted order",
        ),
        DatasetSpec(
            name="hf",
            target="calibench_datasets.sources.hf:hf",
            summary="Pictures or stored features of the Hugging Face Hub (ORG/NAME), or of a folder in its format; extra vision.",
            params=(
                Param("path", "path", REQUIRED, "ORG/NAME on the Hub, a folder of Parquet files, or one such file"),
                Param("image", "str", None, "the column of pictures; not set: the only one"),
                Param(
                    "features",
                    "str",
                    None,
                    "columns of numbers, or of lists of them, joined by ';', in place of pictures",
                ),
                Param("label", "str", None, "the column to predict; not set: the only one of classes"),
                Param("revision", "str", None, "commit, tag or branch on the Hub; a commit pins it"),
                Param("config", "str", None, "which of the set's configurations, if it has several"),
                Param("train_split", "str", None, "not set: train, or the only one"),
                Param("val_split", "str", None, "not set: validation, valid, val or dev, else held out of train"),
                Param("cal_split", "str", None, "not set: held out of train"),
                Param("test_split", "str", None, "not set: test, else held out of train"),
                *_PICTURE,
            ),
            licence="each its own; the record's notes say what its card says",
            source="https://huggingface.co/datasets, through the library datasets; the record's notes hold the commit",
            paper="Q. Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021 (arXiv 2109.02846)",
        ),
        DatasetSpec(
            name="openml",
            target="calibench_datasets.sources.openml:openml",
            summary="A table of openml.org by its number, as id=61 for iris; extra openml.",
            params=(
                Param("id", "int", REQUIRED, "the number in its address, openml.org/d/ID", minimum=1),
                Param(
                    "label", "str", None, "the column to predict; not set: the one that OpenML names; several: a;b;c"
                ),
                *_TABLE[1:],
                _CATEGORICAL,
            ),
            licence="each its own; the record's notes say which",
            source="https://www.openml.org, through scikit-learn's fetch_openml and its cache in the data folder",
            paper="J. Vanschoren et al., OpenML: networked science in machine learning, SIGKDD Explorations 2014",
        ),
        DatasetSpec(
            name="wine",
            target="calibench_datasets.sources.sklearn_tables:wine",
            summary="178 wines, 13 chemical measurements, 3 cultivars; ships with scikit-learn.",
            licence="CC BY 4.0",
            source="UCI Wine, as sklearn.datasets.load_wine",
            paper="S. Aeberhard, M. Forina, 1992, UCI Machine Learning Repository, doi:10.24432/C5PC7J",
        ),
        DatasetSpec(
            name="breast-cancer",
            target="calibench_datasets.sources.sklearn_tables:breast_cancer",
            summary="569 tumours, 30 measurements of cell nuclei, malignant or benign; ships with scikit-learn.",
            licence="CC BY 4.0",
            source="UCI Breast Cancer Wisconsin (Diagnostic), as sklearn.datasets.load_breast_cancer",
            paper="W. Wolberg et al., 1993, UCI Machine Learning Repository, doi:10.24432/C5DW2B",
        ),
        DatasetSpec(
            name="images",
            target="calibench_datasets.sources.images:images",
            summary="Your own pictures: CLASS/NAME.png, or train/CLASS/NAME.png beside test/, val/, cal/; extra vision.",
            params=(
                Param("path", "path", REQUIRED, "a folder with a folder for each class, or for each split"),
                *_PICTURE,
            ),
            licence="yours",
            source="the folder; classes in sorted order",
        ),
        *PUBLISHED,
    ]


@hookimpl
def calibench_noises() -> list[NoiseSpec]:
    """`symmetric`, `asymmetric`, `pairflip`, `instance`, `given`, and people's labels."""
    rate = Param("rate", "float", REQUIRED, "share of the labels of such a class that are wrong", minimum=0, maximum=1)
    return [
        NoiseSpec(
            name="asymmetric",
            target="calibench_datasets.noise.asymmetric:asymmetric",
            summary="A share of some classes is taken for one other class each, as a cat for a dog.",
            params=(
                rate,
                Param("pairs", "str", REQUIRED, "classes from-to, by index, as 3-5;5-3, or cifar10 or mnist"),
            ),
            paper="G. Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (arXiv 1609.03683)",
            deviations=("exactly that share of each class, to a row, where the paper draws each row by itself",),
        ),
        NoiseSpec(
            name="given",
            target="calibench_datasets.noise.given:given",
            summary="Training labels from an .npz file, in the order of the dataset's own rows, as people or a crowd gave them.",
            params=(
                Param("path", "path", REQUIRED, "an .npz file with an array of class indices [N]"),
                Param("key", "str", None, "the array in it; not set: the only one"),
            ),
            needs=("ids",),
            paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088), for CIFAR-N",
        ),
        NoiseSpec(
            name="instance",
            target="calibench_datasets.noise.instance:instance",
            summary="Rows that look like another class, by random projections, get its label.",
            params=(Param("rate", "float", REQUIRED, "mean share of wrong labels", minimum=0.1, maximum=0.9),),
            needs=("x",),
            paper="X. Xia et al., Part-dependent Label Noise, NeurIPS 2020 (arXiv 2006.07836), algorithm 2",
            deviations=("features are scaled to mean 0 and standard deviation 1 first",),
        ),
        NoiseSpec(
            name="pairflip",
            target="calibench_datasets.noise.pairflip:pairflip",
            summary="A share of every class is taken for the next one.",
            params=(rate,),
            paper="B. Han et al., Co-teaching, NeurIPS 2018 (arXiv 1804.06872)",
            deviations=("exactly that share of each class, to a row, where the paper draws each row by itself",),
        ),
        NoiseSpec(
            name="symmetric",
            target="calibench_datasets.noise.symmetric:symmetric",
            summary="A share of the training labels is wrong, each uniform over the other K - 1 classes.",
            params=(
                Param("rate", "float", REQUIRED, "share of the training labels that are wrong", minimum=0, maximum=1),
            ),
            paper="B. van Rooyen, A. Menon, R. Williamson, NeurIPS 2015 (arXiv 1505.07634), symmetric label noise",
            deviations=(
                "papers mix two rates; ours is the share of wrong labels, so p~ = (1-e)p + e/K has e = rate K/(K-1)",
            ),
        ),
        *HUMAN_LABELS,
    ]


@hookimpl
def calibench_shifts() -> list[ShiftSpec]:
    """`cifar10-c`, `cifar100-c`, `corruptions`, `rotation`, `label-shift`."""
    return list(SHIFTS)
