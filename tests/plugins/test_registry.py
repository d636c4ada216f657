"""The registry: defaults, and messages for names that are missing."""

from __future__ import annotations

import pytest

from calibench.errors import InputError
from calibench.plugins.discovery import BLOCK_VARIABLE, discover
from calibench.plugins.registry import Registry


def test_defaults(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    registry = discover()
    names = {family: registry.default(family).spec.name for family in ("method", "dataset", "model")}
    assert names == {"method": "ce", "dataset": "digits", "model": "mlp"}
    for family in ("noise", "metric"):
        with pytest.raises(InputError, match=f"no plugin offers a default {family}"):
            registry.default(family)
    with pytest.raises(InputError, match="no plugin offers a default dataset"):
        Registry().default("dataset")


def test_a_missing_name_is_refused_with_the_nearest(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    registry = discover()
    with pytest.raises(InputError, match="there is no method called 'vtsst'") as error:
        registry.get("method", "vtsst")
    assert error.value.hint == "did you mean 'vtst'?"
    with pytest.raises(InputError) as error:
        registry.get("noise", "zzzz")
    assert error.value.hint == "known: asymmetric, cifar100n, cifar10n, given, instance, pairflip, symmetric"
    with pytest.raises(InputError) as error:
        Registry().get("noise", "symmetric")
    assert error.value.hint == "there is none to choose from"
    assert [e.spec.name for e in registry.all("model")] == ["mlp", "cnn", "frozen", "resnet", "timm", "vit", "wrn"], (
        "the default first"
    )
