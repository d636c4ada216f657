"""Commands and Python of guides on small files: what judges stored outputs, lists, shows, plans, or draws pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from code_blocks import ROOT, blocks, commands

RUN = {
    "docs/guides/evaluate.md": ("evaluate",),
    "docs/guides/decisions.md": ("evaluate",),
    "docs/guides/several-labels.md": ("evaluate",),
    "docs/guides/imbalance.md": ("evaluate",),
    "docs/guides/datasets.md": ("evaluate",),
    "docs/guides/presets.md": ("list", "show"),
    "docs/guides/label-noise.md": ("list", "show"),
    "docs/guides/shift.md": ("list", "show"),
    "docs/guides/run.md": ("list", "show", "doctor"),
    "docs/guides/suites.md": ("list",),
    "docs/guides/winrates.md": ("winrates",),
}
"""The commands of a page that run here; test_every_block.py looks up the names of the others."""

COMMANDS = [
    pytest.param(words, id=f"{block.page}: {' '.join(words)}")
    for block in blocks("sh")
    for words in commands(block.text)
    if words and words[0] in RUN.get(block.page, ()) and "calarena_results.csv.gz" not in words
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the names that the pages use."""
    folder, rng = tmp_path_factory.mktemp("guides"), np.random.default_rng(0)
    for name in ("test", "val", "field", "cifar10_test_logits"):
        z = rng.normal(size=(300, 3)) * 2
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        y = (rng.random((300, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)
        np.savez(folder / f"{name}.npz", logits=z, labels=y, shares=p)
        rows = [f"{a:.5f},{b:.5f},{c:.5f},{k},Oslo" for (a, b, c), k in zip(p, y, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["prob_0,prob_1,prob_2,label,hospital", *rows]) + "\n")
    np.save(folder / "cifar10h-probs.npy", p)
    np.savez(folder / "ensemble.npz", logits=np.stack([z, z + 0.1, z - 0.1 * z]), labels=y)
    np.save(folder / "test_logits.npy", z)
    np.save(folder / "y.npy", y)
    several = (rng.random((300, 3)) < 1 / (1 + np.exp(-z))).astype(int)
    np.savez(folder / "outputs.npz", logits=z, labels=several)
    lines = [",".join([*map(str, a.round(4)), *map(str, b)]) for a, b in zip(z, several, strict=True)]
    (folder / "outputs.csv").write_text("\n".join(["z_hot,z_wet,z_far,y_hot,y_wet,y_far", *lines]) + "\n")
    spam = [f"{q[0]:.5f},{'spam' if k == 0 else 'ham'}" for q, k in zip(p, y, strict=True)]
    (folder / "spam.csv").write_text("\n".join(["spam,label", *spam]) + "\n")
    scores = [f"img{i}.png,{a:.5f},{b:.5f},{c:.5f}" for i, (a, b, c) in enumerate(p)]
    (folder / "predictions.csv").write_text("\n".join(["filename,cat,dog,fox", *scores]) + "\n")
    truth = [f"img{i}.png,{('cat', 'dog', 'fox')[k]}" for i, k in enumerate(y)]
    (folder / "labels.csv").write_text("\n".join(["filename,label", *truth]) + "\n")
    figures = [
        f"{data},{model},{method},{rng.random():.4f}"
        for data in ("a", "b", "c") for model in ("m", "n") for method in ("x", "y", "z")
    ]  # fmt: skip
    (folder / "results.csv").write_text("\n".join(["dataset,model,method,brier", *figures]) + "\n")
    y[::10] = -1
    np.savez(folder / "ignored.npz", logits=z, labels=y)
    return folder


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_there_are_commands_of_every_page() -> None:
    assert len(COMMANDS) >= 35
    assert {str(param.id).partition(":")[0] for param in COMMANDS} == set(RUN)


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_of_a_guide_runs(words: list[str], folder: Path, cli: Any) -> None:
    os.chdir(folder)  # the fixture `cli` goes back
    ran = cli(*(["evaluate", "ignored.npz", *words[2:]] if "--ignore" in words else words))
    assert ran.code == 0, ran.err


def python_of(page: str) -> str:
    """The Python of a page that is no plugin."""
    return "\n".join(block.text for block in blocks("python") if block.page == page)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["docs/guides/groups.md", "docs/guides/thresholds.md", "docs/reference/weights.md", "README.md"]
)
def test_the_python_that_judges_outputs_runs(page: str, here: Path) -> None:
    rng = np.random.default_rng(1)
    stored, others = np.load(here / "test.npz"), np.load(here / "val.npz")
    names = {
        "z": stored["logits"], "y": stored["labels"], "w": rng.random(300) + 0.5, "sex": rng.choice(["f", "m"], 300),
        "z2": others["logits"], "y2": others["labels"], "hospital": rng.choice(["Oslo", "Moss"], 300),
        "day": np.datetime64("2024-01-01") + np.sort(rng.integers(0, 150, 300)),
    }  # fmt: skip
    names |= {"logits": names["z"], "labels": names["y"]}
    code = python_of(page) if page != "README.md" else blocks("python")[0].text
    exec(compile(f"import calibench\n{code}", page, "exec"), names)
    assert "record" in names


@pytest.mark.slow
def test_the_python_of_the_site_and_of_a_table_of_runs(here: Path, cli: Any) -> None:
    pytest.importorskip("pandas", reason="the page reads the table with pandas")
    os.chdir(here)
    for board in ("quick-v1", "digits"):
        for part in ("records", "predictions"):
            found = [
                f for f in (ROOT / "leaderboards" / board).glob(f"{part}/*") if f.name.startswith("digits-mlp-ce-s0")
            ]
            (here / "leaderboards" / board / part).mkdir(parents=True)
            for file in found:
                shutil.copy(file, here / "leaderboards" / board / part)
    names: dict[str, Any] = {}
    exec(compile(python_of("docs/guides/site.md"), "site.md", "exec"), names)
    assert (here / "site" / "index.html").is_file()
    assert "<html" in (here / "ce.html").read_text(encoding="utf-8")
    assert cli("results", "--results", "leaderboards/quick-v1", "-o", "runs.csv").code == 0
    code = python_of("docs/guides/boards.md")
    assert code.startswith("import pandas\n")
    exec(compile(code.replace("\npandas", "\nmeans = pandas", 1), "boards.md", "exec"), names)
    assert list(names["means"].index) == [("digits", "ce")]
