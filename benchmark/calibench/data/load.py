"""The dataset of a configuration, split and checked, with its label noise."""

from __future__ import annotations

from calibench.config.grammar import Bound, who
from calibench.config.run_config import RunConfig
from calibench.data.arrays import Arrays
from calibench.data.noise import with_noise
from calibench.data.prepare import Data, prepare
from calibench.errors import PluginError, blaming


def load_data(config: RunConfig) -> Data:
    """The configured dataset, split and checked, with its label noise."""
    dataset = config.dataset
    where = f"dataset {dataset.text()}"
    shares = {p.key: dataset.params[p.key] for p in dataset.spec.shared_params()}
    prefix = f"{dataset.name}."
    explicit = frozenset(key.removeprefix(prefix) for key in config.explicit if key.startswith(prefix))
    data = prepare(load_arrays(dataset), shares, explicit & shares.keys(), where)
    return data if config.noise is None else with_noise(data, config.noise, config.seed, where)


def load_arrays(dataset: Bound) -> Arrays:
    """The `Arrays` that the dataset's plugin returns; PluginError for anything else, RunError if the plugin fails."""
    with blaming(who(dataset)):
        arrays = dataset.spec.load()(**dataset.own())
    if not isinstance(arrays, Arrays):
        message = f"{who(dataset)} returned a {type(arrays).__name__}, not calibench.Arrays"
        raise PluginError(message, "correct the plugin")
    return arrays
