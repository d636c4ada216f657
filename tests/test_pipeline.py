"""Runs end to end on toy data: what is trained, what is taken from the cache, and what is written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from calibench import Calibrator, InputError, MethodSpec, Outputs, Param, PluginError, RunError, run, training
from calibench.cache import code, keys
from calibench.cache.code import code_of
from calibench.cache.results import StageResult, StageResults
from calibench.cache.stage_cache import StageCache
from calibench.config.grammar import bind
from calibench.recipe import stage_1
from calibench.recipe.posthoc import PostHoc
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions, read_record
from calibench.runs import identity
from calibench.seeds import derived_seed

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=240)
    x = (rng.normal(size=(240, 5)) + 1.2 * np.eye(5)[y]).astype(np.float32)
    file = tmp_path_factory.mktemp("pipeline") / "blobs.npz"
    np.savez(file, train_x=x, train_y=y)
    return f"npz:path={file}"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was trained, in order: `stage 1, ce`, `stage 2, TST`."""
    seen: list[str] = []

    def counting(train: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            seen.append(args[-1])
            return train(*args, **named)

        return counted

    monkeypatch.setattr(stage_1, "train", counting(stage_1.train))
    monkeypatch.setattr(training, "train", counting(training.train))
    return seen


def short(recipe: str, blobs: str, results: Path | None, **more: Any) -> ResultRecord:
    stages = [part.partition(":")[0] for part in recipe.split("+")]
    changes = [f"{name}.epochs=2" for name in stages if name in {"tst", "vtst"}]
    given: dict[str, Any] = {"model": "mlp:hidden=8", "epochs": 2, "settings": changes, "device": "cpu"}
    return run(recipe, blobs, results=results, **(given | more))


def figures(record: ResultRecord) -> str:
    return json.dumps([record.metrics, record.intervals, record.noise_floor, record.details])


# --- what is trained ------------------------------------------------------------------------------------------------


def test_stage_1_is_trained_once_for_all_recipes_of_a_seed(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    recipes = ["ce", "ce+temperature", "tst", "vtst", "tst+temperature", "vtst+threshold:value=0.6", "ce+threshold"]
    records = {recipe: short(recipe, blobs, tmp_path) for recipe in recipes}
    assert trained == ["stage 1, ce", "stage 2, TST", "stage 2, V-TST"]
    assert {recipe: record.cache for recipe, record in records.items()} == {
        "ce": {"hits": [], "made": ["stage1"]},
        "ce+temperature": {"hits": ["stage1"], "made": []},
        "tst": {"hits": ["stage1"], "made": ["features", "stage2"]},
        "vtst": {"hits": ["stage1", "features"], "made": ["stage2"]},
        "tst+temperature": {"hits": ["stage1", "features", "stage2"], "made": []},
        "vtst+threshold:value=0.6": {"hits": ["stage1", "features", "stage2"], "made": []},
        "ce+threshold": {"hits": ["stage1"], "made": []},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"model": "mlp:hidden=9"},
        {"noise": "symmetric:rate=0.2"},
        {"epochs": 3},
        {"select": "last"},
        {"settings": ["ce.lr=0.01"]},
        {"settings": ["npz.split_seed=1"]},
    ],
    ids=str,
)
def test_whatever_decides_stage_1_trains_it_again(
    change: dict[str, Any], blobs: str, tmp_path: Path, trained: list[str]
) -> None:
    one = short("ce", blobs, tmp_path)
    other = short("ce", blobs, tmp_path, **change)
    assert trained == ["stage 1, ce"] * 2
    assert one.run_id != other.run_id
    assert figures(one) != figures(other) or change == {"select": "last"}


