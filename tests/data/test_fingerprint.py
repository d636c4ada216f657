"""Fingerprints of data: any change of content changes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_data import arrays, held_out_pairs, split

from calibench import Arrays
from calibench.data.prepare import SPLITS


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(SPLITS),
    part=st.sampled_from("xy"),
    row=st.integers(0, 19),
    bit=st.integers(0, 22),
    k=st.integers(0, 2),
)
def test_any_bit_of_any_split_changes_the_fingerprint(name: str, part: str, row: int, bit: int, k: int) -> None:
    pairs = {key: (arrays(20, seed=i).x.astype(np.float32), arrays(20, seed=i).y) for i, key in enumerate(SPLITS)}

    def fingerprints() -> tuple[str, str]:
        x, y = pairs["train"]
        data = split(Arrays(x=x, y=y, val=pairs["val"], cal=pairs["cal"], test=pairs["test"]))
        return data.fingerprint, data.test_fingerprint

    before = fingerprints()
    x, y = pairs[name][0].copy(), pairs[name][1].copy()
    if part == "x":
        x.view(np.uint32)[row, k] ^= np.uint32(1 << bit)  # a bit of the mantissa: the value stays finite
    else:
        y[row] = (y[row] + 1 + k) % 4
    pairs[name] = (x, y)
    after = fingerprints()
    assert before[0] != after[0]
    assert (before[1] != after[1]) == (name == "test")


def test_ids_order_splits_and_head_change_the_fingerprint() -> None:
    source = arrays()
    order = np.roll(np.arange(200), 1)
    pairs = held_out_pairs(30, 5)
    four_splits = replace(source, **pairs)
    head = {"head_weight": np.ones((4, 3)), "head_bias": np.zeros(4)}
    datasets = [
        split(source),
        split(source, split_seed=1),
        split(four_splits),
        split(replace(four_splits, x=source.x[order], y=source.y[order])),
        split(replace(four_splits, val=pairs["cal"], cal=pairs["val"])),
        split(replace(four_splits, **head)),
        split(replace(four_splits, **(head | {"head_bias": np.array([0, 0, 0, 1e-7])}))),
    ]
    assert len({data.fingerprint for data in datasets}) == len(datasets)
