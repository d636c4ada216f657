"""For the tests of configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibench import InputError
from calibench.config.resolve import resolve


@pytest.fixture(scope="session")
def refusal():
    """`refusal("ce", seed=-1)`: the InputError by which `resolve` refuses these words."""

    def refuse(*args: object, **options: object) -> InputError:
        with pytest.raises(InputError) as error:
            resolve(*args, **options)
        assert error.value.hint
        return error.value

    return refuse


@pytest.fixture(scope="session")
def params_of():
    """`params_of(config, "vtst")`: the parameters of one part of a run."""

    def params(config, name: str) -> dict:
        return dict(next(part.params for part in config.parts if part.name == name))

    return params


SMALL_PRESET = """
method = ["ce", "ce+temperature", "vtst"]
dataset = "digits:val=0.2"
model = "mlp:hidden=16"
seed = [0, 1]

[train]
epochs = 2

[set.vtst]
epochs = 1
latent_dim = 8
"""


@pytest.fixture
def small_preset(tmp_path) -> Path:
    """`small.toml`, a preset of three recipes and two seeds."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL_PRESET)
    return file
