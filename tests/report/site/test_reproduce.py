"""The command and the preset of a page make the very run: its id, which is a digest of the whole configuration, comes out again."""

from __future__ import annotations

import dataclasses
import shlex

import pytest
from site_entries import ROOT

from calibench.cli.run import run
from calibench.config.expand import configure, configure_grid
from calibench.config.preset import read_preset
from calibench.config.request import RunRequest
from calibench.records.record import ResultRecord
from calibench.records.store import read_records
from calibench.report.site.protocol import digest_of_records
from calibench.report.site.reproduce import preset_text, run_command, sweep_command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], list[ResultRecord]]:
    """The runs of each recipe on each data set of quick-v1."""
    rows: dict[tuple[str, str], list[ResultRecord]] = {}
    for record in read_records(ROOT / "leaderboards" / "quick-v1"):
        rows.setdefault((record.recipe, record.dataset), []).append(record)
    return rows


def run_ids(command: str, fingerprint: str) -> list[str]:
    """The ids of the runs that a `calibench run` would make."""
    words = shlex.split(command)
    assert words[:2] == ["calibench", "run"]
    options = run.make_context("run", words[2:]).params
    request = RunRequest(
        methods=options["methods"],
        seeds=options["seeds"],
        settings=options["settings"],
        device=options["device"],
        shift=options["shifts"],
        ood=options["ood"],
        ood_score=options["ood_scores"],
    )
    configs = configure_grid(request, options["datasets"], options["models"], options["noises"])
    return sorted(config.run_id(fingerprint) for config in configs)


def test_the_command_makes_the_same_runs(rows):
    assert len(rows) == 190  # of 48 recipes and 4 data sets; two pairs were not possible
    for records in rows.values():
        ids = sorted(record.run_id for record in records)
        assert run_ids(run_command(records), records[0].data["fingerprint"]) == ids


def test_the_preset_makes_the_same_runs(rows):
    for (_, dataset), records in rows.items():
        if dataset != "digits":
            continue
        preset = read_preset(preset_text(records), "page.toml")
        configs = configure(RunRequest(device="cpu"), preset)
        ids = sorted(config.run_id(records[0].data["fingerprint"]) for config in configs)
        assert ids == sorted(record.run_id for record in records), preset.text


def test_noise_metrics_resamples_shift_and_ood_are_in_the_command(rows):
    record = rows["ce", "digits"][0]
    changed = dataclasses.replace(
        record,
        noise="symmetric:rate=0.3",
        named_metrics=["smece", "ece:bins=20"],
        bootstrap={"level": 0.9, "resamples": 4000},
        config={
            **record.config,
            "shift": [{"name": "rotation", "params": {}}],
            "ood": {
                "sets": [{"name": "svhn", "params": {}, "group": "far"}],
                "scores": [{"name": "energy", "params": {}}],
            },
        },
    )
    words = shlex.split(run_command([changed]))
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options == {
        "-m": "ce",
        "-d": "digits",
        "--model": "mlp",
        "--noise": "symmetric:rate=0.3",
        "-s": "0",
        "--shift": "rotation",
        "--ood": "svhn",
        "--ood-score": "energy",
        "--metrics": "smece,ece:bins=20",
        "--level": "0.9",
        "--resamples": "4000",
        "--device": "cpu",
    }


def test_seeds_with_a_gap_are_listed_one_by_one(rows):
    records = rows["ce", "digits"]
    command = run_command([records[0], dataclasses.replace(records[1], seed=7)])
    assert " -s 0 -s 7 " in command


def test_a_name_with_quotes_and_spaces_is_one_word(rows):
    record = dataclasses.replace(rows["ce", "digits"][0], dataset="npz:path=my 'file'.npz")
    assert "npz:path=my 'file'.npz" in shlex.split(run_command([record]))


def test_a_run_of_a_suite_has_its_sweep_and_another_none(rows):
    record = rows["tst:head=linear", "digits"][0]
    assert sweep_command(record) == "calibench sweep quick-v1 --only tst:head=linear"
    assert sweep_command(dataclasses.replace(record, preset=None)) == ""


def test_a_run_that_its_suite_calls_otherwise_keeps_its_settings(rows):
    """A suite's word stands for settings that differ by data set; the command needs the settings."""
    record = rows["tst:head=linear", "digits"][0]
    named = dataclasses.replace(record, recipe="tst")
    assert run_command([named]) == run_command([record])
    assert preset_text([named]) == preset_text([record])
    assert sweep_command(named) == sweep_command(record)
    assert digest_of_records([named]) == digest_of_records([record])
