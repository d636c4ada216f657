"""One pass over a file gives the figures, intervals and verdict of judging it whole, for every size of block."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import calibench
from calibench.errors import InputError
from calibench.evaluation.advice import MOST_SHUFFLED, rows_to_compare
from calibench.evaluation.stored_outputs import evaluate_samples
from calibench.evaluation.streaming import drawn_counts
from calibench.evaluation.streaming.evaluate import evaluate_file
from calibench.evaluation.streaming.figures import why_not
from calibench.evaluation.streaming.totals import Moments, Totals
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling
from calibench.metrics.load import load_metrics
from calibench.metrics.sample_mean import SampleMean
from calibench.outputs.readers import Columns, open_blocks, read_outputs

STREAMED = "default,over_confidence,under_confidence,ece20,rms_ce:bins=width,classwise_ece:bins=7,mce15"
FIGURES_ALONE = Sampling(resamples=0)


@pytest.fixture
def stored(tmp_path, samples, softmax):
    """`stored(n, k, probs=False, temperature=1.0)`: the path of an `.npz`."""

    def write(n, k, probs=False, temperature=1.0):
        logits, labels = samples(n, k, seed=n)
        scores = softmax(logits / temperature) if probs else logits / np.float32(temperature)
        np.savez(tmp_path / "a.npz", **{"probs" if probs else "logits": scores, "labels": labels})
        return tmp_path / "a.npz"

    return write


def both(path, block_rows, metrics=STREAMED, sampling=DEFAULT_SAMPLING):
    whole = evaluate_samples(read_outputs(path), metrics=metrics, sampling=sampling)
    return whole, evaluate_file(
        open_blocks(path, Columns()), metrics=metrics, sampling=sampling, block_rows=block_rows
    )[0]


def assert_close(found, expected, what):
    """Whole numbers and texts are equal, other numbers to 1e-12 relative."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-14), what
    elif isinstance(expected, dict | list):
        pairs = expected.items() if isinstance(expected, dict) else enumerate(expected)
        assert len(found) == len(expected), what
        for key, value in pairs:
            assert_close(found[key], value, f"{what}: {key}")
    else:
        assert found == expected, what


@pytest.mark.parametrize("probs", [False, True])
@pytest.mark.parametrize(("n", "k", "block_rows"), [(31, 3, 1), (211, 3, 70), (211, 2, 64), (57, 5, 1000), (1, 2, 1)])
def test_figures_are_those_of_the_whole_file(n, k, block_rows, probs, stored):
    whole, streamed = both(stored(n, k, probs), block_rows, sampling=FIGURES_ALONE)
    assert list(streamed.not_streamed) == ["ece_equal_mass15", "aurc"]
    assert [*whole.metrics] == [name for name in whole.units if name in {*streamed.metrics, *streamed.not_streamed}]
    for name in streamed.metrics:
        assert_close(streamed.metrics[name], whole.metrics[name], name)
        assert_close(streamed.details.get(name), whole.details.get(name), name)
    for field in ("n", "classes", "labels_per_sample", "calibrated", "verdict", "warnings", "mean_confidence"):
        assert_close(getattr(streamed, field), getattr(whole, field), field)