def test_whatever_decides_stage_2_alone_leaves_stage_1(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    for recipe in ("tst", "tst:latent_dim=8", "tst:lr=0.01", "tst:head=linear", "vtst", "vtst:kl_weight=1"):
        short(recipe, blobs, tmp_path)
    assert Counter(trained) == {"stage 1, ce": 1, "stage 2, TST": 4, "stage 2, V-TST": 2}


def test_edited_plugin_source_trains_again_and_is_not_there_already(
    blobs: str, tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short("vtst", blobs, tmp_path)
    short("vtst", blobs, tmp_path)
    assert len(trained) == 2  # there already
    edited = {"vtst"}
    for module in (keys, identity):
        monkeypatch.setattr(
            module, "code_of", lambda bound, **kw: "new" if bound.name in edited else code_of(bound, **kw)
        )
    record = short("vtst", blobs, tmp_path)
    assert trained == ["stage 1, ce", "stage 2, V-TST", "stage 2, V-TST"]
    assert record.cache == {"hits": ["stage1", "features"], "made": ["stage2"]}
    edited.add("ce")
    short("vtst", blobs, tmp_path)
    assert trained[3:] == ["stage 1, ce", "stage 2, V-TST"]


def test_code_of_follows_the_source_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_plugin_of_a_test.py"
    file.write_text("class Objective:\n    a = 1\n")
    bound = bind(MethodSpec(name="edited", kind="objective", target=f"{file.stem}:Objective", summary="A test."), ())
    before = code_of(bound)
    assert before == code_of(bound)
    file.write_text("class Objective:\n    a = 2\n")
    code._sources.cache_clear()  # what this process has imported does not change; another would read the file
    assert code_of(bound) != before
    sys.modules.pop(file.stem)


# --- the cache ------------------------------------------------------------------------------------------------------


def same_again(blobs: str, results: Path, before: ResultRecord, recipe: str = "vtst") -> ResultRecord:
    """The run of `before` without its record, so that only the cache can save work."""
    (results / "records" / f"{before.run_id}.json").unlink()
    return short(recipe, blobs, results)


def test_a_run_from_the_cache_equals_the_run_that_filled_it(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    fresh = short("vtst+temperature", blobs, tmp_path)
    cached = same_again(blobs, tmp_path, fresh, "vtst+temperature")
    assert len(trained) == 2
    assert cached.cache == {"hits": ["stage1", "features", "stage2"], "made": []}
    assert figures(fresh) == figures(cached)
    assert fresh.fitted == cached.fitted
    assert fresh.predictions == cached.predictions  # the checksum too: byte for byte
    nothing_kept = short("vtst+temperature", blobs, None)
    assert figures(nothing_kept) == figures(fresh)
    assert nothing_kept.fitted == fresh.fitted


@pytest.mark.parametrize("stage", ["stage1", "features", "stage2"])
@pytest.mark.parametrize("harm", ["a flipped byte", "cut short", "emptied", "gone", "no checksum", "another checksum"])
def test_a_corrupted_product_is_made_again(
    stage: str, harm: str, blobs: str, tmp_path: Path, trained: list[str]
) -> None:
    before = short("vtst", blobs, tmp_path)
    (file,) = (tmp_path / "cache").glob(f"{stage}-*.safetensors")
    content = file.read_bytes()
    kept = {name: tensor.clone() for name, tensor in load_file(file).items()}  # not mapped: the file will be cut
    if harm == "a flipped byte":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "cut short":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "emptied":
        file.write_bytes(b"")
    elif harm == "gone":
        file.unlink()
    elif harm == "no checksum":
        file.with_suffix(".sha256").unlink()
    else:
        file.with_suffix(".sha256").write_text("0" * 64)
    after = same_again(blobs, tmp_path, before)
    assert after.cache["made"] == [stage]
    assert figures(after) == figures(before)
    remade = load_file(file)
    assert remade.keys() == kept.keys()
    for name in remade.keys() - {"figure.seconds"}:
        assert torch.equal(remade[name], kept[name]), name
    again = same_again(blobs, tmp_path, after)
    assert again.cache["made"] == []


def test_force_reads_neither_record_nor_cache(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    before = short("vtst", blobs, tmp_path)
    after = short("vtst", blobs, tmp_path, force=True)
    assert trained == ["stage 1, ce", "stage 2, V-TST"] * 2
    assert after.cache == {"hits": [], "made": ["stage1", "features", "stage2"]}
    assert figures(before) == figures(after)


def test_a_cache_without_a_folder_keeps_nothing() -> None:
    cache = StageCache(None)
    cache.put("stage1", "key", {"a": torch.ones(2)})
    assert cache.get("stage1", "key") is None
    assert (cache.hits, cache.misses) == ([], ["stage1"])


def test_a_cache_returns_what_was_put_under_that_key_and_stage(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    product = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.tensor(0.1, dtype=torch.float64)}
    cache.put("stage1", "k" * 64, product)
    found = StageCache(tmp_path).get("stage1", "k" * 64)
    assert found is not None
    assert all(torch.equal(found[name], value) for name, value in product.items())
    assert cache.get("stage2", "k" * 64) is None
    assert cache.get("stage1", "j" * 64) is None
    assert StageCache(tmp_path, fresh=True).get("stage1", "k" * 64) is None


# --- what is written ------------------------------------------------------------------------------------------------


def test_results_none_writes_nothing(blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = short("vtst+threshold", blobs, None)
    assert list(tmp_path.iterdir()) == []
    assert record.predictions is None


def test_a_run_that_is_there_is_not_run_again(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    one = short("ce", blobs, tmp_path)
    stamp = (tmp_path / "records" / f"{one.run_id}.json").stat().st_mtime_ns
    two = short("ce", blobs, tmp_path)
    assert trained == ["stage 1, ce"]
    assert one == two
    assert (tmp_path / "records" / f"{one.run_id}.json").stat().st_mtime_ns == stamp
    assert short("ce:epochs=2", blobs, tmp_path, epochs=None) == one  # the same words, said otherwise


def test_a_record_whose_predictions_changed_is_run_again(blobs: str, tmp_path: Path) -> None:
    one = short("ce", blobs, tmp_path)
    assert one.predictions is not None
    file = tmp_path / one.predictions["file"]
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    two = short("ce", blobs, tmp_path)
    assert file.read_bytes() == content
    assert two.cache == {"hits": ["stage1"], "made": []}


def test_what_is_stored_is_what_was_judged(blobs: str, tmp_path: Path) -> None:
    record = short("vtst+temperature+threshold:value=0.6", blobs, tmp_path)
    assert read_record(tmp_path / "records" / f"{record.run_id}.json") == record
    held = read_predictions(tmp_path, record)
    assert {name for name in held if not name.startswith("bootstrap.")} == {
        *(f"{split}.{what}" for split in ("cal", "test") for what in ("logits", "labels", "ids")),
        "test.decisions",
    }
    logits, labels = held["test.logits"].astype(np.longdouble), held["test.labels"]
    assert held["test.logits"].dtype == np.float32
    assert logits.shape == (record.n["test"], 3)
    assert len(held["cal.labels"]) == record.n["cal"]
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert record.metrics["accuracy"] == np.mean(logits.argmax(axis=1) == labels)
    assert record.metrics["nll"] == pytest.approx(float(-log_p[np.arange(len(labels)), labels].mean()), rel=1e-6)
    assert record.metrics["coverage"] == np.mean(held["test.decisions"] >= 0)
    with np.load(blobs.removeprefix("npz:path=")) as source:
        np.testing.assert_array_equal(source["train_y"][held["test.ids"]], labels)
    for name, value in record.metrics.items():
        assert held[f"bootstrap.{name}"].shape == (1000,)
        interval = record.intervals[name]
        assert (interval is None) == (value is None)
        if interval is not None:
            np.testing.assert_allclose(interval, np.nanquantile(held[f"bootstrap.{name}"], [0.025, 0.975]), rtol=1e-12)


def test_the_temperature_is_fitted_on_cal_and_applied_to_test(blobs: str, tmp_path: Path) -> None:
    plain, scaled = short("ce", blobs, tmp_path), short("ce+temperature", blobs, tmp_path)
    temperature = scaled.fitted[-1]["temperature"]
    before, after = read_predictions(tmp_path, plain), read_predictions(tmp_path, scaled)
    np.testing.assert_allclose(after["test.logits"], before["test.logits"] / temperature, rtol=1e-6, atol=1e-7)
    logits, labels = torch.from_numpy(before["cal.logits"]).double(), torch.from_numpy(before["cal.labels"])
    grid = [float(torch.nn.functional.cross_entropy(logits / t, labels)) for t in np.geomspace(0.02, 50, 4001)]
    assert scaled.fitted[-1]["nll_after"] <= min(grid) + 1e-7
    assert scaled.fitted[-1]["nll_before"] == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-6
    )


def test_seeds_are_recorded_and_differ_by_purpose(blobs: str) -> None:
    record = short("vtst", blobs, None, noise="symmetric:rate=0.2", seed=3)
    assert record.seeds["run"] == 3
    derived = {purpose: derived_seed(3, purpose) for purpose in ("stage1", "stage2", "sampling", "posthoc", "noise")}
    assert record.seeds == {"run": 3, **derived, "split": 0, "bootstrap": 0}
    assert len(set(derived.values())) == len(derived)
    assert all(0 <= seed < 2**63 for seed in derived.values())
    assert record.data["noise"]["realised_rate"] == pytest.approx(0.2, abs=0.01)


def test_a_run_is_deterministic_and_leaves_the_global_generators_alone(blobs: str) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    state, numbers = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    one = short("vtst+temperature", blobs, None, noise="symmetric:rate=0.2")
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numbers)
    torch.manual_seed(8)
    two = short("vtst+temperature", blobs, None, noise="symmetric:rate=0.2")
    other = short("vtst+temperature", blobs, None, noise="symmetric:rate=0.2", seed=1)
    assert figures(one) == figures(two)
    assert figures(one) != figures(other)


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "more", "message"),
    [
        ("ce", {"model": "frozen", "epochs": None}, "needs the trained head"),
        ("ce", {"model": "cnn"}, "model 'cnn' needs images"),
        ("ce+threshold:values=0.5;0.5", {}, "2 values for 3 classes"),
        ("ce", {"settings": ["npz.test=0.9", "npz.val=0.09"]}, "leave less than 5 %"),
        ("ce", {"seed": -1}, "seed -1"),
        ("ce", {"device": "tpu"}, "device 'tpu'"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    recipe: str, more: dict[str, Any], message: str, blobs: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        short(recipe, blobs, tmp_path / "r", **more)
    assert not (tmp_path / "r").exists()


def test_a_loss_that_runs_away_is_a_failed_run_without_a_record(blobs: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"stage 1, ce: .* in epoch \d+"):
        short("ce", blobs, tmp_path, settings=["ce.lr=1e36"])
    assert list((tmp_path / "records").iterdir()) == []
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=200)
    x = (rng.normal(size=(200, 3)) + 2 * np.eye(3)[y]).astype(np.float32)
    file = tmp_path_factory.mktemp("pipeline") / "frozen.npz"
    np.savez(file, train_x=x, train_y=y, head_weight=np.eye(3), head_bias=np.zeros(3))
    return f"npz:path={file}"


def test_a_frozen_network_trains_no_stage_1(frozen: str, tmp_path: Path, trained: list[str]) -> None:
    one = run("ce", frozen, "frozen", results=tmp_path)
    other = run("ce", frozen, "frozen", seed=1, results=tmp_path)
    assert trained == []
    assert figures(one) == figures(other)
    assert one.fitted == [{"stage": "ce", "trained": False, "why": "the network was given trained"}]
    assert list((tmp_path / "cache").iterdir()) == []
    run("tst:epochs=2", frozen, "frozen", results=tmp_path)
    run("tst:epochs=2", frozen, "frozen", results=tmp_path, seed=1)
    assert trained == ["stage 2, TST"] * 2


@pytest.mark.parametrize("more", [{"epochs": 3}, {"settings": ["ce.lr=0.1"]}])
def test_settings_that_would_do_nothing_are_refused(more: dict[str, Any], frozen: str) -> None:
    with pytest.raises(InputError, match=r"trains nothing in stage 1, so ce\.(epochs|lr) would do nothing"):
        run("tst", frozen, "frozen", results=None, **more)


def test_select_reaches_stage_2_of_a_frozen_network(frozen: str) -> None:
    record = run("tst:epochs=3", frozen, "frozen", select="last", results=None)
    assert record.fitted[1]["epoch"] == 3
    assert run("tst:epochs=3", frozen, "frozen", results=None, settings=["tst.select=last"]).fitted[1]["epoch"] == 3


def test_outputs_that_are_nan_never_reach_a_record(
    frozen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Outputs(torch.full((1, 3), torch.nan))
    monkeypatch.setattr("calibench_methods.refits.tst.TST.outputs", lambda *_: bad)
    with pytest.raises((InputError, RunError), match=r"NaN"):
        run("tst:epochs=1", frozen, "frozen", results=tmp_path)
    assert list((tmp_path / "records").iterdir()) == []


# --- what a plugin's stage may do wrong -----------------------------------------------------------------------------


class _Hostile(Calibrator):
    """A calibrator that misbehaves as `how` says."""

    def __init__(self, how: str) -> None:
        self.how = how

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        if self.how == "exit":
            sys.exit(0)
        if self.how == "raise":
            raise ZeroDivisionError("of my own")
        if self.how == "tensor":
            return {"scale": torch.ones(2)}
        return {"stage": "somebody else", "noise": float(torch.rand(()))}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Any:
        if self.how == "none":
            return None
        if self.how == "shape":
            return Outputs(outputs.logits()[:, :1])
        if self.how == "nan":
            return Outputs(outputs.logits() * float("nan"))
        return outputs


def _hostile(how: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = MethodSpec(
        name="hostile",
        kind="calibrator",
        target=f"{__name__}:_Hostile",
        summary="A test.",
        params=(Param("how", "str", how, "how it misbehaves"),),
    )
    monkeypatch.setattr(MethodSpec, "load", lambda self: _Hostile)
    return bind(spec, ())


@pytest.mark.parametrize("how", ["exit", "raise", "tensor", "none", "shape", "nan"])
def test_a_failing_stage_is_named_and_ends_as_a_failed_run(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = PostHoc((_hostile(how, monkeypatch),), 3)
    outputs = Outputs(torch.zeros(4, 3))
    with pytest.raises(RunError, match="hostile"):
        chain.fit(outputs, torch.tensor([0, 1, 2, 0]))


def test_a_stage_cannot_take_another_name_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = PostHoc((_hostile("sound", monkeypatch),), 3)
    assert chain.fit(Outputs(torch.zeros(4, 3)), torch.tensor([0, 1, 2, 0]))[0]["stage"] == "hostile"


def test_a_target_of_another_kind_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = _hostile("sound", monkeypatch)
    monkeypatch.setattr(MethodSpec, "load", lambda self: dict)
    with pytest.raises(PluginError, match="wants a Calibrator, its target makes a dict"):
        PostHoc((bind(bound.spec, [("how", "sound")]),), 3)


@pytest.mark.parametrize("recipe", ["forward", "backward"])
def test_a_transition_matrix_that_has_changed_since_is_another_run(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    np.savez(tmp_path / "d.npz", train_x=x, train_y=np.arange(300) % 3)
    dataset, text = f"npz:path={tmp_path / 'd.npz'}", f'{recipe}:matrix="{file}"'
    np.savetxt(file, np.eye(3) * 0.7 + 0.1, delimiter=",")
    one = short(text, dataset, tmp_path / "r")
    np.savetxt(file, np.eye(3) * 0.4 + 0.2, delimiter=",")
    other = short(text, dataset, tmp_path / "r")
    assert other.cache["made"] == ["stage1"]
    assert other.metrics["nll"] != one.metrics["nll"]
    assert short(text, dataset, tmp_path / "r").metrics == other.metrics


TEN = (
    "ce",
    "ce+temperature",
    "ce+vector+threshold:value=0.6",
    "ce+isotonic+conformal",
    "tst",
    "tst+ets",
    "vtst",
    "vtst+temperature+threshold:target_coverage=0.9",
    "mean-field:epochs=2",
    "swag:epochs=2,samples=2,rank=2+beta",
)


def test_ten_recipes_that_share_a_seed_train_stage_1_once(blobs: str, tmp_path: Path, trained: list[str]) -> None:
    records = [short(recipe, blobs, tmp_path) for recipe in TEN]
    assert trained.count("stage 1, ce") == 1
    assert [record.cache["made"].count("stage1") for record in records] == [1] + [0] * 9
    assert len({record.run_id for record in records}) == 10


@pytest.mark.parametrize("recipe", ["focal+vtst", "label-smoothing+tst", "mixup+vtst+temperature"])
def test_an_objective_and_a_head_refit_compose(recipe: str, blobs: str, tmp_path: Path, trained: list[str]) -> None:
    record = short(recipe, blobs, tmp_path)
    objective = recipe.partition("+")[0]
    assert [entry["stage"] for entry in record.fitted] == recipe.split("+")
    assert trained[0] == f"stage 1, {objective}"
    assert len(trained) == 2
    assert figures(record) != figures(short(recipe.replace(objective, "ce"), blobs, tmp_path))


def test_seconds_of_a_product_leave_out_those_made_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 6.0])
    monkeypatch.setattr("calibench.cache.results.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    products = StageResults(StageCache(None))

    def outer() -> StageResult:
        products.of("inner", "a", lambda: StageResult({}, {}))
        return StageResult({}, {})

    products.of("outer", "b", outer)
    assert products.timings == {"inner": 3.0, "outer": 3.0}
