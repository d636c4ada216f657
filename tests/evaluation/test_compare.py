"""`calibench.compare`: differences, intervals and parts by formulas written here, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compared_runs import CLASSES, samples, store_run
from safetensors.numpy import load_file

from calibench import InputError, compare
from calibench.leaderboard.comparison import Comparison


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes `ce` and `ce+cold` (twice too sure) with seeds 0 and 1 on two data sets, and `one` with seed 0 alone."""
    folder = tmp_path_factory.mktemp("compared")
    for place, dataset in enumerate(("toy", "more")):
        for seed in (0, 1):
            logits, labels = samples(seed=place)
            logits = logits + np.random.default_rng(10 + seed).normal(0, 0.2, logits.shape)
            store_run(folder, "ce", seed, logits, labels, dataset=dataset)
            store_run(folder, "ce+cold", seed, 3 * logits, labels, dataset=dataset, replicates=seed == 0)
    logits, labels = samples()
    store_run(folder, "one", 0, 1.5 * logits, labels)
    return folder


def probs(folder: Path, run: str) -> tuple[np.ndarray, np.ndarray]:
    (path,) = folder.glob(f"predictions/{run}-*.safetensors")
    arrays = load_file(path)
    z = np.exp(arrays["test.logits"].astype(np.float64))
    return z / z.sum(axis=1, keepdims=True), arrays["test.labels"]


def losses(folder: Path, run: str) -> np.ndarray:
    """The Brier score of each sample."""
    p, labels = probs(folder, run)
    return ((p - np.eye(CLASSES)[labels]) ** 2).sum(axis=1)


def only(found: Comparison) -> Comparison:
    assert len(found.rows) == 1
    return found


def test_the_change_is_b_less_a_and_what_is_far_is_worse(results: Path) -> None:
    found = compare("ce", "ce+cold", results=results)
    assert [row.dataset for row in found.rows] == ["more", "toy"]
    toy = found.rows[1].figures
    expected = [losses(results, f"toy-mlp-ce+cold-s{s}") - losses(results, f"toy-mlp-ce-s{s}") for s in (0, 1)]
    assert toy["brier"].change == pytest.approx(np.mean(expected), rel=1e-9)
    assert toy["brier"].b - toy["brier"].a == pytest.approx(toy["brier"].change)
    assert toy["brier"].word == toy["nll"].word == "worse"
    assert toy["accuracy"].word == "equal"
    assert toy["ece15"].word is None
    assert toy["ece15"].interval is None


def test_with_one_seed_the_interval_is_that_of_paired_resamples(results: Path) -> None:
    found = only(compare("ce", "one", results=results, datasets="toy")).rows[0]
    assert found.seeds == (0,)
    a, b = (load_file(next(results.glob(f"predictions/toy-mlp-{r}-s0-*")))["bootstrap.brier"] for r in ("ce", "one"))
    assert found.figures["brier"].interval == pytest.approx(np.quantile(b - a, [0.025, 0.975]), rel=1e-9)


def test_the_other_way_round_every_sign_turns(results: Path) -> None:
    found, back = compare("ce", "ce+cold", results=results), compare("ce+cold", "ce", results=results)
    for row, other in zip(found.rows, back.rows, strict=True):
        for name, figure in row.figures.items():
            assert other.figures[name].change == pytest.approx(-figure.change, abs=1e-15)
            swapped = {"worse": "better", "better": "worse"}.get(str(figure.word), figure.word)
            assert other.figures[name].word == swapped


def test_the_parts_of_each_kind_add_up_to_the_change(results: Path) -> None:
    found = only(compare("ce", "ce+cold", results=results, datasets="toy"))
    assert {where.metric for where in found.parts} == {"brier", "nll"}
    for where in found.parts:
        for kind in ("class", "confidence", "answers"):
            parts = [part for part in where.parts if part.kind == kind]
            total = found.rows[0].figures[where.metric].change
            assert sum(part.change for part in parts) == pytest.approx(total, rel=1e-9)
            assert sum(part.n for part in parts) == pytest.approx(300)


def test_the_part_of_a_class_and_of_a_bin_by_hand(results: Path) -> None:
    (where,) = (w for w in only(compare("ce", "ce+cold", results=results, datasets="toy")).parts if w.metric == "brier")
    by_class, by_bin = [], []
    for seed in (0, 1):
        a, b = (losses(results, f"toy-mlp-{recipe}-s{seed}") for recipe in ("ce", "ce+cold"))
        p, labels = probs(results, f"toy-mlp-ce-s{seed}")
        by_class.append((b - a)[labels == 2].sum() / 300)
        top = p.max(axis=1)
        by_bin.append((b - a)[(top > 7 / 15) & (top <= 8 / 15)].sum() / 300)
    parts = {(part.kind, part.name): part for part in where.parts}
    assert parts["class", "2"].change == pytest.approx(np.mean(by_class), rel=1e-9)
    assert parts["confidence", "0.467 - 0.533"].change == pytest.approx(np.mean(by_bin), rel=1e-9)
    assert parts["class", "2"].interval is not None
    low, high = parts["class", "2"].interval
    assert low < parts["class", "2"].change < high
    assert parts["answers", "both right"].word is None


def test_the_mean_over_data_sets(results: Path) -> None:
    found = compare("ce", "ce+cold", results=results)
    brier = next(mean for mean in found.over_datasets if mean.metric == "brier")
    assert brier.change == pytest.approx(np.mean([row.figures["brier"].change for row in found.rows]))
    assert (brier.rows, brier.datasets, brier.among) == (2, 2, None)
    assert (brier.word, brier.words) == ("worse", {"worse": 2})
    assert brier.here is not None
    widths = [row.figures["brier"].interval for row in found.rows]
    assert brier.here[1] - brier.here[0] < max(high - low for low, high in filter(None, widths))


