"""`ShiftTask`, the data that a shift plugin gets."""

from __future__ import annotations

import numpy as np
import pytest
from toy_data import arrays, split

from calibench.data.shift import ShiftTask


def test_a_task_has_the_test_split_and_the_range_of_values() -> None:
    data = split(arrays())
    task = ShiftTask.of(data)
    np.testing.assert_array_equal(task.x, data.test.x)
    np.testing.assert_array_equal(task.y, data.test.y)
    assert (task.num_classes, task.labels_per_sample) == (4, 1)
    values = np.concatenate([data.train.x, data.test.x])
    assert (task.lowest, task.highest) == (values.min(), values.max())
    with pytest.raises(ValueError, match="read-only"):
        task.x[0] = 0


def test_questions_is_the_old_name_of_labels_per_sample() -> None:
    task = ShiftTask(np.zeros((4, 2), np.float32), np.zeros((4, 3), np.int64), 2, 3, 0.0, 1.0)
    with pytest.warns(DeprecationWarning, match="labels_per_sample"):
        assert task.questions == 3
