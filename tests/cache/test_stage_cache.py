"""The stage cache returns the tensors that were put under a stage and key, or nothing: never a damaged file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
import torch
from disk import DAMAGE
from short_runs import figures, short_run

from calibench.cache.stage_cache import StageCache
from calibench.errors import CalibenchWarning
from calibench.records.record import ResultRecord

KEY, OTHER_KEY = "k" * 64, "j" * 64
TENSORS = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.tensor(0.1, dtype=torch.float64)}


def assert_equal(tensors: dict[str, torch.Tensor] | None) -> None:
    assert tensors is not None
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_a_cache_without_a_folder_keeps_nothing() -> None:
    cache = StageCache(None)
    cache.put("stage1", KEY, TENSORS)
    assert cache.get("stage1", KEY) is None
    assert (cache.hits, cache.misses) == ([], ["stage1"])


def test_a_cache_returns_the_tensors_of_that_stage_and_key(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    cache.put("stage1", KEY, TENSORS)
    assert_equal(StageCache(tmp_path).get("stage1", KEY))
    assert cache.get("stage2", KEY) is None
    assert cache.get("stage1", OTHER_KEY) is None


def test_a_fresh_cache_reads_only_keys_that_its_command_has_made(tmp_path: Path) -> None:
    StageCache(tmp_path).put("stage1", KEY, TENSORS)
    keys: set[str] = set()
    first = StageCache(tmp_path, fresh=True, fresh_keys=keys)
    assert first.get("stage1", KEY) is None
    first.put("stage1", KEY, TENSORS)
    assert_equal(StageCache(tmp_path, fresh=True, fresh_keys=keys).get("stage1", KEY))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("suffix", [".safetensors", ".sha256"])
def test_a_damaged_file_is_a_miss_until_it_is_replaced(suffix: str, damage: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    cache.put("stage1", KEY, TENSORS)
    (file,) = tmp_path.glob(f"*{suffix}")
    DAMAGE[damage](file)
    expected = (
        contextlib.nullcontext()
        if damage == "gone"
        else pytest.warns(CalibenchWarning, match="is damaged .* made again")
    )
    with expected:
        assert cache.get("stage1", KEY) is None
    assert cache.get("stage1", KEY) is None, "it is warned of once"
    assert cache.hits == []
    cache.put("stage1", KEY, TENSORS)
    assert_equal(cache.get("stage1", KEY))


def test_a_reader_between_the_two_writes_does_not_stop_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader finds tensors without their checksum, takes them for damaged and leaves them alone."""
    fsync, calls = os.fsync, []

    def read_before_the_third(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:  # the tensors and their folder are synced, the checksum's file is not
            assert len(list(tmp_path.glob("*.safetensors"))) == 1
            assert StageCache(tmp_path).get("stage1", KEY) is None
        fsync(descriptor)

    cache = StageCache(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", read_before_the_third)
        cache.put("stage1", KEY, TENSORS)
    assert len(calls) == 4
    assert_equal(StageCache(tmp_path).get("stage1", KEY))


# --- runs from the cache --------------------------------------------------------------------------------------------


def run_without_record(results: Path, before: ResultRecord, dataset: str, recipe: str) -> ResultRecord:
    """The run of `before` again, without its record, so that only the cache can save work."""
    (results / "records" / f"{before.run_id}.json").unlink()
    return short_run(recipe, dataset, results)


def tensors_of(file: Path) -> dict[str, torch.Tensor]:
    stage, _, key = file.stem.partition("-")
    tensors = StageCache(file.parent).get(stage, key)
    assert tensors is not None
    return {name: tensor for name, tensor in tensors.items() if name != "figure.seconds"}


@pytest.mark.slow
def test_a_run_from_the_cache_equals_the_run_that_filled_it(blobs: str, tmp_path: Path) -> None:
    recipe = "vtst+temperature"
    fresh = short_run(recipe, blobs, tmp_path)
    cached = run_without_record(tmp_path, fresh, blobs, recipe)
    assert cached.cache == {"hits": ["stage1", "features", "stage2"], "made": []}
    assert figures(fresh) == figures(cached)
    assert fresh.predictions == cached.predictions  # the checksum too: byte for byte
    assert figures(short_run(recipe, blobs, None)) == figures(fresh)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["stage1", "features", "stage2"])
def test_a_damaged_result_is_made_again_and_the_others_are_not(stage: str, blobs: str, tmp_path: Path) -> None:
    before = short_run("vtst", blobs, tmp_path)
    (file,) = (tmp_path / "cache").glob(f"{stage}-*.safetensors")
    kept = tensors_of(file)
    DAMAGE["flipped"](file)
    with pytest.warns(CalibenchWarning, match=f"{stage}.* is damaged .* made again"):
        after = run_without_record(tmp_path, before, blobs, "vtst")
    assert after.cache["made"] == [stage]
    assert figures(after) == figures(before)
    remade = tensors_of(file)
    assert remade.keys() == kept.keys()
    for name in remade:
        assert torch.equal(remade[name], kept[name]), name
    assert run_without_record(tmp_path, after, blobs, "vtst").cache["made"] == []


def test_force_reads_neither_record_nor_cache(blobs: str, tmp_path: Path, trainings: list[str]) -> None:
    before = short_run("vtst", blobs, tmp_path, report=trainings)
    after = short_run("vtst", blobs, tmp_path, report=trainings, force=True)
    assert trainings == ["stage 1, ce", "stage 2, V-TST"] * 2
    assert after.cache == {"hits": [], "made": ["stage1", "features", "stage2"]}
    assert figures(before) == figures(after)
