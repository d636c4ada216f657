"""Registers the built-in models; imports no torch."""

from calibench.hookspecs import hookimpl
from calibench.specs import ModelSpec, Param

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


@hookimpl
def calibench_models() -> list[ModelSpec]:
    """`mlp`, `cnn` and `frozen`."""
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
            name="frozen",
            target="calibench.models.frozen:frozen",
            summary="x is already the body's output and the head comes from the data; nothing is trained in stage 1.",
        ),
    ]
