"""docs/record.md: it is what its script writes, and it explains every field of a record and of an evaluation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from record_page import PAGE, explained_fields, page

import calibench
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.records.record import ResultRecord


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/docs/record_page.py"


@pytest.mark.parametrize("record", [ResultRecord, EvaluationRecord])
def test_every_field_is_explained_in_full_sentences(record: type) -> None:
    texts = explained_fields(record)
    assert list(texts) == [field.name for field in dataclasses.fields(record)]
    assert all(text.endswith(".") for _, text in texts.values())


@pytest.mark.slow
def test_the_page_names_every_key_of_the_documents() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 100)
    logits = rng.normal(size=(100, 3)) + 2 * np.eye(3)[labels]
    record = calibench.run("ce", dataset="wine", epochs=1, results=None)
    evaluation = calibench.evaluate(logits, labels, fit="temperature", fit_logits=logits + 1e-3, fit_labels=labels)
    text = page()
    parts = {"run": text[: text.index("## An evaluation")], "evaluation": text[text.index("## An evaluation") :]}
    for part, document in (("run", record.to_dict()), ("evaluation", evaluation.to_dict())):
        for key in document:
            assert f"**`{key}`**" in parts[part], key
