"""Mistakes in `--shift`, `--ood` and `--ood-score` end a run before anything is trained or written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from digit_sets import quick, write_ood_sets

from calibench import InputError

REFUSED = [
    (("--shift", "rotatoin"), "there is no shift called 'rotatoin'", "did you mean 'rotation'?"),
    (("--shift", "corruptions:severities=6"), "severities=6 is outside [1, 5]", "all five"),
    (("--shift", "cifar10-c"), "rows of shape [1, 8, 8], not [3, 32, 32]", "--dataset cifar10"),
    (("-d", "wine", "--shift", "corruptions"), "rows of shape [13], which are", "[C, H, W]"),
    (("--shift", "corruptions:frost=nowhere"), "cannot read frost=nowhere", "frost1.png"),
    (("--ood", "svhm"), "there is no dataset called 'svhm'", "did you mean 'svhn'?"),
    (("--ood", "near"), "dataset 'digits' declares no near OOD set", "--ood svhn"),
    (("--ood", "all"), "dataset 'digits' declares no OOD set", "--ood svhn"),
    (("--ood", "wine"), "its rows have shape [13], those of the data [1, 8, 8]", "one shape"),
    (("--ood-score", "energy"), "--ood-score energy would do nothing without --ood", "--ood svhn"),
    (("--ood", "svhn", "--ood-score", "enrgy"), "there is no ood-score called 'enrgy'", "did you mean 'energy'?"),
    (("--ood", "svhn", "--ood-score", "knn:k=0"), "k=0 is outside", "1"),
    (("--ood", "svhn", "--ood-score", "gradnorm:k=1"), "ood-score 'gradnorm' has no parameter 'k'", "no parameters"),
    (("--ood", "svhn", "--data-dir", "."), "there is no train_32x32.mat", "--download fetches it"),
    (("--ood", "digits"), "rows are rows of the data", "none of the classes"),
]


@pytest.mark.parametrize(("args", "says", "hint"), REFUSED, ids=[" ".join(args) for args, _, _ in REFUSED])
def test_mistakes_end_before_anything_is_trained_or_written(refused, args, says, hint):
    refused("run", "-m", "ce", *args, says=says, hint=hint)


def test_ood_sets_of_another_scale_or_with_idle_settings_are_refused(tmp_path: Path) -> None:
    ood = write_ood_sets(tmp_path)
    with np.load(tmp_path / "negative.npz") as arrays:
        np.savez(tmp_path / "bytes.npz", **{k: v * 255 if k.endswith("x") else v for k, v in arrays.items()})
    with pytest.raises(InputError, match="scaled differently"):
        quick("ce", ood=[f"npz:path={tmp_path}/bytes.npz"])
    with pytest.raises(InputError, match=r"test=0\.3 would do nothing, the data brings its own test split"):
        quick("ce", ood=[f"{ood['mixed']},test=0.3"])
    with pytest.raises(InputError, match="its test split alone is used"):
        quick("ce", dataset=ood["mixed"], ood=["digits:val=0.3"])


def test_one_word_is_one_shift() -> None:
    assert {row["shift"] for row in quick("ce", shift="rotation:angles=90").shift} == {"rotation:angles=90.0"}
    with pytest.raises(InputError, match="3 is not a text"):
        quick("ce", shift=3)
