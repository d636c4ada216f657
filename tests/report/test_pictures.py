"""Pictures and the page: every kind is drawn with the numbers it names, and what cannot be drawn is refused before anything is."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.optimize import isotonic_regression

import calibench
from calibench.cli import cli
from calibench.errors import CalibenchNote, InputError
from calibench.metrics.corp_curve import corp_curve
from calibench.report.pictures import EXPLAINED, KINDS, Drawn, kinds_of, pictures


def samples(n=400, k=3, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 2
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return p, (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1), rng


@pytest.fixture(scope="module")
def record():
    p, labels, rng = samples()
    groups = rng.choice(["Oslo", "Bodø & <co>"], 400)
    return calibench.evaluate(
        probs=p, labels=labels, groups=groups, time=np.arange(400), periods=4, metrics="accuracy,ece15,ece_debiased15"
    )


def drawn_of(record, names=()):
    return [Drawn("", record.judged, record.to_dict(), names)]


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in [axis.title, axis.xaxis.label, axis.yaxis.label]]


def test_every_kind_is_explained_and_drawn(record):
    assert set(EXPLAINED) == set(KINDS)
    kinds = [*KINDS, "reliability:1", "corp:1", "corp:all"]
    figure = pictures(drawn_of(record), kinds)
    assert len(figure.axes) == len(kinds)
    assert all(axis.get_title() and axis.get_xlabel() + axis.get_ylabel() for axis in figure.axes)
    assert all(axis.get_legend() is not None for axis in figure.axes)


def test_bins_show_the_share_of_each_bin(record):
    (axis,) = pictures(drawn_of(record), ["reliability"]).axes
    judged = record.judged
    index = np.ceil(judged.confidence * 15).astype(int) - 1
    shares = [judged.is_correct[index == b].mean() for b in range(15) if (index == b).any()]
    assert [bar.get_height() for bar in axis.patches][: len(shares)] == pytest.approx(shares)


def test_every_class_is_drawn_in_bins(record):
    (axis,) = pictures(drawn_of(record), ["reliability:all"]).axes
    p, labels, _ = samples()
    index = np.clip(np.ceil(p[:, 1] * 15).astype(int) - 1, 0, 14)
    shares = [(labels[index == b] == 1).mean() for b in range(15) if (index == b).any()]
    (line,) = [line for line in axis.lines if line.get_label().startswith("class 1 (ECE")]
    assert line.get_ydata() == pytest.approx(shares)
    assert axis.get_title() == "reliability, 15 bins, every class"


def test_legends_stand_above_the_axes_and_inside_the_picture(record):
    for kind in [*KINDS, "reliability:all", "corp:all"]:
        figure = pictures(drawn_of(record, ("a class of long name", "eel", "_dog")), [kind])
        figure.draw_without_rendering()
        (axis,) = figure.axes
        box, title = axis.get_legend().get_window_extent(), axis.title.get_window_extent()
        assert box.y0 >= axis.get_window_extent().y1 - 1, kind
        assert title.y0 >= box.y1 - 2, kind
        assert box.x0 >= -1, kind
        assert box.x1 <= figure.bbox.x1, kind


def test_a_panel_is_as_wide_as_a_column_of_print_and_its_letters_can_be_read(record, tmp_path):
    figure = pictures(drawn_of(record), ["reliability"])
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85, abs=0.2)
    (axis,) = figure.axes
    words = [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.get_xticklabels(), *axis.get_legend().get_texts()]
    assert min(text.get_fontsize() for text in words) >= 6.5
    record.plot(tmp_path / "o.png")
    width = int.from_bytes((tmp_path / "o.png").read_bytes()[16:20], "big")
    assert width == pytest.approx(300 * 85 / 25.4, abs=3)


def test_names_of_classes_are_text(record, tmp_path):
    names = ("$x^2", r"$\frac{", "_hidden")
    figure = pictures(drawn_of(record, names), [r"corp:$\frac{", "corp:all"])
    assert not any(text.get_parse_math() for text in figure.axes[1].get_legend().get_texts())
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert [any(name in label for label in labels) for name in names] == [True] * 3
    figure.savefig(tmp_path / "o.svg")


def test_a_model_that_is_always_sure_has_a_dot():
    rng = np.random.default_rng(0)
    p, labels = np.eye(3)[rng.integers(3, size=90)], rng.integers(3, size=90)
    record = calibench.evaluate(probs=p, labels=labels, metrics="accuracy", resamples=0)
    for axis, name in zip(
        pictures(drawn_of(record), ["corp", "risk-coverage"]).axes, ("isotonic", "error rate"), strict=True
    ):
        (line,) = [line for line in axis.lines if line.get_label().startswith(name)]
        assert len(line.get_xdata()) == 1
        assert line.get_marker() == "o"


def test_weighted_samples_are_counted_by_weight(record):
    p, labels, rng = samples(200)
    weighted = calibench.evaluate(probs=p, labels=labels, sample_weight=rng.lognormal(0, 1, 200), metrics="accuracy")
    figure = pictures(drawn_of(weighted), ["confidence", "reliability"])
    assert figure.axes[0].get_ylabel() == "weight of samples"
    assert any(text.get_text().startswith("weight, ") for text in figure.axes[1].get_legend().get_texts())


def test_intervals_of_groups_have_the_level_of_the_record(record):
    (axis,) = pictures([Drawn("", record.judged, record.to_dict(), (), 0.9)], ["groups"]).axes
    assert "accuracy, 90 %" in [text.get_text() for text in axis.get_legend().get_texts()]


def test_groups_stand_in_their_order_with_confidence_and_accuracy(record):
    (axis,) = pictures(drawn_of(record), ["groups"]).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert [label.removeprefix("* ").split(" (n")[0] for label in labels] == list(record.groups)
    points = {round(float(x), 6) for line in axis.lines for x in np.atleast_1d(line.get_xdata())}
    for group in record.groups.values():
        assert round(100 * group["metrics"]["accuracy"], 6) in points
        assert round(100 * group["mean_confidence"], 6) in points


def test_classes_have_their_names(record):
    figure = pictures(drawn_of(record, ("cat", "dog", "eel")), ["corp:dog", "corp:all"])
    assert "probability of class dog" in texts(figure)
    assert [text.get_text().split(" (")[0] for text in figure.axes[1].get_legend().get_texts()][1:] == [
        "cat",
        "dog",
        "eel",
    ]


def test_many_classes_are_drawn_the_worst_in_colour():
    p, labels, _ = samples(300, 12)
    record = calibench.evaluate(probs=p, labels=labels, metrics="accuracy", resamples=0)
    (axis,) = pictures(drawn_of(record), ["corp:all"]).axes
    assert len(axis.get_legend().get_texts()) == 7
    assert "grey: 6 others" in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_corp_curve_is_the_isotonic_regression(weighted):
    p, labels, rng = samples(200, 2)
    p, y = np.round(p[:, 1], 2), (labels == 1).astype(float)
    w = rng.lognormal(0, 1, 200) if weighted else np.ones(200)
    curve = corp_curve(p, y, w if weighted else None)
    values = np.unique(p)
    means = np.array([np.average(y[p == value], weights=w[p == value]) for value in values])
    expected = isotonic_regression(means, weights=[w[p == value].sum() for value in values]).x
    np.testing.assert_allclose(np.interp(values, curve.p, curve.fit), expected, atol=1e-12)
    assert set(curve.p) <= set(values)
    fit = expected[np.searchsorted(values, p)]
    removed = np.average((p - y) ** 2 - (fit - y) ** 2, weights=w)
    assert curve.miscalibration == pytest.approx(removed)


def test_the_band_holds_a_calibrated_curve_and_not_another():
    inside = []
    for seed in range(20):
        p, labels, _ = samples(500, 2, seed)
        curve = corp_curve(p[:, 1], (labels == 1).astype(float), seed=seed)
        fit = np.interp(curve.grid, curve.p, curve.fit)
        inside.append(((fit >= curve.low - 1e-12) & (fit <= curve.high + 1e-12)).mean())
    assert 0.8 < np.mean(inside) < 0.97
    p, labels, _ = samples(500, 2)
    curve = corp_curve(p[:, 1] ** 3, (labels == 1).astype(float))
    fit = np.interp(curve.grid, curve.p, curve.fit)
    assert ((fit >= curve.low) & (fit <= curve.high)).mean() < 0.6


def test_a_page_is_one_file_that_loads_nothing(record, tmp_path):
    record.report(tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert not re.findall(r"(?:src|href)=\"(?!data:image/svg\+xml;base64,|data:,|#content)", text)
    assert "url(" not in text
    assert "://" not in re.sub(r"base64,[^\"]*", "", text)
    assert "Bodø &amp; &lt;co&gt;" in text
    assert record.verdict[1:] in html.unescape(text)
    assert text.count("<img alt=") == 7  # a figure a picture, so that a phone shows each in full width
    assert text.count("<figcaption>") == 7
    assert text.count('<th scope="row">') == 3 + 2 + 4
    assert "<th>" not in text
    assert f"{100 * record.metrics['accuracy']:.2f}" in text
    record.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "out.html").read_bytes()


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_formats(record, tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    record.plot(path, "corp,confidence")
    assert path.read_bytes().startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[ending])


def test_kinds_that_there_are_not():
    for text, says in {
        "corpse": "did you mean 'corp'",
        "groups:1": "takes no class",
        "corp:": "takes no class",
        ",": "names no picture",
    }.items():
        with pytest.raises(InputError, match=re.escape(says)):
            kinds_of(text)


def test_refusals_write_nothing(tmp_path):
    p, labels, _ = samples(60)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels)
    file, out = str(tmp_path / "t.npz"), str(tmp_path / "o.svg")
    cases = {
        ("--plot", out, "--plot-kind", "groups"): "add --by COLUMN",
        ("--plot", out, "--plot-kind", "corp:9"): "there is no class '9'",
        ("--plot", out, "--plot-kind", "corps"): "did you mean",
        ("--plot-kind", "corp"): "would do nothing without --plot",
        ("--report", str(tmp_path / "o.txt")): "end it in .html",
        ("--report", str(tmp_path / "o.html"), "--stream"): "--stream keeps none",
        ("--plot", out, "--plot-kind", "corp", "--stream"): "--stream keeps none",
    }
    for options, says in cases.items():
        result = CliRunner().invoke(cli, ["evaluate", file, *options, "--resamples", "0"])
        assert isinstance(result.exception, InputError), (options, result.output, result.exception)
        assert says in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.npz"]


def test_the_command_line_draws_before_and_after_a_fit(tmp_path):
    for name, seed in (("t", 1), ("v", 2)):
        p, labels, _ = samples(300, seed=seed)
        np.savez(tmp_path / f"{name}.npz", probs=p, labels=labels)
    options = ("--fit", "temperature", "--fit-on", str(tmp_path / "v.npz"), "--metrics", "accuracy")
    plot = ("--plot", str(tmp_path / "o.svg"), "--plot-kind", "corp", "--report", str(tmp_path / "o.html"))
    result = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "t.npz"), *options, *plot], catch_exceptions=False)
    assert result.exit_code == 0
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert "Before: " in page
    assert "After temperature: " in page
    assert (tmp_path / "o.svg").stat().st_size > 1000


def test_letters_without_a_font_are_named_once(tmp_path):
    p, labels, rng = samples(100)
    record = calibench.evaluate(
        probs=p, labels=labels, groups=rng.choice(["\u1f00\U00012345", "b"], 100), metrics="accuracy"
    )
    with pytest.warns(CalibenchNote) as caught:
        record.plot(tmp_path / "o.png", "groups")
    assert [str(warning.message) for warning in caught] == [
        "matplotlib's font lacks \U00012345: the picture has boxes in their place"
    ]


def test_the_page_has_the_notes_and_hostile_names_as_text(tmp_path):
    p, labels, rng = samples(200, 2)
    rows = "".join(
        f"{a},{b},{y},{'<i>' if g else '</td><script>alert(1)</script>'}\n"
        for (a, b), y, g in zip(p, labels, rng.random(200) < 0.5, strict=True)
    )
    file = tmp_path / "<b>.csv"
    file.write_text("prob_0,prob_1,label,<script>alert(2)</script>\n" + rows)
    options = ("--by", "<script>alert(2)</script>", "--report", str(tmp_path / "o.html"), "--metrics", "accuracy")
    result = CliRunner().invoke(cli, ["evaluate", str(file), *options, "-q"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1  # our own
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_has_the_notes_of_reading(tmp_path):
    p, labels, _ = samples(200, 2)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels)
    options = ("--report", str(tmp_path / "o.html"), "--metrics", "accuracy", "--json")
    result = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "t.npz"), *options], catch_exceptions=False)
    notes = json.loads(result.stdout)["notes"]
    assert notes
    page = html.unescape((tmp_path / "o.html").read_text(encoding="utf-8"))
    assert all(f"Note: {note}" in page for note in notes)
