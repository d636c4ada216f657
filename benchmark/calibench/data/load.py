"""The dataset of a configuration, split, checked, and with its label noise."""

from __future__ import annotations

import numpy as np

from calibench.config.grammar import who
from calibench.config.run_config import RunConfig
from calibench.data.arrays import Arrays
from calibench.data.prepare import Data, prepare, with_noisy_labels
from calibench.errors import InputError, PluginError, blaming
from calibench.seeds import derived_seed


def load_data(config: RunConfig) -> Data:
    """The configured dataset, split, checked, and with its label noise."""
    dataset = config.dataset
    with blaming(who(dataset)):
        arrays = dataset.spec.load()(**dataset.own())
    where = f"dataset {dataset.text()}"
    if not isinstance(arrays, Arrays):
        raise PluginError(f"{where} returned a {type(arrays).__name__}, not calibench.Arrays", "mend the plugin")
    shared = {p.key: dataset.params[p.key] for p in dataset.spec.shared_params()}
    prefix = f"{dataset.name}."
    stated = frozenset(key.removeprefix(prefix) for key in config.stated if key.startswith(prefix))
    data = prepare(arrays, shared, stated & shared.keys(), where)
    if config.noise is None:
        return data
    if data.labels_per_sample > 1:
        message = f"{who(config.noise)} draws one class index a row; rows of {where} have {data.labels_per_sample} labels each"
        raise InputError(message, "leave the noise out")
    splits = str(config.noise.params["on"]).split(";")
    if "val" in splits and "ids" in config.noise.spec.needs and np.isin(data.val.ids, data.train.ids).any():
        message = f"{who(config.noise)} has labels for the training rows of {where}, and val is a split of its own"
        raise InputError(message, "leave out on=train;val")
    noisy = {}
    for name in splits:
        split = getattr(data, name)
        purpose = "noise" if name == "train" else f"noise {name}"
        generator = np.random.default_rng(derived_seed(config.seed, purpose))
        with blaming(who(config.noise)):
            given = {key: getattr(split, key).copy() for key in config.noise.spec.needs}
            noisy[name] = config.noise.spec.load()(
                split.y.copy(), data.num_classes, generator, **given, **config.noise.own()
            )
    spec = config.noise.spec
    origin = {key: text for key in ("licence", "source") if (text := getattr(spec, key))}
    return with_noisy_labels(data, noisy, {**config.noise.document(), **origin}, f"noise {config.noise.text()}")
