"""Files with bytes that changed, vanished or came twice are read or refused; no reader ends otherwise."""

from __future__ import annotations

import random

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.readers import Columns, open_blocks, read_samples

RNG = np.random.default_rng(0)
P, Y = RNG.dirichlet([1, 1, 1], size=40), np.arange(40) % 3
DATES = np.datetime64("2020-01-01") + np.arange(40)


def write(ending, path):
    if ending == "npz":
        np.savez(path, probs=P, labels=Y)
    elif ending == "pt":
        torch = pytest.importorskip("torch")
        torch.save({"probs": torch.tensor(P), "labels": torch.tensor(Y)}, path)
    else:
        pa = pytest.importorskip("pyarrow")
        from pyarrow import feather, parquet

        days = pa.array([None, *DATES[1:].tolist()])
        table = pa.table({"probs": P.tolist(), "day": days, "label": [f"c{label}" for label in Y]})
        parquet.write_table(table, path) if ending == "parquet" else feather.write_feather(table, path)


@pytest.mark.parametrize("ending", ["npz", "pt", "parquet", "feather"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused(ending, tmp_path):
    write(ending, tmp_path / f"sound.{ending}")
    sound, source = (tmp_path / f"sound.{ending}").read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(source.choice([1, 2, 5])):
            place = source.randrange(len(content))
            what = source.randrange(3)
            if what == 0:
                content[place] = source.randrange(256)
            elif what == 1:
                del content[place : place + source.randrange(1, 20)]
            else:
                content[place:place] = content[:8]
        (tmp_path / f"damaged.{ending}").write_bytes(content)
        try:
            read_samples(tmp_path / f"damaged.{ending}")
        except InputError:
            refused += 1
    assert refused > 100


def test_a_tensor_of_shape_nothing_is_read_and_no_scores(tmp_path):
    """A single number beside the scores, as a temperature is stored; and the same in their place."""
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    single = np.array(1.5)
    save_file({"probs": P, "labels": Y, "temperature": single}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read_samples(tmp_path / "a.safetensors").outputs.given, P)
    save_file({"probs": single, "labels": Y}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors: probabilities have shape \[\], not \[N, K\]"):
        read_samples(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"probabilities have shape \[\]"):
        open_blocks(tmp_path / "a.safetensors", Columns())
    save_file({"probs": P, "labels": np.array(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="label"):
        read_samples(tmp_path / "a.safetensors")
