"""Label noise: where it is applied, from which seeds it is drawn, and the type `Noisy` that a noise plugin returns.

The noise models themselves are plugins, one a file in `plugins/calibench_datasets/noise`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from calibench.config.grammar import who
from calibench.data.prepare import SPLITS, fingerprint_of
from calibench.errors import InputError, blaming
from calibench.lazy import np
from calibench.seeds import noise_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.config.grammar import Bound
    from calibench.data.checks import Split
    from calibench.data.prepare import Data


MOST_CLASSES = 20
"""Matrices of more classes stay out of the record's JSON: 100 classes would be 10 000 numbers."""


@dataclass(frozen=True)
class Noisy:
    """Wrong labels `[N]` and, if the model has one, the transition matrix `[K, K]` from which they were drawn.

    Row i, column j is P(label j | class i); each row sums to 1.
    """

    labels: NDArray[np.int64]
    transition: NDArray[np.float64] | None = None


def uniform_transition(num_classes: int, rate: float) -> NDArray[np.float64]:
    """1 - rate on the diagonal, rate / (K - 1) elsewhere."""
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def realised_transition(clean: NDArray[np.int64], noisy: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    """Shares `[K, K]` of the labels that the rows of each class have; a class without rows keeps its own label."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (clean, noisy), 1)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def with_noise(data: Data, noise: Bound, seed: int, where: str) -> Data:
    """The data with the labels that `noise` draws for train, or for train and val; cal and test stay clean.

    `seed` is the run's. InputError, naming `where` the data come from, if the noise cannot be applied to these data.
    """
    splits = str(noise.params["on"]).split(";")
    if data.labels_per_sample > 1:
        count = data.labels_per_sample
        message = f"{who(noise)} draws one class index a row; rows of {where} have {count} labels each"
        raise InputError(message, "leave the noise out")
    if "val" in splits and "ids" in noise.spec.needs and np.isin(data.val.ids, data.train.ids).any():
        message = f"{who(noise)} has labels for the training rows of {where}, and val is a split of its own"
        raise InputError(message, "leave out on=train;val")
    drawn = {name: _draw(noise, getattr(data, name), data.num_classes, noise_seed(seed, name)) for name in splits}
    origin = {key: text for key in ("licence", "source") if (text := getattr(noise.spec, key))}
    return with_noisy_labels(data, drawn, {**noise.document(), **origin}, f"noise {noise.text()}")


def _draw(noise: Bound, split: Split, num_classes: int, seed: int) -> NDArray[np.int64] | Noisy:
    """The plugin's labels for one split. It gets the labels of the split, and its ids or rows if the spec `needs` them."""
    generator = np.random.default_rng(seed)
    with blaming(who(noise)):
        needs = {key: getattr(split, key).copy() for key in noise.spec.needs}
        drawn: NDArray[np.int64] | Noisy = noise.spec.load()(
            split.y.copy(), num_classes, generator, **needs, **noise.own()
        )
    return drawn


def with_noisy_labels(
    data: Data, drawn: Mapping[str, NDArray[np.int64] | Noisy], noise: Mapping[str, Any], where: str
) -> Data:
    """The data with the `drawn` labels of train, and of val if it has some.

    `Data.noise` becomes `noise` with each split's realised rate (the share of wrong labels); with at most 20 classes also
    train's transition matrices: the intended one, if the noise model states it, and the realised one.
    """
    labels = {name: result.labels if isinstance(result, Noisy) else result for name, result in drawn.items()}
    noisy = {name: _relabelled(getattr(data, name), labels[name], data.num_classes, where) for name in labels}
    rates = {name: float((split.y != getattr(data, name).y).mean()) for name, split in noisy.items()}
    about = {**noise, "realised_rate": rates["train"], "realised_rates": rates}
    if data.num_classes <= MOST_CLASSES:
        intended = drawn["train"].transition if isinstance(drawn["train"], Noisy) else None
        about |= {} if intended is None else {"transition": intended.tolist()}
        realised = realised_transition(data.train.y, noisy["train"].y, data.num_classes)
        about["realised_transition"] = realised.tolist()
    splits: dict[str, Any] = {name: getattr(data, name) for name in SPLITS} | noisy
    fingerprint = fingerprint_of(splits, data.head_weight, data.head_bias, data.test_soft)
    mislabelled = noisy["train"].y != data.train.y
    return replace(data, **splits, fingerprint=fingerprint, noise=about, mislabelled=mislabelled)


def _relabelled(split: Split, labels: NDArray[np.int64], num_classes: int, where: str) -> Split:
    """The split with other labels; InputError if they do not fit it."""
    shape, labels = split.y.shape, np.asarray(labels)
    if labels.shape != shape or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{where} returned labels of shape {labels.shape} {labels.dtype}, not {shape} integers")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(f"{where} returned a label outside [0, {num_classes})")
    return replace(split, y=labels.astype(np.int64))