def test_figures_equal_loops_over_samples(stored):
    path = stored(211, 3)
    content = np.load(path)
    logits, labels = content["logits"].astype(np.float64), content["labels"]
    _, streamed = both(path, 13, sampling=FIGURES_ALONE)
    right, nll, brier, bins = 0, [], [], [[] for _ in range(15)]
    for x, y in zip(logits.tolist(), labels.tolist(), strict=True):
        p = [math.exp(value - max(x)) for value in x]
        p = [value / sum(p) for value in p]
        best = p.index(max(p))
        right += best == y
        nll.append(-math.log(p[y]))
        brier.append(sum((value - (j == y)) ** 2 for j, value in enumerate(p)))
        bins[max(math.ceil(max(p) * 15) - 1, 0)].append((max(p), best == y))
    gaps = [abs(sum(p for p, _ in rows) - sum(hit for _, hit in rows)) for rows in bins]
    assert streamed.metrics["accuracy"] == right / 211
    assert streamed.metrics["nll"] == pytest.approx(math.fsum(nll) / 211, rel=1e-12)
    assert streamed.metrics["brier"] == pytest.approx(math.fsum(brier) / 211, rel=1e-12)
    assert streamed.metrics["ece15"] == pytest.approx(math.fsum(gaps) / 211, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("probs", [False, True])
@pytest.mark.parametrize(("n", "k", "block_rows"), [(1009, 3, 100), (1009, 2, 1008), (64, 3, 5), (3001, 40, 250)])
def test_intervals_advice_and_findings_are_those_of_the_whole_file(n, k, block_rows, probs, stored):
    whole, streamed = both(stored(n, k, probs), block_rows)
    for name in streamed.metrics:
        found, expected = streamed.intervals[name], whole.intervals[name]
        assert (found is None) == (expected is None), name
        if found is not None:
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), name
    assert streamed.no_interval == {name: why for name, why in whole.no_interval.items() if name in streamed.metrics}
    assert streamed.calibrated == whole.calibrated
    assert [(f["name"], f["observed"]) for f in streamed.findings] == [
        (f["name"], f["observed"]) for f in whole.findings
    ]
    assert_close(streamed.advice, whole.advice, "advice")
    for name, floor in streamed.noise_floor.items():
        assert floor["mean"] == pytest.approx(whole.noise_floor[name]["mean"], rel=0.2), name
    assert set(streamed.noise_floor) == set(whole.noise_floor) & set(streamed.metrics)


@pytest.mark.slow
def test_one_block_draws_the_very_labels_of_the_whole_file(stored):
    whole, streamed = both(stored(211, 3), None, "ece15,ece10,mce15,classwise_ece15,ece_debiased15")
    for name, floor in whole.noise_floor.items():
        assert streamed.noise_floor[name] == pytest.approx(floor, rel=1e-9), name
    assert streamed.verdict == whole.verdict
    assert_close(streamed.findings, whole.findings, "findings")


@pytest.mark.slow
def test_labels_of_different_blocks_are_drawn_independently():
    """Twice the same rows: a calibrated model's right answers have twice the variance, and four times with the same labels."""
    from calibench.metrics.judged import Judged
    from calibench.outputs.outputs import Outputs

    block = Judged(Outputs(torch.zeros(400, 2)), torch.arange(400) % 2)
    draws = drawn_counts.DrawnCounts(2, {15}, {15}, 0)
    for _ in range(4):
        draws.add(block)
    right = draws.tables["right in 15 bins"].sum(axis=0)
    np.testing.assert_array_equal(right, draws.tables["right in 0 bins"][0])
    assert draws.tables["labels in 15 bins"].sum(axis=0).tolist() == [1600] * 1000
    assert right.mean() == pytest.approx(800, abs=3)
    assert 0.85 * 400 < right.var() < 1.15 * 400  # 1600 fair coins; the same ones four times would give 1600


def test_warnings(stored, tmp_path, samples, softmax):
    logits, labels = samples(100, 3)
    probs = softmax(logits)
    np.savez(tmp_path / "as.npz", logits=probs, labels=labels)
    whole, streamed = both(tmp_path / "as.npz", 7, "nll", FIGURES_ALONE)
    assert streamed.warnings == whole.warnings
    assert "are they probabilities?" in streamed.warnings[0]
    probs[88] = np.eye(3)[labels[88] - 1]
    np.savez(tmp_path / "clipped.npz", probs=probs, labels=labels)
    whole, streamed = both(tmp_path / "clipped.npz", 7, "nll", FIGURES_ALONE)
    assert streamed.warnings == whole.warnings
    assert "1 of 100 probabilities" in streamed.warnings[0]
    assert streamed.details["nll"] == {"clipped": 1}


def test_labels_of_one_class_are_refused_at_the_end(tmp_path, samples):
    logits, labels = samples(50, 3)
    np.savez(tmp_path / "a.npz", logits=logits, labels=np.full(50, 2))
    with pytest.raises(InputError, match="all 50 labels are class 2"):
        evaluate_file(open_blocks(tmp_path / "a.npz", Columns()), sampling=FIGURES_ALONE, block_rows=7)
    np.savez(tmp_path / "a.npz", logits=logits, labels=np.sort(labels))  # whole blocks of one class
    evaluate_file(open_blocks(tmp_path / "a.npz", Columns()), sampling=FIGURES_ALONE, block_rows=7)


