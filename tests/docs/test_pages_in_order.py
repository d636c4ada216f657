"""Pages that tell a story: their blocks run in their order in one folder, and end as the page tells."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from code_blocks import BLOCK, ROOT, blocks, commands


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, from which Python imports too; the modules of the pages are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def follow(page: str, cli: Any, shorter: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Run the page's blocks in their order, after `shorter` replaced some words; the output of each command.

    A block of Python begins with the name of its file.
    """
    outputs: dict[str, str] = {}
    text = (ROOT / page).read_text(encoding="utf-8")
    for words, replacement in shorter.items():
        assert words in text
        text = text.replace(words, replacement)
    for language, block in BLOCK.findall(text):
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", block)
            assert name is not None, "a block of Python begins with the name of its file"
            Path(name[1]).write_text(block, encoding="utf-8")
        for line in block.splitlines() if language == "sh" else ():
            words = shlex.split(line)
            if words[0] == "python":
                runpy.run_path(words[1], run_name="__main__")
                outputs[line] = ""
            else:
                ran = cli(*words[1:])
                assert ran.code == 0, (line, ran.err)
                outputs[line] = ran.out + ran.err
    return outputs


@pytest.mark.slow
def test_a_map_in_production(here: Path, cli: Any) -> None:
    outputs = follow("docs/guides/production.md", cli)
    assert len(outputs) >= 11
    table = next(out for line, out in outputs.items() if line.startswith("calibench evaluate used.csv"))
    assert [re.search(rf"{month} .* (no sign|miscalibrated) ", table)[1] for month in ("2024-03", "2024-04", "2024-05")] == [
        "no sign", "no sign", "miscalibrated",
    ]  # fmt: skip
    document = json.loads(outputs["calibench evaluate used-fixed.csv --by-time day --periods month --json -q"])
    drift = document["periods"]["drift"]
    assert drift["drifts"] is True
    assert drift["since"] == "2024-05-01"
    assert round(100 * drift["gap_after"]) == 12, "the page says 12 points"
    readme = next(block for block in blocks("sh") if block.page == "README.md" and "evaluate" in block.text)
    for words in commands(readme.text):
        assert cli(*words).code == 0, words


@pytest.mark.slow
def test_an_own_network(here: Path, cli: Any, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = follow("docs/network.md", cli, {'"tst", "vtst"': '"tst:epochs=1", "vtst:epochs=1"'})
    records = {
        record["recipe"]: record
        for record in (json.loads(path.read_text()) for path in (here / "results" / "records").glob("*.json"))
    }
    assert set(records) == {"ce", "ce+temperature", "tst:epochs=1", "vtst:epochs=1"}
    ece = {recipe: record["metrics"]["ece15"] for recipe, record in records.items()}
    assert ece["ce+temperature"] < 0.5 * ece["ce"], "the page shows .040 and .182"
    assert records["ce"]["calibrated"] == "miscalibrated"
    assert "ce+temperature" in outputs["calibench leaderboard"]
    assert "(3, 10)" in capsys.readouterr().out
    assert (here / "net.pt").exists()


@pytest.mark.slow
def test_the_python_guide(here: Path) -> None:
    (here / "nets.py").write_text(
        "import torch\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, classes=10):\n        super().__init__()\n"
        "        self.body, self.head = torch.nn.Linear(64, 16), torch.nn.Linear(16, classes)\n"
        "    def forward(self, x):\n        return self.head(torch.relu(self.body(x)))\n"
    )
    import nets  # type: ignore[import-not-found]
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    data = tuple((x[rows] / 16, y[rows]) for rows in (slice(0, 300), slice(300, 400), slice(400, 600), slice(600, 900)))
    names: dict[str, Any] = dict(zip(("train", "val", "cal", "test"), data, strict=True))
    names |= {"net": nets.Net(), "data": data, "make_net": lambda task: nets.Net(task.num_classes), "x_new": x[900:910]}
    code = "\n".join(block.text for block in blocks("python") if block.page == "docs/guides/python.md")
    for words, shorter in (
        ("vtst+temperature", "vtst:epochs=1+temperature"),
        ('["ce", "ce+temperature", "tst", "vtst"]', '["ce:epochs=1+threshold:value=0.3", "ce:epochs=1+tst:epochs=1"]'),
        ("seed=[0, 1, 2]", "seed=[0]"),
        ('compare("ce", "vtst")', 'compare("ce:epochs=1+threshold:value=0.3", "ce:epochs=1+tst:epochs=1")'),
    ):
        assert words in code
        code = code.replace(words, shorter)
    exec(compile(code, "python.md", "exec"), names)
    assert names["predicted"].probs.shape == (10, 10)
    assert names["predicted"].decisions.answers.shape == (10,)
