"""Registers the built-in models; imports no torch."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import ModelSpec

_STANDARDIZE = Param("standardize", "bool", True, "scale inputs to training mean 0 and SD 1 first")
_DROPOUT = Param(
    "dropout",
    "float",
    0.0,
    "share of activations set to 0 in training, as mc-dropout needs",
    "fraction",
    minimum=0,
    maximum=0.95,
)

_SCALING = (
    Param(
        "standardize", "bool", True, "scale inputs first: to training mean 0 and SD 1, or by mean and std where given"
    ),
    Param(
        "mean", "floats", None, "fixed scaling (x - mean) / std: one number a channel, in units of x (0..255 of bytes)"
    ),
    Param("std", "floats", None, "fixed scaling, with mean: one number a channel, in units of x", minimum=1e-6),
)


@hookimpl
def calibench_models() -> list[ModelSpec]:
    """`mlp`, `cnn`, `resnet`, `wrn`, `vit`, `timm` and `frozen`."""
    return [
        ModelSpec(
            name="mlp",
            target="calibench.models.mlp:mlp",
            summary="Fully connected network on flattened input; the features are the last hidden layer.",
            default=True,
            params=(
                Param("hidden", "ints", (128, 64), "sizes of the hidden layers", "units", minimum=1),
                Param(
                    "activation", "str", "relu", "after each hidden layer", choices=("relu", "tanh", "sigmoid", "gelu")
                ),
                _DROPOUT,
                _STANDARDIZE,
            ),
        ),
        ModelSpec(
            name="cnn",
            target="calibench.models.cnn:cnn",
            summary="Small convolutional network: 3x3 convolutions with batch norm, average-pooled to features.",
            params=(
                Param("width", "int", 32, "channels of the first convolution; the second has twice as many", minimum=1),
                _DROPOUT,
                _STANDARDIZE,
            ),
        ),
        ModelSpec(
            name="resnet",
            target="calibench.models.resnet:resnet",
            summary="Residual networks for small images: depth 20 to 110 of CIFAR, 18 and 34 with a 3x3 stem.",
            params=(
                Param("depth", "int", 20, "20, 32, 44, 56, 110 (16 to 64 channels) or 18, 34 (64 to 512)", "layers"),
                Param(
                    "norm",
                    "str",
                    "batch",
                    "after each convolution: batch norm; folded: nothing, the convolution's weights and bias hold it",
                    choices=("batch", "folded"),
                ),
                *_SCALING,
            ),
            paper="K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016 (arXiv 1512.03385), section 4.2 and table 1",
            deviations=(
                "depth 18 and 34 take small images: the stem is one 3x3 convolution of stride 1, without pooling",
            ),
        ),
        ModelSpec(
            name="wrn",
            target="calibench.models.wrn:wrn",
            summary="Wide residual networks: pre-activated blocks, as WRN-28-10 and WRN-16-4.",
            params=(
                Param("depth", "int", 28, "6n + 4: 10, 16, 22, 28, 34, 40, ...", "layers"),
                Param("width", "int", 10, "times as many channels as 16, 32 and 64", minimum=1),
                _DROPOUT,
                *_SCALING,
            ),
            paper="S. Zagoruyko, N. Komodakis, BMVC 2016 (arXiv 1605.07146)",
        ),
        ModelSpec(
            name="vit",
            target="calibench.models.vit:vit",
            summary="Vision transformer for small images: pre-norm, learned positions, a class token as the feature.",
            params=(
                Param("patch", "int", 4, "side of a patch; it divides the image's sides", "pixels", minimum=1),
                Param("dim", "int", 192, "size of a token", "units", minimum=1),
                Param("depth", "int", 12, "blocks", minimum=1),
                Param("heads", "int", 3, "attention heads a block; they divide dim", minimum=1),
                Param("mlp", "int", 768, "hidden size of each block's perceptron", "units", minimum=1),
                _DROPOUT,
                *_SCALING,
            ),
            paper="A. Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929)",
            deviations=("sizes are those of DeiT-Ti (arXiv 2012.12877) on 4 x 4 patches; the paper's begin at 768",),
        ),
        ModelSpec(
            name="timm",
            target="calibench.models.timm:timm",
            summary="Any image network of the timm library, as name=resnet18 or name=vit_tiny_patch16_224; extra vision.",
            params=(
                Param(
                    "name",
                    "str",
                    REQUIRED,
                    "the network, as timm.list_models() has it, with a tag of weights or without",
                ),
                Param(
                    "pretrained",
                    "str",
                    "false",
                    "weights to begin with: false, a FILE, or true: the library's own, where they are cached already",
                ),
                Param(
                    "img_size",
                    "int",
                    None,
                    "side that inputs are resized to; not set: built for the data's size",
                    "pixels",
                    minimum=8,
                    maximum=1024,
                ),
                Param("patch_size", "int", None, "side of a patch, of networks that have some", "pixels", minimum=1),
                Param(
                    "dropout", "float", 0.0, "before the last layer, in training", "fraction", minimum=0, maximum=0.95
                ),
                Param(
                    "scale",
                    "str",
                    "timm",
                    "how inputs are scaled: the network's own mean and std, those of the training rows, or not at all",
                    choices=("timm", "train", "none"),
                ),
                *_SCALING[1:],
            ),
            paper="R. Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861",
            deviations=(
                "x is taken for 0..1 or 0..255 by its range; of grey images mean and std are means over colours",
            ),
        ),
        ModelSpec(
            name="frozen",
            target="calibench.models.frozen:frozen",
            summary="x is already the body's output and the head comes from the data; nothing is trained in stage 1.",
            comes_trained=True,
        ),
    ]