@pytest.mark.slow
def test_metrics_that_need_all_rows(stored):
    path = stored(60, 3)
    for metrics, named in (("aurc", "aurc"), ("nll,smece", "smece"), ("default,ks", "ks"), ("rms_ce", "rms_ce")):
        with pytest.raises(InputError, match=f"{named} cannot be computed in one pass") as error:
            calibench.evaluate_stream(path, metrics=metrics, resamples=0)
        assert "these can: accuracy, nll, brier, ece15," in error.value.hint
        assert "soft" not in error.value.hint
    record = calibench.evaluate_stream(path, metrics="all", resamples=0)
    assert not set(record.metrics) & set(record.not_streamed)
    whole = evaluate_samples(read_outputs(path), metrics="all", sampling=FIGURES_ALONE)
    assert {*record.metrics, *record.not_streamed} == {*whole.metrics}


class _OfSquares(SampleMean):
    """A plugin's mean over samples."""

    def per_sample(self, judged):
        return judged.confidence**2


class _OfRanks(SampleMean):
    """Its value is no mean of single samples."""

    def per_sample(self, judged):
        return judged.confidence

    def value(self, judged):
        return float(np.median(judged.confidence))


def test_metrics_of_plugins():
    assert why_not(_OfSquares()) is None
    assert why_not(_OfRanks()) is not None
    assert why_not(load_metrics("rms_ce:bins=width")["rms_ce:bins=width"][1]) is None


@pytest.mark.slow
def test_too_many_classes_are_not_tested(stored, monkeypatch):
    path = stored(60, 3)
    monkeypatch.setattr(drawn_counts, "MOST_NUMBERS", 3 * 15 * 1000 - 1)
    record = calibench.evaluate_stream(path)
    assert record.calibrated == "not_tested"
    assert "labels of at most 2 classes are drawn, and there are 3" in record.verdict
    assert record.noise_floor == {}
    assert record.advice is None
    assert record.bootstrap["noise_floor_draws"] == 0
    assert record.intervals["accuracy"] is not None
    monkeypatch.setattr(drawn_counts, "MOST_NUMBERS", 3 * 15 * 1000)
    assert calibench.evaluate_stream(path).noise_floor
    assert "fewer than 2147483648 samples" in str(drawn_counts.why_not_drawn(1 << 31, 3))


def test_rows_are_reported(stored):
    heard = []
    evaluate_file(
        open_blocks(stored(60, 3), Columns()),
        sampling=FIGURES_ALONE,
        report=lambda *work: heard.append(work),
        block_rows=25,
    )
    assert heard == [("rows", 25, 60, ""), ("rows", 50, 60, ""), ("rows", 60, 60, "")]


def test_rows_that_are_gone_are_not_made_up(stored):
    record = calibench.evaluate_stream(stored(60, 3), resamples=0)
    for name in ("confidence", "labels", "probs", "outputs", "prediction"):
        with pytest.raises(calibench.RunError, match="read in one pass are gone"):
            getattr(record.judged, name)
    assert not hasattr(record.judged, "anything")


blocks = st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), min_size=1, max_size=9)


@given(blocks)
def test_moments_of_blocks_are_those_of_all_values(parts):
    moments, values = Moments(), np.concatenate(parts)
    for part in parts:
        moments.add(np.array(part))
    deviation, scale = values - values.mean(), max(np.abs(values).max(), 1e-9)
    assert moments.n == len(values)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12, abs=1e-12 * scale)
    assert moments.second == pytest.approx((deviation**2).sum(), rel=1e-9, abs=1e-12 * scale**2 * len(values))
    assert moments.third == pytest.approx((deviation**3).sum(), rel=1e-9, abs=1e-12 * scale**3 * len(values))


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=50))
def test_totals_lose_nothing_to_speak_of(values):
    totals = Totals()
    for value in values:
        totals.add("a", np.array([value, 1.0]))
    exact = math.fsum(values)
    assert totals["a"][0] == pytest.approx(exact, rel=1e-15, abs=1e-14 * max(map(abs, values)) * 2**-40)
    assert totals["a"][1] == len(values)


def test_rows_for_the_advice_of_large_files():
    assert rows_to_compare(20, 10, 0).tolist() == list(range(20))
    for n in (30_001, MOST_SHUFFLED + 12_345):
        rows = rows_to_compare(n, 10, seed=3)
        assert len(rows) == len(set(rows.tolist())) == 20_000
        assert (np.diff(rows) > 0).all()
        assert rows[0] >= 0
        assert rows[-1] < n
        assert abs(rows.mean() / n - 0.5) < 0.02
