"""Entries of the committed board quick-v1, and a copy of some whose recipe is a script."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from calibench.records import store
from calibench.records.record import ResultRecord

ROOT = Path(__file__).resolve().parents[3]

RECIPES = ("ce", "ce+temperature", "tst:head=linear")

HOSTILE = '<script>alert(1)</script>"&\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J'


def entries(recipes: tuple[str, ...] = RECIPES) -> list[ResultRecord]:
    """The records of quick-v1 on digits and iris of these recipes, with two seeds."""
    records = store.read_records(ROOT / "leaderboards" / "quick-v1")
    return [r for r in records if r.recipe in recipes and r.dataset in ("digits", "iris") and r.seed < 2]


def write_entries(folder: Path, *, of_suite: bool = False) -> Path:
    """Write the entries into a results folder, and a copy of `ce` whose recipe is a script.

    `of_suite` writes the entries as they are, without the copy.
    """
    (folder / store.RECORDS).mkdir(parents=True)
    (folder / store.PREDICTIONS).mkdir()
    for record in entries():
        predictions = (record.predictions or {})["file"]
        shutil.copy(ROOT / "leaderboards" / "quick-v1" / predictions, folder / predictions)
        plain = record if of_suite else dataclasses.replace(record, preset=None)
        copies = [plain]
        if record.recipe == "ce" and not of_suite:
            run_id = f"{record.dataset}-hostile-s{record.seed}"
            copies.append(dataclasses.replace(plain, recipe=HOSTILE, run_id=run_id))
        for copy in copies:
            store.write_json(folder / store.RECORDS / f"{copy.run_id}.json", copy.to_dict())
    return folder