def test_two_runs_by_the_beginnings_of_their_ids(results: Path) -> None:
    found = only(compare("toy-mlp-ce-s0", "toy-mlp-ce-s1", results=results))
    assert found.kind == "runs"
    expected = losses(results, "toy-mlp-ce-s1").mean() - losses(results, "toy-mlp-ce-s0").mean()
    assert found.rows[0].figures["brier"].change == pytest.approx(expected, rel=1e-9)
    assert found.rows[0].figures["brier"].word == "level"


def test_two_folders(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    logits, labels = samples()
    for folder, factor in ((old, 1.0), (new, 3.0)):
        store_run(folder, "ce", 0, logits, labels)
        store_run(folder, "focal", 0, factor * logits, labels, config={"device": f"cpu{factor:g}"})
    store_run(old, "gone", 0, logits, labels)
    store_run(new, "new", 0, logits, labels)
    found = compare(old, new)
    assert found.kind == "folders"
    rows = {row.recipe: row for row in found.rows}
    assert set(rows) == {"ce", "focal"}
    assert rows["ce"].equal
    assert rows["focal"].figures["brier"].word == "worse"
    assert (found.only_a, found.only_b) == (("toy-mlp-gone-s0-aaaa",), ("toy-mlp-new-s0-aaaa",))
    assert [(run.run, run.differs) for run in found.changed] == [("toy-mlp-focal-s0-aaaa", ("device: cpu1 -> cpu3",))]
    assert not found.parts
    assert [row.recipe for row in found.sorted_by("brier").rows] == ["focal", "ce"]
    assert {where.metric for where in compare(old, new, methods="focal").parts} == {"brier", "nll"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"data": {"test_fingerprint": "others"}}, "other test samples"),
        ({"bootstrap": {"seed": 1, "resamples": 1000}}, "another bootstrap seed"),
        ({"predictions": None}, "not stored"),
    ],
)
def test_what_is_not_paired_has_no_interval(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    import dataclasses

    from calibench.atomic import write_json

    logits, labels = samples()
    store_run(tmp_path / "old", "ce", 0, logits, labels)
    record = store_run(tmp_path / "new", "ce", 0, 3 * logits, labels)
    changed = dataclasses.replace(record, **changes)  # type: ignore[arg-type]
    write_json(tmp_path / "new" / "records" / f"{record.run_id}.json", changed.to_dict())
    found = only(compare(tmp_path / "old", tmp_path / "new"))
    figure = found.rows[0].figures["brier"]
    assert figure.change > 0
    assert figure.interval is None
    assert figure.word is None
    assert not found.parts
    assert any(why in note for note in found.notes)


def test_predictions_that_were_changed_are_not_used(tmp_path: Path) -> None:
    logits, labels = samples()
    store_run(tmp_path / "old", "ce", 0, logits, labels)
    record = store_run(tmp_path / "new", "ce", 0, 3 * logits, labels)
    assert record.predictions is not None
    path = tmp_path / "new" / record.predictions["file"]
    path.write_bytes(path.read_bytes()[:-8] + b"12345678")
    found = only(compare(tmp_path / "old", tmp_path / "new"))
    assert found.rows[0].figures["brier"].interval is None
    assert any("has changed since its record was written" in note for note in found.notes)


@pytest.mark.parametrize(
    ("a", "b", "options", "says"),
    [
        ("ce", "ce", {}, "both 'ce'"),
        ("cee", "one", {}, "did you mean 'ce'"),
        ("ce", "toy-mlp-one-s0", {}, "compare two of a kind"),
        ("toy-mlp-ce", "one", {}, "4 runs in"),
        ("ce", "one", {"metrics": "bier"}, "did you mean 'brier'"),
        ("ce", "one", {"metrics": ","}, "no metric is named"),
        ("ce", "one", {"datasets": "tpy"}, "did you mean 'toy'"),
        ("ce", "one", {"datasets": ["more"]}, "has the dataset 'more'"),
        ("toy-mlp-one-s0", "more-mlp-ce-s0", {}, "other data"),
        ("ce", "one", {"tolerance": -1.0}, "tolerance"),
    ],
)
def test_what_is_refused(results: Path, a: str, b: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError) as raised:
        compare(a, b, results=results, **options)  # type: ignore[arg-type]
    assert says in str(raised.value)
    assert raised.value.hint


def test_a_recipe_may_name_the_objective_that_its_text_leaves_out(tmp_path: Path) -> None:
    logits, labels = samples(60)
    stages = [{"name": name, "params": {}} for name in ("ce", "vtst")]
    store_run(tmp_path, "vtst", 0, logits, labels, config={"stages": stages})
    store_run(tmp_path, "ce", 0, 2 * logits, labels)
    assert compare("ce", "ce+vtst", results=tmp_path).rows == compare("ce", "vtst", results=tmp_path).rows


def test_a_recipe_may_be_named_as_its_suite_does(tmp_path: Path) -> None:
    logits, labels = samples(60)
    suite = {"name": "s-v1", "method": "vtst"}
    store_run(tmp_path, "ce:epochs=600+vtst:budget=paper", 0, logits, labels, preset=suite)
    store_run(tmp_path, "ce", 0, 2 * logits, labels)
    assert [row.seeds for row in compare("ce", "vtst", results=tmp_path).rows] == [(0,)]
