"""Own data for a suite of stored outputs: the experiments of an `.h5` file in place of the data sets that the suite names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from calibench.config.suite import Suite, SuiteData
from calibench.errors import InputError
from calibench.outputs.readers.formats.h5 import experiments

RESERVED = ",+="
"""Characters that end a value where a dataset is written as text."""


def with_own_data(suite: Suite, file: Path) -> Suite:
    """The suite with one data set for each experiment of `file`; its records say that `data` is changed.

    InputError if the suite fixes its data, or if a name in the file cannot be written as part of a dataset.
    """
    if not suite.own_data:
        raise InputError(
            f"suite {suite.name} fixes its data: --data cannot replace them", "posthoc-v1 takes stored outputs"
        )
    groups = experiments(file)
    for text in (str(file), *groups):
        if any(character in text for character in RESERVED):
            raise InputError(f"--data: {text!r} has one of the characters {' '.join(RESERVED)}", "rename it")
    data = tuple(
        SuiteData(
            dataset=suite.own_data.replace("{file}", str(file)).replace("{group}", group), model=suite.data[0].model
        )
        for group in groups
    )
    return dataclasses.replace(suite, data=data, changed=("data",))
